"""A file lands line by line: checked, quarantined with its number, and once."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.common.errors import Misconfigured, Violation
from shared.common.fakes import FakeClock, MemoryStore
from shared.common.formats import read_csv
from shared.contracts.contract import Contract
from shared.ingestion import files_read
from shared.ingestion.files import ingest_file
from shared.ingestion.files_read import csv_records, json_records, lines, unpacked
from shared.ingestion.files_report import FileReport
from shared.ingestion.files_spec import Desk, FileSpec
from shared.landing.log import CommitLog
from shared.landing.state import reset

RECORDS = Path(__file__).parents[4] / "shared/data/records"

EVENT = {
    "type": "object",
    "required": ["event_type", "event_time", "data"],
    "properties": {
        "event_type": {"type": "integer"},
        "event_time": {"type": "string", "format": "date-time"},
        "data": {"type": "object", "properties": {"email": {"type": "string", "format": "email"}}},
    },
}
GOOD = b'{"event_type": 1, "event_time": "2021-06-14T01:02:03Z", "data": {"email": "a@example.com"}}\n'


class Place:
    """A landing zone, and files that are taken into it."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.store = MemoryStore(self.clock)
        self.taken = 0

    def take(self, content: bytes, *, again: bool = False, **spec: Any) -> FileReport:
        self.taken += 1
        desk = Desk(self.store, self.clock, lambda: f"{self.taken:08x}")
        made = {"table": "events", "contract": Contract.from_schema(EVENT), **spec}
        return ingest_file(desk, FileSpec(**made), lambda: io.BytesIO(content), name="f.jsonl", again=again)

    def parts(self, which: str = "parts") -> list[bytes]:
        log = CommitLog(self.store, "files", "events", self.clock)
        return [gzip.decompress(self.store.get(p.key)) for c in log.since(0) for p in getattr(c.draft, which)]

    def rows(self) -> list[dict[str, str | None]]:
        return [row for part in self.parts() for row in read_csv(part)]

    def rejected(self) -> list[dict[str, Any]]:
        return [json.loads(line) for part in self.parts("rejected_parts") for line in part.splitlines()]


@pytest.fixture
def place() -> Place:
    return Place()


def test_each_fault_is_told_with_its_line(place: Place) -> None:
    """What is no JSON, what is JSON to some only, and what breaks the schema, all in one file."""
    content = b"\n".join(
        [
            GOOD.strip(),
            b"",
            b"   \t",
            b"not json",
            b'{"event_type": NaN, "event_time": "2021-06-14T01:02:03Z", "data": {}}',
            b'{"event_type": 1, "event_type": 2, "event_time": "2021-06-14T01:02:03Z", "data": {}}',
            b'{"event_type": "1", "event_time": "yesterday", "data": {"email": "nope"}}',
            b"[]",
            b'{"event_type": 2, "event_time": "2021-06-14T01:02:03Z", "data": {"email": "\xff"}}',
            GOOD.strip() + b"\r",
            b'{"event_type": 1, "event_time": "2021-06-14T01:02:03Z", "data": {"a": {"b": 1, "b": 2}}}',
            b"-Infinity",
        ]
    )

    report = place.take(content)

    assert (2, 8) == (report.rows, report.rejected)
    told = {one["line"]: [(r["pointer"], r["keyword"]) for r in one["reasons"]] for one in place.rejected()}
    assert {
        4: [("", "json")],
        5: [("", "json")],
        6: [("", "duplicate")],
        7: [("/event_type", "type"), ("/event_time", "format"), ("/data/email", "format")],
        8: [("", "type")],
        9: [("", "json")],
        11: [("", "duplicate")],
        12: [("", "json")],
    } == told
    shown = {one["line"]: one.get("text", one.get("record")) for one in place.rejected()}
    assert ("not json", []) == (shown[4], shown[8])


def test_nested_objects_become_columns_and_nothing_is_lost(place: Place) -> None:
    """What the schema does not name is kept in a column of its own."""
    place.take(GOOD + GOOD.replace(b'"data"', b'"extra": [1.50], "data"').replace(b"}}", b', "x": null}}'))

    assert ["a@example.com", "a@example.com"] == [row["data.email"] for row in place.rows()]
    assert [None, '{"extra":[1.50],"data.x":null}'] == [row["_sluice_rest"] for row in place.rows()]


