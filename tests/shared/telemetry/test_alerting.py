"""Alerts: what a person is told in Slack, and that a failure of Slack hides nothing."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shared.common.errors import Misconfigured, Refused, SluiceError, Superseded, Transient, Violation
from shared.common.fakes import FakeClock
from shared.telemetry.alerting import Alert, LogAlerts, Severity, SlackAlerts

ROOT = Path(__file__).parents[3]
FAILED = Alert(Severity.ERROR, "it broke", "mend it", (("source", "recurly"), ("run", "r1")), key="ingest 1")


def open_alerts(
    slack: Any, written: Any, *, clock: FakeClock | None = None, token: str = "xoxb-1"
) -> SlackAlerts:
    return SlackAlerts(
        token,
        "#data",
        log=written.log,
        redact=written.redactor.text,
        clock=clock or FakeClock(),
        footer="sluice, prod",
        base_url=slack.url,
    )


class TestMessage:
    def test_has_severity_places_error_and_what_to_do(self, slack: Any, record: Callable[..., Any]) -> None:
        assert open_alerts(slack, record()).send(FAILED) is True

        message = slack.messages[0]
        attachment = message["attachments"][0]
        assert slack.tokens == ["xoxb-1"]
        assert (message["channel"], message["text"]) == ("#data", "ERROR: it broke")
        assert (attachment["color"], attachment["text"], attachment["footer"]) == (
            "#f24444",
            "it broke",
            "sluice, prod",
        )
        assert {f["title"]: f["value"] for f in attachment["fields"]} == {
            "source": "recurly",
            "run": "r1",
            "what to do": "mend it",
        }

    def test_each_severity_has_its_colour(self) -> None:
        assert {s.value: s.colour for s in Severity} == {
            "info": "#b0b0ae",
            "warn": "#f7bd1e",
            "error": "#f24444",
        }

    def test_secrets_are_masked_before_the_text_is_cut(self, slack: Any, record: Callable[..., Any]) -> None:
        long = "x" * 2495 + "hunter22" + "y" * 5000
        alert = Alert(Severity.WARN, long, "ask hunter22", (("url", "https://x.test/?api_key=abcdef"),))

        open_alerts(slack, record("hunter22")).send(alert)

        text = str(slack.messages)
        assert "hunte" not in text
        assert "abcdef" not in text
        assert len(slack.messages[0]["attachments"][0]["text"]) <= 2500

    def test_data_cannot_call_the_channel(self, slack: Any, record: Callable[..., Any]) -> None:
        open_alerts(slack, record()).send(Alert(Severity.INFO, "<!channel> a & b"))

        assert slack.messages[0]["attachments"][0]["text"] == "&lt;!channel&gt; a &amp; b"

    def test_one_event_is_told_once(self, slack: Any, record: Callable[..., Any]) -> None:
        alerts = open_alerts(slack, record())

        assert [alerts.send(FAILED), alerts.send(FAILED)] == [True, False]
        assert len(slack.messages) == 1


class TestFailures:
    @pytest.mark.parametrize(
        "fault",
        [
            (500, {}, b"{}"),
            (503, {"Content-Type": "text/html"}, b"<html>"),
            (429, {"Retry-After": "2"}, b'{"ok": false, "error": "ratelimited"}'),
            "reset",
        ],
    )
    def test_a_passing_failure_is_tried_once_more(
        self, slack: Any, record: Callable[..., Any], fault: Any
    ) -> None:
        slack.faults = [fault]
        clock = FakeClock()

        assert open_alerts(slack, record(), clock=clock).send(FAILED) is True
        assert clock.slept == ([2.0] if fault[0] == 429 else [1.0])
        assert slack.calls == 2

    @pytest.mark.parametrize(
        ("faults", "calls"),
        [
            ([(500, {}, b"{}")] * 2, 2),
            ([(429, {"Retry-After": "60"}, b'{"ok": false, "error": "ratelimited"}')], 1),
            ([(200, {}, b'{"ok": false, "error": "channel_not_found"}')], 1),
            (["reset"] * 2, 2),
        ],
    )
    def test_a_lasting_failure_is_logged_with_the_alert(
        self, slack: Any, record: Callable[..., Any], faults: list[Any], calls: int
    ) -> None:
        slack.faults = list(faults)
        written = record()

        assert open_alerts(slack, written).send(FAILED) is False
        assert slack.calls == calls
        assert [line["message"].split(":")[0] for line in written.lines] == [
            "Slack did not take an alert",
            "alert",
        ]
        assert written.lines[1]["message"] == "alert: it broke"
        assert written.lines[1]["where"] == {"source": "recurly", "run": "r1"}

    def test_a_bad_token_is_not_shown(self, slack: Any, record: Callable[..., Any]) -> None:
        written = record("wrong-token")

        assert open_alerts(slack, written, token="wrong-token").send(FAILED) is False
        assert "invalid_auth" in written.lines[0]["message"]
        assert "wrong-token" not in written.stream.getvalue()

    def test_a_slack_that_is_not_there_hides_nothing(self, record: Callable[..., Any]) -> None:
        written = record()
        alerts = SlackAlerts(
            "xoxb-1",
            "#data",
            log=written.log,
            redact=str,
            clock=FakeClock(),
            base_url="http://127.0.0.1:9/api/",
        )

        assert alerts.send(FAILED) is False
        assert written.lines[-1]["message"] == "alert: it broke"


def test_without_a_channel_alerts_are_log_lines(record: Callable[..., Any]) -> None:
    written = record()
    LogAlerts(written.log).send(Alert(Severity.WARN, "slow", "wait"))

    assert (written.lines[0]["level"], written.lines[0]["todo"]) == ("WARNING", "wait")


class TestOfError:
    @pytest.mark.parametrize(
        ("error", "severity", "todo"),
        [
            (Misconfigured("m"), "error", "Edit the file or setting"),
            (Refused("m", status=401), "error", "The owner of the credential"),
            (Violation("m"), "error", "The owner of the data"),
            (Transient("m"), "warn", "It was retried and given up"),
            (Superseded("m"), "error", "Nothing: another run"),
            (SluiceError("m"), "error", "A fault in the program"),
            (KeyError("m"), "error", "A fault in the program"),
        ],
    )
    def test_says_who_must_act_by_the_class(self, error: Exception, severity: str, todo: str) -> None:
        alert = Alert.of(error)

        assert alert.severity == severity
        assert alert.todo.startswith(todo)

    def test_places_of_the_error_go_first_and_in_a_known_order(self) -> None:
        error = Misconfigured("m", hint="h", url="u", run="r", stream="t", source="s")

        alert = Alert.of(error, app="ingest", source="other")

        assert [name for name, _ in alert.where] == ["source", "stream", "run", "app", "url"]
        assert dict(alert.where)["source"] == "s"
        assert alert.todo.startswith("h\n")

    def test_an_unexpected_error_is_shown_with_its_kind(self) -> None:
        assert (
            Alert.of(ZeroDivisionError("division by zero")).message == "ZeroDivisionError: division by zero"
        )


def test_slack_is_imported_only_when_something_is_told() -> None:
    code = "import sys, shared.telemetry.handler; print('slack_sdk' in sys.modules, 'boto3' in sys.modules)"
    out = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout

    assert out == "False False\n"
