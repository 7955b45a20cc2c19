"""Requests, responses and pages as frozen values.

A Request can be written to JSON and read back: a run that stops before its end keeps its next one in the commit log.
Credentials are never part of a Request; they are added when it is sent (see `auth`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

Pairs = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request: an absolute URL, query parameters in order, headers, and a JSON or form body."""

    url: str
    method: str = "GET"
    params: Pairs = ()
    headers: Pairs = ()
    json: Any = None
    form: Pairs = ()

    def with_params(self, **changes: str | None) -> Request:
        """The same request with these parameters set in place or added at the end; None takes one out."""
        kept = [
            (name, changes.get(name, value))
            for name, value in self.params
            if changes.get(name, value) is not None
        ]
        names = {name for name, _ in self.params}
        added = [(name, value) for name, value in changes.items() if value is not None and name not in names]
        return replace(self, params=tuple((n, v) for n, v in (*kept, *added) if v is not None))

    def param(self, name: str) -> str | None:
        return next((value for key, value in self.params if key == name), None)

    def full_url(self) -> str:
        """The URL with the parameters in its query."""
        if not self.params:
            return self.url
        parts = urlsplit(self.url)
        query = "&".join(filter(None, [parts.query, urlencode(self.params)]))
        return urlunsplit(parts._replace(query=query))

    def to_json(self) -> dict[str, Any]:
        """A JSON document that `from_json` reads back; defaults are left out."""
        document: dict[str, Any] = {"url": self.url}
        if self.method != "GET":
            document["method"] = self.method
        for name in ("params", "headers", "form"):
            if pairs := getattr(self, name):
                document[name] = [list(pair) for pair in pairs]
        if self.json is not None:
            document["json"] = self.json
        return document

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Request:
        pairs = {n: tuple((k, v) for k, v in document.get(n, ())) for n in ("params", "headers", "form")}
        return cls(
            url=document["url"], method=document.get("method", "GET"), json=document.get("json"), **pairs
        )


def split_url(url: str) -> Request:
    """A GET request from a URL whose query becomes the parameters."""
    parts = urlsplit(url)
    return Request(
        url=urlunsplit(parts._replace(query="", fragment="")),
        params=tuple(parse_qsl(parts.query, keep_blank_values=True)),
    )


@dataclass(frozen=True, slots=True)
class Response:
    """A whole answer. Header names are lower case; `body` is decoded (gzip undone); `seconds` is the time it took."""

    status: int
    headers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    body: bytes = field(default=b"", repr=False)
    url: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Page:
    """One parsed answer of a list: the records as raw slices of the body, and the page markers that were asked for.

    `records` holds one JSON text per record, in the order of the answer; `markers` maps the dotted path of
    each declared marker (`next`, `meta.cursor`) to its value. A page from a client has a response without its body:
    the records are copies, and of many pages under way only those are kept.
    """

    request: Request
    response: Response
    records: tuple[bytes, ...] = field(repr=False)
    markers: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
