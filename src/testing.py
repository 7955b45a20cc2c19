"""The standard tests of a source: inherit them, say which source, and give answers that its API once gave.

```
class TestAcme(SourceSuite):
    source = "acme"
    recorded = {"/customers": {"data": [{"id": "c1"}], "next": None}}
```

`recorded` maps paths, with the query parameters that matter (`/customers?page=2`), to bodies; of several keys that fit
a request the one with the most parameters answers. Or it is a folder of files (`customers.json`,
`customers@page=2.json`), by default `recorded/` beside the test. A source with a server to test against overrides the
fixture `server` instead and sets `secrets`.
"""

from __future__ import annotations

import base64
import gzip
import inspect
import json
import logging
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from threading import Lock
from typing import Any, ClassVar
from urllib.parse import parse_qsl, urlsplit

import pytest

from shared.common.errors import Misconfigured, unknown
from shared.common.fakes import START, DictSecrets, FakeClock, FixedDeadline, MemoryStore
from shared.common.ports import Secrets
from shared.common.redaction import Redactor
from shared.ingestion.request import absolute
from shared.ingestion.run import RunReport, ingest
from shared.ingestion.session import Tools
from shared.ingestion.source import Source, load_source
from shared.ingestion.spec import DatedFiles, Job, SourceSpec, Stream
from shared.ingestion.template import lookup
from shared.landing.log import CommitLog
from shared.rest.address import Guard
from shared.rest.auth import NoAuth
from shared.rest.fake import FakeTransport, answer
from shared.rest.message import Request, Response
from shared.rest.transport import HttpTransport, Timeout, Transport
from shared.rest.transport import Stream as Pieces
from src.workplace import source_files

Recorded = Mapping[str, Any]
MOST_RUNS = 20_000


class Canaries:
    """Secrets of any name, whose values are easily found wherever they should not be."""

    def __init__(self, known: Mapping[str, str]) -> None:
        self._known = DictSecrets(known)
        self._names = known.keys()
        self.redactor = Redactor(known.values())

    def get(self, name: str) -> str:
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

    def run(self, *, stop: bool = False) -> RunReport:
        """One run; with `stop` it ends behind the first page of every stream."""
        tools = Tools(
            store=self.store,
            clock=self.clock,
            deadline=FixedDeadline(),
            secrets=self.secrets,
            token=lambda: f"{next(self._tokens):08x}",
            stop=lambda: stop,
            transport=self.transport,
        )
        return ingest(self.source, tools)

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


