"""A profile as one HTML page: no script, nothing from elsewhere, light and dark as the reader's system is."""

from __future__ import annotations

from collections.abc import Sequence

from shared.warehouse.profile.charts import days_chart, histogram, meter, shares_chart
from shared.warehouse.profile.compare import Difference, spoken
from shared.warehouse.profile.markup import Markup, joined, tag
from shared.warehouse.profile.model import ColumnProfile, Days, Profile
from shared.warehouse.profile.style import CSS

_FREQUENT = 0.01
"""The share from which the most frequent number or time says anything."""

_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def page(profile: Profile, *, changes: Sequence[Difference] = (), earlier: Profile | None = None) -> str:
    """The page; `changes` are the differences to `earlier`."""
    body = [
        _head(profile, earlier),
        _changes(changes, profile) if earlier is not None else None,
        _days(profile.days) if profile.days is not None and profile.days.days else None,
        _overview(profile),
        tag(
            "section",
            tag("h2", "Columns"),
            [_column(one, profile.rows) for one in profile.columns],
            id="columns",
        ),
        tag(
            "footer",
            "Made by ",
            tag("code", f"sluice profile {profile.table}"),
            f" in {profile.seconds:.1f} s.",
        ),
    ]
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        tag("title", f"Profile of {profile.table}"),
        tag("style", Markup(CSS)),
    )
    main = tag("main", *body)
    return "<!doctype html>\n" + tag("html", head, tag("body", main), lang="en") + "\n"


def _head(profile: Profile, earlier: Profile | None) -> Markup:
    facts = [
        ("rows", f"{profile.rows:,}"),
        ("columns", f"{len(profile.columns):,}"),
        ("with nulls", f"{sum(1 for one in profile.columns if one.nulls):,}"),
        (
            "never filled",
            f"{sum(1 for one in profile.columns if profile.rows and one.nulls == profile.rows):,}",
        ),
    ]
    when = f"Measured {spoken(profile.measured_at)} UTC"
    if earlier is not None:
        when += f", compared with {spoken(earlier.measured_at)} UTC"
    return tag(
        "header",
        tag("p", "Profile", class_="kicker"),
        tag("h1", profile.table),
        tag("p", when, class_="quiet"),
        tag("dl", [tag("div", tag("dt", name), tag("dd", value)) for name, value in facts], class_="facts"),
    )


def _changes(changes: Sequence[Difference], profile: Profile) -> Markup:
    if not changes:
        return tag(
            "section", tag("h2", "What changed"), tag("p", "Nothing that is worth telling.", class_="quiet")
        )
    items = [
        tag(
            "li",
            tag("span", "!" if one.weight == "strong" else "·", class_="mark", aria_hidden="true"),
            tag("a", one.column, href=f"#{_anchor(one.column)}")
            if profile.column(one.column)
            else tag("strong", one.column or "table"),
            " ",
            one.text,
            class_=one.weight,
        )
        for one in changes
    ]
    return tag("section", tag("h2", "What changed"), tag("ul", items, class_="changes"), id="changes")


def _days(days: Days) -> Markup:
    ends = tag("div", tag("span", days.days[0]), tag("span", days.last), class_="ends")
    charts = [
        tag(
            "figure",
            tag("figcaption", "Shares of ", tag("a", column, href=f"#{_anchor(column)}")),
            shares_chart(days, shares, label=f"Shares of {column} by {days.column}"),
            tag("ul", [_legend(number, value) for number, value in enumerate(shares)], class_="legend"),
        )
        for column, shares in days.shares.items()
    ]
    each = "" if days.width == 1 else f", a bar for {days.width} days"
    caption = f"Rows by {days.column}{each}, at most {max(days.rows):,}"
    chart = tag("figure", tag("figcaption", caption), days_chart(days), ends, class_="wide")
    return tag(
        "section",
        tag("h2", "Over time"),
        chart,
        tag("div", charts, class_="charts"),
        _as_table(days),
        id="days",
    )


def _legend(number: int, value: str) -> Markup:
    return tag("li", tag("span", class_=f"dot c{number % 6}", aria_hidden="true"), value)


def _as_table(days: Days) -> Markup:
    """The same numbers for those who read tables better than bars."""
    head = tag("tr", tag("th", days.column, scope="col"), tag("th", "rows", scope="col", class_="number"))
    rows = [
        tag("tr", tag("th", day, scope="row"), tag("td", f"{count:,}", class_="number"))
        for day, count in zip(days.days, days.rows, strict=True)
    ]
    return tag(
        "details",
        tag("summary", "The numbers as a table"),
        tag("table", tag("thead", head), tag("tbody", rows)),
    )


