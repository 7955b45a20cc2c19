"""Objects: properties that come and go under open, closed and partially open content models.

Open: other properties may hold anything. Closed: there are none. Partially open: `patternProperties`, or a schema in
`additionalProperties` (or in `unevaluatedProperties`, where nothing else speaks), says what they may hold.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from shared.contracts.compatibility.difference import DifferenceType as D
from shared.contracts.compatibility.keywords import matches
from shared.contracts.compatibility.nodes import Nothing, Object, Part
from shared.contracts.compatibility.reading import is_empty
from shared.contracts.compatibility.scalars import kinds, limit
from shared.contracts.compatibility.walk import Finding, Walk, at


def objects(walk: Walk, old: Object, new: Object) -> Iterator[Finding]:
    if new.implies or new.patterns:  # they see what defaults made of a value, too
        walk = walk.unfilled()
    yield from kinds(old.typed, new.typed, "object")
    yield from _required(walk, old, new)
    for name in _names(old.properties, new.properties):
        before, after = old.properties.get(name), new.properties.get(name)
        if after is None:
            assert before is not None
            found = _removed(walk, before, new, name)
        elif before is None:
            found = _added(walk, old, after, new, name)
        else:
            found = iter(walk.compare(before, after))
        yield from at(found, "properties", name)
    yield from _patterns(walk, old, new)
    yield from _dependencies(walk, old, new)
    yield from _additional(walk, old.additional, new.additional)
    yield from unevaluated(walk, old.unevaluated, new.unevaluated, "unevaluatedProperties", "PROPERTIES")
    if old.names or new.names:
        yield from walk.unfilled().below(old.names, new.names, "propertyNames")
    yield from limit("maxProperties", "MAX_PROPERTIES", old.max_properties, new.max_properties)
    yield from limit("minProperties", "MIN_PROPERTIES", old.min_properties, new.min_properties)


def _required(walk: Walk, old: Object, new: Object) -> Iterator[Finding]:
    """What must be there now. Names that no `properties` declares count too, which Confluent leaves out."""
    for name in sorted(old.required | new.required):
        added = name in new.properties and name not in old.properties  # told by the content model
        if name in new.required and name not in old.required and not added:
            filled = _filled(walk, new, name)
            kind = D.REQUIRED_ATTRIBUTE_WITH_DEFAULT_ADDED if filled else D.REQUIRED_ATTRIBUTE_ADDED
            yield Finding(kind, ("required", name))
        elif name not in new.required and name in new.properties and name in old.properties:
            yield Finding(D.REQUIRED_ATTRIBUTE_REMOVED, ("required", name))


def _removed(walk: Walk, before: Part, new: Object, name: str) -> Iterator[Finding]:
    if new.open:
        yield Finding(D.PROPERTY_REMOVED_FROM_OPEN_CONTENT_MODEL)
        return
    cover = _cover(new, name)
    if cover is None:
        empty = isinstance(before.node, Nothing)
        yield Finding(
            D.PROPERTY_WITH_FALSE_REMOVED_FROM_CLOSED_CONTENT_MODEL
            if empty
            else D.PROPERTY_REMOVED_FROM_CLOSED_CONTENT_MODEL
        )
        return
    found = walk.compare(before, cover)
    yield from found
    yield Finding(
        D.PROPERTY_REMOVED_IS_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL
        if walk.compatible(found)
        else D.PROPERTY_REMOVED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL
    )


def _added(walk: Walk, old: Object, after: Part, new: Object, name: str) -> Iterator[Finding]:
    demanded = name in new.required and name not in old.required
    if old.open:
        if is_empty(after.node) and not demanded:
            yield Finding(D.PROPERTY_WITH_EMPTY_SCHEMA_ADDED_TO_OPEN_CONTENT_MODEL)
        elif not demanded:
            yield Finding(D.PROPERTY_ADDED_TO_OPEN_CONTENT_MODEL)
        elif _filled(walk, new, name):
            yield Finding(D.REQUIRED_PROPERTY_WITH_DEFAULT_ADDED_TO_OPEN_CONTENT_MODEL)
        else:
            yield Finding(D.REQUIRED_PROPERTY_ADDED_TO_OPEN_CONTENT_MODEL)
        return
    cover = _cover(old, name)
    if cover is not None:
        found = walk.compare(cover, after)
        yield from found
        yield Finding(
            D.PROPERTY_ADDED_IS_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL
            if walk.compatible(found)
            else D.PROPERTY_ADDED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL
        )
    elif old.rest is True and not is_empty(
        after.node
    ):  # patterns that do not match the name: it could hold anything
        yield Finding(D.PROPERTY_ADDED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL)
    if not demanded:
        yield Finding(D.OPTIONAL_PROPERTY_ADDED_TO_UNOPEN_CONTENT_MODEL)
    elif _filled(walk, new, name):
        yield Finding(D.REQUIRED_PROPERTY_WITH_DEFAULT_ADDED_TO_UNOPEN_CONTENT_MODEL)
    else:
        yield Finding(D.REQUIRED_PROPERTY_ADDED_TO_UNOPEN_CONTENT_MODEL)


def _filled(walk: Walk, schema: Object, name: str) -> bool:
    """Whether a default stands for the missing property, and nothing else has a say in its coming."""
    limited = schema.max_properties is not None or schema.needs or schema.names
    return walk.filled and not limited and name in schema.properties and schema.properties[name].has_default


def _cover(schema: Object, name: str) -> Part | None:
    """The schema of a property that is not declared: that of the first pattern that matches, else of the others."""
    for pattern, part in schema.patterns.items():
        if matches(pattern, name) is not False:
            return part
    return None if isinstance(schema.rest, bool) else schema.rest


def _patterns(walk: Walk, old: Object, new: Object) -> Iterator[Finding]:
    """Confluent does not compare patternProperties."""
    for pattern in _names(old.patterns, new.patterns):
        before, after = old.patterns.get(pattern), new.patterns.get(pattern)
        if before is not None and after is not None:
            found = iter(walk.compare(before, after))
        elif after is not None:
            covered = all(walk.fits(part, after) for part in _under(old, pattern)) and (
                old.rest is not True or is_empty(after.node)
            )
            found = iter([_covered("ADDED", covered)])
        else:
            assert before is not None
            rest = new.rest
            covered = rest is True or (rest is not False and walk.fits(before, rest))
            found = iter([_covered("REMOVED", covered)])
        yield from at(found, "patternProperties", pattern)


def _under(schema: Object, pattern: str) -> Iterator[Part]:
    """The schemas of properties that may match a pattern which this schema does not have."""
    yield from (part for name, part in schema.properties.items() if matches(pattern, name) is not False)
    yield from schema.patterns.values()
    if not isinstance(schema.rest, bool):
        yield schema.rest


def _covered(change: str, covered: bool) -> Finding:
    return Finding(D[f"PATTERN_PROPERTY_{change}_{'IS' if covered else 'NOT'}_COVERED_BY_CONTENT_MODEL"])


def _dependencies(walk: Walk, old: Object, new: Object) -> Iterator[Finding]:
    for name in _names(old.needs, new.needs):
        before, after = old.needs.get(name), new.needs.get(name)
        if before == after:
            continue
        if after is None:
            kind = D.DEPENDENCY_ARRAY_REMOVED
        elif before is None:
            kind = D.DEPENDENCY_ARRAY_ADDED
        elif before < after:
            kind = D.DEPENDENCY_ARRAY_EXTENDED
        else:
            kind = D.DEPENDENCY_ARRAY_NARROWED if after < before else D.DEPENDENCY_ARRAY_CHANGED
        yield Finding(kind, ("dependencies", name), sorted(before or ()), sorted(after or ()))
    for name in _names(old.implies, new.implies):
        first, then = old.implies.get(name), new.implies.get(name)
        if then is None:
            yield Finding(D.DEPENDENCY_SCHEMA_REMOVED, ("dependencies", name))
        elif first is None:
            yield Finding(D.DEPENDENCY_SCHEMA_ADDED, ("dependencies", name))
        else:
            yield from walk.unfilled().below(first, then, "dependencies", name)


def _additional(walk: Walk, old: Part | bool, new: Part | bool) -> Iterator[Finding]:
    yield from rest(walk, old, new, "additionalProperties", "PROPERTIES")


def rest(walk: Walk, old: Part | bool, new: Part | bool, keyword: str, name: str) -> Iterator[Finding]:
    """What others than the declared properties or items may be."""
    if old is new:
        return
    if old is False:
        yield Finding(D[f"ADDITIONAL_{name}_ADDED"], (keyword,))
    elif new is False:
        yield Finding(D[f"ADDITIONAL_{name}_REMOVED"], (keyword,))
    elif old is True:
        yield Finding(D[f"ADDITIONAL_{name}_NARROWED"], (keyword,))
    elif new is True:
        yield Finding(D[f"ADDITIONAL_{name}_EXTENDED"], (keyword,))
    else:
        yield from walk.below(old, new, keyword)


def unevaluated(walk: Walk, old: Part | None, new: Part | None, keyword: str, name: str) -> Iterator[Finding]:
    """The same for `unevaluatedProperties` and `unevaluatedItems`, with names of their own."""
    closed_before = old is not None and isinstance(old.node, Nothing)
    closed_now = new is not None and isinstance(new.node, Nothing)
    if closed_before and not closed_now:
        yield Finding(D[f"UNEVALUATED_{name}_ADDED"], (keyword,))
    elif closed_now and not closed_before:
        yield Finding(D[f"UNEVALUATED_{name}_REMOVED"], (keyword,))
    elif old is None and new is not None:
        yield Finding(D[f"UNEVALUATED_{name}_NARROWED"], (keyword,))
    elif new is None and old is not None:
        yield Finding(D[f"UNEVALUATED_{name}_EXTENDED"], (keyword,))
    else:
        yield from walk.below(old, new, keyword)


def _names(*maps: Mapping[str, object]) -> list[str]:
    return sorted(set().union(*maps))
