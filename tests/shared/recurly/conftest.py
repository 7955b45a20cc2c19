"""Simulated sites and a small client for them."""

from __future__ import annotations

import base64
import http.client
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from shared.recurly.contracts import load_openapi
from shared.recurly.simulator.api import Options
from shared.recurly.simulator.server import Simulator
from shared.recurly.simulator.world import World

OPENAPI = Path(__file__).parents[4] / "shared/data/recurly-openapi-v2021-02-25.yaml"


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(slots=True)
class Client:
    """Asks a site as a program with its key would."""

    site: Simulator
    key: str = "simulated"

    def ask(self, path: str, method: str = "GET", body: object = None, **headers: str) -> Reply:
        token = base64.b64encode(f"{self.key}:".encode()).decode()
        sent = {"authorization": f"Basic {token}", "accept": "application/vnd.recurly.v2021-02-25", **headers}
        connection = http.client.HTTPConnection(self.site.url.removeprefix("http://"), timeout=20)
        try:
            text = None if body is None else json.dumps(body)
            connection.request(method, path, text, {name: value for name, value in sent.items() if value})
            response = connection.getresponse()
            return Reply(response.status, {n.lower(): v for n, v in response.getheaders()}, response.read())
        finally:
            connection.close()

    def walk(self, path: str) -> list[dict[str, Any]]:
        """All records of a list, page after page."""
        records: list[dict[str, Any]] = []
        following: str | None = path
        for _ in range(2_000):
            if following is None:
                return records
            page = self.ask(following).json
            records += page["data"]
            following = page["next"] if page["has_more"] else None
        raise AssertionError(f"{path} has no end")


@pytest.fixture(scope="session")
def openapi() -> dict[str, Any]:
    """Recurly's OpenAPI file, where it lies beside the repository."""
    if not OPENAPI.exists():
        pytest.skip("Recurly's OpenAPI file is not here; the committed contracts are checked instead")
    return load_openapi(OPENAPI)


@pytest.fixture(scope="session")
def world() -> World:
    """A small site that no test may change."""
    return World(seed=11, scale=0.1)


@pytest.fixture(scope="session")
def site(world: World) -> Iterator[Simulator]:
    """The small site on its ports; no test may change it."""
    with Simulator(world) as running:
        yield running


@pytest.fixture(scope="session")
def client(site: Simulator) -> Client:
    return Client(site)


@pytest.fixture
def start() -> Iterator[Callable[..., Client]]:
    """Start a site of one's own: `start(options, latency=…)`."""
    with ExitStack() as stack:

        def run(options: Options | None = None, *, scale: float = 0.03, **more: Any) -> Client:
            chosen = options or Options()
            site = stack.enter_context(Simulator(World(seed=5, scale=scale), chosen, **more))
            return Client(site, chosen.api_key)

        yield run
