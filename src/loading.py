"""Loads what has landed: stream after stream, in a thread of its own while a run goes on.

One at a time, because a DuckDB file has one writer. A load that fails stops no other; its error is in `failed`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from types import TracebackType
from typing import TYPE_CHECKING, Any

from shared.common.errors import Misconfigured, SluiceError, unknown

if TYPE_CHECKING:
    from shared.common.ports import ObjectStore
    from shared.contracts.columns import Column
    from shared.ingestion.source import Source
    from shared.warehouse.load import LoadReport
    from shared.warehouse.ports import TableSpec
    from src.workplace import Workplace


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
        columns=_columns(source, stream),
        primary_key=spec.primary_key,
        cursor_field=spec.cursor_field,
    )


def _columns(source: Source, stream: str) -> tuple[Column, ...] | None:
    """The columns of what was landed: masked, and spread out where the stream is flattened; None: not declared."""
    from shared.contracts.flat import flat_columns
    from shared.contracts.masked import masked

    contract, spec = source.contracts.get(stream), source.spec.streams[stream]
    if contract is None:
        return None
    contract = masked(contract, spec.mask)
    return flat_columns(contract) if spec.format == "csv" and spec.nested == "flatten" else contract.columns()


def landed_streams(store: ObjectStore, source: str) -> list[str]:
    """The streams of a source that have anything in the landing zone, by name; one listing of one key for each."""
    from shared.landing.layout import ROOT

    home, found = f"{ROOT}/{source}/", list[str]()
    after = ""
    while first := next(store.list(home, after=after), None):
        stream = first.key.removeprefix(home).partition("/")[0]
        found.append(stream)
        after = f"{home}{stream}/\U0010ffff"
    return found


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


def positions(place: Workplace, source: Source, streams: Iterable[str]) -> dict[str, int]:
    """The last commit of each stream that is in the warehouse; 0 where none is."""
    found = {}
    for stream in streams:
        with place.warehouse.session(table_of(source, stream)) as session:
            found[stream] = session.position()
    return found


class Loads:
    """Loads of one source into the warehouse, in the order in which they are asked for.

    Use it as a context manager: leaving it waits for the loads that were asked for.
    """

    def __init__(self, place: Workplace, source: Source) -> None:
        self.reports: dict[str, LoadReport] = {}
        self.failed: dict[str, SluiceError] = {}
        self._place = place
        self._source = source
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="load")
        self._lock = threading.Lock()
        self._asked: set[str] = set()
        self._waiting: list[Future[None]] = []

    def __enter__(self) -> Loads:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(wait=True, cancel_futures=error is not None)

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
        from shared.common.clock import random_token
        from shared.ingestion.stream import last_words
        from shared.landing.log import CommitLog
        from shared.warehouse.load import load

        place = self._place
        try:
            log = CommitLog(place.store, self._source.name, stream, place.clock)
            self.reports[stream] = load(
                log,
                place.store,
                place.warehouse,
                table_of(self._source, stream),
                load_id=random_token,
                clock=place.clock,
            )
        except Exception as error:  # noqa: BLE001 - one stream's load must not take the others with it
            self.failed[stream] = last_words(error)
