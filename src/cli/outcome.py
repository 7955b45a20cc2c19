"""What a command ends with: the one rule for exit codes, and how an error is told to a person."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from enum import IntEnum

from shared.common.errors import SluiceError, Violation


class Exit(IntEnum):
    """What the exit code says about who has to act."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    REFUSED = 3
    VIOLATION = 4


#: For --help and the documentation: one line per code, in the order of the codes.
EXIT_CODES = {
    Exit.DONE: "done",
    Exit.FAILED: "some stream failed; the others are committed",
    Exit.USAGE: "the command line, a file or a setting is wrong",
    Exit.REFUSED: "the API refused (credentials, permissions, a path that is gone)",
    Exit.VIOLATION: "data broke its contract or a check; final tables are as they were",
}
STOPPED = "128 + signal: stopped by Ctrl-C (130) or SIGTERM (143); what was whole is committed"


def exit_code(errors: Iterable[SluiceError], *, others: Collection[object] = ()) -> Exit:
    """The exit code for the errors of a command; `others` are the streams that went well beside them.

    Broken data needs somebody whatever else happened, so one violation makes it 4. Otherwise a failure beside streams
    that went well is 1. When nothing went well, the code is the cause's, if all have the same one.

    >>> from shared.common.errors import Refused, Transient
    >>> exit_code([]), exit_code([Refused("no")]), exit_code([Refused("no")], others=["plans"])
    (<Exit.DONE: 0>, <Exit.REFUSED: 3>, <Exit.FAILED: 1>)
    >>> (
    ...     exit_code([Refused("no"), Transient("down")]),
    ...     exit_code([Violation("bad"), Refused("no")], others=["plans"]),
    ... )
    (<Exit.FAILED: 1>, <Exit.VIOLATION: 4>)
    """
    found = list(errors)
    if not found:
        return Exit.DONE
    if any(isinstance(error, Violation) for error in found):
        return Exit.VIOLATION
    codes = {error.exit_code for error in found}
    return Exit(codes.pop()) if len(codes) == 1 and not others else Exit.FAILED


def told(error: SluiceError, *, label: str = "error") -> str:
    """An error for a terminal: what happened, where, and what would be right, each on its own line.

    >>> from shared.common.errors import Refused
    >>> print(
    ...     told(Refused("the API key is not valid", hint="check API_KEY", source="recurly", stream="plans"))
    ... )
    error: the API key is not valid
      where: source recurly, stream plans
      hint:  check API_KEY
    """
    first, *rest = error.message.splitlines() or [""]
    lines = [f"{label}: {first}", *(f"  {line}" for line in rest)]
    if error.where:
        lines.append("  where: " + ", ".join(f"{name} {value}" for name, value in error.where.items()))
    if error.hint:
        first, *rest = error.hint.splitlines()
        lines += [f"  hint:  {first}", *(f"         {line.strip()}" for line in rest)]
    return "\n".join(lines)
