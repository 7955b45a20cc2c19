"""Where in a text each value of a document stands, and the limits that a document must keep."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from shared.common.errors import Misconfigured

MAX_BYTES = 4_000_000  # the longest thing people write by hand here is far below; generated documents fit too
MAX_DEPTH = 64
MAX_NODES = 200_000  # after aliases are written out: a "billion laughs" ends here

Key = str | int
Position = tuple[int, int]  # line and column, both from 1


class Elsewhere(tuple[int, int]):
    """A position in another file than the document's own: that of a value which was taken over from there."""

    file: str

    @classmethod
    def of(cls, at: Position, file: str) -> Elsewhere:
        made = cls(at)
        made.file = file
        return made


@dataclass(slots=True)
class Spot:
    """A value's place, the places of its keys (mappings only), and the spots of what it holds.

    An alias shares the spot of its anchor, so an error inside points at the text that has to change.
    """

    at: Position
    keys: dict[str, Position] = field(default_factory=dict)
    children: dict[Key, Spot] = field(default_factory=dict)
    size: int = 1

    def find(self, path: Iterable[Key], *, key: bool = False) -> Position:
        """The place of the value at `path`, or of its key; of the nearest thing around it where there is none."""
        spot, position = self, self.at
        for element in path:
            child = spot.children.get(element)
            if child is None:
                return position
            position = spot.keys.get(element, child.at) if key and isinstance(element, str) else child.at
            spot = child
        return position

    def inside(self, path: Iterable[Key]) -> Spot:
        """The spot of the value at `path`; of the nearest thing around it where there is none."""
        spot = self
        for element in path:
            spot = spot.children.get(element, spot)
        return spot

    def elsewhere(self, file: str) -> Spot:
        """The same spots, to be hung into a document of another file than `file`, which they are in."""
        return Spot(
            Elsewhere.of(self.at, file),
            {key: Elsewhere.of(at, file) for key, at in self.keys.items()},
            {key: child.elsewhere(file) for key, child in self.children.items()},
            self.size,
        )


class Problems:
    """What is wrong with one text, collected so that its author sees all of it at once."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.found: list[tuple[Position, str]] = []

    def add(self, at: Position, text: str) -> None:
        self.found.append((at, text))

    def fatal(self, at: Position, text: str) -> Misconfigured:
        """The error for a text that cannot be read on; what was found before comes first."""
        self.add(at, text)
        return self.error()

    def error(self, *, most: int = 40) -> Misconfigured:
        """One error with a line per problem, in the order of the text; what is in other files comes behind it."""
        named = {(at.file if isinstance(at, Elsewhere) else "", *at, text) for at, text in self.found}
        unique = sorted(named)
        lines = [f"{file or self.file}:{line}:{column} {text}" for file, line, column, text in unique[:most]]
        if len(unique) > most:
            lines.append(f"… and {len(unique) - most} more")
        return Misconfigured("\n".join(lines))

    def check(self) -> None:
        """Raises `Misconfigured` when anything was found."""
        if self.found:
            raise self.error()


def decoded(text: str | bytes, problems: Problems) -> str:
    """The text without a byte order mark, inside the size limit and writable as UTF-8."""
    if len(text) > MAX_BYTES:
        raise problems.fatal((1, 1), f"is longer than {MAX_BYTES:,} bytes")
    try:
        if isinstance(text, bytes):
            return text.decode("utf-8-sig")
        text.encode()
    except UnicodeError as error:
        at = (1, 1)
        if isinstance(error, UnicodeDecodeError | UnicodeEncodeError):
            before = error.object[: error.start]
            at = position_of(before if isinstance(before, str) else before.decode("latin-1"), error.start)
        raise problems.fatal(at, "is not UTF-8 text; save the file as UTF-8") from None
    return text.removeprefix("\ufeff")


def position_of(text: str, offset: int) -> Position:
    r"""Line and column of an offset in characters.

    >>> position_of("ab\ncd", 4)
    (2, 2)
    """
    start = text.rfind("\n", 0, offset) + 1
    return text.count("\n", 0, offset) + 1, offset - start + 1


def is_text(value: str) -> bool:
    """False when the string holds half of a surrogate pair, which no file or API can take."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
