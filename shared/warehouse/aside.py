"""Rows that passed their contract and that the warehouse cannot hold do not stop those behind them: they are set aside.

When a warehouse refuses a stage, its parts are read row by row (`sift`), the rows that no column can hold are written
to the landing zone with the reason, and the rest is staged. Staged and set aside together are still the rows that the
commit counted. Whatever else a warehouse refuses stops the load as before.

A row that is set aside is still in its source: where versions end because a whole snapshot lacks their keys, its key is
not lacking. So the keys of such rows are staged, too, in a stage of their own.

```
landing/<source>/<stream>/aside/00000000000000000012/<load>-3.jsonl.gz    3 rows of commit 12 that <load> set aside
```
"""

from __future__ import annotations

import gzip
import hashlib
import re
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import IO

from shared.common.errors import SluiceError, Violation
from shared.common.ports import ObjectStore
from shared.contracts.columns import Column
from shared.landing.layout import Layout
from shared.warehouse.ports import Disposition, LoadRecord, Session, Stage, StagedPart, TableSpec
from shared.warehouse.sift import fields_of, sifted

# What no warehouse holds, then what some do not; nested values have 100 levels in MySQL and 31 in MariaDB.
_TURNS: tuple[tuple[bool, int | None], ...] = ((False, None), (True, None), (True, 100), (True, 31))
_STAGING = timedelta(days=1)
_KEPT = re.compile(r"(?P<commit>[0-9]{20})/(?P<load>.+)-(?P<rows>[0-9]+)\.jsonl\.gz")


def home_of(source: str, stream: str) -> str:
    """Where the rows of a stream that were set aside lie."""
    return f"{Layout(source, stream).home}aside/"


@dataclass(frozen=True, slots=True)
class Held:
    """A stage, the parts that are in it, and the rows that are not: how many, and the keys of their files."""

    stage: Stage
    parts: list[StagedPart]
    aside: int = 0
    keys: tuple[str, ...] = ()

    @property
    def note(self) -> str:
        if not self.aside:
            return ""
        more = f" and {len(self.keys) - 1} more" if len(self.keys) > 1 else ""
        return f"{self.aside} rows set aside, which the warehouse cannot hold: {self.keys[0]}{more}"

    @contextmanager
    def kept(self, store: ObjectStore) -> Iterator[None]:
        """Take the files back where the load ends with an error: the next one sets the rows aside again."""
        try:
            yield
        except SluiceError:
            self.take_back(store)
            raise

    def take_back(self, store: ObjectStore) -> None:
        for key in self.keys:
            store.delete(key)


def staged(
    session: Session,
    store: ObjectStore,
    table: TableSpec,
    load: str,
    columns: Sequence[Column],
    parts: list[StagedPart],
    *,
    folder: Path,
) -> Held:
    """Stage the parts; where the warehouse refuses, without the rows that it cannot hold.

    Raises `Violation` when that was not the reason, and when nothing would be left of what replaces a table.
    """
    try:
        return Held(session.stage(load, columns, parts, folder=folder), parts)
    except Violation as error:
        refused = error
    for turn, (strict, deepest) in enumerate(_TURNS, start=1):
        name = f"{load}-{turn}"
        place = folder / name
        place.mkdir()
        sieve = _Sieve(store, table, load, columns, place, strict, deepest)
        left = sieve.left(parts)
        if left is None or (table.disposition is Disposition.REPLACE and not any(part.rows for part in left)):
            continue
        with ExitStack() as stack:
            shown = [sieve.shown(part, stack) for part in left]
            try:
                stage = session.stage(name, columns, shown, folder=place)
            except Violation as error:
                refused = error
                continue
        if table.disposition is Disposition.SCD2:
            stage = sieve.spared(session, stage)
        return Held(stage, left, sum(sieve.rows.values()), sieve.kept())
    raise refused


