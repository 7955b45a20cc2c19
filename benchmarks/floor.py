"""The floor: the least that this work costs in Python, one thread, nothing checked and nothing remembered.

    python -m benchmarks.floor jsonl http://127.0.0.1:8080 OUT [--streams accounts,invoices]

* `raw`   keep-alive fetch with http.client, bodies dropped
* `page`  the raw pages through igzip level 1
* `jsonl` keep-alive fetch, orjson parse, one record a line, igzip level 1
* `csv`   the same with Python's csv, nested values as JSON text
* `duck`  `jsonl`, then DuckDB's read_json into a table per stream
"""

from __future__ import annotations

import argparse
import csv
import http.client
import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson
from isal import igzip

from benchmarks.data import STREAMS


def pages(base_url: str, stream: str, *, gzip: bool = False) -> Iterator[bytes]:
    """The bodies of a list, over one connection; the next link is parsed out of each by orjson, as the floor does."""
    connection = http.client.HTTPConnection(urlsplit(base_url).netloc, timeout=60)
    target: str | None = f"/{stream}?limit=200"
    while target:
        connection.request("GET", target, headers={"Accept-Encoding": "gzip"} if gzip else {})
        answer = connection.getresponse()
        body = answer.read()
        if answer.getheader("Content-Encoding") == "gzip":
            body = igzip.decompress(body)
        yield body
        target = _next(body)
    connection.close()


def _next(body: bytes) -> str | None:
    """The link of a page without parsing its records: it stands before them."""
    head = body[: body.index(b'"data":[')] + b'"data":[]}'
    link: str | None = orjson.loads(head)["next"]
    return link


def write_pages(base_url: str, stream: str, folder: Path | None) -> int:
    """`raw` without a folder, `page` with one. The rows are not known."""
    if folder is None:
        for _ in pages(base_url, stream):
            pass
        return 0
    with igzip.open(folder / f"{stream}.pages.gz", "wb", compresslevel=1) as file:
        for body in pages(base_url, stream):
            file.write(body + b"\n")
    return 0


def write_jsonl(base_url: str, stream: str, folder: Path) -> int:
    rows = 0
    with igzip.open(folder / f"{stream}.jsonl.gz", "wb", compresslevel=1) as file:
        for body in pages(base_url, stream):
            records = orjson.loads(body)["data"]
            file.write(b"".join([orjson.dumps(record) + b"\n" for record in records]))
            rows += len(records)
    return rows


def write_csv(base_url: str, stream: str, folder: Path) -> int:
    rows = 0
    columns: list[str] = []
    with igzip.open(folder / f"{stream}.csv.gz", "wb", compresslevel=1) as file:
        for body in pages(base_url, stream):
            records = orjson.loads(body)["data"]
            text = io.StringIO()
            writer = csv.writer(text)
            if not columns:
                columns = list(records[0])
                writer.writerow(columns)
            for record in records:
                writer.writerow([_cell(record.get(name)) for name in columns])
            file.write(text.getvalue().encode())
            rows += len(records)
    return rows


def _cell(value: Any) -> Any:
    return orjson.dumps(value).decode() if isinstance(value, dict | list) else value


def write_duck(base_url: str, stream: str, folder: Path) -> int:
    import duckdb

    rows = write_jsonl(base_url, stream, folder)
    with duckdb.connect(str(folder / "floor.duckdb")) as connection:
        connection.execute("SET threads = 1")
        file = folder / f"{stream}.jsonl.gz"
        source = f"read_json('{file}', format = 'newline_delimited', maximum_depth = 1)"
        connection.execute(f'CREATE TABLE "{stream}" AS SELECT * FROM {source}')
    return rows


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("case", choices=("raw", "page", "jsonl", "csv", "duck"))
    parser.add_argument("base_url")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--streams", default=",".join(STREAMS))
    options = parser.parse_args(arguments)
    options.folder.mkdir(parents=True, exist_ok=True)
    rows = {}
    for stream in options.streams.split(","):
        match options.case:
            case "raw":
                rows[stream] = write_pages(options.base_url, stream, None)
            case "page":
                rows[stream] = write_pages(options.base_url, stream, options.folder)
            case "jsonl":
                rows[stream] = write_jsonl(options.base_url, stream, options.folder)
            case "csv":
                rows[stream] = write_csv(options.base_url, stream, options.folder)
            case "duck":
                rows[stream] = write_duck(options.base_url, stream, options.folder)
    print(json.dumps(rows))


if __name__ == "__main__":
    main(sys.argv[1:])
