"""Worlds for the tests of sources: a source with recorded answers, a landing zone in memory, and made-up secrets."""

from __future__ import annotations

import base64
import gzip
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from threading import Lock
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from shared.common.fakes import DictSecrets, FakeClock, FixedDeadline, MemoryStore
from shared.common.redaction import Redactor
from shared.ingestion.request import absolute
from shared.ingestion.run import RunReport, ingest
from shared.ingestion.session import Tools
from shared.ingestion.source import Source
from shared.ingestion.spec import DatedFiles, Job, SourceSpec
from shared.landing.log import CommitLog
from shared.rest.fake import answer
from shared.rest.message import Request, Response
from shared.rest.transport import Stream as Pieces
from shared.rest.transport import Timeout, Transport

Recorded = Mapping[str, Any]


class Canaries:
    """Secrets of any name, whose values are easily found wherever they should not be."""

    def __init__(self, known: Mapping[str, str]) -> None:
        self._known = DictSecrets(known)
        self._names = known.keys()
        self.redactor = Redactor(known.values())

    def get(self, name: str, *, hidden: bool = True) -> str:
        if name in self._names:
            return self._known.get(name)
        value = f"canary-{name}-Zq8vX2mK7"
        # In basic authentication more text may follow before it is encoded: all but its last group stays.
        encoded = base64.b64encode(value.encode()).decode()[: len(value) // 3 * 4]
        self.redactor.learn(value, encoded)
        return value

    def refresh(self) -> bool:
        return False


class Listening:
    """A transport that remembers which answers it gave to which requests."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._lock = Lock()
        self.exchanges: list[tuple[Request, Response]] = []

    def send(self, request: Request, *, timeout: Timeout) -> Response:
        response = self._transport.send(request, timeout=timeout)
        with self._lock:
            self.exchanges.append((request, response))
        return response

    @contextmanager
    def stream(self, request: Request, *, timeout: Timeout) -> Iterator[Pieces]:
        with self._transport.stream(request, timeout=timeout) as pieces:
            with self._lock:
                self.exchanges.append((request, pieces.response))
            yield pieces

    def close(self) -> None:
        """Stays open: the next run of the same world uses it again."""


@dataclass
class World:
    """A source with a landing zone, a clock and secrets of its own."""

    source: Source
    transport: Listening
    secrets: Canaries
    store: MemoryStore = field(default_factory=MemoryStore)
    clock: FakeClock = field(default_factory=FakeClock)
    _tokens: Iterator[int] = field(default_factory=count)

    def run(self, *, stop: bool = False, streams: Sequence[str] | None = None) -> RunReport:
        """One run of all streams, or of some; with `stop` it ends behind the first page of every stream."""
        tools = Tools(
            store=self.store,
            clock=self.clock,
            deadline=FixedDeadline(),
            secrets=self.secrets,
            token=lambda: f"{next(self._tokens):08x}",
            stop=lambda: stop,
            transport=self.transport,
        )
        return ingest(self.source, tools, streams=streams)

    def rows(self, stream: str) -> bytes:
        """All that has landed of a stream, in the order of its commits, without the header lines of CSV parts."""
        found = []
        for commit in CommitLog(self.store, self.source.name, stream, self.clock).since(0):
            for part in commit.draft.parts:
                body = plain(part.key, self.store.get(part.key))
                found.append(body.partition(b"\n")[2] if ".csv" in part.key else body)
        return b"".join(found)

    def count(self, stream: str) -> int:
        log = CommitLog(self.store, self.source.name, stream, self.clock)
        return sum(commit.draft.rows for commit in log.since(0))

    def cursor(self, stream: str) -> Any:
        head = CommitLog(self.store, self.source.name, stream, self.clock).latest()
        return None if head is None else head.draft.cursor

    def objects(self, part: str = "/") -> dict[str, bytes]:
        """What lies in the landing zone under keys that contain `part`, decompressed."""
        keys = [info.key for info in self.store.list("") if part in info.key]
        return {key: plain(key, self.store.get(key)) for key in keys}

    def streams(self) -> list[str]:
        return sorted({key.split("/")[2] for key in self.objects()})


def plain(key: str, body: bytes) -> bytes:
    """An object of the landing zone, decompressed."""
    return gzip.decompress(body) if key.endswith(".gz") else body


def chosen(recorded: Recorded, request: Request, spec: SourceSpec) -> str | None:
    """The key of the recorded answer for a request: path equal, and of its parameters as many as possible.

    Parameters are those of the query, and the fields of a JSON body by their dotted paths.
    """
    base = spec.base_url.rstrip("/")
    parts = urlsplit(request.full_url())
    asked, path = set(parse_qsl(parts.query, keep_blank_values=True)), request.url.partition("?")[0]
    asked |= set(_fields(request.json)) | set(request.form or ())
    fitting = []
    for key in recorded:
        place, _, query = key.partition("?")
        wanted = set(parse_qsl(query, keep_blank_values=True))
        if path in (place, f"{base}/{place.lstrip('/')}") and wanted <= asked:
            fitting.append((len(wanted), key))
    return max(fitting)[1] if fitting else None


def _fields(body: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    """The values of a JSON body as parameters.

    >>> sorted(_fields({"page": {"after": 7}, "all": True, "ids": ["a", "b"]}))
    [('all', 'true'), ('ids', 'a'), ('ids', 'b'), ('page.after', '7')]
    """
    match body:
        case dict():
            for name, value in body.items():
                yield from _fields(value, f"{prefix}.{name}" if prefix else str(name))
        case list():
            for value in body:
                yield from _fields(value, prefix)
        case str():
            yield prefix, body
        case _ if prefix:
            yield prefix, json.dumps(body)


def owner(spec: SourceSpec, request: Request) -> str | None:
    """The stream that a request belongs to: its path fits, and it has its fixed parameters and fields of the body."""
    found = []
    for name, stream in spec.streams.items():
        uncounted = stream.reconcile.without if stream.reconcile and request.method == "HEAD" else ()
        params = {k: v for k, v in stream.params.items() if "{" not in v and k not in uncounted}
        body, asked = set(_fields(stream.json_body)), set(_fields(request.json))
        fits = request.method in (stream.method, "HEAD")
        if not (fits and _fits(spec, stream.path, request) and body <= asked):
            continue
        if all(request.param(k) == v for k, v in params.items()):
            found.append((len(params) + len(body), name))
    return max(found)[1] if found else None


def _fits(spec: SourceSpec, path: str, request: Request) -> bool:
    pattern = re.sub(r"\\\{[^/]+?\\\}", "[^/]+", re.escape(absolute(spec, path).partition("?")[0]))
    return re.fullmatch(pattern, request.url.partition("?")[0]) is not None


def known(spec: SourceSpec, request: Request) -> bool:
    """Whether a request is one that a source makes beside its streams (tokens, checks, reports, lists in full)."""
    paths = [getattr(spec.auth, "token_url", None), spec.check]
    paths += [rest.path for stream in spec.streams.values() for rest in stream.follow]
    for report in spec.reports.values():
        match report:
            case DatedFiles():
                paths += [report.dates_path, report.files_path.replace("{date}", "{}")]
            case Job():
                paths += [report.create.get("path"), report.poll_path, report.result_path]
    if spec.reports and not request.url.startswith(spec.base_url):
        return True  # a file: the API says where it lies
    return any(_fits(spec, path.replace("{}", "{x}"), request) for path in paths if path)


def replay(recorded: Recorded, spec: SourceSpec) -> Callable[[Request], Response]:
    """Answers requests with what was recorded, and with 404 where nothing was."""

    def handler(request: Request) -> Response:
        key = chosen(recorded, request, spec)
        if key is None:
            message = f"nothing is recorded for {request.method} {request.full_url()}"
            return answer({"error": {"type": "not_recorded", "message": message}}, status=404)
        match recorded[key]:
            case Response() as response:
                return response
            case bytes() as body:
                return answer(body=body)
            case document:
                return answer(document)

    return handler


def echo(status: int) -> Callable[[Request], Response]:
    """Answers every request with an error that repeats all of it, credentials too."""

    def handler(request: Request) -> Response:
        said = {
            "message": f"{request.full_url()} {request.headers!r}",
            "type": "echo",
            "form": dict(request.form),
        }
        return answer({"error": said, "echo": dict(request.headers)}, status=status, x_request_id="echo")

    return handler


def in_order(source: Source) -> Source:
    """The source with one stream and one window at a time, so that two runs can be compared byte by byte."""
    spec = source.spec
    streams = {
        name: stream.model_copy(
            update={"incremental": stream.incremental.model_copy(update={"concurrency": 1})}
        )
        if stream.incremental
        else stream
        for name, stream in spec.streams.items()
    }
    return replace(source, spec=spec.model_copy(update={"parallel_streams": 1, "streams": streams}))


def key_of(path: Path) -> str:
    """`customers@page=2.json` is the answer to `/customers?page=2`."""
    name = path.as_posix().removesuffix(".json")
    place, at, query = name.partition("@")
    return f"/{place}?{query}" if at else f"/{place}"
