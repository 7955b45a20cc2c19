"""The first request of a window: the stream's path and parameters with the window's bounds put in. Pure."""

from __future__ import annotations

from typing import Any
from urllib.parse import urljoin

from shared.ingestion.progress import Value
from shared.ingestion.spec import SourceSpec, Stream
from shared.ingestion.template import Record, fill
from shared.ingestion.window import Window
from shared.rest.message import Request, split_url


def absolute(spec: SourceSpec, path: str) -> str:
    """A path of the API as a URL; a full URL stays what it is."""
    if "://" in path:
        return path
    return urljoin(spec.base_url.rstrip("/") + "/", path.lstrip("/"))


def first_request(
    spec: SourceSpec,
    stream: Stream,
    *,
    window: Window,
    value: Value = None,
    parent: Record | None = None,
    name: str = "",
) -> Request:
    """What to ask first for a window of a stream; for a child stream, for one parent's record.

    `value` is the cursor of a stream that goes by values. Raises `Violation` when the parent lacks a field of the path.
    """
    path = stream.path if parent is None else fill(stream.path, stream.placeholders(), parent, stream=name)
    target = split_url(absolute(spec, path))
    params = {**dict(target.params), **stream.params, **bounds(stream, window, value)}
    request = Request(
        url=target.url,
        method=stream.method,
        params=tuple(params.items()),
        headers=tuple(stream.headers.items()),
        json=stream.json_body,
    )
    return stream.pagination.first(request)


def bounds(stream: Stream, window: Window, value: Value = None) -> dict[str, str]:
    """The request parameters for a window's bounds."""
    incremental = stream.incremental
    if incremental is None or incremental.since is None:
        return {}
    if incremental.by == "value":
        return {} if value is None else {incremental.since: str(value)}
    since, until = window.parameters(bounds=incremental.bounds, form=incremental.format)
    found: dict[str, Any] = {incremental.since: since}
    if incremental.until is not None:
        found[incremental.until] = until
    return {name: text for name, text in found.items() if text is not None}
