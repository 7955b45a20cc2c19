"""Landed records into each warehouse, against the fastest way that the warehouse itself has for the same rows.

    python -m benchmarks load [--records 200000] [--rounds 3] [--warehouses duckdb,postgres,mariadb]

DuckDB: `INSERT … SELECT … FROM read_json(…)` of the same files. PostgreSQL: `COPY … FROM STDIN` of rows that were
written out beforehand, into a table of the same types. MariaDB: `LOAD DATA LOCAL INFILE` of such rows. Product and own
way take turns, each into an empty table. Wall seconds, and CPU seconds of this process and of the server's together: on
a machine that does other work as well, the latter say more.
"""

from __future__ import annotations

import argparse
import itertools
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.data import contract_of, make_stream
from benchmarks.processes import spread
from shared.common.clock import SystemClock
from shared.contracts.columns import Column
from shared.contracts.contract import Contract
from shared.landing.commit import Draft
from shared.landing.folder import FolderStore
from shared.landing.log import CommitLog
from shared.landing.writer import Landing
from shared.warehouse.load import load
from shared.warehouse.ports import Disposition, TableSpec, Warehouse

PART = 20_000
_NUMBERS = itertools.count(1)


class Bench:
    """A landing zone with one stream of one commit, and its loads."""

    def __init__(self, folder: Path, records: int) -> None:
        self.folder = folder
        self.clock = SystemClock()
        self.store = FolderStore(folder / "landing")
        stream = make_stream("accounts", records)
        landing = Landing(self.store, "bench", "accounts", self.clock)
        parts = []
        for number, start in enumerate(range(0, records, PART)):
            writer = landing.part("r1", 1, 0, number, "jsonl.gz")
            for index in range(start, min(start + PART, records)):
                writer.write(stream.record(index) + b"\n", 1)
            parts.append(writer.close())
        landing.log.append(Draft(run="r1", attempt=1, parts=tuple(parts)), after=None)
        self.columns: tuple[Column, ...] = Contract.from_schema(
            contract_of("accounts"), name="accounts"
        ).columns()
        self.files = [Path(self.store.url(part.key)) for part in parts]

    def load(self, warehouse: Warehouse, *, disposition: str = "append", table: str = "accounts") -> float:
        spec = TableSpec(
            "bench", "accounts", Disposition(disposition), self.columns, primary_key=("id",), table=table
        )
        began = time.perf_counter()
        log = CommitLog(self.store, "bench", "accounts", self.clock)
        load(log, self.store, warehouse, spec, load_id=lambda: f"l{next(_NUMBERS)}", clock=self.clock)
        return time.perf_counter() - began


Way = Callable[[], float]


def server_cpu(url: str) -> float:
    """CPU seconds of the server that listens at a URL, with all its processes, also those that have ended."""
    port = url.rpartition(":")[2].partition("/")[0]
    total = 0
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            line = (folder / "cmdline").read_bytes().decode(errors="replace").replace("\0", " ")
            if f"-p {port} " in line or f"--port={port} " in line:
                times = (folder / "stat").read_text().rpartition(")")[2].split()
                total += sum(int(ticks) for ticks in times[11:15])
                parent = folder.name
                total += _children(parent)
        except OSError:
            continue  # it ended while we looked
    return total / os.sysconf("SC_CLK_TCK")


def _children(parent: str) -> int:
    """Ticks of the living children of a process."""
    total = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            times = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if times[1] == parent and "postgres" in stat.with_name("comm").read_text():
            total += int(times[11]) + int(times[12])
    return total


@contextmanager
def duckdb_ways(bench: Bench) -> Iterator[dict[str, Way]]:
    import duckdb

    from shared.warehouse.ddl import literal, quoted
    from shared.warehouse.duckdb_file import DuckDB
    from shared.warehouse.duckdb_read import type_of

    def fresh() -> Path:
        return Path(tempfile.mkdtemp(dir=bench.folder)) / "db.duckdb"

    def own() -> float:
        kinds = {column.name: type_of(column) for column in bench.columns}
        columns = "{" + ", ".join(f"{literal(name)}: {literal(kind)}" for name, kind in kinds.items()) + "}"
        files = literal([str(file) for file in bench.files])
        with duckdb.connect(str(fresh())) as connection:
            listed = ", ".join(f"{quoted(name)} {kind}" for name, kind in kinds.items())
            connection.execute(f"CREATE TABLE t ({listed})")
            began = time.perf_counter()
            options = f"columns={columns}, format='newline_delimited', hive_partitioning=false"
            connection.execute(f"INSERT INTO t SELECT * FROM read_json({files}, {options})")
            return time.perf_counter() - began

    yield {
        "DuckDB's own INSERT … SELECT FROM read_json": own,
        "append": lambda: bench.load(DuckDB(fresh(), clock=bench.clock)),
        "merge": lambda: bench.load(DuckDB(fresh(), clock=bench.clock), disposition="merge"),
    }


