"""LEVEL / THREAD / STEP files in both eras: jumps and barriers as edges, and none of the original's faults."""

# ruff: noqa: E501 - a case is a line

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.common.errors import Misconfigured
from shared.pipelines.conditions import is_yes
from shared.pipelines.lint import lint
from shared.pipelines.plan import Engine, Plan
from shared.pipelines.platform import Platform, read_platform, read_scheduling
from shared.pipelines.read import read_definition, read_plan
from shared.pipelines.step import Edge
from shared.pipelines.values import Literal, Reference, Root
from shared.pipelines.work import Branch, Job, JobService, SubPipeline
from tests.shared.pipelines.conftest import job, levels


def read(*written: list[list[dict[str, Any]]], **options: Any) -> Plan:
    return read_definition(levels(*written), file="p.json", **options)


def faults(*written: list[list[dict[str, Any]]]) -> list[str]:
    with pytest.raises(Misconfigured, match=r"p\.json:") as error:
        read(*written)
    return str(error.value).splitlines()


def choice(job_id: str, **keys: Any) -> dict[str, Any]:
    return {"JOB_ID": job_id, "JOB_NAME": f"choice_{job_id}", "TYPE": "boolean_choice", **keys}


def edges(plan: Plan) -> dict[str, list[tuple[str, bool | None]]]:
    return {step.name: [(edge.source, edge.side) for edge in step.needs] for step in plan.steps}


def test_the_samples_are_read(samples: Path) -> None:
    files = sorted((samples / "aef").glob("definitions-*/*.json"))
    plans, refusals = [read_plan(path) for path in files], list[str]()
    for path in files:
        try:
            read_plan(path, same_names="refuse")
        except Misconfigured as error:
            refusals += str(error).splitlines()

    assert all("JOB_NAME" in line and "is here twice" in line for line in refusals), refusals
    assert refusals
    assert all(len({step.name for step in plan.steps}) == len(plan.steps) for plan in plans)


@pytest.mark.parametrize("shape", list(itertools.product(range(1, 4), repeat=3)), ids=str)
def test_every_shape_has_its_barriers_and_threads(shape: tuple[int, int, int]) -> None:
    level_count, thread_count, step_count = shape
    names = [
        [[f"l{level}t{thread}s{step}" for step in range(step_count)] for thread in range(thread_count)]
        for level in range(level_count)
    ]
    plan = read(*([[job(name, name) for name in thread] for thread in level] for level in names))

    expected = {}
    for level, threads in enumerate(names):
        before = [] if level == 0 else [(thread[-1], None) for thread in names[level - 1]]
        for thread in threads:
            for index, name in enumerate(thread):
                expected[name] = before if index == 0 else [(thread[index - 1], None)]
    assert expected == edges(plan)
    assert names == [[list(thread.steps) for thread in level.threads] for level in plan.levels]
    assert [name for level in names for thread in level for name in thread] == [
        step.name for step in plan.steps
    ]


def test_numbers_and_texts_mean_the_same_and_a_bare_list_needs_no_engine() -> None:
    texts = read([[job("1", "a", TIMEOUT_SECONDS="7", CONTINUE_IF_FAIL="True", LAST_STEP="true")]])
    numbers = [
        {
            "LEVEL_ID": 1,
            "THREADS": [
                {
                    "THREAD_ID": 1,
                    "STEPS": [
                        job(
                            "1",
                            "a",
                            WAIT_TIME_SECONDS=20,
                            ASYNC_TIMEOUT_LOOP_IN_MINUTES=12,
                            TIMEOUT_SECONDS=7,
                        )
                        | {"JOB_ID": 1, "CONTINUE_IF_FAIL": True, "LAST_STEP": True, "NEXT": ""}
                    ],
                }
            ],
        }
    ]
    bare = read_definition(json.dumps(numbers), file="p.json")

    assert Engine.NONE is bare.engine
    assert texts.steps[0].work == bare.steps[0].work
    assert Job(JobService.FUNCTION, "starter", "asker", "", poll_seconds=20, poll_timeout_seconds=720, call_timeout_seconds=7, job_name="a") == bare.steps[0].work  # fmt: skip
    assert bare.steps[0].continue_if_fail


