"""The operations that look: the live graph, nodes and their runs, events and their journeys, dead letters, versions."""

from __future__ import annotations

import fnmatch
from datetime import UTC, datetime
from typing import Any

from shared.orchestrator.http_door import Response
from shared.orchestrator.journal import Kept, Standing, Versioned
from shared.orchestrator.picture import runs as recent_runs
from src.dispatch.answers import Problem, answered, told
from src.dispatch.house import House
from src.dispatch.operation import Call, Operation, Parameter

PAGE = 200
"""Events that are read at once."""
PAGES = 10
"""Pages that are looked through for one answer; the next answer goes on behind them."""
LAST = 12
"""Runs of each process in the graph."""
LIMIT = Parameter("limit", "How many at most.", most=500, default="50")
PROCESS = Parameter("process", "Only those of this process.")


def graph(house: House, call: Call) -> Response:
    shown = house.picture()
    for one in shown["processes"]:
        last = recent_runs(house.dispatcher.supervisor, one["name"])[:LAST]
        one["last"] = [
            {key: run[key] for key in ("event", "phase", "attempt", "at", "seconds")} for run in last
        ]
    return answered(
        {
            "version": house.dispatcher.version,
            "events": house.standings(),
            "dead_letters": house.letters(),
            **shown,
        }
    )


def node(house: House, call: Call) -> Response:
    name = call.path["name"]
    section = house.section(name)
    shown, version = house.picture(), house.dispatcher.document()
    states = shown["inputs" if section == "input" else "processes"]
    settings: dict[str, Any] = next(
        (one for one in version.document.get(section, []) if one.get("name") == name), {}
    )
    state = next((one for one in states if one["name"] == name), None)
    return answered(
        {
            "kind": section,
            "settings": settings,
            "state": state,
            "links": [one for one in shown["links"] if name in (one["from"], one["to"])],
        },
        headers={"ETag": f'"{version.number}"'},
    )


def runs(house: House, call: Call) -> Response:
    found, following = _runs(house, call)
    return answered({"runs": found, "next": following})


def logs(house: House, call: Call) -> Response:
    """The oldest first, as a file would have them."""
    lines = []
    for run in reversed(_runs(house, call)[0]):
        at = datetime.fromtimestamp(run["at"], UTC).strftime("%Y-%m-%d %H:%M:%S")
        lines.append(
            f"--- event {run['event']}, attempt {run['attempt']}, {at}Z, {run['seconds']:.3f} s: {run['phase']}"
        )
        lines += [text.rstrip("\n") for text in (run["error"], run["logs"]) if text]
    return told("".join(f"{line}\n" for line in lines))


def _runs(house: House, call: Call) -> tuple[list[dict[str, Any]], int | None]:
    """The last attempts since the start and what the journal knows from before; and the `before` of what follows.

    The first page is in the order of time, those behind it in that of events: what was left out of the first one comes
    again, so that a reader who goes on misses nothing.
    """
    name, limit, before = call.path["name"], call.number("limit"), call.number("before")
    if house.section(name) == "input":
        raise Problem(
            404, f"{name} is an input: it has no runs", hint="its events are at /api/events?trigger="
        )
    kept = [house.outcome(one) for one in house.journal.runs(name, limit=limit, before=before)]
    older = kept[-1]["event"] if len(kept) == limit else None
    if before:
        return kept, older
    found: list[dict[str, Any]] = house.masked(recent_runs(house.dispatcher.supervisor, name))
    seen = {(one["event"], one["attempt"]) for one in found}
    found += [one for one in kept if (one["event"], one["attempt"]) not in seen]
    found.sort(key=lambda one: -one["at"])
    left = [one["event"] + 1 for one in found[limit:]]
    return found[:limit], max([*left, *([older] if older else [])], default=None)


def events(house: House, call: Call) -> Response:
    limit, found = call.number("limit"), list[dict[str, Any]]()
    standing = Standing[call.query["standing"].upper()] if call.query["standing"] else None
    before = call.number("before")
    size = PAGE if any(call.query[one.name] for one in FILTERS) else limit
    for _ in range(PAGES):
        page = house.journal.events(limit=size, standing=standing, before=before)
        for one in page:
            before = one.id
            if _is_meant(one, call):
                found.append(house.kept(one, logs=False))
            if len(found) == limit:
                return answered({"events": found, "next": before})
        if len(page) < size:
            return answered({"events": found, "next": None})
    # Whoever looks for few among many goes on from here.
    return answered({"events": found, "next": before})


def _is_meant(one: Kept, call: Call) -> bool:
    query, event = call.query, one.event
    return (
        query["trigger"] in ("", event.trigger)
        and query["operation"] in ("", event.operation.text)
        and query["id"] in ("", event.id)
        and (not query["location"] or fnmatch.fnmatchcase(event.location, query["location"]))
        and (not query["process"] or any(stop.process == query["process"] for stop in one.route))
    )


