"""The operations that change: the document and its parts, rest and go on, decisions about dead letters.

Every change makes a new version of the document, validated as a whole; with a fault in it nothing changes.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from shared.common.documents import Document, read_json_document, read_yaml
from shared.common.errors import Superseded
from shared.orchestrator import change
from shared.orchestrator.change import Section
from shared.orchestrator.dispatcher import Edit
from shared.orchestrator.http_door import Response
from shared.orchestrator.journal import Versioned, Written
from shared.orchestrator.toml_text import read_toml
from src.dispatch.answers import Problem, answered
from src.dispatch.house import House
from src.dispatch.looking import PROCESS, kept_event
from src.dispatch.operation import Call, Operation, Parameter

LOG = logging.getLogger("sluice.dispatch")
LONGEST = 4_000_000
"""Bytes of a document."""
SHORT = 200_000
"""Bytes of anything else."""
TRIES = 5
"""Changes that name no version are made again when another one came between."""
_READERS = {"application/yaml": read_yaml, "application/toml": read_toml}
NOTE = Parameter("note", "Why, for the list of versions.")


def put_document(house: House, call: Call) -> Response:
    after = call.after()
    if after is None:
        raise Problem(428, "If-Match is missing", hint="send the ETag of the document that was changed")
    document = _checked(house, call)
    kind, text = _kind(call), call.request.body
    written = Written(kind, text.decode("utf-8-sig")) if kind in _READERS else None
    note = call.query["note"] or "by the API"
    made = house.dispatcher.replace(document.data, after=after, note=note, written=written)
    _noted(made)
    return answered(made.document, headers={"ETag": f'"{made.number}"'})


def check_document(house: House, call: Call) -> Response:
    _checked(house, call)
    return answered({"faults": 0})


def _checked(house: House, call: Call) -> Document:
    """The document of the request, with the places of its faults as it was written."""
    document = _read(call, LONGEST)
    made = house.dispatcher.kinds.parse(document)
    house.dispatcher.supervisor.check(made.graph())
    return document


def _kind(call: Call) -> str:
    return call.request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _read(call: Call, most: int) -> Document:
    if len(call.request.body) > most:
        raise Problem(413, f"the body is longer than {most:,} bytes")
    reader = _READERS.get(_kind(call), read_json_document)
    document = reader(call.request.body, file="document")
    if not isinstance(document.data, Mapping):
        raise Problem(422, "document:1:1 this is no mapping", hint='expected {"name": …}')
    return document


def add_node(section: Section, house: House, call: Call) -> Response:
    given = _read(call, SHORT).data
    name = given.get("name")
    if isinstance(name, str) and name in house.kinds():
        raise Problem(409, f'the name "{name}" is taken', hint="PUT replaces a node")
    made = _edit(house, call, lambda known: change.put_node(known, section, given), f"add {name}")
    return _told(made, status=201)


def put_node(section: Section, house: House, call: Call) -> Response:
    given, name = dict(_read(call, SHORT).data), call.path["name"]
    if given.setdefault("name", name) != name:
        raise Problem(422, f'the name in the body is "{given["name"]}", and in the path "{name}"')
    made = _edit(house, call, lambda known: change.put_node(known, section, given), f"put {name}")
    return _told(made)


def remove_node(section: Section, house: House, call: Call) -> Response:
    name = call.path["name"]
    if house.section(name) != section:
        raise Problem(404, f"{name} is no {section}")
    return _told(_edit(house, call, lambda known: change.remove_node(known, name), f"remove {name}"))


def add_link(house: House, call: Call) -> Response:
    given, source, target = _link(call)
    if any((source, target) == (one.source, one.target) for one in house.dispatcher.configuration.links):
        ends = f"{', '.join(source)} to {', '.join(target)}"
        raise Problem(409, f"there is a link from {ends}", hint="PUT replaces it")
    return _put_link(house, call, given, f"add link {', '.join(source)} -> {', '.join(target)}", status=201)


def put_link(house: House, call: Call) -> Response:
    given, source, target = _link(call)
    return _put_link(house, call, given, f"put link {', '.join(source)} -> {', '.join(target)}")


def _put_link(
    house: House, call: Call, given: Mapping[str, Any], note: str, *, status: int = 200
) -> Response:
    return _told(_edit(house, call, lambda known: change.put_link(known, given), note), status=status)


def _link(call: Call) -> tuple[Mapping[str, Any], tuple[str, ...], tuple[str, ...]]:
    """The link of the body, and its ends. Raises `Problem`."""
    given = _read(call, SHORT).data
    ends = [[one] if isinstance(one, str) else one for one in (given.get("from"), given.get("to"))]
    if not all(isinstance(end, list) and all(isinstance(name, str) for name in end) for end in ends):
        raise Problem(
            422, "the link has no names at its ends", hint='expected {"from": "a", "to": ["b", "c"]}'
        )
    return given, tuple(ends[0]), tuple(ends[1])


def remove_link(house: House, call: Call) -> Response:
    source, target = call.query["from"], call.query["to"]
    links = house.dispatcher.configuration.links
    if not any((one.source, one.target) == ((source,), (target,)) for one in links):
        raise Problem(
            404,
            f"there is no link from {source} to {target}",
            hint="one with several ends is replaced as a whole",
        )
    note = f"remove link {source} -> {target}"
    return _told(_edit(house, call, lambda known: change.remove_link(known, source, target), note))


def pause(house: House, call: Call) -> Response:
    return _rest(house, call, paused=True)


def resume(house: House, call: Call) -> Response:
    return _rest(house, call, paused=False)


def _rest(house: House, call: Call, *, paused: bool) -> Response:
    name = call.path["name"]
    house.section(name)
    note = f"{'pause' if paused else 'resume'} {name}"
    return _told(_edit(house, call, lambda known: change.pause(known, name, paused=paused), note))


def _edit(house: House, call: Call, how: Edit, note: str) -> Versioned:
    after, before = call.after(), house.dispatcher.version
    for left in reversed(range(TRIES)):
        try:
            made = house.dispatcher.edit(how, after=after, note=note)
        except Superseded:
            if after is not None or not left:
                raise
        else:
            if made.number != before:
                _noted(made)
            return made
    raise AssertionError  # the last try returned or raised


def _told(made: Versioned, *, status: int = 200) -> Response:
    return answered(
        {"version": made.number, "note": made.note}, status=status, headers={"ETag": f'"{made.number}"'}
    )


def _noted(made: Versioned) -> None:
    LOG.info(
        "version %d of the document: %s", made.number, made.note, extra={"where": {"version": made.number}}
    )


def retry(house: House, call: Call) -> Response:
    return _decide(house, call, "retry")


def drop(house: House, call: Call) -> Response:
    return _decide(house, call, "drop")


def _decide(house: House, call: Call, how: str) -> Response:
    number = kept_event(house, call).id
    names = _decided(house, how, number, call.query["process"])
    if not names:
        raise Problem(
            409, f"event {number} has no such dead letter", hint="/api/dead lists those that there are"
        )
    return answered({"events": {str(number): names}})


def retry_many(house: House, call: Call) -> Response:
    return _decide_many(house, call, "retry")


def drop_many(house: House, call: Call) -> Response:
    return _decide_many(house, call, "drop")


def _decide_many(house: House, call: Call, how: str) -> Response:
    given = _read(call, SHORT).data
    numbers, process = given.get("events"), given.get("process", "")
    fine = isinstance(numbers, list) and all(type(one) is int and 0 < one < 10**17 for one in numbers)
    if not fine or not isinstance(process, str) or given.keys() - {"events", "process"}:
        raise Problem(
            422, "the body does not say which events", hint='expected {"events": [17, 18], "process": ""}'
        )
    found = {str(one): _decided(house, how, one, process) for one in numbers}
    return answered({"events": {number: names for number, names in found.items() if names}})


def _decided(house: House, how: str, number: int, process: str) -> list[str]:
    act = house.journal.retry if how == "retry" else house.journal.drop
    names = act(number, process=process)
    if names:
        LOG.info("%s of event %d by %s", how, number, ", ".join(names), extra={"where": {"event": number}})
    return names


def _nodes(section: Section, plural: str) -> tuple[Operation, ...]:
    return (
        Operation("POST", f"/{plural}", lambda house, call: add_node(section, house, call), f"Add an {section}."
                  if section == "input" else f"Add a {section}.", "changed", body=f"{section}_settings", status=201,
                  versioned=True, problems=(409, 412, 422)),
        Operation("PUT", f"/{plural}/{{name}}", lambda house, call: put_node(section, house, call),
                  f"Replace the {section} of that name, or add it.", "changed", body=f"{section}_settings",
                  versioned=True, problems=(412, 422)),
        Operation("DELETE", f"/{plural}/{{name}}", lambda house, call: remove_node(section, house, call),
                  f"Remove the {section}, and the links from it and to it.", "changed", versioned=True,
                  problems=(404, 412, 422)),
    )  # fmt: skip


FROM = Parameter("from", "Where the link begins.", required=True)
TO = Parameter("to", "Where it ends.", required=True)
CHANGES = (
    Operation("PUT", "/document", put_document, "Put a whole document into effect; If-Match says what was changed.",
              "document", (NOTE,), body="document", versioned=True, problems=(412, 413, 422, 428)),
    Operation("POST", "/document/check", check_document, "What is wrong with a document; nothing changes.",
              "checked", body="document", problems=(413, 422)),
    *_nodes("input", "inputs"),
    *_nodes("process", "processes"),
    Operation("PUT", "/links", put_link, "Add a link, or replace the one that has the same ends.", "changed",
              body="link", versioned=True, problems=(412, 422)),
    Operation("POST", "/links", add_link, "Add a link.", "changed", body="link", status=201, versioned=True,
              problems=(409, 412, 422)),
    Operation("DELETE", "/links", remove_link, "Remove the link with these ends.", "changed",
              (FROM, TO), versioned=True, problems=(404, 412, 422)),
    Operation("POST", "/nodes/{name}/pause", pause, "Let a node rest: events wait before it, an input raises none.",
              "changed", versioned=True, problems=(404, 412)),
    Operation("POST", "/nodes/{name}/resume", resume, "Let a node go on.", "changed", versioned=True,
              problems=(404, 412)),
    Operation("POST", "/dead/retry", retry_many, "Let dead letters be tried again, from attempt 1.", "decided",
              body="decision", problems=(422,)),
    Operation("POST", "/dead/drop", drop_many, "Decide that dead letters, and what is behind them, need not be done.",
              "decided", body="decision", problems=(422,)),
    Operation("POST", "/dead/{number}/retry", retry, "Let the dead letters of an event be tried again.", "decided",
              (PROCESS,), problems=(404, 409)),
    Operation("POST", "/dead/{number}/drop", drop, "Decide that those of an event need not be done.", "decided",
              (PROCESS,), problems=(404, 409)),
)  # fmt: skip
