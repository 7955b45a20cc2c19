"""One run of a database: a snapshot that its tables share, and the pieces of each table's run put together."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache

from shared.common.errors import SluiceError, Violation
from shared.common.formats import JsonLines
from shared.common.masks import Hash, masking
from shared.contracts.compatibility.verdict import Mode
from shared.contracts.contract import Contract
from shared.contracts.page import PageChecker
from shared.contracts.registry import Registry
from shared.contracts.shelves import StoreShelf
from shared.ingestion.plan import Ask
from shared.ingestion.session import RESERVE, RESERVED, Tools, Watch
from shared.ingestion.sieve import Sieve
from shared.ingestion.source import Source
from shared.ingestion.sql_connect import Database, Snapshot
from shared.ingestion.sql_lines import Lines
from shared.ingestion.sql_progress import Span, TableProgress, resumed, spanned
from shared.ingestion.sql_query import Query, Reader, query_for
from shared.ingestion.sql_run import TableRun, ended
from shared.ingestion.sql_spec import SqlSpec, Table
from shared.ingestion.sql_table import Bound, Range, TableShape, of_catalogue
from shared.ingestion.stream_report import StreamReport
from shared.landing.commit import Commit
from shared.landing.layout import run_id
from shared.landing.writer import Landing

RANGES = 4
"""Ranges per reader, so that one with slow rows does not hold up the others."""


@dataclass(frozen=True, slots=True)
class SqlSession:
    """What the tables of one run share."""

    source: Source
    spec: SqlSpec
    tools: Tools
    ask: Ask
    run: str
    snapshot: Snapshot
    reserve: float
    moved: Watch

    @property
    def code_version(self) -> str:
        return self.tools.code_version

    def stop(self) -> bool:
        """Whether it is time to come to an end."""
        return self.tools.stop() or self.tools.deadline.remaining() <= self.reserve

    def monotonic(self) -> float:
        return self.tools.clock.monotonic()

    def table(self, name: str) -> StreamReport:
        """Run one table; what happened, also an error, is in the report."""
        report, began = StreamReport(name), self.monotonic()
        landing = Landing(self.tools.store, self.source.name, name, self.tools.clock)
        try:
            with ExitStack() as readers:
                first = readers.enter_context(self.snapshot.reader())
                head = landing.log.latest()
                report.cursor = None if head is None else head.draft.cursor
                run = self._assembled(name, first, landing, head, report=report, began=began)
                run.run(lambda: readers.enter_context(self.snapshot.reader()), first)
        except Exception as error:  # noqa: BLE001  (a fault of one table must not take the others with it)
            ended(report, error, over=self.stop())
        report.seconds = self.monotonic() - began
        self.moved(report)
        return report

    def _assembled(
        self,
        name: str,
        reader: Reader,
        landing: Landing,
        head: Commit | None,
        *,
        report: StreamReport,
        began: float,
    ) -> TableRun:
        shape, table = described(reader, self.spec.streams[name])
        known = shape.contract(f"{self.source.name}.{name}")
        declared = self.source.contracts.get(name)
        if declared is None or of_catalogue(declared):  # what it said last time is no promise
            declared = None
            remember(self.tools, known)
        contract = declared or known
        query = query_for(reader, shape, table)
        self._check_nulls(reader, query, shape, report)
        progress = self._progress(reader, query, table, head)
        query = query_for(reader, shape, table, since=progress.since, until=progress.until)
        mask = self._mask(table)

        def lines() -> Lines:
            every = declared is not None or mask is not None
            return Lines(known, sieve_of(contract, mask), every, nulls=table.not_finite == "null")

        readers = table.readers(self.spec.kind)
        return TableRun(
            self, table, query, landing, progress, head, contract.digest, lines, readers, report, began
        )

    def _progress(self, reader: Reader, query: Query, table: Table, head: Commit | None) -> TableProgress:
        """The unfinished run, or a new one: its bounds and its cuts are asked of the database."""
        order = tuple(column.name for column in query.order)
        going_on = resumed(head, order, ask=self.ask, restart=self.spec.interrupted == "restart")
        if going_on is not None:
            return going_on
        before, span = None if head is None else head.draft.cursor, Span()
        if query.cursor is not None:
            incremental = table.incremental
            found = reader.rows(query.newest(None if incremental is None else incremental.lag))
            newest = str(found[0][0]) if found else None
            span = spanned(table, query.cursor, before, newest=newest, ask=self.ask)
        cuts = list[Bound]()
        readers = table.readers(self.spec.kind)
        # What is new since the last run is little, and lies together: one reader is enough for it.
        whole = readers > 1 and bool(order) and span.since is None
        if whole and reader.rows(query.boundary(Range(), table.chunk_size)):
            cuts = reader.cuts(query, readers * RANGES)
        return TableProgress(
            run=self.run,
            attempt=1,
            order=order,
            snapshot=query.cursor is None and table.disposition not in ("append", "merge"),
            moves=span.moves,
            since=span.since,
            until=span.until,
            cuts=tuple(cuts),
            empty=span.empty,
        )

    def _check_nulls(self, reader: Reader, query: Query, shape: TableShape, report: StreamReport) -> None:
        """Rows without a key or without a cursor would never be asked for: say so."""
        key = [column for column in query.order if column is not query.cursor and column.nullable]
        if key and reader.rows(query.any_null(key)):
            raise Violation(
                f"{shape.title} has rows without a value for {', '.join(column.name for column in key)}, "
                "its primary_key",
                hint="name columns that are never null",
                table=shape.title,
            )
        cursor = query.cursor
        if cursor is not None and cursor.nullable and reader.rows(query.any_null([cursor])):
            report.warnings.append(
                f"rows whose {cursor.name} is null are never read; declare it NOT NULL, or read a view that fills it"
            )

    def _mask(self, table: Table) -> Callable[[bytes], bytes] | None:
        masks = table.mask
        if not masks:
            return None
        hashed = any(isinstance(mask, Hash) for mask in masks.values())
        key = self.tools.secrets.get(self.spec.mask_key).encode() if hashed else b""
        return masking(masks, key=key)


def described(reader: Reader, table: Table) -> tuple[TableShape, Table]:
    """The table as the catalogue has it, without what is left out, and its file's entry with the key that counts."""
    shape = reader.shape(table.table).without(table.leave_out).with_key(table.primary_key)
    return shape, table.with_key(shape.key)


