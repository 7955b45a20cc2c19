"""`sluice dispatch`: run a graph of inputs and processes, see what it does, and decide about dead letters."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from shared.common.errors import Misconfigured
from src.cli.app import DEBUG, examples, json_option, verb
from src.cli.screen import Screen, spoken, table

if TYPE_CHECKING:
    from shared.common.documents import Document
    from shared.orchestrator.configuration import Configuration
    from shared.orchestrator.journal import Kept, Store
    from shared.orchestrator.settings import Surroundings

CONFIG = click.argument("config", type=click.Path(path_type=Path, dir_okay=False))
JOURNAL = click.option(
    "--journal",
    default=lambda: os.environ.get("DISPATCH_JOURNAL") or "sqlite:///.sluice/dispatch.db",
    show_default="sqlite:///.sluice/dispatch.db, or DISPATCH_JOURNAL",
    metavar="URL",
    help="sqlite:///file, sqlite:////absolute/file or postgresql://user:password@host/database.",
)


@click.group(
    "dispatch",
    epilog=examples(
        "sluice dispatch install dispatch.toml     triggers in the databases of its postgres inputs",
        "sluice dispatch serve dispatch.toml       run it; SIGTERM and Ctrl-C drain",
        "sluice dispatch status                    how many events are open, done, dead",
        "sluice dispatch dead list",
    ),
    no_args_is_help=True,
)
def dispatch() -> None:
    """Events and what follows them: inputs raise events, links lead them to processes.

    The document (TOML, YAML or JSON) is described in docs/dispatch.md.
    """


@verb("serve", "sluice dispatch serve dispatch.toml", "sluice dispatch serve dispatch.toml --replace")
@CONFIG
@JOURNAL
@click.option(
    "--replace", is_flag=True, help="Let the file hold, where the document was changed at run time."
)
@json_option
@click.pass_context
def serve(context: click.Context, config: Path, journal: str, replace: bool) -> None:
    """Run the graph of CONFIG until SIGTERM or Ctrl-C; running processes may end, the rest waits for the next start."""
    from shared.orchestrator.dispatcher import Dispatcher
    from src.cli.stop import Stop
    from src.dispatching import kinds, open_journal

    screen: Screen = context.obj
    document, around = _read(config), _around(screen)
    dispatcher = Dispatcher(kinds(), open_journal(journal), around)
    with Stop("finishing what runs") as stop:
        version = dispatcher.start(document, replace=replace)
        screen.say(f"version {version.number} of the document; {_shape(dispatcher.configuration)}")
        if dispatcher.http is not None:
            screen.say(f"listening at {dispatcher.http.url}")
        while not stop():
            around.clock.sleep(0.2)
        quiet = dispatcher.stop()
    screen.say(
        "drained" if quiet else "some processes did not end; their events are tried again at the next start"
    )
    screen.answer({"version": version.number, "drained": quiet})


@verb("validate", "sluice dispatch validate dispatch.toml")
@CONFIG
@json_option
@click.pass_obj
def validate(screen: Screen, config: Path) -> None:
    """Read CONFIG and say what is wrong with it, with the line of each fault."""
    found = _parsed(config)
    screen.say(f"{config}: {_shape(found)}")
    screen.answer({"inputs": len(found.input), "processes": len(found.process), "links": len(found.links)})


@verb("install", "sluice dispatch install dispatch.toml")
@CONFIG
@json_option
@click.pass_obj
def install(screen: Screen, config: Path) -> None:
    """Install outbox and triggers for every postgres input of CONFIG. A second time changes nothing."""
    _each_database(screen, config, "set_up", "has triggers on")


@verb("uninstall", "sluice dispatch uninstall dispatch.toml")
@CONFIG
@json_option
@click.pass_obj
def uninstall(screen: Screen, config: Path) -> None:
    """Take outbox and triggers of every postgres input of CONFIG out again; no trace stays in the databases."""
    _each_database(screen, config, "tear_down", "has no triggers any more on")


@verb("graph", "sluice dispatch graph dispatch.toml", "sluice dispatch graph --json")
@click.argument("config", type=click.Path(path_type=Path, dir_okay=False), required=False)
@JOURNAL
@json_option
@click.pass_obj
def graph(screen: Screen, config: Path | None, journal: str) -> None:
    """Show the graph of CONFIG, or of the document that the journal holds."""
    found = _parsed(config) if config else _current(journal)
    made = found.graph()
    for node in found.input:
        screen.say(f"{node.name} ({node.type}{', paused' if node.paused else ''})")
        _branches(screen, made, node.name, 1)
    loose = [one for one in found.process if not any(link.target == one.name for link in made.links)]
    for one in loose:
        screen.say(f"{one.name} ({one.type}): nothing leads here")
    links = [{"from": link.source, "to": link.target} for link in made.links]
    screen.answer(
        {
            "inputs": {one.name: one.type for one in found.input},
            "processes": {one.name: one.type for one in found.process},
            "links": links,
        }
    )


@verb("status", "sluice dispatch status", "sluice dispatch status --json")
@JOURNAL
@json_option
@click.pass_obj
def status(screen: Screen, journal: str) -> None:
    """Show how many events are open, done and dead, and what came last of each process."""
    from src.dispatching import open_journal

    store = open_journal(journal)
    counts, version = store.counts(), store.document()
    names = [one["name"] for one in version.document.get("process", [])]
    screen.say(
        f"version {version.number} of the document; events: "
        + ", ".join(f"{count:,} {standing.text}" for standing, count in counts.items())
    )
    rows, told = [], []
    for name in names:
        last = next(iter(store.runs(name, limit=1)), None)
        told.append({"process": name, "last": None if last is None else {**_outcome(last)}})
        rows.append((name, "-", "", "") if last is None else (
            name, _time(last.at), last.phase.text, last.error.splitlines()[0][:80] if last.error else ""))  # fmt: skip
    if rows:
        screen.say(table(rows, head=("process", "last", "", "")))
    screen.answer(
        {
            "version": version.number,
            "events": {standing.text: count for standing, count in counts.items()},
            "processes": told,
        }
    )


@verb(
    "events",
    "sluice dispatch events",
    "sluice dispatch events --standing dead",
    "sluice dispatch events --number 17",
)
@JOURNAL
@click.option("--standing", type=click.Choice(["open", "done", "dead"]), help="Only these.")
@click.option("--number", type=int, help="One event with its journey.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=20, show_default=True)
@json_option
@click.pass_obj
def events(screen: Screen, journal: str, standing: str | None, number: int | None, limit: int) -> None:
    """List events, the newest first, or show the journey of one."""
    from shared.orchestrator.journal import Standing
    from src.dispatching import open_journal

    store = open_journal(journal)
    if number is not None:
        found = [_one(store, number)]
        _journey(screen, found[0])
    else:
        found = store.events(limit=limit, standing=Standing[standing.upper()] if standing else None)
        _list(screen, found)
    screen.answer({"events": [one.to_plain() for one in found]})


@verb("logs", "sluice dispatch logs raw_to_cleansed", "sluice dispatch logs raw_to_cleansed --limit 3")
@click.argument("process")
@JOURNAL
@click.option("--limit", type=click.IntRange(1, 1000), default=5, show_default=True)
@json_option
@click.pass_obj
def logs(screen: Screen, process: str, journal: str, limit: int) -> None:
    """Show what the last attempts of PROCESS wrote, the newest event first."""
    from src.dispatching import open_journal

    found = open_journal(journal).runs(process, limit=limit)
    for one in found:
        screen.say(
            f"event {one.event}, attempt {one.attempt}, {_time(one.at)}, {spoken(one.seconds)}: {one.phase.text}"
        )
        for text in (one.error, one.logs):
            if text:
                screen.say("\n".join(f"  {line}" for line in text.splitlines()))
    if not found:
        screen.say(f"{process} has not run")
    screen.answer({"runs": [_outcome(one) for one in found]})


@click.group(
    "dead",
    epilog=examples(
        "sluice dispatch dead list", "sluice dispatch dead show 17", "sluice dispatch dead retry 17"
    ),
    no_args_is_help=True,
)
def dead() -> None:
    """Events that a process gave up: look at them, and let them be tried again."""


@verb("list", "sluice dispatch dead list", "sluice dispatch dead list --process raw_to_cleansed --json")
@JOURNAL
@click.option("--process", default="", help="Only those of this process.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True)
@json_option
@click.pass_obj
def dead_list(screen: Screen, journal: str, process: str, limit: int) -> None:
    """List the events with a dead letter, the newest first."""
    from src.dispatching import open_journal

    found = open_journal(journal).dead(limit=limit, process=process)
    _list(screen, found)
    screen.answer({"events": [one.to_plain() for one in found]})


@verb("show", "sluice dispatch dead show 17")
@click.argument("number", type=int)
@JOURNAL
@json_option
@click.pass_obj
def dead_show(screen: Screen, number: int, journal: str) -> None:
    """Show an event, how far it came, and why it did not come further."""
    from src.dispatching import open_journal

    one = _one(open_journal(journal), number)
    _journey(screen, one)
    screen.answer(one.to_plain())


@verb("retry", "sluice dispatch dead retry 17", "sluice dispatch dead retry 17 18 --process raw_to_cleansed")
@click.argument("numbers", type=int, nargs=-1, required=True)
@JOURNAL
@click.option("--process", default="", help="Only the dead letter of this process.")
@json_option
@click.pass_obj
def dead_retry(screen: Screen, numbers: tuple[int, ...], journal: str, process: str) -> None:
    """Let events be tried again; a running dispatcher begins within a second, else the next one does."""
    from src.dispatching import open_journal

    _decide(screen, open_journal(journal), numbers, process, "retry", "is tried again by")


@verb("drop", "sluice dispatch dead drop 17")
@click.argument("numbers", type=int, nargs=-1, required=True)
@JOURNAL
@click.option("--process", default="", help="Only the dead letter of this process.")
@json_option
@click.pass_obj
def dead_drop(screen: Screen, numbers: tuple[int, ...], journal: str, process: str) -> None:
    """Decide that dead letters, and what waits behind them, need not be done."""
    from src.dispatching import open_journal

    _decide(screen, open_journal(journal), numbers, process, "drop", "need not be done by")


for one in (dead_list, dead_show, dead_retry, dead_drop):
    dead.add_command(one)
for command in (serve, validate, install, uninstall, graph, status, events, logs, dead):
    dispatch.add_command(command)
dispatch.params.append(DEBUG)
dead.params.append(DEBUG)


def _read(config: Path) -> Document:
    from shared.orchestrator.configuration import read_configuration

    try:
        return read_configuration(config.read_bytes(), file=str(config))
    except OSError as error:
        raise Misconfigured(
            f"{config} cannot be read: {error.strerror}", hint="name a file that is there"
        ) from None


def _parsed(config: Path) -> Configuration:
    from src.dispatching import kinds

    return kinds().parse(_read(config))


def _current(journal: str) -> Configuration:
    from shared.common.documents import read_json_document
    from src.dispatching import kinds, open_journal

    version = open_journal(journal).document()
    if not version.number:
        raise Misconfigured("this journal holds no document", hint="name a file, or another --journal")
    text = json.dumps(version.document, indent=2, ensure_ascii=False)
    return kinds().parse(read_json_document(text, file="document"))


def _around(screen: Screen) -> Surroundings:
    from src.dispatching import surroundings
    from src.workplace import Workplace

    place = Workplace.open()
    screen.redactor = place.redactor
    _log_to(place.telemetry().log)
    return surroundings(place)


def _log_to(log: Any) -> None:
    """What the dispatcher says comes out as all of this program's log does, with secrets masked."""
    own = logging.getLogger("sluice.dispatch")
    own.handlers, own.propagate = [log.registered_handler], False
    own.setLevel(logging.INFO)


