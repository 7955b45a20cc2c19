"""Process `lambda`: a function of AWS Lambda, with the event as its payload; its answer is the log.

The payload has `key` beside the event's own keys: the same for every attempt, for functions that remember it.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from shared.orchestrator.cloud import Clients, in_our_words
from shared.orchestrator.doors import Process, Run
from shared.orchestrator.event import Event
from shared.orchestrator.faults import Failed
from shared.orchestrator.settings import ProcessSettings, Surroundings
from shared.orchestrator.status import Status

KEPT = 4000


class LambdaContext(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    function: str = Field(min_length=1)
    """Its name or ARN."""
    qualifier: str = ""
    """A version or an alias."""


class LambdaProcess(ProcessSettings):
    """Waits for the function to end: the client's own read timeout must be longer than the function's."""

    type: Literal["lambda"]
    execution_context: LambdaContext

    def open(self, around: Surroundings) -> Process:
        clients: Clients = around.door("aws")
        function = around.filled(self.execution_context.function, process=self.name)
        return Function(self.name, function, self.execution_context.qualifier, clients)


@dataclass(frozen=True, slots=True)
class Function:
    name: str
    function: str
    qualifier: str
    clients: Clients

    def execute(self, event: Event, run: Run) -> Status:
        payload = json.dumps({**event.to_plain(), "key": run.key}).encode()
        more = {"Qualifier": self.qualifier} if self.qualifier else {}
        try:
            answer = self.clients("lambda").invoke(
                FunctionName=self.function, Payload=payload, LogType="Tail", **more
            )
            body = answer["Payload"].read().decode("utf-8", "replace")
        except Exception as error:
            raise in_our_words(error, "the function was not invoked", process=self.name) from error
        logs = base64.b64decode(answer.get("LogResult", "")).decode("utf-8", "replace")
        if answer.get("FunctionError"):
            raise Failed(f"the function failed: {_said(body)}", logs=f"{logs}\n{body}"[-KEPT:])
        return Status(self.name, f"{logs}\n{body}".strip()[-KEPT:])


def _said(body: str) -> str:
    """The message of Lambda's error document."""
    try:
        document: Any = json.loads(body)
        return f"{document.get('errorType', 'Error')}: {document.get('errorMessage', '')}"[:500]
    except (ValueError, AttributeError):
        return body[:500]
