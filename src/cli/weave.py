"""`sluice weave`: hook, queue and worker in one process, and what stands in the queue."""

from __future__ import annotations

import logging
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from shared.common.errors import Misconfigured
from src.cli.app import examples, json_option, verb
from src.cli.log_format import log_format, tell_as_records
from src.cli.outcome import Exit
from src.cli.screen import Screen, table

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from src.weave.queue import FileQueue

FILES = click.Path(path_type=Path, dir_okay=False)
SHOWN = 10
"""Deliveries that were not taken in, on a screen; --json has all that are remembered."""

FOLDER = click.option(
    "--state",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(".sluice/weave"),
    show_default=True,
    help="Where the queue and the mirrors are.",
)


@click.group(
    "weave",
    epilog=examples("sluice weave serve", "sluice weave serve --once", "sluice weave status"),
    no_args_is_help=True,
)
def weave() -> None:
    """Keep artifacts in step with definitions in git (docs/weave.md)."""


@verb(
    "serve",
    "sluice weave serve                            hook, queue and worker, until Ctrl-C",
    "sluice weave serve --config weave.yml --host 0.0.0.0 --port 8088",
    "sluice weave serve --once                     bring every branch up to date, and end",
)
@click.option("--config", "file", type=FILES, help="What is woven. [WEAVE_FILE, else weave.yml]")
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="Where it listens for deliveries of hosts."
)
@click.option("--port", type=click.IntRange(0, 65535), default=8088, show_default=True, help="0: a free one.")
@click.option("--once", is_flag=True, help="Do not listen: look at every branch, work, and end.")
@FOLDER
@log_format("text")
@json_option
@click.pass_context
def serve(
    context: click.Context,
    file: Path | None,
    host: str,
    port: int,
    once: bool,
    state: Path,
    log_format: str,
) -> None:
    """Take deliveries of git hosts, ask plain remotes what is new, and bring artifacts to the head of each branch.

    What was taken in survives a kill -9. SIGTERM and Ctrl-C let it finish what it is at. A proxy with TLS belongs
    before it where hosts reach it over the internet. With --once the exit code is 1 when something failed. With
    --log-format json all that is told comes on stderr.
    """
    from src.cli.stop import Stop
    from src.weave.work import Bench
    from src.weaving import Serving
    from src.workplace import Workplace

    if file:
        os.environ["WEAVE_FILE"] = str(file)
    screen: Screen = context.obj
    place = Workplace.open()
    screen.redactor = place.redactor
    telemetry = place.telemetry(served=log_format)
    say: Callable[[str], None] = screen.say
    if log_format == "json":
        tell_as_records(screen, logging.getLogger(telemetry.log.name))
        say = telemetry.log.info
    bench = Bench.of(place)
    with Stop("finishing what is at hand", quiet=log_format == "json") as stop:
        serving = Serving(place, bench, telemetry.alerts, say, stop, state=state, host=host, port=port)
        failures = 0
        if once:
            failures = serving.once()
        else:
            serving.serve()
    screen.answer({"failures": failures, "stopped": stop()})
    if failures:
        context.exit(Exit.FAILED)


weave.add_command(serve)


@verb("status", "sluice weave status", "sluice weave status --json")
@FOLDER
@json_option
@click.pass_obj
def status(screen: Screen, state: Path) -> None:
    """Show why something was not woven: what waits, what was laid aside, what was last done for every branch with each
    definition that failed, and which deliveries were not taken in.
    """
    from src.weaving import is_served

    queue = _opened(state)
    counts, rows, away = queue.counts(), queue.last(), queue.turned_away()
    queue.close()
    served = is_served(state)
    screen.say(f"{'served' if served else 'nobody serves here'}; {_counted(counts)}")
    if rows:
        told = [(r["team"], _state(r), _time(r["changed"]), r["said"].partition("\n")[0]) for r in rows]
        screen.say(table(told, head=("branch", "", "since", "")))
    for row in rows:
        if more := row["said"].partition("\n")[2]:
            screen.say(f"\n{row['team']}:\n{more}")
    if away:
        screen.say("\ndeliveries that were not taken in:")
        lines = [(_time(one["at"]), one["status"], one["said"]) for one in away[:SHOWN]]
        screen.say(table(lines, head=("at", "status", "")))
    told_away = [{**one, "at": _time(one["at"])} for one in away]
    branches = [_document(row) for row in rows]
    screen.answer({"served": served, "counts": dict(counts), "branches": branches, "turned_away": told_away})


weave.add_command(status)


@verb("retry", "sluice weave retry")
@FOLDER
@json_option
@click.pass_obj
def retry(screen: Screen, state: Path) -> None:
    """Try again what was laid aside."""
    queue = _opened(state)
    count = queue.retry()
    queue.close()
    screen.say(f"{count} wait again")
    screen.answer({"waiting": count})


weave.add_command(retry)


def _opened(state: Path) -> FileQueue:
    from shared.common.clock import SystemClock
    from src.weave.queue import FileQueue

    file = state / "queue.db"
    if not file.exists():
        raise Misconfigured("nothing was ever served here", hint="sluice weave serve", folder=str(state))
    return FileQueue(file, SystemClock())


def _counted(counts: Mapping[str, int]) -> str:
    words = {"waiting": "wait", "working": "at work", "dead": "laid aside", "done": "done in the last days"}
    return ", ".join(f"{counts.get(name, 0)} {text}" for name, text in words.items())


def _state(row: Mapping[str, Any]) -> str:
    words = {"waiting": "waits", "working": "at work", "dead": "laid aside", "done": "done"}
    tries = (
        f", try {row['tries'] + 1} after {_time(row['due'])}"
        if row["state"] == "waiting" and row["tries"]
        else ""
    )
    return words[str(row["state"])] + tries


def _document(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "branch": row["team"],
        "state": row["state"],
        "tries": row["tries"],
        "changed": _time(row["changed"]),
        "said": row["said"],
    }


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
