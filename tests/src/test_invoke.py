"""Invoking locally: what a handler sees and what its caller gets, as on Lambda."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shared.common.errors import Misconfigured
from shared.common.fakes import FakeClock
from src.invoke import LARGEST_ANSWER, Invocation, LocalContext, apps, call, find_handler, read_event

ROOT = Path(__file__).parents[2]


def ran(
    handler: Callable[..., Any], event: Any = None, *, clock: FakeClock | None = None, timeout_s: float = 3
) -> Invocation:
    context = LocalContext("ingest", "req-1", 256, timeout_s, clock or FakeClock())
    return call(handler, event, context)


class TestContext:
    def test_counts_down_on_its_clock(self) -> None:
        clock = FakeClock()
        context = LocalContext("ingest", "req-1", 256, 3, clock)
        seen = [context.get_remaining_time_in_millis()]
        clock.advance(1.25)
        seen.append(context.get_remaining_time_in_millis())
        clock.advance(9)
        seen.append(context.get_remaining_time_in_millis())

        assert seen == [3000, 1750, 0]

    def test_has_what_lambda_tells(self) -> None:
        context = LocalContext("ingest", "req-1", 256, 3, FakeClock())

        assert (context.function_name, context.aws_request_id, context.memory_limit_in_mb) == (
            "ingest",
            "req-1",
            256,
        )
        assert context.invoked_function_arn.endswith(":function:ingest")
        assert context.log_group_name == "/aws/lambda/ingest"


class TestCall:
    def test_event_and_answer_pass_through_json(self) -> None:
        done = ran(lambda event, _: {"got": event, 1: (2, 3)}, {"a": (1, 2)})

        assert done.payload == {"got": {"a": [1, 2]}, "1": [2, 3]}

    def test_an_error_becomes_lambdas_document(self) -> None:
        def handler(event: Any, context: Any) -> None:
            raise Misconfigured("no such stream", hint="known: a")

        done = ran(handler)

        assert done.payload["errorMessage"] == "no such stream\n  known: a"
        assert (done.payload["errorType"], done.payload["requestId"]) == ("Misconfigured", "req-1")
        assert [line.split(", in ")[1].split("\n")[0] for line in done.payload["stackTrace"]] == ["handler"]
        assert isinstance(done.exception, Misconfigured)

    def test_an_answer_that_is_no_json_is_a_marshal_error(self) -> None:
        assert ran(lambda *_: {"x": object()}).payload["errorType"] == "Runtime.MarshalError"

    def test_an_answer_that_is_too_large_is_refused(self) -> None:
        assert ran(lambda *_: "x" * LARGEST_ANSWER).payload["errorType"] == "Function.ResponseSizeTooLarge"

    def test_an_exit_is_an_error_too(self) -> None:
        def handler(event: Any, context: Any) -> None:
            raise SystemExit(3)

        assert ran(handler).payload["errorMessage"] == "RequestId: req-1 Error: Runtime exited with code 3"

    def test_a_handler_that_works_past_its_timeout_has_no_answer(self) -> None:
        clock = FakeClock()

        done = ran(lambda *_: clock.advance(3), clock=clock)

        assert done.payload["errorType"] == "Sandbox.Timedout"
        assert done.payload["errorMessage"] == "req-1 Task timed out after 3.00 seconds"
        assert done.seconds == 3


class TestApps:
    def test_an_unknown_app_lists_the_known_ones(self) -> None:
        with pytest.raises(Misconfigured, match=r'unknown app "\.\./x"'):
            find_handler("../x")

    def test_the_command_line_is_no_lambda_app(self) -> None:
        assert "cli" not in apps()


class TestEvents:
    def test_a_missing_file_lists_those_that_are_there(self, tmp_path: Path) -> None:
        (tmp_path / "there.json").write_text("{}")

        with pytest.raises(Misconfigured, match=r"not\.json cannot be read") as caught:
            read_event(tmp_path / "not.json")

        assert "there.json" in caught.value.hint

    def test_a_broken_file_is_shown_with_its_line(self, tmp_path: Path) -> None:
        (tmp_path / "e.json").write_text('{\n "a": 1,\n}')

        with pytest.raises(Misconfigured, match=r"e\.json:3:1 expected a key in double quotes"):
            read_event(tmp_path / "e.json")

    @pytest.mark.parametrize("path", sorted((ROOT / "events").glob("*.json")), ids=lambda path: path.name)
    def test_every_sample_is_an_object_that_lambda_would_pass(self, path: Path) -> None:
        event = read_event(path)

        assert isinstance(event, dict)
        assert len(json.dumps(event)) < 256 * 1024

    def test_the_scheduled_sample_has_the_shape_of_eventbridge(self) -> None:
        event = read_event(ROOT / "events" / "ingest_scheduled.json")
        real = ROOT.parent / "shared" / "data" / "events" / "scheduled_event.json"
        keys = {"version", "id", "detail-type", "source", "account", "time", "region", "resources", "detail"}

        assert set(event) == (set(read_event(real)) if real.exists() else keys)
        assert (event["source"], event["detail-type"]) == ("aws.events", "Scheduled Event")
