"""A full disk under the landing zone: the run says so, nothing is half-written, and the next run completes."""

from __future__ import annotations

import os
import resource
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.house import House
from tests.end_to_end.shop import Open, shop

PLAIN = "--set", "defaults.compression=none", "--no-load"
"""Parts of some size: the shop's rows shrink to nothing."""


@pytest.fixture(scope="module")
def api() -> Iterator[Open]:
    with shop() as opened:
        yield opened


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own with room for a part of the shop's rows."""
    mounted = tmp_path / "disk"
    mounted.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=192k", "tmpfs", str(mounted)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("mounting a small disk needs root")
    yield mounted
    subprocess.run(["umount", "--lazy", str(mounted)], check=True)


def test_a_disk_that_is_full(tmp_path: Path, api: Open, small_disk: Path) -> None:
    """Whatever fits is committed; more room, and the rest follows."""
    house = House(tmp_path, api, disk=small_disk)
    full = house.run_from_a_shell(*PLAIN)
    house.whole()
    committed = {name: sum(commit.draft.rows for commit in house.commits(name)) for name in api.rows()}
    subprocess.run(["mount", "-o", "remount,size=4m", str(small_disk)], check=True)
    again = house.run(*PLAIN)
    loaded = house.load()

    assert full.code == 1
    assert "the disk is full" in full.err
    assert str(small_disk) in full.err
    assert "Traceback" not in full.err
    assert 0 < sum(committed.values()) < sum(map(len, api.rows().values()))
    assert again.code == 0, again.err
    assert loaded.code == 0, loaded.err
    house.prove()


def test_files_that_may_not_grow(tmp_path: Path, api: Open) -> None:
    """The limit of a process (`ulimit -f`) ends every part in its middle."""
    house = House(tmp_path, api)

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (6000, 6000))

    full = house.run_from_a_shell(*PLAIN, preexec_fn=limit)
    house.whole()
    again = house.run(*PLAIN)
    loaded = house.load()

    assert full.code == 1
    assert "run of 4 streams failed: the disk is full" in full.err
    assert "nothing was committed" in full.err
    assert (again.code, loaded.code) == (0, 0), again.err + loaded.err
    house.prove()
