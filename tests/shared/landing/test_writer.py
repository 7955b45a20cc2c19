"""Parts: what goes in comes out, the same records give the same bytes, and nothing half-written is ever seen."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import random
import subprocess
import sys
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.common.errors import Misconfigured, Transient, Violation
from shared.common.fakes import FakeClock, MemoryStore
from shared.common.ports import ObjectStore
from shared.landing.folder import FolderStore
from shared.landing.writer import BLOCK, Landing, PartWriter, rejection


def records(count: int, seed: int = 1) -> list[bytes]:
    source = random.Random(seed)
    return [b'{"id":%d,"name":"%x"}\n' % (n, source.getrandbits(400)) for n in range(count)]


def scratch(store: ObjectStore) -> list[Path]:
    return list(store.scratch().iterdir()) if store.scratch().exists() else []


@pytest.mark.parametrize("format", ["jsonl.gz", "jsonl"])
def test_a_part_says_what_it_holds(landing: Landing, store: ObjectStore, format: str) -> None:
    lines = records(5000)
    writer = landing.part("r1", 1, 2, 3, format)
    for line in lines:
        writer.write(line, 1)
    part = writer.close()

    stored, raw = store.get(part.key), b"".join(lines)
    assert part.key == f"landing/recurly/accounts/data/dt=2026-11-20/r1/a001-w00002-part-00003.{format}"
    assert (part.rows, part.raw_bytes, part.bytes) == (5000, len(raw), len(stored))
    assert part.sha256 == hashlib.sha256(stored).hexdigest()
    assert (gzip.decompress(stored) if format.endswith("gz") else stored) == raw
    info = store.head(part.key)
    assert info is not None
    assert info.etag == part.etag
    assert scratch(store) == []


def test_the_header_holds_no_time_and_no_name(landing: Landing, store: ObjectStore) -> None:
    writer = landing.part("r1", 1)
    writer.write(b"{}\n", 1)
    stored = store.get(writer.close().key)

    assert stored[:4] == b"\x1f\x8b\x08\x00"  # no flags: no name, no comment
    assert stored[4:8] == bytes(4)  # no time


@settings(max_examples=12, deadline=None)
@given(data=st.data())
def test_the_bytes_do_not_depend_on_how_the_records_were_cut(data: st.DataObject) -> None:
    raw = b"".join(records(9000, seed=data.draw(st.integers(0, 3))))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=12)))
    store = MemoryStore()
    landing = Landing(store, "s", "t", FakeClock())
    digests = set()
    for index, places in enumerate(([], cuts)):
        writer = landing.part("r", 1, 0, index)
        for start, end in zip([0, *places], [*places, len(raw)], strict=True):
            writer.write(raw[start:end], 1)
        digests.add(writer.close().sha256)

    assert len(raw) > 3 * BLOCK
    assert len(digests) == 1


def test_a_chunk_larger_than_any_block_is_taken(landing: Landing, store: ObjectStore) -> None:
    writer = landing.part("r1", 1)
    record = b'{"x":"' + b"y" * 10_000_000 + b'"}\n'
    writer.write(record, 1)
    part = writer.close()

    assert gzip.decompress(store.get(part.key)) == record


def test_the_size_grows_with_every_record(landing: Landing) -> None:
    writer = landing.part("r1", 1)
    sizes = [writer.size]
    for line in records(3):
        writer.write(line, 1)
        sizes.append(writer.size)
    writer.abort()

    assert sizes[0] == 0
    assert sizes == sorted(set(sizes))


def test_a_writer_without_records_makes_no_part(landing: Landing, store: ObjectStore) -> None:
    writer = landing.part("r1", 1, format="csv.gz")
    writer.write(b"id,name\r\n", 0)  # the header is no record
    with pytest.raises(ValueError, match="a part without records is none"):
        writer.close()

    assert list(store.list("landing/")) == []
    assert scratch(store) == []


def test_an_aborted_part_leaves_nothing_and_takes_nothing_more(landing: Landing, store: ObjectStore) -> None:
    writer = landing.part("r1", 1)
    writer.write(b"{}\n" * BLOCK, BLOCK)
    writer.abort()
    writer.abort()

    assert list(store.list("landing/")) == []
    assert scratch(store) == []
    for call in (lambda: writer.write(b"{}\n", 1), writer.close):
        with pytest.raises(ValueError, match="closed"):
            call()


def test_a_forgotten_part_leaves_nothing(landing: Landing, store: ObjectStore) -> None:
    writer = landing.part("r1", 1)
    writer.write(b"{}\n" * BLOCK, BLOCK)
    assert len(scratch(store)) == 1
    del writer

    assert scratch(store) == []


def test_an_orphan_of_the_same_name_and_content_is_taken_over(landing: Landing, store: ObjectStore) -> None:
    parts = []
    for _ in range(2):
        writer = landing.part("r1", 1)
        writer.write(b"{}\n", 1)
        parts.append(writer.close())

    assert parts[0] == parts[1]
    assert len(list(store.list("landing/"))) == 1


def test_an_orphan_of_the_same_name_and_other_content_is_left_alone(
    landing: Landing, store: ObjectStore
) -> None:
    names = []
    for body in (b"1\n", b"2\n", b"3\n"):
        writer = landing.part("r1", 1)
        writer.write(body, 1)
        part = writer.close()
        names.append(part.key.rpartition("/")[2])
        assert gzip.decompress(store.get(part.key)) == body

    assert names == ["a001-w00000-part-00000.jsonl.gz"] + [
        f"a001-w00000-part-00000-{n}.jsonl.gz" for n in (2, 3)
    ]


def test_a_store_that_takes_no_name_is_reported(clock: FakeClock) -> None:
    class Full(MemoryStore):
        def put_file(self, key: str, file: Path, *, sha256: str) -> str:
            raise FileExistsError(key)

    store = Full()
    writer = Landing(store, "s", "t", clock).part("r1", 1)
    writer.write(b"{}\n", 1)
    with pytest.raises(Violation, match="100 parts with other content"):
        writer.close()
    assert scratch(store) == []


def test_a_store_that_fails_leaves_no_scratch_file(clock: FakeClock) -> None:
    class Failing(MemoryStore):
        def put_file(self, key: str, file: Path, *, sha256: str) -> str:
            raise Transient("down")

    store = Failing()
    writer = Landing(store, "s", "t", clock).part("r1", 1)
    writer.write(b"{}\n", 1)
    with pytest.raises(Transient, match="down"):
        writer.close()
    assert scratch(store) == []


def test_an_unknown_format_is_refused_before_anything_is_made(landing: Landing, store: ObjectStore) -> None:
    with pytest.raises(Misconfigured, match="unknown format of parts"):
        landing.part("r1", 1, format="parquet")
    assert scratch(store) == []


def test_a_full_disk_ends_the_part_with_a_clear_text(small_disk: Path, clock: FakeClock) -> None:
    store = FolderStore(small_disk)
    writer = Landing(store, "s", "t", clock).part("r1", 1, format="jsonl")
    lines = b"".join(records(100_000))
    with pytest.raises(Transient, match="the disk is full: could not write a part"):
        writer.write(lines, 100_000)

    assert list(store.list("")) == []
    assert scratch(store) == []
    assert os.statvfs(small_disk).f_bavail * os.statvfs(small_disk).f_frsize > 900_000


def test_landing_sweeps_what_a_dead_writer_left(store: ObjectStore, clock: FakeClock) -> None:
    store.scratch().mkdir(parents=True, exist_ok=True)
    left = store.scratch() / "dead.scratch"
    left.touch()
    os.utime(left, (1, 1))
    Landing(store, "recurly", "accounts", clock)

    assert not left.exists()


MEMORY = """
import pathlib, resource, sys
from shared.common.fakes import FakeClock
from shared.landing.folder import FolderStore
from shared.landing.writer import Landing
chunk = b"".join(b'{"id":%d,"text":"%064x"}\\n' % (n, n * 7919**9) for n in range(200))
landing = Landing(FolderStore(pathlib.Path(sys.argv[1])), "s", "t", FakeClock())
def write(pages):
    writer = landing.part("r", 1, index=pages)
    for _ in range(pages):
        writer.write(chunk, 200)
    writer.close()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(write(100), write(5000))
