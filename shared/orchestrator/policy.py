"""How a process is run: how many at once, how often, how long, and what follows a failure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from shared.common.errors import Misconfigured, Refused, SluiceError, Transient, Violation
from shared.orchestrator.faults import UnknownProcess
from shared.orchestrator.filters import ExpressionText

Seconds = Annotated[float, Field(gt=0, le=30 * 86400)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Retry(_Part):
    """Pauses grow from `backoff` by `factor` up to `most`, each cut by chance by up to half (`jitter`)."""

    attempts: int = Field(5, ge=1, le=1000)
    """Attempts in all; then the event is a dead letter of this process."""
    backoff: Seconds = 1.0
    factor: float = Field(2.0, ge=1, le=100)
    most: Seconds = 300.0
    jitter: float = Field(0.5, ge=0, le=1)
    """The part of a pause that is left to chance, so that what failed together does not come back together."""

    @property
    def deaths(self) -> int:
        """How often in a row the dispatcher may end during an attempt, before that is a dead letter too.

        Not fewer than 3, as a crash of something else may have ended it; see docs/dispatch.md.
        """
        return max(self.attempts, 3)

    def pause(self, attempt: int, chance: float, *, after: float | None = None) -> float:
        """Seconds before the next attempt when `attempt` (from 1) failed; `chance` is in [0, 1).

        `after` is what the other side asked for; it is obeyed up to `most`.

        >>> [Retry(jitter=0).pause(n, 0.0) for n in (1, 2, 3, 99)]
        [1.0, 2.0, 4.0, 300.0]
        """
        grown = self.backoff * self.factor ** min(attempt - 1, 64)
        pause = min(grown, self.most) * (1 - self.jitter * chance)
        return max(pause, min(after or 0.0, self.most))


class Rate(_Part):
    """At most `starts` starts per `seconds`; as many may come at once after a quiet time."""

    starts: int = Field(ge=1)
    seconds: Seconds = 1.0


class Breaker(_Part):
    """After `failures` failures in a row nothing is started for `cool_down` seconds; then one attempt decides."""

    failures: int = Field(10, ge=1)
    cool_down: Seconds = 30.0


class Policy(_Part):
    """What is the same for all kinds of processes."""

    concurrency: int = Field(4, ge=1, le=1000)
    """How many of this process run at once; the dispatcher's own `concurrency` is the limit for all together."""
    timeout: Seconds = 3600.0
    """Seconds that one attempt may take."""
    retry: Retry = Retry()
    rate: Rate | None = None
    breaker: Breaker | None = None
    order_by: ExpressionText = ""
    """JMESPath over the event: events with the same value run one after the other, as they came."""
    max_pending: int = Field(1000, ge=1, le=1_000_000)
    """Events that may wait for this process; inputs that lead to it are held back beyond that."""


def hopeless(error: Exception) -> bool:
    """Whether another attempt would end the same way: the class of an error says who must act."""
    if isinstance(error, UnknownProcess):
        return True
    return isinstance(error, Misconfigured | Refused | Violation)


def asked_pause(error: Exception) -> float | None:
    """The seconds that the other side asked to be left alone."""
    return error.retry_after if isinstance(error, Transient) else None


def sentence(error: BaseException) -> str:
    """An error in one text, for the journal."""
    try:
        text = str(error)
    except Exception as worse:  # noqa: BLE001 - errors of somebody's own process may have any __str__
        text = f"(its text cannot be had: {type(worse).__name__})"
    if isinstance(error, SluiceError):
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


Chance = Callable[[], float]
