"""Boxes, groups and arrows as SVG text: the same for the same, without a library, readable on light and dark pages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from itertools import pairwise
from typing import Literal

Kind = Literal["outside", "compute", "store", "control", "alert", "person"]
Point = tuple[float, float]

LINE, TITLE, PAD = 16, 20, 10
_FILLS: dict[Kind, tuple[str, str]] = {
    "outside": ("#eef1f5", "#5b6b7f"),
    "compute": ("#fdebd8", "#b45f06"),
    "store": ("#e1f0e4", "#2f7d46"),
    "control": ("#e3ecfb", "#2a5db0"),
    "alert": ("#fbe3e6", "#b3263a"),
    "person": ("#f1e7fb", "#6d3fa8"),
}
_FONT = "font-family=\"system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', Arial, sans-serif\""


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle with a title and lines; it is as high as they are."""

    x: float
    y: float
    width: float
    title: str
    lines: tuple[str, ...] = ()
    kind: Kind = "control"

    @property
    def height(self) -> float:
        return PAD + TITLE + LINE * len(self.lines) + PAD

    @property
    def left(self) -> Point:
        return self.x, self.y + self.height / 2

    @property
    def right(self) -> Point:
        return self.x + self.width, self.y + self.height / 2

    @property
    def top(self) -> Point:
        return self.x + self.width / 2, self.y

    @property
    def bottom(self) -> Point:
        return self.x + self.width / 2, self.y + self.height

    def svg(self) -> str:
        fill, line = _FILLS[self.kind]
        frame = (
            f'<rect x="{_n(self.x)}" y="{_n(self.y)}" width="{_n(self.width)}" height="{_n(self.height)}" rx="7"'
            f' fill="{fill}" stroke="{line}" stroke-width="1.4"/>'
        )
        title = _text(self.x + 12, self.y + PAD + 13, self.title, size=14, weight=600, colour=line)
        rest = [
            _text(self.x + 12, self.y + PAD + TITLE + 12 + LINE * i, line_, size=12)
            for i, line_ in enumerate(self.lines)
        ]
        return "\n".join([frame, title, *rest])


@dataclass(slots=True)
class Picture:
    """What is drawn, in the order in which it is added; `describe` is read out to those who do not see it."""

    width: float
    height: float
    title: str
    describe: str
    _parts: list[str] = field(default_factory=list)

    def add(self, *boxes: Box) -> None:
        self._parts += [box.svg() for box in boxes]

    def group(self, x: float, y: float, width: float, height: float, title: str) -> None:
        """A frame around what belongs together."""
        self._parts.append(
            f'<rect x="{_n(x)}" y="{_n(y)}" width="{_n(width)}" height="{_n(height)}" rx="12" fill="#fafbfc"'
            ' stroke="#c3cbd6" stroke-width="1.2" stroke-dasharray="5 4"/>'
        )
        self._parts.append(_text(x + 14, y + 22, title, size=13, weight=600, colour="#5b6b7f"))

    def arrow(
        self,
        *points: Point,
        label: str = "",
        at: Point | None = None,
        dashed: bool = False,
        anchor: str = "middle",
    ) -> None:
        """A line through points with a head at its end; the label stands `at` a point, else over its middle."""
        path = "M" + " L".join(f"{_n(x)} {_n(y)}" for x, y in points)
        dash = ' stroke-dasharray="6 4"' if dashed else ""
        self._parts.append(
            f'<path d="{path}" fill="none" stroke="#44546a" stroke-width="1.6"{dash} marker-end="url(#head)"/>'
        )
        if label:
            where = at or _middle(points)
            self._parts.append(_text(where[0], where[1] - 6, label, size=11, colour="#44546a", anchor=anchor))

    def note(self, x: float, y: float, text: str) -> None:
        self._parts.append(_text(x, y, text, size=12, colour="#5b6b7f"))

    def svg(self) -> str:
        """The whole file."""
        size = f'viewBox="0 0 {_n(self.width)} {_n(self.height)}" width="{_n(self.width)}" height="{_n(self.height)}"'
        head = (
            '<defs><marker id="head" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7"'
            ' orient="auto-start-reverse"><path d="M0 0 L10 5 L0 10 z" fill="#44546a"/></marker></defs>'
        )
        return "\n".join(
            [
                f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-labelledby="title desc" {_FONT}>',
                f'<title id="title">{escape(self.title)}</title>',
                f'<desc id="desc">{escape(self.describe)}</desc>',
                head,
                f'<rect width="{_n(self.width)}" height="{_n(self.height)}" rx="10" fill="#ffffff"/>',
                *self._parts,
                "</svg>",
                "",
            ]
        )


def _text(
    x: float,
    y: float,
    text: str,
    *,
    size: int,
    weight: int = 400,
    colour: str = "#26313f",
    anchor: str = "start",
) -> str:
    return (
        f'<text x="{_n(x)}" y="{_n(y)}" font-size="{size}" font-weight="{weight}" fill="{colour}"'
        f' text-anchor="{anchor}">{escape(text)}</text>'
    )


def _middle(points: Sequence[Point]) -> Point:
    """The middle of the longest piece of a line."""
    pieces = list(pairwise(points))
    (x, y), (u, v) = max(
        pieces, key=lambda piece: abs(piece[0][0] - piece[1][0]) + abs(piece[0][1] - piece[1][1])
    )
    return (x + u) / 2, (y + v) / 2


def _n(number: float) -> str:
    return f"{number:.1f}".rstrip("0").rstrip(".")
