"""What the workflows that we make for Google do: valid by Google's schema, executed by an emulator that nobody here wrote."""

# ruff: noqa: E501 - a step of a definition is one line

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from shared.common.errors import Misconfigured
from shared.pipelines.plan import Plan
from shared.pipelines.platform import Platform
from shared.pipelines.read import read_definition
from shared.pipelines.targets.target import Feature, Options
from shared.pipelines.targets.workflows import WORKFLOWS
from shared.pipelines.targets.workflows_bounds import MOST_BYTES
from tests.shared.pipelines.conftest import SAMPLES, job, levels
from tests.shared.pipelines.targets.emulator import Emulator

PLATFORM = Options(Platform(project="p", region="r", intermediate="intermediate"))
HEAD = "  max_runs: null\n"


def plan_of(steps: str, *, head: str = "") -> Plan:
    text = f"pipeline:\n  name: p\n{head}  steps:\n" + "".join(
        f"    - {line}\n" for line in steps.strip().splitlines()
    )
    return read_definition(text, file="p.yaml")


def compiled(plan: Plan, options: Options = PLATFORM) -> dict[str, Any]:
    found = WORKFLOWS.compile(plan, options)
    (path,) = [path for path in found if path.endswith(".workflows.json")]
    made: dict[str, Any] = json.loads(found[path])
    return made


@pytest.fixture
def google(google: Emulator) -> Emulator:
    google.functions.clear()
    google.functions["executions"] = lambda e: {}
    return google


def broken(event: Any) -> Any:
    raise ValueError("no")


def jobs(**states: list[Any]) -> Any:
    """The intermediate function: starts jobs, then answers their states in turn; SUCCESS where nobody said."""
    left = {name: list(found) for name, found in states.items()}

    def function(event: Any) -> Any:
        if event["call_type"] == "get_id":
            return f"id-{event['job_name']}"
        given = left.get(event["job_name"])
        return given.pop(0) if given else "SUCCESS"

    return function


def names(google: Emulator, call_type: str = "get_id") -> list[str]:
    return [
        e["job_name"] for name, e in google.calls if name == "intermediate" and e["call_type"] == call_type
    ]


def level_plan(*written: Any, **more: Any) -> Plan:
    return read_definition(levels(*written, **more), file="demo.json")


def test_a_job_is_started_and_asked_until_it_ends(google: Emulator) -> None:
    plan = level_plan(
        [[job("J1", "one", STEP_PROPERTIES='{"bucket": "${x}"}')], [job("J2", "two")]], [[job("J3", "three")]]
    )
    google.functions["intermediate"] = jobs(one=["RUNNING", "PENDING", "DONE"])
    given = {
        "query_variables": {"start_date": "2026-01-01", "end_date": "2026-01-02"},
        "workflow_properties": {"a": 1},
    }
    ended = google.run(compiled(plan), given)
    calls = [e for _, e in google.calls if e["job_name"] == "one"]

    assert "error" not in ended, ended
    assert {"one": 3, "two": 1, "three": 1} == Counter(names(google, "get_status"))
    assert ("three", "get_status") == (google.calls[-1][1]["job_name"], google.calls[-1][1]["call_type"])
    assert {
        "call_type",
        "workflow_name",
        "execution_id",
        "job_name",
        "function_url_to_call",
        "query_variables",
        "workflow_properties",
        "step_properties",
    } == set(calls[0])
    assert "https://r-p.cloudfunctions.net/starter" == calls[0]["function_url_to_call"]
    assert ("id-one", "https://r-p.cloudfunctions.net/asker") == (
        calls[1]["async_job_id"],
        calls[1]["function_url_to_call"],
    )
    assert (given["query_variables"], {"a": 1}) == (
        calls[0]["query_variables"],
        calls[0]["workflow_properties"],
    )
    assert '{"bucket": "${x}"}' == calls[0]["step_properties"]
    assert {"OIDC"} == {headers["X-Auth"] for headers in google.headers}
    assert [20.0] * 5 == ended["waited"]


