"""A preview on a terminal, and as JSON: what a pull request says in Markdown, for who has not opened one yet."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

from shared.common.instants import format_instant
from shared.gitops.change import Change, Kind
from shared.gitops.comment import headline

if TYPE_CHECKING:
    from shared.contracts.compatibility.verdict import Verdict
    from shared.gitops.preview import Preview

_SIGNS = {Kind.CREATED: "+", Kind.CHANGED: "~", Kind.DELETED: "-", Kind.RENAMED: ">", Kind.BROKEN: "!"}
_WIDTH = 100


def lines(preview: Preview, now: datetime, *, diff: bool) -> Iterator[str]:
    """The lines for a person; `diff`: with the unified diff of every artifact."""
    yield f"Merging {preview.head[:12]} into {preview.base[:12]} would change:"
    yield ""
    wide = max((len(change.name) for change in preview.visible), default=0)
    for change in preview.visible:
        moved = change.before.path if change.kind is Kind.RENAMED else ""
        was = f", formerly {moved}" if moved != change.path and moved else ""
        yield f"{_SIGNS[change.kind]} {change.kind.value:<8} {change.name:<{wide}}  {change.path}{was}"
        yield from _facts(change, now)
        if diff:
            for text in change.diffs().values():
                yield from ("", textwrap.indent(text, "    "))
        yield ""
    if not preview.visible:
        yield from ("no pipeline", "")
    for path, verdict in preview.contracts.items():
        yield from _contract(path, verdict)
    if preview.overlap:
        yield "stale: the base has changed these files, too; rebase or merge it, and plan again"
        yield from (f"    {path}" for path in preview.overlap)
        yield ""
    yield f"{headline(preview)}: {'it passes' if preview.passes else 'it does not pass'}"


def document(preview: Preview, now: datetime) -> dict[str, Any]:
    """The same for programs."""
    return {
        "base": preview.base,
        "head": preview.head,
        "passes": preview.passes,
        "headline": headline(preview),
        "changes": [_change(change, now) for change in preview.visible],
        "contracts": [
            {"path": path, "error": verdict}
            if isinstance(verdict, str)
            else {
                "path": path,
                "compatible": verdict.compatible,
                "breaking": [{"type": str(one.type), "at": one.path} for one in verdict.breaking],
            }
            for path, verdict in preview.contracts.items()
        ],
        "overlap": list(preview.overlap),
    }


def _facts(change: Change, now: datetime) -> Iterator[str]:
    if change.kind is Kind.BROKEN:
        yield textwrap.indent(change.after.error, "    ")
        return
    if change.rescheduled and change.after.plan:
        yield from _fact("schedule", [" -> ".join(filter(None, change.schedules))])
        runs = [f"{run:%a %Y-%m-%d %H:%M %Z}" for run in change.runs(now)]
        yield from _fact("next runs", runs or (change.why_no_runs,))
    for sign, steps in zip(("steps +", "steps -", "steps ~"), change.steps(), strict=True):
        if steps and change.kind is not Kind.DELETED:
            yield from _fact(sign, steps)
    for kind, names in change.needed.items():
        yield from _fact(f"new {kind}", names)
    for finding in change.findings:
        yield from _fact("look at", [str(finding)])
    before, after = change.cost(now)
    if before or after:
        yield from _fact("cost", [f"{before:.2f} -> {after:.2f} USD in 30 days (estimated)"])


def _fact(name: str, values: Iterable[str]) -> Iterator[str]:
    text = ", ".join(values)
    yield from textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=f"    {name:<14}",
        subsequent_indent=" " * 18,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _contract(path: str, verdict: Verdict | str) -> Iterator[str]:
    if isinstance(verdict, str):
        yield from (f"! contract {path}", textwrap.indent(verdict, "    "), "")
        return
    yield f"{'=' if verdict.compatible else '!'} contract {path}: {'' if verdict.compatible else 'in'}compatible"
    yield from (
        f"    {one.type} at {one.path}: {one.message}"
        for one in (verdict.breaking or verdict.differences)[:20]
    )
    yield ""


def _change(change: Change, now: datetime) -> dict[str, Any]:
    before, after = change.cost(now)
    new, gone, changed = change.steps()
    return {
        "kind": change.kind.value,
        "name": change.name,
        "path": change.path,
        "was": change.before.path,
        "error": change.after.error,
        "rescheduled": change.rescheduled,
        "schedule": {"before": change.schedules[0], "after": change.schedules[1]},
        "next_runs": [format_instant(run) for run in change.runs(now)],
        "steps": {"new": new, "gone": gone, "changed": changed},
        "needs": {kind: list(names) for kind, names in change.needed.items()},
        "findings": [{"at": str(one.place), "rule": one.rule, "text": one.text} for one in change.findings],
        "usd_in_30_days": {"before": round(before, 4), "after": round(after, 4)},
        "diffs": change.diffs() if change.kind is not Kind.BROKEN else {},
    }
