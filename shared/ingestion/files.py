"""Files as a source: every line is checked, lands or is quarantined with its number, and the file is committed once.

The commit's cursor and a marker know the content of the files that have landed (SHA-256, gzip undone): the same file
again, under whatever name, changes nothing. A process that dies has committed nothing, and the file is read again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Literal

from shared.common.errors import Superseded, Violation
from shared.common.formats import Csv, Format, JsonLines, Nested
from shared.common.ports import Clock, ObjectStore
from shared.contracts.columns import ColumnType
from shared.contracts.compatibility.verdict import Mode
from shared.contracts.contract import Contract
from shared.contracts.flat import flat_columns
from shared.contracts.page import PageChecker
from shared.contracts.registry import Registry
from shared.contracts.shelves import StoreShelf
from shared.contracts.validate import Duplicates, Fault
from shared.ingestion.files_read import Line, chunks, csv_records, json_records, unpacked
from shared.ingestion.files_seen import Seen
from shared.ingestion.sql_table import KEY
from shared.landing.commit import Commit, Draft, Part
from shared.landing.layout import run_id
from shared.landing.writer import Landing, PartWriter, RejectWriter

SOURCE = "files"
"""The source under which files land; each table is a stream of it."""

REST = "_sluice_rest"
"""The column that keeps, as one JSON object, what the contract does not name."""

FLAT = "x-nested"
"""Where a contract keeps what became of nested objects."""

_BATCH = 2000
_ROUNDS = 20
"""Commits of others that may come before ours."""


@dataclass(frozen=True, slots=True)
class FileSpec:
    """What a file becomes: the table, the contract of its records, and how they are read and kept."""

    table: str
    contract: Contract
    format: Literal["jsonl", "csv"] = "jsonl"
    nested: Literal["flatten", "json"] = "flatten"
    primary_key: tuple[str, ...] = ()
    max_rejected: float | None = None
    part_size: int = 64 * 1024 * 1024

    @property
    def registered(self) -> Contract:
        """The contract as it is registered: with the key and the form of the table, for whoever loads."""
        schema = {**self.contract.schema, FLAT: self.nested, KEY: list(self.primary_key)}
        return Contract(f"{SOURCE}.{self.table}", schema, self.contract.declared_version)

    def encoder(self) -> Format:
        if self.nested == "json":
            return JsonLines()
        columns = flat_columns(self.contract)
        texts = frozenset(column.name for column in columns if column.type is ColumnType.JSON)
        return Csv(tuple(column.name for column in columns), Nested.FLATTEN, REST, texts)


@dataclass(slots=True)
class FileReport:
    """What became of a file. `known`: it had landed before, in commit `sequence`."""

    table: str
    file: str
    known: bool = False
    rows: int = 0
    rejected: int = 0
    sequence: int = 0
    sha256: str = ""
    seconds: float = 0.0
    faults: dict[str, int] = field(default_factory=dict)
    rejected_parts: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        document = {name: getattr(self, name) for name in self.__slots__}
        return {**document, "seconds": round(self.seconds, 3), "rejected_parts": list(self.rejected_parts)}


@dataclass(frozen=True, slots=True)
class Desk:
    """What taking a file needs from outside."""

    store: ObjectStore
    clock: Clock
    token: Callable[[], str]
    code_version: str = ""


def ingest_file(
    desk: Desk, spec: FileSpec, open_file: Callable[[], BinaryIO], *, name: str, again: bool = False
) -> FileReport:
    """Land a file, unless it has landed; `open_file` is called twice: once to know it, once to read it.

    Raises `Violation` when more lines are rejected than `max_rejected` allows, when the file is broken, or changes
    while it is read; nothing is committed then.
    """
    began = desk.clock.monotonic()
    report = FileReport(spec.table, name, sha256=_digest(open_file))
    landing = Landing(desk.store, SOURCE, spec.table, desk.clock)
    marks = Seen(desk.store, landing)
    head = landing.log.latest()
    report.sequence = 0 if again else marks.find(report.sha256, head)
    if report.sequence:
        report.known = True
    else:
        encoder = spec.encoder()
        contract = spec.registered
        Registry(StoreShelf(desk.store)).register(contract, Mode.NONE)
        filling = _Filling(desk, spec, landing, encoder)
        try:
            filling.fill(open_file, report)
            draft = filling.draft(report, contract)
            _committed(marks, landing, head, draft, report, again=again)
        finally:
            filling.abort()
    report.seconds = desk.clock.monotonic() - began
    return report


def _digest(open_file: Callable[[], BinaryIO]) -> str:
    digest = hashlib.sha256()
    with closing(open_file()) as file:
        for chunk in chunks(unpacked(file)):
            digest.update(chunk)
    return digest.hexdigest()


def _committed(
    marks: Seen, landing: Landing, head: Commit | None, draft: Draft, report: FileReport, *, again: bool
) -> None:
    """Commit the file behind whatever others commit; when one of them was this very file, ours is dropped."""
    for _ in range(_ROUNDS):
        try:
            commit = landing.log.append(marks.added(draft, head, report.sha256), after=head)
        except Superseded:
            head = landing.log.latest()
            report.sequence = 0 if again else marks.find(report.sha256, head)
            if not report.sequence:
                continue
            report.known, report.rows, report.rejected, report.rejected_parts = True, 0, 0, ()
            return
        report.sequence = commit.sequence
        marks.put(report.sha256, commit.sequence)
        return
    raise Superseded("others were always faster", hint="try again: nothing was committed", table=report.table)


class _Filling:
    """The parts that a file becomes."""

    def __init__(self, desk: Desk, spec: FileSpec, landing: Landing, encoder: Format) -> None:
        self._desk = desk
        self._spec = spec
        self._landing = landing
        self._encoder = encoder
        self._run = run_id(desk.clock.now(), desk.token())
        self._checker = PageChecker(spec.contract, key_fields=spec.primary_key, duplicates=Duplicates.REFUSE)
        self._part: PartWriter | None = None
        self._quarantine: RejectWriter | None = None
        self._parts: list[Part] = []
        self._began = desk.clock.monotonic()

    def fill(self, open_file: Callable[[], BinaryIO], report: FileReport) -> None:
        """Read the file and write what it holds."""
        digest = hashlib.sha256()
        with closing(open_file()) as file:
            content = _Hashing(unpacked(file), digest)
            for batch in _batches(self._records(content)):
                self._take(batch, report)
        if digest.hexdigest() != report.sha256:
            raise Violation(
                "the file changed while it was read", hint="ingest it when it is whole", file=report.file
            )

    def draft(self, report: FileReport, contract: Contract) -> Draft:
        """What is committed. Raises `Violation` when too many lines were rejected."""
        self._within_bounds(report)
        self._close_part()
        rejected: tuple[Part, ...] = ()
        if self._quarantine is not None:
            rejected, self._quarantine = (self._quarantine.close(),), None
        report.rejected_parts = tuple(part.key for part in rejected)
        return Draft(
            run=self._run,
            attempt=1,
            parts=tuple(self._parts),
            rejected=report.rejected,
            rejected_parts=rejected,
            window={"file": report.file, "sha256": report.sha256},
            format=self._format,
            contract=contract.digest,
            seconds=round(self._desk.clock.monotonic() - self._began, 3),
            code_version=self._desk.code_version,
        )

    def abort(self) -> None:
        for writer in (self._part, self._quarantine):
            if writer is not None:
                writer.abort()

    @property
    def _format(self) -> str:
        return f"{self._encoder.extension}.gz"

    def _records(self, content: Any) -> Iterator[Line]:
        if self._spec.format == "csv":
            own = {column.name: column for column in self._spec.contract.columns()}
            spread = {column.name: column for column in flat_columns(self._spec.contract)}
            return csv_records(content, tuple({**spread, **own}.values()))
        return json_records(content)

    def _take(self, batch: list[Line], report: FileReport) -> None:
        good = [line for line in batch if not line.fault]
        verdict = self._checker.check([line.record for line in good])
        faults: dict[int, tuple[Fault, ...]] = {good[i].number: found for i, found in verdict.rejected}
        for line in batch:
            if line.fault:
                self._reject(line, (Fault("", "line", line.fault),), report)
            elif line.number in faults:
                self._reject(line, faults[line.number], report)
        if verdict.accepted:
            if self._part is None:
                self._part = self._landing.part(self._run, 1, 0, len(self._parts), self._format)
                self._part.write(self._encoder.header(), 0)
            self._part.write(
                self._encoder.encode([bytes(r) for r in verdict.accepted]), len(verdict.accepted)
            )
            report.rows += len(verdict.accepted)
            if self._part.size >= self._spec.part_size:
                self._close_part()

    def _close_part(self) -> None:
        if self._part is not None:
            self._parts.append(self._part.close())
            self._part = None

    def _reject(self, line: Line, faults: tuple[Fault, ...], report: FileReport) -> None:
        if self._quarantine is None:
            self._quarantine = self._landing.reject(self._run, 1)
        reasons = [{"pointer": f.pointer, "keyword": f.keyword, "message": f.message} for f in faults]
        first = faults[0]
        self._quarantine.add(
            line.record, reason=first.message, pointer=first.pointer, line=line.number, reasons=reasons
        )
        report.rejected += 1
        for fault in faults:
            what = f"{fault.pointer or '/'} {fault.keyword}"
            report.faults[what] = report.faults.get(what, 0) + 1

    def _within_bounds(self, report: FileReport) -> None:
        limit, all_ = self._spec.max_rejected, report.rows + report.rejected
        if limit is not None and report.rejected > limit * all_:
            raise Violation(
                f"{report.rejected} of {all_} lines break the contract; max_rejected allows {limit:.2%}",
                hint=f"nothing was committed; the faults: {_listed(report.faults)}",
                file=report.file,
                table=report.table,
            )


class _Hashing:
    """Reads and hashes what is read."""

    def __init__(self, content: BinaryIO, digest: Any) -> None:
        self._content = content
        self._digest = digest

    def read(self, size: int) -> bytes:
        data = self._content.read(size)
        self._digest.update(data)
        return data


def _batches(found: Iterator[Line]) -> Iterator[list[Line]]:
    """Up to so many lines at once, and fewer when they are long."""
    batch, size = list[Line](), 0
    for line in found:
        batch.append(line)
        size += len(line.record)
        if len(batch) == _BATCH or size > 8 * 1024 * 1024:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _listed(faults: Mapping[str, int]) -> str:
    most = sorted(faults.items(), key=lambda item: -item[1])[:5]
    return ", ".join(f"{what} ({times} times)" for what, times in most)
