"""The standard tests of a source: inherit them, say which source, and give answers that its API once gave.

```
class TestAcme(SourceSuite):
    source = "acme"
    recorded = {"/customers": {"data": [{"id": "c1"}], "next": None}}
```

`recorded` maps paths, with the query parameters that matter (`/customers?page=2`), to bodies; of several keys that fit
a request the one with the most parameters answers. Fields of a JSON body count as parameters, by their dotted paths
(`/search?page.after=c1`). Or it is a folder of files (`customers.json`,
`customers@page=2.json`), by default `recorded/` beside the test. A source with a server to test against overrides the
fixture `server` instead and sets `secrets`.
"""

from __future__ import annotations

import inspect
import json
import logging
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest

from shared.common.errors import Misconfigured, unknown
from shared.common.fakes import START, FakeClock
from shared.ingestion.reading import load_source
from shared.ingestion.source import Source
from shared.ingestion.spec import SourceSpec, Stream
from shared.ingestion.template import lookup
from shared.rest.address import Guard
from shared.rest.auth import NoAuth
from shared.rest.fake import FakeTransport
from shared.rest.message import Response
from shared.rest.transport import HttpTransport, Transport
from src.workplace import source_files
from src.worlds import (
    Canaries,
    Listening,
    Recorded,
    World,
    chosen,
    echo,
    in_order,
    key_of,
    known,
    owner,
    replay,
)

__all__ = ["SourceSuite", "World"]

MOST_RUNS = 20_000


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
        left = [*pieces.source.spec.streams, *pieces.source.spec.reports]
        for _ in range(MOST_RUNS):
            report = pieces.run(stop=True, streams=left)
            _none(report.failed, "streams failed")
            if report.done:
                break
            # A list that is read whole would land once more in every run that others still need.
            ended = {name for name, one in report.streams.items() if one.status == "done"}
            left = [name for name in left if name not in ended]
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
            here.transport = Listening(FakeTransport(echo(status)))
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
        strays = [r.url for r, _ in here.transport.exchanges if not owner(spec, r) and not known(spec, r)]

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
        source = in_order(self._load(server))
        secrets = Canaries(self.secrets)
        clock = FakeClock(START)
        transport: Transport
        if server is None:
            transport = FakeTransport(replay(self._recorded(), source.spec))
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
            key_of(path.relative_to(folder)): path.read_bytes()
            for path in folder.rglob("*")
            if path.is_file()
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
