"""The shapes of what the API takes and answers, as JSON Schema; a test holds real answers against them."""

from __future__ import annotations

from typing import Any

from shared.orchestrator.settings import NAME

TEXT: dict[str, Any] = {"type": "string"}
WHOLE: dict[str, Any] = {"type": "integer"}
NUMBER: dict[str, Any] = {"type": "number"}
FLAG: dict[str, Any] = {"type": "boolean"}
TIME: dict[str, Any] = {"type": "number", "description": "Seconds since 1970; 0 is never."}
RATE: dict[str, Any] = {"type": "number", "description": "Per second, over the last 15 seconds."}
NEXT: dict[str, Any] = {
    "type": ["integer", "null"],
    "description": "The `before` of the next page; null at the end.",
}
PHASE: dict[str, Any] = {"enum": ["started", "retry", "done", "dead", "dropped"]}
NAMES: dict[str, Any] = {"oneOf": [TEXT, {"type": "array", "items": TEXT}]}
NAME_OF_NODE: dict[str, Any] = {"type": "string", "pattern": NAME, "minLength": 1, "maxLength": 100}
ENDS: dict[str, Any] = {
    "oneOf": [NAME_OF_NODE, {"type": "array", "items": NAME_OF_NODE, "minItems": 1, "uniqueItems": True}]
}


def _list(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def _object(optional: tuple[str, ...] = (), /, **properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {name.rstrip("_"): one for name, one in properties.items()},
        "required": sorted(name.rstrip("_") for name in properties if name.rstrip("_") not in optional),
        "additionalProperties": False,
    }


def _node(section: str) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {"name": NAME_OF_NODE, "type": {"type": "string", "minLength": 1}},
        "required": ["type"],
        "description": f"One [[{section}]] of docs/dispatch.md; /api/document/schema has all kinds.",
    }


RUN = {"event": WHOLE, "phase": PHASE, "attempt": WHOLE, "at": TIME, "seconds": NUMBER}
LINK = {"from_": TEXT, "to": TEXT, "operation": _list(TEXT), "location": TEXT, "where": TEXT}
SCHEMAS: dict[str, dict[str, Any]] = {
    "problem": _object(
        ("hint", "errors"), type=TEXT, title=TEXT, status=WHOLE, detail=TEXT, hint=TEXT,
        errors=_list(_object(("line", "column"), line=WHOLE, column=WHOLE, message=TEXT)),
    ),
    "input": _object(
        name=TEXT, type=TEXT, state={"enum": ["starting", "running", "failing", "paused", "done"]}, events=WHOLE,
        rate=RATE, failures=WHOLE, last_error=TEXT, last_at=TIME,
    ),
    "process": _object(
        ("last",), name=TEXT, type=TEXT, state={"enum": ["paused", "resting", "running", "idle"]}, running=WHOLE,
        ready=WHOLE, later=WHOLE, pending=WHOLE, started=WHOLE, done=WHOLE, failed=WHOLE, dead=WHOLE, seconds=NUMBER,
        rate=RATE, failing=RATE, last_error=TEXT, last_at=TIME, last=_list(_object(**RUN)),
    ),
    "live_link": _object(**LINK, events=WHOLE, rate=RATE),
    "standings": _object(open=WHOLE, done=WHOLE, dead=WHOLE),
    "graph": _object(
        version=WHOLE, at=TIME, draining=FLAG, trouble=TEXT, open=WHOLE, events=_ref("standings"), dead_letters=WHOLE,
        inputs=_list(_ref("input")), processes=_list(_ref("process")), links=_list(_ref("live_link")),
    ),
    "node": _object(
        kind={"enum": ["input", "process"]}, settings={"type": "object"},
        state={"oneOf": [_ref("input"), _ref("process"), {"type": "null"}]}, links=_list(_ref("live_link")),
    ),
    "run": _object(**RUN, process=TEXT, error=TEXT, logs=TEXT),
    "runs": _object(runs=_list(_ref("run")), next=NEXT),
    "stop": _object(
        ("attempt", "at", "seconds", "due", "error", "logs"), process=TEXT,
        phase={"enum": ["waiting", *PHASE["enum"]]}, after=_list(TEXT), attempt=WHOLE, at=TIME,
        seconds=NUMBER, due=TIME, error=TEXT, logs=TEXT,
    ),
    "event": _object(
        number=WHOLE, key=TEXT, at=TIME, standing={"enum": ["open", "done", "dead"]}, journey=_list(_ref("stop")),
        event=_object(
            ("payload",), location=TEXT, operation={"enum": ["unknown", "create", "read", "update", "delete"]},
            id=TEXT, trigger=TEXT, payload={"type": "object"},
        ),
    ),
    "events": _object(events=_list(_ref("event")), next=NEXT),
    "dead": _object(events=_list(_ref("event")), next=NEXT),
    "versions": _object(versions=_list(_object(number=WHOLE, at=TIME, note=TEXT)), next=NEXT),
    "changed": _object(version=WHOLE, note=TEXT),
    "checked": _object(faults=WHOLE),
    "decided": _object(
        events={"type": "object", "additionalProperties": _list(TEXT),
                "description": "The processes that it is about, by the number of the event."}
    ),
    "decision": _object(
        ("process",), events=_list({"type": "integer", "minimum": 1, "maximum": 10**17 - 1}), process=TEXT
    ),
    "schema": {"type": "object"},
    "input_settings": _node("input"),
    "process_settings": _node("process"),
    "link": {
        "type": "object",
        "properties": {"from": ENDS, "to": ENDS, "operation": NAMES, "location": TEXT, "where": TEXT},
        "required": ["from", "to"],
        "additionalProperties": False,
    },
    "document": {
        "type": "object",
        "properties": {
            "input": _list(_ref("input_settings")),
            "process": _list(_ref("process_settings")),
            "links": _list(_ref("link")),
            "dispatcher": {"type": "object"},
            "http": {"type": "object"},
        },
        "additionalProperties": False,
    },
}  # fmt: skip
