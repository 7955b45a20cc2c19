"""A final table for people who ask about it: its name in SQL, its dialect, and the checks of its stream."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shared.common.errors import Misconfigured
from src.loading import landed_streams, table_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shared.ingestion.source import Source
    from shared.warehouse.checks.dialect import Dialect, Query
    from shared.warehouse.checks.verdict import Verdict
    from shared.warehouse.ports import TableSpec
    from src.workplace import Workplace

Named = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Final:
    """A final table that is there. `table` stands in SQL as it is; `names` are the columns of renamed fields, `hidden`
    those that no record has.
    """

    query: Query
    table: str
    dialect: Dialect
    spec: TableSpec
    names: Mapping[str, str]
    hidden: tuple[str, ...]


def parted(name: str) -> Named:
    """Source and stream of `SOURCE.STREAM`. Raises `Misconfigured`.

    >>> parted("recurly.accounts")
    ('recurly', 'accounts')
    """
    source, dot, stream = name.partition(".")
    if not (source and dot and stream):
        raise Misconfigured(f'"{name}" names no table', hint="write SOURCE.STREAM, like recurly.accounts")
    return source, stream


@contextmanager
def final_table(place: Workplace, source: Source, stream: str) -> Iterator[Final]:
    """The final table of a stream, for reading. Raises `Misconfigured` when the stream or the table is not there."""
    from shared.warehouse.checks.dialect import columns_of, dialect_of
    from shared.warehouse.checks.final import found_table
    from shared.warehouse.ddl import HISTORY, OURS, PART
    from shared.warehouse.ports import Disposition
    from src.wiring import column_names

    _known(place, source, stream)
    spec, dialect = table_of(source, stream), dialect_of(place.settings.warehouse_url)
    with place.warehouse.session(spec) as session:
        name = found_table(session.query, dialect, *spec.address)
        if name is None:
            raise Misconfigured(
                f"there is no table {spec.name} in the warehouse", hint=f"fill it: sluice run {source.name}"
            )
        columns_for = column_names(place.settings.warehouse_url)
        there = columns_of(session.query, name, dialect)
        fields = columns_for([column.name for column in spec.columns or ()], spec, there=there)
        names = {field: column for field, column in fields.items() if field != column}
        versions = HISTORY if spec.disposition is Disposition.SCD2 else ()
        yield Final(session.query, name, dialect, spec, names, (*OURS, PART, *versions))


def check_table(place: Workplace, source: Source, stream: str) -> Verdict:
    """What the checks of a stream find in its final table, as it is now. Nothing is kept of it."""
    from shared.warehouse.checks.final import table_named
    from shared.warehouse.checks.plan import Context
    from shared.warehouse.checks.run import run_checks
    from shared.warehouse.checks.verdict import Verdict

    _known(place, source, stream)
    checks = source.checks.get(stream, ())
    if not checks:
        raise Misconfigured(
            f"{source.name}.{stream} has no checks",
            hint=f"write some: `checks:` of the stream, or src/{source.name}/checks/{stream}.yml (docs/checks.md)",
        )
    with final_table(place, source, stream) as final:
        context = Context(
            place.clock.now(),
            key=final.spec.primary_key,
            names=final.names,
            history=None,
            tables=lambda other, its: table_named(final.query, final.dialect, other, its),
            hidden=final.hidden,
        )
        return run_checks(
            final.query,
            final.table,
            checks,
            dialect=final.dialect,
            context=context,
            about=Verdict(source.name, stream, final.spec.name),
            clock=place.clock,
        )


def _known(place: Workplace, source: Source, stream: str) -> None:
    """Raises `Misconfigured` when the source has no such stream and none has landed."""
    if stream not in source.spec.streams and stream not in landed_streams(place.store, source.name):
        source.stream(stream)