def test_nested_objects_can_stay_json(place: Place) -> None:
    """By choice; the lines then land as they are."""
    place.take(GOOD, nested="json")

    assert [GOOD] == place.parts()


@pytest.mark.parametrize(
    "pack", [bytes, gzip.compress, lambda c: b"\xef\xbb\xbf" + c], ids=["plain", "gzip", "bom"]
)
def test_a_file_may_be_packed(place: Place, pack: Callable[[bytes], bytes]) -> None:
    """Gzip is known by its beginning, whatever the name says."""
    assert 2 == place.take(pack(GOOD + GOOD)).rows


def test_the_same_file_again_changes_nothing(place: Place) -> None:
    """Packed or not, under any name; other content lands behind it."""
    first = place.take(GOOD + b"broken\n")
    objects = {info.key for info in place.store.list("")}
    second = place.take(gzip.compress(GOOD + b"broken\n"))
    unchanged = {info.key for info in place.store.list("")}
    third = place.take(GOOD)

    assert (1, 1, False) == (first.rows, first.sequence, first.known)
    assert (0, 1, True) == (second.rows, second.sequence, second.known)
    assert objects == unchanged
    assert (1, 2, False) == (third.rows, third.sequence, third.known)


def test_a_file_is_known_after_hundreds_of_others_and_after_a_death(place: Place) -> None:
    """The cursor knows the last files, also when their markers were never written; the markers know all."""
    contents = [GOOD * (i + 1) for i in range(205)]
    for content in contents:
        place.take(content)
    last = CommitLog(place.store, "files", "events", place.clock).latest()
    assert last is not None
    newest = list(last.draft.cursor["files"])[-1]
    place.store.delete(f"landing/files/events/seen/{newest}")

    assert [1, 205] == [place.take(contents[0]).sequence, place.take(contents[-1]).sequence]
    assert 200 == len(last.draft.cursor["files"])
    assert 205 == len(list(CommitLog(place.store, "files", "events", place.clock).since(0)))


def test_a_file_can_be_landed_again_when_somebody_says_so(place: Place) -> None:
    """With `again`, and after a reset of the state, which forgets all files."""
    place.take(GOOD)
    assert 2 == place.take(GOOD, again=True).sequence
    reset(CommitLog(place.store, "files", "events", place.clock), run="r")

    assert (4, False) == (place.take(GOOD).sequence, False)
    assert place.take(GOOD).known


def test_two_who_land_at_once_both_land_or_one_knows_the_others_file(place: Place) -> None:
    """Other files are no conflict; the same file lands once."""

    class Racing(MemoryStore):
        other: bytes | None = None

        def put_file(self, key: str, file: Path, *, sha256: str) -> str:
            content, self.other = self.other, None
            if content is not None:
                place.take(content)
            return super().put_file(key, file, sha256=sha256)

    place.store = Racing(place.clock)
    place.store.other = GOOD + GOOD
    mine = place.take(GOOD)
    place.store.other = GOOD * 3
    same = place.take(GOOD * 3)

    assert (2, False) == (mine.sequence, mine.known)
    assert (3, True, 0) == (same.sequence, same.known, same.rows)
    assert 3 + 3 == len(place.rows())


def test_a_file_that_breaks_too_often_does_not_land(place: Place) -> None:
    """Nothing of it: the owner of the data mends it."""
    with pytest.raises(Violation, match=r"1 of 3 lines break the contract; max_rejected allows 20.00%"):
        place.take(GOOD + GOOD + b"{}\n", max_rejected=0.2)

    assert [] == [info.key for info in place.store.list("landing/files/events/log/")]
    assert 2 == place.take(GOOD + GOOD + b"{}\n", max_rejected=0.5).rows


