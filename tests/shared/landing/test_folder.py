"""The folder store: the promises of every store, and what only a disk can do to one."""

from __future__ import annotations

import errno
import os
import resource
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from shared.common.errors import Misconfigured, Refused, Transient
from shared.landing.folder import FolderStore
from tests.shared.landing.store_suite import ListingSuite, StoreSuite, scratch_file, sha256


def no_links(source: Path, target: Path) -> None:
    raise OSError(errno.EPERM, "Operation not permitted")


def other_file_system(source: Path, target: Path) -> None:
    if source.suffix == ".far":
        raise OSError(errno.EXDEV, "Invalid cross-device link")
    os.link(source, target)


class TestFolder(StoreSuite, ListingSuite):
    @pytest.fixture
    def store(self, tmp_path: Path) -> FolderStore:
        return FolderStore(tmp_path / "made" / "when needed")


class TestFolderWithoutLinks(StoreSuite):
    @pytest.fixture
    def store(self, tmp_path: Path) -> FolderStore:
        return FolderStore(tmp_path / "store", link=no_links)


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "store")


@pytest.mark.parametrize(
    "key", ["", "/etc/passwd", "../x", "a/../../x", "a//b", "a/", "./a", ".scratch/x", "a\0b"]
)
def test_a_key_cannot_leave_the_folder(store: FolderStore, key: str) -> None:
    with pytest.raises(Misconfigured, match="cannot be a key"):
        store.put_new(key, b"")
    with pytest.raises(Misconfigured, match="cannot be a key"):
        store.head(key)


def test_a_file_is_moved_and_not_copied(store: FolderStore) -> None:
    path = scratch_file(store, b"body")
    inode = path.stat().st_ino
    store.put_file("part", path, sha256=sha256(b"body"))

    assert not path.exists()
    assert Path(store.url("part")).stat().st_ino == inode


def test_a_file_of_another_file_system_is_copied_whole(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "store", link=other_file_system)
    path = tmp_path / "part.far"
    path.write_bytes(b"body" * 1000)
    store.put_file("part", path, sha256=sha256(b"body" * 1000))

    assert store.get("part") == b"body" * 1000
    assert not path.exists()
    assert list(store.scratch().iterdir()) == []


def test_nothing_is_left_behind_in_the_scratch_folder(store: FolderStore) -> None:
    store.put_new("k", b"1")
    with pytest.raises(FileExistsError):
        store.put_new("k", b"2")
    store.put_file("part", scratch_file(store, b"body"), sha256=sha256(b"body"))

    assert list(store.scratch().iterdir()) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read and write everywhere")
def test_a_folder_that_is_not_ours_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(Refused, match="denies access"):
        FolderStore(tmp_path).put_new("k", b"")
    tmp_path.chmod(0o700)


def test_what_the_disk_cannot_do_is_an_error_of_ours(store: FolderStore) -> None:
    store.put_new("k", b"")
    long = "x" * 300  # no file system here takes it
    for ask in (
        lambda: store.get(long),
        lambda: store.head(long),
        lambda: list(store.list(f"{long}/")),
        lambda: store.put_new(long, b""),
        lambda: store.put_file(long, scratch_file(store, b""), sha256=sha256(b"")),
        lambda: store.delete(long),
    ):
        with pytest.raises(Transient, match=r"the disk failed: could not .*name too long"):
            ask()


def test_a_folder_is_no_object(store: FolderStore) -> None:
    store.put_new("a/b", b"")
    store.delete("a")
    store.delete("a/b/c")

    assert store.head("a/b") is not None
    with pytest.raises(FileExistsError):
        store.put_file("a", scratch_file(store, b""), sha256=sha256(b""))


def test_a_full_disk_leaves_nothing_half_written(small_disk: Path) -> None:
    store = FolderStore(small_disk)
    store.put_new("small", b"x" * 1000)
    with pytest.raises(Transient, match="the disk is full: could not write 2000000 bytes"):
        store.put_new("large", b"x" * 2_000_000)

    assert [info.key for info in store.list("")] == ["small"]
    assert list(store.scratch().iterdir()) == []
    store.put_new("large", b"x" * 500_000)


LIMITED = """
import pathlib, resource, sys
from shared.common.errors import Transient
from shared.landing.folder import FolderStore
store = FolderStore(pathlib.Path(sys.argv[1]))
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    store.put_new("large", b"x" * 200_000)
except Transient as error:
    print(error.message)
store.put_new("small", b"x" * 50_000)
print([info.key for info in store.list("")], list(store.scratch().iterdir()))
"""


def test_a_quota_leaves_nothing_half_written(tmp_path: Path) -> None:
    if resource.getrlimit(resource.RLIMIT_FSIZE)[1] not in (resource.RLIM_INFINITY, -1):
        pytest.skip("this process has a limit already")
    result = subprocess.run(
        [sys.executable, "-c", LIMITED, str(tmp_path)], capture_output=True, text=True, check=True
    )

    assert result.stdout.splitlines() == [
        "the disk is full: could not write 200000 bytes",
        "['small'] []",
    ]


@pytest.mark.parametrize("link", [os.link, no_links])
def test_of_many_writers_exactly_one_wins_each_key(tmp_path: Path, link: object) -> None:
    won: list[tuple[int, int]] = []

    def write(name: int) -> None:
        store = FolderStore(tmp_path, link=link)  # type: ignore[arg-type]
        for key in range(20):
            try:
                store.put_new(f"k/{key:02d}", str(name).encode())
            except FileExistsError:
                continue
            won.append((key, name))

    threads = [threading.Thread(target=write, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    store = FolderStore(tmp_path)
    assert sorted(key for key, _ in won) == list(range(20))
    assert all(store.get(f"k/{key:02d}") == str(name).encode() for key, name in won)
