"""The dispatcher: `python -m benchmarks dispatch [--events N] [--rounds N] [--only PART] [--long N]`.

`throughput`: events through a chain of three processes that do nothing; journal in SQLite, every commit on the disk.
`shared`: the same with the journal in PostgreSQL. `ordered`: that, and each process keeps the order of 100 keys.
`database`: rows of a table of PostgreSQL into a process that does nothing, from the first INSERT to the last start.
`latency`: 100 rows a second, from the answer to COMMIT to the start of the process.
`single`: events into one process that does nothing, journal in PostgreSQL. `peer`: the same as jobs of procrastinate on
the same server, in an environment of its own (.venv-peers, made when it is missing).
`memory`: the resident size over a long flow (`--long 1000000`). `idle`: CPU of a dispatcher that waits.
Each part in a process of its own. The bars: 2,000 events/s, 1,000 events/s, 50 ms at the 99th percentile, idle < 1 %.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from shared.orchestrator.configuration import Limits
from shared.orchestrator.doors import Outlet
from shared.orchestrator.event import Event, Operation
from shared.orchestrator.journal import Store
from shared.orchestrator.orchestrator import Orchestrator
from shared.orchestrator.policy import Policy
from shared.orchestrator.postgres_journal import PostgresJournal
from shared.orchestrator.settings import Surroundings
from shared.orchestrator.sqlite_journal import SqliteJournal

PARTS = ("throughput", "shared", "ordered", "database", "latency", "single", "peer", "memory", "idle")
RATES = ("throughput", "shared", "ordered", "single", "peer")
ROOT = Path(__file__).parents[1]
TWO = Policy(concurrency=2)
BARS = {"throughput": 2000.0, "database": 1000.0}


def nothing(event: Event) -> None:
    """What the processes do."""


def resident() -> float:
    fields = Path("/proc/self/statm").read_text(encoding="ascii").split()
    return int(fields[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def chain(journal: Store, number: int, *, keep: int = 100_000, policy: Policy = TWO) -> Orchestrator:
    def source(outlet: Outlet) -> None:
        for begin in range(0, number, 100):
            numbers = range(begin, min(begin + 100, number))
            outlet.emit([Event("bench", Operation.CREATE, str(n), payload={"k": n % 100}) for n in numbers])

    one = Orchestrator(journal, limits=Limits(keep_events=keep))
    one.add_input("i", source)
    for name in "abc":
        one.add_process(name, nothing, policy=policy)
    one.link("i", "a")
    one.link("a", "b")
    one.link("b", "c")
    return one


def throughput(folder: Path, options: argparse.Namespace) -> dict[str, float]:
    return flow(chain(SqliteJournal(folder / "journal.db"), options.events), options.events)


def shared(folder: Path, options: argparse.Namespace) -> dict[str, float]:
    del folder
    return flow(chain(emptied(options.url), options.events), options.events)


def ordered(folder: Path, options: argparse.Namespace) -> dict[str, float]:
    del folder
    policy = Policy(concurrency=2, order_by="payload.k")
    return flow(chain(emptied(options.url), options.events, policy=policy), options.events)


def single(folder: Path, options: argparse.Namespace) -> dict[str, float]:
    del folder
    one = chain(emptied(options.url), options.jobs)
    for name in "bc":
        one.remove(name)
    return flow(one, options.jobs, last="a")


def emptied(url: str) -> PostgresJournal:
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP SCHEMA IF EXISTS sluice_journal CASCADE")
    return PostgresJournal(url)


def flow(dispatcher: Orchestrator, events: int, *, last: str = "c") -> dict[str, float]:
    with dispatcher as one:
        began = time.perf_counter()
        one.run(timeout=600)
        seconds = time.perf_counter() - began
        assert one.supervisor.desk.lanes[last].tally.done == events
    return {"events/s": events / seconds, "peak MB": resident()}


def memory(folder: Path, options: argparse.Namespace) -> dict[str, float]:
    sizes = list[float]()
    with chain(SqliteJournal(folder / "journal.db"), options.long, keep=10_000) as one:
        one.start()
        began = time.perf_counter()
        lane = one.supervisor.desk.lanes["c"]
        while lane.tally.done < options.long:
            time.sleep(0.2)
            if lane.tally.done >= options.long * len(sizes) / 10:
                sizes.append(resident())
        seconds = time.perf_counter() - began
        disk = sum(file.stat().st_size for file in folder.iterdir()) / 1e6
    return {
        "events/s": options.long / seconds,
        "MB after a tenth": sizes[1],
        "MB at the end": sizes[-1],
        "MB on the disk": disk,
    }


def idle(folder: Path, options: argparse.Namespace) -> dict[str, float]:
    del options
    with chain(SqliteJournal(folder / "journal.db"), 100) as one:
        one.add_input("waits", lambda outlet: outlet.wait(3600))
        one.start()
        time.sleep(2)
        before, began = time.process_time(), time.perf_counter()
        time.sleep(15)
        cpu = (time.process_time() - before) / (time.perf_counter() - began)
    return {"% CPU": cpu * 100}


def listening(folder: Path, url: str, process: Any) -> Orchestrator:
    from shared.orchestrator.inputs.postgres import PostgresInput

    settings = PostgresInput(
        name="rows", type="postgres", connection_string=url, tables=("bench",), install=True
    )
    one = Orchestrator(SqliteJournal(folder / "journal.db"))
    one.add_input("rows", settings.open(Surroundings()))
    one.add_process("p", process)
    one.link("rows", "p")
    one.start()
    return one


def database(folder: Path, options: argparse.Namespace) -> dict[str, float]:
    import psycopg

    with psycopg.connect(options.url, autocommit=True) as connection:
        connection.execute("DROP TABLE IF EXISTS bench; CREATE TABLE bench (id serial PRIMARY KEY, v text)")
        with listening(folder, options.url, nothing) as one:
            ready(one, connection)
            lane = one.supervisor.desk.lanes["p"]
            began, first = time.perf_counter(), lane.tally.done
            for _ in range(options.events // 20):
                connection.execute("INSERT INTO bench (v) SELECT 'x' FROM generate_series(1, 20)")
            while lane.tally.done - first < options.events // 20 * 20:
                time.sleep(0.002)
            seconds = time.perf_counter() - began
    return {"events/s": options.events / seconds}


def latency(folder: Path, options: argparse.Namespace) -> dict[str, float]:
    import psycopg

    started: dict[str, float] = {}

    def process(event: Event) -> None:
        started[event.id] = time.perf_counter()

    with psycopg.connect(options.url, autocommit=True) as connection:
        connection.execute("DROP TABLE IF EXISTS bench; CREATE TABLE bench (id serial PRIMARY KEY, v text)")
        with listening(folder, options.url, process) as one:
            ready(one, connection)
            committed: dict[str, float] = {}
            begin = time.perf_counter()
            for number in range(1500):
                time.sleep(max(0.0, begin + number / 100 - time.perf_counter()))
                row = connection.execute("INSERT INTO bench (v) VALUES ('x') RETURNING id").fetchone()
                assert row is not None
                committed[str(row[0])] = time.perf_counter()
            while not committed.keys() <= started.keys():
                time.sleep(0.01)
    waits = sorted((started[key] - at) * 1000 for key, at in committed.items())
    cuts = statistics.quantiles(waits, n=100)
    return {"p50 ms": cuts[49], "p99 ms": cuts[98], "most ms": waits[-1]}


def ready(one: Orchestrator, connection: Any) -> None:
    """Until the triggers are there and a row has come through."""
    lane = one.supervisor.desk.lanes["p"]
    while not connection.execute("SELECT 1 FROM pg_trigger WHERE tgname LIKE 'sluice%'").fetchone():
        time.sleep(0.05)
    connection.execute("INSERT INTO bench (v) VALUES ('x')")
    while not lane.tally.done:
        time.sleep(0.01)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks dispatch", description=__doc__)
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument(
        "--long", type=int, default=1_000_000, help="events of the run that memory is watched in"
    )
    parser.add_argument("--jobs", type=int, default=3_000, help="of `single` and `peer`")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--only", choices=PARTS, nargs="+")
    parser.add_argument("--url", default="", help="a PostgreSQL; without it one is started")
    parser.add_argument("--child", choices=PARTS, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.child:
        with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as folder:
            print(json.dumps(globals()[options.child](Path(folder), options)))
        return 0
    from tests.servers.databases import postgres

    with postgres(durable=True) as url:
        options.url = options.url or url
        return _measured(options)


def _measured(options: argparse.Namespace) -> int:
    good, best = True, dict[str, float]()
    for part in options.only or PARTS:
        rounds = options.rounds if part in (*RATES, "database", "latency") else 1
        found = [run for _ in range(rounds) if (run := _child(part, options))]
        for run in found:
            print(f"  {part:12}" + "  ".join(f"{value:>10,.1f} {name}" for name, value in run.items()))
        if part in RATES and found:
            best[part] = max(run["events/s"] for run in found)
        if part == "peer" and {"single", "peer"} <= best.keys():
            print(f"  single / peer {best['single'] / best['peer']:.1f} times")
        if part in BARS:
            good &= max(run["events/s"] for run in found) >= BARS[part]
        if part == "latency":
            good &= min(run["p99 ms"] for run in found) <= 50
        if part == "idle":
            good &= found[0]["% CPU"] < 1
    return 0 if good else 1


def _peer(options: argparse.Namespace) -> dict[str, float]:
    made = subprocess.run(["sh", ".ci/peers"], cwd=ROOT, check=False)
    if made.returncode:
        print("  peer        not measured: .venv-peers cannot be made")
        return {}
    command = [
        ROOT / ".venv-peers/bin/python",
        ROOT / "benchmarks/dispatch_peer.py",
        options.url,
        str(options.jobs),
    ]
    found: dict[str, float] = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
    return found


def _child(part: str, options: argparse.Namespace) -> dict[str, float]:
    if part == "peer":
        return _peer(options)
    command = [sys.executable, "-m", "benchmarks", "dispatch", "--child", part, "--url", options.url]
    command += ["--events", str(options.events), "--long", str(options.long), "--jobs", str(options.jobs)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise subprocess.CalledProcessError(done.returncode, command, done.stdout, done.stderr)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found
