"""oneOf, anyOf, allOf, not and if: members are matched so that as many as possible fit.

Every member of the smaller side needs a partner of its own; the partners are found by a maximum matching (Kuhn's
augmenting paths). A new `oneOf` must besides be shown to have no two members that take the same value, for then
neither counts: Confluent takes this for granted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from shared.contracts.compatibility.difference import DifferenceType as D
from shared.contracts.compatibility.disjoint import disjoint
from shared.contracts.compatibility.keywords import canonical
from shared.contracts.compatibility.nodes import Combined, Conditional, Criterion, Node, Not, Part
from shared.contracts.compatibility.walk import Finding, Walk, at


def widened(walk: Walk, old: Node, new: Combined) -> tuple[Finding, ...] | None:
    """The differences when a schema became one of several (or several that are one); None when none of them fits."""
    walk = walk if _types(new) else walk.unfilled()
    if len(new.members) == 1:
        found = walk.nodes(old, new.members[0].node)
        return found if walk.compatible(found) else None
    if new.criterion is Criterion.ALL:
        return None
    overlapping = False
    for index, member in enumerate(new.members):
        found = walk.nodes(old, member.node)
        if not walk.compatible(found):
            continue
        others = [other.node for place, other in enumerate(new.members) if place != index]
        if new.criterion is Criterion.ANY or all(disjoint(old, other, walk.known) for other in others):
            return (*found, Finding(D.SUM_TYPE_EXTENDED, (), 1, len(new.members)))
        overlapping = True
    return (Finding(D.ONE_OF_MEMBERS_MAY_OVERLAP, ("oneOf",)),) if overlapping else None


def narrowed(walk: Walk, old: Combined, new: Node) -> tuple[Finding, ...] | None:
    """The differences when several rules became one of them; None when none of them implies the new one."""
    walk = walk if _types(old) else walk.unfilled()
    if len(old.members) == 1:
        found = walk.nodes(old.members[0].node, new)
        return found if walk.compatible(found) else None
    if old.criterion is Criterion.ALL:
        for member in old.members:
            found = walk.nodes(member.node, new)
            if walk.compatible(found):
                return (*found, Finding(D.PRODUCT_TYPE_NARROWED, (), len(old.members), 1))
    return None


def unions(walk: Walk, old: Combined, new: Combined) -> Iterator[Finding]:
    walk = walk if _types(old) and _types(new) else walk.unfilled()
    if old.criterion is not new.criterion:
        kind = D.COMBINED_TYPE_EXTENDED if _may_become(old, new) else D.COMBINED_TYPE_CHANGED
        yield Finding(kind, (), old.criterion.value, new.criterion.value)
        if kind is D.COMBINED_TYPE_CHANGED:
            return
    before, after = len(old.members), len(new.members)
    if before < after:
        product = new.criterion is Criterion.ALL
        yield Finding(D.PRODUCT_TYPE_EXTENDED if product else D.SUM_TYPE_EXTENDED, (), before, after)
    elif before > after:
        product = old.criterion is Criterion.ALL
        yield Finding(D.PRODUCT_TYPE_NARROWED if product else D.SUM_TYPE_NARROWED, (), before, after)
    pairs = [[walk.compare(one, other) for other in new.members] for one in old.members]
    fits = [[place for place, found in enumerate(row) if walk.compatible(found)] for row in pairs]
    partners = matching(fits, after)
    for index, partner in sorted(partners.items()):
        yield from at(pairs[index][partner], old.criterion.value, str(index))
    if len(partners) < min(before, after):
        alone = [index for index in range(before) if index not in partners]
        yield Finding(D.COMBINED_TYPE_SUBSCHEMAS_CHANGED, (), alone, len(partners))
    if new.criterion is Criterion.ONE and not all(
        _only_one(walk, old, new, partners, index) for index in partners
    ):
        yield Finding(D.ONE_OF_MEMBERS_MAY_OVERLAP, ("oneOf",))


def _types(node: Combined) -> bool:
    """A list of types: a value has one of them, so it is clear whose defaults are put in."""
    return node.made and node.criterion is Criterion.ANY


def _may_become(old: Combined, new: Combined) -> bool:
    alone, alone_now = len(old.members) == 1, len(new.members) == 1
    return (
        new.criterion is Criterion.ANY
        or (alone and (alone_now or new.criterion is Criterion.ONE))
        or (alone_now and old.criterion is Criterion.ALL)
    )


def _only_one(walk: Walk, old: Combined, new: Combined, partners: dict[int, int], index: int) -> bool:
    """Whether what the old member takes is taken by its partner alone.

    Another new member that takes no more than an old one did cannot take it: the old `oneOf` had it taken once.
    """
    owner = {place: other for other, place in partners.items()}
    for place, other in enumerate(new.members):
        if place == partners[index] or disjoint(old.members[index].node, other.node, walk.known):
            continue
        before = old.members[owner[place]] if place in owner else None
        if old.criterion is not Criterion.ONE or before is None or not walk.fits(other, before):
            return False
    return True


def matching(fits: Sequence[Sequence[int]], right: int) -> dict[int, int]:
    """A largest set of pairs (left, right) in which nobody occurs twice; `fits` are the partners that each may have.

    >>> matching([[0, 1], [0]], 2)
    {1: 0, 0: 1}
    """
    taken: list[int | None] = [None] * right

    def placed(left: int, tried: set[int]) -> bool:
        for place in fits[left]:
            if place in tried:
                continue
            tried.add(place)
            holder = taken[place]
            if holder is None or placed(holder, tried):
                taken[place] = left
                return True
        return False

    for left in range(len(fits)):
        placed(left, set())
    return {left: place for place, left in enumerate(taken) if left is not None}


def negations(walk: Walk, old: Not, new: Not) -> Iterator[Finding]:
    """What was refused before may be refused still, and no more: the comparison is turned around."""
    if canonical(old.refused.raw) == canonical(new.refused.raw) and walk.unfilled().fits(
        new.refused, old.refused
    ):
        return
    narrower = walk.unfilled().fits(new.refused, old.refused)
    yield Finding(D.NOT_TYPE_NARROWED if narrower else D.NOT_TYPE_EXTENDED, ("not",))


def conditions(walk: Walk, old: Conditional, new: Conditional) -> Iterator[Finding]:
    """Confluent does not look into if, then and else. Both sides must speak of the same cases."""
    walk = walk.unfilled()
    if not (walk.fits(old.when, new.when) and walk.fits(new.when, old.when)):
        yield Finding(D.CONDITION_CHANGED, ("if",))
        return
    yield from _branch(walk, old.then, new.then, "then")
    yield from _branch(walk, old.otherwise, new.otherwise, "else")


def _branch(walk: Walk, old: Part | None, new: Part | None, keyword: str) -> Iterator[Finding]:
    if old is not None or new is not None:
        yield from walk.below(old, new, keyword)
