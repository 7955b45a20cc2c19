"""The adapters under test, each before a host of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.shared.gitops.hosts.site import HOSTS, Site, sites


@pytest.fixture
def make_site() -> Iterator[Callable[[str], Site]]:
    yield from sites()


@pytest.fixture(params=["memory", *HOSTS])
def site(request: pytest.FixtureRequest, make_site: Callable[[str], Site]) -> Site:
    """Each adapter and the repository in memory."""
    return make_site(request.param)


@pytest.fixture(params=list(HOSTS))
def remote(request: pytest.FixtureRequest, make_site: Callable[[str], Site]) -> Site:
    """Each adapter before its host."""
    return make_site(request.param)


@pytest.fixture
def github(make_site: Callable[[str], Site]) -> Site:
    return make_site("github")


@pytest.fixture
def gitlab(make_site: Callable[[str], Site]) -> Site:
    return make_site("gitlab")


@pytest.fixture
def bitbucket(make_site: Callable[[str], Site]) -> Site:
    return make_site("bitbucket")
