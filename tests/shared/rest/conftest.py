"""What the tests of this room share: a clock that stands still, and a server whose answers break on the wire."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import settings

from shared.common.fakes import FakeClock
from tests.faults.server import Faulty, faulty

# How long an example takes says nothing on a machine that does other work as well.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(scope="session")
def running_server() -> Iterator[Faulty]:
    with faulty() as server:
        yield server


@pytest.fixture
def server(running_server: Faulty) -> Faulty:
    """The fault server, whole until a test gives it a plan."""
    running_server.obey({})
    return running_server
