"""The lines of one file on their way into parts and quarantine."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from typing import Any, BinaryIO

from shared.common.errors import Violation
from shared.contracts.contract import Contract
from shared.contracts.flat import flat_columns
from shared.contracts.page import PageChecker
from shared.contracts.validate import Duplicates, Fault
from shared.ingestion.files_look import looks_like
from shared.ingestion.files_read import Line, csv_records, json_records, unpacked
from shared.ingestion.files_report import FileReport, listed
from shared.ingestion.files_spec import Desk, FileSpec
from shared.ingestion.found import Found
from shared.landing.commit import Draft, Part
from shared.landing.layout import run_id
from shared.landing.writer import Landing, PartWriter, RejectWriter

_BATCH = 2000


class Filling:
    """The parts that a file becomes."""

    def __init__(self, desk: Desk, spec: FileSpec, landing: Landing) -> None:
        self._desk = desk
        self._spec = spec
        self._landing = landing
        self._encoder = spec.encoder()
        self._run = run_id(desk.clock.now(), desk.token())
        self._checker = PageChecker(spec.contract, key_fields=spec.primary_key, duplicates=Duplicates.REFUSE)
        self._part: PartWriter | None = None
        self._quarantine: RejectWriter | None = None
        self._parts: list[Part] = []
        self._found = Found()
        self._header: list[str] = []
        self._seems = ""
        self._began = desk.clock.monotonic()

    def fill(
        self, open_file: Callable[[], BinaryIO], report: FileReport, *, only: Iterator[int] | None = None
    ) -> None:
        """Read the file and write what it holds; `only` are the numbers of the lines that are taken, ascending."""
        digest = hashlib.sha256()
        with closing(open_file()) as file:
            content = _Hashing(unpacked(file), digest)
            records = _counted(self._records(content), report)
            for batch in _batches(records if only is None else _chosen(records, only)):
                self._take(batch, report)
        if digest.hexdigest() != report.sha256:
            raise Violation(
                "the file changed while it was read", hint="ingest it when it is whole", file=report.file
            )
        self._within_bounds(report)

    def draft(self, report: FileReport, contract: Contract) -> Draft:
        """What is committed."""
        self._close_part()
        rejected: tuple[Part, ...] = ()
        if self._quarantine is not None:
            rejected, self._quarantine = (self._quarantine.close(),), None
        report.rejected_parts = tuple(part.key for part in rejected)
        window = {"file": report.file, "sha256": report.sha256}
        return Draft(
            run=self._run,
            attempt=1,
            parts=tuple(self._parts),
            rejected=report.rejected,
            rejected_parts=rejected,
            reasons=self._found.counted(),
            window={**window, "refused_in": report.earlier} if report.earlier else window,
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
            return csv_records(content, tuple({**spread, **own}.values()), header=self._header)
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
            columns = [column.name for column in self._spec.contract.columns()]
            self._seems = looks_like(self._spec.format, line.record, header=self._header, columns=columns)
        reasons = [{"pointer": f.pointer, "keyword": f.keyword, "message": f.message} for f in faults]
        first = faults[0]
        self._quarantine.add(
            line.record, reason=first.message, pointer=first.pointer, line=line.number, reasons=reasons
        )
        self._found.because(faults)
        report.refuse(line.number, faults)

    def _within_bounds(self, report: FileReport) -> None:
        """Raises `Violation` when too many lines were refused."""
        if self._spec.allows(report.rejected, report.lines, known=report.earlier != 0):
            return
        limit = self._spec.max_rejected
        allowed = "half of them at most may" if limit is None else f"max_rejected allows {limit:.2%}"
        some = "none of the" if report.rejected == report.lines else f"{report.rejected:,} of"
        what = "fits the schema" if report.rejected == report.lines else "break the contract"
        told = [*report.first, f"nothing was committed; the faults: {listed(report.faults)}"]
        if self._seems:
            told.insert(0, self._seems)
        raise Violation(
            f"{some} {report.lines:,} lines {what}; {allowed}",
            hint="\n  ".join(told),
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


def _counted(found: Iterable[Line], report: FileReport) -> Iterator[Line]:
    for line in found:
        report.lines += 1
        yield line


def _chosen(found: Iterable[Line], numbers: Iterator[int]) -> Iterator[Line]:
    """The lines with these numbers. A number that begins no record now (CSV that was read as JSON) is passed over."""
    wanted = next(numbers, None)
    for line in found:
        while wanted is not None and wanted < line.number:
            wanted = next(numbers, None)
        if wanted == line.number:
            yield line


def _batches(found: Iterable[Line]) -> Iterator[list[Line]]:
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
