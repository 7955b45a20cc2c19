"""`sluice load`: bring what has landed into the warehouse, once more where asked, and let in what was held back."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from shared.common.errors import Misconfigured
from src.cli.app import json_option, verb
from src.cli.outcome import exit_code
from src.cli.screen import Screen, table

if TYPE_CHECKING:
    from shared.ingestion.source import Source
    from shared.warehouse.checks.verdict import Verdict
    from src.loading import Loads
    from src.workplace import Workplace


@verb(
    "load",
    "sluice load recurly",
    "sluice load recurly --streams accounts,plans --json",
    "sluice load recurly --replay-from 0 --yes                 all commits once more",
    "sluice load recurly --release 20261120T101500Z-9f3a61 --reason 'refunds are negative'",
)
@click.argument("source", required=False)
@click.option("--streams", metavar="A,B", help="Only these streams.")
@click.option(
    "--replay-from",
    type=click.IntRange(min=0),
    metavar="N",
    help="Load commit N and those behind it again; 0: all.",
)
@click.option(
    "--release", metavar="RUN", help="Let in the rows of this run (or load) that the checks held back."
)
@click.option("--reason", default="", metavar="TEXT", help="Why they may go in; it is kept with the verdict.")
@click.option("--yes", is_flag=True, help="Do not ask before a replay.")
@click.option("--source-file", type=click.Path(path_type=Path), help="A source.yml that lies elsewhere.")
@json_option
@click.pass_context
def load(
    context: click.Context,
    source: str | None,
    streams: str | None,
    replay_from: int | None,
    release: str | None,
    reason: str,
    yes: bool,
    source_file: Path | None,
) -> None:
    """Load the commits of SOURCE that the warehouse does not have yet. Twice does no harm.

    A replay fetches nothing from the source. In tables that are merged or replaced the rows find their places again; in
    those that rows are added to, the rows of these commits leave first, and readers miss them until they are loaded.

    Rows that fail a check stay out, and later loads stop there too, until the check is corrected, the rows are landed
    anew (`sluice state rewind`), or they are released. With --release, SOURCE may be left out.

    Where nothing has landed there is nothing to do (exit code 0), unless the warehouse has loaded what is gone (4).
    """
    from src.cli.stop import Stop
    from src.loading import Loads, known_streams, listed
    from src.workplace import Workplace

    screen: Screen = context.obj
    place = Workplace.open()
    screen.redactor = place.redactor
    released = _released(place, screen, source, release, reason)
    source = source or released[0].source
    found = place.source(source, file=source_file)
    landed = known_streams(place, source)
    names = listed(streams, [*found.spec.streams, *landed], source) if streams else landed
    if released and not streams:
        names = [verdict.stream for verdict in released]
    if replay_from is not None:
        _replay(place, screen, found, names, replay_from, yes=yes)
    with Stop() as stop, Loads(place, found) as loads:
        for name in names:
            loads.ask(name)
        loads.wait(stop)
    _say(screen, place, source, loads)
    code = stop.exit_code or exit_code(loads.failed.values(), others=loads.reports)
    screen.answer(
        {
            "source": source,
            "released": [verdict.load or verdict.run for verdict in released],
            "loads": loads.to_json(),
            "exit_code": int(code),
        }
    )
    context.exit(int(code))


def _released(
    place: Workplace, screen: Screen, source: str | None, name: str | None, reason: str
) -> Sequence[Verdict]:
    """Release what `--release` names, in SOURCE or wherever it was held back."""
    from shared.warehouse.release import find
    from src.loading import landed_streams
    from src.workplace import source_files

    if name is None:
        if source is None:
            raise Misconfigured("no source is named", hint="sluice load SOURCE; sluice sources lists them")
        return ()
    streams = [
        (one, stream)
        for one in ([source] if source else source_files())
        for stream in landed_streams(place.store, one)
    ]
    verdicts = find(place.store, streams, name=name, reason=reason)
    for verdict in verdicts:
        screen.say(f"{verdict.source}.{verdict.stream}: {verdict.rows:,} rows released: {verdict.released}")
    return verdicts


def _replay(
    place: Workplace, screen: Screen, source: Source, names: Sequence[str], start: int, *, yes: bool
) -> None:
    """Move the ledgers back, after asking."""
    from src.loading import replay, replays

    plans = replays(place, source, names, start=start)
    for plan in plans:
        screen.say(plan.plan)
    if not plans:
        screen.say(f"{source.name}: no table is beyond commit {start}, so nothing is loaded again")
    elif not yes:
        click.confirm("Go on?", abort=True, err=True)
    for plan in plans:
        if not replay(place, plan):
            screen.warn(f"warning: {plan.table.name}: another loader was at work, so nothing was moved")


def _say(screen: Screen, place: Workplace, source: str, loads: Loads) -> None:
    from src.loading import nothing_landed

    rows = [
        (one.stream, one.status, f"{one.rows:,}", f"{one.seconds:.1f} s") for one in loads.reports.values()
    ]
    screen.say(
        table(rows, head=("stream", "", "rows", "time"), right=[2, 3])
        if rows
        else nothing_landed(place, source)
        if not loads.failed
        else f"{source}: nothing was loaded"
    )
    for report in loads.reports.values():
        for note in report.notes:
            screen.say(f"{report.stream}: {note}")
    warn_of(screen, loads)
    screen.fail_all(loads.failed, what="load of")


def warn_of(screen: Screen, loads: Loads) -> None:
    """Tell the checks that do not hold and let the rows in all the same, and rows that no column can hold."""
    for report in loads.reports.values():
        if report.aside:
            from shared.warehouse.aside import home_of

            where = home_of(report.source, report.stream)
            screen.warn(
                f"warning: {report.table}: {report.aside:,} rows that its columns cannot hold are in {where}"
            )
    if not loads.verdicts:
        return
    from shared.warehouse.checks.tell import message
    from shared.warehouse.checks.verdict import Status

    for verdict in loads.verdicts:
        if verdict.status is Status.WARN:
            screen.warn(f"warning: {message(verdict)}")
