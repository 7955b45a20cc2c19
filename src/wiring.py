"""Opens what the settings name: the landing zone and the warehouse. Adapters are imported when they are chosen."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

from shared.common.clock import SystemClock
from shared.common.errors import unknown
from shared.common.ports import Clock, ObjectStore


def open_store(url: str, *, clock: Clock | None = None) -> ObjectStore:
    """The object store at `file:///folder` or `s3://bucket/prefix`. Raises `Misconfigured` for any other URL."""
    parts = urlsplit(url)
    match parts.scheme:
        case "file":
            from shared.landing.folder import FolderStore

            return FolderStore(Path(unquote(parts.path)))
        case "s3":
            from shared.aws.s3 import S3Store

            return S3Store(parts.netloc, parts.path.strip("/"), clock=clock or SystemClock())
    raise unknown("kind of landing zone", parts.scheme, ["file", "s3"], setting="LANDING_URL")
