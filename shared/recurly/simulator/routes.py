"""Which request means which list, and which parameters it may have: refused here means refused by the API."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, unquote

from shared.recurly.simulator.table import Doc, Selection, read_cursor
from shared.recurly.streams import BY_STREAM, LISTINGS

_LINES = ("/invoices/{invoice_id}/line_items", "line_items", "invoices", BY_STREAM["line_items"].parameters)
_ACTIVE = ("active", "inactive")
_STATES: Mapping[str, tuple[str, ...]] = {
    "subscriptions": ("active", "canceled", "expired", "future", "in_trial", "live"),
    "invoices": ("pending", "past_due", "paid", "failed"),
    "line_items": ("invoiced", "pending"),
    "entitlements": ("active", "canceled", "expired", "future"),
}
_TYPES: Mapping[str, tuple[str, ...]] = {
    "invoices": ("charge", "credit", "legacy", "non-legacy"),
    "line_items": ("charge", "credit"),
    "transactions": ("authorization", "capture", "payment", "purchase", "refund", "verify"),
}
_TRUE_ONLY: Mapping[str, Callable[[Doc], bool]] = {
    "past_due": lambda doc: bool(doc["has_past_due_invoice"]),
    "success": lambda doc: bool(doc["success"]),
    "original": lambda doc: doc["previous_line_item_id"] is None,
}
_RELATED = ("account", "item", "plan", "subscription", "charge")
_PAYMENTS = ("capture", "purchase")
_LIVE = ("active", "canceled", "future")


class Rejected(Exception):
    """An answer that is an error: HTTP status, the API's name for it, a message, and the parameter at fault."""

    def __init__(self, status: int, kind: str, message: str, param: str = "") -> None:
        super().__init__(message)
        self.status, self.kind, self.message, self.param = status, kind, message, param


@dataclass(frozen=True, slots=True)
class Route:
    """A list of the API: the table it shows, its parameters, and the tables of the ids in its path."""

    table: str
    parameters: tuple[str, ...]
    pattern: re.Pattern[str]
    owners: tuple[str, ...]


def _route(path: str, table: str, owners: tuple[str, ...], parameters: tuple[str, ...]) -> Route:
    return Route(table, parameters, re.compile(re.sub(r"\{\w+\}", "([^/]+)", path)), owners)


def _owners(stream: str) -> tuple[str, ...]:
    parent = BY_STREAM[stream].parent
    return () if parent is None else (parent, "add_ons") if stream == "usage" else (parent,)


SITE_LISTS = {s.path: _route(s.path, s.stream, (), s.parameters) for s in LISTINGS if s.parent is None}
CHILD_LISTS = (
    *(_route(s.path, s.stream, _owners(s.stream), s.parameters) for s in LISTINGS if s.parent is not None),
    _route(_LINES[0], _LINES[1], (_LINES[2],), _LINES[3]),
)


def find_route(path: str) -> tuple[Route, tuple[str, ...]] | None:
    """The list behind a path and the ids in it; None where the API has no list."""
    if path in SITE_LISTS:
        return SITE_LISTS[path], ()
    for route in CHILD_LISTS:
        if match := route.pattern.fullmatch(path):
            return route, tuple(unquote(group) for group in match.groups())
    return None


def selection_of(route: Route, query: str, *, now: str) -> Selection:
    """What the query asks for. Raises `Rejected` (400) for what the API does not know or does not understand."""
    pairs = parse_qsl(query, keep_blank_values=True)
    asked = {name: value for name, value in pairs if name != "cursor"}
    for name in asked:
        if name not in route.parameters:
            raise Rejected(400, "bad_request", f"Unpermitted parameter: {name}", name)
    usage = route.table == "usage"
    selection = Selection(
        sort="usage_timestamp" if usage else "created_at", keep=_kept(route.table, asked, now=now)
    )
    for name, value in asked.items():
        selection = _apply(selection, name, value, usage=usage)
    if asked.get("ids"):
        if len(asked) > 1:
            raise Rejected(400, "bad_request", "ids cannot be used with other parameters", "ids")
        selection = replace(selection, limit=200)
    if "cursor" in dict(pairs):
        try:
            selection = replace(selection, after=read_cursor(dict(pairs)["cursor"]))
        except ValueError:
            raise Rejected(400, "bad_request", "Invalid cursor", "cursor") from None
    return selection


