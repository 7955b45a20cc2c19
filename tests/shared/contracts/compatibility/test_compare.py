"""Each kind of difference: what is found, where, and whether old records survive it."""

from __future__ import annotations

from typing import Any

import pytest

from shared.common.errors import Misconfigured
from shared.contracts.compatibility.compare import compare
from shared.contracts.compatibility.difference import LENIENT, STRICT, DifferenceType

DRAFT7 = {"$schema": "http://json-schema.org/draft-07/schema#"}
STRING, NUMBER, WHOLE = {"type": "string"}, {"type": "number"}, {"type": "integer"}
NULL, FLAG = {"type": "null"}, {"type": "boolean"}


def closed(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "additionalProperties": False}


def opened(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


def pair(*items: Any, rest: Any = True) -> dict[str, Any]:
    return {"type": "array", "prefixItems": list(items), "items": rest}


def one(kind: str, **keywords: Any) -> dict[str, Any]:
    return {"type": kind, **keywords}


def a_or_b(extra: Any) -> dict[str, Any]:
    return {"oneOf": [tagged("a"), tagged("b"), *extra]}


def tagged(name: str, **more: Any) -> dict[str, Any]:
    return {"type": "object", "properties": {"kind": {"const": name}, **more}, "required": ["kind"]}


#: (old schema, new schema, what differs). That a case is compatible follows from the types.
CASES: dict[str, tuple[Any, Any, list[str]]] = {
    # notes
    "id": ({"$id": "u:a", **STRING}, {"$id": "u:b", **STRING}, ["ID_CHANGED #/"]),
    "title": (one("string", title="a"), one("string", title="b"), ["TITLE_CHANGED #/"]),
    "description": (opened(a=one("string", description="x")), opened(a=STRING), ["DESCRIPTION_CHANGED #/properties/a"]),
    "default": (one("integer", default=1), one("integer", default=2), ["DEFAULT_CHANGED #/"]),
    "a default of null is one": (one("null", default=None), NULL, ["DEFAULT_CHANGED #/"]),
    "the same": (opened(a=STRING), opened(a=STRING), []),
    # types
    "wider number": (WHOLE, NUMBER, ["TYPE_EXTENDED #/"]),
    "narrower number": (NUMBER, WHOLE, ["TYPE_NARROWED #/"]),
    "another type": (STRING, WHOLE, ["TYPE_CHANGED #/"]),
    "limits on strings become strings": ({"minLength": 1}, one("string", minLength=1), ["TYPE_NARROWED #/"]),
    "strings become limits on strings": (one("string", minLength=1), {"minLength": 1}, ["TYPE_EXTENDED #/"]),
    "anything to something": ({}, STRING, ["TYPE_CHANGED #/"]),
    "something to anything": (STRING, {}, []),
    "nothing to something": (False, STRING, []),
    "a further type": (STRING, one("null") | {"type": ["string", "null"]}, ["SUM_TYPE_EXTENDED #/"]),
    "a type less": ({"type": ["string", "null", "integer"]}, {"type": ["string", "null"]}, ["SUM_TYPE_NARROWED #/"]),
    "null no more": ({"type": ["string", "null"]}, STRING, ["TYPE_CHANGED #/"]),
    "nullable as OpenAPI writes it": (STRING, one("string", nullable=True), ["SUM_TYPE_EXTENDED #/"]),
    "wider number, nullable": (
        {"type": ["integer", "null"]}, {"type": ["number", "null"]}, ["TYPE_EXTENDED #/anyOf/0"],
    ),
    # strings
    "maxLength set": (STRING, one("string", maxLength=3), ["MAX_LENGTH_ADDED #/maxLength"]),
    "maxLength dropped": (one("string", maxLength=3), STRING, ["MAX_LENGTH_REMOVED #/maxLength"]),
    "maxLength up": (one("string", maxLength=3), one("string", maxLength=4), ["MAX_LENGTH_INCREASED #/maxLength"]),
    "maxLength down": (one("string", maxLength=4), one("string", maxLength=3), ["MAX_LENGTH_DECREASED #/maxLength"]),
    "minLength set": (STRING, one("string", minLength=3), ["MIN_LENGTH_ADDED #/minLength"]),
    "minLength dropped": (one("string", minLength=3), STRING, ["MIN_LENGTH_REMOVED #/minLength"]),
    "minLength up": (one("string", minLength=3), one("string", minLength=4), ["MIN_LENGTH_INCREASED #/minLength"]),
    "minLength down": (one("string", minLength=4), one("string", minLength=3), ["MIN_LENGTH_DECREASED #/minLength"]),
    "pattern set": (STRING, one("string", pattern="a"), ["PATTERN_ADDED #/pattern"]),
    "pattern dropped": (one("string", pattern="a"), STRING, ["PATTERN_REMOVED #/pattern"]),
    "pattern changed": (one("string", pattern="a"), one("string", pattern="b"), ["PATTERN_CHANGED #/pattern"]),
    "format set": (STRING, one("string", format="date"), ["FORMAT_ADDED #/format"]),
    "format dropped": (one("string", format="date"), STRING, ["FORMAT_REMOVED #/format"]),
    "format changed": (one("string", format="date"), one("string", format="email"), ["FORMAT_CHANGED #/format"]),
    "a format that nobody asserts": (STRING, one("string", format="decimal"), []),
    # numbers
    "maximum set": (NUMBER, one("number", maximum=3), ["MAXIMUM_ADDED #/maximum"]),
    "maximum dropped": (one("number", maximum=3), NUMBER, ["MAXIMUM_REMOVED #/maximum"]),
    "maximum up": (one("number", maximum=3), one("number", maximum=3.5), ["MAXIMUM_INCREASED #/maximum"]),
    "maximum down": (one("number", maximum=3.5), one("number", maximum=3), ["MAXIMUM_DECREASED #/maximum"]),
    "maximum written otherwise": (one("number", maximum=3.0), one("number", maximum=3), []),
    "minimum set": (NUMBER, one("number", minimum=3), ["MINIMUM_ADDED #/minimum"]),
    "minimum dropped": (one("number", minimum=3), NUMBER, ["MINIMUM_REMOVED #/minimum"]),
    "minimum up": (one("number", minimum=3), one("number", minimum=4), ["MINIMUM_INCREASED #/minimum"]),
    "minimum down": (one("number", minimum=3), one("number", minimum=-4), ["MINIMUM_DECREASED #/minimum"]),
    "open maximum set": (NUMBER, one("number", exclusiveMaximum=3), ["EXCLUSIVE_MAXIMUM_ADDED #/exclusiveMaximum"]),
    "open maximum dropped": (
        one("number", exclusiveMaximum=3), NUMBER, ["EXCLUSIVE_MAXIMUM_REMOVED #/exclusiveMaximum"],
    ),
    "open maximum up": (
        one("number", exclusiveMaximum=3), one("number", exclusiveMaximum=4),
        ["EXCLUSIVE_MAXIMUM_INCREASED #/exclusiveMaximum"],
    ),
    "open maximum down": (
        one("number", exclusiveMaximum=4), one("number", exclusiveMaximum=3),
        ["EXCLUSIVE_MAXIMUM_DECREASED #/exclusiveMaximum"],
    ),
    "open minimum set": (NUMBER, one("number", exclusiveMinimum=3), ["EXCLUSIVE_MINIMUM_ADDED #/exclusiveMinimum"]),
    "open minimum dropped": (
        one("number", exclusiveMinimum=3), NUMBER, ["EXCLUSIVE_MINIMUM_REMOVED #/exclusiveMinimum"],
    ),
    "open minimum up": (
        one("number", exclusiveMinimum=3), one("number", exclusiveMinimum=4),
        ["EXCLUSIVE_MINIMUM_INCREASED #/exclusiveMinimum"],
    ),
    "open minimum down": (
        one("number", exclusiveMinimum=4), one("number", exclusiveMinimum=3),
        ["EXCLUSIVE_MINIMUM_DECREASED #/exclusiveMinimum"],
    ),
    "multipleOf set": (NUMBER, one("number", multipleOf=3), ["MULTIPLE_OF_ADDED #/multipleOf"]),
    "multipleOf dropped": (one("number", multipleOf=3), NUMBER, ["MULTIPLE_OF_REMOVED #/multipleOf"]),
    "coarser": (one("number", multipleOf=0.5), one("number", multipleOf=10), ["MULTIPLE_OF_EXPANDED #/multipleOf"]),
    "finer": (one("number", multipleOf=0.3), one("number", multipleOf=0.1), ["MULTIPLE_OF_REDUCED #/multipleOf"]),
    "neither": (one("number", multipleOf=0.2), one("number", multipleOf=0.3), ["MULTIPLE_OF_CHANGED #/multipleOf"]),
    "multipleOf written otherwise": (one("number", multipleOf=2.0), one("number", multipleOf=2), []),
    # lists of values
    "a further value": ({"enum": ["a"]}, {"enum": ["b", "a"]}, ["ENUM_ARRAY_EXTENDED #/enum"]),
    "a value less": ({"enum": ["a", "b"]}, {"enum": ["a"]}, ["ENUM_ARRAY_NARROWED #/enum"]),
    "other values": ({"enum": ["a", "b"]}, {"enum": ["a", "c"]}, ["ENUM_ARRAY_CHANGED #/enum"]),
    "1 is not true": ({"enum": [1]}, {"enum": [True]}, ["ENUM_ARRAY_CHANGED #/enum"]),
    "1 is 1.0": ({"enum": [1]}, {"enum": [1.0]}, []),
    "another constant": ({"const": "a"}, {"const": "b"}, ["ENUM_ARRAY_CHANGED #/const"]),
    "no list any more": (one("string", enum=["a"]), STRING, ["PRODUCT_TYPE_NARROWED #/"]),
    "a further value of a typed list": (
        one("string", enum=["a"]), one("string", enum=["a", "b"]), ["ENUM_ARRAY_EXTENDED #/allOf/1/enum"],
    ),
    # required
    "required": (
        closed(a=STRING), closed(a=STRING) | {"required": ["a"]}, ["REQUIRED_ATTRIBUTE_ADDED #/required/a"],
    ),
    "required with a default": (
        closed(a=one("string", default="x")), closed(a=one("string", default="x")) | {"required": ["a"]},
        ["REQUIRED_ATTRIBUTE_WITH_DEFAULT_ADDED #/required/a"],
    ),
    "not required any more": (
        closed(a=STRING) | {"required": ["a"]}, closed(a=STRING), ["REQUIRED_ATTRIBUTE_REMOVED #/required/a"],
    ),
    "required without being declared": (
        opened(), opened() | {"required": ["b"]}, ["REQUIRED_ATTRIBUTE_ADDED #/required/b"],
    ),
    # counts of properties
    "maxProperties set": (opened(), opened() | {"maxProperties": 1}, ["MAX_PROPERTIES_ADDED #/maxProperties"]),
    "maxProperties dropped": (opened() | {"maxProperties": 1}, opened(), ["MAX_PROPERTIES_REMOVED #/maxProperties"]),
    "maxProperties up": (
        one("object", maxProperties=1), one("object", maxProperties=2), ["MAX_PROPERTIES_INCREASED #/maxProperties"],
    ),
    "maxProperties down": (
        one("object", maxProperties=2), one("object", maxProperties=1), ["MAX_PROPERTIES_DECREASED #/maxProperties"],
    ),
    "minProperties set": (opened(), opened() | {"minProperties": 1}, ["MIN_PROPERTIES_ADDED #/minProperties"]),
    "minProperties dropped": (opened() | {"minProperties": 1}, opened(), ["MIN_PROPERTIES_REMOVED #/minProperties"]),
    "minProperties up": (
        one("object", minProperties=1), one("object", minProperties=2), ["MIN_PROPERTIES_INCREASED #/minProperties"],
    ),
    "minProperties down": (
        one("object", minProperties=2), one("object", minProperties=1), ["MIN_PROPERTIES_DECREASED #/minProperties"],
    ),
    # content models
    "opened": (closed(), opened(), ["ADDITIONAL_PROPERTIES_ADDED #/additionalProperties"]),
    "closed": (opened(), closed(), ["ADDITIONAL_PROPERTIES_REMOVED #/additionalProperties"]),
    "opened in part": (closed(), closed() | {"additionalProperties": STRING},
                       ["ADDITIONAL_PROPERTIES_ADDED #/additionalProperties"]),
    "opened from a part": (closed() | {"additionalProperties": STRING}, opened(),
                           ["ADDITIONAL_PROPERTIES_EXTENDED #/additionalProperties"]),
    "closed in part": (opened(), closed() | {"additionalProperties": STRING},
                       ["ADDITIONAL_PROPERTIES_NARROWED #/additionalProperties"]),
    "another part": (closed() | {"additionalProperties": WHOLE}, closed() | {"additionalProperties": STRING},
                     ["TYPE_CHANGED #/additionalProperties"]),
    "unevaluated opened": (one("object", unevaluatedProperties=False), one("object"),
                           ["UNEVALUATED_PROPERTIES_ADDED #/unevaluatedProperties"]),
    "unevaluated closed": (one("object"), one("object", unevaluatedProperties=False),
                           ["UNEVALUATED_PROPERTIES_REMOVED #/unevaluatedProperties"]),
    "unevaluated wider": (one("object", unevaluatedProperties=STRING), one("object"),
                          ["UNEVALUATED_PROPERTIES_EXTENDED #/unevaluatedProperties"]),
    "unevaluated narrower": (one("object"), one("object", unevaluatedProperties=STRING),
                             ["UNEVALUATED_PROPERTIES_NARROWED #/unevaluatedProperties"]),
    "unevaluated other": (one("object", unevaluatedProperties=WHOLE), one("object", unevaluatedProperties=NUMBER),
                          ["TYPE_EXTENDED #/unevaluatedProperties"]),
    "unevaluated means nothing where others are spoken of": (
        one("object", additionalProperties=True), one("object", additionalProperties=True, unevaluatedProperties=False),
        [],
    ),
    # properties
    "optional, to open": (opened(a=STRING), opened(a=STRING, b=WHOLE),
                          ["PROPERTY_ADDED_TO_OPEN_CONTENT_MODEL #/properties/b"]),
    "required, to open": (opened(), opened(b=WHOLE) | {"required": ["b"]},
                          ["REQUIRED_PROPERTY_ADDED_TO_OPEN_CONTENT_MODEL #/properties/b"]),
    "required and empty, to open": (opened(), opened(b=True) | {"required": ["b"]},
                                    ["REQUIRED_PROPERTY_ADDED_TO_OPEN_CONTENT_MODEL #/properties/b"]),
    "required with default, to open": (
        opened(), opened(b=one("integer", default=1)) | {"required": ["b"]},
        ["REQUIRED_PROPERTY_WITH_DEFAULT_ADDED_TO_OPEN_CONTENT_MODEL #/properties/b"],
    ),
    "empty, to open": (
        opened(), opened(b=True), ["PROPERTY_WITH_EMPTY_SCHEMA_ADDED_TO_OPEN_CONTENT_MODEL #/properties/b"]),
    "optional, to closed": (
        closed(), closed(b=WHOLE), ["OPTIONAL_PROPERTY_ADDED_TO_UNOPEN_CONTENT_MODEL #/properties/b"]),
    "required, to closed": (closed(), closed(b=WHOLE) | {"required": ["b"]},
                            ["REQUIRED_PROPERTY_ADDED_TO_UNOPEN_CONTENT_MODEL #/properties/b"]),
    "required with default, to closed": (
        closed(), closed(b=one("integer", default=1)) | {"required": ["b"]},
        ["REQUIRED_PROPERTY_WITH_DEFAULT_ADDED_TO_UNOPEN_CONTENT_MODEL #/properties/b"],
    ),
    "from open": (opened(b=WHOLE), opened(), ["PROPERTY_REMOVED_FROM_OPEN_CONTENT_MODEL #/properties/b"]),
    "from closed": (closed(b=WHOLE), closed(), ["PROPERTY_REMOVED_FROM_CLOSED_CONTENT_MODEL #/properties/b"]),
    "forbidden, from closed": (closed(b=False), closed(),
                               ["PROPERTY_WITH_FALSE_REMOVED_FROM_CLOSED_CONTENT_MODEL #/properties/b"]),
    "covered by a pattern, added": (
        closed() | {"patternProperties": {"^n_": WHOLE}}, closed(n_a=NUMBER) | {"patternProperties": {"^n_": WHOLE}},
        ["TYPE_EXTENDED #/properties/n_a", "PROPERTY_ADDED_IS_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL #/properties/n_a",
         "OPTIONAL_PROPERTY_ADDED_TO_UNOPEN_CONTENT_MODEL #/properties/n_a"],
    ),
    "covered by the rest, added": (
        one("object", additionalProperties=STRING), closed(a=STRING) | {"additionalProperties": STRING},
        ["PROPERTY_ADDED_IS_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL #/properties/a",
         "OPTIONAL_PROPERTY_ADDED_TO_UNOPEN_CONTENT_MODEL #/properties/a"],
    ),
    "not covered by the rest, added": (
        one("object", additionalProperties=STRING), closed(a=WHOLE) | {"additionalProperties": STRING},
        ["TYPE_CHANGED #/properties/a", "PROPERTY_ADDED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL #/properties/a",
         "OPTIONAL_PROPERTY_ADDED_TO_UNOPEN_CONTENT_MODEL #/properties/a"],
    ),
    "no pattern matches, added": (
        one("object", patternProperties={"^n_": WHOLE}), opened(a=WHOLE) | {"patternProperties": {"^n_": WHOLE}},
        ["PROPERTY_ADDED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL #/properties/a",
         "OPTIONAL_PROPERTY_ADDED_TO_UNOPEN_CONTENT_MODEL #/properties/a"],
    ),
    "covered by the rest, removed": (
        closed(a=STRING), one("object", additionalProperties={"type": ["string", "null"]}),
        ["SUM_TYPE_EXTENDED #/properties/a",
        "PROPERTY_REMOVED_IS_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL #/properties/a",
         "ADDITIONAL_PROPERTIES_ADDED #/additionalProperties"],
    ),
    "not covered by the rest, removed": (
        closed(a=WHOLE), one("object", additionalProperties=STRING),
        ["TYPE_CHANGED #/properties/a", "PROPERTY_REMOVED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL #/properties/a",
         "ADDITIONAL_PROPERTIES_ADDED #/additionalProperties"],
    ),
    "reservation dropped": (
        opened() | {"x-reserved": ["old"]}, opened(), ["RESERVED_PROPERTY_REMOVED #/x-reserved/old"]),
    "reservation broken": (
        closed() | {"x-reserved": ["old"]}, closed(old=STRING) | {"x-reserved": ["old"]},
        ["RESERVED_PROPERTY_CONFLICTS_WITH_PROPERTY #/properties/old",
         "OPTIONAL_PROPERTY_ADDED_TO_UNOPEN_CONTENT_MODEL #/properties/old"],
    ),
    # patterns
    "pattern for nothing yet": (closed(a=STRING), closed(a=STRING) | {"patternProperties": {"^n_": WHOLE}},
        ["PATTERN_PROPERTY_ADDED_IS_COVERED_BY_CONTENT_MODEL #/patternProperties/^n_"]),
    "pattern over a property": (closed(n_a=STRING), closed(n_a=STRING) | {"patternProperties": {"^n_": WHOLE}},
        ["PATTERN_PROPERTY_ADDED_NOT_COVERED_BY_CONTENT_MODEL #/patternProperties/^n_"]),
    "pattern in the open": (opened(), opened() | {"patternProperties": {"^n_": WHOLE}},
        ["PATTERN_PROPERTY_ADDED_NOT_COVERED_BY_CONTENT_MODEL #/patternProperties/^n_"]),
    "pattern dropped into the open": (opened() | {"patternProperties": {"^n_": WHOLE}}, opened(),
        ["PATTERN_PROPERTY_REMOVED_IS_COVERED_BY_CONTENT_MODEL #/patternProperties/^n_"]),
    "pattern dropped into nothing": (closed() | {"patternProperties": {"^n_": WHOLE}}, closed(),
        ["PATTERN_PROPERTY_REMOVED_NOT_COVERED_BY_CONTENT_MODEL #/patternProperties/^n_"]),
    "pattern with another schema": (
        opened() | {"patternProperties": {"a/b": WHOLE}}, opened() | {"patternProperties": {"a/b": NUMBER}},
        ["TYPE_EXTENDED #/patternProperties/a~1b"]),
    "propertyNames": (opened(), opened() | {"propertyNames": {"maxLength": 3}}, ["SCHEMA_ADDED #/propertyNames"]),
    # dependencies, in both spellings
    "dependency": (
        opened(), opened() | {"dependentRequired": {"a": ["b"]}}, ["DEPENDENCY_ARRAY_ADDED #/dependencies/a"]),
    "dependency dropped": (opened() | {"dependentRequired": {"a": ["b"]}}, opened(),
                           ["DEPENDENCY_ARRAY_REMOVED #/dependencies/a"]),
    "dependency wider": (opened() | {"dependencies": {"a": ["b"]}}, opened() | {"dependentRequired": {"a": ["b", "c"]}},
                         ["DEPENDENCY_ARRAY_EXTENDED #/dependencies/a"]),
    "dependency narrower": (opened() | {"dependencies": {"a": ["b", "c"]}}, opened() | {"dependencies": {"a": ["b"]}},
                            ["DEPENDENCY_ARRAY_NARROWED #/dependencies/a"]),
    "dependency other": (opened() | {"dependencies": {"a": ["b"]}}, opened() | {"dependencies": {"a": ["c"]}},
                         ["DEPENDENCY_ARRAY_CHANGED #/dependencies/a"]),
    "dependent schema": (opened(), opened() | {"dependentSchemas": {"a": opened()}},
                         ["DEPENDENCY_SCHEMA_ADDED #/dependencies/a"]),
    "dependent schema dropped": (opened() | {"dependencies": {"a": opened()}}, opened(),
                                 ["DEPENDENCY_SCHEMA_REMOVED #/dependencies/a"]),
    "dependent schema other": (
        opened() | {"dependencies": {"a": opened(b=STRING)}}, opened() | {"dependentSchemas": {"a": opened(b=WHOLE)}},
        ["TYPE_CHANGED #/dependencies/a/properties/b"]),
    # arrays
    "items set": (one("array"), one("array", items=STRING), ["SCHEMA_ADDED #/items"]),
    "items dropped": (one("array", items=STRING), one("array"), ["SCHEMA_REMOVED #/items"]),
    "items wider": (one("array", items=WHOLE), one("array", items=NUMBER), ["TYPE_EXTENDED #/items"]),
    "maxItems set": (one("array"), one("array", maxItems=1), ["MAX_ITEMS_ADDED #/maxItems"]),
    "maxItems dropped": (one("array", maxItems=1), one("array"), ["MAX_ITEMS_REMOVED #/maxItems"]),
    "maxItems up": (one("array", maxItems=1), one("array", maxItems=2), ["MAX_ITEMS_INCREASED #/maxItems"]),
    "maxItems down": (one("array", maxItems=2), one("array", maxItems=1), ["MAX_ITEMS_DECREASED #/maxItems"]),
    "minItems set": (one("array"), one("array", minItems=1), ["MIN_ITEMS_ADDED #/minItems"]),
    "minItems dropped": (one("array", minItems=1), one("array"), ["MIN_ITEMS_REMOVED #/minItems"]),
    "minItems up": (one("array", minItems=1), one("array", minItems=2), ["MIN_ITEMS_INCREASED #/minItems"]),
    "minItems down": (one("array", minItems=2), one("array", minItems=1), ["MIN_ITEMS_DECREASED #/minItems"]),
    "unique": (one("array"), one("array", uniqueItems=True), ["UNIQUE_ITEMS_ADDED #/uniqueItems"]),
    "not unique": (
        one("array", uniqueItems=True), one("array", uniqueItems=False), ["UNIQUE_ITEMS_REMOVED #/uniqueItems"]),
    "contains set": (one("array"), one("array", contains=STRING), ["SCHEMA_ADDED #/contains"]),
    "contains dropped": (one("array", contains=STRING), one("array"), ["SCHEMA_REMOVED #/contains"]),
    "contains wider": (one("array", contains=WHOLE), one("array", contains=NUMBER), ["TYPE_EXTENDED #/contains"]),
    "contains wider, and at most two": (
        one("array", contains=WHOLE, maxContains=2), one("array", contains=NUMBER, maxContains=2),
        ["TYPE_EXTENDED #/contains", "KEYWORD_CHANGED #/contains"]),
    "maxContains set": (one("array", contains=STRING), one("array", contains=STRING, maxContains=1),
                        ["MAX_CONTAINS_ADDED #/maxContains"]),
    "maxContains dropped": (one("array", contains=STRING, maxContains=1), one("array", contains=STRING),
                            ["MAX_CONTAINS_REMOVED #/maxContains"]),
    "maxContains up": (one("array", contains=STRING, maxContains=1), one("array", contains=STRING, maxContains=2),
                       ["MAX_CONTAINS_INCREASED #/maxContains"]),
    "maxContains down": (one("array", contains=STRING, maxContains=2), one("array", contains=STRING, maxContains=1),
                         ["MAX_CONTAINS_DECREASED #/maxContains"]),
    "minContains set": (one("array", contains=STRING), one("array", contains=STRING, minContains=2),
                        ["MIN_CONTAINS_INCREASED #/minContains"]),
    "minContains dropped": (one("array", contains=STRING, minContains=2), one("array", contains=STRING),
                            ["MIN_CONTAINS_DECREASED #/minContains"]),
    # tuples
    "tuple opened": (pair(STRING, rest=False), pair(STRING), ["ADDITIONAL_ITEMS_ADDED #/additionalItems"]),
    "tuple closed": (pair(STRING), pair(STRING, rest=False), ["ADDITIONAL_ITEMS_REMOVED #/additionalItems"]),
    "tuple opened from a part": (
        pair(STRING, rest=WHOLE), pair(STRING), ["ADDITIONAL_ITEMS_EXTENDED #/additionalItems"]),
    "tuple closed in part": (pair(STRING), pair(STRING, rest=WHOLE), ["ADDITIONAL_ITEMS_NARROWED #/additionalItems"]),
    "item added, open": (pair(STRING), pair(STRING, WHOLE), ["ITEM_ADDED_TO_OPEN_CONTENT_MODEL #/items/1"]),
    "empty item added, open": (pair(STRING), pair(STRING, True),
                               ["ITEM_WITH_EMPTY_SCHEMA_ADDED_TO_OPEN_CONTENT_MODEL #/items/1"]),
    "item added, closed": (pair(STRING, rest=False), pair(STRING, WHOLE, rest=False),
                           ["ITEM_ADDED_TO_CLOSED_CONTENT_MODEL #/items/1"]),
    "item removed, open": (pair(STRING, WHOLE), pair(STRING), ["ITEM_REMOVED_FROM_OPEN_CONTENT_MODEL #/items/1"]),
    "item removed, closed": (pair(STRING, WHOLE, rest=False), pair(STRING, rest=False),
                             ["ITEM_REMOVED_FROM_CLOSED_CONTENT_MODEL #/items/1"]),
    "forbidden item removed": (pair(STRING, False, rest=False), pair(STRING, rest=False),
                               ["ITEM_WITH_FALSE_REMOVED_FROM_CLOSED_CONTENT_MODEL #/items/1"]),
    "item added, covered": (pair(STRING, rest=WHOLE), pair(STRING, WHOLE, rest=WHOLE),
                            ["ITEM_ADDED_IS_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL #/items/1"]),
    "item added, not covered": (
        pair(STRING, rest=WHOLE), pair(STRING, STRING, rest=WHOLE),
        ["TYPE_CHANGED #/items/1", "ITEM_ADDED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL #/items/1"]),
    "item removed, covered": (
        pair(STRING, WHOLE, rest=False), pair(STRING, rest=NUMBER),
        ["TYPE_EXTENDED #/items/1", "ITEM_REMOVED_IS_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL #/items/1",
         "ADDITIONAL_ITEMS_ADDED #/additionalItems"]),
    "item removed, not covered": (
        pair(STRING, STRING, rest=NUMBER), pair(STRING, rest=NUMBER),
        ["TYPE_CHANGED #/items/1", "ITEM_REMOVED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL #/items/1"]),
    "tuple in draft 07": (
        DRAFT7 | one("array", items=[STRING], additionalItems=False), pair(STRING, WHOLE, rest=False),
        ["ITEM_ADDED_TO_CLOSED_CONTENT_MODEL #/items/1"]),
    "additionalItems without a list is not asserted": (
        DRAFT7 | one("array", additionalItems=WHOLE), DRAFT7 | one("array", items=[WHOLE], additionalItems=WHOLE),
        ["ITEM_ADDED_TO_OPEN_CONTENT_MODEL #/items/0", "ADDITIONAL_ITEMS_NARROWED #/additionalItems"]),
    "unevaluated items opened": (one("array", unevaluatedItems=False), one("array"),
                                 ["UNEVALUATED_ITEMS_ADDED #/unevaluatedItems"]),
    "unevaluated items closed": (one("array"), one("array", unevaluatedItems=False),
                                 ["UNEVALUATED_ITEMS_REMOVED #/unevaluatedItems"]),
    "unevaluated items wider": (one("array", unevaluatedItems=STRING), one("array"),
                                ["UNEVALUATED_ITEMS_EXTENDED #/unevaluatedItems"]),
    "unevaluated items narrower": (one("array"), one("array", unevaluatedItems=STRING),
                                   ["UNEVALUATED_ITEMS_NARROWED #/unevaluatedItems"]),
    "lists of items tell draft 07 from newer ones": (
        {"items": [STRING], "additionalItems": False}, {"items": [STRING, WHOLE], "additionalItems": False},
        ["ITEM_ADDED_TO_CLOSED_CONTENT_MODEL #/items/1"]),
    "additionalItems alone": ({"additionalItems": True}, {"additionalItems": False},
                              ["ADDITIONAL_ITEMS_REMOVED #/additionalItems"]),
    "a property of that name tells nothing": (closed(additionalItems=STRING), closed(additionalItems=STRING), []),
    # unions
    "one of more": ({"anyOf": [STRING]}, {"anyOf": [WHOLE, STRING]}, ["SUM_TYPE_EXTENDED #/"]),
    "one of fewer": ({"anyOf": [STRING, WHOLE]}, {"anyOf": [STRING]}, ["SUM_TYPE_NARROWED #/"]),
    "all of more": ({"allOf": [STRING]}, {"allOf": [{"enum": ["a"]}, STRING]}, ["PRODUCT_TYPE_EXTENDED #/"]),
    "all of fewer": ({"allOf": [{"enum": ["a"]}, STRING]}, {"allOf": [STRING]}, ["PRODUCT_TYPE_NARROWED #/"]),
    "other members": ({"anyOf": [STRING, WHOLE]}, {"anyOf": [STRING, FLAG]}, ["COMBINED_TYPE_SUBSCHEMAS_CHANGED #/"]),
    "another order": ({"oneOf": [STRING, WHOLE, FLAG]}, {"oneOf": [FLAG, STRING, WHOLE]}, []),
    "the best partners": (
        {"anyOf": [WHOLE, one("integer", minimum=1)]}, {"anyOf": [WHOLE, NUMBER]},
        ["TYPE_EXTENDED #/anyOf/0", "MINIMUM_REMOVED #/anyOf/1/minimum"]),
    "oneOf to anyOf": ({"oneOf": [STRING, WHOLE]}, {"anyOf": [STRING, WHOLE]}, ["COMBINED_TYPE_EXTENDED #/"]),
    "anyOf to oneOf": ({"anyOf": [STRING, WHOLE]}, {"oneOf": [STRING, WHOLE]}, ["COMBINED_TYPE_CHANGED #/"]),
    "a singleton is its member": ({"oneOf": [STRING]}, STRING, []),
    "a member becomes a singleton": (STRING, {"allOf": [STRING]}, []),
    "a schema becomes one of several": (
        one("string", maxLength=3), {"oneOf": [WHOLE, STRING]},
        ["MAX_LENGTH_REMOVED #/maxLength", "SUM_TYPE_EXTENDED #/"]),
    "several that overlap": (WHOLE, {"oneOf": [WHOLE, NUMBER]}, ["ONE_OF_MEMBERS_MAY_OVERLAP #/oneOf"]),
    "a member that overlaps": (
        {"oneOf": [STRING, WHOLE]}, {"oneOf": [STRING, WHOLE, one("number", minimum=0)]},
        ["SUM_TYPE_EXTENDED #/", "ONE_OF_MEMBERS_MAY_OVERLAP #/oneOf"]),
    "members told apart by a constant": (a_or_b([]), a_or_b([tagged("c")]), ["SUM_TYPE_EXTENDED #/"]),
    "a member told apart grows": (
        {"oneOf": [tagged("a", n=WHOLE), tagged("b")]}, {"oneOf": [tagged("a", n=NUMBER), tagged("b")]},
        ["TYPE_EXTENDED #/oneOf/0/properties/n"]),
    "twice the same member": ({"anyOf": [STRING, dict(STRING)]}, {"anyOf": [STRING]}, []),
    "no list of types but one of rules": (
        {"type": "string", "anyOf": [{"minLength": 1}]}, {"type": "string", "anyOf": [{"minLength": 0}]},
        ["MIN_LENGTH_DECREASED #/allOf/1/anyOf/0/minLength"]),
    # not, if
    "less refused": ({"not": NUMBER}, {"not": WHOLE}, ["NOT_TYPE_NARROWED #/not"]),
    "more refused": ({"not": WHOLE}, {"not": NUMBER}, ["NOT_TYPE_EXTENDED #/not"]),
    "as much refused": ({"not": WHOLE}, {"not": WHOLE}, []),
    "a default helps nobody where it is refused": (
        {"not": opened(a=one("string", default="")) | {"required": ["a"]}},
        {"not": opened(a=one("string", default=""))},
        ["NOT_TYPE_EXTENDED #/not"]),
    "another condition": ({"if": STRING, "then": {"minLength": 1}}, {"if": WHOLE, "then": {"minLength": 1}},
                          ["CONDITION_CHANGED #/if"]),
    "another consequence": ({"if": STRING, "then": {"minLength": 2}}, {"if": STRING, "then": {"minLength": 1}},
                            ["MIN_LENGTH_DECREASED #/then/minLength"]),
    "a further consequence": (
        {"if": STRING, "then": {"minLength": 2}}, {"if": STRING, "then": {"minLength": 2}, "else": WHOLE},
                              ["SCHEMA_ADDED #/else"]),
    # as a whole
    "content in draft 07": (DRAFT7 | STRING, DRAFT7 | one("string", contentEncoding="base64"),
                            ["KEYWORD_ADDED #/contentEncoding"]),
    "content no more": (DRAFT7 | one("string", contentEncoding="base64"), DRAFT7 | STRING,
                        ["KEYWORD_REMOVED #/contentEncoding"]),
    "content is a note since 2019": (STRING, one("string", contentEncoding="base64"), []),
    "unevaluated beside a union": (
        {"anyOf": [opened(a=STRING)], "unevaluatedProperties": False},
        {"anyOf": [opened()], "unevaluatedProperties": False},
        ["KEYWORD_CHANGED #/unevaluatedProperties", "PROPERTY_REMOVED_FROM_OPEN_CONTENT_MODEL #/anyOf/0/properties/a"]),
    # references
    "behind a reference": (
        {"$ref": "#/$defs/a", "$defs": {"a": opened(b=STRING)}}, opened(b=WHOLE), ["TYPE_CHANGED #/properties/b"]),
    "draft 07 ignores what stands beside a reference": (
        DRAFT7 | {"definitions": {"a": STRING}, "properties": {"x": {"$ref": "#/definitions/a", "minLength": 2}}},
        {"properties": {"x": STRING}}, []),
    "2020 does not": (
        {"$defs": {"a": STRING}, "properties": {"x": {"$ref": "#/$defs/a"}}},
        {"$defs": {"a": STRING}, "properties": {"x": {"$ref": "#/$defs/a", "minLength": 2}}},
        ["TYPE_CHANGED #/properties/x"]),
    "by anchor": ({"$defs": {"a": {"$anchor": "here", **STRING}}, "$ref": "#here"}, WHOLE, ["TYPE_CHANGED #/"]),
}  # fmt: skip

ELSEWHERE = {
    "MIN_CONTAINS_ADDED": "a minimum is there as soon as `contains` is: it is 1",
    "MIN_CONTAINS_REMOVED": "the same",
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_change_is_found_with_its_name_and_its_place(case: tuple[Any, Any, list[str]]) -> None:
    """And it is compatible when each of its differences is."""
    old, new, wanted = case
    found = compare(old, new)

    assert sorted(wanted) == sorted(f"{one.type} {one.path}" for one in found)
    assert all(one.compatible == (one.type in STRICT) for one in found)
    assert all(one.message and "{" not in one.message for one in found)


def test_every_kind_of_difference_has_a_case() -> None:
    """Or a reason why it never comes."""
    seen = {text.split()[0] for _, _, wanted in CASES.values() for text in wanted}

    assert {kind.value for kind in DifferenceType} - seen == ELSEWHERE.keys()


COMBINATIONS = [
    (lenient, model, change, need)
    for lenient in (False, True)
    for model in ("open", "closed")
    for change in ("add", "remove")
    for need in ("required", "required with default", "optional")
]


@pytest.mark.parametrize(("lenient", "model", "change", "need"), COMBINATIONS)
def test_the_24_ways_to_add_or_remove_a_property(lenient: bool, model: str, change: str, need: str) -> None:
    """PR #4292: strict and lenient, open and closed, added and removed, required or not."""
    less: dict[str, Any] = {"type": "object"} | ({"additionalProperties": False} if model == "closed" else {})
    more = less | {"properties": {"a": one("string", default="x") if "default" in need else STRING}}
    more |= {"required": ["a"]} if "required" in need else {}
    old, new = (less, more) if change == "add" else (more, less)
    match lenient, model, change:
        case False, "open", "add":
            wanted = False
        case False, "closed", "remove":
            wanted = False
        case _, _, "add":
            wanted = need != "required"
        case _:
            wanted = True

    assert wanted == all(one.compatible for one in compare(old, new, lenient=lenient))


def test_lenient_holds_inside_unions_too() -> None:
    """PR #4269: the policy is that of every member."""
    old = {"allOf": [{"$ref": "#/$defs/a"}, opened(x=STRING)], "$defs": {"a": opened()}}
    new = {"allOf": [{"$ref": "#/$defs/a"}, opened(x=STRING)], "$defs": {"a": opened(b=WHOLE)}}

    assert not all(one.compatible for one in compare(old, new))
    assert all(one.compatible for one in compare(old, new, lenient=True))
    assert STRICT < LENIENT


TREE = {
    "$ref": "#/$defs/node",
    "$defs": {"node": {"type": "object", "properties": {"id": WHOLE, "next": {"$ref": "#/$defs/node"}}}},
}


def _tree(kind: dict[str, Any]) -> dict[str, Any]:
    node = {"type": "object", "properties": {"id": kind, "next": {"$ref": "#/$defs/node"}}}
    return {"$ref": "#/$defs/node", "$defs": {"node": node}}


def test_a_schema_that_contains_itself_comes_to_an_end() -> None:
    """And differences in it are found once."""
    assert () == compare(TREE, _tree(WHOLE))
    assert ["#/properties/id"] == [one.path for one in compare(TREE, _tree(STRING))]
    assert ["TYPE_EXTENDED"] == [one.type.value for one in compare(TREE, _tree(NUMBER))]


def test_many_types_that_refer_to_each_other_come_to_an_end_soon() -> None:
    """Twelve products, each of which may hold any other twice: every pair is compared once."""
    names = [f"p{number}" for number in range(12)]

    def market(first: dict[str, Any]) -> dict[str, Any]:
        union = {"anyOf": [{"$ref": f"#/$defs/{name}"} for name in names]}
        defs = {name: opened(id=STRING, under=union, over=union) for name in names}
        return opened(product=union) | {"$defs": defs | {"p0": opened(id=first, under=union, over=union)}}

    assert () == compare(market(STRING), market(STRING))
    assert not all(one.compatible for one in compare(market(STRING), market(WHOLE)))


@pytest.mark.parametrize("told_apart", [True, False])
def test_so_do_types_that_exclude_each_other_by_what_they_hold(told_apart: bool) -> None:
    """Whether the members of a new oneOf overlap is asked once for each two of them."""
    names = [f"p{number}" for number in range(12)]

    def market(least: int) -> dict[str, Any]:
        union = {"oneOf": [{"$ref": f"#/$defs/{name}"} for name in names]}
        more = {"under": union, "over": union, "n": one("integer", minimum=least)}
        defs = {name: tagged(name if told_apart else "same", **more) for name in names}
        for schema in defs.values():
            schema["required"] = ["over", "under", "kind"]
        return opened(product=union) | {"$defs": defs}

    found = compare(market(1), market(0))

    assert told_apart == all(difference.compatible for difference in found)


def test_a_change_behind_a_circle_is_not_hidden_by_what_was_assumed_of_it() -> None:
    """T0 holds T2 and T2 holds T0; while T0 is compared, T2 is taken to fit, and T1 must not profit from that."""

    def circle(first: str, second: str) -> dict[str, Any]:
        def thing(kind: str, other: str) -> dict[str, Any]:
            return opened(id=one(kind), ref={"oneOf": [{"$ref": f"#/$defs/{other}"}]})

        return opened(root={"oneOf": [{"$ref": "#/$defs/T0"}, {"$ref": "#/$defs/T1"}]}) | {
            "$defs": {"T0": thing(first, "T2"), "T1": thing(second, "T2"), "T2": thing("integer", "T0")}
        }

    assert not all(
        one.compatible for one in compare(circle("integer", "boolean"), circle("boolean", "number"))
    )


@pytest.mark.parametrize("ref", ["#/$defs/none", "other.json", "#none"])
def test_a_reference_that_leads_nowhere_is_an_error(ref: str) -> None:
    """With the reference in it."""
    with pytest.raises(Misconfigured, match="leads nowhere"):
        compare({"$ref": ref}, STRING)


def test_a_reference_to_itself_is_an_error() -> None:
    """There is no schema behind it."""
    with pytest.raises(Misconfigured, match="back to itself"):
        compare({"$ref": "#"}, STRING)


def test_the_addition_that_surprises_everybody_says_why_and_what_to_do() -> None:
    """Eight issues at Confluent's ask this."""
    (found,) = compare(opened(), opened(discount=NUMBER))

    assert not found.compatible
    for words in ('"discount"', "open", "additionalProperties: false", "`true`", "lenient"):
        assert words in found.message
