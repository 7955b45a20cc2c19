"""`sluice state`: look at where a stream stands, and move it. Moving it is a commit, so nothing is ever overwritten."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from shared.common.errors import Misconfigured, unknown
from src.cli.app import DEBUG, examples, json_option, verb
from src.cli.screen import Screen, table

if TYPE_CHECKING:
    from shared.ingestion.source import Source
    from shared.landing.commit import Commit
    from shared.landing.log import CommitLog

SURE = click.option("--yes", is_flag=True, help="Do not ask.")
FILE = click.option(
    "--source-file",
    type=click.Path(path_type=Path),
    help="A source.yml that lies elsewhere, as `run` was given it.",
)


@click.group(
    "state",
    epilog=examples(
        "sluice state show recurly accounts",
        "sluice state rewind recurly accounts --to 2024-01-01",
        "sluice state reset recurly accounts --yes",
        "sluice state show acme orders --source-file acme.yml",
    ),
    no_args_is_help=True,
)
def state() -> None:
    """Show or move the cursor of a stream. Moves are commits: the log keeps who stood where."""


@verb("show", "sluice state show recurly accounts", "sluice state show recurly accounts --json")
@click.argument("source")
@click.argument("stream")
@FILE
@json_option
@click.pass_obj
def show(screen: Screen, source: str, stream: str, source_file: Path | None) -> None:
    """Show what the last commit of STREAM says."""
    from shared.landing.state import show as state_of

    _, log = _opened(source, stream, source_file)
    found = state_of(log).to_json()
    shown = [(name, _shown(value)) for name, value in found.items() if value not in (None, "")]
    screen.say(table(shown))
    screen.answer(found)


@verb(
    "rewind",
    "sluice state rewind recurly accounts --to 2024-01-01",
    "sluice state rewind recurly accounts --to 2024-01-01T12:00:00Z --yes",
)
@click.argument("source")
@click.argument("stream")
@click.option("--to", "target", required=True, metavar="TIME", help="The next run begins here.")
@SURE
@FILE
@json_option
@click.pass_obj
def rewind(
    screen: Screen, source: str, stream: str, target: str, yes: bool, source_file: Path | None
) -> None:
    """Let the next run of STREAM begin at an earlier (or later) time.

    Rows that land again are merged by primary key; in a table that is appended to they are there twice.
    """
    from shared.common.clock import random_token
    from shared.landing.state import rewind as move

    found, log = _opened(source, stream, source_file)
    cursor = _cursor(found, stream, target, log)
    _confirm(screen, log, f"move the cursor of {source}.{stream} to {cursor}", yes)
    _moved(screen, move(log, cursor, run=f"rewind-{random_token()}", note="sluice state rewind"))


@verb("reset", "sluice state reset recurly accounts", "sluice state reset recurly accounts --yes")
@click.argument("source")
@click.argument("stream")
@SURE
@FILE
@json_option
@click.pass_obj
def reset(screen: Screen, source: str, stream: str, yes: bool, source_file: Path | None) -> None:
    """Let the next run of STREAM begin from nothing, as the first one did. What has landed stays."""
    from shared.common.clock import random_token
    from shared.landing.state import reset as forget

    _, log = _opened(source, stream, source_file)
    _confirm(
        screen,
        log,
        f"forget the cursor of {source}.{stream}, so that the next run reads everything again",
        yes,
    )
    _moved(screen, forget(log, run=f"reset-{random_token()}", note="sluice state reset"))


for one in (show, rewind, reset):
    state.add_command(one)
state.params.append(DEBUG)


def _opened(name: str, stream: str, file: Path | None) -> tuple[Source, CommitLog]:
    """The source, and the log of a stream that it has or that has landed before."""
    from shared.landing.log import CommitLog
    from src.loading import landed_streams
    from src.workplace import Workplace

    place = Workplace.open()
    source = place.source(name, file=file)
    if stream not in source.spec.streams:
        landed = landed_streams(place.store, name)
        if stream not in landed:
            raise unknown("stream", stream, {*source.spec.streams, *landed}, source=name)
    return source, CommitLog(place.store, name, stream, place.clock)


def _cursor(source: Source, stream: str, target: str, log: CommitLog) -> Any:
    """The text of `--to` as this stream's cursor: a time, or the value itself where the stream goes by values."""
    from shared.common.instants import format_instant, parse_instant
    from shared.landing.state import show as state_of

    found = source.spec.streams.get(stream)
    if found is None or found.incremental is None or found.disposition == "replace":
        stands = state_of(log).cursor
        if stands is not None:
            what = "does not have this stream" if found is None else "says that it has no cursor"
            raise Misconfigured(
                f"the last commit of {stream} has the cursor {stands}, but {source.file} {what}",
                hint="was it landed with another file? name that one with --source-file",
            )
        raise Misconfigured(
            f"{stream} has no cursor: every run reads all of it",
            hint=f"sluice run {source.name} --streams {stream} --full-refresh reads it again",
        )
    if found.incremental.by == "value":
        return int(target) if target.lstrip("-").isdecimal() else target
    at = parse_instant(target)
    if at > log.clock.now():
        raise Misconfigured(
            f"{format_instant(at)} lies in the future: all that comes until then would be passed over",
            hint="give a time that has been",
        )
    return format_instant(at)


def _confirm(screen: Screen, log: CommitLog, what: str, yes: bool) -> None:
    from shared.landing.state import show as state_of

    now = state_of(log)
    screen.say(
        f"now: cursor {now.cursor}, commit {now.sequence}{'' if now.complete else ', a run is unfinished'}"
    )
    if not yes:
        click.confirm(f"{what[0].upper()}{what[1:]}?", abort=True, err=screen.json)


def _moved(screen: Screen, commit: Commit) -> None:
    screen.say(f"done: commit {commit.sequence} ({commit.draft.kind}), cursor {commit.draft.cursor}")
    screen.answer(commit.to_json())


def _shown(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 100 else f"{text[:99]}…"
