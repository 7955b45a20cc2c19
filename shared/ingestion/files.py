"""Files as a source: every line is checked, lands or is quarantined with its number, and the file is committed once.

The commit's cursor and a marker know the content of the files that have landed (SHA-256, gzip undone): the same file
again, under whatever name, changes nothing. Under another schema its lines that were refused, and those alone, are
read once more: what fits now lands behind what landed then. A process that dies has committed nothing, and the file is
read again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import BinaryIO

from shared.common.errors import SluiceError, Superseded
from shared.common.ports import ObjectStore
from shared.contracts.compatibility.verdict import Mode
from shared.contracts.registry import Registry
from shared.contracts.shelves import StoreShelf
from shared.ingestion.files_fill import Filling
from shared.ingestion.files_read import chunks, unpacked
from shared.ingestion.files_report import FileReport
from shared.ingestion.files_seen import Seen
from shared.ingestion.files_spec import SOURCE, Desk, FileSpec
from shared.landing.commit import Commit, Draft
from shared.landing.reader import read_part
from shared.landing.writer import Landing

_ROUNDS = 20
"""Commits of others that may come before ours."""


def ingest_file(
    desk: Desk, spec: FileSpec, open_file: Callable[[], BinaryIO], *, name: str, again: bool = False
) -> FileReport:
    """Land a file, unless it has landed; `open_file` is called twice: once to know it, once to read it.

    Of a file that landed under another schema the lines that were refused then are read again. With `again` all of it
    lands once more.

    Raises `Violation` when more lines are refused than `FileSpec.allows`, when the file is broken, or changes while
    it is read; nothing is committed then.
    """
    began = desk.clock.monotonic()
    report = FileReport(spec.table, name, sha256=_digest(open_file))
    landing = Landing(desk.store, SOURCE, spec.table, desk.clock)
    marks = Seen(desk.store, landing)
    head = landing.log.latest()
    landed = marks.find(report.sha256, head)
    before = landing.log.read(landed) if landed and not again else None
    if before is not None and not (before.draft.rejected and _other_schema(before, spec)):
        _known(report, before, spec)
    else:
        report.earlier = 0 if before is None else before.sequence
        report.repeats = landed if again else 0
        try:
            _land(desk, spec, open_file, report, landing=landing, marks=marks, head=head, before=before)
        except SluiceError as error:
            raise error.at(file=name, table=spec.table) from None
    report.seconds = desk.clock.monotonic() - began
    return report


def _land(
    desk: Desk,
    spec: FileSpec,
    open_file: Callable[[], BinaryIO],
    report: FileReport,
    *,
    landing: Landing,
    marks: Seen,
    head: Commit | None,
    before: Commit | None,
) -> None:
    """Land the file; of one that landed in `before`, the lines that were refused then."""
    contract = spec.registered
    filling = Filling(desk, spec, landing)
    try:
        filling.fill(open_file, report, only=None if before is None else _refused(desk.store, before))
        if before is not None and not report.rows:  # nothing fits now that did not fit then
            said = report.first
            _known(report, before, spec)
            report.first = said
            return
        draft = filling.draft(report, contract)
        Registry(StoreShelf(desk.store)).register(contract, Mode.NONE)
        _committed(marks, landing, head, draft, report, spec)
    finally:
        filling.abort()


def _known(report: FileReport, before: Commit, spec: FileSpec) -> None:
    draft = before.draft
    report.known_in(
        before.sequence,
        rejected=draft.rejected,
        parts=(part.key for part in draft.rejected_parts),
        other_schema=_other_schema(before, spec),
    )


def _other_schema(before: Commit, spec: FileSpec) -> bool:
    return before.draft.contract != spec.registered.digest


def _refused(store: ObjectStore, before: Commit) -> Iterator[int]:
    """The numbers of the lines that a commit has in its quarantine, ascending."""
    for part in before.draft.rejected_parts:
        with closing(read_part(store, part)) as lines:
            for line in lines:
                yield int(json.loads(line)["line"])


def _digest(open_file: Callable[[], BinaryIO]) -> str:
    digest = hashlib.sha256()
    with closing(open_file()) as file:
        for chunk in chunks(unpacked(file)):
            digest.update(chunk)
    return digest.hexdigest()


def _committed(
    marks: Seen, landing: Landing, head: Commit | None, draft: Draft, report: FileReport, spec: FileSpec
) -> None:
    """Commit the file behind whatever others commit; when one of them was this very file, ours is dropped."""
    for _ in range(_ROUNDS):
        try:
            commit = landing.log.append(marks.added(draft, head, report.sha256), after=head)
        except Superseded:
            head = landing.log.latest()
            landed = marks.find(report.sha256, head)
            if landed in (0, report.earlier, report.repeats):
                continue
            _known(report, landing.log.read(landed), spec)
            return
        report.sequence = commit.sequence
        marks.put(report.sha256, commit.sequence)
        return
    raise Superseded("others were always faster", hint="try again: nothing was committed", table=report.table)