def test_gaps_in_level_ids_and_other_thread_ids_do_no_harm() -> None:
    text = levels([[job("1", "a")]], [[job("2", "b")]], [[job("3", "c")]])
    text = text.replace('"LEVEL_ID": "2"', '"LEVEL_ID": "5"').replace('"LEVEL_ID": "3"', '"LEVEL_ID": "9"')
    data = json.loads(text)
    for number, level in enumerate(data["definition"]):
        level["THREADS"][0]["THREAD_ID"] = str(7 - number)

    plan = read_definition(json.dumps(data), file="p.json")

    assert {"a": [], "b": [("a", None)], "c": [("b", None)]} == edges(plan)


def test_next_jumps_forward_inside_its_thread() -> None:
    plan = read(
        [[job("J0", "first", RESULT_VARIABLE_NAME="flag")]],
        [
            [
                choice("J1", READ_INPUT_FROM="flag", FALSE_JOB="J3"),
                job("J2", "yes", NEXT="J4"),
                job("J3", "no"),
                job("J4", "both"),
            ]
        ],
        [[job("J5", "last")]],
    )

    assert {
        "first": [],
        "choice_J1": [("first", None)],
        "yes": [("choice_J1", True)],
        "no": [("choice_J1", False)],
        "both": [("yes", None), ("no", None)],
        "last": [("both", None)],
    } == edges(plan)
    assert Branch(is_yes(Reference(Root.STEP, "first"))) == plan.step("choice_J1").work


def test_a_side_that_leaves_its_thread_reaches_the_next_level() -> None:
    plan = read(
        [[job("J1", "ask"), choice("J2", TRUE_JOB="J3"), job("J3", "more")], [job("J4", "beside")]],
        [[job("J5", "z")]],
    )
    out = read(
        [[job("J1", "ask"), job("J9", "other", NEXT="J3"), choice("J3", TRUE_JOB="J4"), job("J4", "more")]]
    )

    assert [("more", None), ("beside", None)] == edges(plan)["z"]
    assert [("choice_J3", None)] == edges(out)["more"]


def test_a_choice_without_input_asks_the_step_before_it() -> None:
    plan = read(
        [
            [
                job("J1", "ask"),
                choice("J2", TRUE_JOB="J3", FALSE_JOB="J4"),
                job("J3", "a", NEXT="J5"),
                job("J4", "b"),
                job("J5", "c"),
            ]
        ]
    )

    assert Branch(is_yes(Reference(Root.STEP, "ask"))) == plan.step("choice_J2").work


def test_ending_the_pipeline_on_one_side_leaves_the_rest_unreached() -> None:
    plan = read(
        [
            [
                job("J1", "ask"),
                choice("J2", TRUE_JOB="J4"),
                job("J3", "stop", CLOSE_PIPELINE=True),
                job("J4", "go"),
            ]
        ],
        [[job("J5", "later")]],
    )

    assert [("go", None)] == edges(plan)["later"]


def test_all_types_of_steps_are_read() -> None:
    plan = read(
        [
            [
                {
                    "JOB_ID": "1",
                    "JOB_NAME": "once",
                    "TYPE": "sync",
                    "FUNCTION_NAME": "f",
                    "TIMEOUT_SECONDS": 30,
                },
                job("2", "with-hyphen", READ_INPUT_FROM="once", STEP_PROPERTIES='{"a": {"b": "${c}"}}'),
                {
                    "JOB_ID": "3",
                    "JOB_NAME": "sub",
                    "TYPE": "workflows",
                    "workflows_NAME": "other",
                    "TIMEOUT_SECONDS": 60,
                },
            ]
        ]
    )

    assert (
        Job(JobService.FUNCTION, "f", None, call_timeout_seconds=30, job_name="once")
        == plan.step("once").work
    )
    work = plan.step("with-hyphen").work
    assert isinstance(work, Job)
    assert Reference(Root.STEP, "once") == work.input
    assert [("a", (("b", Literal("${c}")),))] == [
        (name, getattr(value, "items", None)) for name, value in work.properties.items
    ]
    assert (SubPipeline("other"), 60) == (plan.step("sub").work, plan.step("sub").timeout_seconds)


