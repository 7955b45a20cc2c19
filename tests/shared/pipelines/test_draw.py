"""Drawings: whatever is in a name stays inside its label; the same plan gives the same bytes."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from shared.pipelines.draw import as_mermaid, as_svg, as_text_lines
from shared.pipelines.lint import lint
from shared.pipelines.plan import Plan
from shared.pipelines.read import read_definition, read_plan
from shared.pipelines.step import Edge, Place, Step
from shared.pipelines.work import Wait

EVERY_KEY = Path(__file__).with_name("every_key.yaml")
NODE = re.compile(r'  s\d+\["[A-Za-z0-9 _.#;-]*<br/>wait"\]')


def test_text_tells_order_kind_and_reason() -> None:
    lines = as_text_lines(read_plan(EVERY_KEY)).splitlines()

    assert "everything: cron 0 3 * * MON-FRI Europe/Berlin" == lines[0]
    assert "  3  big          lambda          big  after is big (yes), pause (reads)" in lines
    assert "     - two          wait            1 s  after one shop" in lines


def test_text_tells_what_the_picture_has_no_room_for() -> None:
    text = as_text_lines(read_plan(EVERY_KEY))

    assert "     domain sales, owner data-platform <data-platform@example.com>\n" in text
    assert "read; 3 retries after 10 s, times 1.5; an attempt at most 1800 s; pool database, of 2;" in text


def test_a_branch_is_a_rhombus_and_a_foreach_a_frame() -> None:
    text = as_mermaid(read_plan(EVERY_KEY))

    assert '  s15{"is big<br/>branch"}' in text
    assert "  s15 -->|no| s17" in text
    assert '  subgraph s19["each shop<br/>foreach"]\n    s20["one shop<br/>lambda"]' in text


@given(st.lists(st.text(max_size=12), min_size=1, max_size=4, unique=True))
def test_no_name_breaks_out_of_a_drawing(names: list[str]) -> None:
    steps = [Step(name, Wait(1), Place("p.yaml", 1, 1)) for name in names]
    steps[-1] = Step(names[-1], Wait(1), Place("p", 1, 1), tuple(Edge(name) for name in names[:-1]))
    plan = Plan(names[0], tuple(steps), Place("p.yaml", 1, 1))

    nodes = [line for line in as_mermaid(plan).splitlines() if "-->" not in line]
    tree = ElementTree.fromstring(as_svg(plan))  # noqa: S314 - our own

    assert ["flowchart TD", *("node" for _ in names)] == [
        nodes[0],
        *("node" for n in nodes[1:] if NODE.fullmatch(n)),
    ]
    assert len(names) == len(tree.findall("{http://www.w3.org/2000/svg}g"))
    assert len(names) + 2 == len(as_text_lines(plan).split("\n"))
    assert as_svg(plan) == as_svg(plan)


def test_lint_tells_what_is_perhaps_not_meant() -> None:
    plan = read_definition(
        """
pipeline:
  name: p
  schedule: {type: cron, expression: "30 2 13 * 5", timezone: Europe/Berlin}
  parameters: {used: 1, unused: 2}
  pools: {db: 1}
  steps:
    - {name: a, type: job, service: glue, job: g, config: {db: {PassWord: "hunter2", user: "${params.used}"}}}
    - {name: b, type: call, url: "http://api.example.com", headers: {Authorization: "Bearer ${secrets.T}"}}
    - {name: c, type: job, service: function, function: f, timeout: 5m}
""",
        file="p.yaml",
    )

    found = [(finding.place.line, finding.rule) for finding in lint(plan)]
    assert [
        (4, "clock-change"),
        (4, "either-day"),
        (5, "unused"),
        (6, "unused"),
        (8, "no-timeout"),
        (8, "secret"),
        (9, "plain-http"),
    ] == found
    assert "looks like a secret" in str(lint(plan)[5])
    assert "hunter2" not in str(lint(plan)[5])