"""


def test_memory_does_not_grow_with_the_number_of_records(tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-c", MEMORY, str(tmp_path)], capture_output=True, text=True, check=True
    )
    few, many = (int(kilobytes) for kilobytes in result.stdout.split())

    assert many - few < 2_000


def test_rejected_records_are_kept_with_their_reasons(landing: Landing, store: ObjectStore) -> None:
    writer = landing.reject("r1", 1, 4)
    writer.add(b'{"id": 12345678901234567890.10}', reason="not an integer", pointer="/id")
    writer.add(b"not json", reason="not JSON", line=7)
    part = writer.close()

    assert part.key == "landing/recurly/accounts/rejected/dt=2026-11-20/r1/a001-w00004-part-00000.jsonl.gz"
    assert part.rows == 2
    assert gzip.decompress(store.get(part.key)).splitlines() == [
        b'{"reason":"not an integer","pointer":"/id","record":{"id": 12345678901234567890.10}}',
        b'{"reason":"not JSON","pointer":"","line":7,"text":"not json"}',
    ]


@pytest.mark.parametrize(
    "record",
    [b"NaN", b'{"a": Infinity}', b"\xff\xfe", b"[" * 100_000, b"", b'\xef\xbb\xbf{"a":1}', b"{'a': 1}"],
)
def test_what_is_no_json_is_quarantined_as_text(record: bytes) -> None:
    line = json.loads(rejection(record, reason="r"))

    assert line["text"].encode() == record or b"\xff" in record or record.startswith(b"\xef")
    assert "record" not in line


@given(
    st.one_of(
        st.binary(),
        st.recursive(st.integers() | st.text() | st.none(), st.lists).map(
            lambda v: json.dumps(v, indent=1).encode()
        ),
    ),
    st.text(),
)
def test_every_rejection_is_one_line_of_json(record: bytes, reason: str) -> None:
    line = rejection(record, reason=reason)

    assert line.count(b"\n") == 1
    document = json.loads(line)
    assert document["reason"] == reason
    if "record" in document:
        assert document["record"] == json.loads(record)


def test_a_part_writer_is_what_landing_gives(landing: Landing) -> None:
    writer = landing.part(run="r1", attempt=1, window=0, index=0, format="csv", level=0)

    assert isinstance(writer, PartWriter)
    writer.abort()


def test_the_checksum_of_gzip_is_right(landing: Landing, store: ObjectStore) -> None:
    raw = b"".join(records(100))
    writer = landing.part("r1", 1)
    writer.write(raw, 100)
    stored = store.get(writer.close().key)

    assert int.from_bytes(stored[-8:-4], "little") == zlib.crc32(raw)
