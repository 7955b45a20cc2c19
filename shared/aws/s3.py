"""An S3 bucket as an ObjectStore: conditional PUTs, checksums, and retries on a clock that is passed in.

`If-None-Match: *` makes a PUT fail with 412 when the key is taken. After a PUT whose answer was lost, a 412 may be our
own success, so the object is compared with what we sent. 409, 429, 5xx and broken connections are tried again.
Rules: https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
"""

from __future__ import annotations

import hashlib
import io
import os
import random
import stat
import tempfile
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any

from shared.aws.clients import client as aws_client
from shared.common.errors import Misconfigured, Refused, SluiceError, Transient, Violation
from shared.common.ports import Clock, ObjectInfo

LARGEST_PUT = 5 * 1024**3
"""Bytes that S3 takes in one PUT."""
SLOWEST_BACKOFF = 8.0

_RETRIED_STATUS = frozenset({408, 409, 429})
_RETRIED_CODES = frozenset({"BadDigest", "IncompleteBody", "RequestTimeout", "XAmzContentSHA256Mismatch"})
_ACTIONS = {
    "get_object": "s3:GetObject",
    "head_object": "s3:GetObject (and s3:ListBucket, without which S3 answers 403 for a missing key)",
    "list_objects_v2": "s3:ListBucket",
    "put_object": "s3:PutObject",
    "delete_object": "s3:DeleteObject",
}


class _Taken(Exception):
    """412: the condition did not hold. `doubtful`: an earlier try of ours may have made the object."""

    def __init__(self, *, doubtful: bool) -> None:
        super().__init__()
        self.doubtful = doubtful


class S3Store:
    """The objects of `bucket` below `prefix`.

    A call is tried up to `attempts` times, with full-jitter backoff, and not again once `patience` seconds have
    passed. `client` is for tests; botocore's own retries should be off in it. Scratch files lie in `scratch`, by
    default a private folder of the system's temporary one.
    """

    def __init__(
        self,
        bucket: str,
        prefix: str = "",
        *,
        clock: Clock,
        client: Any = None,
        attempts: int = 8,
        patience: float = 90.0,
        jitter: Callable[[], float] = random.random,
        scratch: Path | None = None,
    ) -> None:
        self._bucket = _Bucket(
            bucket, prefix, clock=clock, client=client, attempts=attempts, patience=patience, jitter=jitter
        )
        self._scratch = scratch

    def get(self, key: str) -> bytes:
        with self.open(key) as stream:
            return stream.read()

    def open(self, key: str) -> io.BufferedReader:
        """A stream that goes on where it stood when the connection breaks."""
        return io.BufferedReader(_Stream(self._bucket, key), 256 * 1024)

    def head(self, key: str) -> ObjectInfo | None:
        try:
            answer = self._bucket.call("head_object", key)
        except KeyError:
            return None
        return ObjectInfo(key, answer["ContentLength"], _bare(answer["ETag"]), answer["LastModified"])

    def list(self, prefix: str, *, after: str = "") -> Iterator[ObjectInfo]:
        """1,000 keys a request, asked for as they are needed."""
        root = self._bucket.prefix
        place: dict[str, Any] = {"StartAfter": root + after} if after else {}
        while True:
            answer = self._bucket.call("list_objects_v2", None, Prefix=root + prefix, **place)
            for item in answer.get("Contents", ()):
                key = item["Key"].removeprefix(root)
                yield ObjectInfo(key, item["Size"], _bare(item["ETag"]), item["LastModified"])
            if not answer.get("IsTruncated"):
                return
            place = {"ContinuationToken": answer["NextContinuationToken"]}

    def put_new(self, key: str, body: bytes) -> str:
        try:
            return self._put(key, body, hashlib.sha256(body).digest())
        except _Taken as taken:
            if taken.doubtful and (info := self.head(key)) and self.get(key) == body:
                return info.etag
            raise FileExistsError(key) from None

    def put_file(self, key: str, file: Path, *, sha256: str) -> str:
        """Upload `file` in one PUT, read from the disk as it goes; S3 refuses it when the digest does not fit."""
        self._check_size(key, file)
        try:
            return self._put(key, file, bytes.fromhex(sha256))
        except _Taken:
            if etag := self._same(key, sha256):
                return etag
            raise FileExistsError(key) from None

    def put_over(self, key: str, file: Path, *, sha256: str) -> str:
        """Upload `file` in one PUT in the place of what is there: readers find the old object or the new one."""
        self._check_size(key, file)
        checksum = b64encode(bytes.fromhex(sha256)).decode()
        return _bare(self._bucket.call("put_object", key, body=file, ChecksumSHA256=checksum)["ETag"])

    def delete(self, key: str) -> None:
        self._bucket.call("delete_object", key)

    def url(self, key: str) -> str:
        return self._bucket.url(key)

    def scratch(self) -> Path:
        if self._scratch is None:
            self._scratch = _private(Path(tempfile.gettempdir()) / f"sluice-{os.getuid()}")
        return self._scratch

    def _check_size(self, key: str, file: Path) -> None:
        if (size := file.stat().st_size) > LARGEST_PUT:
            raise Misconfigured(
                f"a part of {size} bytes is larger than S3 takes at once",
                hint="make the parts smaller than 5 GiB",
                key=self.url(key),
            )

    def _put(self, key: str, body: bytes | Path, digest: bytes) -> str:
        checksum = b64encode(digest).decode()
        answer = self._bucket.call("put_object", key, body=body, IfNoneMatch="*", ChecksumSHA256=checksum)
        return _bare(answer["ETag"])

    def _same(self, key: str, sha256: str) -> str | None:
        """The etag of the object when it has this content; where S3 keeps no SHA-256 of it, the bytes are read."""
        answer = self._bucket.call("head_object", key, ChecksumMode="ENABLED")
        found = answer.get("ChecksumSHA256")
        if found is None:
            with self.open(key) as stream:
                found = b64encode(hashlib.file_digest(stream, "sha256").digest()).decode()
        return _bare(answer["ETag"]) if found == b64encode(bytes.fromhex(sha256)).decode() else None


