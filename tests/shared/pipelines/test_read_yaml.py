"""The YAML form: every key is read, every fault is told with its place, all of them at once."""

# ruff: noqa: E501 - a case is a line

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from shared.common.errors import Misconfigured
from shared.pipelines.plan import Plan, every_step
from shared.pipelines.read import files_beside, read_definition, read_plan
from shared.pipelines.schedule import Once
from shared.pipelines.step import Edge
from shared.pipelines.values import Literal, Reference, Root, Template
from shared.pipelines.work import Ingest, Kind, Transform

EVERY_KEY = Path(__file__).with_name("every_key.yaml")


def read(*steps: str, head: str = "") -> Plan:
    lines = ["pipeline:", "  name: p", *(f"  {line}" for line in head.splitlines()), "  steps:"]
    return read_definition("\n".join([*lines, *(f"    - {{{step}}}" for step in steps)]), file="p.yaml")


def faults(*steps: str, head: str = "") -> list[str]:
    with pytest.raises(Misconfigured, match=r"p\.yaml") as error:
        read(*steps, head=head)
    return str(error.value).splitlines()


def test_the_samples_are_read(samples: Path) -> None:
    plans = [read_plan(path) for path in sorted((samples / "definitions").glob("*.yaml"))]

    assert plans
    assert all(plan.steps and plan.schedule is not None for plan in plans)


def test_a_file_with_every_key_has_every_kind() -> None:
    plan = read_plan(EVERY_KEY)

    assert set(Kind) == {step.kind for step in plan.all_steps()}
    assert plan == read_plan(EVERY_KEY)
    assert (
        plan.digest()
        == read_definition(EVERY_KEY.read_text().replace("\n    - {", "\n\n    - {"), file="x.yaml").digest()
    )


def test_table_is_another_word_for_table_name() -> None:
    plan = read(
        "name: a, type: ingestion, inputs: [{name: i, type: postgres, host: h, database: d, table: t}],"
        " outputs: [{name: o, type: snowflake, table_name: u}]"
    )

    work = plan.step("a").work
    assert isinstance(work, Ingest)
    assert ("t", "u") == (work.inputs[0].table, work.outputs[0].table)


def test_steps_stand_behind_what_they_need_and_keep_their_places() -> None:
    plan = read("name: b, type: wait, duration: 1, depends_on: [a]", "name: a, type: wait, duration: 1")

    assert [("a", 5), ("b", 4)] == [(step.name, step.place.line) for step in plan.steps]


def test_reading_an_output_waits_for_it() -> None:
    plan = read(
        'name: a, type: lambda, function: f, payload: {x: "${steps.b.output.rows}"}',
        "name: b, type: wait, duration: 1",
        'name: c, type: lambda, function: f, depends_on: [a], payload: ["${steps.b.output}", "${steps.d.output}"]',
        "name: d, type: wait, duration: 1",
    )

    assert (Edge("b"),) == plan.step("a").needs
    assert (Edge("a"), Edge("d", passive=True)) == plan.step("c").needs


def test_a_side_of_a_branch_waits_for_the_rest_without_being_made_to_run_by_it() -> None:
    plan = read(
        "name: q, type: branch, condition: run.date > '2026', then: [a], else: [b]",
        "name: a, type: wait, duration: 1, depends_on: [c]",
        "name: b, type: wait, duration: 1, depends_on: [q]",
        "name: c, type: wait, duration: 1",
    )

    assert (Edge("q", True), Edge("c", passive=True)) == plan.step("a").needs
    assert (Edge("q", False),) == plan.step("b").needs


def test_steps_inside_a_foreach_read_items_and_what_comes_before() -> None:
    plan = read(
        "name: list, type: lambda, function: f",
        'name: each, type: foreach, items: "${steps.list.output}", steps: ['
        '{name: x, type: lambda, function: f, payload: ["${item.id}", "${steps.y.output}", "${steps.list.output}", '
        '"${steps.other.output}"]}, {name: y, type: wait, duration: 1}]',
        "name: other, type: wait, duration: 1",
    )

    each = plan.step("each")
    assert (Edge("list"), Edge("other")) == each.needs
    assert ["list", "other", "each", "y", "x"] == [step.name for step in every_step(plan.steps)]
    assert (Edge("y"),) == plan.step("x").needs


def test_sql_comes_from_a_file_beside_the_definition(tmp_path: Path) -> None:
    (tmp_path / "sql").mkdir()
    (tmp_path / "sql" / "a.sql").write_text("select ${params.n}")
    file = tmp_path / "p.yaml"
    text = "pipeline:\n  name: p\n  parameters: {n: 1}\n  steps:\n    - {name: a, type: transformation, transformation_file: FILE}"
    file.write_text(text.replace("FILE", "sql/a.sql"))

    work = read_plan(file).step("a").work
    assert isinstance(work, Transform)
    assert (Template(("select ", Reference(Root.PARAMETER, "n"))), "sql/a.sql") == (work.sql, work.file)

    (tmp_path / "link.sql").symlink_to("/etc/hostname")
    for name, problem in [
        ("b.sql", "is not there"),
        ("../a.sql", "beside or below"),
        ("/etc/passwd", "beside or below"),
    ]:
        with pytest.raises(Misconfigured, match=problem):
            read_definition(text.replace("FILE", name), file="p.yaml", read_file=files_beside(file))
    with pytest.raises(Misconfigured, match="is not there"):
        read_definition(text.replace("FILE", "link.sql"), file="p.yaml", read_file=files_beside(file))


