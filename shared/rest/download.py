"""Downloads a file piece by piece into an open file, and proves that it came whole.

A transfer that breaks off is continued by a Range request when the server named a strong ETag (RFC 9110, 13.1.5);
otherwise, and whenever the digest is wrong, the file is fetched again from its beginning.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol, TypeVar

from shared.common.errors import Transient, Violation
from shared.common.ports import Clock
from shared.rest.message import Pairs, Request
from shared.rest.refusal import Unsuccessful

if TYPE_CHECKING:
    from shared.rest.transport import Stream

T = TypeVar("T")

_RANGE = re.compile(r"bytes (\d+)-\d+/")


@dataclass(frozen=True, slots=True)
class DownloadResult:
    """A file that came whole: its bytes, digests (hex), the last answer's headers, and the seconds it took."""

    bytes: int
    md5: str
    sha256: str
    seconds: float
    headers: Mapping[str, str] = field(default_factory=dict)


class WrongDigest(Transient):
    """The file came whole, and is not the one that was promised."""


class Opener(Protocol):
    """What a download needs of the client."""

    def open(self, request: Request) -> AbstractContextManager[Stream]: ...

    def insist(
        self, request: Request, once: Callable[[], T], *, progress: Callable[[], int] | None = None
    ) -> T: ...


def fetch(
    client: Opener, request: Request, target: BinaryIO, *, md5: str | None, sha256: str | None, clock: Clock
) -> DownloadResult:
    """See `Client.download`."""
    began = clock.monotonic()
    transfer = _Transfer(target, target.tell(), {"md5": md5, "sha256": sha256})
    try:
        client.insist(request, lambda: transfer.go_on(client, request), progress=lambda: transfer.written)
    except WrongDigest as error:
        raise Violation(error.message, hint=error.hint, **error.where) from None
    target.flush()
    digests = {name: digest.hexdigest() for name, digest in transfer.digests.items()}
    return DownloadResult(
        transfer.written, digests["md5"], digests["sha256"], clock.monotonic() - began, transfer.headers
    )


def _digests() -> dict[str, Any]:
    return {"md5": hashlib.md5(usedforsecurity=False), "sha256": hashlib.sha256()}


@dataclass(slots=True)
class _Transfer:
    """How far a download has come, across its tries."""

    target: BinaryIO
    start: int
    promised: Mapping[str, str | None]
    digests: dict[str, Any] = field(default_factory=_digests)
    written: int = 0
    etag: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)

    def begin_again(self) -> None:
        self.target.seek(self.start)
        self.target.truncate()
        self.digests, self.written, self.etag = _digests(), 0, ""

    def go_on(self, client: Opener, request: Request) -> None:
        headers: Pairs = (("accept-encoding", "identity"),)
        if self.written and self.etag:
            headers += (("range", f"bytes={self.written}-"), ("if-range", self.etag))
        else:
            self.begin_again()
        own = tuple(pair for pair in request.headers if pair[0].lower() not in dict(headers))
        try:
            with client.open(replace(request, headers=own + headers)) as stream:
                self._place(stream)
                for piece in stream.pieces:
                    self._take(piece)
        except Unsuccessful as error:
            if error.response.status != 416 or not self.written:
                raise
            self.begin_again()
            raise Transient("the server cannot go on in the middle of the file") from None
        self._prove()

    def _take(self, piece: bytes) -> None:
        for digest in self.digests.values():
            digest.update(piece)
        self.target.write(piece)
        self.written += len(piece)

    def _place(self, stream: Stream) -> None:
        """Make sure that the pieces to come belong where the file stands."""
        self.headers = stream.response.headers
        if stream.response.status == 206:
            found = _RANGE.match(self.headers.get("content-range", ""))
            if not found or int(found[1]) != self.written:
                self.begin_again()
                raise Transient("the server continued the file at another place than it was asked to")
            return
        if self.written:
            self.begin_again()
        etag = self.headers.get("etag", "")
        self.etag = etag if etag.startswith('"') and "content-length" in self.headers else ""

    def _prove(self) -> None:
        for name, promised in self.promised.items():
            actual = self.digests[name].hexdigest()
            if promised is not None and promised.strip().lower() != actual:
                size = self.written
                self.begin_again()
                raise WrongDigest(
                    f"the file's {name} is {actual}, and {promised} was promised",
                    hint="the file was changed after its digest was taken, or broke on the way",
                    bytes=size,
                )
