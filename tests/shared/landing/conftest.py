"""Stores, clocks and logs for the tests of the landing zone."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from shared.aws.s3 import S3Store
from shared.common.fakes import FakeClock, MemoryStore
from shared.common.ports import ObjectStore
from shared.landing.folder import FolderStore
from shared.landing.writer import Landing
from tests.shared.aws.servers import fault_proxy, moto_server, s3_client

pytest.register_assert_rewrite("tests.shared.landing.store_suite")


@pytest.fixture(scope="session")
def s3() -> Iterator[Any]:
    with moto_server() as url, fault_proxy(url) as proxy:
        client = s3_client(proxy.url)
        client.create_bucket(Bucket="landing-zone")
        yield client
        client.close()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def memory(clock: FakeClock) -> MemoryStore:
    return MemoryStore(clock)


@pytest.fixture(params=["memory", "folder", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path, clock: FakeClock) -> ObjectStore:
    """Each store in turn: whatever uses this fixture must hold on all of them."""
    match request.param:
        case "folder":
            return FolderStore(tmp_path / "zone")
        case "s3":
            client = request.getfixturevalue("s3")
            return S3Store(
                "landing-zone", uuid4().hex, clock=clock, client=client, scratch=tmp_path / "scratch"
            )
        case _:
            return MemoryStore(clock)


@pytest.fixture
def landing(store: ObjectStore, clock: FakeClock) -> Landing:
    return Landing(store, "recurly", "accounts", clock)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], capture_output=True, check=False
    )
    if mount.returncode:
        pytest.skip("only root can mount a small disk here")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)
