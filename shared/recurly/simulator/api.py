"""The simulated API as a function: a request in, an answer out, no sockets."""

from __future__ import annotations

import json
from base64 import b64decode
from binascii import Error as NotBase64
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from urllib.parse import parse_qsl, urlencode, urlsplit

import orjson

from shared.recurly.simulator.exports import signed_link
from shared.recurly.simulator.faults import Fault
from shared.recurly.simulator.routes import Rejected, Route, error_body, find_route, selection_of
from shared.recurly.simulator.table import Row, wire
from shared.recurly.simulator.world import World
from shared.recurly.streams import LISTINGS, VERSION

ACCEPTED = tuple(f"application/vnd.recurly.{version}" for version in ("v2019-10-10", VERSION))
JSON = "application/json; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Options:
    """What kind of site this is.

    `nulls`: unset fields are sent as null, as the live API does (False: left out,
    as its OpenAPI file describes them).
    `missing` are lists whose feature the site lacks. The newest night's exports are 404 for `exports_late` requests;
    links to files live `link_seconds`.
    """

    api_key: str = "simulated"
    nulls: bool = True
    missing: frozenset[str] = frozenset()
    exports_late: int = 0
    link_seconds: int = 3600


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = JSON


class Api:
    """Answers requests from a world; not safe for threads, the server holds its lock around `answer`."""

    def __init__(
        self, world: World, options: Options, *, now: Callable[[], float], files_url: str = ""
    ) -> None:
        self.world, self.options, self.files_url = world, options, files_url
        self.asked: Counter[str] = Counter()
        self._now = now
        self._late = options.exports_late
        self.prepare()

    def prepare(self) -> None:
        """Make the JSON of all new and changed records."""
        for table in self.world.tables.values():
            table.render(nulls=self.options.nulls)

    def answer(
        self, method: str, target: str, headers: Mapping[str, str], fault: Fault | None = None
    ) -> Answer:
        """The answer to a request; `target` is path and query."""
        parts = urlsplit(target)
        try:
            self._admit(headers)
            if method not in ("GET", "HEAD"):
                raise Rejected(404, "not_found", f"This site is read only: {method} {parts.path}")
            if parts.path.startswith("/export_dates"):
                return self._exports(parts.path)
            if found := find_route(parts.path):
                return self._list(method, parts.path, parts.query, found, fault)
            return self._single(parts.path)
        except Rejected as rejected:
            body = error_body(rejected)
            if rejected.kind == "invalid_api_version":
                body["error"]["acceptable_accept_headers"] = list(ACCEPTED)
            return Answer(rejected.status, orjson.dumps(body))

    def _admit(self, headers: Mapping[str, str]) -> None:
        scheme, _, encoded = (headers.get("authorization") or "").partition(" ")
        try:
            user, _, password = b64decode(encoded).decode().partition(":")
        except (NotBase64, UnicodeDecodeError, ValueError):
            user = password = ""
        if scheme.lower() != "basic" or user != self.options.api_key or password:
            raise Rejected(401, "invalid_api_key", "The API key is invalid")
        accept = (headers.get("accept") or "").split(";")[0].strip().removesuffix("+json")
        if accept not in ACCEPTED and not accept.startswith("application/vnd.recurly.latest"):
            message = "That accept header names no version of the API. Try one of these instead:"
            raise Rejected(406, "invalid_api_version", message)

    def _list(
        self, method: str, path: str, query: str, found: tuple[Route, tuple[str, ...]], fault: Fault | None
    ) -> Answer:
        route, ids = found
        if route.table in self.options.missing:
            raise Rejected(422, "missing_feature", f"This site does not have the feature for {route.table}")
        self.asked[route.table] += 1
        owner = self._owner(route, ids)
        selection = selection_of(route, query, now=f"{self.world.day}T00:00:00Z")
        table = self.world.tables[route.table]
        if owner is not None:
            selection = replace(selection, owner=owner)
        if method == "HEAD":
            return Answer(200, headers={"Recurly-Total-Records": str(table.count(selection))})
        rows, cursor = table.page(selection)
        if fault is not None:
            rows, cursor = _disturbed(fault, rows, cursor, query)
        return Answer(200, _page(rows, _next(path, query, cursor), nulls=self.options.nulls))

    def _owner(self, route: Route, ids: tuple[str, ...]) -> str | None:
        """The key of the record that the list hangs on; 404 where there is no such record any more."""
        keys = []
        for table, reference in zip(route.owners, ids, strict=True):
            row = self.world.tables[table].find(reference)
            gone = table == "accounts" and row is not None and row.doc["deleted_at"] is not None
            if row is None or gone:
                raise Rejected(404, "not_found", f"Couldn't find {table[:-1]} with id = {reference}")
            keys.append(row.doc["id"])
        return "/".join(keys) if keys else None

    def _single(self, path: str) -> Answer:
        name, _, reference = path.lstrip("/").partition("/")
        table = self.world.tables.get(name)
        row = table.find(reference) if table is not None and reference else None
        if row is None:
            raise Rejected(404, "not_found", f"Couldn't find {path}")
        return Answer(200, row.wire or wire(row.doc, nulls=self.options.nulls))

    def _exports(self, path: str) -> Answer:
        exports = self.world.exports
        if path == "/export_dates":
            return Answer(
                200, orjson.dumps({"object": "export_dates", "dates": sorted(exports, reverse=True)})
            )
        day = path.removeprefix("/export_dates/").removesuffix("/export_files")
        newest = str(self.world.day - timedelta(days=1))
        if day == newest and self._late > 0:
            self._late -= 1
            raise Rejected(404, "not_found", f"No export files for {day}")
        if day not in exports or not path.endswith("/export_files"):
            raise Rejected(404, "not_found", f"No export files for {day}")
        expires = int(self._now()) + self.options.link_seconds
        files = [
            {
                "name": e.name,
                "md5sum": e.md5sum,
                "href": signed_link(self.files_url, f"/exports/{day}/{e.name}", expires=expires),
            }
            for e in exports[day]
        ]
        return Answer(200, orjson.dumps({"object": "export_files", "files": files}))

    def report(self) -> bytes:
        """What a test or a demo wants to know: the site's day, records and requests per list.

        `hidden` are those of the records that no list shows, because they lie below a closed account.
        """
        world = self.world
        closed = {customer.account["id"] for customer in world.customers.values() if customer.gone}
        hidden = {
            listing.stream: sum(row.owner in closed for row in world.tables[listing.stream].rows.values())
            for listing in LISTINGS
            if listing.parent == "accounts"
        }
        return json.dumps(
            {
                "day": str(world.day),
                "records": world.records,
                "totals": {name: len(table) for name, table in world.tables.items()},
                "hidden": hidden,
                "requests": dict(self.asked),
            }
        ).encode()


