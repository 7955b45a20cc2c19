"""The source `recurly` against a server that Prism makes from Recurly's OpenAPI file: every request is a valid one.

Where Node, npm or the OpenAPI file are absent, tests/src/recurly runs the same source against the simulated site.
"""

from __future__ import annotations

import base64
import http.client
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from shared.common.fakes import DictSecrets, FakeClock, FixedDeadline, MemoryStore
from shared.ingestion.reading import load_source
from shared.ingestion.run import RunReport, ingest
from shared.ingestion.session import Tools
from shared.ingestion.source import Source
from shared.recurly.streams import LISTINGS, Listing
from tests.prism.mock import OPENAPI, VENDOR, install, prism, proxy

FILE = Path(__file__).parents[2] / "src/recurly/source.yml"
Seen = list[tuple[str, str, int]]

pytestmark = pytest.mark.heavy


@pytest.fixture(scope="module")
def mock() -> Iterator[tuple[str, Seen]]:
    """A running Prism with its proxy."""
    if not OPENAPI.exists():
        pytest.skip("Recurly's OpenAPI file is not here; tests/src/recurly covers the same source")
    if problem := install():
        pytest.skip(problem)
    with prism(OPENAPI) as port, proxy(port) as running:
        yield running


@pytest.fixture(scope="module")
def source(mock: tuple[str, Seen]) -> Source:
    return load_source(FILE, changes={"base_url": mock[0]})


@pytest.fixture(scope="module")
def report(source: Source) -> RunReport:
    """One run of every stream."""
    tools = Tools(
        store=MemoryStore(),
        clock=FakeClock(),
        deadline=FixedDeadline(),
        secrets=DictSecrets({"API_KEY": "any"}),
        token=lambda: "00000000",
    )
    return ingest(source, tools, streams=list(source.spec.streams))


def ask(base: str, path: str, **headers: str) -> int:
    connection = http.client.HTTPConnection(urlsplit(base).netloc, timeout=60)
    try:
        connection.request("GET", path, headers=headers)
        return connection.getresponse().status
    finally:
        connection.close()


def test_the_mock_refuses_what_the_file_does_not_allow(mock: tuple[str, Seen]) -> None:
    """Otherwise its consent would mean nothing."""
    known = {"Accept": VENDOR, "Authorization": "Basic " + base64.b64encode(b"any:").decode()}

    assert ask(mock[0], "/accounts?limit=200", **known) == 200
    assert ask(mock[0], "/accounts?limit=abc", **known) in (400, 422)
    assert ask(mock[0], "/accounts?order=up", **known) in (400, 422)
    assert ask(mock[0], "/accounts", Accept=VENDOR) == 401
    assert ask(mock[0], "/nothing", **known) == 404


@pytest.mark.parametrize("listing", LISTINGS, ids=lambda listing: listing.stream)
def test_the_answer_to_every_stream_lands_through_its_contract(report: RunReport, listing: Listing) -> None:
    stream = report.streams[listing.stream]

    assert stream.error is None
    assert ("done", 1, 0) == (stream.status, stream.rows, stream.rejected)


def test_every_request_was_accepted(report: RunReport, mock: tuple[str, Seen]) -> None:
    """Of the source's own; HEAD is no operation of the file, though its text promises it for every list."""
    wrong_on_purpose = ("limit=abc", "order=up", "/nothing")
    asked = [
        (path.partition("?")[0], status)
        for method, path, status in mock[1]
        if method == "GET" and status != 401 and not any(part in path for part in wrong_on_purpose)
    ]

    assert report.done
    assert {200} == {status for _, status in asked}
    assert len(LISTINGS) <= len({path for path, _ in asked})
