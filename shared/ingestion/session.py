"""One run of a source: the client and threads that its streams share, and the jobs that the run consists of."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from email.utils import parsedate_to_datetime
from functools import partial

from shared.common.errors import Refused, unknown
from shared.common.ports import Clock, Deadline, ObjectStore, Secrets
from shared.ingestion.plan import Ask
from shared.ingestion.report import Desk, run_dated_files, run_job
from shared.ingestion.source import Source
from shared.ingestion.spec import DatedFiles, Stream
from shared.ingestion.stopping import StoppableClock
from shared.ingestion.stream_report import StreamReport
from shared.ingestion.walk import Fetch
from shared.landing.adopt import adopt
from shared.landing.commit import Part
from shared.landing.disk import open_scratch
from shared.landing.layout import Layout, PartName, run_id
from shared.landing.log import CommitLog
from shared.rest.client import Client, connect
from shared.rest.message import Page, Request
from shared.rest.tally import Tally
from shared.rest.transport import Timeout, Transport

Watch = Callable[[StreamReport], None]

RESERVE = 30.0
"""Seconds before the deadline that are kept for closing, uploading and committing parts, at most …"""

RESERVED = 0.15
"""… and at most this share of the time that there was."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What a run needs from outside. `token()` gives eight random hex digits; `stop()` says that somebody wants an end.

    `transport` takes the place of HTTP, for tests.
    """

    store: ObjectStore
    clock: Clock
    deadline: Deadline
    secrets: Secrets
    token: Callable[[], str]
    stop: Callable[[], bool] = lambda: False
    transport: Transport | None = None
    code_version: str = ""


@dataclass(frozen=True, slots=True)
class Session:
    """What the streams of one run share: one client, so that the source's limits hold for all of them together."""

    source: Source
    tools: Tools
    ask: Ask
    run: str
    client: Client
    pool: ThreadPoolExecutor
    reserve: float
    turn: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def open(cls, source: Source, tools: Tools, *, ask: Ask) -> Session:
        """A session with its threads and connections; use it as a context manager, so that they end."""
        reserve = min(RESERVE, RESERVED * tools.deadline.remaining())
        tools = replace(tools, clock=StoppableClock(tools.clock, tools.stop))
        return cls(
            source=source,
            tools=tools,
            ask=ask,
            run=run_id(tools.clock.now(), tools.token()),
            client=client_for(source, tools),
            pool=ThreadPoolExecutor(source.spec.rate_limit.concurrency, thread_name_prefix="fetch"),
            reserve=reserve,
        )

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.pool.shutdown(wait=True, cancel_futures=True)
        self.client.close()

    def stop(self) -> bool:
        """Whether it is time to come to an end."""
        return self.tools.stop() or self.tools.deadline.remaining() <= self.reserve

    def limited(self) -> bool:
        """Whether this run has a deadline: a wait beyond that is left to the next run."""
        return not math.isinf(self.tools.deadline.remaining())

    def scoped(self, name: str, tally: Tally) -> Client:
        return self.client.scoped(
            tally=tally, deadline=self.tools.deadline, source=self.source.name, stream=name
        )

    def log(self, stream: str) -> CommitLog:
        return CommitLog(self.tools.store, self.source.name, stream, self.tools.clock)

    def fetcher(self, client: Client, stream: Stream, warn: Callable[[str], None]) -> Fetch:
        """Fetches pages of a stream on the session's threads; what the stream ignores becomes None, with a warning."""
        shape = stream.pagination.shape(stream.records, single=stream.single)
        lag = math.inf if stream.incremental is None else stream.incremental.lag.total_seconds()

        def fetch(request: Request) -> Page | None:
            try:
                page = client.page(request, shape)
                if self._behind(page) > lag:
                    warn("the API's clock is behind ours by more than `lag`: raise it, or rows are missed")
                return page
            except Refused as error:
                if not stream.ignores(error.status, error.kind):
                    raise
                warn(f"nothing there: {error.kind or error.status}")
                return None

        def submit(request: Request) -> Future[Page | None]:
            return self.pool.submit(fetch, request)

        return submit

    def _behind(self, page: Page) -> float:
        """Seconds by which the API's clock is behind ours, by its Date header; 0 where it has none."""
        said = page.response.headers.get("date", "")
        try:
            theirs = parsedate_to_datetime(said)
        except ValueError:
            return 0.0
        if theirs.tzinfo is None:
            return 0.0
        return (self.tools.clock.now() - theirs).total_seconds()

    def report(self, name: str) -> list[StreamReport]:
        """Run one of the source's reports."""
        tally = Tally()
        client = self.scoped(name, tally)
        desk = Desk(
            spec=self.source.spec,
            client=client,
            log=self.log,
            fetch=partial(self._download, client),
            clock=self.tools.clock,
            deadline=self.tools.deadline,
            run=self.run,
            code_version=self.tools.code_version,
            stop=self.stop,
        )
        report = self.source.spec.reports[name]
        if isinstance(report, DatedFiles):
            found = run_dated_files(desk, name, report, self.ask)
        else:
            found = run_job(desk, name, report, self.ask)
        found[0].api_calls, found[0].retries = tally.api_calls, tally.retries
        return found

    def _download(self, client: Client, request: Request, stream: str, md5: str | None, form: str) -> Part:
        """Land one download as a part, byte for byte, through a scratch file."""
        store = self.tools.store
        file, path = open_scratch(store.scratch())
        try:
            with file:
                client.download(request, file, md5=md5)
            name = PartName(self.run, 1, 0, 0, self.tools.clock.now().date())
            return adopt(store, path, name, folder=Layout(self.source.name, stream).data, format=form)
        finally:
            path.unlink(missing_ok=True)


def client_for(source: Source, tools: Tools) -> Client:
    """The client of a source: its address, credentials, limits and patience."""
    spec = source.spec
    headers = tuple(spec.headers.items())
    limits = spec.timeouts
    timeout = Timeout(*(limit.total_seconds() for limit in (limits.connect, limits.read, limits.total)))
    make: Callable[..., Client] = connect
    if tools.transport is not None:
        make = partial(Client, transport=tools.transport)
    return make(
        spec.base_url,
        clock=tools.clock,
        secrets=tools.secrets,
        auth=spec.auth,
        retry=spec.retry,
        limit=spec.rate_limit,
        errors=spec.errors,
        headers=headers,
        timeout=timeout,
    )


def chosen(source: Source, names: Sequence[str] | None) -> list[str]:
    """The streams and reports to run: those named, or all. Raises `Misconfigured` listing the known ones."""
    known = [*source.spec.streams, *source.spec.reports]
    for name in names or ():
        if name not in known:
            raise unknown("stream", name, known, source=source.name)
    return list(dict.fromkeys(names)) if names else known
