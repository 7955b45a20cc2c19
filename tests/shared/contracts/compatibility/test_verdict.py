"""Which earlier versions count, and in which direction."""

from __future__ import annotations

from typing import Any

import pytest

from shared.contracts.compatibility.verdict import Mode, check


def schema(*names: str, required: tuple[str, ...] = ()) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {name: {"type": "string"} for name in names},
        "required": list(required),
        "additionalProperties": False,
    }


@pytest.mark.parametrize(
    ("mode", "adding", "removing"),
    [("BACKWARD", True, False), ("FORWARD", False, True), ("FULL", False, False), ("NONE", True, True)],
)
def test_a_mode_says_who_must_read_what(mode: str, adding: bool, removing: bool) -> None:
    """An optional property comes, or goes, in a closed model."""
    less, more = schema("a"), schema("a", "b")

    assert adding == check(more, [less], Mode(mode)).compatible
    assert removing == check(less, [more], Mode(mode)).compatible


@pytest.mark.parametrize("direction", ["BACKWARD", "FORWARD", "FULL"])
def test_only_the_last_version_counts_unless_the_mode_is_transitive(direction: str) -> None:
    """The property's type changes by way of not being there, which each step alone may do."""
    text = {"type": "object", "properties": {"a": {"type": "string"}}}
    nothing = {"type": "object"}
    whole = {"type": "object", "properties": {"a": {"type": "integer"}}}
    steps = [text, nothing] if direction != "FORWARD" else [nothing | {"properties": {"a": True}}, nothing]
    plain = check(nothing | {"properties": {"a": True}}, steps, Mode(direction))
    strict = check(whole, [whole, text], Mode(f"{direction}_TRANSITIVE"))

    assert plain.compatible
    assert not strict.compatible
    assert {2} == {one.version for one in strict.breaking}


def test_the_first_version_may_be_anything() -> None:
    """There is nothing to break."""
    assert check(schema("a"), []).compatible


def test_full_tells_the_direction_of_each_difference() -> None:
    """For one of them it is harmless, for the other it is not."""
    verdict = check(schema("a", "b"), [schema("a")], Mode.FULL)

    assert [("backward", True), ("forward", False)] == [
        (d.direction, d.compatible) for d in verdict.differences
    ]
    assert verdict.breaking[0].message.startswith("for those who read with the old schema")


def test_lenient_lets_an_open_model_grow() -> None:
    """The only way to add a property to one."""
    old, new = {"type": "object"}, {"type": "object", "properties": {"a": {"type": "string"}}}

    assert not check(new, [old]).compatible
    assert check(new, [old], lenient=True).compatible


def test_the_document_is_the_one_that_programs_read() -> None:
    """Kind, path and verdict of each difference, and a sentence for people."""
    document = check(schema(), [schema("a")]).to_json()
    message = document["differences"][0].pop("message")

    assert {
        "compatible": False,
        "differences": [
            {
                "type": "PROPERTY_REMOVED_FROM_CLOSED_CONTENT_MODEL",
                "path": "#/properties/a",
                "compatible": False,
            }
        ],
    } == document
    assert '"a"' in message


def test_numbered_versions_are_named_in_the_differences() -> None:
    """The registry's numbers, not positions."""
    verdict = check(schema(), {3: schema(), 7: schema("a")})

    assert [7] == [one.version for one in verdict.differences]