@pytest.mark.parametrize(
    "state", ["FAILED", "CANCELLED", "no such state", {"state": "JOB_STATE_FAILED"}, None, ""]
)
def test_any_other_state_ends_the_poll_and_the_run_fails(google: Emulator, state: Any) -> None:
    google.functions["intermediate"] = jobs(one=[state])
    ended = google.run(compiled(level_plan([[job("J1", "one"), job("J2", "two")]])))

    assert ["one"] == ended["error"]["failed"]
    assert ["one"] == names(google, "get_status")


def test_a_job_that_never_ends_is_given_up_and_continue_if_fail_goes_on(google: Emulator) -> None:
    keys = {"WAIT_TIME_SECONDS": 60, "ASYNC_TIMEOUT_LOOP_IN_MINUTES": 3, "CONTINUE_IF_FAIL": "true"}
    google.functions["intermediate"] = jobs(one=["RUNNING"] * 99)
    ended = google.run(compiled(level_plan([[job("J1", "one", **keys), job("J2", "two")]])))

    assert ["one"] == ended["error"]["failed"]
    assert {"one": 3, "two": 1} == Counter(names(google, "get_status"))


def test_a_retry_starts_a_new_job(google: Emulator) -> None:
    plan = plan_of(
        "{name: a, type: job, service: function, function: f, retries: {count: 2, delay: 5}, poll: 7}"
    )
    google.functions["intermediate"] = jobs(a=["FAILED", "FAILED", "DONE"])
    ended = google.run(compiled(plan))

    assert "error" not in ended, ended
    assert ["a", "a", "a"] == names(google)


def test_a_failure_stops_what_is_behind_it_and_nothing_else(google: Emulator) -> None:
    google.functions["intermediate"] = jobs(a=["FAILED"])
    plan = plan_of(
        """
        {name: a, type: job, service: function, function: f}
        {name: behind, type: job, service: function, function: f, depends_on: [a]}
        {name: further, type: job, service: function, function: f, depends_on: [behind]}
        {name: b, type: job, service: function, function: f}
        {name: c, type: job, service: function, function: f, depends_on: [b]}
        """
    )
    ended = google.run(compiled(plan))

    assert ["a"] == ended["error"]["failed"]
    assert ["a", "b", "c"] == sorted(names(google))


def test_shapes_of_level_files_run_in_their_order(google: Emulator) -> None:
    google.functions["intermediate"] = lambda e: "ok"
    for many, threads, steps in [(m, t, s) for m in (1, 2, 3) for t in (1, 2, 3) for s in (1, 2, 3)]:
        named = [[[f"l{a}t{b}s{c}" for c in range(steps)] for b in range(threads)] for a in range(many)]
        written = [
            [
                [{"JOB_ID": n, "JOB_NAME": n, "TYPE": "sync", "FUNCTION_NAME": "once"} for n in thread]
                for thread in level
            ]
            for level in named
        ]
        ended = google.run(compiled(level_plan(*written)))
        order = names(google)

        assert "error" not in ended, ended
        assert sorted(order) == sorted(n for level in named for thread in level for n in thread)
        assert [name[1] for name in order] == sorted(name[1] for name in order)
        for thread in (thread for level in named for thread in level):
            assert thread == [name for name in order if name in thread]


@pytest.mark.parametrize("rows", [0, 5, None, "5"])
def test_a_branch_takes_one_side_and_data_goes_on_with_its_type(google: Emulator, rows: Any) -> None:
    plan = plan_of(
        """
        {name: a, type: call, url: "https://x.example.com/a"}
        {name: big, type: branch, condition: "steps.a.output.body.rows[0] > 2 and params.mode in ['full', 'x']", then: [yes], else: [no]}
        {name: yes, type: call, method: POST, url: "https://x.example.com/yes", body: {n: "${steps.a.output.body.rows[0]}"}}
        {name: no, type: call, method: POST, url: "https://x.example.com/no", body: {n: "${steps.a.output.body.rows[0]}"}}
        {name: after, type: call, method: POST, url: "https://x.example.com/after", depends_on: [yes, no], body: {t: "is ${steps.big.output} of ${steps.a.output.body} $${x} }", none: "${steps.a.output.no.such[3]}"}}
        """,
        head="  parameters: {mode: full}\n",
    )
    google.functions.update(
        {name: lambda e: {"ok": 1} for name in ("yes", "no", "after")} | {"a": lambda e: {"rows": [rows]}}
    )
    ended = google.run(compiled(plan))
    side = "yes" if rows == 5 else "no"

    assert "error" not in ended, ended
    assert (side, {"n": rows}) in google.calls
    assert ["a", side, "after"] == [name for name, _ in google.calls if name != "executions"]
    text = google.calls[-1][1]["t"]
    assert f"is {'true' if rows == 5 else 'false'} of " == text[: text.index("{")]
    assert {"rows": [rows]} == json.loads(text[text.index("{") : text.index(" ${x}")])
    assert text.endswith(" ${x} }")
    assert None is google.calls[-1][1]["none"]


