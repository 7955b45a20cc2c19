"""What every Lambda handler does around its work: logs with context, metrics, and one alert when it fails.

```
@handled("ingest", open_telemetry)
def handler(event, context, telemetry): …
```
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn, Protocol

from aws_lambda_powertools import Logger

from shared.common.errors import SluiceError, Superseded
from shared.common.redaction import Redactor
from shared.telemetry.alerting import Alert, Alerts
from shared.telemetry.metrics import Metrics


class Context(Protocol):
    """What Lambda tells a handler about its invocation (the part that is used)."""

    aws_request_id: str
    function_name: str

    def get_remaining_time_in_millis(self) -> int: ...


@dataclass(frozen=True, slots=True)
class ContextDeadline:
    """The end of a Lambda invocation as a `ports.Deadline`; `margin` seconds are kept for what comes after the work."""

    context: Context
    margin: float = 0.0

    def remaining(self) -> float:
        return self.context.get_remaining_time_in_millis() / 1000 - self.margin


@dataclass(frozen=True, slots=True)
class Telemetry:
    """How this process tells what it does."""

    log: Logger
    metrics: Metrics
    alerts: Alerts
    redactor: Redactor


Body = Callable[[Any, Context, Telemetry], Any]
Handler = Callable[[Any, Context], Any]


def handled(app: str, open_telemetry: Callable[[], Telemetry]) -> Callable[[Body], Handler]:
    """Make a Lambda handler of a function that takes event, context and telemetry.

    `open_telemetry` is called by the first invocation of the process, not at import; what it raises is raised. The
    handler adds app, request id and cold start to all log lines, writes the metrics out at the end whatever happens,
    and on an error alerts once, logs it with its traceback and raises it again, without secrets in its message.
    `Superseded` is only logged: nobody has to act.
    """
    opened: list[Telemetry] = []

    def decorate(body: Body) -> Handler:
        @functools.wraps(body)
        def handler(event: Any, context: Context) -> Any:
            cold = not opened
            if cold:
                opened.append(open_telemetry())
            telemetry = opened[0]
            request = context.aws_request_id
            telemetry.log.structure_logs(app=app, function_request_id=request, cold_start=cold)
            try:
                return body(event, context, telemetry)
            except Exception as error:  # noqa: BLE001  # the top of the process: everything is told here, once
                _tell(error, telemetry, app=app, request=request)
                _raise_masked(error, telemetry.redactor)
            finally:
                telemetry.metrics.flush()

        return handler

    return decorate


def _tell(error: Exception, telemetry: Telemetry, *, app: str, request: str) -> None:
    where = error.where if isinstance(error, SluiceError) else {}
    if isinstance(error, Superseded):
        telemetry.log.warning(error.message, extra={"where": where})
        return
    telemetry.log.error(f"{app} failed: {error}", exc_info=error, extra={"where": where} if where else None)
    telemetry.alerts.send(Alert.of(error, key=f"{app} {request}", app=app, request=request))


def _raise_masked(error: Exception, redactor: Redactor) -> NoReturn:
    """Raise the error itself; its texts lose their secrets first, for the Lambda runtime prints and returns them."""
    text = str(error)
    masked = redactor.text(text)
    if masked == text:
        raise error
    if isinstance(error, SluiceError):
        error.message, error.hint = redactor.text(error.message), redactor.text(error.hint)
        error.where = {name: redactor.text(str(value)) for name, value in error.where.items()}
        error.args = (error.message,)
        raise error
    raise RuntimeError(f"{type(error).__name__}: {masked}") from None