def test_a_file_that_is_cut_off_or_changes_does_not_land(place: Place) -> None:
    """Gzip says so itself; a file that grows is told by its hash."""
    with pytest.raises(Violation, match="not whole gzip"):
        place.take(gzip.compress(GOOD * 1000)[:-20])
    contents = iter([GOOD, GOOD + GOOD])
    desk = Desk(place.store, place.clock, lambda: "0")
    with pytest.raises(Violation, match="changed while it was read"):
        ingest_file(
            desk,
            FileSpec("events", Contract.from_schema(EVENT)),
            lambda: io.BytesIO(next(contents)),
            name="f",
        )

    assert [] == list(place.store.list("landing/files/events/log/"))


def test_parts_are_cut(place: Place) -> None:
    """At about their size, each with its header."""
    place.take(GOOD * 20_000, part_size=100_000)

    counts = [len(list(read_csv(part))) for part in place.parts()]
    assert 20_000 == sum(counts)
    assert len(counts) > 3


def test_a_key_is_required_of_every_line_when_rows_are_merged(place: Place) -> None:
    """A row without its key could not be merged."""
    report = place.take(
        GOOD + GOOD.replace(b'{"email": "a@example.com"}', b"{}"), primary_key=("data.email",)
    )

    assert (1, 1) == (report.rows, report.rejected)
    assert "primary_key" == place.rejected()[0]["reasons"][0]["keyword"]


CSV = b"""event_type,event_time,data.email,extra\r
1,2021-06-14T01:02:03Z,a@example.com,"line
break, ""quoted"" "\r
\r
x,2021-06-14T01:02:03Z,a@example.com,\r
2,2021-06-14T01:02:03Z,a@example.com\r
3,2021-06-14T01:02:03Z,"","x"\r
4,"2021-06-14T01:02:03Z",b@example.com,"never closed\r
"""


def test_csv_is_read_by_the_types_of_the_contract(place: Place) -> None:
    """Numbers become numbers, dotted names objects; an empty field is null, two quotes the empty text."""
    report = place.take(CSV, format="csv")

    assert 1 == report.rows
    (row,) = place.rows()
    assert ("1", "a@example.com") == (row["event_type"], row["data.email"])
    assert {"extra": 'line\nbreak, "quoted" '} == json.loads(row["_sluice_rest"] or "")
    told = {one["line"]: one["reason"] for one in place.rejected()}
    assert {5, 6, 7, 8} == set(told)
    assert "not of type" in told[5]
    assert "3 fields, the header 4" in told[6]


def test_a_csv_header_must_name_each_column_once(place: Place) -> None:
    with pytest.raises(Misconfigured, match="names a twice"):
        place.take(b"a,b,a\n1,2,3\n", format="csv")
    with pytest.raises(Misconfigured, match="without a name"):
        place.take(b"a,,b\n1,2,3\n", format="csv")
    with pytest.raises(Misconfigured, match="no header"):
        place.take(b"", format="csv")


def test_a_line_that_is_too_long_is_refused_and_the_next_one_read() -> None:
    """Memory has a bound, whatever is sent."""
    content = io.BytesIO(b"a\n" + b"x" * (files_read.LONGEST + 5) + b"\nb\n")

    found = list(lines(content))

    assert [1, 2, 3] == [line.number for line in found]
    assert (b"a", b"b") == (found[0].record, found[2].record)
    assert "more than" in found[1].fault
    assert 1000 == len(found[1].record)


@given(st.lists(st.binary(max_size=20).filter(lambda b: b"\n" not in b), max_size=30), st.integers(1, 40))
def test_lines_are_those_of_the_file_however_it_is_read(texts: list[bytes], size: int) -> None:
    """The pieces in which a file comes make no difference."""
    content = b"\n".join(texts)
    found = list(lines(_Pieces(content, size)))

    expected = content.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    assert [line.rstrip(b"\r") for line in (expected if expected[-1] else expected[:-1])] == [
        one.record for one in found
    ]
    assert list(range(1, len(found) + 1)) == [line.number for line in found]


class _Pieces(io.BytesIO):
    def __init__(self, content: bytes, size: int) -> None:
        super().__init__(content)
        self._size = size

    def read(self, size: int | None = -1, /) -> bytes:
        # The mark of byte order comes whole: only its first piece is looked at.
        return super().read(max(3, self._size))


VALUES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00\r"), max_size=12)