def test_composer_executors_name_their_service() -> None:
    step = {"JOB_ID": "1", "JOB_NAME": "a", "TYPE": "async", "COMPOSER_STEP": "dataform-tag-executor"}

    plan = read_definition(levels([[step]], engine="composer"), file="p.json")

    assert Job(JobService.DATAFORM, "a", None, "dataform-tag-executor", job_name="a") == plan.steps[0].work


def test_a_name_that_comes_back_in_a_later_level_is_told_apart_by_its_id() -> None:
    written = [[job("J1", "a"), job("J2", "b")]], [[job("J3", "a")]]
    plan = read(*written)

    assert [("a_J1", "a"), ("b", "b"), ("a_J3", "a")] == [
        (s.name, getattr(s.work, "job_name", "")) for s in plan.steps
    ]
    assert [("same-name", 'this one is called "a_J1"'), ("same-name", 'this one is called "a_J3"')] == [
        (finding.rule, finding.text.partition("; ")[2]) for finding in lint(plan)
    ]
    with pytest.raises(Misconfigured, match='JOB_NAME "a" is here twice'):
        read(*written, same_names="refuse")


def test_same_names_within_a_level_are_told_apart_where_that_is_asked_for() -> None:
    written = [[job("J1", "a"), job("J2", "a")], [job("J3", "a")]]
    plan = read(written, same_names="qualify")

    assert ["a_J1", "a_J2", "a_J3"] == [step.name for step in plan.steps]
    with pytest.raises(Misconfigured, match="each step has a name of its own in its level"):
        read(written)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ([[[job("1", "a"), job("2", "a")]]], ['JOB_NAME "a" is here twice; the first is in line']),
        ([[[job("1", "a")]], [[job("1", "b")]]], ['JOB_ID "1" is here twice; the first is in line']),
        ([[[job("1", "a", NEXT="9"), job("2", "b")]]], ['unknown JOB_ID "9"; known: 1, 2', 'nothing leads to job "b"']),
        ([[[job("1", "a"), job("2", "b", NEXT="1")]]], ["a jump back would never end"]),
        ([[[job("1", "a", NEXT="2")], [job("2", "b")]]], ["is in another thread"]),
        ([[[job("1", "a", NEXT="3"), job("2", "b"), job("3", "c")]]], ['nothing leads to job "b"']),
        ([[[job("1", "a"), choice("2", TRUE_JOB="7"), job("3", "b")]]], ['unknown JOB_ID "7"']),
        ([[[job("1", "a"), choice("2", TRUE_JOB="3", FALSE_JOB="8"), job("3", "b")]]], ['unknown JOB_ID "8"']),
        ([[[job("1", "a"), choice("2")]]], ["needs TRUE_JOB, FALSE_JOB or both"]),
        ([[[choice("2", TRUE_JOB="3"), job("3", "b")]]], ["needs READ_INPUT_FROM"]),
        ([[[job("1", "a", READ_INPUT_FROM="nobody")]]], ['unknown result of an earlier step of this thread or level "nobody"']),
        ([[[job("1", "a", TYPE="asynch")]]], ['unknown value "asynch"; did you mean "async"?']),
        ([[[job("1", "a", COMPOSER_STEP="spark")]]], ['unknown executor "spark"; ']),
        ([[[job("1", "a", WAIT_TIME="3")]]], ['unknown key "WAIT_TIME"; did you mean "WAIT_TIME_SECONDS"?']),
        ([[[job("1", "a", WAIT_TIME_SECONDS="soon")]]], ["is no number"]),
        ([[[job("1", "a", WAIT_TIME_SECONDS=0)]]], ["must be more than 0"]),
        ([[[job("1", "a", CONTINUE_IF_FAIL="maybe")]]], ["is neither true nor false"]),
        ([[[job("1", "a", STEP_PROPERTIES="{")]]], ["is no JSON"]),
        ([[[job("1", "a", STEP_PROPERTIES="[]")]]], ["is no JSON object"]),
        ([[[job("1", "a", TRUE_JOB="2")]]], ["TRUE_JOB means nothing in a step of type async"]),
        ([[[{"JOB_ID": "1", "JOB_NAME": "a", "TYPE": "async"}]]], ["needs FUNCTION_ID_NAME or COMPOSER_STEP"]),
        ([[[{"JOB_ID": "1", "JOB_NAME": "a", "TYPE": "sync"}]]], ["needs FUNCTION_NAME"]),
        ([[[{"JOB_ID": "1", "JOB_NAME": "a", "TYPE": "workflows"}]]], ["needs workflows_NAME"]),
        ([[[job("1", "a", LAST_STEP="True")]], [[job("2", "b")]]], ["level 2 is never reached"]),
        ([[[job("1", "a", LAST_STEP="True")], [job("3", "c")]], [[job("2", "b")]]], ["other threads of its level are at work"]),
        ([[[job("1", "a", LAST_STEP="True", NEXT="2"), job("2", "b")]]], ["leads nowhere"]),
        ([[[]]], ["STEPS: is empty"]),
        ([[]], ["THREADS: is empty"]),
    ],
)  # fmt: skip
def test_a_fault_is_told_with_its_line(written: list[Any], expected: list[str]) -> None:
    found = faults(*written)

    assert len(expected) == len(found), found
    for text, line in zip(expected, found, strict=True):
        assert text in line


