"""What a transaction does to the final table, per disposition, in any warehouse: which statements, in which order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from shared.warehouse.dml import Dml
from shared.warehouse.ports import Applied, Change, Disposition, Flaws

Changed = Callable[[str], int]
"""Runs a statement; returns how many rows it changed."""


def apply_stage(dml: Dml, change: Change, *, changed: Changed, is_empty: Callable[[], bool]) -> Applied:
    """Bring the stage into the final table. `is_empty` tells whether that has no row yet."""
    match dml.spec.disposition:
        case Disposition.SCD2:
            return _versions(dml, change, changed)
        case Disposition.REPLACE:
            changed(dml.drop_all())
            _without_deletions(dml, changed)
            return Applied(inserted=changed(dml.insert(change.loaded_at)))
        case Disposition.MERGE if dml.keyed and any(dml.source.rows):
            return _merge(dml, change, changed, is_empty=is_empty())
        case _:
            return Applied(inserted=changed(dml.insert(change.loaded_at)))


def _merge(dml: Dml, change: Change, changed: Changed, *, is_empty: bool) -> Applied:
    updated = deleted = 0
    if dml.remembers:
        changed(dml.drop_outlived())
        changed(dml.forget_deletions())
        changed(dml.remember_deletions())
    if not is_empty:
        if late := dml.drop_late():
            changed(late)
        if gone := dml.drop_deleted():
            deleted = changed(gone)
    _without_deletions(dml, changed)
    if not is_empty:
        updated = changed(dml.drop_replaced())
    inserted = changed(dml.insert(change.loaded_at))
    return Applied(inserted=max(0, inserted - updated), updated=updated, deleted=deleted)


def _without_deletions(dml: Dml, changed: Changed) -> None:
    if dml.spec.deleted_field is not None and any(dml.source.rows):
        changed(dml.drop_deletions())


def _versions(dml: Dml, change: Change, changed: Changed) -> Applied:
    at = change.at or change.loaded_at
    if not any(dml.source.rows):
        return Applied(deleted=_end_missing(dml, change, changed, at))
    if dml.timed:
        changed(dml.drop_known())
        updated = changed(dml.drop_same_moment())
        inserted = changed(dml.insert_versions(change.loaded_at, at))
        changed(dml.chain())
        return Applied(inserted=max(0, inserted - updated), updated=updated)
    ended = _end_missing(dml, change, changed, at)
    if not dml.source.snapshot and (late := dml.drop_late()):
        changed(late)
    changed(dml.drop_known())
    if unborn := dml.drop_unborn():
        changed(unborn)
    updated = changed(dml.close_replaced(at, change.after))
    inserted = changed(dml.insert_versions(change.loaded_at, at))
    return Applied(inserted=max(0, inserted - updated), updated=updated, deleted=ended)


def _end_missing(dml: Dml, change: Change, changed: Changed, at: datetime) -> int:
    """End the versions of the keys that a whole snapshot lacks; returns how many."""
    stage = dml.source
    if not stage.snapshot or stage.partial:
        return 0
    if stage.spared is not None:
        roots = dict.fromkeys(
            key if key in stage.names else key.partition(".")[0] for key in dml.spec.primary_key
        )
        keys = ", ".join(dml.grammar.quote(stage.names[root]) for root in roots)
        both = f"(SELECT {keys} FROM {stage.name} UNION ALL SELECT {keys} FROM {stage.spared.name})"
        dml = replace(dml, source=replace(stage, name=both, rows=(*stage.rows, *stage.spared.rows)))
    return changed(dml.close_missing(at, change.after))


def flaws_of(dml: Dml, *, number: Callable[[str], int]) -> Flaws:
    """See `ports.Session.flaws`; `number` is the one number that a query answers."""
    versions = dml.spec.disposition is Disposition.SCD2
    keyed = dml.keyed and dml.spec.disposition in (Disposition.MERGE, Disposition.SCD2)
    return Flaws(number(dml.doubled()) if keyed else 0, number(dml.misended()) if versions else 0)


def undo(dml: Dml, after: int, *, changed: Changed) -> None:
    """Take out what commits behind `after` did, as far as the table remembers it."""
    changed(dml.undo(after))
    if dml.spec.disposition is not Disposition.SCD2:
        return
    if dml.timed:
        changed(dml.chain(every=True))
    else:
        changed(dml.reopen(after))