@settings(max_examples=60)
@given(st.lists(st.tuples(VALUES, VALUES), max_size=8))
def test_csv_of_any_text_arrives(rows: list[tuple[str, str]]) -> None:
    """Quotes, commas and line ends within fields included."""

    def cell(text: str) -> str:
        return '"' + text.replace('"', '""') + '"'

    content = "a,b\n" + "".join(f"{cell(a)},{cell(b)}\n" for a, b in rows)
    columns = Contract.from_columns({"a": "string", "b": "string"}).columns()

    found = list(csv_records(io.BytesIO(content.encode()), columns))

    assert [{"a": a, "b": b} for a, b in rows] == [msgspec.json.decode(line.record) for line in found]


def test_a_stream_that_cannot_seek_is_enough() -> None:
    """As S3 gives it."""

    class Stream(io.RawIOBase):
        def __init__(self, content: bytes) -> None:
            self._inner = io.BytesIO(content)

        def readable(self) -> bool:
            return True

        def readinto(self, buffer: Any) -> int:
            return self._inner.readinto(memoryview(buffer)[:7])

    for content in (GOOD, gzip.compress(GOOD), b"", b"{"):
        raw: BinaryIO = io.BufferedReader(Stream(content), 8)
        plain = gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
        assert [plain.strip()] * bool(plain) == [line.record for line in json_records(unpacked(raw))]


@pytest.mark.skipif(not RECORDS.is_dir(), reason="the sample records are not there")
def test_the_sample_events_land_as_they_must(place: Place) -> None:
    """Two lines land, five are quarantined, each for its reason; and again."""
    content = (RECORDS / "events.jsonl").read_bytes()
    contract = Contract.from_text((RECORDS / "event.schema.json").read_bytes(), file="event.schema.json")
    reports = [place.take(content, contract=contract) for _ in range(2)]

    assert [(2, 5, False), (0, 5, True)] == [(r.rows, r.rejected, r.known) for r in reports]
    assert ["1", "2"] == [row["event_type"] for row in place.rows()]
    told = {one["line"]: {(r["pointer"], r["keyword"]) for r in one["reasons"]} for one in place.rejected()}
    assert {
        3: {("/event_type", "type"), ("/data", "required")},
        4: {("", "json")},
        5: {("", "required")},
        6: {
            ("/event_time", "format"),
            ("/data", "required"),
            ("/data/user_email", "format"),
            ("/processing_date", "format"),
        },
        7: {("", "type")},
    } == told


def test_a_file_of_which_no_line_fits_does_not_land(place: Place) -> None:
    """Nor does its schema; the message tells the first lines, and what the file seems to be."""
    with pytest.raises(Violation) as caught:
        place.take(b'[{"event_type": 1},\n{"event_type": 2}]\n')

    assert "none of the 2 lines fits the schema; half of them at most may" == caught.value.message
    told = caught.value.hint.splitlines()
    assert 'it looks like one JSON array; write one object per line: jq -c ".[]"' == told[0]
    assert ["line 1", "line 2"] == [line.strip().partition(":")[0] for line in told[1:3]]
    assert [] == list(place.store.list(""))


def test_more_than_half_of_many_lines_is_too_much_and_of_few_it_is_not(place: Place) -> None:
    """A share of few lines says little; whoever knows better gives a share."""
    with pytest.raises(Violation, match=r"11 of 21 lines break the contract; half of them at most may"):
        place.take(GOOD * 10 + b"{}\n" * 11)

    assert 10 == place.take(GOOD * 10 + b"{}\n" * 10).rows
    assert 1 == place.take(GOOD + b"{}\n" * 5).rows
    assert 1 == place.take(GOOD + b"{}\n" * 50, max_rejected=1.0).rows


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"id": 1}\n'.encode("utf-16"), "it looks like UTF-16"),
        ('{"id": "é"}\n'.encode("latin-1"), "if it is Latin-1"),
        (b"id,name\n1,a\n", "it looks like CSV; say --format csv"),
    ],
)
def test_a_refused_file_is_told_what_it_seems_to_be(place: Place, content: bytes, said: str) -> None:
    with pytest.raises(Violation) as caught:
        place.take(content)

    assert said in caught.value.hint


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"ID,name\n1,a\n", 'its header has "ID" for "id"'),
        (b"id;name\n1;a\n", "separated by semicolons"),
        (b"number,text\n1,a\n", "its header has number, text; the schema has id, name"),
        (b"id,name\r1,a\r2,b\r", "CR alone"),
        (b"id,name,\n1,a,\n", "ends with a comma: its last column, number 3, has no name"),
        ("id,é\n1,a\n".encode("latin-1"), "if it is Latin-1"),
        ("id,name\n1,a\n".encode("utf-16"), "it looks like UTF-16"),
    ],
)
def test_a_refused_table_is_told_what_its_header_seems_to_be(place: Place, content: bytes, said: str) -> None:
    contract = Contract.from_columns({"id": "integer", "name": {"type": "string", "nullable": True}})
    with pytest.raises((Violation, Misconfigured)) as caught:
        place.take(content, contract=contract, format="csv")

    assert said in str(caught.value)
    assert [] == list(place.store.list(""))


