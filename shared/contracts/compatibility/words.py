"""Differences in words: what the change means for records, and for those that surprise, what to do instead."""

from __future__ import annotations

import json
from collections.abc import Callable
from fractions import Fraction
from typing import Any

from shared.contracts.compatibility.difference import DifferenceType as D
from shared.contracts.compatibility.nodes import Array, Combined, Criterion, Node, Number, Object, String
from shared.contracts.compatibility.walk import Finding

_SHOWN = 60

_NO_RECORD = "no record that was valid before fails"
_WORDS: dict[D, str] = {
    D.ID_CHANGED: "the $id is another one; it decides nothing about records",
    D.TITLE_CHANGED: "the title is another one; it decides nothing about records",
    D.DESCRIPTION_CHANGED: "the description is another one; it decides nothing about records",
    D.DEFAULT_CHANGED: "the default is {new} and was {old}; it decides nothing about records",
    D.SCHEMA_ADDED: "a schema is set where there was none, so values that passed unseen may fail",
    D.SCHEMA_REMOVED: "nothing is demanded any more where a schema was",
    D.TYPE_EXTENDED: "{old} became {new}, which includes it",
    D.TYPE_NARROWED: "{old} became {new}, so some values that were valid fail",
    D.TYPE_CHANGED:
        "{old} became {new}; widen it instead (a list of types, or anyOf with the old schema as a member)",
    D.PATTERN_CHANGED: "the pattern is {new} and was {old}; it cannot be told whether all old texts match it",
    D.FORMAT_CHANGED: "the format is {new} and was {old}, so texts that were valid fail",
    D.MULTIPLE_OF_EXPANDED: "multiples of {old} passed, and only multiples of {new} do now",
    D.MULTIPLE_OF_REDUCED: "multiples of {new} pass now, and those of {old} are among them",
    D.MULTIPLE_OF_CHANGED: "multiples of {old} passed, and they are no multiples of {new}",
    D.UNIQUE_ITEMS_ADDED: "items may not repeat any more, so lists that repeat one fail",
    D.UNIQUE_ITEMS_REMOVED: "items may repeat now",
    D.REQUIRED_ATTRIBUTE_ADDED:
        '"{name}" is required now, so records without it fail; leave it optional, or give it a '
    "`default` in `properties`",
    D.REQUIRED_ATTRIBUTE_WITH_DEFAULT_ADDED:
        '"{name}" is required now and has a default: whoever reads old records '
    "has to fill it in. Sluice checks records as they come, so the source must send it",
    D.REQUIRED_ATTRIBUTE_REMOVED: '"{name}" may be missing now',
    D.PROPERTY_ADDED_TO_OPEN_CONTENT_MODEL:
        'an optional property is no safe addition here: the old schema is open (no '
    '`additionalProperties: false`), so records could carry "{name}" with any value, and those fail now. Give it the '
    "schema `true`, accept the risk with the lenient policy, or describe a closed model from the beginning",
    D.REQUIRED_PROPERTY_ADDED_TO_OPEN_CONTENT_MODEL:
        '"{name}" is new and required, so old records, which need not have '
    "it, fail; make it optional, or give it a `default`",
    D.REQUIRED_PROPERTY_WITH_DEFAULT_ADDED_TO_OPEN_CONTENT_MODEL:
        '"{name}" is new, required and has a default; but the '
    "old schema is open, so records could carry it with any value, and those fail now",
    D.PROPERTY_WITH_EMPTY_SCHEMA_ADDED_TO_OPEN_CONTENT_MODEL:
        '"{name}" is declared now and may still hold anything',
    D.REQUIRED_PROPERTY_ADDED_TO_UNOPEN_CONTENT_MODEL:
        '"{name}" is new and required, so old records, which need not '
    "have it, fail; make it optional, or give it a `default`",
    D.REQUIRED_PROPERTY_WITH_DEFAULT_ADDED_TO_UNOPEN_CONTENT_MODEL:
        '"{name}" is new and required and has a default: '
    "whoever reads old records has to fill it in. Sluice checks records as they come, so the source must send it",
    D.OPTIONAL_PROPERTY_ADDED_TO_UNOPEN_CONTENT_MODEL: '"{name}" is new and optional',
    D.PROPERTY_REMOVED_FROM_OPEN_CONTENT_MODEL:
        '"{name}" is not declared any more; the model is open, so records may '
    "still carry it, with any value",
    D.PROPERTY_WITH_FALSE_REMOVED_FROM_CLOSED_CONTENT_MODEL:
        '"{name}" was forbidden by name and is still refused',
    D.PROPERTY_REMOVED_FROM_CLOSED_CONTENT_MODEL:
        '"{name}" is not declared any more and the new schema has no place for '
    "others (`additionalProperties: false`), so old records that carry it fail; keep it, with the schema `true` if "
    "nobody cares for its value",
    D.PROPERTY_REMOVED_IS_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL:
        '"{name}" is not declared any more; what holds for '
    "undeclared properties lets its values pass",
    D.PROPERTY_REMOVED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL:
        '"{name}" is not declared any more, and what holds '
    "for undeclared properties refuses some of its values; keep it declared",
    D.PROPERTY_ADDED_IS_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL:
        '"{name}" is declared now, and lets pass what held for '
    "it while it was undeclared",
    D.PROPERTY_ADDED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL:
        '"{name}" is declared now, and refuses values that it '
    "could have while it was undeclared",
    D.RESERVED_PROPERTY_REMOVED: '"{name}" was reserved, and a reservation is kept for ever',
    D.RESERVED_PROPERTY_CONFLICTS_WITH_PROPERTY: '"{name}" is reserved and must not be declared',
    D.DEPENDENCY_ARRAY_ADDED: 'records with "{name}" must now have {new} as well',
    D.DEPENDENCY_ARRAY_REMOVED: 'records with "{name}" need not have {old} any more',
    D.DEPENDENCY_ARRAY_EXTENDED: 'records with "{name}" had to have {old} as well, and must now have {new}',
    D.DEPENDENCY_ARRAY_NARROWED:
        'records with "{name}" had to have {old} as well, and must now have {new} only',
    D.DEPENDENCY_ARRAY_CHANGED: 'records with "{name}" had to have {old} as well, and must now have {new}',
    D.DEPENDENCY_SCHEMA_ADDED: 'records with "{name}" must now match a further schema',
    D.DEPENDENCY_SCHEMA_REMOVED: 'records with "{name}" need not match a further schema any more',
    D.ADDITIONAL_PROPERTIES_REMOVED: "undeclared properties are refused now; records that carry one fail",
    D.ADDITIONAL_ITEMS_REMOVED: "items behind the listed ones are refused now; longer lists fail",
    D.UNEVALUATED_PROPERTIES_REMOVED: "undeclared properties are refused now; records that carry one fail",
    D.UNEVALUATED_ITEMS_REMOVED: "items that nothing speaks of are refused now; lists with one fail",
    D.ITEM_ADDED_TO_OPEN_CONTENT_MODEL:
        "item {name} is described now; the old list was open, so it could be anything",
    D.ITEM_WITH_EMPTY_SCHEMA_ADDED_TO_OPEN_CONTENT_MODEL:
        "item {name} is listed now and may still be anything",
    D.ITEM_ADDED_TO_CLOSED_CONTENT_MODEL: "lists may have an item {name} now",
    D.ITEM_REMOVED_FROM_OPEN_CONTENT_MODEL: "item {name} is not described any more and may be anything",
    D.ITEM_WITH_FALSE_REMOVED_FROM_CLOSED_CONTENT_MODEL: "item {name} was forbidden and is still refused",
    D.ITEM_REMOVED_FROM_CLOSED_CONTENT_MODEL: "lists may not have an item {name} any more",
    D.ITEM_REMOVED_IS_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL:
        "item {name} is not described any more; what holds for "
    "the rest lets it pass",
    D.ITEM_REMOVED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL:
        "item {name} is not described any more, and what holds "
    "for the rest refuses some of its values",
    D.ITEM_ADDED_IS_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL:
        "item {name} is described now, and lets pass what held for "
    "it as one of the rest",
    D.ITEM_ADDED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL:
        "item {name} is described now, and refuses values that it "
    "could have as one of the rest",
    D.ENUM_ARRAY_EXTENDED: "{new} may be chosen now",
    D.ENUM_ARRAY_NARROWED: "{old} may not be chosen any more, so records with it fail; keep it in the list",
    D.ENUM_ARRAY_CHANGED: "{new} may be chosen now, and {old} may not any more, so records with it fail",
    D.COMBINED_TYPE_EXTENDED: "{old} became {new}, which lets at least the same pass",
    D.COMBINED_TYPE_CHANGED: "{old} became {new}, which lets other values pass",
    D.COMBINED_TYPE_SUBSCHEMAS_CHANGED:
        "not every member has a member on the other side that lets all its values pass",
    D.PRODUCT_TYPE_EXTENDED: "{new} schemas must be matched at once, and there were {old}",
    D.PRODUCT_TYPE_NARROWED: "{new} of {old} schemas that had to be matched at once are left",
    D.SUM_TYPE_EXTENDED: "there are {new} schemas to choose from, and there were {old}",
    D.SUM_TYPE_NARROWED:
        "there are {new} schemas to choose from, and there were {old}; records of those that are gone "
    "fail",
    D.NOT_TYPE_EXTENDED: "more is refused by `not` than before",
    D.NOT_TYPE_NARROWED: "no more is refused by `not` than before",
    D.KEYWORD_ADDED: "`{old}` is set now; what it refuses cannot be compared, so it counts as a new demand",
    D.KEYWORD_REMOVED: "`{old}` is not set any more",
    D.KEYWORD_CHANGED: "`{old}` and what belongs to it differ; that can only be compared as a whole",
    D.CONDITION_CHANGED: "the condition is another one, so other records fall under `then` and `else`",
    D.PATTERN_PROPERTY_ADDED_IS_COVERED_BY_CONTENT_MODEL:
        "properties that match {name} are described now, and let pass "
    "what held for them before",
    D.PATTERN_PROPERTY_ADDED_NOT_COVERED_BY_CONTENT_MODEL:
        "properties that match {name} are described now, and could "
    "have held other values before",
    D.PATTERN_PROPERTY_REMOVED_IS_COVERED_BY_CONTENT_MODEL:
        "properties that match {name} are not described any more; "
    "what holds for undeclared ones lets them pass",
    D.PATTERN_PROPERTY_REMOVED_NOT_COVERED_BY_CONTENT_MODEL:
        "properties that match {name} are not described any more, "
    "and what holds for undeclared ones refuses some of their values",
    D.ONE_OF_MEMBERS_MAY_OVERLAP:
        "a value may match two members of the new oneOf, and then it fails; write anyOf, or "
    "make the members exclude each other (different types, or a required property with its own const)",
}  # fmt: skip

