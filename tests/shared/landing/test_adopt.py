"""A whole file becomes a part byte for byte, with its rows counted; a broken one is refused."""

from __future__ import annotations

import gzip
import hashlib
from datetime import date
from pathlib import Path

import pytest

from shared.common.errors import Violation
from shared.common.fakes import MemoryStore
from shared.landing.adopt import adopt
from shared.landing.commit import Part
from shared.landing.layout import PartName

NAME = PartName("run", 1, 0, 0, date(2026, 11, 20))


def adopted(folder: Path, body: bytes, form: str, store: MemoryStore | None = None) -> Part:
    file = folder / "file"
    file.write_bytes(body)
    return adopt(store or MemoryStore(), file, NAME, folder="data/", format=form)


@pytest.mark.parametrize(
    ("text", "form", "rows"),
    [
        (b"id\r\n1\r\n2\r\n", "csv", 2),
        (b'id,note\n1,"two\nlines ""and"" more\n"\n', "csv", 1),
        (b"id\n1", "csv", 1),
        (b"id,note\r\n", "csv", 0),
        (b'{"a":1}\n{"a":2}\n', "jsonl", 2),
    ],
)
def test_the_rows_of_a_file_are_counted_plain_and_zipped(
    tmp_path: Path, text: bytes, form: str, rows: int
) -> None:
    zipped = gzip.compress(text, mtime=0)
    part = adopted(tmp_path, zipped, f"{form}.gz")

    assert adopted(tmp_path, text, form).rows == rows
    assert (part.rows, part.bytes, part.raw_bytes) == (rows, len(zipped), len(text))
    assert part.sha256 == hashlib.sha256(zipped).hexdigest()


def test_what_lies_in_the_store_is_the_file(tmp_path: Path) -> None:
    store = MemoryStore()
    part = adopted(tmp_path, b"id\n1\n", "csv", store)

    assert store.get(part.key) == b"id\n1\n"


@pytest.mark.parametrize(
    ("body", "form"),
    [(b"not gzip", "csv.gz"), (gzip.compress(b"id\n1\n", mtime=0)[:-6], "csv.gz"), (b"", "csv")],
)
def test_a_file_that_is_not_what_its_format_says_is_refused(tmp_path: Path, body: bytes, form: str) -> None:
    with pytest.raises(Violation):
        adopted(tmp_path, body, form)


def test_a_name_that_other_content_has_taken_is_left_alone(tmp_path: Path) -> None:
    store = MemoryStore()
    first, second = adopted(tmp_path, b"id\n1\n", "csv", store), adopted(tmp_path, b"id\n2\n", "csv", store)

    assert first.key != second.key
    assert store.get(first.key) == b"id\n1\n"
