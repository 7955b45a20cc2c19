"""Reading proves a part: what was altered, cut or lost is refused, and orphans are told from committed parts."""

from __future__ import annotations

import csv
import gzip
import io
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.common.errors import Violation
from shared.common.fakes import FakeClock, MemoryStore
from shared.common.ports import ObjectStore
from shared.landing.commit import Draft, Part
from shared.landing.reader import RowCounter, orphans, read_part, verify
from shared.landing.writer import Landing


def landed(landing: Landing, body: bytes, rows: int, *, format: str = "jsonl.gz", index: int = 0) -> Part:
    writer = landing.part("r1", 1, 0, index, format)
    writer.write(body, rows)
    return writer.close()


@pytest.mark.parametrize("format", ["jsonl.gz", "jsonl"])
def test_records_are_read_back(landing: Landing, store: ObjectStore, format: str) -> None:
    body = b'{"id": 1}\n' * 50_000
    part = landed(landing, body, 50_000, format=format)

    with read_part(store, part) as stream:
        assert stream.readline() == b'{"id": 1}\n'
        assert stream.read() == body[10:]


def test_rows_of_csv_may_hold_line_ends(landing: Landing, store: ObjectStore) -> None:
    text = io.StringIO(newline="")
    rows = [["id", "text"], ["1", 'a\n"b"\r\n'], ["2", ","], ["3", "\n\n"]]
    csv.writer(text).writerows(rows)
    part = landed(landing, text.getvalue().encode(), 3, format="csv.gz")

    with read_part(store, part) as stream:
        assert list(csv.reader(io.TextIOWrapper(stream, newline=""))) == rows


CSV_ROWS = st.lists(
    st.lists(st.text(alphabet='ab",\r\n é', max_size=6), min_size=2, max_size=3), min_size=1, max_size=8
)


@given(rows=CSV_ROWS, ends=st.sampled_from(["\r\n", "\n"]), size=st.integers(1, 20))
def test_the_rows_of_csv_are_counted_however_they_are_cut(
    rows: list[list[str]], ends: str, size: int
) -> None:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator=ends).writerows([["a", "b"], *rows])
    body = text.getvalue().encode()
    counter = RowCounter(csv=True)
    for start in range(0, len(body), size):
        counter.feed(body[start : start + size])

    assert counter.rows == len(rows)


def swap(store: ObjectStore, key: str, body: bytes) -> None:
    store.delete(key)
    store.put_new(key, body)


def test_an_altered_part_is_refused_at_its_end(landing: Landing, store: ObjectStore) -> None:
    part = landed(landing, b'{"id": 1}\n', 1)
    swap(store, part.key, gzip.compress(b'{"id": 2}\n', mtime=0))

    with (
        pytest.raises(Violation, match=rf"not what was committed.*part {part.key}"),
        read_part(store, part) as stream,
    ):
        stream.read()


def test_the_same_size_does_not_hide_an_altered_part(landing: Landing, store: ObjectStore) -> None:
    part = landed(landing, b'{"id": 1}\n', 1, format="jsonl")
    swap(store, part.key, b'{"id": 2}\n')

    with (
        pytest.raises(Violation, match="its sha256 is not the committed one"),
        read_part(store, part) as stream,
    ):
        stream.read()


@pytest.mark.parametrize("keep", [0, 5, 30, -1])
def test_a_cut_part_is_refused(landing: Landing, store: ObjectStore, keep: int) -> None:
    part = landed(landing, b"".join(b'{"id": %d}\n' % n for n in range(100)), 100)
    swap(store, part.key, store.get(part.key)[:keep])

    with pytest.raises(Violation, match="not what was committed"), read_part(store, part) as stream:
        stream.read()


def test_what_follows_the_records_is_refused(landing: Landing, store: ObjectStore) -> None:
    part = landed(landing, b'{"id": 1}\n', 1)
    swap(store, part.key, store.get(part.key) + bytes(600_000))

    with pytest.raises(Violation, match="not what was committed: it has 6"), read_part(store, part) as stream:
        stream.read()


def test_rubbish_in_the_middle_is_refused(landing: Landing, store: ObjectStore) -> None:
    part = landed(landing, b"".join(b'{"id": %d}\n' % (n * 7919) for n in range(1000)), 1000)
    body = bytearray(store.get(part.key))
    body[len(body) // 2] ^= 0xFF
    swap(store, part.key, bytes(body))

    with pytest.raises(Violation, match="not what was committed"), read_part(store, part) as stream:
        stream.read()


def test_a_wrong_number_of_records_is_refused(landing: Landing, store: ObjectStore) -> None:
    part = landed(landing, b"{}\n{}\n", 2)

    with pytest.raises(Violation, match="it holds 2 records, 3 were committed"):
        read_part(store, replace(part, rows=3)).read()


def test_a_missing_part_is_refused_by_name(landing: Landing, store: ObjectStore) -> None:
    part = landed(landing, b"{}\n", 1)
    store.delete(part.key)

    with pytest.raises(Violation, match=f"a part is missing .part {part.key}"):
        read_part(store, part)


def test_a_commit_is_verified_part_by_part(landing: Landing, store: ObjectStore) -> None:
    whole, lost, cut, refused = (landed(landing, b"{}\n", 1, index=n) for n in range(4))
    commit = landing.log.append(
        Draft(run="r1", attempt=1, parts=(whole, lost, cut), rejected_parts=(refused,)), after=None
    )
    assert verify(store, commit) == []

    for part in (lost, refused):
        store.delete(part.key)
    swap(store, cut.key, b"")
    found = [(error.message, error.where["part"]) for error in verify(store, commit)]
    assert found == [
        ("a part is missing", lost.key),
        (f"a part has 0 bytes where {cut.bytes} were committed", cut.key),
        ("a part is missing", refused.key),
    ]


def test_orphans_are_the_old_parts_that_no_commit_names(memory: MemoryStore, clock: FakeClock) -> None:
    landing = Landing(memory, "recurly", "accounts", clock)
    other = Landing(memory, "recurly", "plans", clock)
    named, orphan = (landed(landing, b"{}\n", 1, index=n) for n in range(2))
    landed(other, b"{}\n", 1)
    reject = landing.reject("r1", 1)
    reject.add(b"{}", reason="r")
    rejected = reject.close()
    landing.log.append(Draft(run="r1", attempt=1, parts=(named,)), after=None)
    clock.advance(86_400)
    landed(landing, b"{}\n", 1, index=9)

    found = orphans(memory, landing.log, older_than=clock.now() - timedelta(hours=1))
    assert [info.key for info in found] == [orphan.key, rejected.key]
