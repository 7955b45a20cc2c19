"""The way from a page to the bytes of a part, without a network: each step, the whole, and the floor, in CPU time.

    python -m benchmarks hotpath [--records 16000] [--rounds 7]

All variants take turns on the same pages in one thread, so that what else runs on the machine hits all alike; the
figure is the least of the rounds, in microseconds a record.
"""

from __future__ import annotations

import argparse
import csv
import io
import statistics
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import process_time
from typing import Any

import jsonschema_rs
import msgspec
import orjson
from isal import isal_zlib

from benchmarks.data import STREAMS, contract_of, make_stream
from shared.common.formats import Csv, Format, JsonLines
from shared.contracts.contract import Contract
from shared.contracts.page import PageChecker

PAGE = 200


class _Page(msgspec.Struct):
    data: list[msgspec.Raw]


_slices = msgspec.json.Decoder(_Page)


@dataclass(frozen=True)
class Stream:
    """The pages of one stream as bodies and as slices, and everything compiled for it."""

    bodies: tuple[bytes, ...]
    records: tuple[tuple[bytes, ...], ...]
    columns: tuple[str, ...]
    checker: PageChecker
    is_valid: Callable[[Any], bool]
    all_valid: Callable[[Any], bool]

    @classmethod
    def make(cls, name: str, rows: int) -> Stream:
        made = make_stream(name, rows, unique=min(rows, 5000))
        head = b'{"object":"list","has_more":true,"next":"/x?cursor=1","data":['
        bodies = tuple(head + made.page(start, start + PAGE) + b"]}" for start in range(0, rows, PAGE))
        schema = contract_of(name)
        contract = Contract.from_schema(schema, name=name)
        return cls(
            bodies,
            tuple(cut(body) for body in bodies),
            tuple(column.name for column in contract.columns()),
            PageChecker(contract, key_fields=("id",), cursor_field="updated_at"),
            jsonschema_rs.validator_for(schema, validate_formats=True).is_valid,
            jsonschema_rs.validator_for({"items": schema}, validate_formats=True).is_valid,
        )


def cut(body: bytes) -> tuple[bytes, ...]:
    """The records of a page as they stand in it."""
    return tuple(map(bytes, _slices.decode(body).data))


def floor(stream: Stream) -> None:
    """Orjson parse, one record a line, igzip level 1."""
    packer = isal_zlib.compressobj(1, isal_zlib.DEFLATED, 31)
    for body in stream.bodies:
        packer.compress(b"".join([orjson.dumps(record) + b"\n" for record in orjson.loads(body)["data"]]))
    packer.flush()


def floor_csv(stream: Stream) -> None:
    """The floor with Python's csv."""
    packer = isal_zlib.compressobj(1, isal_zlib.DEFLATED, 31)
    for body in stream.bodies:
        text = io.StringIO()
        writer = csv.writer(text)
        for record in orjson.loads(body)["data"]:
            values = map(record.get, stream.columns)
            writer.writerow([orjson.dumps(v).decode() if isinstance(v, dict | list) else v for v in values])
        packer.compress(text.getvalue().encode())
    packer.flush()


def product(make: Callable[[Stream], Format]) -> Callable[[Stream], None]:
    """Cut, check, encode, compress: everything the product does to a page but fetch and write it."""

    def whole(stream: Stream) -> None:
        form = make(stream)
        packer = isal_zlib.compressobj(1, isal_zlib.DEFLATED, 31)
        for body in stream.bodies:
            verdict = stream.checker.check(cut(body))
            assert not verdict.rejected
            packer.compress(form.encode(verdict.accepted))
        packer.flush()

    return whole


def each_body(step: Callable[[bytes], object]) -> Callable[[Stream], None]:
    def over(stream: Stream) -> None:
        for body in stream.bodies:
            step(body)

    return over


def each_page(step: Callable[[Stream, tuple[bytes, ...]], object]) -> Callable[[Stream], None]:
    def over(stream: Stream) -> None:
        for records in stream.records:
            step(stream, records)

    return over


def compress(level: int) -> Callable[[Stream], None]:
    def over(stream: Stream) -> None:
        packer = isal_zlib.compressobj(level, isal_zlib.DEFLATED, 31)
        for records in stream.records:
            packer.compress(b"\n".join(records))
        packer.flush()

    return over


def validated(stream: Stream, records: tuple[bytes, ...]) -> bool:
    return all(map(stream.is_valid, map(orjson.loads, records)))


def validated_whole(stream: Stream) -> None:
    for body in stream.bodies:
        stream.all_valid(orjson.loads(body)["data"])


VARIANTS: dict[str, Callable[[Stream], None]] = {
    "floor: orjson.loads, dumps a line, igzip 1": floor,
    "product, JSON lines: cut, check, encode, igzip 1": product(lambda stream: JsonLines()),
    "floor, CSV: orjson.loads, csv.writer, igzip 1": floor_csv,
    "product, CSV: cut, check, encode, igzip 1": product(lambda stream: Csv(stream.columns)),
    "parse: orjson.loads of the page": each_body(orjson.loads),
    "parse: msgspec, untyped": each_body(msgspec.json.decode),
    "cut: raw slices (msgspec.Raw)": each_body(_slices.decode),
    "cut: raw slices as bytes": each_body(cut),
    "check: orjson.loads and jsonschema-rs, a record": each_page(validated),
    "check: orjson.loads and jsonschema-rs, a page": validated_whole,
    "check: the contract's type and the left-over checks": each_page(
        lambda s, records: s.checker.check(records)
    ),
    "encode: JSON lines from slices": each_page(lambda s, records: JsonLines().encode(records)),
    "encode: JSON lines by orjson.dumps of parsed records": each_page(
        lambda s, records: b"".join([orjson.dumps(orjson.loads(record)) + b"\n" for record in records])
    ),
    "encode: CSV from slices": each_page(lambda s, records: Csv(s.columns).encode(records)),
    "UTF-8: str(page)": each_body(lambda body: body.isascii() or body.decode()),
    "compress: igzip 0": compress(0),
    "compress: igzip 1": compress(1),
}


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--records", type=int, default=16_000, help="in all four streams together")
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args(arguments)
    rows = options.records // len(STREAMS) // PAGE * PAGE
    streams = [Stream.make(name, rows) for name in STREAMS]
    times: dict[str, list[float]] = {name: [] for name in VARIANTS}
    for _ in range(options.rounds):
        for name, variant in VARIANTS.items():
            began = process_time()
            for stream in streams:
                variant(stream)
            times[name].append((process_time() - began) / (rows * len(STREAMS)) * 1e6)
    base = min(times[next(iter(VARIANTS))])
    print("| step | µs a record, least | median | records/s | speed, floor = 1 |\n|---|---|---|---|---|")
    for name, found in times.items():
        least = min(found)
        middle = statistics.median(found)
        print(f"| {name} | {least:.1f} | {middle:.1f} | {1e6 / least:,.0f} | {base / least:.2f} |")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
