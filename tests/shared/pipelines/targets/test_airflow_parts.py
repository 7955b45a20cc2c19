"""The pieces that files for Airflow bring along, without Airflow: loops of functions, data, conditions."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.common.errors import Misconfigured
from shared.pipelines.conditions import Operator, compare
from shared.pipelines.targets.airflow_parts import imports_of, text_of, with_needs
from shared.pipelines.urls import Where, url_piece
from shared.pipelines.values import as_text, follow


class Again(NamedTuple):
    seconds: float
    state: Any


@dataclass
class Run:
    """What the pieces ask of a run."""

    state: Any = None


def pieces(*names: str, **given: Any) -> dict[str, Any]:
    """The names that pieces define; `given` stands for what they need."""
    space: dict[str, Any] = {"Any": Any, "json": json, "Run": Run, "Again": Again, **given}
    for name in names:
        exec("from __future__ import annotations\n" + text_of(name, 3), space)  # noqa: S102 - our own text
    return space


def to_the_end(work: Callable[[Run], Any]) -> tuple[Any, list[float]]:
    """What a step leaves at last, and how long it rested; between rests its state goes through JSON, as in XCom."""
    run, rests = Run(), list[float]()
    for _ in range(50):
        answer = work(run)
        if not isinstance(answer, Again):
            return answer, rests
        rests.append(answer.seconds)
        run.state = json.loads(json.dumps(answer.state))
    raise AssertionError("the step does not end")


@given(
    st.one_of(st.text(), st.integers(), st.none(), st.lists(st.text(max_size=2), max_size=2)), st.booleans()
)
def test_a_piece_of_a_url_is_what_the_runner_makes_of_it(value: Any, in_path: bool) -> None:
    made = pieces("text", "piece", quote=quote)["piece"]
    try:
        expected = url_piece(as_text(value), Where.PATH if in_path else Where.QUERY)
    except (Misconfigured, UnicodeEncodeError):
        with pytest.raises(ValueError, match=r"another path|surrogates"):
            made(value, in_path)
        return

    assert expected == made(value, in_path)


def test_an_ingest_goes_on_with_its_answer_until_it_is_done_and_loads_stream_by_stream() -> None:
    asked: list[tuple[str, Any]] = []

    def invoke(function: str, payload: Any) -> Any:
        asked.append((function, payload))
        if function == "app-acme-ingest":
            calls = sum(name == function for name, _ in asked)
            streams = {"a": {"rows": calls, "status": "done"}, "b": {"rows": 1, "status": "done"}}
            return {
                "done": calls == 3,
                "source": "acme",
                "streams": streams,
                "retry_after": 60 if calls == 2 else None,
            }
        loads = sum(name == function for name, _ in asked)
        return {"done": loads != 1, "loads": {f"acme.{payload['stream']}": {"rows": 10}}}

    space = pieces("load_landed", "ingest", invoke=invoke)
    answer, rests = to_the_end(lambda run: space["ingest"](run, "app", {"source": "acme"}, load=True))
    events = [payload for name, payload in asked if name == "app-acme-ingest"]

    assert [{"source": "acme"}, False, False] == [events[0], *(event["done"] for event in events[1:])]
    assert ["a", "a", "b"] == [payload["stream"] for name, payload in asked if name == "app-load"]
    assert (4, 30, True) == (answer["rows"], answer["loaded"], answer["done"])
    assert 60 in rests


def test_a_load_of_a_whole_source_names_no_stream() -> None:
    asked: list[Any] = []

    def invoke(_: str, payload: Any) -> Any:
        asked.append(payload)
        return {"done": True, "loads": {"acme.a.b": {"rows": 2}}}

    space = pieces("load_landed", invoke=invoke)

    assert ({"source": "acme", "rows": 2, "streams": {"a.b": {"rows": 2}}}, []) == to_the_end(
        lambda run: space["load_landed"](run, "app", "acme", [])
    )
    assert [{"source": "acme"}] == asked


@pytest.mark.parametrize(
    ("states", "said"),
    [
        (["RUNNING", "DONE"], "DONE"),
        (["QUEUED", "FAILED"], "ended in state FAILED"),
        (["no such state"], "ended in state no such state"),
        (["RUNNING"] * 9, "was still RUNNING after 5 s"),
    ],
)
def test_a_job_is_polled_until_it_ends_or_its_time_is_over(states: list[str], said: str) -> None:
    left = list(states)
    polled = pieces("polled")["polled"]

    def work(run: Run) -> Any:
        return polled(run, lambda: "j1", lambda _: left.pop(0), 2.0, 5.0)

    if said == "DONE":
        assert ({"id": "j1", "state": "DONE"}, [2.0, 2.0]) == to_the_end(work)
        return
    with pytest.raises((RuntimeError, TimeoutError), match=said):
        to_the_end(work)


DATA = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats(-2, 2) | st.text("ab", max_size=2),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
    max_leaves=5,
)


@given(left=DATA, right=DATA, operator=st.sampled_from(list(Operator)))
def test_values_compare_as_in_conditions(left: Any, right: Any, operator: Operator) -> None:
    assert compare(left, operator, right) is COMPARE(left, operator.value, right)


@given(data=DATA, path=st.lists(st.sampled_from(["a", "b", 0, 1]), max_size=3))
def test_paths_and_texts_are_those_of_values(data: Any, path: list[Any]) -> None:
    assert follow(data, tuple(path)) == FOLLOW(data, tuple(path))
    assert as_text(data) == TEXT(data)


COMPARE = pieces("compare")["compare"]
FOLLOW = pieces("follow")["follow"]
TEXT = pieces("text")["text"]


def test_pieces_come_in_the_order_of_the_file_with_all_that_they_need() -> None:
    assert ["follow", "run", "step", "text", "wait"] == [n for n in with_needs(["wait"]) if n != "any"]
    assert "import json" in set(imports_of(["text"], 3))
