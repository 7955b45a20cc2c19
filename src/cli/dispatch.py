"""`sluice dispatch`: run a graph of inputs and processes; what looks at it and decides is in the modules beside."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import click

from src.cli.app import DEBUG, examples, json_option, verb
from src.cli.dispatch_dead import dead
from src.cli.dispatch_look import events, graph, logs, status
from src.cli.dispatch_parts import CONFIG, JOURNAL, parsed, read, shape, surrounded, written
from src.cli.log_format import log_format
from src.cli.screen import Screen

if TYPE_CHECKING:
    from shared.orchestrator.configuration import Configuration
    from shared.orchestrator.dispatcher import Dispatcher
    from shared.orchestrator.inputs.postgres import PostgresInput
    from shared.orchestrator.settings import Surroundings
    from src.dispatch.gate import Gate
    from src.dispatch.house import House

FOLLOW = 10
"""Turns of 0.2 seconds between looks at what other replicas have changed."""


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


@verb(
    "serve",
    "sluice dispatch serve dispatch.toml",
    "DISPATCH_TOKEN=$(openssl rand -hex 32) sluice dispatch serve dispatch.toml",
    "sluice dispatch serve dispatch.toml --replace",
)
@CONFIG
@JOURNAL
@log_format()
@click.option(
    "--replace", is_flag=True, help="Let the file hold, where the document was changed at run time."
)
@click.option(
    "--without-token",
    is_flag=True,
    help="Let everybody on this machine use the page and the API; on 127.0.0.1 only.",
)
@json_option
@click.pass_context
def serve(
    context: click.Context, config: Path, journal: str, log_format: str, replace: bool, without_token: bool
) -> None:
    """Run the graph of CONFIG until SIGTERM or Ctrl-C; running processes may end, the rest waits for the next start.

    The web page and the API ask for the token in DISPATCH_TOKEN. Without one, a terminal is shown a new one.
    """
    from shared.orchestrator.dispatcher import Dispatcher
    from src.cli.stop import Stop
    from src.dispatching import kinds, open_journal

    screen: Screen = context.obj
    around, document = surrounded(screen, served=log_format), read(config)
    gate = _gate(screen, around, without_token)
    dispatcher = Dispatcher(kinds(), open_journal(journal, new=True), around)
    house = _mounted(screen, dispatcher, gate)
    with Stop("finishing what runs", quiet=screen.log is not None) as stop:
        version = dispatcher.start(document, replace=replace, written=written(config), served=_served(gate))
        screen.say(f"version {version.number} of the document; {shape(dispatcher.configuration)}")
        _tell_where(screen, dispatcher, gate)
        for turn in count(1):
            if stop():
                break
            around.clock.sleep(0.2)
            if house is not None:
                house.sample()
            if turn % FOLLOW == 0:
                dispatcher.follow()
        if screen.log is not None:
            screen.log.info("%s: finishing what runs", stop.signal.name if stop.signal else "the end")
        quiet = dispatcher.stop()
    screen.say(
        "drained" if quiet else "some processes did not end; their events are tried again at the next start"
    )
    screen.answer({"version": version.number, "drained": quiet})


def _gate(screen: Screen, around: Surroundings, without_token: bool) -> Gate | None:
    from shared.common.clock import random_token
    from src.dispatch.serving import gate_for

    fresh = (lambda: random_token(32)) if screen.is_terminal else None
    return gate_for(around.words, without_token=without_token, fresh=fresh)


def _mounted(screen: Screen, dispatcher: Dispatcher, gate: Gate | None) -> House | None:
    from src.dispatch.serving import mount

    if gate is None:
        return None
    if gate.token:
        screen.redactor.learn(gate.token)
    return mount(dispatcher, gate, mask=screen.redactor.text)


def _served(gate: Gate | None) -> Callable[[Configuration], bool]:
    """Whether page and API are served; raises `Misconfigured` where everybody could do everything."""
    from src.dispatch.serving import check_open

    def served(made: Configuration) -> bool:
        if gate is not None:
            check_open(gate, made.http.host)
        return gate is not None

    return served


def _tell_where(screen: Screen, dispatcher: Dispatcher, gate: Gate | None) -> None:
    """Say where, and how one gets in."""
    from src.dispatch.serving import TOKEN

    if dispatcher.http is None:
        screen.say(f"no page and no API: set {TOKEN} for that")
        return
    url = dispatcher.http.url
    screen.say(f"listening at {url}")
    if gate is None:
        screen.say(f"no page and no API there: set {TOKEN} for that")
    elif not gate.token:
        screen.say(f"page: {url}/ for everybody on this machine")
    elif gate.is_fresh:
        # Past the redactor: whoever sits at this terminal is to see it, and it is good for this start only.
        click.echo(f"page: {url}/#token={gate.token}", err=screen.json)
    else:
        screen.say(f"page: {url}/ with the token in {TOKEN}")


@verb("validate", "sluice dispatch validate dispatch.toml")
@CONFIG
@json_option
@click.pass_obj
def validate(screen: Screen, config: Path) -> None:
    """Read CONFIG and say what is wrong with it, with the line of each fault."""
    found = parsed(config)
    screen.say(f"{config}: {shape(found)}")
    screen.answer({"inputs": len(found.input), "processes": len(found.process), "links": len(found.links)})


@verb("install", "sluice dispatch install dispatch.toml")
@CONFIG
@json_option
@click.pass_obj
def install(screen: Screen, config: Path) -> None:
    """Install outbox and triggers for every postgres input of CONFIG. A second time changes nothing."""
    around, answer = surrounded(screen), dict[str, list[str]]()
    for one in _databases(screen, config):
        answer[one.name] = one.set_up(around)
        screen.say(f"{one.name} has triggers on {', '.join(answer[one.name]) or 'no table'}")
        for pattern in one.unmatched(around):
            screen.warn(f'{one.name}: no table fits "{pattern}" now; one that is made later is found')
    screen.answer(answer)


@verb("uninstall", "sluice dispatch uninstall dispatch.toml", "sluice dispatch uninstall dispatch.toml --yes")
@CONFIG
@click.option("--yes", is_flag=True, help="Do not ask where events wait that nobody has read.")
@json_option
@click.pass_obj
def uninstall(screen: Screen, config: Path, yes: bool) -> None:
    """Take outbox and triggers of every postgres input of CONFIG out again; no trace stays in the databases.

    Events that wait in an outbox and that nobody has read are thrown away with it; where there are any, it asks.
    """
    around, answer = surrounded(screen), dict[str, list[str]]()
    inputs = _databases(screen, config)
    _agree(screen, {one.name: count for one in inputs if (count := one.unread(around))}, yes)
    for one in inputs:
        answer[one.name] = one.tear_down(around)
        screen.say(f"{one.name} has no triggers any more on {', '.join(answer[one.name]) or 'no table'}")
    screen.answer(answer)


for command in (serve, validate, install, uninstall, graph, status, events, logs, dead):
    dispatch.add_command(command)
dispatch.params.append(DEBUG)


def _agree(screen: Screen, unread: Mapping[str, int], yes: bool) -> None:
    """Raises `Misconfigured` where events would be lost and nobody agrees."""
    from shared.common.errors import Misconfigured

    if not unread:
        return
    text = "; ".join(f"{name}: {count} events wait that nobody has read" for name, count in unread.items())
    screen.warn(text)
    if yes:
        screen.warn("they are thrown away")
    elif not (sys.stdin.isatty() and click.confirm("Throw them away?", err=True)):
        raise Misconfigured(
            "nothing was taken out", hint="let serve read them first, or throw them away with --yes"
        )


def _databases(screen: Screen, config: Path) -> list[PostgresInput]:
    from shared.orchestrator.inputs.postgres import PostgresInput

    found = [one for one in parsed(config).input if isinstance(one, PostgresInput)]
    if not found:
        screen.say(f"{config} has no postgres input")
    return found
