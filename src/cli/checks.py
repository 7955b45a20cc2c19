"""`sluice checks`: make the checks of a table now, look at what those of a load found, take over a suite."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from shared.common.errors import Misconfigured
from src.cli.app import DEBUG, examples, json_option, verb
from src.cli.outcome import Exit
from src.cli.screen import Screen, table

if TYPE_CHECKING:
    from shared.warehouse.checks.verdict import Result, Verdict
    from src.workplace import Workplace

LAST = 20


@click.group(
    "checks",
    epilog=examples(
        "sluice checks run recurly.accounts",
        "sluice checks show",
        "sluice checks show 20261120T101500Z-9f3a61",
        "sluice checks import suite.json --output src/acme/checks/orders.yml",
    ),
    no_args_is_help=True,
)
def checks() -> None:
    """Make the checks of a table, look at verdicts, take over a suite of Great Expectations."""


@verb("run", "sluice checks run recurly.accounts", "sluice checks run recurly.accounts --json")
@click.argument("name", metavar="SOURCE.STREAM")
@click.option("--source-file", type=click.Path(path_type=Path), help="A source.yml that lies elsewhere.")
@json_option
@click.pass_context
def run(context: click.Context, name: str, source_file: Path | None) -> None:
    """Make the checks of a stream in its final table, as it is now.

    Every load makes them before its rows go in; this is for a look in between, and for trying out a new check. Exit
    code 4: a check of severity fail does not hold.
    """
    from shared.warehouse.checks.verdict import Status
    from src.checking import check_table, parted
    from src.workplace import Workplace

    screen: Screen = context.obj
    source, stream = parted(name)
    place = Workplace.open()
    screen.redactor = place.redactor
    verdict = check_table(place, place.source(source, file=source_file), stream)
    _say(screen, verdict)
    screen.answer(verdict.to_json())
    context.exit(Exit.VIOLATION if verdict.status is Status.FAIL else Exit.DONE)


@verb(
    "show",
    "sluice checks show",
    "sluice checks show 20261120T101500Z-9f3a61",
    "sluice checks show 20261120T101500Z-9f3a61 --json | jq '.verdicts[].checks[]'",
)
@click.argument("run_id", metavar="RUN", required=False)
@click.option("--source", metavar="SOURCE", help="Only this source.")
@json_option
@click.pass_obj
def show(screen: Screen, run_id: str | None, source: str | None) -> None:
    """Show what the checks of RUN (the id of a run or of a load) found; without it, list the last verdicts."""
    from src.workplace import Workplace

    place = Workplace.open()
    screen.redactor = place.redactor
    found = sorted(_verdicts(place, source, run_id or ""), key=lambda one: (one.checked_at, one.released))
    if run_id and not found:
        raise Misconfigured(f"there is no verdict of {run_id}", hint="sluice checks show lists the last ones")
    if run_id:
        released = {(one.source, one.stream, one.sequence, one.load) for one in found if one.released}
        for verdict in found:
            # What was said before the release stays in the list, and in --json.
            about = (verdict.source, verdict.stream, verdict.sequence, verdict.load)
            if verdict.released or about not in released:
                _say(screen, verdict)
    else:
        found = found[-LAST:]
        rows = [_row(verdict) for verdict in reversed(found)]
        head = ("checked", "table", "verdict", "rows", "run", "load")
        screen.say(table(rows, head=head, right=[3]) if rows else "nothing has been checked yet")
    screen.answer({"verdicts": [verdict.to_json() for verdict in found]})


@verb(
    "import",
    "sluice checks import suite.json",
    "sluice checks import suite.json --output src/acme/checks/orders.yml --partial",
)
@click.argument("suite", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option(
    "--output", type=click.Path(path_type=Path, dir_okay=False), help="Write the file instead of showing it."
)
@click.option("--partial", is_flag=True, help="Take over what is known, and name the rest in comments.")
@json_option
@click.pass_obj
def import_(screen: Screen, suite: Path, output: Path | None, partial: bool) -> None:
    """Turn SUITE (JSON, of Great Expectations 1.x or 0.x) into a file of checks.

    Refuses a suite with expectations that are not supported, and names them, unless --partial is given.
    """
    from shared.common.documents import read_json_document
    from shared.contracts.suite import import_suite

    found = import_suite(read_json_document(suite.read_bytes(), file=str(suite)))
    left = [f"number {one.number}, {one.name}: {one.reason}" for one in found.left]
    if left and not partial:
        raise Misconfigured(
            f"{len(left)} of {len(left) + len(found.checks)} expectations of {suite} cannot be taken over:\n"
            + "\n".join(left),
            hint="--partial takes over the others",
        )
    text = found.to_yaml()
    if output is not None:
        if output.exists():
            raise Misconfigured(f"{output} is there already", hint="name another file, or move it away")
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(text, encoding="utf-8")
        screen.say(f"{len(found.checks)} checks are in {output}")
    else:
        screen.say(text.rstrip())
    for line in [*(f"left out: {one}" for one in left), *(f"changed: {one}" for one in found.changed)]:
        screen.warn(line)
    screen.answer(
        {"checks": len(found.checks), "left": left, "changed": list(found.changed), "file": str(output or "")}
    )


for one in (run, show, import_):
    checks.add_command(one)
checks.params.append(DEBUG)


def _verdicts(place: Workplace, only: str | None, run_id: str) -> Iterator[Verdict]:
    """The verdicts of a run, or the last ones of every stream."""
    from shared.warehouse.checks.verdict import latest, verdicts
    from src.loading import landed_streams
    from src.workplace import source_files

    for source in [only] if only else source_files():
        for stream in landed_streams(place.store, source):
            if run_id:
                yield from verdicts(place.store, source, stream, run=run_id)
            else:
                yield from latest(place.store, source, stream, most=LAST)


def _say(screen: Screen, verdict: Verdict) -> None:
    from shared.warehouse.checks.tell import found, headline, todo

    rows = [_line(result) for result in verdict.results]
    screen.say(table(rows, head=("", "column", "check", "found", "expected")))
    for result in verdict.results:
        for what, text in (("", found(result)), ("expected: ", result.expected)):
            if _cut(text) != text:
                screen.say(f"\n{result.check} ({result.subject or 'table'}): {what}{text}")
    for result in verdict.broken:
        if result.keys:
            shown = ", ".join(_key(key) for key in result.keys)
            screen.say(f"\n{result.check} ({result.subject or 'table'}), for example: {shown}")
    screen.say(f"\n{headline(verdict)}")
    if verdict.released:
        screen.say(f"released: {verdict.released}")
    elif verdict.load:
        screen.say("\n".join(todo(verdict).splitlines()[1:]) or "the rows were let in")


def _line(result: Result) -> tuple[str, ...]:
    from shared.warehouse.checks.tell import found

    mark = {True: "ok", None: "-"}.get(result.success, "FAIL" if result.severity == "fail" else "warn")
    name = result.check.removeprefix("expect_").removeprefix("column_")
    return (mark, result.subject, name, _cut(found(result)), _cut(result.expected))


def _row(verdict: Verdict) -> tuple[str, ...]:
    broken = f" ({len(verdict.broken)} of {len(verdict.results)})" if verdict.broken else ""
    status = f"{verdict.status.value}{broken}{', released' if verdict.released else ''}"
    return (verdict.checked_at[:19], verdict.table, status, f"{verdict.rows:,}", verdict.run, verdict.load)


def _key(key: object) -> str:
    if isinstance(key, dict):
        return " ".join(f"{name}={value}" for name, value in key.items())
    return str(key)


def _cut(text: str, most: int = 70) -> str:
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[: most - 1]}…"
