"""Random small definitions, each with a script of what its jobs do, and what a run of one looked like from outside."""

# ruff: noqa: E501 - a piece of a definition is one line

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from tests.shared.pipelines.conftest import levels

Json = Any
SCALARS: list[Json] = [None, True, False, 0, 1, -3, 1.5, "", "1", "x", "a\"b'c", "é€", "$.a", "{}", "null"]
OUTPUTS: list[Json] = [*SCALARS, [], [1, "x"], {"a": 1, "b": [2, {"c": "x"}]}, {"a": None}, [None]]
PATHS = ["", ".a", ".b[0]", ".b[1].c", "[0]", "[1]", ".no.such", "[7]", '["a"]']
PARAMETERS: dict[str, Json] = {
    "n": 2,
    "s": "x",
    "none": None,
    "yes": True,
    "of": ["p", "q"],
    "deep": {"a": [1, "x"]},
}
CHOICES: list[Json] = [True, "true", "True", False, 1, "yes", None, {"a": 1}, "x"]
ITEMS: list[Json] = [["p", "q"], [{"a": 1}, {"a": "x"}], [1], [], [None, True], ["a", "b", "c"]]


@dataclass(frozen=True)
class Script:
    """What a job does: fails so often first (each item anew), always for some items, else answers `output`, or its input's value."""

    failures: int = 0
    output: Json = None
    echo: bool = False
    bad_items: tuple[str, ...] = ()


@dataclass(frozen=True)
class Flow:
    """A definition as text with the name of its file, the parameters of its run, and the scripts of its jobs."""

    text: str
    file: str
    scripts: Mapping[str, Script]
    given: Mapping[str, Json] = field(default_factory=dict)


@dataclass
class World:
    """Does the jobs of one run; `calls` counts them by (job, input)."""

    scripts: Mapping[str, Script]
    calls: Counter[tuple[str, str]] = field(default_factory=Counter)
    lock: Any = field(default_factory=threading.Lock)

    def __call__(self, name: str, given: Json) -> Json:
        """One call. Raises `ValueError` where the job fails."""
        script = self.scripts[name]
        item = text_of(given.get("item")) if isinstance(given, dict) else ""
        with self.lock:
            self.calls[name, text_of(given)] += 1
            often = sum(n for (job, seen), n in self.calls.items() if job == name and _item(seen) == item)
        if often <= script.failures or item in script.bad_items:
            raise ValueError(f"{name} fails")
        if not script.echo:
            return script.output
        return given.get("seen") if isinstance(given, dict) else given


@dataclass(frozen=True)
class Seen:
    """A run from outside: the calls with what they were given, how often, and the steps by which the run failed."""

    calls: Mapping[tuple[str, str], int]
    failed: frozenset[str]


def text_of(data: Json) -> str:
    """Data as text that is the same for equal data; 1.0 is 1."""
    return json.dumps(_plain(data), sort_keys=True, ensure_ascii=False)


def _plain(data: Json) -> Json:
    match data:
        case float() if data.is_integer():
            return int(data)
        case list():
            return [_plain(one) for one in data]
        case dict():
            return {name: _plain(one) for name, one in data.items()}
    return data


def _item(seen: str) -> str:
    given = json.loads(seen)
    return text_of(given.get("item")) if isinstance(given, dict) else ""


def job(name: str, **more: Json) -> dict[str, Json]:
    return {"name": name, "type": "job", "service": "function", "function": "f", "sync": True, **more}