def _apply(selection: Selection, name: str, value: str, *, usage: bool) -> Selection:
    match name:
        case "limit":
            if not (value.isascii() and value.isdigit() and len(value) < 4 and 1 <= int(value) <= 200):
                raise Rejected(400, "bad_request", "limit must be between 1 and 200", "limit")
            return replace(selection, limit=int(value))
        case "order":
            return replace(selection, ascending=_one_of(value, ("asc", "desc"), "order") == "asc")
        case "sort":
            names = ("usage_timestamp", "recorded_timestamp") if usage else ("created_at", "updated_at")
            return replace(selection, sort=_one_of(value, names, "sort"))
        case "begin_time":
            moment = _moment(value, "begin_time")
            if moment.microsecond:
                moment += timedelta(seconds=1)
            return replace(selection, begin=_text(moment))
        case "end_time":
            return replace(selection, end=_text(_moment(value, "end_time")))
    return selection


def _kept(table: str, asked: Mapping[str, str], *, now: str) -> Callable[[Doc], bool] | None:
    """The filters of a request as one test of a record; None where there are none."""
    tests: list[Callable[[Doc], bool]] = []
    if ids := asked.get("ids"):
        wanted = set(ids.split(",")[:200])
        tests.append(lambda doc: doc.get("id") in wanted)
    if "state" in asked:
        state = _one_of(asked["state"], _STATES.get(table, _ACTIVE), "state")
        tests.append(lambda doc: _in_state(doc, state, now))
    if "type" in asked:
        kind = _one_of(asked["type"], _TYPES[table], "type")
        alike = {"payment": _PAYMENTS, "non-legacy": ("charge", "credit")}.get(kind, (kind,))
        tests.append(lambda doc: doc["type"] in alike)
    if "related_type" in asked:
        related = _one_of(asked["related_type"], _RELATED, "related_type")
        tests.append(lambda doc: doc["related_type"] == related)
    if "email" in asked:
        tests.append(lambda doc: doc["email"] == asked["email"])
    if "subscriber" in asked:
        subscriber = _one_of(asked["subscriber"], ("true", "false"), "subscriber") == "true"
        tests.append(lambda doc: doc["has_live_subscription"] is subscriber)
    for name, test in _TRUE_ONLY.items():
        if name in asked:
            _one_of(asked[name], ("true",), name)
            tests.append(test)
    if table == "usage":
        status = _one_of(
            asked.get("billing_status", "unbilled"), ("unbilled", "billed", "all"), "billing_status"
        )
        tests.append(lambda doc: status == "all" or (doc["billed_at"] is not None) == (status == "billed"))
    return (lambda doc: all(test(doc) for test in tests)) if tests else None


def _in_state(doc: Doc, state: str, now: str) -> bool:
    in_trial = (doc.get("trial_started_at") or now) < now < (doc.get("trial_ends_at") or "")
    match state:
        case "in_trial":
            return in_trial
        case "live":
            return in_trial or doc["state"] in _LIVE
    return bool(doc.get("state", "active") == state)


def _one_of(value: str, known: tuple[str, ...], name: str) -> str:
    if value not in known:
        raise Rejected(400, "bad_request", f"{name} must be one of: {', '.join(known)}", name)
    return value


def _moment(value: str, name: str) -> datetime:
    """An ISO 8601 time; a plus sign that arrived as a space is put back."""
    try:
        moment = datetime.fromisoformat(value.replace(" ", "+") if "T" in value else value)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise Rejected(400, "bad_request", f"{name} is not an ISO 8601 time", name) from None


def _text(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}" if moment.year > 999 else "0001-01-01T00:00:00Z"


def error_body(rejected: Rejected) -> dict[str, Any]:
    """The error as the API sends it."""
    error: dict[str, Any] = {"type": rejected.kind, "message": rejected.message}
    error["params"] = [{"param": rejected.param, "message": rejected.message}] if rejected.param else []
    return {"error": error}
