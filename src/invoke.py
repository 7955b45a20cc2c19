"""Runs the handler of a Lambda app in this process with an event, as `sam local invoke` would in a container.

Not promised: the memory limit is not enforced, and a handler that works past its timeout is not stopped; its answer is
replaced by Lambda's timeout error once it returns.
"""

from __future__ import annotations

import importlib
import json
import re
import traceback
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shared.common.clock import SystemClock
from shared.common.documents import read_json_document
from shared.common.errors import Misconfigured, unknown
from shared.common.ports import Clock

TIMEOUT_S = 900.0
MEMORY_MB = 512
LARGEST_ANSWER = 6 * 1024 * 1024
"""Bytes: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html"""

_SRC = Path(__file__).parent
_APP = re.compile(r"[a-z][a-z0-9_]*")
_NOT_LAMBDA = frozenset({"cli"})

Handler = Callable[[Any, Any], Any]


@dataclass(frozen=True, slots=True)
class LocalContext:
    """What Lambda tells a handler, counted on `clock` from the moment the context is made."""

    function_name: str
    aws_request_id: str
    memory_limit_in_mb: int
    timeout_s: float
    clock: Clock = field(repr=False)
    function_version: str = "$LATEST"
    log_stream_name: str = "local"
    identity: None = None
    client_context: None = None
    _began: float = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_began", self.clock.monotonic())

    @property
    def invoked_function_arn(self) -> str:
        return f"arn:aws:lambda:us-east-1:012345678912:function:{self.function_name}"

    @property
    def log_group_name(self) -> str:
        return f"/aws/lambda/{self.function_name}"

    def elapsed(self) -> float:
        return self.clock.monotonic() - self._began

    def get_remaining_time_in_millis(self) -> int:
        return max(0, int((self.timeout_s - self.elapsed()) * 1000))


@dataclass(frozen=True, slots=True)
class Invocation:
    """What came out: the answer as JSON data, or Lambda's error document and the exception behind it."""

    request: str
    seconds: float
    result: Any = None
    error: dict[str, Any] | None = None
    exception: BaseException | None = field(default=None, repr=False)

    @property
    def payload(self) -> Any:
        """What the caller of the function gets."""
        return self.result if self.error is None else self.error


def invoke(
    app: str,
    event: Path | Mapping[str, Any],
    *,
    timeout_s: float = TIMEOUT_S,
    memory_mb: int = MEMORY_MB,
    clock: Clock | None = None,
    request: str | None = None,
) -> Invocation:
    """Run `src/<app>/app.py:handler` with an event, or with the one in a JSON file.

    Raises `Misconfigured` when there is no such app, event file or handler; errors of the handler are in the answer.
    """
    handler = find_handler(app)
    data = read_event(event) if isinstance(event, Path) else event
    context = LocalContext(app, request or str(uuid.uuid4()), memory_mb, timeout_s, clock or SystemClock())
    return call(handler, data, context)


def call(handler: Handler, event: Any, context: LocalContext) -> Invocation:
    """Call a handler as the Lambda runtime does: event and answer pass through JSON, errors become documents."""
    request = context.aws_request_id
    try:
        result = handler(json.loads(json.dumps(event)), context)
    except (Exception, SystemExit) as error:  # noqa: BLE001  # the runtime is above every handler
        return Invocation(request, context.elapsed(), error=_document(error, request), exception=error)
    seconds = context.elapsed()
    if seconds >= context.timeout_s:
        message = f"{request} Task timed out after {context.timeout_s:.2f} seconds"
        return Invocation(request, seconds, error={"errorType": "Sandbox.Timedout", "errorMessage": message})
    try:
        text = json.dumps(result)
    except (TypeError, ValueError, RecursionError) as error:
        failed = {"errorType": "Runtime.MarshalError", "errorMessage": f"Unable to marshal response: {error}"}
        return Invocation(request, seconds, error=failed, exception=error)
    if len(text) > LARGEST_ANSWER:
        message = f"Response payload size exceeded maximum allowed payload size ({LARGEST_ANSWER} bytes)."
        failed = {"errorType": "Function.ResponseSizeTooLarge", "errorMessage": message}
        return Invocation(request, seconds, error=failed)
    return Invocation(request, seconds, result=json.loads(text))


def _document(error: BaseException, request: str) -> dict[str, Any]:
    """An exception as Lambda gives it to the caller of a function."""
    if isinstance(error, SystemExit):
        message = f"RequestId: {request} Error: Runtime exited with code {error.code}"
        return {"errorType": "Runtime.ExitError", "errorMessage": message}
    frames = traceback.extract_tb(error.__traceback__)[1:]  # without the one of `call`
    return {
        "errorMessage": str(error),
        "errorType": type(error).__name__,
        "requestId": request,
        "stackTrace": traceback.format_list(frames),
    }


def find_handler(app: str) -> Handler:
    """The function `handler` of an app. Raises `Misconfigured` listing the apps that there are."""
    if app not in apps():
        raise unknown("app", app, apps())
    handler = getattr(importlib.import_module(f"src.{app}.app"), "handler", None)
    if not callable(handler):
        raise Misconfigured(
            f"src/{app}/app.py has no function handler", hint="Lambda calls handler(event, context)"
        )
    return handler


def apps() -> list[str]:
    """The names of the Lambda apps of this repository."""
    found = {path.parent.name for path in _SRC.glob("*/app.py") if _APP.fullmatch(path.parent.name)}
    return sorted(found - _NOT_LAMBDA)


def read_event(path: Path) -> Any:
    """The event in a JSON file. Raises `Misconfigured` with file:line:column."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        near = ", ".join(sorted(str(other) for other in path.parent.glob("*.json")))
        hint = f"there is: {near}" if near else "give the path of a JSON file"
        raise Misconfigured(f"{path} cannot be read: {error.strerror}", hint=hint) from None
    return read_json_document(raw, file=str(path)).data