class SourceSuite:
    """Inherit and set `source` and `recorded`; the module's text says how."""

    source: ClassVar[str | Path]
    """A name, for src/NAME/source.yml, or the path of a source.yml."""
    recorded: ClassVar[Recorded | Path | None] = None
    secrets: ClassVar[Mapping[str, str]] = {}
    """Real values, where a server wants them; every other secret is made up."""
    settings: ClassVar[Mapping[str, str]] = {}
    """What `${NAME}` in the source.yml stands for."""

    @pytest.fixture
    def server(self) -> str | None:
        """The base URL of a server to run against; None: the recorded answers."""
        return None

    @pytest.fixture
    def world(self, server: str | None) -> Callable[[], World]:
        """Makes new worlds, all alike."""
        return lambda: self._world(server)

    def test_the_file_is_valid_and_named_after_its_folder(self) -> None:
        """A source is found by its folder."""
        source = self._load(None)

        assert source.name == Path(source.file).parent.name or isinstance(self.source, Path)

    def test_every_recorded_row_lands(self, world: Callable[[], World]) -> None:
        """No row is dropped on the way: not by paging, not by the window, not by the contract."""
        here = world()
        report = here.run()

        _none(report.failed, "streams failed")
        _none(_missing(here), "recorded rows are not in the landing zone")

    def test_two_runs_of_the_same_answers_land_identical_bytes(self, world: Callable[[], World]) -> None:
        """What lands depends on the answers alone, so a run that is repeated can be compared."""
        one, other = world(), world()
        one.run()
        other.run()

        ours, theirs = one.objects("/data/"), other.objects("/data/")
        _none([key for key in ours.keys() | theirs if ours.get(key) != theirs.get(key)], "parts differ")

    def test_the_cursor_moves(self, world: Callable[[], World]) -> None:
        """An incremental stream does not ask for everything again."""
        here = world()
        here.run()
        before = {name: here.cursor(name) for name in _incremental(here.source.spec)}
        here.clock.advance(86_400)
        here.run()
        after = {name: here.cursor(name) for name in before}

        _none(
            [n for n, cursor in before.items() if cursor is None and here.count(n)], "streams have no cursor"
        )
        stuck = [
            n for n, s in _incremental(here.source.spec).items() if _by_time(s) and after[n] == before[n]
        ]
        _none(stuck, "cursors stand still")

    def test_a_run_that_stops_after_every_page_lands_the_same_bytes(self, world: Callable[[], World]) -> None:
        """Each invocation goes on where the one before stopped: nothing is lost and nothing doubled."""
        whole, pieces = world(), world()
        whole.run()
        for _ in range(MOST_RUNS):
            report = pieces.run(stop=True)
            _none(report.failed, "streams failed")
            if report.done:
                break
        else:
            pytest.fail(f"not done after {MOST_RUNS} runs")

        names = {*whole.streams(), *pieces.streams()}
        _none([name for name in names if whole.rows(name) != pieces.rows(name)], "streams have other bytes")

    @pytest.mark.parametrize("status", [200, 400, 401, 403, 404, 500])
    def test_no_secret_is_landed_logged_or_told(
        self, world: Callable[[], World], status: int, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Also not when the API repeats the request, credentials and all, in an error."""
        here = world()
        if status != 200:
            here.transport = Listening(FakeTransport(_echo(status)))
        with caplog.at_level(logging.DEBUG):
            report = here.run()
        told = json.dumps(report.to_json(), default=str) + "".join(map(str, report.failed.values()))
        shown = {**here.objects(), "the log": caplog.text.encode(), "the report": told.encode()}

        assert status == 200 or report.failed or _ignores(here.source.spec), f"status {status} was no error"
        revealing = [n for n, text in shown.items() if here.secrets.redactor.reveals(text.decode("latin-1"))]
        _none(revealing, "a secret is written in")

    def test_every_path_that_is_asked_for_belongs_to_a_stream(self, world: Callable[[], World]) -> None:
        """A link of the API that leads elsewhere is followed nowhere."""
        here = world()
        here.run()
        spec = here.source.spec
        strays = [r.url for r, _ in here.transport.exchanges if not owner(spec, r) and not _known(spec, r)]

        _none(strays, "requests belong to no stream")

    def test_every_recorded_answer_is_used(self, world: Callable[[], World], server: str | None) -> None:
        """An answer that nobody asks for tests nothing: a path or a parameter of it is wrong."""
        if server is not None:
            pytest.skip("answers come from a server")
        here = world()
        here.run()
        asked = [request for request, _ in here.transport.exchanges]
        spec, found = here.source.spec, self._recorded()
        used = {key for request in asked if (key := chosen(found, request, spec)) is not None}

        _none(found.keys() - used, "recorded answers were not asked for")

    def _world(self, server: str | None) -> World:
        source = _in_order(self._load(server))
        secrets = Canaries(self.secrets)
        clock = FakeClock(START)
        transport: Transport
        if server is None:
            transport = FakeTransport(_replay(self._recorded(), source.spec))
        else:
            transport = HttpTransport(Guard(source.spec.base_url, (), redactor=secrets.redactor), clock)
        return World(source, Listening(transport), secrets, clock=clock)

    def _load(self, server: str | None) -> Source:
        file = self.source if isinstance(self.source, Path) else source_files().get(self.source)
        if file is None:
            raise unknown("source", str(self.source), source_files())
        return load_source(file, settings=self.settings, changes={"base_url": server} if server else None)

    def _recorded(self) -> Recorded:
        if isinstance(self.recorded, Mapping):
            return self.recorded
        folder = Path(inspect.getfile(type(self))).parent / (self.recorded or "recorded")
        found = {
            _key(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()
        }
        if not found:
            raise Misconfigured(
                f"there are no recorded answers in {folder}", hint="set `recorded` of the test"
            )
        return found


def _none(found: Collection[Any], what: str) -> None:
    """Fail with what was found. Spelled out, because pytest explains the asserts of test files only."""
    listed = found.items() if isinstance(found, Mapping) else [(one, "") for one in sorted(found, key=str)]
    lines = [f"  {one}: {text}" if text else f"  {one}" for one, text in listed]
    assert not lines, "\n".join([f"{what}:", *lines])


def plain(key: str, body: bytes) -> bytes:
    return gzip.decompress(body) if key.endswith(".gz") else body


def chosen(recorded: Recorded, request: Request, spec: SourceSpec) -> str | None:
    """The key of the recorded answer for a request: path equal, and of its parameters as many as possible."""
    base = spec.base_url.rstrip("/")
    parts = urlsplit(request.full_url())
    asked, path = set(parse_qsl(parts.query, keep_blank_values=True)), request.url.partition("?")[0]
    fitting = []
    for key in recorded:
        place, _, query = key.partition("?")
        wanted = set(parse_qsl(query, keep_blank_values=True))
        if path in (place, f"{base}/{place.lstrip('/')}") and wanted <= asked:
            fitting.append((len(wanted), key))
    return max(fitting)[1] if fitting else None


def owner(spec: SourceSpec, request: Request) -> str | None:
    """The stream that a request belongs to: its path fits, and its fixed parameters are there."""
    found = []
    for name, stream in spec.streams.items():
        uncounted = stream.reconcile.without if stream.reconcile and request.method == "HEAD" else ()
        params = {k: v for k, v in stream.params.items() if "{" not in v and k not in uncounted}
        if _fits(spec, stream.path, request) and all(request.param(k) == v for k, v in params.items()):
            found.append((len(params), name))
    return max(found)[1] if found else None


def _fits(spec: SourceSpec, path: str, request: Request) -> bool:
    pattern = re.sub(r"\\\{[^/]+?\\\}", "[^/]+", re.escape(absolute(spec, path).partition("?")[0]))
    return re.fullmatch(pattern, request.url.partition("?")[0]) is not None


def _known(spec: SourceSpec, request: Request) -> bool:
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


def _replay(recorded: Recorded, spec: SourceSpec) -> Callable[[Request], Response]:
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


def _echo(status: int) -> Callable[[Request], Response]:
    def handler(request: Request) -> Response:
        said = {
            "message": f"{request.full_url()} {request.headers!r}",
            "type": "echo",
            "form": dict(request.form),
        }
        return answer({"error": said, "echo": dict(request.headers)}, status=status, x_request_id="echo")

    return handler


def _in_order(source: Source) -> Source:
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


def _missing(world: World) -> dict[str, str]:
    """Per stream that lacks rows: how many, and what the quarantine says."""
    spec = world.source.spec
    served: dict[str, set[str]] = {name: set() for name in spec.streams}
    for request, response in world.transport.exchanges:
        name = owner(spec, request)
        if name is not None and 200 <= response.status < 300 and request.method != "HEAD":
            rows = _records(spec.streams[name], response)
            served[name] |= {request.url + json.dumps(row, sort_keys=True) for row in rows}
    found = {}
    for name, records in served.items():
        landed, mapped = world.count(name), spec.streams[name].map is not None
        if landed != len(records) and not (mapped and landed < len(records)):
            reasons = b"".join(world.objects(f"/{name}/rejected/").values()).decode()[:1000]
            quarantine = (
                f"; quarantine: {reasons}" if reasons else "; outside of the window, or the same key twice?"
            )
            found[name] = f"{landed} of {len(records)} rows landed{quarantine}"
    return found


def _records(stream: Stream, response: Response) -> list[Any]:
    document = json.loads(response.body)
    place = document if stream.records in ("", "$") else lookup(document, stream.records)
    return [place] if stream.single else list(place or ())


def _incremental(spec: SourceSpec) -> dict[str, Stream]:
    return {n: s for n, s in spec.streams.items() if s.incremental and s.disposition != "replace"}


def _by_time(stream: Stream) -> bool:
    return stream.incremental is not None and stream.incremental.by == "time"


def _ignores(spec: SourceSpec) -> bool:
    return isinstance(spec.auth, NoAuth) or any(stream.ignore for stream in spec.streams.values())


def _key(path: Path) -> str:
    """`customers@page=2.json` is the answer to `/customers?page=2`."""
    name = path.as_posix().removesuffix(".json")
    place, at, query = name.partition("@")
    return f"/{place}?{query}" if at else f"/{place}"


_: type[Secrets] = Canaries