def one_of(*kinds: str) -> Contract:
    """The contract of a record whose `id` may be of these types."""
    return Contract.from_schema({"properties": {"id": {"type": [*kinds]}}, "required": ["id"]})


def ids(place: Place) -> list[Any]:
    return [json.loads(line)["id"] for part in place.parts() for line in part.splitlines()]


def test_under_a_corrected_schema_only_the_refused_lines_land(place: Place) -> None:
    """What landed is not there twice; what is still refused is told again, and may land another time."""
    content = b'{"id": 1}\n{"id": "a"}\n\n{"id": true}\n{"id": 2}\n{"id": "b"}\n'
    first = place.take(content, contract=one_of("integer"), nested="json")
    same = place.take(content, contract=one_of("integer"), nested="json")
    better = place.take(content, contract=one_of("integer", "string"), nested="json")
    useless = place.take(content, contract=one_of("integer", "null"), nested="json")
    whole = place.take(content, contract=one_of("integer", "string", "boolean"), nested="json")
    after = place.take(content, contract=one_of("integer"), nested="json")

    assert [(2, 3, False), (0, 3, True), (2, 1, False), (0, 1, True), (1, 0, False), (0, 0, True)] == [
        (one.rows, one.rejected, one.known) for one in (first, same, better, useless, whole, after)
    ]
    assert [1, 1, 2, 2, 3, 3] == [one.sequence for one in (first, same, better, useless, whole, after)]
    assert [0, 1, 2] == [one.earlier for one in (first, better, whole)]
    assert [1, 2, "a", "b", True] == ids(place)
    assert ['line 4: /id the value is not of types "integer", "string"'] == better.first
    assert better.first != useless.first
    assert after.other_schema
    assert () == after.rejected_parts


def test_csv_that_was_read_as_json_lands_when_it_is_said_to_be_csv(place: Place) -> None:
    """Its rows then begin at other lines; those that do are taken."""
    contract = Contract.from_columns({"id": "integer", "name": "string"})
    content = b'id,name\n1,"a\nb"\n2,c\n'
    assert 4 == place.take(content, contract=contract, max_rejected=1.0).rejected
    again = place.take(content, contract=contract, format="csv", primary_key=("id",))

    assert (2, 0, 1) == (again.rows, again.rejected, again.earlier)


def test_two_who_correct_at_once_land_the_lines_once(place: Place) -> None:
    """The second finds that the first was faster."""
    content = b'{"id": 1}\n{"id": "a"}\n'

    class Racing(MemoryStore):
        racing = False

        def put_file(self, key: str, file: Path, *, sha256: str) -> str:
            if self.racing:
                self.racing = False
                place.take(content, contract=one_of("integer", "string"), nested="json")
            return super().put_file(key, file, sha256=sha256)

    store = Racing(place.clock)
    place.store = store
    place.take(content, contract=one_of("integer"), nested="json")
    store.racing = True
    late = place.take(content, contract=one_of("integer", "string", "null"), nested="json")

    assert (2, True, 0) == (late.sequence, late.known, late.rows)
    assert [1, "a"] == ids(place)


def test_what_lands_again_is_told_where_it_landed_before(place: Place) -> None:
    place.take(GOOD)

    assert (1, 2) == ((again := place.take(GOOD, again=True)).repeats, again.sequence)
