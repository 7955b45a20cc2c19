"""`sluice profile`: what the columns of a table hold, as text and as a page, against an earlier profile."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from shared.common.errors import Misconfigured
from src.cli.app import json_option, verb
from src.cli.screen import Screen, spoken, table

if TYPE_CHECKING:
    from shared.warehouse.profile.model import Profile
    from src.checking import Final

_TIMES = ("DATE", "TIMESTAMP")
_FILE = click.Path(path_type=Path, dir_okay=False)


@verb(
    "profile",
    "sluice profile recurly.accounts",
    "sluice profile recurly.accounts --html accounts.html --save accounts.json",
    "sluice profile recurly.accounts --against accounts.json --html changes.html",
)
@click.argument("name", metavar="SOURCE.STREAM")
@click.option(
    "--by", metavar="COLUMN", help="Count rows by the days of this column; by default the cursor field."
)
@click.option("--against", type=_FILE, metavar="FILE", help="An earlier profile that --save has written.")
@click.option("--html", type=_FILE, metavar="FILE", help="Write a page for people, too.")
@click.option("--save", type=_FILE, metavar="FILE", help="Write the profile as JSON, for a later --against.")
@click.option("--source-file", type=click.Path(path_type=Path), help="A source.yml that lies elsewhere.")
@json_option
@click.pass_obj
def profile(
    screen: Screen,
    name: str,
    by: str | None,
    against: Path | None,
    html: Path | None,
    save: Path | None,
    source_file: Path | None,
) -> None:
    """Profile a final table: nulls, different values, range, shape and frequent values of each column.

    Shows values of the rows: mind who may see them.
    """
    from shared.warehouse.profile.compare import differences
    from shared.warehouse.profile.measure import measure
    from shared.warehouse.profile.page import page
    from shared.warehouse.profile.words import HEAD, RIGHT, lines, rows_of
    from src.checking import final_table, parted
    from src.workplace import Workplace

    source, stream = parted(name)
    earlier = _read(against)
    place = Workplace.open()
    screen.redactor = place.redactor
    with final_table(place, place.source(source, file=source_file), stream) as final:
        found = measure(
            final.query,
            final.table,
            name=name,
            dialect=final.dialect,
            clock=place.clock,
            hidden=final.hidden,
            by=by or _cursor(final),
        )
    changes = differences(found, earlier) if earlier is not None else []
    screen.say(table(rows_of(found), head=HEAD, right=RIGHT))
    screen.say(f"\n{name}: {found.rows:,} rows, {len(found.columns)} columns, in {spoken(found.seconds)}")
    for line in lines(found, changes):
        screen.say(line)
    if earlier is not None and not changes:
        screen.say(f"nothing that is worth telling has changed since {earlier.measured_at}")
    for file, text in (
        (save, json.dumps(found.to_json(), ensure_ascii=False)),
        (html, page(found, changes=changes, earlier=earlier)),
    ):
        if file is not None:
            _write(file, text)
            screen.say(f"written: {file}")
    document = [{"column": one.column, "text": one.text, "weight": one.weight} for one in changes]
    screen.answer({**found.to_json(), "changes": document})


def _write(file: Path, text: str) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise Misconfigured(
            f"{file} cannot be written: {error.strerror or error}",
            hint="name a file where this user may write",
        ) from error


def _read(file: Path | None) -> Profile | None:
    from shared.warehouse.profile.model import Profile

    if file is None:
        return None
    try:
        return Profile.from_json(json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        if isinstance(error, Misconfigured):
            raise error.at(file=file) from None
        raise Misconfigured(
            f"{file} cannot be read: {error}", hint="name a file that --save has written"
        ) from None
    except (KeyError, TypeError, AttributeError):
        raise Misconfigured(f"{file} is no profile", hint="name a file that --save has written") from None


def _cursor(final: Final) -> str | None:
    """The column of the cursor field, where it holds times."""
    from shared.warehouse.checks.dialect import columns_of

    field = final.spec.cursor_field
    if field is None:
        return None
    name = final.names.get(field, field).casefold()
    types = columns_of(final.query, final.table, final.dialect)
    return next(
        (c for c, kind in types.items() if c.casefold() == name and kind.upper().startswith(_TIMES)), None
    )
