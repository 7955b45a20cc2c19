"""What a command ends with: the one rule for exit codes, and how an error is told to a person."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
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


def alike(failed: Mapping[str, SluiceError]) -> Iterator[tuple[list[str], SluiceError, dict[str, object]]]:
    """The errors of several streams, equal ones once: the streams, the error, and the places that are the same for all.

    >>> from shared.common.errors import Refused
    >>> failed = {name: Refused("no", source="acme", url=f"/{name}") for name in ("a", "b")}
    >>> [(names, where) for names, _, where in alike(failed)]
    [(['a', 'b'], {'source': 'acme'})]
    """
    groups: dict[tuple[type, str, str], list[str]] = {}
    for name, error in failed.items():
        groups.setdefault((type(error), error.message, error.hint), []).append(name)
    for names in groups.values():
        places = [failed[name].where for name in names]
        same = {n: v for n, v in places[0].items() if all(n in one and one[n] == v for one in places)}
        yield names, failed[names[0]], same


def told(error: SluiceError, *, label: str = "error", where: Mapping[str, object] | None = None) -> str:
    """An error for a terminal: what happened, where, and what would be right, each on its own line.

    `where` takes the place of the error's own.

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
    where = error.where if where is None else where
    if where:
        lines.append("  where: " + ", ".join(f"{name} {value}" for name, value in where.items()))
    if error.hint:
        first, *rest = error.hint.splitlines()
        lines += [f"  hint:  {first}", *(f"         {line.strip()}" for line in rest)]
    return "\n".join(lines)
