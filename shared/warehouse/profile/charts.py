"""Small charts as inline SVG: bars that say their values to a mouse and to a screen reader."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta

from shared.warehouse.profile.compare import spoken
from shared.warehouse.profile.markup import Markup, tag
from shared.warehouse.profile.model import Bin, Days

_GAP = 0.18
_LEAST = 1.5
"""The height of a bar of one row in a thousand: what is there can be seen."""


def histogram(bins: Sequence[Bin], *, label: str, width: int = 240, height: int = 56) -> Markup:
    """The bins as bars, of equal width as the bins are."""
    most = max((one.count for one in bins), default=0)
    if not most:
        return tag("span", "–", class_="quiet")
    step = width / len(bins)
    bars = [
        _bar(
            place * step + step * _GAP / 2,
            step * (1 - _GAP),
            height,
            0 if not one.count else max(_LEAST, one.count / most * height),
            f"{_span(one)}: {one.count:,} rows",
        )
        for place, one in enumerate(bins)
    ]
    return _chart(width, height, label, bars)


def days_chart(days: Days, *, width: int = 960, height: int = 150) -> Markup:
    """Rows per day."""
    bins = [
        Bin(day, _until(days, place), count)
        for place, (day, count) in enumerate(zip(days.days, days.rows, strict=True))
    ]
    label = f"Rows by {days.column}, from {days.days[0]}: at most {max(days.rows):,}"
    return histogram(bins, label=label, width=width, height=height)


def shares_chart(
    days: Days, shares: Mapping[str, Sequence[int]], *, label: str, width: int = 460, height: int = 110
) -> Markup:
    """The values of a column by day, stacked to 100%."""
    step = width / len(days.days)
    bars: list[Markup] = []
    for place, day in enumerate(days.days):
        total, base = sum(counts[place] for counts in shares.values()), float(height)
        for number, (value, counts) in enumerate(shares.items()):
            if not counts[place]:
                continue
            tall = counts[place] / total * height
            base -= tall
            text = f"{day}: {value} {counts[place] / total:.0%} ({counts[place]:,} rows)"
            bars.append(
                _bar(place * step + 0.5, max(0.5, step - 1), base + tall, tall, text, f"c{number % 6}")
            )
    return _chart(width, height, label, bars)


def meter(share: float, *, label: str, class_: str = "meter") -> Markup:
    """A share as a filled bar."""
    return tag(
        "span",
        tag("span", style=f"width:{100 * min(1.0, max(0.0, share)):.2f}%"),
        class_=class_,
        role="img",
        aria_label=label,
    )


def _chart(width: int, height: int, label: str, bars: list[Markup]) -> Markup:
    axis = tag("line", x1=0, y1=height + 0.5, x2=width, y2=height + 0.5, class_="axis")
    return tag(
        "svg",
        bars,
        axis,
        viewBox=f"0 0 {width} {height + 1}",
        role="img",
        aria_label=label,
        preserveAspectRatio="none",
    )


def _bar(x: float, width: float, bottom: float, tall: float, text: str, class_: str = "c0") -> Markup:
    title = tag("title", text)
    return tag(
        "rect",
        title,
        x=f"{x:.2f}",
        y=f"{bottom - tall:.2f}",
        width=f"{width:.2f}",
        height=f"{tall:.2f}",
        class_=class_,
    )


def _span(one: Bin) -> str:
    return spoken(one.low) if one.low == one.high else f"{spoken(one.low)} to {spoken(one.high)}"


def _until(days: Days, place: int) -> str:
    """The last day of a piece."""
    if place + 1 == len(days.days):
        return days.last
    return (date.fromisoformat(days.days[place + 1]) - timedelta(days=1)).isoformat()