def event(house: House, call: Call) -> Response:
    return answered(house.kept(kept_event(house, call)))


def kept_event(house: House, call: Call) -> Kept:
    """The event that the path names. Raises `Problem`."""
    text = call.path["number"]
    number = int(text) if text.isascii() and text.isdecimal() and len(text) < 18 else 0
    found = house.journal.event(number) if number else None
    if found is None:
        raise Problem(404, f"there is no event {text[:40]}", hint="/api/events lists those that are kept")
    return found


def dead(house: House, call: Call) -> Response:
    limit = call.number("limit")
    found = house.journal.dead(limit=limit, process=call.query["process"], before=call.number("before"))
    following = found[-1].id if len(found) == limit else None
    return answered({"events": [house.kept(one, logs=False) for one in found], "next": following})


def versions(house: House, call: Call) -> Response:
    limit = call.number("limit")
    found = house.journal.versions(limit=limit, before=call.number("before"))
    told = [{"number": one.number, "at": one.at, "note": one.note} for one in found]
    return answered({"versions": told, "next": found[-1].number if len(found) == limit else None})


def version(house: House, call: Call) -> Response:
    text = call.path["number"]
    number = int(text) if text.isascii() and text.isdecimal() and len(text) < 18 else 0
    try:
        if not number:
            raise KeyError(text)
        found = house.journal.document(number)
    except KeyError:
        raise Problem(404, f"there is no version {text[:40]}", hint="/api/versions lists them") from None
    return _as_asked(found, call)


def document(house: House, call: Call) -> Response:
    return _as_asked(house.dispatcher.document(), call)


def _as_asked(found: Versioned, call: Call) -> Response:
    """The text as it was written where `Accept` names its type, else JSON."""
    accepted = [
        one.partition(";")[0].strip().lower() for one in call.request.headers.get("accept", "").split(",")
    ]
    headers = {"ETag": f'"{found.number}"', "Vary": "Accept"}
    if found.written is None or found.written.kind not in accepted:
        return answered(found.document, headers=headers)
    answer = told(found.written.text, kind=f"{found.written.kind}; charset=utf-8")
    return Response(answer.status, answer.body, {**answer.headers, **headers})


def schema(house: House, call: Call) -> Response:
    return answered(house.dispatcher.kinds.model.model_json_schema(by_alias=True))


BEFORE = Parameter(
    "before", "The number of an event: only older ones.", most=10**17 - 1, least=0, default="0"
)
OLDER = Parameter(
    "before", "The number of a version: only older ones.", most=10**17 - 1, least=0, default="0"
)
STANDING = Parameter("standing", "Where the events stand.", choices=("open", "done", "dead"))
FILTERS = (
    Parameter("trigger", "Only those of this input."),
    Parameter("process", "Only those on whose way this process is."),
    Parameter("operation", "Only these.", choices=("create", "read", "update", "delete", "unknown")),
    Parameter("location", "A pattern for the whole location: * any characters, ? one."),
    Parameter("id", "The id of what happened."),
)
LOOKS = (
    Operation("GET", "/graph", graph, "The live graph: counts since the start, rates per second, states, last runs.",
              "graph"),
    Operation("GET", "/nodes/{name}", node, "A node: its settings, its state, its links.", "node", problems=(404,)),
    Operation("GET", "/nodes/{name}/runs", runs,
              "The last attempts of a process with their logs, the newest first; `next` as with events.", "runs",
              (LIMIT, BEFORE), problems=(404,)),
    Operation("GET", "/nodes/{name}/logs", logs, "What the last attempts wrote, the oldest first.", "text",
              (LIMIT, BEFORE), problems=(404,)),
    Operation("GET", "/events", events,
              "Events, the newest first; `next` is the `before` of the following page, null at the end.", "events",
              (LIMIT, BEFORE, STANDING, *FILTERS)),
    Operation("GET", "/events/{number}", event, "An event and its journey.", "event", problems=(404,)),
    Operation("GET", "/dead", dead, "Events that some process gave up, the newest first.", "dead",
              (LIMIT, BEFORE, PROCESS)),
    Operation("GET", "/document", document, "The document that runs, as it was given; the ETag is its version.",
              "document"),
    Operation("GET", "/document/schema", schema, "JSON Schema of documents, with all kinds of inputs and processes.",
              "schema"),
    Operation("GET", "/versions", versions, "The versions of the document, the newest first.", "versions",
              (LIMIT, OLDER)),
    Operation("GET", "/versions/{number}", version, "The document as it was in a version.", "document",
              problems=(404,)),
)  # fmt: skip