def _each_database(screen: Screen, config: Path, how: str, what: str) -> None:
    from shared.orchestrator.inputs.postgres import PostgresInput

    around = _around(screen)
    answer: dict[str, list[str]] = {}
    for one in _parsed(config).input:
        if isinstance(one, PostgresInput):
            act: Callable[[Surroundings], list[str]] = getattr(one, how)
            answer[one.name] = act(around)
            screen.say(f"{one.name} {what} {', '.join(answer[one.name]) or 'no table'}")
    if not answer:
        screen.say(f"{config} has no postgres input")
    screen.answer(answer)


def _shape(found: Configuration) -> str:
    return f"{len(found.input)} inputs, {len(found.process)} processes, {len(found.graph().links)} links"


def _branches(screen: Screen, made: Any, name: str, depth: int) -> None:
    for link in made.links:
        if link.source == name:
            only = [
                ", ".join(o.text for o in link.filter.operation),
                link.filter.location,
                link.filter.where,
            ]
            paused = ", paused" if made.processes[link.target].paused else ""
            told = "; ".join(filter(None, only))
            screen.say(f"{'   ' * depth}└─ {link.target}{f' [{told}]' if told else ''}{paused}")
            _branches(screen, made, link.target, depth + 1)


def _list(screen: Screen, found: list[Kept]) -> None:
    rows = [
        (one.id, _time(one.at), one.standing.text, one.event.trigger, one.event.operation.text, one.event.location,
         one.event.id[:40], _why(one))
        for one in found
    ]  # fmt: skip
    head = ("number", "at", "", "trigger", "operation", "location", "id", "")
    screen.say(table(rows, head=head, right=[0]) if rows else "none")