def test_all_faults_of_a_file_are_told_at_once() -> None:
    five, seven = cast("Any", 5), cast("Any", 7)
    data = json.loads(
        levels(
            [[job("1", "a", TYPE="asynch"), job("2", "b", WAIT_TIME_SECONDS="soon", TRUE_JOB="99")]],
            [
                [job("3", "c", READ_INPUT_FROM="nobody"), job("4", "d", NEXT="77")],
                [choice("5", TRUE_JOB="99"), job("6", "b", FUNCTION_ID_NAME=True)],
            ],
            [
                [{"JOB_ID": "7", "TYPE": "workflows", "colour": 1}],
                [five, job("8", "h", READ_INPUT_FROM="a")],
                seven,
            ],
            [[job("9", "i", LAST_STEP="True", NEXT="10"), job("10", "j", STEP_PROPERTIES="{")]],
        ).replace('"LEVEL_ID": "2"', '"LEVEL_ID": "1"')
    )
    data["definition"][1]["THREADS"][1]["THREAD_ID"] = "1"
    data["definition"][3]["THREADS"].append({"THREAD_ID": "2"})

    with pytest.raises(Misconfigured) as caught:
        read_definition(json.dumps(data, indent=1), file="p.json")

    found = [line.split(" ", 1)[1].replace("definition", "") for line in str(caught.value).splitlines()]
    for text in (
        'TYPE: unknown value "asynch"; did you mean "async"?',
        "WAIT_TIME_SECONDS: is no number",
        "TRUE_JOB means nothing in a step of type async",
        'LEVEL_ID "1" is here twice',
        'unknown result of an earlier step of this thread or level "nobody"; ',
        'unknown JOB_ID "77"; ',
        'THREAD_ID "1" is here twice',
        "a boolean_choice without a step before it needs READ_INPUT_FROM",
        'unknown JOB_ID "99"; ',
        "FUNCTION_ID_NAME: expected text",
        '"JOB_NAME" is missing',
        'unknown key "colour"',
        "STEPS[0]: expected a mapping, got number 5",
        "STEPS: expected a list, got number 7",
        "leads nowhere",
        "STEP_PROPERTIES: is no JSON",
        '"STEPS" is missing',
    ):
        assert 1 == sum(text in line for line in found), (text, found)
    assert 17 == len(found), found


def test_levels_and_threads_have_names_of_their_own_and_stand_in_order() -> None:
    text = levels([[job("1", "a")], [job("4", "d")]], [[job("2", "b")]], [[job("3", "c")]])
    text = text.replace('"THREAD_ID": "2"', '"THREAD_ID": "1"', 1).replace(
        '"LEVEL_ID": "3"', '"LEVEL_ID": "1"'
    )

    with pytest.raises(Misconfigured) as error:
        read_definition(text, file="p.json")

    found = str(error.value)
    assert 'THREAD_ID "1" is here twice' in found
    assert 'LEVEL_ID "1" is here twice' in found
    assert "level 1 stands behind level 2" in found


def test_an_engine_that_nobody_knows_is_refused_and_composer_needs_executors() -> None:
    with pytest.raises(
        Misconfigured,
        match=r'unknown value "airflow"; known: , cloud_workflows, composer|unknown value "airflow"',
    ):
        read_definition(levels([[job("1", "a")]], engine="airflow"), file="p.json")
    with pytest.raises(Misconfigured, match="engine composer needs a COMPOSER_STEP; known: bq-saved"):
        read_definition(levels([[job("1", "a")]], engine="composer"), file="p.json")


