"""`sluice backfill`: land windows of the past beside the cursor, with processes here or a state machine in AWS."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from shared.common.errors import Misconfigured, SluiceError
from src.cli.app import json_option, verb
from src.cli.outcome import exit_code
from src.cli.screen import Screen, spoken

if TYPE_CHECKING:
    from datetime import timedelta

    from shared.ingestion.source import Source
    from shared.ingestion.window import Window
    from src.backfilling import Outcome
    from src.cli.stop import Stop
    from src.workplace import Workplace


@verb(
    "backfill",
    "sluice backfill recurly --since 2022-01-01 --until 2024-01-01 --window 7d --concurrency 4",
    "sluice backfill recurly --since 2024-01-01 --until 2024-02-01 --streams invoices --no-load",
    "sluice backfill recurly --since 2024-01-01 --until 2024-02-01 --name again      once more",
    "sluice backfill recurly --since 2022-01-01 --until 2024-01-01 --execution ARN     in AWS",
)
@click.argument("source")
@click.option("--since", metavar="TIME", required=True, help="From this time on.")
@click.option("--until", metavar="TIME", required=True, help="Before this time.")
@click.option("--window", "step", metavar="LENGTH", default="1d", show_default=True, help="1h, 1d, 4w, …")
@click.option(
    "--concurrency",
    type=click.IntRange(1, 64),
    default=4,
    show_default=True,
    help="Windows side by side; each keeps to its part of the source's rate limit.",
)
@click.option("--streams", metavar="A,B", help="Only these streams.")
@click.option("--name", metavar="NAME", help="Windows that are done under a name are not landed again.")
@click.option(
    "--execution", "machine", metavar="ARN", help="Start this state machine instead of processes here."
)
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
def backfill(
    context: click.Context,
    source: str,
    since: str,
    until: str,
    step: str,
    concurrency: int,
    streams: str | None,
    name: str | None,
    machine: str | None,
    no_load: bool,
    source_file: Path | None,
    changes: tuple[str, ...],
) -> None:
    """Land the windows of SOURCE between two times, side by side, and load them.

    The cursor stays where it is, and the stream's own runs go on meanwhile. A second start skips what is done and goes
    on with what was killed. A window that fails does not stop the others. Ctrl-C commits what is whole.

    With --execution, or BACKFILL_MACHINE set, the windows are worked off in AWS. Its name is then the execution's: a
    second start of the same does nothing while it runs, and starts it once more where it failed.
    """
    from shared.common.instants import parse_duration
    from shared.ingestion.backfill import named
    from src.backfilling import fillable_streams
    from src.cli.run import changes_of
    from src.loading import listed
    from src.workplace import Workplace

    screen: Screen = context.obj
    place = Workplace.open()
    screen.redactor = place.redactor
    edits = changes_of(changes)
    found = place.source(source, file=source_file, changes=edits)
    asked = listed(streams, found.spec.streams, source) if streams is not None else None
    names = fillable_streams(found, asked)
    length = parse_duration(step)
    if not length:
        raise Misconfigured("--window is no time at all", hint="such as --window 1d")
    if name is not None:
        named(name)
    whole = _range(place, found, names, since, until)
    machine = machine or place.settings.backfill_machine
    if machine:
        _begin(screen, machine.replace("{source}", source), whole, length, source, names, concurrency, name)
        return
    todo = _Todo(place, found, names, whole, length, concurrency, name or "", source_file, edits)
    context.exit(_work(screen, todo, load=not no_load))


def _range(place: Workplace, source: Source, names: list[str], since: str, until: str) -> Window:
    """The range, which must be over for all streams."""
    from shared.common.instants import format_instant, parse_instant
    from shared.ingestion.plan import Ask
    from shared.ingestion.window import Window

    ask = Ask(parse_instant(since), parse_instant(until))
    for name in names:
        incremental = source.spec.streams[name].incremental
        assert incremental is not None
        newest = incremental.format.floor(place.clock.now() - incremental.lag)
        if ask.until is not None and ask.until > newest:
            raise Misconfigured(
                f"--until {until} is not over for {name}: its rows are final until {format_instant(newest)}",
                hint="end before that; the stream's own runs land what is newer",
            )
    return Window(ask.since, ask.until)


class _Todo:
    """What a back-fill on this machine works on."""

    def __init__(
        self,
        place: Workplace,
        source: Source,
        streams: list[str],
        whole: Window,
        step: timedelta,
        concurrency: int,
        name: str,
        file: Path | None,
        changes: dict[str, str],
    ) -> None:
        from shared.ingestion.backfill import NAME
        from src.backfilling import Order, tasks

        self.place, self.source, self.streams = place, source, streams
        self.name = name or NAME
        self.tasks, self.complete = tasks(place, source, streams, name=self.name, whole=whole, step=step)
        self.processes = max(1, min(concurrency, len(self.tasks)))
        self.order = Order(source.name, self.name, self.processes, file, changes)


def _work(screen: Screen, todo: _Todo, *, load: bool) -> int:
    """Work off the windows, load, and say what happened; the exit code."""
    from src.backfilling import fill
    from src.cli.stop import Stop
    from src.loading import Loads
    from src.preflight import preflight

    preflight(todo.place, todo.source, todo.streams, warehouse=load)
    _begun(screen, todo)
    outcomes: list[Outcome] = []
    began = todo.place.clock.monotonic()
    with Stop() as stop, Loads(todo.place, todo.source) as loads:
        for outcome in fill(todo.order, todo.tasks, processes=todo.processes, stop=stop):
            outcomes.append(outcome)
            _told(screen, outcome, len(outcomes), len(todo.tasks))
        if load and not stop():
            for name in todo.streams:
                loads.ask(name)
            loads.wait(stop)
        seconds = todo.place.clock.monotonic() - began
        return _summary(screen, todo, outcomes, seconds, stop=stop, loads=loads)


def _begun(screen: Screen, todo: _Todo) -> None:
    if not todo.tasks:
        screen.say(f"all windows are done in {todo.complete} streams; --name NAME lands them again")
        return
    screen.say(
        f"{len(todo.tasks)} windows in {len(todo.streams)} streams, {todo.processes} at a time"
        f" (back-fill {todo.name})"
    )
    appended = [n for n in todo.streams if todo.source.spec.streams[n].disposition == "append"]
    if appended:
        screen.warn(
            f"warning: rows that had landed before land a second time in {', '.join(appended)}: appended to"
        )


def _told(screen: Screen, outcome: Outcome, count: int, total: int) -> None:
    """One line for a window."""
    said = outcome.streams
    rejected = sum(int(one.get("rejected", 0)) for one in said.values())
    seconds = max((float(one.get("seconds", 0)) for one in said.values()), default=0.0)
    state = (
        f"failed: {', '.join(outcome.failed)}" if outcome.failed else "done" if outcome.done else "stopped"
    )
    more = f", {rejected:,} rejected" if rejected else ""
    screen.say(
        f"[{count}/{total}] {_words(outcome)}: {outcome.rows:,} rows{more}, {spoken(seconds)}, {state}"
    )
    for name, one in said.items():
        for warning in one.get("warnings", ()):
            screen.warn(f"warning: {name} in {_words(outcome)}: {warning}")


def _words(outcome: Outcome) -> str:
    from shared.ingestion.backfill import key_of

    return key_of(outcome.task.window).replace("T00:00:00Z", "").replace("/", " … ")


def _summary(
    screen: Screen, todo: _Todo, outcomes: list[Outcome], seconds: float, *, stop: Stop, loads: Any
) -> int:
    failures = [(one, name, error) for one in outcomes for name, error in one.failed.items()]
    done = [one for one in outcomes if one.done]
    rows = sum(one.rows for one in outcomes)
    screen.say(
        f"{todo.source.name}: {len(done)} of {len(todo.tasks)} windows, {rows:,} rows in {spoken(seconds)}"
    )
    screen.fail_all({f"{name} {_words(one)}": error for one, name, error in failures}, what="window of")
    screen.fail_all(loads.failed, what="load of")
    errors: list[SluiceError] = [error for _, _, error in failures]
    code = stop.exit_code or exit_code([*errors, *loads.failed.values()], others=done)
    if stop() or len(done) < len(todo.tasks):
        screen.say("start the same command again: what is done is skipped, what was begun goes on")
    screen.answer(
        {
            "source": todo.source.name,
            "backfill": todo.name,
            "windows": {
                "total": len(todo.tasks),
                "done": len(done),
                "failed": sum(bool(one.failed) for one in outcomes),
            },
            "rows": rows,
            "rejected": sum(int(s.get("rejected", 0)) for one in outcomes for s in one.streams.values()),
            "api_calls": sum(int(s.get("api_calls", 0)) for one in outcomes for s in one.streams.values()),
            "seconds": round(seconds, 3),
            "failed": [
                {**one.task.window.to_json(), "stream": name, "error": str(error)}
                for one, name, error in failures
            ],
            "loads": loads.to_json(),
            "stopped": None if stop.signal is None else stop.signal.name,
            "exit_code": int(code),
        }
    )
    return int(code)


def _begin(
    screen: Screen,
    machine: str,
    whole: Window,
    step: timedelta,
    source: str,
    streams: list[str],
    concurrency: int,
    name: str | None,
) -> None:
    """Start the state machine, which gives each window to the source's function."""
    from shared.aws.executions import start
    from shared.ingestion.window import split

    windows = [window.to_json() for window in split(whole, step)]
    document = {"source": source, "streams": streams, "windows": windows, "concurrency": concurrency}
    name = name or _name(whole, document)
    started = start(machine, name, {**document, "name": name})
    screen.say(f"{started.did}: {len(windows)} windows, {concurrency} at a time: {started.arn}")
    if started.did == "succeeded":
        screen.say("--name NAME lands the windows again")
    screen.answer({"source": source, "backfill": name, "windows": {"total": len(windows)}, "execution": started.arn,
                   "did": started.did, "exit_code": 0})  # fmt: skip


def _name(whole: Window, document: dict[str, Any]) -> str:
    """The same for the same question, and another one for another."""
    assert whole.since is not None
    assert whole.until is not None
    digest = hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()[:8]
    return f"{whole.since:%Y%m%d}-{whole.until:%Y%m%d}-{digest}"
