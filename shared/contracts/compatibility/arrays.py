"""Arrays: items that are all alike, and tuples whose items come and go as properties do."""

from __future__ import annotations

from collections.abc import Iterator

from shared.contracts.compatibility.difference import DifferenceType as D
from shared.contracts.compatibility.nodes import Array, Nothing, Part
from shared.contracts.compatibility.objects import rest, unevaluated
from shared.contracts.compatibility.reading import is_empty
from shared.contracts.compatibility.scalars import kinds, limit
from shared.contracts.compatibility.walk import Finding, Walk, at


def arrays(walk: Walk, old: Array, new: Array) -> Iterator[Finding]:
    if new.unique or new.contains:  # they see what defaults made of an item, too
        walk = walk.unfilled()
    yield from kinds(old.typed, new.typed, "array")
    yield from walk.below(old.every, new.every, "items")
    for index in range(max(len(old.listed), len(new.listed))):
        yield from at(_item(walk, old, new, index), "items", str(index))
    # Without a list `additionalItems` says nothing in older drafts, so it cannot be what held the rest before.
    before = True if new.beyond and not old.beyond else old.additional
    yield from rest(walk, before, new.additional, "additionalItems", "ITEMS")
    yield from unevaluated(walk, old.unevaluated, new.unevaluated, "unevaluatedItems", "ITEMS")
    yield from limit("maxItems", "MAX_ITEMS", old.max_items, new.max_items)
    yield from limit("minItems", "MIN_ITEMS", old.min_items, new.min_items)
    if old.unique != new.unique:
        yield Finding(D.UNIQUE_ITEMS_REMOVED if old.unique else D.UNIQUE_ITEMS_ADDED, ("uniqueItems",))
    yield from _contains(walk.unfilled(), old, new)


def _item(walk: Walk, old: Array, new: Array, index: int) -> Iterator[Finding]:
    if index >= len(new.listed):
        yield from _removed(walk, old.listed[index], new)
    elif index >= len(old.listed):
        yield from _added(walk, old, new.listed[index])
    else:
        yield from walk.compare(old.listed[index], new.listed[index])


def _removed(walk: Walk, before: Part, new: Array) -> Iterator[Finding]:
    if new.rest is True:
        yield Finding(D.ITEM_REMOVED_FROM_OPEN_CONTENT_MODEL)
    elif new.rest is False or isinstance(new.rest.node, Nothing):
        empty = isinstance(before.node, Nothing)
        yield Finding(
            D.ITEM_WITH_FALSE_REMOVED_FROM_CLOSED_CONTENT_MODEL
            if empty
            else D.ITEM_REMOVED_FROM_CLOSED_CONTENT_MODEL
        )
    else:
        found = walk.compare(before, new.rest)
        yield from found
        yield Finding(
            D.ITEM_REMOVED_IS_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL
            if walk.compatible(found)
            else D.ITEM_REMOVED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL
        )


def _added(walk: Walk, old: Array, after: Part) -> Iterator[Finding]:
    if old.rest is True:
        yield Finding(
            D.ITEM_WITH_EMPTY_SCHEMA_ADDED_TO_OPEN_CONTENT_MODEL
            if is_empty(after.node)
            else D.ITEM_ADDED_TO_OPEN_CONTENT_MODEL
        )
    elif old.rest is False or isinstance(old.rest.node, Nothing):
        yield Finding(D.ITEM_ADDED_TO_CLOSED_CONTENT_MODEL)
    else:
        found = walk.compare(old.rest, after)
        yield from found
        yield Finding(
            D.ITEM_ADDED_IS_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL
            if walk.compatible(found)
            else D.ITEM_ADDED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL
        )


def _contains(walk: Walk, old: Array, new: Array) -> Iterator[Finding]:
    """How many items of a kind there are. With an upper bound, a wider kind may be one too many."""
    if old.contains is None or new.contains is None:
        if new.contains is not None or old.contains is not None:
            yield from walk.below(old.contains, new.contains, "contains")
        return
    yield from walk.below(old.contains, new.contains, "contains")
    if new.max_contains is not None and not walk.fits(new.contains, old.contains):
        yield Finding(D.KEYWORD_CHANGED, ("contains",), "contains")
    yield from limit("maxContains", "MAX_CONTAINS", old.max_contains, new.max_contains)
    yield from limit("minContains", "MIN_CONTAINS", old.min_contains, new.min_contains)
