"""URLs of calls and texts of SQL: faults are told where they stand, and values stay in their places."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.common.errors import Misconfigured
from shared.pipelines.lint import lint
from shared.pipelines.read import read_definition
from shared.pipelines.urls import resolve_url
from shared.pipelines.values import parse_text


def reading(step: str) -> str:
    """What is wrong with a step, or nothing."""
    text = "pipeline:\n  name: p\n  parameters: {x: 1}\n  steps:\n    - {name: a, %s}"
    try:
        read_definition(text % step, file="p.yaml")
    except Misconfigured as error:
        return str(error)
    return ""


@pytest.mark.parametrize(
    ("url", "fault"),
    [
        ("ftp://a.example/x", "is no URL that begins with https:// or http://"),
        ("file:///etc/passwd", "is no URL that begins with"),
        ("a.example", "is no URL that begins with"),
        ("http://x y/", "a URL has no blanks"),
        ("https://a.example/${params.x} y", "a URL has no blanks"),
        ("https:///x", "is a URL without a host"),
        ("https://", "is a URL without a host"),
        ("https:///${params.x}", "is a URL without a host"),
        ("https://a.example:port/", "is no URL"),
        ("http://[::1/", "is no URL"),
        ("ftp://${params.x}", "is no URL that begins with"),
        ("${params.x}", ""),
        ("${params.x}/orders", ""),
        ("https://${params.x}", ""),
        ("https://${params.x}:${params.x}/orders", ""),
        ("HTTPS://[::1]:80/a%20b?c=d#e", ""),
    ],
)
def test_a_url_that_is_none_is_refused_at_its_place(url: str, fault: str) -> None:
    found = reading(f'type: call, url: "{url}"')

    assert found.startswith("p.yaml:5:34 " + fault) if fault else found == ""


@pytest.mark.parametrize(
    ("sql", "what"),
    [
        ("select 'a ${params.x}'", "a literal"),
        ("select 1 -- ${params.x}", "a comment"),
        ("select /* ' */ '' || '${params.x}'", "a literal"),
        ('select \\"${params.x}\\" from t', "a quoted name"),
        ("select $f$ ' ${params.x} $f$", "a literal"),
        ("select 'it''s' || ${params.x} || ' --' || ${params.x}", ""),
        ("select 1 -- it's\\n + ${params.x}", ""),
        ("select 'a\\\\' || ${params.x} || 'b'", ""),
    ],
)
def test_a_reference_where_sql_takes_no_value_is_refused_at_its_place(sql: str, what: str) -> None:
    for key in (
        "type: check, query",
        "type: transformation, outputs: [{name: t, type: duckdb}], transformation_query",
    ):
        found = reading(f'{key}: "{sql}"')

        if what:
            assert f"${{params.x}} stands inside {what} of SQL" in found
            assert found.startswith("p.yaml:5:")
        else:
            assert "" == found


def test_secrets_in_urls_are_found() -> None:
    text = """
pipeline:
  name: p
  parameters: {x: 1}
  steps:
    - {name: a, type: call, url: "https://user:hunter2@a.example/x"}
    - {name: b, type: call, url: "https://a.example/x?page=1&api_key=hunter2"}
    - {name: c, type: call, url: "https://a.example/${params.x}?token=hunter2"}
    - {name: d, type: call, url: "https://user@a.example/x?token=${params.x}"}
    - name: e
      type: job
      service: function
      timeout: 1m
      function: https://a.example/?access_token=hunter2
      notifications:
        on_failure:
          - method: webhook
            recipients: ["https://hooks.example.com/?token=hunter2"]
"""
    found = [one for one in lint(read_definition(text, file="p.yaml")) if one.rule == "secret"]

    assert [6, 7, 8, 14, 18] == [one.place.line for one in found]
    assert ['"password"', '"api_key"', '"token"', '"access_token"', '"token"'] == [
        one.text.split()[0] for one in found
    ]
    assert "hunter2" not in str(found)


@given(st.text(min_size=1).filter(lambda text: text not in (".", "..")))
def test_a_value_stays_in_its_piece_of_a_url(value: str) -> None:
    template = parse_text("https://a.example/of/${params.x}/end?q=${params.x}&r=1")
    try:
        found = urlsplit(resolve_url(template, lambda reference: value))
    except UnicodeEncodeError:
        return

    assert ("a.example", "") == (found.netloc, found.fragment)
    assert ["", "of", value, "end"] == [unquote(piece) for piece in found.path.split("/")]
    assert [f"q={value}", "r=1"] == [unquote(piece) for piece in found.query.split("&")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("${params.x}", "http://h/a b"),
        ("${params.x}/c?d=${params.x}", "http://h/a b/c?d=http%3A%2F%2Fh%2Fa%20b"),
        ("https://${params.x}/c", "https://http://h/a b/c"),
        ("https://h?${params.x}", "https://h?http%3A%2F%2Fh%2Fa%20b"),
    ],
)
def test_what_stands_before_the_path_stays_as_it_is(text: str, expected: str) -> None:
    assert expected == resolve_url(parse_text(text), lambda reference: "http://h/a b")


def test_dots_as_a_piece_of_a_path_are_refused_since_no_encoding_keeps_them() -> None:
    template = parse_text("https://a.example/${params.x}?q=${params.x}")

    with pytest.raises(Misconfigured, match="another path"):
        resolve_url(template, lambda reference: "..")
    assert "https://a.example/1?q=.." == resolve_url(
        parse_text("https://a.example/1?q=${params.x}"), lambda _: ".."
    )
