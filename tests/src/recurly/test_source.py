"""The source `recurly`: what its file says, and the standard tests of a source against the simulated site."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import pytest

from shared.common.fakes import START, FixedDeadline
from shared.ingestion.reading import load_source
from shared.ingestion.run import ingest
from shared.ingestion.session import Tools
from shared.ingestion.source import Source
from shared.recurly.simulator.api import Options
from shared.recurly.simulator.server import Simulator
from shared.recurly.simulator.world import World
from shared.recurly.streams import BY_STREAM, LISTINGS, Listing
from src.testing import SourceSuite
from src.testing import World as Sandbox

FILE = Path(__file__).parents[3] / "src/recurly/source.yml"
KEY = "9d1f-key-of-the-simulated-site"
USED_AS_WINDOW = {"begin_time", "end_time"}
streams = pytest.mark.parametrize("listing", LISTINGS, ids=lambda listing: listing.stream)


@pytest.fixture(scope="module")
def source() -> Source:
    return load_source(FILE)


@pytest.fixture(scope="module")
def site() -> Iterator[Simulator]:
    """A site that ends on the day before the tests' clock."""
    world = World(seed=23, scale=0.01, today=date(START.year, START.month, START.day))
    with Simulator(world, Options(api_key=KEY)) as running:
        yield running


def shape(path: str) -> str:
    return re.sub(r"\{[\w.]+\}", "{}", path)


def test_every_listing_is_a_stream_with_a_contract(source: Source) -> None:
    assert BY_STREAM.keys() == source.spec.streams.keys() == source.contracts.keys()


@streams
def test_a_stream_asks_for_its_list_with_parameters_that_the_api_declares(
    source: Source, listing: Listing
) -> None:
    stream = source.stream(listing.stream)
    asked = set(stream.params) | (USED_AS_WINDOW if stream.incremental else set())

    assert shape(listing.path) == shape(stream.path)
    assert asked <= set(listing.parameters)
    assert stream.params.get("limit") == ("200" if "limit" in listing.parameters else None)
    assert stream.params.get("order") == ("asc" if "order" in listing.parameters else None)


@streams
def test_a_stream_has_the_key_and_the_cursor_of_its_list(source: Source, listing: Listing) -> None:
    stream = source.stream(listing.stream)
    parent = stream.parent

    assert listing.primary_key == stream.primary_key
    assert listing.cursor_field == stream.cursor_field
    assert (listing.cursor_field is not None) == (stream.incremental is not None)
    assert ("merge" if listing.cursor_field else "replace") == stream.disposition
    assert listing.parent == (parent.stream if parent else None)
    assert dict(listing.included) == (parent.include if parent else {})


@streams
def test_what_a_site_lacks_is_skipped(source: Source, listing: Listing) -> None:
    """And so is a parent that vanished between two requests; a list of the site that is not there is a fault."""
    stream = source.stream(listing.stream)

    assert stream.ignores(422, "missing_feature")
    assert stream.ignores(404, "not_found") == (listing.parent is not None or (listing.cursor_field is None
                                                and listing.optional))  # fmt: skip
    assert not stream.ignores(403, "invalid_permissions")


def test_what_signs_in_or_pays_does_not_land(source: Source) -> None:
    assert source.stream("accounts").mask["hosted_login_token"].type == "drop"
    assert source.stream("gift_cards").mask["redemption_code"].type == "partial"


class TestRecurly(SourceSuite):
    """Against a simulated site over HTTP."""

    source = "recurly"
    secrets: ClassVar[dict[str, str]] = {"API_KEY": KEY}

    @pytest.fixture
    def server(self, site: Simulator) -> str:
        return site.url

    def _load(self, server: str | None) -> Source:
        """Without the reports: tests of their own have them, because they are late on purpose."""
        source = super()._load(server)
        streams_only: Any = source.spec.model_copy(update={"reports": {}})
        return Source(streams_only, source.file, source.contracts, source.hooks)

    def test_a_run_that_stops_after_every_page_lands_the_same_bytes(
        self, world: Callable[[], Sandbox]
    ) -> None:
        """As in the suite, but only what is unfinished runs again: a list that is read whole would begin anew."""
        whole, pieces = world(), world()
        whole.run()
        unfinished = list(pieces.source.spec.streams)
        for _ in range(200):
            report = ingest(pieces.source, self._tools(pieces), streams=unfinished)
            assert {} == report.failed
            unfinished = [name for name in unfinished if report.streams[name].status == "unfinished"]
            if not unfinished:
                break

        assert [] == unfinished
        assert {name: whole.rows(name) for name in whole.streams()} == {
            name: pieces.rows(name) for name in pieces.streams()
        }

    def _tools(self, world: Sandbox) -> Tools:
        """Of a run that ends behind the first page of every stream."""
        return Tools(
            store=world.store,
            clock=world.clock,
            deadline=FixedDeadline(),
            secrets=world.secrets,
            token=partial("{:08x}".format, next(world._tokens)),
            stop=lambda: True,
            transport=world.transport,
        )