@contextmanager
def postgres_ways(bench: Bench) -> Iterator[dict[str, Way]]:
    import psycopg

    from shared.warehouse.postgres import postgres as warehouse_at
    from tests.servers.databases import postgres

    with postgres(durable=True) as url:
        _SERVERS["postgres"] = url
        warehouse = warehouse_at(url)
        rows = bench.folder / "rows.copy"

        def emptied() -> None:
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute("DROP SCHEMA IF EXISTS bench CASCADE")
                if connection.execute("SELECT to_regclass('_sluice.ledger')").fetchone() != (None,):
                    connection.execute("TRUNCATE _sluice.ledger")
                connection.execute("CHECKPOINT")

        def run(disposition: str) -> float:
            emptied()
            return bench.load(warehouse, disposition=disposition)

        def own() -> float:
            with psycopg.connect(url, autocommit=True) as connection:
                if not rows.exists():
                    with (
                        rows.open("wb") as file,
                        connection.cursor().copy("COPY bench.accounts TO STDOUT") as copy,
                    ):
                        for chunk in copy:
                            file.write(chunk)
                connection.execute("CREATE SCHEMA IF NOT EXISTS own; DROP TABLE IF EXISTS own.accounts")
                connection.execute("CREATE TABLE own.accounts (LIKE bench.accounts)")
                connection.execute("CHECKPOINT")
                began = time.perf_counter()
                with (
                    rows.open("rb") as file,
                    connection.cursor().copy("COPY own.accounts FROM STDIN") as into,
                ):
                    while data := file.read(1 << 18):
                        into.write(data)
                return time.perf_counter() - began

        run("append")
        yield {
            "PostgreSQL's own COPY of prepared rows": own,
            "append": lambda: run("append"),
            "merge": lambda: run("merge"),
        }


@contextmanager
def mariadb_ways(bench: Bench) -> Iterator[dict[str, Way]]:
    import pymysql

    from shared.warehouse.mysql import mysql as warehouse_at
    from tests.servers.databases import mariadb

    with mariadb() as url:
        _SERVERS["mariadb"] = url
        warehouse = warehouse_at(url)
        port = int(url.rpartition(":")[2])

        def run(disposition: str) -> float:
            with pymysql.connect(host="127.0.0.1", port=port, user="root", autocommit=True) as connection:
                for name in ("bench", "_sluice"):
                    connection.cursor().execute(f"DROP DATABASE IF EXISTS {name}")
            return bench.load(warehouse, disposition=disposition)

        yield {"append": lambda: run("append"), "merge": lambda: run("merge")}


WAYS: dict[str, Callable[[Bench], Any]] = {
    "duckdb": duckdb_ways,
    "postgres": postgres_ways,
    "mariadb": mariadb_ways,
}


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks load", description=__doc__)
    parser.add_argument("--records", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--warehouses", default=",".join(WAYS))
    options = parser.parse_args(arguments)
    folder = Path(tempfile.mkdtemp(prefix="bench-load-"))
    try:
        bench = Bench(folder, options.records)
        print(
            "| warehouse | way | wall s | times its own | CPU s | times its own |\n|---|---|---|---|---|---|"
        )
        for name in options.warehouses.split(","):
            with WAYS[name](bench) as ways:
                measured(name, ways, options.rounds)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 0


def measured(warehouse: str, ways: dict[str, Way], rounds: int) -> None:
    walls: dict[str, list[float]] = {name: [] for name in ways}
    cpus: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            began = _cpu(warehouse)
            walls[name].append(way())
            time.sleep(_REST)
            cpus[name].append(_cpu(warehouse) - began)
    for name in ways:
        cells = []
        for found in (walls, cpus):
            floor = statistics.median(next(iter(found.values()))) if len(ways) > 2 else None
            cells += [spread(found[name]), f"{statistics.median(found[name]) / floor:.2f}" if floor else ""]
        print(f"| {warehouse} | {name} | {' | '.join(cells)} |", flush=True)


_REST = 0.3
"""Seconds until a server has counted what a connection that was closed has cost."""
_SERVERS: dict[str, str] = {}
"""The URL of the server of each warehouse that has one."""


def _cpu(warehouse: str) -> float:
    own = time.process_time()
    return own + (server_cpu(_SERVERS[warehouse]) if warehouse in _SERVERS else 0.0)