def test_the_name_of_the_file_is_that_of_the_pipeline() -> None:
    assert "demo_1" == read_definition(levels([[job("1", "a")]]), file="some/where/demo_1.json").name
    with pytest.raises(Misconfigured, match="the file's name is the pipeline's"):
        read_definition(levels([[job("1", "a")]]), file="a b.json")


@given(
    st.sampled_from(["JOB_ID", "JOB_NAME", "TYPE", "FUNCTION_ID_NAME", "WAIT_TIME_SECONDS", "STEP_PROPERTIES", "NEXT", "LAST_STEP"]),
    st.text(st.characters(codec="utf-8"), max_size=12) | st.integers() | st.none() | st.lists(st.integers(), max_size=1),
)  # fmt: skip
def test_anything_in_any_key_is_read_or_refused_with_its_place(key: str, value: Any) -> None:
    try:
        steps = len(read([[job("1", "a", **{key: value})]]).steps)
    except Misconfigured as error:
        steps = str(error).startswith("p.json:")

    assert steps == 1


def test_parameters_of_every_era_are_read(samples: Path) -> None:
    found = [
        read_platform(path.read_bytes(), file=path.name)
        for path in sorted((samples / "aef/parameters").glob("*.json"))
    ]

    assert found
    assert all(one.project and one.region for one in found)


def test_faults_of_parameters_are_told_with_their_lines() -> None:
    text = '[{"ParameterKey": "pRegion", "ParameterValue": "r"},\n{"ParameterKey": "pRegoin", "ParameterValue": "r"},\n{"ParameterKey": "pRegion", "ParameterValue": "r"}]'

    with pytest.raises(
        Misconfigured, match=r'p\.json:2:18 unknown ParameterKey "pRegoin"; did you mean "pRegion"'
    ) as error:
        read_platform(text, file="p.json")
    assert 'p.json:3:18 parameter "pRegion" is here twice' in str(error.value)
    with pytest.raises(Misconfigured, match=r"p\.json:1:2 0\.ParameterValue: Field required"):
        read_platform('[{"ParameterKey": "pRegion"}]', file="p.json")
    assert "https://r-p.cloudfunctions.net/" == Platform(project="p", region="r").functions_url


def test_a_scheduling_document_is_a_schedule(samples: Path) -> None:
    path = samples / "aef/scheduling/firestore_document.json"

    found = read_scheduling(path.read_bytes(), file=path.name)

    assert found.schedule is not None
    assert ("America/Los_Angeles", "ENABLED") == (found.schedule.timezone, found.workflow_status)
    with pytest.raises(Misconfigured, match="is no cron expression"):
        read_scheduling('{"workflows_name": "w", "crond_expression": "x"}', file="f.json")


def test_edges_of_a_level_are_those_of_threads_that_can_end_there() -> None:
    plan = read([[job("1", "a")], [job("2", "b")]], [[job("3", "c")], [job("4", "d")]])

    assert (Edge("a"), Edge("b")) == plan.step("c").needs == plan.step("d").needs


_JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 40),
    st.text(max_size=3),
    st.sampled_from(["1", "a", "sync", "True", "{}"]),
)
_STEPS = st.dictionaries(
    st.sampled_from(
        ["JOB_ID", "JOB_NAME", "TYPE", "FUNCTION_NAME", "NEXT", "TRUE_JOB", "READ_INPUT_FROM", "LAST_STEP"]
    ),
    _JUNK,
)
_THREADS = st.fixed_dictionaries({"THREAD_ID": _JUNK, "STEPS": _JUNK | st.lists(_JUNK | _STEPS, max_size=3)})
_LEVELS = st.fixed_dictionaries(
    {"LEVEL_ID": _JUNK, "THREADS": _JUNK | st.lists(_JUNK | _THREADS, max_size=2)}
)


@given(st.lists(_JUNK | _LEVELS, max_size=3))
def test_any_file_is_read_or_refused(data: list[Any]) -> None:
    try:
        plan = read_definition(json.dumps(data), file="p.json")
    except Misconfigured:
        return
    assert plan.steps
