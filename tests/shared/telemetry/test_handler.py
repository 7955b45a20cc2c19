"""The handler decorator: context in the log, metrics at the end, one alert on a failure, the error unchanged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from shared.common.errors import Misconfigured, Superseded, Transient
from shared.common.fakes import FakeClock
from shared.telemetry.alerting import Alert
from shared.telemetry.handler import ContextDeadline, Telemetry, handled
from shared.telemetry.metrics import Figures, Metrics


@dataclass
class FakeContext:
    aws_request_id: str = "req-1"
    function_name: str = "ingest"
    millis: int = 60_000

    def get_remaining_time_in_millis(self) -> int:
        return self.millis


@dataclass
class Told:
    """Alerts as a list."""

    alerts: list[Alert] = field(default_factory=list)

    def send(self, alert: Alert) -> bool:
        self.alerts.append(alert)
        return True


@dataclass
class House:
    """Telemetry with everything it wrote."""

    written: Any
    told: Told = field(default_factory=Told)
    metric_lines: list[str] = field(default_factory=list)
    opened: int = 0

    def open(self) -> Telemetry:
        self.opened += 1
        metrics = Metrics("Sluice", clock=FakeClock(), write=self.metric_lines.append)
        return Telemetry(self.written.log, metrics, self.told, self.written.redactor)

    def handler(self, work: Callable[[Any, Telemetry], Any]) -> Callable[..., Any]:
        return handled("ingest", self.open)(lambda event, context, telemetry: work(event, telemetry))


@pytest.fixture
def house(record: Callable[..., Any]) -> House:
    return House(record("hunter22"))


def failing(error: Exception) -> Callable[[Any, Telemetry], Any]:
    def work(event: Any, telemetry: Telemetry) -> Any:
        telemetry.metrics.add("recurly", "accounts", Figures(rows=1))
        raise error

    return work


def test_gives_the_result_and_logs_nothing_by_itself(house: House) -> None:
    assert house.handler(lambda event, _: {"got": event})("e", FakeContext()) == {"got": "e"}
    assert (house.written.lines, house.told.alerts, house.metric_lines) == ([], [], [])


def test_every_line_has_request_and_cold_start(house: House) -> None:
    def work(event: Any, telemetry: Telemetry) -> None:
        telemetry.log.append_keys(run=event)
        telemetry.log.info("done")

    handler = house.handler(work)
    handler("r1", FakeContext("req-1"))
    handler("r2", FakeContext("req-2"))

    assert [
        (line["app"], line["function_request_id"], line["cold_start"], line["run"])
        for line in house.written.lines
    ] == [("ingest", "req-1", True, "r1"), ("ingest", "req-2", False, "r2")]
    assert house.opened == 1


def test_context_of_one_request_does_not_reach_the_next(house: House) -> None:
    def work(event: Any, telemetry: Telemetry) -> None:
        telemetry.log.append_keys(**event)
        telemetry.log.info("done")

    handler = house.handler(work)
    handler({"run": "r1"}, FakeContext("req-1"))
    handler({}, FakeContext("req-2"))

    assert "run" not in house.written.lines[1]


def test_an_error_is_alerted_once_logged_and_raised_unchanged(house: House) -> None:
    error = Misconfigured("no such stream", hint="known: a", source="recurly")

    with pytest.raises(Misconfigured) as caught:
        house.handler(failing(error))({}, FakeContext())

    assert caught.value is error
    assert [(a.severity, a.message, a.key) for a in house.told.alerts] == [
        ("error", "no such stream", "ingest req-1")
    ]
    assert dict(house.told.alerts[0].where) == {"source": "recurly", "app": "ingest", "request": "req-1"}
    line = house.written.lines[0]
    assert (len(house.written.lines), line["level"], line["exception_name"]) == (1, "ERROR", "Misconfigured")
    assert line["where"] == {"source": "recurly"}


def test_metrics_are_written_also_after_a_failure(house: House) -> None:
    with pytest.raises(Transient):
        house.handler(failing(Transient("later")))({}, FakeContext())

    assert len(house.metric_lines) == 1
    assert house.told.alerts[0].severity == "warn"


def test_an_unexpected_error_is_alerted_and_raised_too(house: House) -> None:
    with pytest.raises(ZeroDivisionError):
        house.handler(lambda event, telemetry: 1 // event)(0, FakeContext())

    assert house.told.alerts[0].message.startswith("ZeroDivisionError")


def test_a_run_that_another_one_overtook_alerts_nobody(house: House) -> None:
    with pytest.raises(Superseded):
        house.handler(failing(Superseded("another run committed 7", stream="accounts")))({}, FakeContext())

    assert house.told.alerts == []
    assert [(line["level"], line["where"]) for line in house.written.lines] == [
        ("WARNING", {"stream": "accounts"})
    ]


def test_places_with_any_name_are_logged(house: House) -> None:
    """`logging` refuses extras called like its own attributes."""
    with pytest.raises(Superseded):
        house.handler(failing(Superseded("m", name="n", args="a", message_id="x")))({}, FakeContext())

    assert house.written.lines[0]["where"]["name"] == "n"


@pytest.mark.parametrize(
    ("error", "shown"),
    [
        (
            Misconfigured("no hunter22", hint="try hunter22", url="https://u:pw@h/?token=abcdef"),
            "Misconfigured",
        ),
        (ValueError("no hunter22 ?token=abcdef"), "RuntimeError: RuntimeError('ValueError: "),
    ],
)
def test_what_the_runtime_prints_has_no_secrets(house: House, error: Exception, shown: str) -> None:
    with pytest.raises(Exception) as caught:  # noqa: PT011  # the kind is the point
        house.handler(failing(error))({}, FakeContext())

    text = f"{type(caught.value).__name__}: {caught.value!r} {caught.value}"
    assert text.startswith(shown)
    assert "***" in text
    for secret in ("hunter22", "abcdef", "pw@"):
        assert secret not in text
    for secret in ("hunter22", "abcdef"):
        assert secret not in house.written.stream.getvalue()


def test_telemetry_that_does_not_open_is_tried_again_by_the_next_request() -> None:
    tries: list[int] = []

    def broken() -> Telemetry:
        tries.append(1)
        raise Misconfigured("bad setting")

    handler = handled("ingest", broken)(lambda event, context, telemetry: None)
    for _ in range(2):
        with pytest.raises(Misconfigured):
            handler({}, FakeContext())

    assert len(tries) == 2


def test_the_deadline_is_what_lambda_says_less_a_margin() -> None:
    context = FakeContext(millis=10_000)

    assert ContextDeadline(context, margin=3).remaining() == 7.0
