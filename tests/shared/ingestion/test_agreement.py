"""What does not fit together is refused when the file is read, with its place, before anything is fetched."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from shared.common.errors import Misconfigured
from shared.ingestion.reading import load_source
from shared.ingestion.source import Source

ACME = """
source: acme
base_url: https://api.acme.test/v1
defaults: {primary_key: ref}
streams:
  orders:
    path: /orders
    cursor_field: at
    columns: {ref: string, at: timestamp, card: string, lines: array}
  notes:
    path: "/orders/{ref}/notes"
    parent: {stream: orders, include: {order: ref}}
    primary_key: [order, n]
    columns: {n: integer, text: string}
"""


def load(folder: Path, *changes: tuple[str, str]) -> Source:
    text = ACME
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    (folder / "source.yml").write_text(text)
    return load_source(folder / "source.yml")


def refusal(folder: Path, *changes: tuple[str, str]) -> str:
    with pytest.raises(Misconfigured) as caught:
        load(folder, *changes)
    return str(caught.value)


def mask(written: str) -> tuple[str, str]:
    return "    cursor_field: at\n", f"    cursor_field: at\n    mask: {{{written}}}\n"


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("ref: {type: partial, keep_last: 1}", "different values become equal"),
        ("ref: drop", "without it rows cannot be told apart"),
        ("at: drop", "at is the cursor_field"),
        ("at: hash", "at is the cursor_field"),
        ("at: {type: partial}", "at is the cursor_field"),
    ],
)
def test_what_rows_are_told_apart_by_is_not_masked(tmp_path: Path, written: str, says: str) -> None:
    """250 rows became 10, or landed and could never be loaded."""
    said = refusal(tmp_path, mask(written))

    assert says in said
    assert "source.yml:9:" in said


def test_a_key_may_be_hashed_and_other_columns_masked_in_any_way(tmp_path: Path) -> None:
    """Equal keys stay equal, and different ones different."""
    assert {"ref", "card"} == load(tmp_path, mask("ref: hash, card: drop")).spec.streams["orders"].mask.keys()


@pytest.mark.parametrize("kind", ["hash", "drop"])
def test_an_object_that_holds_a_part_of_the_key_is_not_masked(tmp_path: Path, kind: str) -> None:
    """A hash of the whole has no fields any more."""
    changes = ("cursor_field: at\n", "cursor_field: at\n    primary_key: lines.id\n"), mask(f"lines: {kind}")
    said = refusal(tmp_path, *reversed(changes))

    assert "lines.id is in the primary key" in said


@pytest.mark.parametrize(
    ("old", "new", "line", "says"),
    [
        ("cursor_field: at", "cursor_field: att", 8, 'cursor_field: unknown field "att"; did you mean "at"?'),
        ("{primary_key: ref}", "{primary_key: reff}", 4, 'primary_key.0: unknown field "reff"'),
        ("[order, n]", "[order, m]", 13, 'primary_key.1: unknown field "m"'),
        ("/{ref}/", "/{reff}/", 11, 'path: unknown field "reff"; did you mean "ref"?'),
        ("{order: ref}", "{order: reff}", 12, 'parent.include.order: unknown field "reff"'),
        ("{stream: orders,", "{stream: orders, each: line,", 12, 'each: unknown field "line"'),
        ("/{ref}/", "/{each.id}/", 11, "each.id is a field of the items of `parent.each`"),
        ("stream: orders", "stream: orderz", 12, 'unknown parent stream "orderz"; did you mean "orders"?'),
        ("{stream: orders,", "{stream: orders, changed_only: true,", 12, "orders is not incremental"),
    ],
)
def test_names_are_compared_with_the_columns(
    tmp_path: Path, old: str, new: str, line: int, says: str
) -> None:
    """A misspelt one lands no row, or rows that no table can take."""
    said = refusal(tmp_path, (old, new))

    assert says in said
    assert f"source.yml:{line}:" in said


@pytest.mark.parametrize(
    "contract",
    [
        "columns: null",
        "contract: {type: object}",
        "contract: {type: object, properties: {x: {}}, allOf: [{properties: {ref: {}}}]}",
        "columns: {x: string}, contract_mode: evolve",
    ],
)
def test_a_contract_that_does_not_name_all_fields_is_not_compared(tmp_path: Path, contract: str) -> None:
    """What it does not declare may be there all the same."""
    text = (
        "source: acme\nbase_url: https://x.test\nstreams:\n"
        f"  orders: {{path: /o, primary_key: ref, cursor_field: at, {contract}}}\n"
    )
    (tmp_path / "source.yml").write_text(text)

    assert load_source(tmp_path / "source.yml").spec.streams["orders"].primary_key == ("ref",)


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        ("columns: {ref: string}", "two columns or more"),
        ("columns: {ref: string, x: string}, mask: {x: drop}", "two columns or more"),
        ("records: data", "needs to know the columns"),
    ],
)
def test_columns_that_make_no_csv_file_are_refused(tmp_path: Path, columns: str, says: str) -> None:
    """When the file is read, not when the first page is there."""
    text = (
        "source: acme\nbase_url: https://x.test\nstreams:\n"
        f"  orders: {{path: /o, format: csv, primary_key: ref, {columns}}}\n"
    )
    (tmp_path / "source.yml").write_text(text)
    with pytest.raises(Misconfigured, match=rf"source.yml:4:\d+ streams.orders.format: .*{says}"):
        load_source(tmp_path / "source.yml")


def test_all_that_does_not_fit_is_said_at_once_and_in_order(tmp_path: Path) -> None:
    """So that its author mends it in one go."""
    said = refusal(tmp_path, mask("ref: drop, nme: hash"), ("cursor_field: at", "cursor_field: att"))

    assert ["8", "9", "9", "12"] == re.findall(
        r"source\.yml:(\d+):", said + refusal(tmp_path, ("order: ref", "order: r"))
    )
