"""What decoding leaves to be checked: the values of one place in many records at once, by the full validator."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from msgspec import UNSET

IsValid = Callable[[Any], bool]
ValidatorFor = Callable[[Any], IsValid]
"""Makes the full validator of a subschema, applied to every item of a list."""


class Check(Protocol):
    """What decoding leaves to be checked, over the values of one place in many records."""

    def holds(self, values: Sequence[Any]) -> bool:
        """Whether all values pass; values of other types and missing ones (`UNSET`) do."""


@dataclass(frozen=True, slots=True)
class Texts:
    """The strings of a field against a subschema of the full validator."""

    is_valid: IsValid

    def holds(self, values: Sequence[Any]) -> bool:
        texts = [value for value in values if value.__class__ is str]
        return not texts or self.is_valid(texts)


@dataclass(frozen=True, slots=True)
class Present:
    """All values of a field, decoded to plain data, against a subschema of the full validator."""

    is_valid: IsValid

    def holds(self, values: Sequence[Any]) -> bool:
        present = [value for value in values if value is not UNSET]
        return not present or self.is_valid(present)


@dataclass(frozen=True, slots=True)
class Fields:
    """The fields of the objects among the values."""

    type: type
    parts: tuple[tuple[Callable[[Any], Any], Check], ...]

    def holds(self, values: Sequence[Any]) -> bool:
        objects = [value for value in values if value.__class__ is self.type]
        return not objects or all(check.holds(list(map(get, objects))) for get, check in self.parts)


@dataclass(frozen=True, slots=True)
class Items:
    """The items of the lists, and the values of the maps, among the values."""

    check: Check

    def holds(self, values: Sequence[Any]) -> bool:
        items = [item for value in values if value.__class__ is list for item in value]
        items += [item for value in values if value.__class__ is dict for item in value.values()]
        return not items or self.check.holds(items)


@dataclass(frozen=True, slots=True)
class All:
    checks: tuple[Check, ...]

    def holds(self, values: Sequence[Any]) -> bool:
        return all(check.holds(values) for check in self.checks)
