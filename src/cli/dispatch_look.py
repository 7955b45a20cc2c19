"""`sluice dispatch graph|status|events|logs`: see what a dispatcher has done and does, from its journal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from src.cli.app import json_option, verb
from src.cli.dispatch_parts import (
    BEFORE,
    JOURNAL,
    clock_time,
    current,
    further,
    journey,
    kept,
    listed,
    parsed,
)
from src.cli.screen import Screen, spoken, table


@verb("graph", "sluice dispatch graph dispatch.toml", "sluice dispatch graph --json")
@click.argument("config", type=click.Path(path_type=Path, dir_okay=False), required=False)
@JOURNAL
@json_option
@click.pass_obj
def graph(screen: Screen, config: Path | None, journal: str) -> None:
    """Show the graph of CONFIG, or of the document that the journal holds."""
    found = parsed(config) if config else current(journal)
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
            name, clock_time(last.at), last.phase.text,
            last.error.splitlines()[0][:80] if last.error else ""))  # fmt: skip
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
@BEFORE
@json_option
@click.pass_obj
def events(
    screen: Screen, journal: str, standing: str | None, number: int | None, limit: int, before: int
) -> None:
    """List events, the newest first, or show the journey of one."""
    from shared.orchestrator.journal import Standing
    from src.dispatching import open_journal

    store = open_journal(journal)
    if number is not None:
        found = [kept(store, number)]
        journey(screen, found[0])
    else:
        wanted = Standing[standing.upper()] if standing else None
        found = store.events(limit=limit, standing=wanted, before=before)
        listed(screen, found)
        further(screen, [one.id for one in found], limit)
    screen.answer({"events": [one.to_plain() for one in found]})


@verb("logs", "sluice dispatch logs raw_to_cleansed", "sluice dispatch logs raw_to_cleansed --limit 3")
@click.argument("process")
@JOURNAL
@click.option("--limit", type=click.IntRange(1, 1000), default=5, show_default=True)
@BEFORE
@json_option
@click.pass_obj
def logs(screen: Screen, process: str, journal: str, limit: int, before: int) -> None:
    """Show what the last attempts of PROCESS wrote, the newest event first."""
    from src.dispatching import open_journal

    found = open_journal(journal).runs(process, limit=limit, before=before)
    for one in found:
        screen.say(
            f"event {one.event}, attempt {one.attempt}, {clock_time(one.at)}, {spoken(one.seconds)}: {one.phase.text}"
        )
        for text in (one.error, one.logs):
            if text:
                screen.say("\n".join(f"  {line}" for line in text.splitlines()))
    if not found:
        screen.say(f"{process} has not run")
    further(screen, [one.event for one in found], limit)
    screen.answer({"runs": [_outcome(one) for one in found]})


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


def _outcome(one: Any) -> dict[str, Any]:
    return {"event": one.event, "phase": one.phase.text, "attempt": one.attempt, "at": one.at,
            "seconds": one.seconds, "error": one.error, "logs": one.logs}  # fmt: skip
