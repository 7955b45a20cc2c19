"""A plan as a state machine: blocks as `Parallel` and sequence, each step with a gate before it and a record behind it.

The method. No error ever leaves a step: what fails is caught and written down, so all that can still run does, and the
machine fails at its end. A record says how a step ended; the gate of a step reads those of the steps that it needs:

* one of them blocks (failed, not tolerated; or blocked itself): blocked
* none of its edges is alive (unreached, or the other side of a branch): unreached
* its condition is false: passed over; else it runs

A gate asks only for what can happen: most steps of most plans have none. A graph that is no nesting of sequences and
`Parallel` is cut into layers: edges hold, some steps wait longer than they need.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from shared.common.errors import Misconfigured
from shared.common.types import JSON
from shared.pipelines.step import ForEach, Notifications, Step
from shared.pipelines.structure import Block, Parallel, Series, Single
from shared.pipelines.targets.lanes import Budget, items_at_once, lanes
from shared.pipelines.targets.stepfunctions_bounds import MOST_ITEMS
from shared.pipelines.targets.stepfunctions_conditions import Rules
from shared.pipelines.targets.stepfunctions_flow import End, Flow, State, empty, gathered
from shared.pipelines.targets.stepfunctions_tell import Teller
from shared.pipelines.targets.stepfunctions_values import Payload, Slots
from shared.pipelines.targets.stepfunctions_work import Worker
from shared.pipelines.values import Reference, Root
from shared.pipelines.work import Branch, Wait

_CHUNK = 500  # an expression may have 10,000 characters
_MERGES = 8  # functions may be nested ten deep


@dataclass(frozen=True, slots=True)
class Scope:
    """Steps of a plan, or those inside of a foreach: `item` is its name, `depth` how many are around."""

    steps: Mapping[str, Step]
    item: str = ""
    depth: int = 0
    inside: Mapping[str, Budget] = field(default_factory=dict)


@dataclass(slots=True)
class Machine:
    """Makes the states of a plan. `labels` are names of states by step, `keys` names in the state of an execution."""

    worker: Worker
    slots: Slots
    teller: Teller
    labels: Mapping[str, str]
    keys: Mapping[str, str]
    blocks: dict[str, bool] = field(default_factory=dict)
    dies: dict[str, bool] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    number: int = 0

    def steps(
        self, flow: Flow, steps: tuple[Step, ...], budget: Budget, *, item: str = "", depth: int = 0
    ) -> None:
        """All steps of a scope, in an order that keeps their edges."""
        for step in steps:
            self._foresee(step)
        found = lanes(steps, budget)
        self._block(flow, found.block, Scope({step.name: step for step in steps}, item, depth, found.inside))

    def _foresee(self, step: Step) -> None:
        """Whether a step may block what is behind it, and whether it may be unreached."""
        sure = isinstance(step.work, Branch) or (isinstance(step.work, Wait) and step.work.until is None)
        fails = not sure and not step.continue_if_fail
        self.blocks[step.name] = fails or any(self.blocks[edge.source] for edge in step.needs)
        active = [edge for edge in step.needs if not edge.passive]
        self.dies[step.name] = bool(active) and all(e.side is not None or self.dies[e.source] for e in active)

    def _block(self, flow: Flow, block: Block, scope: Scope) -> None:
        match block:
            case Single(name):
                try:
                    self._step(flow, scope.steps[name], scope)
                except Misconfigured as error:  # all that is wrong is said at once
                    self.faults.append(error.message)
            case Series(blocks):
                for one in blocks:
                    self._block(flow, one, scope)
            case Parallel(blocks):
                self._parallel(flow, blocks, scope)

    def _parallel(self, flow: Flow, blocks: tuple[Block, ...], scope: Scope) -> None:
        self.number += 1
        number = self.number
        branches = []
        for index, block in enumerate(blocks, start=1):
            branch = Flow()
            self._block(branch, block, scope)
            records = {f"{self.keys[name]}.$": f"$.s.{self.keys[name]}" for name in _names(block)}
            branch.put(f"(end of thread {number}.{index})", records)
            branch.aside([])[0][0]["End"] = True
            branches.append(branch.machine())
        flow.add(f"(side by side {number})", {"Type": "Parallel", "Branches": branches, "ResultPath": "$.q"})
        for first in range(0, len(blocks), _MERGES):
            merged = "$.s"
            for index in range(first, min(first + _MERGES, len(blocks))):
                merged = f"States.JsonMerge({merged}, $.q[{index}], false)"
            rest = {"q.$": "$.q"} if first + _MERGES < len(blocks) else {}
            name = f"(together {number}{f'.{first}' if first else ''})"
            flow.put(name, {**self._kept(scope.item), **rest, "s.$": merged})

    def _step(self, flow: Flow, step: Step, scope: Scope) -> None:
        label = self.labels[step.name]
        payload = Payload(self.slots, scope.item, step.place)
        aside = self._gate(flow, step, scope, payload)
        match step.work:
            case Branch(condition):
                rules = Rules(payload)
                rule = rules.rule(condition)
                self._compare(flow, f"{label} (compare)", rules)
                (yes,) = flow.choose(label, [rule])
                self._record(
                    flow, step, "no", {"state": "succeeded", "blocks": False, **self._chosen(step, False)}
                )
                aside += flow.aside(yes)
                self._record(
                    flow, step, "yes", {"state": "succeeded", "blocks": False, **self._chosen(step, True)}
                )
                flow.ends += aside
                return
            case ForEach() as work:
                failed = self._each(flow, step, work, scope, payload)
            case _:
                failed = self.worker.work(flow, step, label, payload)
        self._succeeded(flow, step)
        self.teller.tell(flow, step.notifications, step, well=True)
        if failed:
            aside += flow.aside(failed)
            self._failed(flow, step, scope)
            self.teller.tell(flow, step.notifications, step, well=False)
        flow.ends += aside

    def _gate(self, flow: Flow, step: Step, scope: Scope, payload: Payload) -> list[End]:
        """Take aside what must not run; returns the ends behind the records of why."""
        kinds: list[tuple[str, State]] = []
        stops = [e.source for e in step.needs if self.blocks[e.source]]
        if stops:
            asked = [{"Variable": f"$.s.{self.keys[name]}.blocks", "BooleanEquals": True} for name in stops]
            kinds.append(("blocked", any_of(asked)))
        if self.dies[step.name]:
            kinds.append(
                ("unreached", _all([self._dead(e.source, e.side) for e in step.needs if not e.passive]))
            )
        rules = Rules(payload)
        if step.condition is not None:
            kinds.append(("passed over", {"Not": rules.rule(step.condition)}))
        if not kinds:
            return []
        label = self.labels[step.name]
        self._compare(flow, f"{label} (compare before)", rules)
        ends = flow.choose(f"{label} (now?)", [rule for _, rule in kinds])
        go = flow.aside([])
        done: list[End] = []
        for (state, _), end in zip(kinds, ends, strict=True):
            flow.ends = end
            chosen: dict[str, JSON] = {"side": None} if isinstance(step.work, Branch) else {}
            record: dict[str, JSON] = {"state": state, "blocks": state == "blocked"}
            self._record(flow, step, state, record | chosen)
            done += flow.aside([])
        flow.ends = go
        return done

    def _dead(self, source: str, side: bool | None) -> State:
        at = f"$.s.{self.keys[source]}"
        rules: list[State] = []
        if self.dies[source]:
            rules.append({"Variable": f"{at}.state", "StringEquals": "unreached"})
        if side is not None:
            chosen = [
                {"Variable": f"{at}.side", "IsBoolean": True},
                {"Variable": f"{at}.side", "BooleanEquals": side},
            ]
            rules.append({"Not": {"And": chosen}})
        return any_of(rules)

    def _compare(self, flow: Flow, name: str, rules: Rules) -> None:
        if rules.compared:
            flow.put(name, rules.compared, "$.c")

    def _chosen(self, step: Step, side: bool) -> dict[str, JSON]:
        found: dict[str, JSON] = {"side": side}
        for (path, text), name in self.slots.of(f"s {step.name}").items():
            whole: JSON = ("true" if side else "false") if text else side
            found[name] = ("" if text else None) if path else whole
        return found

    def _record(self, flow: Flow, step: Step, what: str, record: dict[str, JSON]) -> None:
        slots = empty(self.slots.of(f"s {step.name}"))
        flow.result(f"{self.labels[step.name]} ({what})", {**slots, **record}, f"$.s.{self.keys[step.name]}")

    def _succeeded(self, flow: Flow, step: Step) -> None:
        label, wanted = self.labels[step.name], self.slots.of(f"s {step.name}")
        flow.extract(label, "$.r.o", wanted, into="$.x")
        record: dict[str, JSON] = {"state": "succeeded", "blocks": False}
        if wanted:
            flow.put(
                f"{label} (done)", {**record, **gathered(wanted, at="$.x")}, f"$.s.{self.keys[step.name]}"
            )
        else:
            flow.result(f"{label} (done)", record, f"$.s.{self.keys[step.name]}")

    def _failed(self, flow: Flow, step: Step, scope: Scope) -> None:
        state = "tolerated" if step.continue_if_fail else "failed"
        record = {
            "state": state,
            "blocks": not step.continue_if_fail,
            f"failed{scope.depth}": step.name,
            "error.$": "$.e.Error",
            **empty(self.slots.of(f"s {step.name}")),
        }
        flow.put(f"{self.labels[step.name]} ({state})", record, f"$.s.{self.keys[step.name]}")

    def _each(self, flow: Flow, step: Step, work: ForEach, scope: Scope, payload: Payload) -> list[End]:
        """A foreach: its items into `$.m`, null as no items, what is no list as a failure; then a Map."""
        label = self.labels[step.name]
        entry = payload.entry("items", work.items)
        failed: list[End] = []
        if payload.constants:
            flow.result(f"{label} (constants)", list(payload.constants), "$.k")
        if isinstance(work.items, Reference):
            at, text = payload.path(work.items), payload.path(work.items, text=True)
            is_empty = [{"Not": {"Variable": at, "IsString": True}}, {"Variable": text, "StringEquals": "[]"}]
            is_list = [{"Not": {"Variable": at, "IsString": True}}, {"Variable": text, "StringMatches": "[*"}]
            none, some = flow.choose(
                f"{label} (items?)",
                [any_of([{"Variable": at, "IsNull": True}, {"And": is_empty}]), {"And": is_list}],
            )
            flow.result(f"{label} (no list)", {"Error": "NoList", "Cause": "its items are no list"}, "$.e")
            failed = flow.aside(none)
            flow.result(f"{label} (no items)", {"items": []}, "$.m")
            rest = flow.aside(some)
            flow.put(f"{label} (items)", entry, "$.m")
            flow.ends += rest
        else:
            flow.put(f"{label} (items)", entry, "$.m")
        most, left = items_at_once(work, scope.inside[step.name])
        flow.add(
            label,
            self._map(step, work, scope, left) | {"MaxConcurrency": min(most or MOST_ITEMS, MOST_ITEMS)},
        )
        flow.put(f"{label} (any bad?)", {"bad.$": "States.ArrayContains($.r.bad, true)"}, "$.x")
        (wrong,) = flow.choose(f"{label} (all well?)", [{"Variable": "$.x.bad", "BooleanEquals": True}])
        rest = flow.aside(wrong)
        flow.result(
            f"{label} (items failed)", {"Error": "ItemsFailed", "Cause": "a step of an item failed"}, "$.e"
        )
        failed += flow.aside(rest)
        return failed

    def _map(self, step: Step, work: ForEach, scope: Scope, budget: Budget) -> State:
        label, depth = self.labels[step.name], scope.depth + 1
        inner = Flow()
        wanted = self.slots.of(f"i {step.name}")
        inner.extract(f"{label} (item)", "$.item", wanted, into="$.i")
        if any(text for _, text in wanted):  # texts lie in an object of their own so far
            inner.put(f"{label} (item as read)", gathered(wanted, at="$.i"), "$.i")
        self.steps(inner, work.steps, budget, item=step.name, depth=depth)
        output: dict[str, Any] = {}
        selected = {"bad.$": "$[*].bad"}
        if self.slots.of(f"s {step.name}"):
            last = Reference(Root.STEP, work.steps[-1].name)
            output["o.$"] = Payload(self.slots, step.name, step.place).path(last)
            selected["o.$"] = "$[*].o"
        self.failures(inner, work.steps, f"{label} (failed steps)", depth=depth, path="$.f")
        (bad,) = inner.choose(f"{label} (all steps well?)", [any_of(self.any_failed(work.steps, "$.f"))])
        inner.put(f"{label} (end of item)", {**output, "bad": False})
        inner.aside(bad)[0][0]["End"] = True
        inner.put(f"{label} (bad end of item)", {**output, "bad": True})
        inner.aside([])[0][0]["End"] = True
        return {
            "Type": "Map",
            "ItemsPath": "$.m.items",
            "ItemSelector": {"item.$": "$$.Map.Item.Value", **self._kept(""), "s.$": "$.s"},
            "ItemProcessor": {"ProcessorConfig": {"Mode": "INLINE"}, **inner.machine()},
            "ResultSelector": selected,
            "ResultPath": "$.r",
        }

    def failures(
        self, flow: Flow, steps: tuple[Step, ...], name: str, *, depth: int = 0, path: str = ""
    ) -> None:
        """The names of the steps that failed, as a list (or several, of `_CHUNK` steps each): `f0`, `f1`, …"""
        keys = [self.keys[step.name] for step in steps]
        chunks = [keys[start : start + _CHUNK] for start in range(0, len(keys), _CHUNK)]
        records = {
            f"all{n}.$": f"States.Array({', '.join(f'$.s.{k}' for k in c)})" for n, c in enumerate(chunks)
        }
        flow.put(f"{name} 1", records, "$.x")
        found = {f"f{number}.$": f"$.x.all{number}[*].failed{depth}" for number in range(len(chunks))}
        flow.put(f"{name} 2", found if path else {"failed": found, "run.$": "$.run"}, path)

    def any_failed(self, steps: tuple[Step, ...], path: str) -> list[State]:
        """Rules that are true when a list of `failures` has something."""
        chunks = -(-len(steps) // _CHUNK)
        return [{"Variable": f"{path}.f{number}[0]", "IsPresent": True} for number in range(chunks)]

    def _kept(self, item: str) -> dict[str, str]:
        """What every state has beside the records."""
        kept = {"run.$": "$.run", "p.$": "$.p", "nothing.$": "$.nothing"}
        return kept | {"i.$": "$.i"} if item and self.slots.of(f"i {item}") else kept

    def told(self, flow: Flow, notifications: Notifications, *, well: bool) -> None:
        """Tell how the run ended."""
        self.teller.tell(flow, notifications, None, well=well)


def _names(block: Block) -> list[str]:
    match block:
        case Single(name):
            return [name]
        case Series(blocks) | Parallel(blocks):
            return [name for one in blocks for name in _names(one)]


def any_of(rules: list[State]) -> State:
    return rules[0] if len(rules) == 1 else {"Or": rules}


def _all(rules: list[State]) -> State:
    return rules[0] if len(rules) == 1 else {"And": rules}