def sieve_of(contract: Contract, mask: Callable[[bytes], bytes] | None = None) -> Callable[[], Sieve]:
    """Makes the sieve of a table, once and when it is needed: compiling a contract takes its time."""

    @cache
    def made() -> Sieve:
        return Sieve(PageChecker(contract), JsonLines(), keyed=False, times=None, mask=mask)

    return made


def remember(tools: Tools, contract: Contract) -> None:
    """Keep the contract of the catalogue in the landing zone, so that loading needs no database."""
    Registry(StoreShelf(tools.store)).register(contract, Mode.NONE)


def database_of(spec: SqlSpec, tools: Tools) -> Database:
    return Database(spec.url, spec.auth, tools.secrets, timeout=spec.statement_timeout)


def ingest_tables(
    source: Source, spec: SqlSpec, tools: Tools, *, names: list[str], ask: Ask, watch: Watch
) -> tuple[str, list[StreamReport]]:
    """Run tables of a database at one moment of it; the id of the run, and a report per table."""
    run = run_id(tools.clock.now(), tools.token())
    reserve = min(RESERVE, RESERVED * tools.deadline.remaining())
    snapshot = Snapshot(database_of(spec, tools), consistent=spec.consistent)
    try:
        with snapshot:
            session = SqlSession(source, spec, tools, ask, run, snapshot, reserve, watch)
            lanes = 1 if snapshot.single else spec.parallel_streams
            with ThreadPoolExecutor(lanes, thread_name_prefix="table") as pool:
                return run, list(pool.map(session.table, names))
    except SluiceError as error:
        # Nobody was let in, or the snapshot could not be taken: the same for all tables.
        reports = [StreamReport(name) for name in names]
        for report in reports:
            ended(report, error, over=False)
            report.seconds = 0.001
        return run, reports


def read_table(
    database: Database, table: str, *, leave_out: tuple[str, ...] = (), rows: int = 100_000
) -> Iterator[tuple[bytes, int]]:
    """All rows of a table at one moment, as blocks of JSON lines and the number of rows in each; memory is constant.

    For whoever needs rows and no landing zone, such as the inputs of a pipeline. Values that no column can hold (NaN,
    infinity) are null. Raises as `Snapshot` does.
    """
    with Snapshot(database) as snapshot, snapshot.reader() as reader:
        shape, entry = described(reader, Table(table=table, leave_out=leave_out))
        query, span = query_for(reader, shape, entry), Range()
        known = shape.contract(table)
        lines = Lines(known, sieve_of(known), every=False, nulls=True)
        while True:
            ahead = reader.rows(query.boundary(span, rows)) if query.order else []
            upper = ahead[0] if ahead else None
            for block, count in reader.blocks(query.lines(Range(span.lower, upper)), shape):
                treated = lines.treat(block, count)
                yield treated.chunk, treated.rows
            if upper is None:
                return
            span = Range(upper)
