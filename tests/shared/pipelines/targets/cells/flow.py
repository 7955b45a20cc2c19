"""Examples of when steps run, what becomes of failures, and how data gets from step to step."""

# ruff: noqa: E501 - a step of a definition is one line

from __future__ import annotations

from typing import Any

from shared.pipelines.targets.target import Feature
from tests.shared.pipelines.targets.cells.example import SECRET, TIME, Broken, Example, level_file

_NO = Broken("it is so")


def once(name: str) -> dict[str, Any]:
    """A step of a LEVEL file that is one call."""
    return {"JOB_ID": name, "JOB_NAME": name, "TYPE": "sync", "FUNCTION_NAME": "@once"}


FLOW: dict[Feature, Example] = {
    Feature.BRANCH: Example(
        """
        {name: a, type: check, query: one}
        {name: is-big, type: branch, condition: "steps.a.output.rows > 2", then: [big], else: [small]}
        {name: big, type: check, query: one}
        {name: small, type: check, query: one}
        {name: after small, type: check, query: one, depends_on: [small]}
        {name: after, type: check, query: "big ${steps.is-big.output}", depends_on: [big, small]}
        """,
        order="a big after",
        said={"after": "big true"},
        picture='{"is-big<br/>branch"}',
    ),
    Feature.FOREACH: Example(
        """
        {name: list, type: check, query: one}
        {name: each, type: foreach, items: "${steps.list.output.shops}", steps: [{name: shop, type: check, query: "of ${item.id}"}]}
        {name: after, type: check, query: "${steps.each.output}"}
        """,
        answers={"list": [{"shops": [{"id": 1}, {"id": 2}]}], "shop": [{"n": 7}]},
        order="list shop shop after",
        said={"after": [{"n": 7}, {"n": 7}]},
        picture='subgraph s2["each<br/>foreach"]',
    ),
    Feature.FOREACH_PARALLEL: Example(
        """
        {name: each, type: foreach, items: [1, 2, 3, 4, 5], max_parallel: 2, steps: [{name: shop, type: check, query: "${item}"}]}
        """,
        order="shop shop shop shop shop",
        hold=0.1,
        most=2,
        picture="at most 2 items at once",
    ),
    Feature.DEPENDS_ON: Example(
        """
        {name: a, type: check, query: one}
        {name: b, type: check, query: one}
        {name: c, type: check, query: one, depends_on: [a]}
        {name: d, type: check, query: one, depends_on: [a, b]}
        {name: e, type: check, query: one, depends_on: [c, d]}
        """,
        ran="a b c d e",
        before=[("a", "c"), ("a", "d"), ("b", "d"), ("c", "e"), ("d", "e")],
        picture="s2 --> s4",
    ),
    Feature.LEVELS: Example(
        text=level_file(
            [[once("a"), once("b")], [once("c")]],
            [[once("d")]],
            [[once("e")], [once("f"), once("g")]],
        ),
        file="p.json",
        ran="a b c d e f g",
        before=[("a", "b"), ("b", "d"), ("c", "d"), ("d", "e"), ("d", "f"), ("f", "g")],
        picture="s3 --> s4",
    ),
    Feature.RETRIES: Example(
        """
        {name: a, type: check, query: one, retries: {count: 2, delay: 1s, backoff: 2}}
        {name: after, type: check, query: "${steps.a.output.rows}"}
        """,
        answers={"a": [_NO, _NO, {"rows": 3}]},
        order="a a a after",
        said={"after": 3},
        waited=[1, 2],
        picture="2 retries after 1 s, times 2",
    ),
    Feature.TIMEOUT: Example(
        """
        {name: a, type: check, query: one, timeout: 1s}
        {name: after, type: check, query: two, depends_on: [a]}
        """,
        hold=1.6,
        order="a",
        ends="failed",
        picture="an attempt at most 1 s",
    ),
    Feature.CONTINUE_IF_FAIL: Example(
        """
        {name: a, type: check, query: one, continue_if_fail: true}
        {name: after, type: check, query: "none ${steps.a.output.rows}", depends_on: [a]}
        """,
        answers={"a": [_NO]},
        order="a after",
        said={"after": "none "},
        ends="failed",
        picture="its failure stops nothing",
    ),
    Feature.CONDITION: Example(
        """
        {name: a, type: check, query: one, condition: "params.mode == 'full' and params.n >= 3"}
        {name: after, type: check, query: "after ${steps.a.output}", depends_on: [a]}
        {name: last, type: check, query: three, depends_on: [after], condition: "steps.after.output.rows == 3"}
        """,
        head="parameters: {mode: full, n: 3}",
        given={"n": 2},
        order="after last",
        said={"after": "after "},
        picture='only if (params.mode == "full")',
    ),
    Feature.PARAMETERS: Example(
        """
        {name: a, type: check, query: "${params.n} ${params.mode} ${params.shops[1]} ${params.none}"}
        """,
        head="parameters: {n: 1, mode: full, shops: [de, fr], none: null}",
        given={"n": 2},
        order="a",
        said={"a": "2 full fr "},
        picture="parameters: n (1), mode (full), shops",
    ),
    Feature.DATA: Example(
        """
        {name: a, type: check, query: one}
        {name: b, type: check, query: "${steps.a.output.of[1].n} of ${steps.a.output.of}, ${steps.a.output.no.such}"}
        """,
        answers={"a": [{"of": [1, {"n": "é"}]}]},
        order="a b",
        said={"b": 'é of [1,{"n":"é"}], '},
        picture="reads a",
    ),
    Feature.RUN_FIELDS: Example(
        """
        {name: a, type: check, query: "${run.pipeline} ${run.date} ${run.time} ${run.id}!"}
        {name: b, type: check, query: "${run.id}!", depends_on: [a]}
        """,
        order="a b",
        picture="reads run.",
    ),
    Feature.SECRETS: Example(
        """
        {name: ask, type: call, url: "@/ask", headers: {X-Token: "Bearer ${secrets.TOKEN}"}}
        """,
        order="ask",
        said={"ask": {"token": f"Bearer {SECRET}"}},
        picture="secrets TOKEN",
    ),
}


def check_run_fields(asked: list[tuple[str, Any]], pipeline: str = "p") -> None:
    """The id is the same in the entire run, and day and time are those that it was started for."""
    (_, first), (_, second) = asked

    assert f"{pipeline} 2026-11-20 {TIME} {second}" == first
    assert len(second) > 1