@st.composite
def yaml_flows(draw: st.DrawFn) -> Flow:
    """A definition of the YAML form: jobs, branches, foreach and waits over a random graph."""
    count = draw(st.integers(2, 6))
    names = [f"s{n}" for n in range(count)]
    scripts: dict[str, Script] = {}
    steps: list[dict[str, Json]] = []
    taken: set[str] = set()
    for index, name in enumerate(names):
        before, behind = names[:index], names[index + 1 :]
        kinds = ["job"] * 6 + ["wait", "foreach", "foreach"] + (["branch"] * 3 if behind else [])
        kind = draw(st.sampled_from(kinds))
        common: dict[str, Json] = {}
        if before and (needs := draw(st.lists(st.sampled_from(before), unique=True, max_size=2))):
            common["depends_on"] = needs
        if kind != "branch" and draw(st.integers(0, 4)) == 0:
            common["condition"] = draw(conditions(before))
        match kind:
            case "branch":
                sides = draw(st.lists(st.sampled_from(behind), unique=True, min_size=1, max_size=3))
                free = [one for one in sides if one not in taken] or sides[:1]
                cut = draw(st.integers(0, len(free)))
                taken |= set(free)
                steps.append({"name": name, "type": "branch", "condition": draw(conditions(before)), **common,
                              **({"then": free[:cut]} if cut else {}), **({"else": free[cut:]} if cut < len(free) else {})})  # fmt: skip
            case "wait":
                steps.append({"name": name, "type": "wait", "duration": 1, **common})
            case "foreach":
                steps.append(
                    {"name": name, "type": "foreach", **common, **draw(loops(name, before, scripts))}
                )
            case _:
                steps.append(job(name, input={"seen": draw(values(before))}, **draw(trials()), **common))
                scripts[name] = draw(job_scripts())
    document: dict[str, Json] = {"name": "p", "parameters": PARAMETERS, "max_runs": None, "steps": steps}
    if draw(st.integers(0, 4)) == 0:
        document["max_parallel"] = draw(st.integers(1, 2))
    given = {"n": draw(st.sampled_from([2, 3, "x"]))} if draw(st.booleans()) else {}
    return Flow(json.dumps({"pipeline": document}), "p.yaml", scripts, given)


@st.composite
def loops(draw: st.DrawFn, name: str, before: Sequence[str], scripts: dict[str, Script]) -> dict[str, Json]:
    """What a foreach has: one or two jobs per item, the second one behind the first."""
    items = draw(st.sampled_from(ITEMS))
    written = draw(
        st.sampled_from([items, items, "${params.of}", *(f"${{steps.{one}.output}}" for one in before[-1:])])
    )
    inner: list[dict[str, Json]] = []
    for number in range(draw(st.integers(1, 2))):
        own = f"{name}i{number}"
        seen = draw(
            st.sampled_from(["${item}", "${item.a}", *(f"${{steps.{one['name']}.output}}" for one in inner)])
        )
        common: dict[str, Json] = {"depends_on": [inner[-1]["name"]]} if inner else {}
        if draw(st.integers(0, 3)) == 0:
            common["condition"] = draw(st.sampled_from(["item != 'p'", "item.a == 1", "params.yes"]))
        inner.append(job(own, input={"item": "${item}", "seen": seen}, **draw(trials()), **common))
        bad = tuple(text_of(one) for one in items if draw(st.integers(0, 5)) == 0)
        scripts[own] = Script(
            draw(st.sampled_from([0, 0, 0, 1])), draw(st.sampled_from(OUTPUTS)), draw(st.booleans()), bad
        )
    found: dict[str, Json] = {"items": written, "steps": inner}
    if draw(st.booleans()):
        found["max_parallel"] = draw(st.integers(1, 2))
    if draw(st.integers(0, 2)) == 0:
        found["continue_if_fail"] = True
    return found


@st.composite
def trials(draw: st.DrawFn) -> dict[str, Json]:
    """Retries and tolerance of a job."""
    found: dict[str, Json] = {}
    if retries := draw(st.sampled_from([0, 0, 1, 2])):
        found["retries"] = {"count": retries, "delay": 1}
    if draw(st.integers(0, 2)) == 0:
        found["continue_if_fail"] = True
    return found


@st.composite
def job_scripts(draw: st.DrawFn) -> Script:
    return Script(
        draw(st.sampled_from([0, 0, 0, 0, 1, 1, 2, 3])),
        draw(st.sampled_from(OUTPUTS)),
        draw(st.integers(0, 3)) == 0,
    )


