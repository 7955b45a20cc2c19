"""The doors of the house: what a use case needs from outside, as Protocols.

Adapters on the floors above implement them; `shared/common/fakes.py` holds in-memory ones for tests and demos.
Time is UTC. Keys are relative paths with `/`, never starting with one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Protocol


class Clock(Protocol):
    """Wall time, a monotonic counter and sleep, so that tests own time."""

    def now(self) -> datetime:
        """The time in UTC, with its zone set."""

    def monotonic(self) -> float:
        """Seconds from an arbitrary start; never goes back."""

    def sleep(self, seconds: float) -> None: ...


class Deadline(Protocol):
    """How long this process may still work."""

    def remaining(self) -> float:
        """Seconds left; `math.inf` where nothing limits us."""


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """An object in a store: its key, size in bytes, etag and time of last change (UTC)."""

    key: str
    size: int
    etag: str
    modified: datetime


class ObjectStore(Protocol):
    """Objects by key, as S3 has them; a folder and a dict do the same.

    All methods raise `Transient` when the store gave up after its own retries and `Refused` when it denies access.
    """

    def get(self, key: str) -> bytes:
        """The whole object. Raises `KeyError` when there is none."""

    def open(self, key: str) -> BinaryIO:
        """A stream of the object. Raises `KeyError` when there is none."""

    def head(self, key: str) -> ObjectInfo | None: ...

    def list(self, prefix: str, *, after: str = "") -> Iterator[ObjectInfo]:
        """Objects whose key starts with `prefix` and is greater than `after`, ascending by key."""

    def put_new(self, key: str, body: bytes) -> str:
        """Create the object and return its etag; raises `FileExistsError` when the key is taken.

        This is the commit point of the landing log: atomic, and visible to every reader once it returns.
        """

    def put_file(self, key: str, file: Path, *, sha256: str) -> str:
        """Upload `file`, whose digest (hex) is `sha256`, under a key that is not taken; returns the etag.

        The file may be moved away by the call. Raises `FileExistsError` when the key is taken by other content.
        """

    def delete(self, key: str) -> None:
        """Delete the object; nothing happens when there is none."""

    def url(self, key: str) -> str:
        """Where another program finds the object: a path for a folder, `s3://bucket/key` for S3."""

    def scratch(self) -> Path:
        """A folder of the local disk for files that `put_file` will take."""


class Secrets(Protocol):
    """Named secrets (API keys, tokens)."""

    def get(self, name: str, *, hidden: bool = True) -> str:
        """The secret's value. Raises `Misconfigured` naming the places that were searched.

        Not `hidden` is what is kept beside secrets and is none, such as the user name of a database: it may be shown.
        """

    def refresh(self) -> bool:
        """Fetch anew after a 401; True when something may have changed. At most once per time to live."""