def _why(one: Kept) -> str:
    from shared.orchestrator.journal import Phase

    return "; ".join(
        f"{o.process}: {o.error.splitlines()[0][:80]}"
        for o in one.outcomes
        if o.phase is Phase.DEAD and o.error
    )


def _journey(screen: Screen, one: Kept) -> None:
    screen.say(f"event {one.id}, {one.standing.text}, {_time(one.at)}\n{one.event.to_json()}")
    for stop in one.to_plain()["journey"]:
        attempt = f", attempt {stop['attempt']}, {spoken(stop['seconds'])}" if "attempt" in stop else ""
        screen.say(f"  {stop['process']}: {stop['phase']}{attempt}")
        for text in (stop.get("error"), stop.get("logs")):
            if text:
                screen.say("\n".join(f"    {line}" for line in text.splitlines()))


def _one(store: Store, number: int) -> Kept:
    found = store.event(number)
    if found is None:
        raise Misconfigured(f"there is no event {number}", hint="sluice dispatch events lists the newest")
    return found


def _decide(
    screen: Screen, store: Store, numbers: tuple[int, ...], process: str, how: str, what: str
) -> None:
    answer: dict[str, list[str]] = {}
    for number in numbers:
        _one(store, number)
        answer[str(number)] = getattr(store, how)(number, process=process)
        names = ", ".join(answer[str(number)])
        screen.say(f"event {number} {what} {names}" if names else f"event {number} has no such dead letter")
    screen.answer(answer)


def _outcome(one: Any) -> dict[str, Any]:
    return {"event": one.event, "phase": one.phase.text, "attempt": one.attempt, "at": one.at,
            "seconds": one.seconds, "error": one.error, "logs": one.logs}  # fmt: skip


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S")
