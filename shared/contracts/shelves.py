"""Where versions of contracts are kept: in files beside the source, for its authors, and in the landing store."""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path

from shared.common.errors import Misconfigured
from shared.common.ports import ObjectStore

_FILE = re.compile(r"([1-9][0-9]{0,8})\.json")


class FolderShelf:
    """`<folder>/<stream>/<n>.json` of one source: `src/<source>/contracts/versions` in the repository."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def numbers(self, subject: str) -> list[int]:
        home = self._home(subject)
        names = [path.name for path in home.iterdir()] if home.is_dir() else []
        return sorted(int(match[1]) for name in names if (match := _FILE.fullmatch(name)))

    def get(self, subject: str, number: int) -> bytes:
        try:
            return self._path(subject, number).read_bytes()
        except FileNotFoundError:
            raise KeyError(subject, number) from None
        except OSError as error:
            raise _told(error, self._path(subject, number), "read") from None

    def put_new(self, subject: str, number: int, body: bytes) -> None:
        """Whole or not at all: written beside, then linked under its name, which fails when that is taken."""
        path = self._path(subject, number)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".", suffix=".part") as file:
                file.write(body)
                file.flush()
                os.fchmod(file.fileno(), 0o644)
                os.link(file.name, path)
        except FileExistsError:
            raise
        except OSError as error:
            raise _told(error, path, "write") from None

    def place(self, subject: str, number: int) -> str:
        return str(self._path(subject, number))

    def _home(self, subject: str) -> Path:
        return self.folder / subject.partition(".")[2]

    def _path(self, subject: str, number: int) -> Path:
        return self._home(subject) / f"{number}.json"


class StoreShelf:
    """`contracts/<source>/<stream>/<n>.json` in an object store, each made by a conditional PUT."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    def subjects(self) -> list[str]:
        """All subjects that have a version, in alphabetical order."""
        places = (info.key.split("/")[1:] for info in self._store.list("contracts/"))
        return sorted(
            {f"{place[0]}.{place[1]}" for place in places if len(place) == 3 and _FILE.fullmatch(place[2])}
        )

    def numbers(self, subject: str) -> list[int]:
        home = self._home(subject)
        names = (info.key.removeprefix(home) for info in self._store.list(home))
        return sorted(int(match[1]) for name in names if (match := _FILE.fullmatch(name)))

    def get(self, subject: str, number: int) -> bytes:
        return self._store.get(self._key(subject, number))

    def put_new(self, subject: str, number: int, body: bytes) -> None:
        self._store.put_new(self._key(subject, number), body)

    def place(self, subject: str, number: int) -> str:
        return self._store.url(self._key(subject, number))

    def _home(self, subject: str) -> str:
        return f"contracts/{subject.replace('.', '/', 1)}/"

    def _key(self, subject: str, number: int) -> str:
        return f"{self._home(subject)}{number}.json"


def _told(error: OSError, path: Path, what: str) -> Misconfigured:
    return Misconfigured(f"cannot {what} {path}: {error.strerror}")