@dataclass(slots=True)
class _Sieve:
    """One attempt to stage what is left. `rows` were set aside, by commit."""

    store: ObjectStore
    table: TableSpec
    load: str
    columns: Sequence[Column]
    place: Path
    strict: bool
    deepest: int | None
    rows: dict[int, int] = field(default_factory=dict)
    keys: int = 0
    """How many of them have a key, which a table of versions must know."""

    def left(self, parts: Iterable[StagedPart]) -> list[StagedPart] | None:
        """The parts without what is set aside; None when nothing about them has changed."""
        found, changed = list[StagedPart](), False
        with ExitStack() as stack:
            files = dict[int, IO[bytes]]()
            keys = stack.enter_context(self._keys.open("wb"))

            def put(part: StagedPart, record: bytes, line: bytes) -> None:
                if key := fields_of(part, record, self._roots()):
                    keys.write(key)
                    self.keys += 1
                if part.commit not in files:
                    files[part.commit] = stack.enter_context(_zipped(self._file(part.commit)))
                files[part.commit].write(line)
                self.rows[part.commit] = self.rows.get(part.commit, 0) + 1

            for number, part in enumerate(parts):
                target = self.place / f"{number:05d}.{'csv' if part.format.startswith('csv') else 'jsonl'}"
                try:
                    one = sifted(
                        part, target, columns=self.columns, strict=self.strict, put=put, deepest=self.deepest
                    )
                except Violation:
                    return None  # it is no CSV, which the warehouse has said in more words
                found.append(one.part if one.changed else part)
                changed = changed or one.changed
        return found if changed else None

    def shown(self, part: StagedPart, stack: ExitStack) -> StagedPart:
        """The part as an object of the landing zone while it is staged: some warehouses read nothing else."""
        if part.file.parent != self.place:
            return part
        key = f"{home_of(self.table.source, self.table.stream)}staging/{self.place.name}/{part.file.name}"
        copy = self.place / f"copy-{part.file.name}"
        shutil.copyfile(part.file, copy)
        self.store.put_file(key, copy, sha256=_sha256(copy))
        stack.callback(self.store.delete, key)
        return replace(part, key=key)

    def spared(self, session: Session, stage: Stage) -> Stage:
        """The stage, and beside it the keys of the rows that are not in it."""
        if not self.keys:
            return stage
        home = home_of(self.table.source, self.table.stream)
        part = StagedPart(f"{home}keys", self._keys, self.keys, "jsonl", run="", commit=0)
        with ExitStack() as stack:
            shown = self.shown(part, stack)
            try:
                keys = session.stage(f"{stage.load}-keys", self.columns, [shown], folder=self.place)
            except Violation:  # a key that no column can hold is in no version; but which of them are such?
                return replace(stage, partial=True)
        return replace(stage, spared=keys)

    def _roots(self) -> list[Column]:
        """The columns that hold the key."""
        columns = {column.name: column for column in self.columns}
        keys = (key if key in columns else key.partition(".")[0] for key in self.table.primary_key)
        return [columns[key] for key in keys if key in columns]

    @property
    def _keys(self) -> Path:
        return self.place / "keys.jsonl"

    def kept(self) -> tuple[str, ...]:
        """Put the rows that were set aside into the landing zone; returns their keys."""
        home = home_of(self.table.source, self.table.stream)
        keys = []
        for commit, rows in sorted(self.rows.items()):
            keys.append(f"{home}{commit:020d}/{self.load}-{rows}.jsonl.gz")
            self.store.put_file(keys[-1], self._file(commit), sha256=_sha256(self._file(commit)))
        return tuple(keys)

    def _file(self, commit: int) -> Path:
        return self.place / f"aside-{commit:020d}.jsonl.gz"


def set_aside(store: ObjectStore, source: str, stream: str, loads: Sequence[LoadRecord]) -> dict[int, int]:
    """How many rows of each commit are not in the table because they were set aside, by the history of its loads.

    What a load set aside that never came to its end does not count, nor what was loaded again since.
    """
    home, files = home_of(source, stream), dict[tuple[str, int], int]()
    for info in store.list(home):
        if found := _KEPT.fullmatch(info.key.removeprefix(home)):
            files[found["load"], int(found["commit"])] = int(found["rows"])
    rows: dict[int, int] = {}
    for record in loads if files else ():
        rows = {commit: count for commit, count in rows.items() if commit <= record.before}
        if record.after < record.before:
            rows = {commit: count for commit, count in rows.items() if commit <= record.after}
        rows |= {commit: count for (load, commit), count in files.items() if load == record.load}
    return rows


def sweep(
    store: ObjectStore, session: Session, table: TableSpec, *, position: int, now: datetime
) -> list[str]:
    """Take away what loads left that died before their end; returns the keys.

    What lies aside of a commit that the table has by now, and of no load that came to its end, is of one that cannot
    come to it any more: its ledger has moved on. Copies that were made for staging go when they are a day old.
    """
    home, keys, loads = home_of(table.source, table.stream), list[str](), None
    for info in store.list(home):
        found = _KEPT.fullmatch(info.key.removeprefix(home))
        if found is None:
            dead = info.key.startswith(f"{home}staging/") and info.modified < now - _STAGING
        elif int(found["commit"]) > position:
            continue  # another loader may be at work on it
        else:
            loads = {record.load for record in session.history()} if loads is None else loads
            dead = found["load"] not in loads
        if dead:
            keys.append(info.key)
    for key in keys:
        store.delete(key)
    return keys


def _zipped(file: Path) -> IO[bytes]:
    return gzip.GzipFile(file, "wb", mtime=0)  # type: ignore[return-value]


def _sha256(file: Path) -> str:
    digest = hashlib.sha256()
    with file.open("rb") as body:
        while chunk := body.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()
