"""Alerts to people, by Slack: told once, by the handler at the top; a failure of Slack never hides their subject."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from shared.common.errors import Misconfigured, Refused, SluiceError, Superseded, Transient, Violation
from shared.common.ports import Clock

LONGEST_TEXT = 2500
"""Characters; Slack folds longer attachments away and cuts texts at 3,000."""
LONGEST_WAIT = 5.0
TIMEOUT = 5
_REMEMBERED = 200

GIVEN_UP = 3
"""What may pass by itself is told when a message has come so often; everything else at once, and once."""

_TODO: tuple[tuple[type[SluiceError], str], ...] = (
    (Misconfigured, "Edit the file or setting named above; it is not retried."),
    (Refused, "The owner of the credential has to act: check that it is valid and may read this."),
    (Violation, "The owner of the data has to act; tables stay as they were."),
    (Transient, "It was retried and given up; the next run goes on from the last commit."),
    (Superseded, "Nothing: another run committed first."),
)
_FAULT = "A fault in the program: see the log of this request."


def is_due(error: SluiceError, attempt: int) -> bool:
    """Whether people are told of an error now, where a queue brings its message again: once, and of nothing superseded.

    >>> [is_due(Transient("away"), attempt) for attempt in (1, 2, 3, 4)]
    [False, False, True, False]
    """
    return attempt == (GIVEN_UP if isinstance(error, Transient) else 1) and not isinstance(error, Superseded)


class Severity(StrEnum):
    INFO = "info"
    WARN = "warn"
    ERROR = "error"

    @property
    def colour(self) -> str:
        return {"info": "#b0b0ae", "warn": "#f7bd1e", "error": "#f24444"}[self.value]


@dataclass(frozen=True, slots=True)
class Alert:
    """What a person is told: what happened, where, and what to do. `key` tells repetitions of one event."""

    severity: Severity
    message: str
    todo: str = ""
    where: tuple[tuple[str, str], ...] = ()
    key: str = ""

    @classmethod
    def of(cls, error: BaseException, *, key: str = "", **where: object) -> Alert:
        """The alert for an error; places that the error names itself go before those of its handler."""
        if isinstance(error, SluiceError):
            places = {**where, **error.where}
            severity = Severity.WARN if isinstance(error, Transient) else Severity.ERROR
            todo = next((text for kind, text in _TODO if isinstance(error, kind)), _FAULT)
            message, todo = error.message, f"{error.hint}\n{todo}" if error.hint else todo
        else:
            places, severity, todo = dict(where), Severity.ERROR, _FAULT
            message = f"{type(error).__name__}: {error}"
        named = ((name, str(value)) for name, value in places.items() if value not in (None, ""))
        return cls(severity, message, todo, tuple(sorted(named, key=_order)), key)


def _order(place: tuple[str, str]) -> tuple[int, str]:
    known = ("source", "stream", "run")
    return (known.index(place[0]) if place[0] in known else len(known), place[0])


class Alerts(Protocol):
    """Where alerts go."""

    def send(self, alert: Alert) -> bool:
        """Tell it; True when somebody was told. Never raises."""


class LogAlerts:
    """Alerts as lines of the log, where no channel is set."""

    def __init__(self, log: logging.Logger | Any) -> None:
        self._log = log

    def send(self, alert: Alert) -> bool:
        level = {"info": logging.INFO, "warn": logging.WARNING, "error": logging.ERROR}[alert.severity]
        self._log.log(
            level, "alert: %s", alert.message, extra={"todo": alert.todo, "where": dict(alert.where)}
        )
        return False


class SlackAlerts:
    """Alerts as messages in a Slack channel; what Slack does not take is logged.

    `redact` masks secrets in all texts before they are cut to length. `base_url` is Slack's API, with its last slash.
    An alert whose key was told before (Lambda repeats an event under the same request id) is not told again.
    """

    def __init__(
        self,
        token: str,
        channel: str,
        *,
        log: logging.Logger | Any,
        redact: Callable[[str], str],
        clock: Clock,
        footer: str = "sluice",
        base_url: str | None = None,
    ) -> None:
        self._token = token
        self._channel = channel
        self._log = log
        self._redact = redact
        self._clock = clock
        self._footer = footer
        self._base_url = base_url
        self._told: OrderedDict[str, None] = OrderedDict()

    def send(self, alert: Alert) -> bool:
        if alert.key and alert.key in self._told:
            return False
        try:
            self._post(self._message(alert))
        except Exception as error:  # noqa: BLE001  # whatever it is, the alert's own subject matters more
            self._log.error("Slack did not take an alert: %s", self._redact(str(error)))
            LogAlerts(self._log).send(alert)
            return False
        if alert.key:
            self._told[alert.key] = None
            while len(self._told) > _REMEMBERED:
                self._told.popitem(last=False)
        return True

    def _message(self, alert: Alert) -> dict[str, Any]:
        title = f"{alert.severity.upper()}: {self._clean(alert.message, 150)}"
        places = {name: self._clean(value, 300) for name, value in alert.where}
        fields = [{"title": name, "value": value, "short": len(value) < 40} for name, value in places.items()]
        if alert.todo:
            fields.append({"title": "what to do", "value": self._clean(alert.todo, 600), "short": False})
        attachment = {
            "color": alert.severity.colour,
            "fallback": title,
            "title": title.splitlines()[0],
            "text": self._clean(alert.message, LONGEST_TEXT),
            "fields": fields,
            "footer": self._clean(self._footer, 100),
        }
        return {"channel": self._channel, "text": title.splitlines()[0], "attachments": [attachment]}

    def _clean(self, text: str, most: int) -> str:
        """Redacted, cut to `most` characters, and without Slack's control sequences such as <!channel>."""
        clean = self._redact(text)
        clean = clean if len(clean) <= most else f"{clean[: most - 1]}…"
        return clean.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")

    def _post(self, message: Mapping[str, Any]) -> None:
        """One try, and a second one where Slack says that it may help and the wait is short."""
        from slack_sdk import WebClient
        from slack_sdk.errors import SlackApiError

        url = self._base_url or WebClient.BASE_URL
        client = WebClient(self._token, base_url=url, timeout=TIMEOUT, retry_handlers=[])
        try:
            client.chat_postMessage(**message)
            return
        except SlackApiError as error:
            wait = _second_try(error.response.status_code, error.response.headers)
            if wait is None:
                raise
        except OSError:  # refused, reset, timed out
            wait = 1.0
        self._clock.sleep(wait)
        client.chat_postMessage(**message)


def _second_try(status: int, headers: Mapping[str, Any]) -> float | None:
    """Seconds until a second try makes sense: after a server error, or a rate limit that ends soon."""
    if status >= 500:
        return 1.0
    after = str(next((v for name, v in headers.items() if name.lower() == "retry-after"), ""))
    if status == 429 and after.isdigit() and int(after) <= LONGEST_WAIT:
        return float(after)
    return None