def test_a_value_in_a_url_stays_in_its_place(google: Emulator) -> None:
    asked: list[str] = []
    google.host = lambda path, body, headers: asked.append(path)
    plan = plan_of(
        """
        {name: a, type: call, method: POST, url: "${params.base}/of/${params.x}/end?q=${params.x}&up=${params.up}"}
        {name: b, type: call, url: "https://x.example.com/of/${params.up}/end"}
        """,
        head='  max_runs: null\n  parameters: {base: "https://x.example.com/v1", x: "../a b?c=d#é", up: ".."}\n',
    )
    ended = google.run(compiled(plan))
    google.host = None

    piece = "..%2Fa%20b%3Fc%3Dd%23%C3%A9"
    assert ["b"] == ended["error"]["failed"]
    assert [f"/v1/of/{piece}/end?q={piece}&up=.."] == asked


def test_defaults_that_look_like_expressions_are_text(google: Emulator) -> None:
    plan = plan_of(
        """
        {name: a, type: call, method: POST, url: "https://x.example.com/a", body: {d: "${params.d}", of: "${params.of}"}}
        """,
        head="  parameters: {d: 'a ${sys.now()} } ${', of: [1, {k: '${x}'}]}\n",
    )
    google.functions["a"] = lambda e: 1

    assert "error" not in google.run(compiled(plan))
    assert [("a", {"d": "a ${sys.now()} } ${", "of": [1, {"k": "${x}"}]})] == [
        call for call in google.calls if call[0] == "a"
    ]
    with pytest.raises(Misconfigured, match=r"p\.yaml:3:16 Cloud Workflows reads the key"):
        compiled(plan_of("{name: w, type: wait, duration: 1s}", head="  parameters: {d: {'${x}': 1}}\n"))


def test_a_foreach_runs_for_each_item(google: Emulator) -> None:
    plan = plan_of(
        """
        {name: all, type: foreach, items: "${params.of}", max_parallel: 1, steps: [{name: one, type: call, method: POST, url: "https://x.example.com/one", body: {i: "${item.x}"}}]}
        {name: last, type: call, method: POST, url: "https://x.example.com/last", depends_on: [all], body: {all: "${steps.all.output}"}}
        """,
        head="  parameters: {of: null}\n",
    )
    google.functions.update(one=lambda e: e["i"] * 2, last=lambda e: 1)
    workflow = compiled(plan)

    assert "error" not in google.run(workflow, {"params": {"of": [{"x": 1}, {"x": 2}]}})
    assert [2, 4] == [one["body"] for one in google.calls[-1][1]["all"]]
    assert "error" not in google.run(workflow, {"params": {"of": None}})
    assert {"all": []} == google.calls[-1][1]
    assert ["all"] == google.run(workflow, {"params": {"of": "text"}})["error"]["failed"]
    assert ["all"] == google.run(workflow, {"params": {"of": [{"x": 1}, {"x": None}]}})["error"]["failed"]


@pytest.mark.parametrize("most", ["", "max_parallel: 2, ", "max_parallel: 1, "])
def test_items_of_a_foreach_beside_another_step_have_variables_of_their_own(
    google: Emulator, most: str
) -> None:
    plan = plan_of(
        f"""
        {{name: all, type: foreach, items: "${{params.of}}", {most}steps: [{{name: one, type: call, method: POST, url: "https://x.example.com/one", body: {{i: "${{item}}"}}}}, {{name: two, type: call, method: POST, url: "https://x.example.com/two", body: {{i: "${{steps.one.output.body}}", t: "<${{item}}>"}}}}]}}
        {{name: beside, type: call, method: POST, url: "https://x.example.com/beside"}}
        """,
        head="  parameters: {of: [1, two, null]}\n",
    )
    google.functions.update(one=lambda e: e["i"], two=lambda e: 1, beside=lambda e: 1)
    ended = google.run(compiled(plan))

    assert "error" not in ended, ended
    assert {"one": 3, "two": 3, "beside": 1} == Counter(n for n, _ in google.calls if n != "executions")
    assert [{"i": 1, "t": "<1>"}, {"i": "two", "t": "<two>"}, {"i": None, "t": "<>"}] == [
        body for name, body in google.calls if name == "two"
    ]