def _overview(profile: Profile) -> Markup:
    names = ("column", "type", "filled", "different", "least", "greatest")
    numbers = {"different"}
    head = tag(
        "tr", [tag("th", name, scope="col", class_="number" if name in numbers else None) for name in names]
    )
    rows = [
        tag(
            "tr",
            tag("th", tag("a", one.name, href=f"#{_anchor(one.name)}"), scope="row"),
            tag("td", tag("code", one.type)),
            tag("td", _filled(one, profile.rows), class_="filled"),
            tag("td", _distinct(one, profile.rows), class_="number"),
            tag("td", _value(one.low), class_="value"),
            tag("td", _value(one.high), class_="value"),
        )
        for one in profile.columns
    ]
    table = tag("table", tag("thead", head), tag("tbody", rows))
    return tag("section", tag("h2", "All columns"), tag("div", table, class_="scroll"), id="overview")


def _filled(column: ColumnProfile, rows: int) -> Markup:
    share = 1 - column.nulls / rows if rows else 0.0
    text = "100%" if not column.nulls and rows else _percent(share)
    return joined(meter(share, label=f"{text} filled"), tag("span", text, class_="share"))


def _percent(share: float) -> str:
    """Never 100% where something is missing, nor 0% where something is there."""
    if 0.9995 <= share < 1:
        return ">99.9%"
    if 0 < share < 0.001:
        return "<0.1%"
    return f"{100 * share:.3g}%"


def _distinct(column: ColumnProfile, rows: int) -> str:
    unique = column.distinct > 1 and column.distinct == rows - column.nulls
    return f"{column.distinct:,}" + (" (unique)" if unique else "")


def _column(column: ColumnProfile, rows: int) -> Markup:
    facts: list[tuple[str, Markup | str]] = [
        ("null", f"{column.nulls:,}"),
        ("different", _distinct(column, rows)),
    ]
    if column.low is not None:
        facts += [("least", _value(column.low)), ("greatest", _value(column.high))]
    if column.mean is not None:
        facts.append(("mean", spoken(column.mean)))
    if column.deviation is not None:
        facts.append(("deviation", spoken(column.deviation)))
    if column.shortest is not None:
        span = (
            f"{column.shortest:,}"
            if column.shortest == column.longest
            else f"{column.shortest:,} to {column.longest:,}"
        )
        facts.append(("characters", span))
    listed = tag("dl", [tag("div", tag("dt", name), tag("dd", value)) for name, value in facts])
    return tag(
        "article",
        tag("h3", column.name, " ", tag("code", column.type)),
        tag("div", listed, _shape(column), _top(column, rows), class_="card"),
        id=_anchor(column.name),
    )


def _value(value: object) -> Markup | str:
    """A value as people write it; an empty text can be seen."""
    return tag("em", "empty text") if isinstance(value, str) and not value.strip() else spoken(value)


def _shape(column: ColumnProfile) -> Markup | None:
    if not column.bins or not any(one.count for one in column.bins):
        return None
    label = f"Histogram of {column.name}, {spoken(column.low)} to {spoken(column.high)}"
    first, last = column.bins[0].low, column.bins[-1].high
    ends = tag("div", tag("span", spoken(first)), tag("span", spoken(last)), class_="ends")
    return tag("figure", tag("figcaption", "Shape"), histogram(column.bins, label=label), ends)


def _top(column: ColumnProfile, rows: int) -> Markup | None:
    if not column.top or not rows:
        return None
    if column.kind in ("number", "time") and column.top[0].count / rows < _FREQUENT:
        return None
    items = [
        tag(
            "tr",
            tag("th", _value(one.value), scope="row"),
            tag("td", meter(one.count / rows, label=_percent(one.count / rows))),
            tag("td", _percent(one.count / rows), class_="number"),
            tag("td", f"{one.count:,}", class_="number quiet"),
        )
        for one in column.top
    ]
    rest = rows - column.nulls - sum(one.count for one in column.top)
    more = tag("p", f"and {rest:,} rows with other values", class_="quiet") if rest > 0 else None
    return tag(
        "figure", tag("figcaption", "Most frequent"), tag("table", tag("tbody", items), class_="top"), more
    )


def _anchor(name: str) -> str:
    """An id that can stand in a link, whatever the column is called."""
    return "column-" + "".join(c if c.isascii() and c.isalnum() else f"_{ord(c):x}" for c in name)
