"""Loads what has landed: stream after stream, in a thread of its own while a run goes on.

One at a time, because a DuckDB file has one writer. A load that fails stops no other; its error is in `failed`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeAlias

from shared.common.errors import Misconfigured, SluiceError, unknown
from shared.landing.streams import landed_streams as landed_streams  # noqa: PLC0414 - commands find it here

if TYPE_CHECKING:
    from shared.ingestion.source import Source
    from shared.warehouse.checks.verdict import Verdict
    from shared.warehouse.gate import Gate
    from shared.warehouse.load import LoadReport
    from shared.warehouse.ports import TableSpec
    from shared.warehouse.reconcile import Reconciled
    from shared.warehouse.replay import Replay
    from src.workplace import Workplace

Tell: TypeAlias = "Callable[[Verdict], None]"


def table_of(source: Source, stream: str) -> TableSpec:
    """The table that a stream becomes: keys, disposition and columns as its file and its contract say.

    A stream that a report delivers has no entry of its own: its rows are appended and its columns inferred.
    """
    from shared.warehouse.ports import Disposition, TableSpec

    spec = source.spec.streams.get(stream)
    if spec is None:
        return TableSpec(source.name, stream, Disposition.APPEND)
    return TableSpec(
        source.name,
        stream,
        Disposition(spec.disposition),
        columns=source.columns(stream),
        primary_key=spec.primary_key,
        cursor_field=spec.cursor_field,
        deleted_field=spec.deleted_field,
    )


def known_streams(place: Workplace, source: str) -> list[str]:
    """The streams that have landed. Where none has: those that the warehouse has loaded, whose log then is missing."""
    landed = landed_streams(place.store, source)
    return landed or sorted(name for name, at in place.warehouse.positions(source).items() if at)


def nothing_landed(place: Workplace, source: str) -> str:
    """What is said where there is nothing to load, and what would be right."""
    where = place.redactor.url(place.settings.landing_url)
    return (
        f"{source}: nothing has landed in {where}, so there is nothing to load\n"
        f"  hint:  land and load it: sluice run {source}; or point LANDING_URL at where it has landed"
    )


def gate_of(place: Workplace, source: Source, stream: str, *, tell: Tell) -> Gate | None:
    """What decides whether rows may go into the table of a stream; None where it has no checks."""
    checks = source.checks.get(stream, ())
    if not checks:
        return None
    from shared.warehouse.checks.dialect import dialect_of
    from shared.warehouse.checks.final import table_named
    from shared.warehouse.gate import CheckedGate

    dialect = dialect_of(place.settings.warehouse_url)
    return CheckedGate(
        place.store,
        table_of(source, stream),
        checks,
        dialect,
        place.clock,
        tell=tell,
        tables=lambda query, other, its: table_named(query, dialect, other, its),
    )


def load_stream(
    place: Workplace,
    source: Source,
    stream: str,
    *,
    stop: Callable[[], bool] = lambda: False,
    tell: Tell = lambda verdict: None,
    into: str = "",
) -> LoadReport:
    """Load what the table of one stream lacks; `tell` hears the verdicts of its checks. Raises as `load` does.

    `into` is `schema.table`, where it is to be another table than that of the stream.
    """
    from shared.common.clock import random_token
    from shared.ingestion.sql_known import known
    from shared.landing.log import CommitLog
    from shared.warehouse.load import load

    source = known(
        source, place.store, clock=place.clock
    )  # a run that has just ended may have found other columns
    table = table_of(source, stream)
    if into:
        schema, _, name = into.rpartition(".")
        table = replace(table, schema=schema, table=name)
    return load(
        CommitLog(place.store, source.name, stream, place.clock),
        place.store,
        place.warehouse,
        table,
        load_id=random_token,
        clock=place.clock,
        gate=gate_of(place, source, stream, tell=tell),
        stop=stop,
    )


def listed(text: str, known: Iterable[str], source: str) -> list[str]:
    """The names of `a,b,c`. Raises `Misconfigured` listing the known ones."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    known = list(known)
    for name in names:
        if name not in known:
            raise unknown("stream", name, known, source=source)
    if not names:
        raise Misconfigured("--streams names no stream", hint=f"known: {', '.join(known)}")
    return list(dict.fromkeys(names))


def replays(place: Workplace, source: Source, streams: Iterable[str], *, start: int) -> list[Replay]:
    """The replays from commit `start` on, of those streams whose tables are beyond it."""
    from shared.warehouse.replay import plan

    positions = place.warehouse.positions(source.name)
    found = [plan(table_of(source, stream), positions.get(stream, 0), start) for stream in streams]
    return [one for one in found if one.moves]


