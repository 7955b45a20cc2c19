"""Reading a table of PostgreSQL: `python -m benchmarks sql [--rows N] [--rounds N] [--variants]`.

The product (a whole run into a landing folder: JSON lines, gzip, commits) against `COPY … TO STDOUT` of the same table
through the same gzip. Each in a process of its own, in turns; the bar is 0.6 of the speed, and 120 MB. `--variants`
adds the ways of making JSON in the server that were looked at: seconds of CPU of the server's process alone.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.processes import ROOT, run

COLUMNS = """
id bigint PRIMARY KEY, name text NOT NULL, total numeric(12,2) NOT NULL, updated_at timestamptz NOT NULL,
active boolean NOT NULL, region integer NOT NULL, token uuid NOT NULL, day date, score double precision, note text
"""
FILL = """
INSERT INTO big SELECT i, 'customer number ' || i, (i * 1.37)::numeric(12,2),
  '2026-01-01'::timestamptz + i * interval '1 s', i % 2 = 0, i % 1000, md5(i::text)::uuid,
  date '2020-01-01' + (i % 1000)::int, sqrt(i), CASE WHEN i % 10 = 0 THEN NULL ELSE 'note "quoted" é ' || i END
FROM generate_series(1, {rows}) i
"""
CSV = r"(FORMAT csv, QUOTE E'\x01', DELIMITER E'\x02')"
VARIANTS = {
    "COPY big, as the bar has it": "COPY big TO '/dev/null'",
    "values, keys by the client (chosen)": "COPY ({product}) TO '/dev/null' " + CSV,
    "format(), the whole line": "COPY ({format}) TO '/dev/null' " + CSV,
    "row_to_json": "COPY (SELECT row_to_json(b) FROM big b) TO '/dev/null' " + CSV,
    "json_build_object": "COPY (SELECT json_build_object({pairs}) FROM big) TO '/dev/null' " + CSV,
    "to_jsonb": "COPY (SELECT to_jsonb(b) FROM big b) TO '/dev/null' " + CSV,
}
NAMES = "id name total updated_at active region token day score note".split()
FORMAT = (
    "SELECT format('{"
    + ",".join(f'"{name}":%s' for name in NAMES)
    + "}', "
    + ", ".join(f"coalesce(to_json({name})::text, 'null')" for name in NAMES)
    + ") FROM big"
)
PAIRS = ", ".join(f"'{name}', {name}" for name in NAMES)


def copied(url: str, folder: Path) -> dict[str, float]:
    """`COPY … TO STDOUT` through the product's own gzip, as one part."""
    import psycopg

    from shared.common.clock import SystemClock
    from shared.landing.folder import FolderStore
    from shared.landing.writer import Landing

    landing = Landing(FolderStore(folder), "bench", "copy", SystemClock())
    began = time.perf_counter()
    part = landing.part("r", 1)
    held, size = list[bytes](), 0
    with psycopg.connect(url) as connection, connection.cursor().copy("COPY big TO STDOUT") as copy:
        for row in copy:
            held.append(bytes(row))
            size += len(row)
            if size >= 256 * 1024:
                part.write(b"".join(held), len(held))
                held, size = [], 0
    part.write(b"".join(held), len(held))
    done = part.close()
    return {"seconds": time.perf_counter() - began, "rows": done.rows}


