"""What an example of a feature is: a definition, what its world answers, and what an engine that ran it has done."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from shared.pipelines.plan import Plan
from shared.pipelines.read import read_definition
from shared.pipelines.targets.target import TargetName

HOST = "https://api.example.com"
TIME = "2026-11-20T10:15:00Z"
SECRET = "<TOKEN>"
"""What the secret TOKEN holds, in every engine."""


class Broken(Exception):
    """An answer that is a failure."""


@dataclass(frozen=True)
class Example:
    """A definition whose steps use one feature, as every engine is given it.

    `steps` are lines of YAML (`text` instead: the whole definition), `head` those of the pipeline. In them `@name` is a
    function or a URL, whichever an engine calls. `answers` are given in turn by who is asked, the last one again and
    again; `Broken` fails. What is expected of a run: `order` of those who were asked (`orders` where an engine asks
    others), or no more than `before` and `ran` where several orders are right; `said` to some of them; `waited` seconds
    between, which take their time only if `real`; `most` at once (of those `together`) while each answer takes `hold`
    seconds; `told` to people; and how it `ends`. `picture` is in its drawing, or in the text of `sluice graph`.
    """

    steps: str = ""
    head: str = ""
    text: str = ""
    file: str = "p.yaml"
    given: Mapping[str, Any] = field(default_factory=dict)
    answers: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    order: str | None = None
    orders: Mapping[TargetName, str] = field(default_factory=dict)
    ran: str = ""
    before: Sequence[tuple[str, str]] = ()
    said: Mapping[str, Any] = field(default_factory=dict)
    waited: Sequence[float] | None = None
    real: bool = False
    hold: float = 0.0
    most: int | None = None
    together: str = ""
    told: Sequence[str] = ()
    ends: str = "succeeded"
    picture: str = ""

    def plan(self, target: TargetName, host: str = HOST, name: str = "p") -> Plan:
        text = self.text or f"pipeline:\n  name: p\n{_indented(self.head, '  ')}  steps:\n" + "".join(
            f"    - {line}\n" for line in _lines(self.steps)
        )
        called = "" if target in _BY_NAME else f"{host}/"
        text = text.replace("@/", f"{host}/").replace("@", called).replace("(at)", "@")
        text = text.replace("  name: p\n", f"  name: {name}\n", 1)
        return read_definition(text, file=self.file.replace("p.", f"{name}."))

    @property
    def lines(self) -> tuple[str, ...]:
        """Its steps, a line each."""
        return tuple(_lines(self.steps))

    def line_of(self, words: str) -> int:
        """The line of the definition that has these words."""
        lines = str(self.text or f"pipeline:\n  name: p\n{_indented(self.head, '  ')}  steps:\n").splitlines()
        lines += [f"    - {line}" for line in _lines(self.steps)]
        (found,) = [number for number, line in enumerate(lines, start=1) if words in line][:1]
        return found


_BY_NAME = (TargetName.STEPFUNCTIONS, TargetName.WORKFLOWS)


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.strip().splitlines() if line.strip()]


def _indented(text: str, pad: str) -> str:
    return "".join(f"{pad}{line}\n" for line in _lines(text))


def level_file(*written: Sequence[Sequence[Mapping[str, Any]]], engine: str = "") -> str:
    """The text of a LEVEL file: per level its threads, per thread its steps; LEVEL_IDs have gaps."""
    data = [
        {
            "LEVEL_ID": str(number * 10),
            "THREADS": [
                {"THREAD_ID": f"{number}.{place}", "STEPS": list(steps)}
                for place, steps in enumerate(threads, start=1)
            ],
        }
        for number, threads in enumerate(written, start=1)
    ]
    return json.dumps({"engine": engine, "definition": data} if engine else data, indent=1)


@dataclass
class Seen:
    """What an engine did: who was asked what, in order; how long it rested; how the run ended."""

    ended: str = ""
    asked: list[tuple[str, Any]] = field(default_factory=list)
    waited: list[float] | None = None
    busiest: int = 0
    told: list[str] = field(default_factory=list)
    reason: str = ""

    def names(self) -> list[str]:
        return [who for who, _ in self.asked]


def check(example: Example, seen: Seen, target: TargetName, pipeline: str = "p") -> None:
    """What was seen is what the example says. `waited` and `busiest` only where the engine tells them."""
    names = seen.names()

    assert example.ends == seen.ended, (seen.reason, names)
    order = example.orders.get(target, example.order)
    if order is not None:
        assert order.split() == names
    assert {*example.ran.split()} <= {*names}
    for one, other in example.before:
        assert names.index(one) < names.index(other)
    for who, what in example.said.items():
        assert [what] == [said for name, said in seen.asked if name == who][-1:]
    if example.waited is not None and seen.waited is not None:
        assert [*example.waited] == seen.waited
    if example.most is not None and seen.busiest:
        assert example.most == seen.busiest
    told = [text.replace("PIPELINE", pipeline) for text in example.told]
    missing = [text for text in told if not any(text in one for one in seen.told)]
    assert [] == missing, seen.told
    assert len(told) == len(seen.told)
