"""The page of a profile: well formed, closed to the outside, and deaf to what values say."""

from __future__ import annotations

import re
from collections.abc import Callable
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.warehouse.profile.compare import differences
from shared.warehouse.profile.markup import tag
from shared.warehouse.profile.model import Profile
from shared.warehouse.profile.page import page
from shared.warehouse.profile.words import lines, rows_of

Make = Callable[..., Profile]
EVIL = """'<script>alert("1")</script>'"""
RICH = f"""
SELECT i AS id, CASE WHEN i % 3 = 0 THEN {EVIL} ELSE 'b' END AS kind, i % 2 = 0 AS flag, NULL::VARCHAR AS never,
    DATE '2026-01-01' + (i % 50)::INTEGER AS day, i * 1.5 AS amount, '' AS "<b>odd</b> ""name"" é"
FROM range(300) r(i)
"""
VOID = {"meta", "link", "br", "hr"}


class Strict(HTMLParser):
    """Every element is closed, ids are unique, links lead somewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.unnamed: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.ids += [found["id"] or ""] if "id" in found else []
        self.links += [found["href"] or ""] if "href" in found else []
        if found.get("role") == "img" and not found.get("aria-label"):
            self.unnamed.append(tag)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Closed in itself."""

    def handle_endtag(self, tag: str) -> None:
        assert tag == self.open.pop()


@pytest.fixture
def html(profile_of: Make) -> str:
    new = profile_of(RICH, by="day")
    old = profile_of(f"SELECT * EXCLUDE flag, 1 AS gone FROM ({RICH}) WHERE id > 100")
    return page(new, changes=differences(new, old), earlier=old)


def test_the_page_is_well_formed(html: str) -> None:
    strict = Strict()
    strict.feed(html)
    strict.close()

    assert [] == strict.open
    assert len(strict.ids) == len(set(strict.ids))
    assert {link.removeprefix("#") for link in strict.links} <= set(strict.ids)
    assert [] == strict.unnamed


def test_nothing_is_fetched_and_nothing_runs(html: str) -> None:
    assert "default-src &#x27;none&#x27;" in html
    assert not re.search(r"<script|https?:|//[a-z]|@import|url\(", html)


def test_values_and_names_are_never_markup(html: str) -> None:
    assert "&lt;script&gt;alert(" in html
    assert "&lt;b&gt;odd&lt;/b&gt;" in html


def test_charts_are_pictures_with_words(html: str) -> None:
    for svg in re.findall(r"<svg.*?</svg>", html, re.DOTALL):
        element = ElementTree.fromstring(svg)  # noqa: S314 - our own page
        assert element.get("aria-label")
        assert all(bar.findtext("title") for bar in element.iter("rect"))


def test_both_palettes_are_there(html: str) -> None:
    assert "prefers-color-scheme: dark" in html
    assert 'name="color-scheme" content="light dark"' in html


@pytest.mark.parametrize(
    "select", ["SELECT 1 AS n WHERE false", "SELECT NULL::INTEGER AS n", "SELECT DATE '2026-01-01' AS n"]
)
def test_small_tables_have_pages_too(profile_of: Make, select: str) -> None:
    profile = profile_of(select, by="n" if "DATE" in select else None)

    assert "<h1>shop.orders</h1>" in page(profile)
    assert "Nothing that is worth telling." in page(profile, earlier=profile)


def test_the_text_has_a_line_per_column(profile_of: Make) -> None:
    profile = profile_of(RICH, by="day")

    assert 7 == len(rows_of(profile))
    assert next(lines(profile)).startswith("rows by day, 2026-01-01 to 2026-02-19: ")


@given(st.text())
def test_no_text_breaks_out_of_its_element(text: str) -> None:
    assert "<" not in tag("p", text)[3:-4]
    assert 2 == tag("p", title=text).removesuffix("</p>").count('"')