def landed(url: str, folder: Path, parallel: int) -> dict[str, float]:
    """A run of the product, from the first connection to the last commit."""
    import shared.ingestion.sql_session  # noqa: F401 - what a process imports once is no part of a table
    from shared.common.clock import SystemClock
    from shared.common.fakes import DictSecrets, FixedDeadline
    from shared.ingestion.run import ingest
    from shared.ingestion.session import Tools
    from shared.ingestion.source import Source
    from shared.ingestion.sql_spec import SqlSpec
    from shared.landing.folder import FolderStore

    bare = url.replace("sluice@", "")
    streams = {"big": {"table": "big", "parallel": parallel}}
    document = {"type": "sql", "source": "bench", "url": bare, "auth": {"username": "U"}, "streams": streams}
    sql = SqlSpec.model_validate(document)
    tools = Tools(
        FolderStore(folder), SystemClock(), FixedDeadline(), DictSecrets({"U": "sluice"}), lambda: "00000000"
    )
    began = time.perf_counter()
    report = ingest(Source(sql.plain(), "bench", sql=sql), tools)
    seconds = time.perf_counter() - began
    assert not report.failed, report.failed
    return {"seconds": seconds, "rows": report.streams["big"].rows}


def variants(url: str) -> None:
    """CPU of the server's process for each way, without a client."""
    import psycopg

    from shared.common.fakes import DictSecrets
    from shared.ingestion.sql_connect import Database, Snapshot
    from shared.ingestion.sql_query import Query
    from shared.ingestion.sql_spec import SqlAuth
    from shared.ingestion.sql_table import Range

    database = Database(url.replace("sluice@", ""), SqlAuth(username="U"), DictSecrets({"U": "sluice"}))
    with Snapshot(database) as snapshot, snapshot.reader() as reader:
        product = Query(reader.dialect, reader.shape("big")).lines(Range())
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        ways = {
            name: text.replace("{product}", product).replace("{format}", FORMAT).replace("{pairs}", PAIRS)
            for name, text in VARIANTS.items()
        }
        for name, way in ways.items():
            costs = []
            for _ in range(2):
                before = _cpu(connection.info.backend_pid)
                connection.execute(way.encode())
                costs.append(_cpu(connection.info.backend_pid) - before)
            print(f"  {name:38}{min(costs):6.2f} s CPU of the server")


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks sql", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--variants", action="store_true")
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.child:
        kind, url, folder = options.child
        done = copied(url, Path(folder)) if kind == "copy" else landed(url, Path(folder), int(kind))
        print(json.dumps(done))
        return 0
    import psycopg

    from tests.servers.databases import postgres

    with postgres() as url, psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE TABLE big ({COLUMNS})".encode())
        connection.execute(FILL.format(rows=options.rows).encode())
        connection.execute("VACUUM ANALYZE big")
        return _measured(url, options)


def _measured(url: str, options: argparse.Namespace) -> int:
    costs: dict[str, list[tuple[float, float, float]]] = {"copy": [], "1": [], "2": []}
    for _ in range(options.rounds):
        for kind, found in costs.items():
            with tempfile.TemporaryDirectory() as folder:
                cost = run([sys.executable, "-m", "benchmarks", "sql", "--child", kind, url, folder])
            if cost.code:
                raise subprocess.CalledProcessError(cost.code, kind, cost.output, cost.errors)
            answer: dict[str, Any] = json.loads(cost.output.splitlines()[-1])
            assert answer["rows"] == options.rows
            found.append((answer["seconds"], cost.cpu, cost.peak))
    floor = min(seconds for seconds, _, _ in costs["copy"])
    names = {"copy": "COPY big TO STDOUT | gzip", "1": "the product", "2": "the product, parallel: 2"}
    print(
        f"{options.rows:,} rows of 10 columns, {options.rounds} rounds in turns, the best of each; {ROOT.name}"
    )
    for kind, found in costs.items():
        seconds, cpu, peak = (min(one[place] for one in found) for place in range(3))
        worst = max(one[2] for one in found)
        rate = options.rows / seconds
        print(
            f"  {names[kind]:28}{seconds:6.2f} s  {rate:>10,.0f} rows/s  {floor / seconds:5.2f} of COPY's speed  "
            f"{cpu:5.2f} s CPU  {peak:.0f}-{worst:.0f} MB"
        )
    if options.variants:
        variants(url)
    best = min(min(seconds for seconds, _, _ in costs[kind]) for kind in ("1", "2"))
    return 0 if floor / best >= 0.6 else 1
