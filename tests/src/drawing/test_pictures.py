"""The pictures of the docs are those that the templates and sources give, and every word stays inside its box."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from src.drawing.pictures import PICTURES
from src.drawing.svg import Box, Picture

ROOT = Path(__file__).parents[3]
SVG = "{http://www.w3.org/2000/svg}"
#: Width of a letter by its size, on the safe side of what browsers draw.
LETTER = 0.6

pictures = pytest.mark.parametrize(("name", "draw"), PICTURES.items())


@pictures
def test_the_pictures_are_up_to_date(name: str, draw: Callable[[], Picture]) -> None:
    """`python -m src.drawing` writes them."""
    assert draw().svg() == (ROOT / "docs" / "images" / f"{name}.svg").read_text(encoding="utf-8")


@pictures
def test_the_pictures_are_shown_somewhere_with_words(name: str, draw: Callable[[], Picture]) -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    found = [
        re.findall(rf"!\[([^\]]+)\]\([^)]*{name}\.svg\)", page.read_text(encoding="utf-8")) for page in pages
    ]

    assert any(found)


@pictures
def test_a_picture_is_well_formed_says_what_it_shows_and_keeps_to_its_frame(
    name: str, draw: Callable[[], Picture]
) -> None:
    picture = draw()
    root = ET.fromstring(picture.svg())  # noqa: S314 - we wrote it
    texts = root.findall(f"{SVG}text")

    assert [picture.title, picture.describe] == [root.findtext(f"{SVG}title"), root.findtext(f"{SVG}desc")]
    assert texts
    for text in texts:
        length = len(text.text or "") * LETTER * float(text.attrib["font-size"])
        start = (
            float(text.attrib["x"])
            - {"start": 0, "middle": length / 2, "end": length}[text.attrib["text-anchor"]]
        )
        assert start >= 0, text.text
        assert start + length <= picture.width, text.text
        assert float(text.attrib["y"]) <= picture.height, text.text


def test_names_that_look_like_markup_are_shown_as_they_are() -> None:
    picture = Picture(200, 100, "a & b", "<c>")
    picture.add(Box(1, 2, 100, "<table> & 'x'", ('"y"',)))
    root = ET.fromstring(picture.svg())  # noqa: S314 - we wrote it

    assert ["<table> & 'x'", '"y"'] == [text.text for text in root.findall(f"{SVG}text")]


def test_a_box_is_as_high_as_its_lines() -> None:
    one, two = Box(0, 0, 10, "a", ("b",)), Box(0, 0, 10, "a", ("b", "c"))

    assert two.height > one.height
    assert ((0, one.height / 2), (10, one.height / 2)) == (one.left, one.right)
