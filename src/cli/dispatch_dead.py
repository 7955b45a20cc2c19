"""`sluice dispatch dead`: events that a process gave up, and what is decided about them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from src.cli.app import DEBUG, examples, json_option, verb
from src.cli.dispatch_parts import BEFORE, JOURNAL, further, journey, kept, listed
from src.cli.screen import Screen

PAGE = 500

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from shared.orchestrator.journal import Store


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
@BEFORE
@json_option
@click.pass_obj
def dead_list(screen: Screen, journal: str, process: str, limit: int, before: int) -> None:
    """List the events with a dead letter, the newest first."""
    from src.dispatching import open_journal

    found = open_journal(journal).dead(limit=limit, process=process, before=before)
    listed(screen, found)
    further(screen, [one.id for one in found], limit)
    screen.answer({"events": [one.to_plain() for one in found]})


@verb("show", "sluice dispatch dead show 17")
@click.argument("number", type=int)
@JOURNAL
@json_option
@click.pass_obj
def dead_show(screen: Screen, number: int, journal: str) -> None:
    """Show an event, how far it came, and why it did not come further."""
    from src.dispatching import open_journal

    one = kept(open_journal(journal), number)
    journey(screen, one)
    screen.answer(one.to_plain())


@verb(
    "retry",
    "sluice dispatch dead retry 17",
    "sluice dispatch dead retry 17 18 --process raw_to_cleansed",
    "sluice dispatch dead retry --all --process raw_to_cleansed",
)
@click.argument("numbers", type=int, nargs=-1)
@click.option("--all", "every", is_flag=True, help="All that there are, instead of numbers.")
@JOURNAL
@click.option("--process", default="", help="Only the dead letter of this process.")
@json_option
@click.pass_obj
def dead_retry(screen: Screen, numbers: tuple[int, ...], every: bool, journal: str, process: str) -> None:
    """Let events be tried again; a running dispatcher begins within a second, else the next one does."""
    from src.dispatching import open_journal

    store = open_journal(journal)
    _decide(screen, store, _meant(store, numbers, every, process), process, "retry", "is tried again by")


@verb("drop", "sluice dispatch dead drop 17", "sluice dispatch dead drop --all --process tell")
@click.argument("numbers", type=int, nargs=-1)
@click.option("--all", "every", is_flag=True, help="All that there are, instead of numbers.")
@JOURNAL
@click.option("--process", default="", help="Only the dead letter of this process.")
@json_option
@click.pass_obj
def dead_drop(screen: Screen, numbers: tuple[int, ...], every: bool, journal: str, process: str) -> None:
    """Decide that dead letters, and what waits behind them, need not be done."""
    from src.dispatching import open_journal

    store = open_journal(journal)
    _decide(screen, store, _meant(store, numbers, every, process), process, "drop", "need not be done by")


def _meant(store: Store, numbers: Sequence[int], every: bool, process: str) -> Iterator[int]:
    """The events to decide about; with `every` backwards, so that what fails again meanwhile does not come again."""
    if bool(numbers) == every:
        raise click.UsageError("say which events: their numbers, or --all")
    yield from numbers
    before = 0
    while every and (page := store.dead(limit=PAGE, process=process, before=before)):
        before = page[-1].id
        yield from (one.id for one in page)


def _decide(screen: Screen, store: Store, numbers: Iterable[int], process: str, how: str, what: str) -> None:
    answer: dict[str, list[str]] = {}
    for number in numbers:
        kept(store, number)
        answer[str(number)] = getattr(store, how)(number, process=process)
        names = ", ".join(answer[str(number)])
        screen.say(f"event {number} {what} {names}" if names else f"event {number} has no such dead letter")
    screen.answer(answer)


for one in (dead_list, dead_show, dead_retry, dead_drop):
    dead.add_command(one)
dead.params.append(DEBUG)
