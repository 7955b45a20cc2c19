"""What a pull request changes: each definition before and after, and what that means for who runs it."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from zoneinfo import ZoneInfo

from shared.pipelines.describe import when
from shared.pipelines.facts import Needs, needs
from shared.pipelines.lint import Finding, lint
from shared.pipelines.plan import Plan, as_json
from shared.pipelines.schedule import Event, Schedule, next_runs
from shared.pipelines.step import Step
from shared.pipelines.work import Check, Ingest, Load, Transform

# List prices of us-east-1, arm64, in USD; docs/cost.md has the model.
A_TRANSITION = 0.000025
A_GB_SECOND = 0.0000133334
SECONDS_OF_A_STEP = 60.0
GB_OF_A_STEP = 0.5


class Kind(StrEnum):
    """What becomes of a pipeline."""

    CREATED = "created"
    CHANGED = "changed"
    DELETED = "deleted"
    RENAMED = "renamed"
    BROKEN = "broken"
    SAME = "same"


@dataclass(frozen=True, slots=True)
class Side:
    """A definition as it is on one side: compiled, or what is wrong with it. `path` is empty where there is none."""

    path: str = ""
    plan: Plan | None = None
    artifacts: Mapping[str, bytes] = field(default_factory=dict)
    error: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """One pipeline before and after."""

    before: Side
    after: Side

    @property
    def kind(self) -> Kind:
        before, after = self.before, self.after
        if after.error:
            return Kind.BROKEN
        if not after.path:
            return Kind.DELETED
        if before.plan is None or after.plan is None:
            return Kind.CREATED
        if before.plan.name != after.plan.name or before.path != after.path:
            return Kind.RENAMED
        same = before.artifacts == after.artifacts and before.plan.digest() == after.plan.digest()
        return Kind.SAME if same else Kind.CHANGED

    @property
    def name(self) -> str:
        """The pipeline's name, or that of its file where it has none."""
        plan = self.after.plan or self.before.plan
        return plan.name if plan else self.after.path or self.before.path

    @property
    def path(self) -> str:
        return self.after.path or self.before.path

    @property
    def rescheduled(self) -> bool:
        return _schedule(self.before) != _schedule(self.after)

    @property
    def why_no_runs(self) -> str:
        schedule = _schedule(self.after)
        by_hand = schedule is None or isinstance(schedule.trigger, Event)
        return "none: it is started by hand or by an event" if by_hand else "none any more: its time is over"

    def runs(self, now: datetime, *, count: int = 5) -> tuple[datetime, ...]:
        """When it runs next, after this change, in the time zone of its schedule."""
        schedule = _schedule(self.after)
        if schedule is None:
            return ()
        zone = ZoneInfo(schedule.timezone)
        return tuple(run.astimezone(zone) for run in next_runs(schedule, now, count=count))

    @property
    def schedules(self) -> tuple[str, str]:
        """The schedule before and after, in words; empty where there is no such side."""
        before, after = (when(_schedule(one)) if one.plan else "" for one in (self.before, self.after))
        return before, after

    @property
    def needed(self) -> dict[str, tuple[str, ...]]:
        """What it needs that it did not need before, by kind."""
        return _needs(self.after).beyond(_needs(self.before))

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What `sluice lint` tells of it and did not tell before; not what is unused, for defaults are shared."""
        before = {(one.rule, one.text) for one in _findings(self.before)}
        return tuple(one for one in _findings(self.after) if (one.rule, one.text) not in before)

    def cost(self, now: datetime) -> tuple[float, float]:
        """USD in 30 days before and after: an estimate, of the transitions of its steps and a minute of half a GB for
        each of those that this product runs itself.
        """
        return _cost(self.before, now), _cost(self.after, now)

    def steps(self) -> tuple[list[str], list[str], list[str]]:
        """Names of the steps that are new, gone, and changed."""
        old = {step.name: step for step in _steps(self.before)}
        new = {step.name: step for step in _steps(self.after)}
        changed = [name for name in new if name in old and _bare(old[name]) != _bare(new[name])]
        return [n for n in new if n not in old], [n for n in old if n not in new], changed

    def diffs(self) -> dict[str, str]:
        """A unified diff of every artifact that differs, by path."""
        found: dict[str, str] = {}
        for path in sorted({*self.before.artifacts, *self.after.artifacts}):
            old, new = self.before.artifacts.get(path), self.after.artifacts.get(path)
            if old != new:
                names = (
                    f"a/{path}" if old is not None else "/dev/null",
                    f"b/{path}" if new is not None else "/dev/null",
                )
                lines = difflib.unified_diff(_lines(old), _lines(new), *names, lineterm="")
                found[path] = "\n".join(lines)
        return found


def changes_between(before: Mapping[str, Side], after: Mapping[str, Side]) -> tuple[Change, ...]:
    """The changes by path: a definition that went and one that came with the same pipeline are one that was renamed."""
    gone = {path: side for path, side in before.items() if path not in after}
    by_name = {side.plan.name: side for side in gone.values() if side.plan}
    found: list[Change] = []
    for path, side in sorted(after.items()):
        old = before.get(path)
        if old is None and side.plan and (moved := by_name.pop(side.plan.name, None)):
            gone.pop(moved.path, None)
            old = moved
        found.append(Change(old or Side(), side))
    found += [Change(side, Side()) for _, side in sorted(gone.items())]
    return tuple(found)


def _schedule(side: Side) -> Schedule | None:
    return side.plan.schedule if side.plan else None


def _findings(side: Side) -> list[Finding]:
    return [one for one in lint(side.plan) if one.rule != "unused"] if side.plan else []


def _needs(side: Side) -> Needs:
    return needs(side.plan) if side.plan else Needs()


def _steps(side: Side) -> tuple[Step, ...]:
    return tuple(side.plan.all_steps()) if side.plan else ()


def _bare(step: Step) -> object:
    """A step without its place in the file."""
    return as_json(step)


def _cost(side: Side, now: datetime) -> float:
    schedule = _schedule(side)
    if side.plan is None or schedule is None:
        return 0.0
    runs = _count_runs(schedule, now, now + timedelta(days=30))
    steps = list(side.plan.all_steps())
    ours = sum(isinstance(step.work, Ingest | Load | Transform | Check) for step in steps)
    return runs * (len(steps) * A_TRANSITION + ours * SECONDS_OF_A_STEP * GB_OF_A_STEP * A_GB_SECOND)


@lru_cache(maxsize=512)
def _count_runs(schedule: Schedule, now: datetime, end: datetime) -> int:
    """How often it runs until `end`, looked at a hundred runs at a time: one a year must not be asked for centuries."""
    count = 0
    while True:
        some = next_runs(schedule, now, count=100)
        within = sum(run <= end for run in some)
        count += within
        if within < 100:
            return count
        now = some[-1]


def _lines(content: bytes | None) -> list[str]:
    return (content or b"").decode(errors="replace").splitlines()
