"""`sluice run`: land what is new and load it."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import TYPE_CHECKING

import click

from shared.common.errors import Misconfigured
from src.cli.app import json_option, verb
from src.cli.load import warn_of
from src.cli.outcome import exit_code
from src.cli.screen import Screen, spoken

if TYPE_CHECKING:
    from shared.ingestion.plan import Ask
    from shared.ingestion.run import RunReport
    from shared.ingestion.source import Source
    from shared.ingestion.stream_report import StreamReport
    from src.cli.progress import Progress
    from src.cli.stop import Stop
    from src.loading import Loads
    from src.workplace import Workplace


@verb(
    "run",
    "sluice run recurly                                   what is new in all streams",
    "sluice run recurly --streams accounts,plans          two streams only",
    "sluice run recurly --since 2024-01-01 --until 2024-02-01",
    "sluice run recurly --full-refresh --no-load          everything again, without the warehouse",
    "sluice run acme --source-file acme.yml --set streams.orders.params.limit=50",
    "sluice run recurly --json | tail -1 | jq .rows",
)
@click.argument("source")
@click.option("--streams", metavar="A,B", help="Only these streams.")
@click.option("--since", metavar="TIME", help="From this time on, instead of from the cursor.")
@click.option("--until", metavar="TIME", help="Before this time, instead of until now.")
@click.option("--full-refresh", is_flag=True, help="Everything again, from the stream's start.")
@click.option("--no-load", is_flag=True, help="Land only; `sluice load` loads later.")
@click.option("--source-file", type=click.Path(path_type=Path), help="A source.yml that lies elsewhere.")
@click.option(
    "--set",
    "changes",
    multiple=True,
    metavar="KEY=VALUE",
    help="Change a value of the source.yml; repeatable.",
)
@json_option
@click.pass_context
def run(
    context: click.Context,
    source: str,
    streams: str | None,
    since: str | None,
    until: str | None,
    full_refresh: bool,
    no_load: bool,
    source_file: Path | None,
    changes: tuple[str, ...],
) -> None:
    """Land what is new in SOURCE, stream by stream, and load it into the warehouse.

    Each stream goes on from its last commit. Ctrl-C commits what is whole; the next run goes on from there.
    """
    from src.cli.progress import progress
    from src.cli.stop import Stop
    from src.loading import Loads, listed
    from src.preflight import preflight
    from src.workplace import Workplace

    screen: Screen = context.obj
    place = Workplace.open()
    screen.redactor = place.redactor
    found = place.source(source, file=source_file, changes=changes_of(changes))
    known = [*found.spec.streams, *found.spec.reports]
    names = listed(streams, known, source) if streams is not None else None
    ask = _ask(since, until, full_refresh)
    preflight(place, found, names, warehouse=not no_load)
    with Stop() as stop, Loads(place, found) as loads:
        with progress(screen, place.clock.monotonic) as shown:
            report = _land(place, found, names, ask, stop=stop, shown=shown, load=not no_load, loads=loads)
        code = _told(
            screen, place, report, loads, stop=stop, again=_again(source, streams, source_file, changes)
        )
    context.exit(code)


def _land(
    place: Workplace,
    source: Source,
    names: list[str] | None,
    ask: Ask,
    *,
    stop: Stop,
    shown: Progress,
    load: bool,
    loads: Loads,
) -> RunReport:
    """Run in a thread, so that this one hears signals; a stream that has ended is loaded while others go on."""
    from shared.ingestion.run import ingest

    live: dict[str, StreamReport] = {}

    def watch(report: StreamReport) -> None:
        live.setdefault(report.stream, report)
        shown.moved(report)

    def ended(report: StreamReport) -> None:
        shown.ended(report)
        if load and not stop():
            loads.ask(report.stream)

    tools = place.tools(stop=stop)
    with ThreadPoolExecutor(1, thread_name_prefix="run") as thread:
        running = thread.submit(ingest, source, tools, streams=names, ask=ask, watch=watch)
        while not wait([running], timeout=0.1).done:
            for one in list(live.values()):
                if one.seconds:  # set when the stream has come to its end
                    ended(one)
        report = running.result()
    for one in report.streams.values():
        ended(one)
    return report


def _told(
    screen: Screen, place: Workplace, report: RunReport, loads: Loads, *, stop: Stop, again: str
) -> int:
    """Say what happened; the exit code."""
    loads.wait(stop)
    _warn(screen, report)
    landed = (
        f"{len(report.streams)} streams, {_sum(report, 'rows'):,} rows, {_sum(report, 'rejected'):,} rejected"
    )
    screen.say(
        f"{report.source}: {landed}, {_sum(report, 'api_calls'):,} requests in {spoken(report.seconds)}"
    )
    if loads.reports:
        _loaded(screen, place, loads)
    warn_of(screen, loads)
    for what, failed in (("run of", report.failed), ("load of", loads.failed)):
        screen.fail_all(failed, what=what)
    well = [name for name in report.streams if name not in report.failed and name not in loads.failed]
    code = stop.exit_code or exit_code([*report.failed.values(), *loads.failed.values()], others=well)
    if stop():
        screen.say(f"stopped; what is whole is committed. Go on with: {again}")
    elif not report.done:
        screen.say(f"not done{_when(report)}. Go on with: {again}")
    elif code:
        if not report.failed:  # it has landed: nothing need be fetched again
            again = _load_again(report.source, again, loads)
        screen.say(f"run again when that is mended: {again}")
    stopped = None if stop.signal is None else stop.signal.name
    screen.answer({**report.to_json(), "loads": loads.to_json(), "stopped": stopped, "exit_code": int(code)})
    return int(code)


def _loaded(screen: Screen, place: Workplace, loads: Loads) -> None:
    fresh = [one for one in loads.reports.values() if one.rows]
    rows, seconds = sum(one.rows for one in fresh), sum(one.seconds for one in loads.reports.values())
    what = (
        f"{rows:,} rows into {len(fresh)} tables" if fresh else "nothing, the tables have all that has landed"
    )
    screen.say(f"loaded {what}, in {spoken(seconds)}: {place.warehouse_name}")


def _warn(screen: Screen, report: RunReport) -> None:
    for name, one in report.streams.items():
        for warning in one.warnings:
            screen.warn(f"warning: {name}: {warning}")
        if one.status == "superseded" and one.error is not None:
            screen.fail(one.error, label=f"warning: {name}: another run was faster")


def _sum(report: RunReport, name: str) -> int:
    return sum(getattr(one, name) for one in report.streams.values())


def _when(report: RunReport) -> str:
    return "" if report.retry_after is None else f", look again in {spoken(report.retry_after)}"


def _again(source: str, streams: str | None, file: Path | None, changes: Sequence[str]) -> str:
    """The command that goes on: without the range, which the unfinished streams know."""
    words = ["sluice", "run", source]
    words += ["--streams", streams] if streams else []
    words += ["--source-file", str(file)] if file else []
    words += [word for change in changes for word in ("--set", change)]
    return shlex.join(words)


def _load_again(source: str, again: str, loads: Loads) -> str:
    """The command that loads what a run has landed, with the options that both commands have."""
    words = shlex.split(again)
    if "--set" in words:  # which `load` does not take, and which may say what the table is
        return again
    file = words[words.index("--source-file") :][:2] if "--source-file" in words else []
    return shlex.join(["sluice", "load", source, "--streams", ",".join(loads.failed), *file])


def changes_of(pairs: Sequence[str]) -> dict[str, str]:
    """`--set` arguments by path. Raises `Misconfigured` for one without `=`."""
    found = {}
    for pair in pairs:
        path, equals, value = pair.partition("=")
        if not equals or not path:
            raise Misconfigured(
                f"--set {pair} has no = in it",
                hint="give a path and a value: --set streams.orders.params.limit=50",
            )
        found[path.strip()] = value
    return found


def _ask(since: str | None, until: str | None, full_refresh: bool) -> Ask:
    from shared.common.instants import parse_instant
    from shared.ingestion.plan import Ask

    return Ask(
        since=None if since is None else parse_instant(since),
        until=None if until is None else parse_instant(until),
        full_refresh=full_refresh,
    )
