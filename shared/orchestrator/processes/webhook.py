"""Process `webhook`: the event as JSON to a URL. 2xx is success, anything else fails with the status line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator

from shared.common.errors import Misconfigured, Transient
from shared.orchestrator.doors import Process, Run
from shared.orchestrator.event import Event
from shared.orchestrator.faults import Failed, TimedOut
from shared.orchestrator.settings import ProcessSettings, Surroundings
from shared.orchestrator.status import Status

if TYPE_CHECKING:
    import requests

KEPT = 4000
"""Characters of an answer that are kept as logs."""


class HookContext(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str = Field(min_length=1)
    method: Literal["POST", "PUT", "PATCH", "DELETE", "GET"] = "POST"
    headers: dict[str, str] = Field(default_factory=dict)

    @field_validator("url")
    @classmethod
    def _is_http(cls, value: str) -> str:
        if not value.startswith("${") and (
            urlsplit(value).scheme not in ("http", "https") or not urlsplit(value).netloc
        ):
            raise ValueError("expected http://… or https://…")
        return value


class HookProcess(ProcessSettings):
    """Sends `Idempotency-Key`: the same for every attempt at an event."""

    type: Literal["webhook"]
    execution_context: HookContext

    def open(self, around: Surroundings) -> Process:
        import requests

        context = self.execution_context
        headers = {name: around.filled(value, process=self.name) for name, value in context.headers.items()}
        url = around.filled(context.url, process=self.name)
        return Caller(self.name, url, context.method, headers, requests.Session())


@dataclass(frozen=True, slots=True)
class Caller:
    name: str
    url: str
    method: str
    headers: Mapping[str, str]
    session: requests.Session

    def execute(self, event: Event, run: Run) -> Status:
        import requests

        headers = {"Content-Type": "application/json", "Idempotency-Key": run.key, **self.headers}
        body = None if self.method == "GET" else event.to_json().encode()
        try:
            answer = self.session.request(
                self.method, self.url, data=body, headers=headers, timeout=run.timeout, allow_redirects=False
            )
        except requests.Timeout:
            raise TimedOut(run.timeout or 0.0) from None
        except (requests.exceptions.InvalidURL, requests.exceptions.InvalidHeader) as error:
            raise Misconfigured(f"the request cannot be sent: {error}", process=self.name) from None
        except requests.RequestException as error:
            raise Transient(f"no answer: {type(error).__name__}", process=self.name) from None
        if not answer.ok or answer.is_redirect:
            line = f"{answer.status_code} {answer.reason}"
            raise Failed(line, logs=answer.text[:KEPT], retry_after=_pause(answer))
        return Status(self.name, answer.text[:KEPT])


def _pause(answer: requests.Response) -> float | None:
    text = answer.headers.get("Retry-After", "")
    return float(text) if text.isascii() and text.isdecimal() else None