def replay(place: Workplace, plan: Replay) -> bool:
    """Move one ledger back as planned; the next load does the rest. False when another loader was at work."""
    from shared.common.clock import random_token
    from shared.landing.log import CommitLog
    from shared.warehouse.replay import rewind

    log = CommitLog(place.store, plan.table.source, plan.table.stream, place.clock)
    return rewind(plan, log, place.store, place.warehouse, load_id=random_token, clock=place.clock)


def reconciled(place: Workplace, source: Source, streams: Iterable[str]) -> list[Reconciled]:
    """What landed held against what is in the tables, stream by stream."""
    from shared.landing.log import CommitLog
    from shared.warehouse.reconcile import reconcile

    with place.warehouse.held():
        return [
            reconcile(
                CommitLog(place.store, source.name, stream, place.clock),
                place.store,
                place.warehouse,
                table_of(source, stream),
                gate=gate_of(place, source, stream, tell=lambda verdict: None),
            )
            for stream in streams
        ]


class Loads:
    """Loads of one source into the warehouse, in the order in which they are asked for.

    Use it as a context manager: leaving it waits for the loads that were asked for. The warehouse is opened when there
    is something to do and kept open until there is nothing more; streams of which it has everything are not opened.
    `verdicts` are those of the checks that were made.
    """

    def __init__(self, place: Workplace, source: Source) -> None:
        self.reports: dict[str, LoadReport] = {}
        self.failed: dict[str, SluiceError] = {}
        self.verdicts: list[Verdict] = []
        self._place = place
        self._source = source
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="load")
        self._lock = threading.Lock()
        self._asked: set[str] = set()
        self._waiting: list[Future[None]] = []
        self._open: ExitStack | None = None
        self._positions: dict[str, int] = {}
        self._runs: dict[str, str] = {}

    def __enter__(self) -> Loads:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(wait=True, cancel_futures=error is not None)
        self._let_go()

    def ask(self, stream: str) -> None:
        """Load a stream as soon as those before it are done; asking twice loads once."""
        with self._lock:
            if stream in self._asked:
                return
            self._asked.add(stream)
        self._waiting.append(self._pool.submit(self._load, stream))

    def wait(self, stop: Callable[[], bool] = lambda: False) -> None:
        """Until what was asked for is done; when `stop` says so, what has not begun is left out."""
        while wait(self._waiting, timeout=0.1).not_done:
            if stop():
                for load in self._waiting:
                    load.cancel()

    def to_json(self) -> dict[str, Any]:
        """Per stream what was done, or the error."""
        done = {name: report.to_json() for name, report in self.reports.items()}
        return done | {
            name: {"status": "failed", "error": {"type": type(error).__name__, "message": str(error)}}
            for name, error in self.failed.items()
        }

    def _load(self, stream: str) -> None:
        from shared.ingestion.stream_report import last_words

        try:
            self._hold()
            self.reports[stream] = self._nothing(stream) or load_stream(
                self._place, self._source, stream, tell=self.verdicts.append
            )
        except Exception as error:  # noqa: BLE001 - one stream's load must not take the others with it
            self.failed[stream] = last_words(error)
        finally:
            if self._is_last():
                self._let_go()

    def _hold(self) -> None:
        """Open the warehouse for this load and those behind it, and see where all streams stand in it."""
        from shared.warehouse.ledger import runs

        if self._open is None:
            with ExitStack() as stack:
                stack.enter_context(self._place.warehouse.held())
                self._positions = self._place.warehouse.positions(self._source.name)
                self._runs = runs(self._place.warehouse, self._source.name, self._positions)
                self._open = stack.pop_all()

    def _let_go(self) -> None:
        if self._open is not None:
            stack, self._open = self._open, None
            stack.close()

    def _is_last(self) -> bool:
        """Whether no load waits behind this one: the warehouse is given to others until the next one comes."""
        with self._lock:
            return len(self._asked) == len(self.reports) + len(self.failed)

    def _nothing(self, stream: str) -> LoadReport | None:
        """The report of a load with nothing to do, found without asking the warehouse."""
        from shared.landing.log import CommitLog
        from shared.warehouse.ledger import astray
        from shared.warehouse.load import LoadReport

        position = self._positions.get(stream, 0)
        log = CommitLog(self._place.store, self._source.name, stream, self._place.clock)
        head = log.latest()
        if head is not None and head.sequence != position:
            return None
        table = table_of(self._source, stream)
        if wrong := astray(log, table.source, stream, position, self._runs.get(stream, ""), head=head):
            raise wrong
        return LoadReport(
            table.source, table.stream, table.name, from_sequence=position, to_sequence=position
        )