@pytest.mark.parametrize(
    ("step", "fault"),
    [
        ("name: a, type: wiat, duration: 1", 'p.yaml:4:23 pipeline.steps[0].type: unknown value "wiat"; did you mean "wait"?'),
        ("name: a, type: wait, durations: 1", 'p.yaml:4:29 pipeline.steps[0]: unknown key "durations"; did you mean "duration"?'),
        ("name: a, type: wait", "a wait needs `duration` or `until`"),
        ("name: a, type: wait, duration: 0s", "is not longer than nothing"),
        ("name: ' a', type: wait, duration: 1", "is no name of a step"),
        ('name: "a\\nb", type: wait, duration: 1', "is no name of a step"),
        ("name: a, type: wait, duration: 1, depends_on: [a]", 'step "a" depends on itself'),
        ("name: a, type: wait, duration: 1, depends_on: [b]", 'p.yaml:4:55 unknown step "b"; known: a'),
        ("name: a, type: wait, duration: 1, condition: params.x", 'unknown parameter "x"'),
        ("name: a, type: wait, duration: 1, condition: 'secrets.x == 1'", "cannot look at a secret"),
        ("name: a, type: wait, duration: 1, retries: 3", 'unknown key "retries"'),
        ("name: a, type: load, source: s, retries: -1", "0 to 100 retries"),
        ("name: a, type: load, source: s, pool: p", 'unknown pool "p"'),
        ("name: a, type: load, source: s, config: {x: ['${steps.a.output}']}", 'p.yaml:4:53 step "a" reads its own output'),
        ("name: a, type: load, source: s, config: {x: {y: '${secrets.a}'}}", "take secrets"),
        ("name: a, type: lambda, function: f, payload: '${item}'", "only inside a foreach"),
        ("name: a, type: lambda, function: f, payload: {b: ['x ${run.d}']}", 'p.yaml:4:58 unknown field of a run "d"'),
        ("name: a, type: ingestion", "needs a `source`, or `inputs`"),
        ("name: a, type: ingestion, source: s, inputs: [{name: i, type: postgres}]", "and not both"),
        ("name: a, type: ingestion, inputs: [{name: i, type: postgresql}]", 'unknown value "postgresql"; did you mean "postgres"?'),
        ("name: a, type: ingestion, inputs: [{name: i, type: mysql, table: a, table_name: b}]", "give one of them"),
        ("name: a, type: transformation", "needs `transformation_query` or `transformation_file`"),
        ("name: a, type: check", "needs one of `source`, `query` and `query_file`"),
        ("name: a, type: job, service: dataflow", "needs `job`"),
        ("name: a, type: job, service: function", "needs `function`"),
        ("name: a, type: branch, condition: run.id == 'x'", "needs steps in `then`"),
        ("name: a, type: branch, condition: run.id == 'x', then: [b]", 'unknown step "b"'),
        ("name: a, type: foreach, items: text, steps: [{name: b, type: wait, duration: 1}]", "is text and no list"),
        ("name: a, type: foreach, items: [], steps: []", "write at least one"),
        ("name: a, type: call, url: https://a.example, notifications: {on_failure: [{method: slack}]}", "slack needs a channel"),
        ("name: a, type: call, url: https://a.example, notifications: {on_failure: [{method: email, recipients: [me]}]}", "is no address"),
        ("name: a, type: call, url: https://a.example, notifications: {on_failure: [{method: webhook, recipients: [me]}]}", "is no URL"),
        ("name: a, type: call, url: https://a.example, notifications: {on_failure: [{method: fax}]}", 'unknown value "fax"'),
    ],
)  # fmt: skip
def test_a_fault_of_a_step_is_told_with_its_place(step: str, fault: str) -> None:
    found = faults(step)

    assert 1 == len(found), found
    assert fault in found[0]


def test_times_of_a_schedule_are_local_in_its_zone() -> None:
    zone = "timezone: Asia/Tokyo, start: 2026-01-01, end: 2026-02-01T00:00:00Z"
    schedule = read(
        "name: a, type: wait, duration: 1", head=f"schedule: {{type: cron, expression: '@daily', {zone}}}"
    ).schedule
    once = read(
        "name: a, type: wait, duration: 1",
        head="schedule: {type: once, expression: '2027-01-01T05:00', timezone: Asia/Tokyo}",
    ).schedule

    assert schedule is not None
    assert (datetime(2025, 12, 31, 15, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)) == (
        schedule.start,
        schedule.end,
    )
    assert Once(datetime(2026, 12, 31, 20, tzinfo=UTC)) == (once and once.trigger)


