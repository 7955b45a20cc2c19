"""A folder of the local disk as an ObjectStore: what S3 promises, kept with links, renames and fsync.

An object appears whole or not at all: it is written to `.scratch` inside the folder, flushed to the disk and then
linked under its key; the link is what fails when the key is taken. Works for any number of processes of one machine.
Not promised: several machines on one network drive whose locks or links do not work.

The etag is size and time of last change (hex), so that a listing reads no content; copying the folder changes it.
Files are readable by their owner only (0600): what lands is other people's data.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from shared.common.errors import Misconfigured
from shared.common.ports import ObjectInfo
from shared.landing.disk import disk_error, open_scratch

SCRATCH = ".scratch"

_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)


class FolderStore:
    """The objects below `root`, which is created when it is first written to.

    `link` makes a name for a file and fails when the name is taken; where it cannot (exFAT, some network drives), a
    lock file and a rename do the same.
    """

    def __init__(self, root: Path, *, link: Callable[[Path, Path], None] = os.link) -> None:
        self.root = Path(root).absolute()
        self._link = link

    def get(self, key: str) -> bytes:
        with self.open(key) as file, _reading(key, self._path(key)):
            return file.read()

    def open(self, key: str) -> BinaryIO:
        path = self._path(key)
        with _reading(key, path):
            return path.open("rb")

    def head(self, key: str) -> ObjectInfo | None:
        path = self._path(key)
        try:
            status = path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise disk_error(error, "look at an object", path=path) from error
        return None if path.is_dir() else _info(key, status)

    def list(self, prefix: str, *, after: str = "") -> Iterator[ObjectInfo]:
        return self._walk(prefix.rpartition("/")[0], prefix, after)

    def put_new(self, key: str, body: bytes) -> str:
        path = self._path(key)
        file, temporary = open_scratch(self.scratch())
        try:
            with file:
                _write(file, body)
                os.fsync(file.fileno())
                return self._publish(temporary, path, key)
        except FileExistsError:
            raise
        except OSError as error:
            raise disk_error(error, f"write {len(body)} bytes", path=path) from error
        finally:
            temporary.unlink(missing_ok=True)

    def put_file(self, key: str, file: Path, *, sha256: str) -> str:
        """Link `file` under `key` and take its old name away; it is copied only from another file system."""
        path = self._path(key)
        try:
            try:
                with file.open("rb") as source:
                    os.fsync(source.fileno())
                etag = self._publish(file, path, key)
            except OSError as error:
                if error.errno != errno.EXDEV:
                    raise
                etag = self._copy(file, path, key)
        except FileExistsError:
            if path.is_dir() or _digest(path) != sha256:
                raise
            etag = _etag(path.stat())
        except OSError as error:
            raise disk_error(error, "move a file into the store", path=path) from error
        file.unlink(missing_ok=True)
        return etag

    def delete(self, key: str) -> None:
        path = self._path(key)
        try:
            path.unlink(missing_ok=True)
        except (NotADirectoryError, IsADirectoryError):
            return
        except OSError as error:
            raise disk_error(error, "delete an object", path=path) from error

    def url(self, key: str) -> str:
        return str(self._path(key))

    def scratch(self) -> Path:
        return self.root / SCRATCH

    def _path(self, key: str) -> Path:
        parts = key.split("/")
        if parts[0] == SCRATCH or "\0" in key or any(part in ("", ".", "..") for part in parts):
            raise Misconfigured(
                f'"{key}" cannot be a key', hint="keys are relative paths without empty parts, . and .."
            )
        return self.root.joinpath(*parts)

    def _publish(self, temporary: Path, path: Path, key: str) -> str:
        _make_folder(path.parent)
        try:
            self._link(temporary, path)
        except FileExistsError:
            raise FileExistsError(key) from None
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            self._rename(temporary, path, key)
        _sync_folder(path.parent)
        return _etag(path.stat())

    def _rename(self, temporary: Path, path: Path, key: str) -> None:
        """As a link, for file systems that have none: a lock, which the system drops when we die, and a rename."""
        self.scratch().mkdir(parents=True, exist_ok=True)
        with (self.scratch() / "lock").open("wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if path.exists():
                raise FileExistsError(key)
            temporary.rename(path)

    def _copy(self, file: Path, path: Path, key: str) -> str:
        copy, temporary = open_scratch(self.scratch())
        try:
            with copy, file.open("rb") as source:
                shutil.copyfileobj(source, copy, 1 << 20)
                os.fsync(copy.fileno())
                return self._publish(temporary, path, key)
        finally:
            temporary.unlink(missing_ok=True)

    def _walk(self, folder: str, prefix: str, after: str) -> Iterator[ObjectInfo]:
        start = f"{folder}/" if folder else ""
        try:
            with os.scandir(self._path(folder) if folder else self.root) as entries:
                names = sorted(entry.name + "/" * entry.is_dir() for entry in entries)
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as error:
            raise disk_error(error, "list a folder", path=self.root / folder) from error
        # A folder sorts as its keys do, with the slash: that makes the walk ascend by key.
        for key in (start + name for name in names if start or name != f"{SCRATCH}/"):
            if key.endswith("/"):
                passed = key <= after and not after.startswith(key)
                if not passed and (key.startswith(prefix) or prefix.startswith(key)):
                    yield from self._walk(key[:-1], prefix, after)
            elif key.startswith(prefix) and key > after and (info := self.head(key)):
                yield info


@contextmanager
def _reading(key: str, path: Path) -> Iterator[None]:
    try:
        yield
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        raise KeyError(key) from None
    except OSError as error:
        raise disk_error(error, "read an object", path=path) from error


def _write(file: BinaryIO, body: bytes) -> None:
    rest = memoryview(body)
    while rest:
        rest = rest[file.write(rest) :]


def _make_folder(folder: Path) -> None:
    """`folder` and what is missing above it, each flushed so that it outlives a power cut."""
    missing = []
    while not folder.is_dir():
        missing.append(folder)
        folder = folder.parent
    for new in reversed(missing):
        new.mkdir(exist_ok=True)
        _sync_folder(new.parent)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _etag(status: os.stat_result) -> str:
    return f"{status.st_size:x}-{status.st_mtime_ns:x}"


def _info(key: str, status: os.stat_result) -> ObjectInfo:
    modified = datetime.fromtimestamp(status.st_mtime, UTC)
    return ObjectInfo(key, status.st_size, _etag(status), modified)
