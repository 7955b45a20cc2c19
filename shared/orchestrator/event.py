"""Events, the operations that they tell of, and how they are written as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Any

from shared.common.errors import Violation
from shared.orchestrator.faults import UnknownOperation
from shared.orchestrator.received import received


class Operation(IntEnum):
    """What happened to the thing at a location."""

    UNKNOWN = 0
    CREATE = 1
    READ = 2
    UPDATE = 3
    DELETE = 4

    @classmethod
    def parse(cls, text: str) -> Operation:
        """The operation of that name in any case; SQL's names are known too.

        Raises `UnknownOperation`.

        >>> Operation.parse("Insert"), Operation.parse("remove")
        (<Operation.CREATE: 1>, <Operation.DELETE: 4>)
        """
        found = _OPERATIONS.get(text.lower())
        if found is None:
            raise UnknownOperation(text, known=_OPERATIONS)
        return found

    @property
    def text(self) -> str:
        return self.name.lower()


_OPERATIONS = {
    "create": Operation.CREATE,
    "insert": Operation.CREATE,
    "read": Operation.READ,
    "update": Operation.UPDATE,
    "delete": Operation.DELETE,
    "remove": Operation.DELETE,
}


@dataclass(frozen=True, slots=True)
class Event:
    """Something happened: `operation` to the thing `id` at `location`, noticed by the input `trigger`.

    `payload` is what the input knows beside that (a row, the body of a request); it is part of the JSON only where
    there is one.

    >>> print(Event("the ether", Operation.DELETE, "an-id", "tests").to_json())
    {"location": "the ether", "operation": "delete", "id": "an-id", "trigger": "tests"}
    """

    location: str
    operation: Operation
    id: str
    trigger: str = ""
    payload: Mapping[str, Any] | None = None

    def to_plain(self) -> dict[str, Any]:
        """The event as a dict whose keys are in the order of its JSON."""
        plain: dict[str, Any] = {
            "location": self.location,
            "operation": self.operation.text,
            "id": self.id,
            "trigger": self.trigger,
        }
        if self.payload is not None:
            plain["payload"] = dict(self.payload)
        return plain

    def to_json(self, *, ascii_only: bool = False) -> str:
        """`ascii_only` escapes the rest, so that any text survives any store."""
        return json.dumps(self.to_plain(), ensure_ascii=ascii_only)

    def raised_by(self, trigger: str) -> Event:
        """The same event, with the name of the input that raised it."""
        return self if self.trigger == trigger else replace(self, trigger=trigger)

    @classmethod
    def from_json(cls, text: str | bytes) -> Event:
        """Raises `Violation`: the text is no JSON that can be handed on (see `received`), or no complete event."""
        try:
            plain = received(text)
        except Violation as error:
            raise Violation(f"the event cannot be read: {error.message}", hint=_EXPECTED) from None
        return cls.from_plain(plain)

    @classmethod
    def from_plain(cls, plain: Any) -> Event:
        """Raises `Violation` for what is no complete event; unknown keys are among it."""
        if not isinstance(plain, Mapping):
            raise Violation("the event is no JSON object", hint=_EXPECTED)
        lacking = [name for name in _TEXTS if not isinstance(plain.get(name), str)]
        if lacking:
            raise Violation(f"the event has no text for {', '.join(lacking)}", hint=_EXPECTED)
        if strange := sorted(plain.keys() - _KEYS):
            raise Violation(f"the event has unknown keys: {', '.join(map(str, strange))}", hint=_EXPECTED)
        trigger, payload = plain.get("trigger", ""), plain.get("payload")
        if not isinstance(trigger, str) or not (payload is None or isinstance(payload, Mapping)):
            raise Violation("trigger must be text, and payload a JSON object", hint=_EXPECTED)
        operation = Operation.parse(plain["operation"])
        return cls(plain["location"], operation, plain["id"], trigger, payload)


_TEXTS = ("location", "operation", "id")
_KEYS = {*_TEXTS, "trigger", "payload"}
_EXPECTED = (
    'expected {"location": "…", "operation": "create|read|update|delete", "id": "…", "trigger": "…"} '
    "and, where there is more to tell, a payload"
)