def _next(path: str, query: str, cursor: str | None) -> str | None:
    """The path of the next page, with all parameters of this one."""
    if cursor is None:
        return None
    kept = [pair for pair in query.split("&") if pair and not pair.startswith("cursor=")]
    return f"{path}?{'&'.join([urlencode({'cursor': cursor}), *kept])}"


def _page(rows: list[Row], following: str | None, *, nulls: bool) -> bytes:
    if following is None:
        head = b'{"object":"list","has_more":false,' + (b'"next":null,' if nulls else b"")
    else:
        head = b'{"object":"list","has_more":true,"next":' + orjson.dumps(following) + b","
    return head + b'"data":[' + b",".join(row.wire or wire(row.doc, nulls=nulls) for row in rows) + b"]}"


def _disturbed(fault: Fault, rows: list[Row], cursor: str | None, query: str) -> tuple[list[Row], str | None]:
    """A page with its fault; the faults of `next` need a request that has a cursor itself."""
    here = next((value for name, value in parse_qsl(query) if name == "cursor"), None)
    match fault.kind:
        case "empty_page":
            return [], cursor or "1:20200101000000"
        case "repeated_cursor" if here is not None:
            return rows, here
        case "duplicate_page" if here is not None:
            return rows, f"0{here}"
        case "expired_cursor" if here is not None:
            raise Rejected(400, "bad_request", "The cursor has expired", "cursor")
    return rows, cursor