def test_a_secret_that_is_refused_fails_the_attempt_of_its_step_and_nothing_else(google: Emulator) -> None:
    """Refused once it is asked for again, and where it stays away the step is tolerated and people are told."""
    plan = plan_of(
        """
        {name: once, type: call, url: "https://x.example.com/ok", headers: {Authorization: "Bearer ${secrets.LATE}"}, retries: 2}
        {name: never, type: call, url: "https://x.example.com/no", method: POST, body: {t: "${secrets.GONE}"}, continue_if_fail: true, depends_on: [once]}
        {name: query, type: call, url: "https://x.example.com/no", query: {key: "${secrets.GONE}"}, depends_on: [never]}
        {name: beside, type: call, url: "https://x.example.com/ok", depends_on: [never]}
        """,
        head='  notifications: {on_failure: [{method: webhook, recipients: ["https://x.example.com/told"]}]}\n',
    )
    late = iter([broken, lambda e: "s"])
    google.functions.update(GONE=broken, ok=lambda e: 1, told=lambda e: 1)
    google.functions["LATE"] = lambda e: next(late)(e)  # noqa: PLW0108 - another one for each call
    ended = google.run(compiled(plan))

    assert ["never", "query"] == ended["error"]["failed"]
    assert ["LATE", "LATE", "ok", "GONE"] == [name for name, _ in google.calls if name != "executions"][:4]
    assert {"LATE": 2, "GONE": 2, "ok": 2, "told": 1, "executions": 1} == Counter(n for n, _ in google.calls)


def test_what_is_no_instant_fails_the_step_that_waits_for_it_and_nothing_else(google: Emulator) -> None:
    plan = plan_of(
        """
        {name: late, type: wait, until: "${params.at}"}
        {name: behind, type: call, url: "https://x.example.com/ok", depends_on: [late]}
        {name: beside, type: call, url: "https://x.example.com/ok"}
        """,
        head='  parameters: {at: soon}\n  notifications: {on_failure: [{method: webhook, recipients: ["https://x.example.com/told"]}]}\n',
    )
    google.functions.update(ok=lambda e: 1, told=lambda e: 1)
    ended = google.run(compiled(plan))

    assert ["late"] == ended["error"]["failed"]
    assert {"ok": 1, "told": 1} == Counter(name for name, _ in google.calls if name != "executions")


def test_a_run_waits_until_it_is_one_of_the_oldest(google: Emulator) -> None:
    """The list has the newest first: one is older than this, then none."""
    answers = iter([["this", "old"], ["new", "this"]])
    google.functions["executions"] = lambda e: {
        "executions": [{"name": f"x/executions/{n}"} for n in next(answers)]
    }
    workflow = compiled(plan_of("{name: a, type: wait, duration: 5}"))
    ended = google.run(workflow)

    assert "error" not in ended, ended
    assert [60, 5] == ended["waited"]
    assert ["executions", "executions"] == [name for name, _ in google.calls]


def test_the_faults_of_the_original_generator_are_not_here(google: Emulator) -> None:
    """A gap in LEVEL_IDs, other THREAD_IDs in the next level, NEXT, sync, workflows, a name of an error, a hyphen."""
    data: list[dict[str, Any]] = [
        {"LEVEL_ID": "1", "THREADS": [{"THREAD_ID": "7", "STEPS": [
            job("J1", "load_error_log", NEXT="J3"),
            {"JOB_ID": "J3", "JOB_NAME": "a-b", "TYPE": "sync", "FUNCTION_NAME": "once"},
        ]}]},
        {"LEVEL_ID": "9", "THREADS": [{"THREAD_ID": "2", "STEPS": [job("J4", "last")]}]},
    ]  # fmt: skip
    google.functions["intermediate"] = jobs()
    plan = read_definition(json.dumps(data), file="demo.json")
    ended = google.run(compiled(plan))

    assert "error" not in ended, ended
    assert ["load_error_log", "a-b", "last"] == names(google)