@st.composite
def values(draw: st.DrawFn, before: Sequence[str]) -> Json:
    """A value with references to what is known by then."""
    known = [
        "${params.n}",
        "${params.deep.a[1]}",
        "${params.none}",
        "${run.date}",
        'a "${params.s}" ${params.n}|${params.none}',
    ]
    for one in before:
        known += [f"${{steps.{one}.output{draw(st.sampled_from(PATHS))}}}"] * 3
    one = draw(st.sampled_from(known))
    return draw(st.sampled_from([one, one, [one, 1], {"k": one}]))


@st.composite
def conditions(draw: st.DrawFn, before: Sequence[str], depth: int = 0) -> str:
    """A condition over what is known by then."""
    shape = draw(
        st.sampled_from(["compare"] * 4 + ["alone", "in"] + (["and", "or", "not"] if depth < 2 else []))
    )
    known = ["params.n", "params.s", "params.none", "params.yes", "run.date"]
    known += [f"steps.{one}.output{draw(st.sampled_from(PATHS))}" for one in before for _ in range(2)]
    left = draw(st.sampled_from(known))
    match shape:
        case "alone":
            return left
        case "in":
            return f"{left} in {json.dumps(draw(st.lists(st.sampled_from(['x', 1, 2, '1']), min_size=1, max_size=3)))}"
        case "and" | "or":
            return f"({draw(conditions(before, depth + 1))}) {shape} ({draw(conditions(before, depth + 1))})"
        case "not":
            return f"not ({draw(conditions(before, depth + 1))})"
    right = draw(
        st.sampled_from(["1", "2", "0", "1.5", '"x"', '"1"', '""', "null", "true", "false", *known[-2:]])
    )
    return f"{left} {draw(st.sampled_from(['==', '!=', '<', '<=', '>', '>=']))} {right}"


@st.composite
def level_flows(draw: st.DrawFn) -> Flow:
    """A LEVEL file: sync jobs in threads and levels, jumps, choices, CONTINUE_IF_FAIL, READ_INPUT_FROM, an early end."""
    scripts: dict[str, Script] = {}
    written: list[list[list[dict[str, Json]]]] = []
    many = draw(st.integers(1, 3))
    for level in range(many):
        threads = []
        for thread in range(draw(st.integers(1, 3))):
            steps: list[dict[str, Json]] = []
            count = draw(st.integers(1, 4))
            ids = [f"J{level}{thread}{n}" for n in range(count)]
            for n, own in enumerate(ids):
                name = f"j{level}{thread}{n}"
                choice = n > 0 and n + 1 < count and draw(st.integers(0, 2)) == 0
                if choice:
                    steps.append(
                        {
                            "JOB_ID": own,
                            "JOB_NAME": name,
                            "TYPE": "boolean_choice",
                            "TRUE_JOB": ids[n + 1],
                            "FALSE_JOB": draw(st.sampled_from(ids[n + 1 :])),
                        }
                    )
                    continue
                step: dict[str, Json] = {
                    "JOB_ID": own,
                    "JOB_NAME": name,
                    "TYPE": "sync",
                    "FUNCTION_NAME": "f",
                }
                if draw(st.integers(0, 2)) == 0:
                    step["CONTINUE_IF_FAIL"] = "True"
                earlier = [
                    one["JOB_NAME"]
                    for group in written
                    for line in group
                    for one in line
                    if one["TYPE"] == "sync"
                ]
                earlier += [one["JOB_NAME"] for one in steps if one["TYPE"] == "sync"]
                if draw(st.booleans()) and earlier:
                    step["READ_INPUT_FROM"] = draw(st.sampled_from(earlier))
                steps.append(step)
                output = draw(st.sampled_from(CHOICES))
                scripts[name] = Script(
                    draw(st.sampled_from([0, 0, 0, 0, 1])), output, draw(st.integers(0, 4)) == 0
                )
            threads.append(steps)
        if len(threads) == 1 and level + 1 < many and draw(st.integers(0, 5)) == 0 and len(threads[0]) > 2:
            last = threads[0][-2]
            if last["TYPE"] == "sync" and any(one["TYPE"] == "boolean_choice" for one in threads[0]):
                last["LAST_STEP"] = "True"
        written.append(threads)
    return Flow(levels(*written), "p.json", scripts)