class _Bucket:
    """One bucket and how often it is asked."""

    def __init__(
        self,
        name: str,
        prefix: str,
        *,
        clock: Clock,
        client: Any,
        attempts: int,
        patience: float,
        jitter: Callable[[], float],
    ) -> None:
        self.name = name
        self.prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        self.attempts = attempts
        self._clock = clock
        self._client = client
        self._patience = patience
        self._jitter = jitter

    def url(self, key: str) -> str:
        return f"s3://{self.name}/{self.prefix}{key}"

    def pause(self, attempt: int) -> None:
        """Wait after the given attempt (from 1): exponential, full jitter."""
        self._clock.sleep(self._jitter() * min(SLOWEST_BACKOFF, 0.1 * 2.0**attempt))

    def call(
        self, operation: str, key: str | None, *, body: bytes | Path | None = None, **params: Any
    ) -> Any:
        """One operation of the client, tried again where that may help.

        Raises:
            _Taken: a condition did not hold.
            KeyError: there is no such object.
            Refused, Misconfigured, Transient: as the doors say.
        """
        from botocore.exceptions import BotoCoreError, ClientError

        self._client = self._client or aws_client("s3", max_pool_connections=32, attempts=1)
        if key is not None:
            params["Key"] = self.prefix + key
        began, attempt = self._clock.monotonic(), 0
        failure: Exception | None = None
        for attempt in range(1, self.attempts + 1):
            try:
                with body.open("rb") if isinstance(body, Path) else nullcontext(body) as stream:
                    sent = {} if stream is None else {"Body": stream}
                    return getattr(self._client, operation)(Bucket=self.name, **params, **sent)
            except (ClientError, BotoCoreError) as error:
                failure = error
                self._give_up(error, operation, key, attempt)
            if attempt == self.attempts or self._clock.monotonic() - began > self._patience:
                break
            self.pause(attempt)
        raise Transient(
            f"S3 did not do {operation}, tried {attempt} times; at last: {failure}",
            hint="if this lasts, look at https://health.aws.amazon.com and at the bucket's request rate",
            url=self.url(key or ""),
        ) from failure

    def _give_up(self, error: Any, operation: str, key: str | None, attempt: int) -> None:
        """Raise what another try would not help against."""
        from botocore.exceptions import BotoCoreError

        if isinstance(error, BotoCoreError):
            if _lost(error):
                return
            raise Misconfigured(
                f"the AWS client cannot do {operation}: {error}",
                hint="look at the credentials, the region and AWS_ENDPOINT_URL",
                url=self.url(key or ""),
            ) from error
        meta = error.response.get("ResponseMetadata", {})
        status, code = meta.get("HTTPStatusCode", 0), error.response.get("Error", {}).get("Code", "")
        if status == 412:
            raise _Taken(doubtful=attempt > 1 or meta.get("RetryAttempts", 0) > 0) from error
        if status == 404 and key is not None and code != "NoSuchBucket":
            raise KeyError(key) from None
        if status < 500 and status not in _RETRIED_STATUS and code not in _RETRIED_CODES:
            raise self._refusal(status, code, operation, key) from error

    def _refusal(self, status: int, code: str, operation: str, key: str | None) -> SluiceError:
        if status in (301, 307, 404):
            return Misconfigured(
                f'there is no bucket "{self.name}" here ({code})',
                hint="look at LANDING_URL and at the region: a bucket is found in its own region only",
            )
        return Refused(
            f"S3 says no to {operation} ({status} {code})",
            hint=f"the role needs {_ACTIONS[operation]} there; a bucket policy or a KMS key may refuse too",
            status=status,
            kind=code,
            bucket=self.name,
            key=self.prefix + (key or ""),
        )