_ENDINGS: dict[str, Callable[[str], str]] = {
    "_ADDED": lambda what: f"{what} is set now, to {{new}}, so values beyond it fail",
    "_REMOVED": lambda what: f"{what} is not set any more, it was {{old}}; {_NO_RECORD}",
    "_INCREASED": lambda what: f"{what} went up from {{old}} to {{new}}",
    "_DECREASED": lambda what: f"{what} went down from {{old}} to {{new}}",
}
_REST = {
    "_ADDED": "what is not declared may be there now",
    "_EXTENDED": "what is not declared may hold anything now",
    "_NARROWED": "what is not declared has a schema now, and values that passed unseen may fail",
}


def explain(finding: Finding) -> str:
    """The difference in a sentence (or two)."""
    template = _WORDS.get(finding.type) or _template(finding.type)
    name = finding.path[-1] if finding.path else ""
    return template.format(name=name, old=_shown(finding.old), new=_shown(finding.new))


def _template(kind: D) -> str:
    for ending in ("_ADDED", "_EXTENDED", "_NARROWED"):
        if kind.name.startswith(("ADDITIONAL_", "UNEVALUATED_")) and kind.name.endswith(ending):
            return _REST[ending]
    for ending, made in _ENDINGS.items():
        if kind.name.endswith(ending):
            return made(kind.name.removesuffix(ending).lower().replace("_", " "))
    raise AssertionError(f"{kind} has no words")


def _shown(value: Any) -> str:
    match value:
        case Node():
            return _kind(value)
        case Fraction():
            return str(value.numerator) if value.denominator == 1 else str(float(value))
        case str() if " " not in value and value.isascii():
            return value
        case [*_]:
            return _short(", ".join(json.dumps(part, ensure_ascii=False) for part in value) or "nothing")
        case _:
            return _short(json.dumps(value, ensure_ascii=False))


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"


def _kind(node: Node) -> str:
    """What values a schema is about: "string or null", "object"."""
    match node:
        case String():
            return "string" if node.typed else "limits on strings"
        case Number():
            return ("integer" if node.integer else "number") if node.typed else "limits on numbers"
        case Object():
            return "object" if node.typed else "limits on objects"
        case Array():
            return "array" if node.typed else "limits on arrays"
        case Combined(made=True, criterion=Criterion.ANY):
            return " or ".join(_kind(member.node) for member in node.members)
        case Combined(made=True):
            return " with ".join(dict.fromkeys(_kind(member.node) for member in node.members))
        case Combined():
            return f"{node.criterion} of {len(node.members)}"
        case _:
            return type(node).__name__.lower()