@pytest.mark.parametrize(
    ("head", "fault"),
    [
        ("schedule: {type: cron, expression: '61 * * * *'}", "p.yaml:3:38 pipeline.schedule.expression: "),
        ("schedule: {type: daily, expression: x}", 'unknown value "daily"'),
        ("schedule: {type: rate, expression: 3}", "expected text, got number 3; put it in quotes"),
        ("schedule: {type: once, expression: soon}", "is not a time"),
        ("schedule: {type: cron, expression: '@daily', timezone: Mars}", 'unknown time zone "Mars"'),
        ("schedule: {type: cron, expression: '@daily', catch_up: true}", "`catch_up` needs a `start`"),
        (
            "schedule: {type: event, expression: e, catch_up: true, start: 2026-01-01}",
            "nothing can be made up",
        ),
        ("schedule: {type: cron, expression: '@daily', start: 2026-01-02, end: 2026-01-01}", "lies before"),
        ("version: 1.10", "expected text, got number 1.1; put it in quotes"),
        ("stesp: []", 'unknown key "stesp"; did you mean "steps"?'),
        ("pools: {db: 0}", "greater than or equal to 1"),
        ("deadline: later", "is not a duration"),
    ],
)
def test_a_fault_of_the_pipeline_is_told_with_its_place(head: str, fault: str) -> None:
    found = faults("name: a, type: wait, duration: 1", head=head)

    assert 1 == len(found), found
    assert fault in found[0]


@pytest.mark.parametrize("name", ["a b", "../x", "-x", ".x", "é", "", "x" * 81, "a/b"])
def test_a_pipeline_has_a_name_that_files_and_engines_can_have(name: str) -> None:
    text = yaml.safe_dump(
        {"pipeline": {"name": name, "steps": [{"name": "a", "type": "wait", "duration": 1}]}}
    )

    with pytest.raises(Misconfigured, match="is no name of a pipeline"):
        read_definition(text, file="p.yaml")


def test_all_faults_of_a_file_are_told_at_once() -> None:
    found = faults(
        "name: a, type: wiat, depends_on: [nobody]",
        "name: b, type: wait, duration: soon, depends_on: [a]",
        "name: b, type: load, source: s, pool: deep",
        "name: e, type: foreach, items: x, steps: [{name: f, type: lambda}, {name: g, type: wait, duration: 1, depends_on: [h]}]",
        "name: d, type: lambda, function: f, payload: '${steps.a.output} ${steps.nobody.output}', depends_on: [f]",
        head="schedule: {type: cron, expression: never}",
    )  # fmt: skip

    assert [3, 5, 5, 6, 7, 7, 8, 8, 9, 9] == [int(line.split(":")[1]) for line in found], found
    assert not any('unknown step "a"' in line for line in found)


def test_a_circle_is_told_as_the_way_round() -> None:
    found = faults(
        "name: a, type: wait, duration: 1, depends_on: [c]",
        "name: b, type: lambda, function: f, payload: '${steps.a.output}'",
        "name: c, type: wait, duration: 1, depends_on: [b]",
    )

    assert ["p.yaml:4:7 the steps wait for each other in a circle: a -> c -> b -> a"] == found


@pytest.mark.parametrize(
    "text",
    ["", "a", "- a", "pipeline: 3", "pipeline: {}", "pipeline: {steps: 3}", "pipeline:\n  steps: [1]", "{}"],
)
def test_what_is_no_definition_is_refused(text: str) -> None:
    with pytest.raises(Misconfigured, match=r"p\.yaml:[12]:"):
        read_definition(text, file="p.yaml")


def _places(data: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    match data:
        case dict():
            return [found for name, item in data.items() for found in _places(item, (*path, name))]
        case list():
            return [found for index, item in enumerate(data) for found in _places(item, (*path, index))]
    return [path]


DATA = yaml.safe_load(EVERY_KEY.read_text())
PLACES = _places(DATA)


@given(
    st.sampled_from(PLACES), st.text(st.characters(codec="utf-8"), max_size=20) | st.integers() | st.none()
)
def test_any_text_in_any_field_is_kept_or_refused_with_its_file(path: tuple[Any, ...], value: Any) -> None:
    data = yaml.safe_load(yaml.safe_dump(DATA))
    target = data
    for key in path[:-1]:
        target = target[key]
    target[path[-1]] = value

    refused, digests = "", set()
    try:
        for unicode, file in ((False, "p.yaml"), (True, "q.yaml")):
            digests.add(read_definition(yaml.safe_dump(data, allow_unicode=unicode), file=file).digest())
    except Misconfigured as error:
        refused = str(error)

    assert refused.startswith("p.yaml:") or len(digests) == 1


@given(st.text(st.characters(codec="utf-8"), max_size=30))
def test_text_arrives_in_the_plan_as_it_was_written(text: str) -> None:
    escaped = text.replace("${", "$${")
    data = {
        "name": "p",
        "description": text,
        "steps": [{"name": "a", "type": "lambda", "function": "f", "payload": escaped}],
    }

    plan = read_definition(yaml.safe_dump({"pipeline": data}), file="p.yaml")

    assert text == plan.description
    assert [Literal(text)] == [getattr(step.work, "payload", None) for step in plan.steps]
