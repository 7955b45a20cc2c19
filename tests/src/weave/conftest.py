"""A yard before each host."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from shared.gitops.fake import FakeRepository
from tests.shared.gitops.hosts.host import HostServer
from tests.shared.gitops.hosts.site import HOSTS
from tests.src.weave.yard import ENVIRONMENT, Yard


@pytest.fixture
def open_yard(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[..., Yard]]:
    monkeypatch.chdir(tmp_path)
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    with ExitStack() as stack:

        def make(host: str, *, model: FakeRepository | None = None, **how: str) -> Yard:
            server = stack.enter_context(HostServer(HOSTS[host][0](model or FakeRepository())))
            return Yard(server, tmp_path, **how)

        yield make


@pytest.fixture(params=list(HOSTS))
def host(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def yard(host: str, open_yard: Callable[..., Yard]) -> Yard:
    return open_yard(host)
