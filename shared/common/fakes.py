"""In-memory stand-ins for the doors of `ports`: they ship with the product, so that tests patch nothing.

They keep what the real ones promise and nothing more; one suite of tests holds all stores together.
"""

from __future__ import annotations

import hashlib
import io
import math
import shutil
import tempfile
import threading
import weakref
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO

from shared.common.errors import unknown
from shared.common.ports import Clock, ObjectInfo

START = datetime(2026, 11, 20, 10, 15, tzinfo=UTC)


class FakeClock:
    """A clock that stands still until it is told to go on; sleeping moves it and is recorded in `slept`.

    >>> clock = FakeClock()
    >>> clock.sleep(1.5)
    >>> clock.monotonic(), clock.slept
    (1.5, [1.5])
    """

    def __init__(self, start: datetime = START) -> None:
        self._start = start
        self._seconds = 0.0
        self._lock = threading.Lock()
        self.slept: list[float] = []

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self._seconds)

    def monotonic(self) -> float:
        return self._seconds

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self.slept.append(seconds)
            self._seconds += max(0.0, seconds)

    def advance(self, seconds: float) -> None:
        """Let time pass without anybody sleeping."""
        with self._lock:
            self._seconds += seconds


@dataclass(frozen=True, slots=True)
class FixedDeadline:
    """`seconds` from the moment it is made, on the given clock; without a clock the time never runs down."""

    seconds: float = math.inf
    clock: Clock | None = None
    _began: float = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_began", self.clock.monotonic() if self.clock else 0.0)

    def remaining(self) -> float:
        return self.seconds - (self.clock.monotonic() - self._began if self.clock else 0.0)


class DictSecrets:
    """Secrets out of a dict; each `refresh` puts the next dict of `later` in its place (a rotated secret)."""

    def __init__(self, values: Mapping[str, str], *later: Mapping[str, str]) -> None:
        self._values = values
        self._later = list(later)

    def get(self, name: str, *, hidden: bool = True) -> str:
        if name not in self._values:
            raise unknown("secret", name, self._values, searched="a dict")
        return self._values[name]

    def refresh(self) -> bool:
        if not self._later:
            return False
        before, self._values = self._values, self._later.pop(0)
        return dict(before) != dict(self._values)


class MemoryStore:
    """An ObjectStore in a dict, safe to share between threads. `calls` counts what each method was asked."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or FakeClock()
        self._lock = threading.RLock()
        self._objects: dict[str, tuple[bytes, ObjectInfo]] = {}
        self._keys: list[str] = []
        self._folder: Path | None = None
        self.calls: dict[str, int] = {}

    def get(self, key: str) -> bytes:
        with self._lock:
            self._count("get")
            return self._objects[key][0]

    def open(self, key: str) -> BinaryIO:
        with self._lock:
            self._count("open")
            return io.BytesIO(self._objects[key][0])

    def head(self, key: str) -> ObjectInfo | None:
        with self._lock:
            self._count("head")
            return self._objects[key][1] if key in self._objects else None

    def list(self, prefix: str, *, after: str = "") -> Iterator[ObjectInfo]:
        """As S3 does, what is put while the listing is read may or may not be in it."""
        with self._lock:
            self._count("list")
        place = after if after >= prefix else prefix
        if place == prefix and prefix in self._objects and after < prefix:
            yield self._objects[prefix][1]
        while True:
            with self._lock:
                index = bisect_right(self._keys, place)
                if index == len(self._keys) or not self._keys[index].startswith(prefix):
                    return
                place = self._keys[index]
                info = self._objects[place][1]
            yield info

    def put_new(self, key: str, body: bytes) -> str:
        with self._lock:
            self._count("put_new")
            if key in self._objects:
                raise FileExistsError(key)
            return self._put(key, bytes(body))

    def put_file(self, key: str, file: Path, *, sha256: str) -> str:
        body = file.read_bytes()
        with self._lock:
            self._count("put_file")
            if key in self._objects:
                if hashlib.sha256(self._objects[key][0]).hexdigest() != sha256:
                    raise FileExistsError(key)
                return self._objects[key][1].etag
            return self._put(key, body)

    def delete(self, key: str) -> None:
        with self._lock:
            self._count("delete")
            if self._objects.pop(key, None):
                self._keys.remove(key)

    def url(self, key: str) -> str:
        return f"memory:///{key}"

    def scratch(self) -> Path:
        with self._lock:
            if self._folder is None:
                self._folder = Path(tempfile.mkdtemp(prefix="sluice-"))
                weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
            return self._folder

    def _put(self, key: str, body: bytes) -> str:
        etag = hashlib.md5(body, usedforsecurity=False).hexdigest()
        self._objects[key] = (body, ObjectInfo(key, len(body), etag, self._clock.now()))
        self._keys.insert(bisect_right(self._keys, key), key)
        return etag

    def _count(self, method: str) -> None:
        self.calls[method] = self.calls.get(method, 0) + 1