def test_many_threads_become_branches_of_branches_and_too_much_is_refused() -> None:
    def threads(many: int) -> list[list[dict[str, Any]]]:
        return [[job(f"J{n}", f"job_{n}")] for n in range(many)]

    (outer,) = [
        s
        for s in compiled(level_plan(threads(25)))["main"]["steps"]
        if next(iter(s)).startswith("side_by_side")
    ]
    branches = next(iter(outer.values()))["parallel"]["branches"]

    assert 9 == len(branches)
    with pytest.raises(Misconfigured, match=f"demo.json:.*takes {MOST_BYTES:,}"):
        compiled(level_plan(threads(300)))


def test_google_accepts_what_is_made_of_every_published_definition(samples: Path) -> None:
    schema_file = SAMPLES / "google-workflows" / "workflows.schema.json"
    if not schema_file.exists():
        pytest.skip("Google's schema is not here")
    schema = json.loads(schema_file.read_text())
    checker = jsonschema.Draft7Validator(schema)
    for path in sorted([*samples.glob("aef/definitions-*/*.json"), *samples.glob("definitions/*.yaml")]):
        plan = read_definition(path.read_bytes(), file=path.name, same_names="qualify")
        if any(step.notifications.on_success for step in plan.all_steps()):
            with pytest.raises(Misconfigured, match="cannot notify by slack"):
                compiled(plan)
            continue
        made = compiled(plan)
        assert [] == [error.message[:200] for error in checker.iter_errors(made)]
        assert set() == _limits(made)


def _limits(document: Any) -> set[tuple[str, int]]:
    """What is over a limit, as (what, how much); empty where all is well."""
    over: set[tuple[str, int]] = set()
    match document:
        case str() if document.startswith("${") and len(document) > 400:
            over.add(("expression", len(document)))
        case list():
            over = set().union(*map(_limits, document))
        case dict():
            over = set().union(*map(_limits, document.values()))
            for name, most in (("assign", 50), ("switch", 50), ("branches", 10)):
                if len(document.get(name, ())) > most:
                    over.add((name, len(document[name])))
    return over


def test_all_that_is_wrong_is_said_at_once_with_its_place() -> None:
    plan = plan_of(
        """
        {name: a, type: container, image: "x:1"}
        {name: b, type: job, service: glue, job: q}
        {name: c, type: lambda, function: c}
        """
    )
    with pytest.raises(Misconfigured) as caught:
        WORKFLOWS.compile(plan, PLATFORM)

    assert ["p.yaml:4:", "p.yaml:5:", "p.yaml:6:"] == [line[:9] for line in str(caught.value).splitlines()]


def test_something_is_said_of_every_feature() -> None:
    assert set(Feature) == set(WORKFLOWS.features)


def step_names(data: Any) -> Iterator[str]:
    """The names of all steps of a workflow, wherever in it."""
    if isinstance(data, list):
        for item in data:
            if isinstance(item, dict) and len(item) == 1 and isinstance(next(iter(item.values())), dict):
                yield from item
            yield from step_names(item)
    elif isinstance(data, dict):
        for key, value in data.items():
            if isinstance(value, dict | list) and key != "assign":
                yield from step_names(value)


def test_no_name_of_a_workflow_is_there_twice_whatever_steps_are_called() -> None:
    own = {
        *step_names(
            compiled(plan_of("{name: x, type: wait, duration: 1}", head="  deadline: 1h\n"))["main"]["steps"]
        )
    }
    more = {
        "end",
        "a",
        "a_begin",
        "a_well",
        "a_if_late",
        "a b",
        "a_b",
        "step1",
        "step2_begin",
        "side_by_side_1",
        "branch_1_1",
    }
    lines = "\n".join(f"{{name: {name}, type: wait, duration: 1}}" for name in sorted(own | more))
    found = Counter(step_names(compiled(plan_of(lines, head="  deadline: 1h\n"))["main"]["steps"]))

    assert len(own) > 12
    assert {} == {name: times for name, times in found.items() if times > 1}
