"""The errors of Sluice, named by who must act; the class is the retry policy.

SluiceError
├── Misconfigured   a file, a setting or a command line is wrong: the team that owns it edits it; never retried
├── Transient       the other side or the network failed for now: retried, alerted only when given up
├── Refused         the other side says no to us (401, 403, 404, 422): the owner of the credential acts; never retried
├── Violation       data breaks what was promised about it: the data's owner acts; final tables stay as they were
└── Superseded      another run committed first: nobody acts, nothing was lost, this run's work is dropped

Every message says what happened, where, and what would be right.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class SluiceError(Exception):
    """Base of all errors that Sluice raises on purpose.

    `message` is one sentence on what happened. `where` names the place (source, stream, run, file, url …) and is
    shown behind the message; `hint` says what would be right.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "", **where: object) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.where = {name: value for name, value in where.items() if value not in (None, "")}

    def at(self, **where: object) -> SluiceError:
        """Add places that only a caller further up knows; a place that is already named stays."""
        self.where = {**{n: v for n, v in where.items() if v not in (None, "")}, **self.where}
        return self

    def __str__(self) -> str:
        place = ", ".join(f"{name} {value}" for name, value in self.where.items())
        text = f"{self.message} [{place}]" if place else self.message
        return f"{text}\n  {self.hint}" if self.hint else text


class Misconfigured(SluiceError, ValueError):
    """A file, a setting or a command line is wrong.

    It is a `ValueError` too, so that a validator of a pydantic model may raise it and the reader of the document still
    reports it with its place beside all other errors.
    """

    exit_code = 2


class Transient(SluiceError):
    """It failed for now and may work later. `retry_after` is in seconds where the other side said so."""

    def __init__(
        self, message: str, *, hint: str = "", retry_after: float | None = None, **where: object
    ) -> None:
        super().__init__(message, hint=hint, **where)
        self.retry_after = retry_after


class Refused(SluiceError):
    """The other side understood and said no. `status` is the HTTP status, `kind` the API's own name for the error."""

    exit_code = 3

    def __init__(
        self, message: str, *, hint: str = "", status: int = 0, kind: str = "", **where: object
    ) -> None:
        super().__init__(message, hint=hint, **where)
        self.status = status
        self.kind = kind


class Violation(SluiceError):
    """Data breaks its contract, its count or a check."""

    exit_code = 4


class Superseded(SluiceError):
    """Another run of the same stream committed first."""


def unknown(what: str, name: str, known: Iterable[str], **where: object) -> Misconfigured:
    """The error for a name that is not known: it lists the known ones and the nearest of them.

    >>> print(unknown("stream", "acounts", ["accounts", "plans"]))
    unknown stream "acounts"
      did you mean "accounts"? known: accounts, plans
    """
    names = sorted(set(known))
    near = difflib.get_close_matches(name, names, n=1)
    guess = f'did you mean "{near[0]}"? ' if near else ""
    return Misconfigured(
        f'unknown {what} "{name}"', hint=f"{guess}known: {', '.join(names) or 'none'}", **where
    )