class _Stream(io.RawIOBase):
    """The bytes of one object; a broken connection is opened again where it broke."""

    def __init__(self, bucket: _Bucket, key: str) -> None:
        super().__init__()
        self._bucket = bucket
        self._key = key
        self._at = 0
        self._body: Any = (
            None  # an object that is not there leaves a stream that has none, and is closed all the same
        )
        answer = bucket.call("get_object", key)
        self._body, self._size, self._etag = answer["Body"], answer["ContentLength"], answer["ETag"]

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        from botocore.exceptions import BotoCoreError

        failure: Exception | None = None
        for attempt in range(1, self._bucket.attempts + 1):
            try:
                chunk = self._body.read(len(buffer))
            except BotoCoreError as error:
                failure = error
            else:
                buffer[: len(chunk)] = chunk
                self._at += len(chunk)
                return len(chunk)
            if self._at == self._size:
                return 0
            self._bucket.pause(attempt)
            self._reopen()
        raise Transient(
            f"S3 broke off at byte {self._at} of {self._size}, again and again; at last: {failure}",
            url=self._bucket.url(self._key),
        ) from failure

    def close(self) -> None:
        if not self.closed and self._body is not None:
            self._body.close()
        super().close()

    def _reopen(self) -> None:
        self._body.close()
        try:
            answer = self._bucket.call(
                "get_object", self._key, Range=f"bytes={self._at}-", IfMatch=self._etag
            )
        except (_Taken, KeyError):
            raise Violation(
                "an object changed while it was read",
                hint="objects of the landing zone are never written twice: find out who does",
                url=self._bucket.url(self._key),
            ) from None
        self._body = answer["Body"]


def _lost(error: Exception) -> bool:
    """Whether the connection, and not the request, was at fault."""
    from botocore import exceptions

    kinds = (exceptions.HTTPClientError, exceptions.ConnectionError, exceptions.IncompleteReadError)
    return isinstance(error, kinds)


def _bare(etag: str) -> str:
    return etag.strip('"')


def _private(folder: Path) -> Path:
    """`folder`, ours alone: in a shared temporary folder somebody else could have made it first."""
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
        raise Misconfigured("the scratch folder belongs to somebody else", hint="set TMPDIR", path=folder)
    return folder
