"""TOML with places: the places are those of the text, whatever form a key or a value has."""

from __future__ import annotations

import json
import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.common.errors import Misconfigured
from shared.common.places import Spot
from shared.orchestrator.toml_text import read_toml

TEXT = '''\
# a comment with [brackets] and "quotes"
title = "a # no comment"
"a b".c = 1
[one.two]
x = [ 1, "]", # here ]
  { y = 'z}', "k\\"" = [] } ]
[[many]]
[many.inner]
v = """
text with = and [x]"""
[[many]]
w = \'\'\'a'b\'\'\'
'''


@pytest.mark.parametrize(
    ("path", "place"),
    [
        (("title",), (2, 9)),
        (("a b", "c"), (3, 11)),
        (("one", "two", "x"), (5, 5)),
        (("one", "two", "x", 1), (5, 10)),
        (("one", "two", "x", 2, "y"), (6, 9)),
        (("one", "two", "x", 2, 'k"'), (6, 23)),
        (("many", 0, "inner", "v"), (9, 5)),
        (("many", 1, "w"), (12, 5)),
    ],
)
def test_every_value_has_its_place(path: tuple[str | int, ...], place: tuple[int, int]) -> None:
    assert place == read_toml(TEXT, file="a.toml").position(*path)


def test_faults_of_toml_have_a_place() -> None:
    with pytest.raises(Misconfigured, match=r"^a\.toml:2:5 "):
        read_toml("a = 1\nb = =", file="a.toml")
    with pytest.raises(Misconfigured, match=r"^a\.toml:1:5 "):
        read_toml("a = ", file="a.toml")


def paths(value: Any) -> set[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return {(), *((key, *rest) for key, one in inner for rest in paths(one))}


def spots(spot: Spot) -> set[tuple[Any, ...]]:
    return {(), *((key, *rest) for key, one in spot.children.items() for rest in spots(one))}


TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=8)
VALUES = st.recursive(
    st.integers(-(2**31), 2**31) | st.booleans() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)


def toml_of(value: Any) -> str:
    match value:
        case dict():
            return "{ " + ", ".join(f"{quoted(k)} = {toml_of(v)}" for k, v in value.items()) + " }"
        case list():
            return "[" + ",\n ".join(map(toml_of, value)) + "] # ]"[: 1 + 4 * bool(value)] + "\n"
        case str():
            return quoted(value)
    return json.dumps(value)


def quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


@given(st.dictionaries(TEXTS, VALUES.filter(lambda v: "\n" not in toml_of(v)), max_size=4))
def test_what_has_a_place_is_what_is_there(document: dict[str, Any]) -> None:
    text = "".join(f"{quoted(key)} = {toml_of(value)}\n" for key, value in document.items())
    found = read_toml(text, file="a.toml")

    assert tomllib.loads(text) == found.data
    assert paths(found.data) == spots(found.positions)
