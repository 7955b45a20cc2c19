"""The steps of a plan as steps of Google Cloud Workflows.

Each step has two variables, how it ended (`s1`) and its output (`o1`). Before it runs, `go` stays in the first one only
if nothing blocks it, an edge of it is alive and its condition holds; errors are caught and written down. Blocks side by
side are `parallel`, at most ten branches and two deep: more branches go into branches of branches, what is deeper runs
one after the other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import ceil
from typing import Any, assert_never

from shared.common.errors import Misconfigured
from shared.pipelines.step import ForEach, Step
from shared.pipelines.structure import Block, Parallel, Series, Single
from shared.pipelines.targets.lanes import Budget, items_at_once, lanes
from shared.pipelines.targets.workflows_values import Steps, Values
from shared.pipelines.targets.workflows_work import Works
from shared.pipelines.work import Branch, Wait

MOST_BRANCHES = 10
DEEPEST = 2
AT_ONCE = 20
"""https://cloud.google.com/workflows/quotas"""


@dataclass(slots=True)
class Writer:
    """Writes the steps of a plan. `labels` begin the names of steps; `numbers` are those of their variables."""

    works: Works
    labels: Mapping[str, str]
    numbers: Mapping[str, int]
    parameters: Mapping[str, str]
    has_deadline: bool
    used: set[str]
    faults: list[str] = field(default_factory=list)
    outputs: dict[str, str] = field(default_factory=dict)
    number: int = 0

    def scope(self, steps: tuple[Step, ...], budget: Budget, *, item: str = "", depth: int = 0) -> Steps:
        """All steps of a plan or a foreach."""
        found = lanes(steps, budget)
        known = {step.name: step for step in steps}
        return self._block(found.block, known, found.inside, item, depth)

    def _block(
        self, block: Block, steps: Mapping[str, Step], inside: Mapping[str, Budget], item: str, depth: int
    ) -> Steps:
        match block:
            case Single(name):
                try:
                    return self._step(steps[name], inside, item, depth)
                except Misconfigured as error:  # all that is wrong is said at once
                    self.faults.append(error.message)
                    return []
            case Series(blocks):
                return [one for part in blocks for one in self._block(part, steps, inside, item, depth)]
            case Parallel(blocks) if depth >= DEEPEST:
                return [one for part in blocks for one in self._block(part, steps, inside, item, depth)]
            case Parallel(blocks):
                return self._parallel(blocks, steps, inside, item, depth)
            case never:
                assert_never(never)

    def _parallel(
        self,
        blocks: tuple[Block, ...],
        steps: Mapping[str, Step],
        inside: Mapping[str, Budget],
        item: str,
        depth: int,
    ) -> Steps:
        if len(blocks) > MOST_BRANCHES:
            size = -(-len(blocks) // MOST_BRANCHES)
            groups = [blocks[start : start + size] for start in range(0, len(blocks), size)]
            blocks = tuple(group[0] if len(group) == 1 else Parallel(group) for group in groups)
        self.number += 1
        number = self.number
        branches: list[dict[str, Any]] = []
        for index, block in enumerate(blocks, start=1):
            inner = self._block(block, steps, inside, item, depth + 1)
            branches.append(
                {f"branch_{number}_{index}": {"steps": inner or [{f"empty_{number}_{index}": _NOTHING}]}}
            )
        names = [name for block in blocks for name in _names(block)]
        shared = [v for name in names for v in (f"s{self.numbers[name]}", f"o{self.numbers[name]}")]
        return [{f"side_by_side_{number}": {"parallel": {"shared": shared, "branches": branches}}}]

    def _step(self, step: Step, inside: Mapping[str, Budget], item: str, depth: int) -> Steps:
        label, number = self.labels[step.name], self.numbers[step.name]
        state = f"s{number}"
        values = self._values(step, label, item)
        made: Steps = [{f"{label}_begin": {"assign": [{state: "go"}]}}]
        made += self._gate(step, label, state)
        if step.condition is not None:
            asked = self._values(step, f"{label}_if", item)
            holds = asked.condition(step.condition)
            passed = [{f"{label}_passed_over": {"assign": [{state: "passed over"}]}}]
            skip = {f"{label}_unless": _when(f"not({holds})", passed)}
            made.append({f"{label}_asked": _when(f'{state} == "go"', [*asked.steps, skip])})
        match step.work:
            case ForEach() as work:
                run = self._each(step, work, label, number, values, inside, depth)
            case Branch(condition):
                run = _chose(values, values.condition(condition), f"o{number}", label)
            case Wait(until=None, seconds=seconds):
                run = [{f"{label}_sleep": {"call": "sys.sleep", "args": {"seconds": ceil(seconds or 0)}}}]
            case work:
                call = _until(work, values) if isinstance(work, Wait) else self.works.call(step, values)
                run = _attempts(step, call, values, f"o{number}", state, self.used)
        run.append(
            {
                f"{label}_well": _when(
                    f'{state} == "go"', [{f"{label}_succeeded": {"assign": [{state: "succeeded"}]}}]
                )
            }
        )
        run += self._told(step, label, state)
        made.append({label: _when(f'{state} == "go"', run)})
        return made

    def _values(self, step: Step, label: str, item: str) -> Values:
        if not self.outputs:
            self.outputs = {name: f"o{number}" for name, number in self.numbers.items()}
        return Values(label, step.place, self.outputs, self.parameters, item, self.used)

    def _gate(self, step: Step, label: str, state: str) -> Steps:
        made: Steps = []
        active = [edge for edge in step.needs if not edge.passive]
        if active:
            dead = f"{label}_dead"
            made.append({f"{label}_edges": {"assign": [{dead: True}]}})
            for index, edge in enumerate(active, start=1):
                source = self.numbers[edge.source]
                alive: Steps = [{f"{label}_alive_{index}": {"assign": [{dead: False}]}}]
                if edge.side is not None:
                    alive = [{f"{label}_side_{index}": _when(_chosen(source, edge.side), alive)}]
                made.append({f"{label}_edge_{index}": _when(f's{source} != "unreached"', alive)})
            unreached = [{f"{label}_unreached": {"assign": [{state: "unreached"}]}}]
            made.append({f"{label}_if_dead": _when(dead, unreached)})
        for index, edge in enumerate(step.needs, start=1):
            blocked = [{f"{label}_blocked_{index}": {"assign": [{state: "blocked"}]}}]
            asked = f's{self.numbers[edge.source]} in ["failed", "blocked"]'
            made.append({f"{label}_if_blocked_{index}": _when(asked, blocked)})
        if self.has_deadline:
            late = [{f"{label}_too_late": {"assign": [{state: "blocked"}]}}]
            made.append({f"{label}_if_late": _when("sys.now() >= deadline", late)})
        return made

    def _each(
        self,
        step: Step,
        work: ForEach,
        label: str,
        number: int,
        values: Values,
        inside: Mapping[str, Budget],
        depth: int,
    ) -> Steps:
        """A loop, parallel where there is room for it; outputs by index come to `m`, bad items to `b`."""
        most, left = items_at_once(work, inside[step.name])
        items, outputs, bad = f"{label}_items", f"m{number}", f"b{number}"
        given = values.value(work.items)
        made: Steps = [*values.steps, {f"{label}_list": {"assign": [{items: given}]}}]
        made.append({f"{label}_none": _when(f'get_type({items}) == "null"', [
            {f"{label}_no_items": {"assign": [{items: []}]}}])})  # fmt: skip
        state = f"s{number}"
        end = "tolerated" if step.continue_if_fail else "failed"
        made.append({f"{label}_wrong": _when(f'get_type({items}) != "list"', [
            {f"{label}_no_list": {"assign": [{items: []}, {state: end}]}}])})  # fmt: skip
        made.append({f"{label}_clear": {"assign": [{outputs: {}}, {bad: {}}]}})
        item, index = f"{label}_item", f"{label}_index"
        names = [inner.name for inner in work.steps]
        inner: Steps = [
            {f"{label}_item_begin": {"assign": [{f"s{self.numbers[n]}": "go"} for n in names]}},
            {f"{label}_item_outputs": {"assign": [{f"o{self.numbers[n]}": None} for n in names]}},
            *self.scope(work.steps, left, item=item, depth=depth + 1),
            {
                f"{label}_item_end": {
                    "assign": [{f"{outputs}[string({index})]": f"${{o{self.numbers[names[-1]]}}}"}]
                }
            },
        ]
        for n in names:
            wrong = [{f"{label}_bad_{self.numbers[n]}": {"assign": [{f"{bad}[string({index})]": True}]}}]
            asked = f's{self.numbers[n]} in ["failed", "tolerated"]'
            inner.append({f"{label}_any_bad_{self.numbers[n]}": _when(asked, wrong)})
        loop: dict[str, Any] = {"for": {"value": item, "index": index, "in": f"${{{items}}}", "steps": inner}}
        if depth < DEEPEST and most != 1:
            loop = {
                "parallel": {
                    "shared": [outputs, bad],
                    "concurrency_limit": min(most or AT_ONCE, AT_ONCE),
                    **loop,
                }
            }
        made.append({f"{label}_each": loop})
        collect = [{f"{label}_collect": {"assign": [
            {f"o{number}": f"${{list.concat(o{number}, {outputs}[string({index})])}}"}]}}]  # fmt: skip
        gather = {"for": {"value": f"{label}_one", "index": index, "in": f"${{{items}}}", "steps": collect}}
        has_failed = [{f"{label}_has_failed": {"assign": [{state: end}]}}]
        made.append({f"{label}_failed": _when(f"len({bad}) > 0", has_failed)})
        made.append({f"{label}_output": _when(f'{state} == "go"', [
            {f"{label}_empty": {"assign": [{f"o{number}": []}]}}, {f"{label}_gather": gather}])})  # fmt: skip
        return made

    def _told(self, step: Step, label: str, state: str) -> Steps:
        made: Steps = []
        for well in (True, False):
            told = step.notifications.on_success if well else step.notifications.on_failure
            steps = self.works.tell(f"{label}_{'well' if well else 'badly'}", told, step, well=well)
            if steps:
                asked = f'{state} == "succeeded"' if well else f'{state} in ["failed", "tolerated"]'
                made.append({f"{label}_tell_{'well' if well else 'badly'}": _when(asked, steps)})
        return made


_NOTHING: dict[str, Any] = {"assign": [{"nothing": None}]}


def _when(condition: str, steps: Steps) -> dict[str, Any]:
    return {"switch": [{"condition": f"${{{condition}}}", "steps": steps}]}


def _chosen(source: int, side: bool) -> str:
    """A branch that succeeded has true or false as its output; any other state chose no side."""
    wanted = f"o{source}" if side else f"not(o{source})"
    return f's{source} == "succeeded" and {wanted}'


def _chose(values: Values, found: str, output: str, label: str) -> Steps:
    return [*values.steps, {f"{label}_choose": {"assign": [{output: f"${{{found}}}"}]}}]


def _until(wait: Wait, values: Values) -> dict[str, Any]:
    """An attempt like any other: what is given may be no instant."""
    assert wait.until is not None
    time = values.value(wait.until)
    return {"call": "sys.sleep_until", "args": {"time": time}, "result": f"{values.label}_result"}


def _attempts(
    step: Step, call: dict[str, Any], values: Values, output: str, state: str, used: set[str]
) -> Steps:
    """A call that is tried so often; its output is wrapped in a list where null may come back.

    What its values need is part of an attempt: a secret may be refused, and that concerns this step alone.
    """
    label = values.label
    end = "tolerated" if step.continue_if_fail else "failed"
    tried: dict[str, Any] = {"try": call}
    if values.steps:
        own = call.get("steps", [{f"{label}_call": call}])
        tried["try"] = {"steps": [*values.steps, *own]}
    if step.retry.count:
        delay = max(1, ceil(step.retry.delay_seconds))
        used.add("every_failure")
        tried["retry"] = {
            "predicate": "${every_failure}",
            "max_retries": step.retry.count,
            "backoff": {
                "initial_delay": delay,
                "max_delay": max(delay, ceil(step.retry.max_delay_seconds)),
                "multiplier": max(1, step.retry.backoff),
            },
        }
    tried["except"] = {
        "as": f"{label}_error",
        "steps": [
            {
                f"{label}_log": {
                    "call": "sys.log",
                    "args": {"data": f"${{{label}_error}}", "severity": "ERROR"},
                }
            },
            {f"{label}_has_failed": {"assign": [{state: end}]}},
        ],
    }
    wrapped = call.get("call", "").startswith("run_job_")
    taken = f"${{{label}_result[0]}}" if wrapped else f"${{{label}_result}}"
    return [
        {f"{label}_try": tried},
        {f"{label}_take": _when(f'{state} == "go"', [{f"{label}_output": {"assign": [{output: taken}]}}])},
    ]


def _names(block: Block) -> list[str]:
    match block:
        case Single(name):
            return [name]
        case Series(blocks) | Parallel(blocks):
            return [name for one in blocks for name in _names(one)]
