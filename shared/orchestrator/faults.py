"""The errors of the dispatcher that have a name, and who must act on each.

Misconfigured ├── UnknownOperation   an event or a filter names an operation that there is not
              ├── UnknownInput       a link or a command names an input that there is not
              ├── UnknownProcess     a link, a command or a journaled event names a process that there is not
              └── MissingImage       a container process has no image
Refused       └── Declined           a program of ours said that somebody must act before it can go well
Transient     ├── NonZeroExit        a command or a container ended with another code than 0
              ├── Failed             what a process asked answered that it went wrong
              ├── TimedOut           a process took longer than it may
              └── Busy               more events wait than may: the input holds its own until there is room
Superseded    ├── Fenced             another replica took over what this one did not look after in time
              └── Outdated           a change was made on a version of the document that is not the last one
"""

from __future__ import annotations

from collections.abc import Iterable

from shared.common.errors import Misconfigured, Refused, Superseded, Transient, unknown


class UnknownOperation(Misconfigured):
    def __init__(self, text: str, *, known: Iterable[str]) -> None:
        super().__init__(f'Unknown operation "{text}"', hint=f"known: {', '.join(sorted(known))}")


class UnknownInput(Misconfigured):
    def __init__(self, name: str, *, known: Iterable[str]) -> None:
        error = unknown("input", name, known)
        super().__init__(error.message, hint=error.hint)


class UnknownProcess(Misconfigured):
    def __init__(self, name: str, *, known: Iterable[str]) -> None:
        error = unknown("process", name, known)
        super().__init__(error.message, hint=error.hint)


class MissingImage(Misconfigured):
    def __init__(self) -> None:
        super().__init__("container image missing", hint='say which: execution_context.image = "…"')


class Declined(Refused):
    """`logs` is what the program wrote."""

    def __init__(self, message: str, *, logs: str = "") -> None:
        super().__init__(message)
        self.logs = logs


class NonZeroExit(Transient):
    """`logs` is what the process wrote; `why` is what is known beside the code."""

    def __init__(self, code: int, *, logs: str = "", why: str = "") -> None:
        super().__init__(f"process exited with code {code}{f': {why}' if why else ''}")
        self.code = code
        self.logs = logs


class Failed(Transient):
    """`logs` is what the other side said."""

    def __init__(self, message: str, *, logs: str = "", retry_after: float | None = None) -> None:
        super().__init__(message, retry_after=retry_after)
        self.logs = logs


class TimedOut(Transient):
    def __init__(self, seconds: float, *, logs: str = "") -> None:
        super().__init__(
            f"process took longer than {seconds:g} s", hint="raise its timeout, or make it quicker"
        )
        self.logs = logs


class Busy(Transient):
    pass


class Outdated(Superseded):
    def __init__(self, current: int, *, after: int) -> None:
        super().__init__(
            f"the document is at version {current}, and this change was made on version {after}",
            hint="read it again, and make the change on what it is now",
        )


class Fenced(Superseded):
    pass
