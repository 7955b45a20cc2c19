"""What follows an attempt: done, tried again after a pause, or a dead letter. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from shared.common.errors import Misconfigured
from shared.orchestrator.journal import Phase
from shared.orchestrator.policy import Retry, asked_pause, hopeless, sentence
from shared.orchestrator.status import ExitStatus, Status

LONGEST = 64_000
"""Characters of logs that are kept of an attempt: its end, where the reason of a failure stands."""
CUT = "… the beginning is cut off …\n"


@dataclass(frozen=True, slots=True)
class Verdict:
    """`pause` is in seconds, for a retry."""

    phase: Phase
    error: str = ""
    logs: str = ""
    pause: float = 0.0


def judge(
    answer: object, error: BaseException | None, *, attempt: int, retry: Retry, chance: float
) -> Verdict:
    """What follows an attempt that returned `answer` (a `Status`, or None when all went well) or raised `error`.

    >>> judge(None, None, attempt=1, retry=Retry(), chance=0.0)
    Verdict(phase=<Phase.DONE: 2>, error='', logs='', pause=0.0)
    >>> judge(None, OSError("no route"), attempt=5, retry=Retry(attempts=5), chance=0.0).phase
    <Phase.DEAD: 3>
    >>> judge(7, None, attempt=1, retry=Retry(), chance=0.0).error.splitlines()[0]
    'the process returned int'
    """
    status = answer if isinstance(answer, Status) else None
    if error is None and answer is not status:
        error = _no_status(answer)
    logs = clean(status.logs if status is not None else str(getattr(error, "logs", "")))
    if error is None and (status is None or status.status is ExitStatus.SUCCESS):
        return Verdict(Phase.DONE, logs=logs)
    if error is None:
        text = f"the process said {status.status.text}" if status is not None else ""
    else:
        text = sentence(error)
    text = clean(text)
    if attempt >= retry.attempts or (isinstance(error, Exception) and hopeless(error)):
        return Verdict(Phase.DEAD, text, logs)
    after = asked_pause(error) if isinstance(error, Exception) else None
    return Verdict(Phase.RETRY, text, logs, retry.pause(attempt, chance, after=after))


def _no_status(answer: object) -> Misconfigured:
    return Misconfigured(
        f"the process returned {type(answer).__name__}", hint="return None when it went well, or a Status"
    )


def clean(text: str) -> str:
    """Text that every database takes: no NUL, no half characters, and not longer than `LONGEST`."""
    text = text.replace("\0", "�").encode("utf-8", "replace").decode()
    return text if len(text) <= LONGEST else CUT + text[-LONGEST:]
