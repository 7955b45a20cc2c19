"""`sluice status`: where every stream stands, and what the warehouse still lacks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

import click

from shared.common.errors import SluiceError, Violation
from src.cli.app import json_option, verb
from src.cli.outcome import exit_code
from src.cli.screen import Screen, spoken, table

if TYPE_CHECKING:
    from shared.landing.commit import Commit
    from shared.landing.log import CommitLog
    from src.workplace import Workplace


@dataclass(frozen=True, slots=True)
class Standing:
    """A stream's last commit, and how far the warehouse is behind it.

    `rows`, `rejected`, `trimmed` (records that landed without some values), their `reasons`, and the fields that are
    `undeclared` or `evolved` are those of the last run; `age` is in seconds. `lag` counts commits and `lag_rows` their
    rows; both are None when the warehouse cannot say. `aside` rows of all commits are not in the table, because it
    cannot hold them. A stream that is `damaged` is one whose log cannot be read.
    """

    source: str
    stream: str
    sequence: int = 0
    run: str = ""
    kind: str = ""
    cursor: Any = None
    committed_at: str = ""
    age: float | None = None
    rows: int = 0
    rejected: int = 0
    trimmed: int = 0
    reasons: dict[str, int] = field(default_factory=dict)
    undeclared: tuple[str, ...] = ()
    evolved: tuple[str, ...] = ()
    unfinished: bool = False
    lag: int | None = None
    lag_rows: int | None = None
    aside: int = 0
    damaged: str = ""
    astray: str = ""
    """Why the warehouse was loaded from another landing zone than this one, where it was."""


@verb(
    "status",
    "sluice status",
    "sluice status recurly",
    "sluice status --json | jq '.streams[] | select(.unfinished)'",
)
@click.argument("source", required=False)
@json_option
@click.pass_context
def status(context: click.Context, source: str | None) -> None:
    """Show where every stream stands: cursor, last commit, age, rows, lag.

    Rows are those of the last run; the lag is what has landed and is not in the warehouse yet. A log that cannot be
    read is told beside the others (exit code 4).
    """
    from src.workplace import FILES, Workplace, source_files

    screen: Screen = context.obj
    place = Workplace.open()
    screen.redactor = place.redactor
    found: list[Standing] = []
    errors: list[SluiceError] = []
    for name in [source] if source else dict.fromkeys([*source_files(), FILES]):
        try:
            found.extend(_standings(place, name, screen, errors))
        except SluiceError as error:
            if source:
                raise
            errors.append(error.at(source=name))
    shown = [one for one in found if one.sequence or one.astray or one.damaged or source]
    rows = [_row(one) for one in shown]
    head = ("stream", "commit", "age", "rows", "rejected", "lag", "cursor", "")
    screen.say(
        table(rows, head=head, right=[1, 2, 3, 4, 5]) if rows else "nothing has landed yet: sluice run SOURCE"
    )
    for one in shown:
        for what in _drift(one):
            screen.say(f"{one.source}.{one.stream}: {what}")
    for failed in errors:
        screen.fail(failed)
    screen.answer({"streams": [asdict(one) for one in found], "errors": [str(error) for error in errors]})
    context.exit(exit_code(errors, others=[one for one in found if not one.damaged]))


def _standings(place: Workplace, name: str, screen: Screen, errors: list[SluiceError]) -> Iterator[Standing]:
    from shared.warehouse.ledger import runs
    from src.loading import landed_streams

    source = place.written(name)
    landed = landed_streams(place.store, name)
    streams = list(dict.fromkeys([*source.spec.streams, *landed]))
    if not streams:
        return
    known = dict[str, str]()
    try:
        loaded: dict[str, int] | None = place.warehouse.positions(source.name)
        known = runs(place.warehouse, source.name, loaded or {})
    except SluiceError as error:
        screen.fail(error, label="warning: the lag is not known")
        loaded = None
    for stream in streams:
        position = None if loaded is None else loaded.get(stream, 0)
        one = Standing(name, stream, lag=0, lag_rows=0)
        try:
            if stream in landed:
                one = _standing(place, name, stream, position)
            wrong = _astray(place, one, position or 0, known.get(stream, ""))
        except (SluiceError, KeyError) as error:  # its log is damaged: that takes no other stream with it
            damage = error if isinstance(error, SluiceError) else _gone()
            errors.append(damage.at(source=name, stream=stream))
            yield Standing(name, stream, damaged=damage.message)
            continue
        if wrong is not None:
            errors.append(wrong)
            one = replace(one, lag=None, lag_rows=None, astray=wrong.message)
        yield one


def _gone() -> Violation:
    hint = "restore it, e.g. from the bucket's versions; sluice reconcile SOURCE looks at the whole log"
    return Violation("a commit is missing from the log", hint=hint)


def _astray(place: Workplace, one: Standing, position: int, run: str) -> SluiceError | None:
    from shared.landing.log import CommitLog
    from shared.warehouse.ledger import astray

    log = CommitLog(place.store, one.source, one.stream, place.clock)
    return astray(log, one.source, one.stream, position, run)


def _standing(place: Workplace, source: str, stream: str, position: int | None) -> Standing:
    """`position` is the last commit that is loaded; None: the warehouse does not say.

    Raises `Violation`: the log cannot be read as far as this needs it.
    """
    from shared.common.instants import parse_instant
    from shared.landing.log import CommitLog

    log = CommitLog(place.store, source, stream, place.clock)
    head = log.latest()
    if head is None:
        return Standing(source, stream, lag=0, lag_rows=0)
    draft = head.draft
    run = list(_of_run(log, head))
    behind = None if position is None else max(0, head.sequence - position)
    pending = (
        None if behind is None else sum(commit.draft.rows for commit in log.since(head.sequence - behind))
    )
    return Standing(
        source,
        stream,
        aside=_aside(place, source, stream) if position else 0,
        sequence=head.sequence,
        run=draft.run,
        kind=draft.kind,
        cursor=draft.cursor,
        committed_at=head.committed_at,
        age=(place.clock.now() - parse_instant(head.committed_at)).total_seconds(),
        rows=sum(commit.draft.rows for commit in run),
        rejected=sum(commit.draft.rejected for commit in run),
        trimmed=sum(commit.draft.trimmed for commit in run),
        reasons=_reasons(run),
        undeclared=tuple(sorted({name for commit in run for name in commit.draft.undeclared})),
        evolved=tuple(sorted({name for commit in run for name in commit.draft.evolved})),
        unfinished=draft.resume is not None,
        lag=behind,
        lag_rows=pending,
    )


def _aside(place: Workplace, source: str, stream: str) -> int:
    """How many rows the table cannot hold. The warehouse is asked only where such rows lie."""
    from shared.warehouse.aside import home_of, set_aside
    from shared.warehouse.ports import Disposition, TableSpec

    if next(iter(place.store.list(home_of(source, stream))), None) is None:
        return 0
    # The history is the same whatever the table is made of.
    with place.warehouse.session(TableSpec(source, stream, Disposition.APPEND)) as session:
        return sum(set_aside(place.store, source, stream, session.history()).values())


def _reasons(run: list[Commit]) -> dict[str, int]:
    """Why records of a run did not land as they came, the most frequent first."""
    total = Counter[str]()
    for commit in run:
        total.update(commit.draft.reasons)
    return dict(total.most_common())


def _drift(one: Standing) -> Iterator[str]:
    """What the records of the last run had that their contract did not promise, in words."""
    if one.rejected or one.trimmed:
        reasons = ", ".join(f"{what} ({times:,})" for what, times in list(one.reasons.items())[:5])
        some = f", {one.trimmed:,} landed without some values" if one.trimmed else ""
        yield f"{one.rejected:,} rejected{some}: {reasons or 'see the quarantine'}"
    if one.aside:
        from shared.warehouse.aside import home_of

        yield f"{one.aside:,} rows that its columns cannot hold are in {home_of(one.source, one.stream)}"
    if one.undeclared:
        yield f"landed and not loaded: {', '.join(one.undeclared)} (contract_mode: evolve would load them)"
    if one.evolved:
        yield f"beyond the contract, and loaded: {', '.join(one.evolved)}"


def _of_run(log: CommitLog, head: Commit) -> Iterator[Commit]:
    """The commits of the last run, the newest first."""
    commit = head
    while commit.draft.run == head.draft.run:
        yield commit
        if commit.sequence == 1:
            return
        commit = log.read(commit.sequence - 1)


def _state(one: Standing) -> str:
    """What is not as usual with a stream, in a word or two."""
    if one.damaged:
        return "damaged log"
    if one.astray:
        return "another log"
    return "unfinished" if one.unfinished else one.kind if one.kind != "data" else ""


def _row(one: Standing) -> tuple[str, ...]:
    name = f"{one.source}.{one.stream}"
    if not one.sequence:
        return (name, "-", "-", "-", "-", "-", "-", _state(one) or "never run")
    lag = "?" if one.lag is None else "0" if not one.lag else f"{one.lag} ({one.lag_rows:,} rows)"
    cursor = one.cursor.get("date", "") if isinstance(one.cursor, dict) else one.cursor
    return (
        name,
        str(one.sequence),
        spoken(one.age or 0.0),
        f"{one.rows:,}",
        f"{one.rejected:,}",
        lag,
        "-" if cursor is None else str(cursor),
        _state(one),
    )
