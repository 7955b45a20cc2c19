"""Holds a record against its contract and names all its faults; `page` does it for many at the speed of parsing.

What a record is: one JSON object (RFC 8259) in UTF-8. NaN and Infinity are not JSON. A number beyond the range of a
double is a fault wherever the contract says anything about the value, and is left alone where it does not. Of a key
that occurs twice the last value counts, as in all parsers in use; with `Duplicates.REFUSE` it is a fault.
Messages never show values: they end up in logs.

>>> contract = Contract.from_columns({"id": "integer", "at": "timestamp"}, name="orders")
>>> Validator.for_contract(contract).check(b'{"id": "1", "at": "yesterday"}')
[Fault(pointer='/id', keyword='type', message='the value is not of type "integer"'), \
Fault(pointer='/at', keyword='format', message='the value is not a "date-time"')]
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Any

import msgspec

from shared.common.errors import Misconfigured
from shared.contracts.contract import Contract

Record = bytes | msgspec.Raw
"""One JSON text."""

NOT_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

DEEPEST = 1000
"""Levels that every parser reads: they keep to Python's own limit, which newer versions have made higher."""

_plain = msgspec.json.Decoder()
_syntax = msgspec.json.Decoder(msgspec.Raw)


class Duplicates(StrEnum):
    """What a key that occurs twice in an object is."""

    LAST = "last"
    """The last value counts."""
    REFUSE = "refuse"
    """A fault. Costs about as much again as parsing."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One way in which a record breaks its contract: where (RFC 6901), which keyword, and what, without the value.

    Beside JSON Schema's keywords there are `json` (not JSON at all), `duplicate` and `primary_key`.
    """

    pointer: str
    keyword: str
    message: str


@dataclass(frozen=True)
class Validator:
    """The full validator of a contract, one record at a time."""

    contract: Contract
    duplicates: Duplicates = Duplicates.LAST

    @classmethod
    def for_contract(cls, contract: Contract, *, duplicates: Duplicates = Duplicates.LAST) -> Validator:
        """Compile the contract. Raises `Misconfigured` when it is not a valid schema."""
        validator = cls(contract, duplicates)
        _ = validator._compiled
        return validator

    def check(self, record: Record) -> list[Fault]:
        """All faults of a record; none when it may land."""
        return self.read(record)[1]

    def read(self, record: Record) -> tuple[Any, list[Fault]]:
        """The record as plain data (None when it cannot be read) and its faults."""
        try:
            value = _plain.decode(record)
        except msgspec.ValidationError:
            return self._beyond(record)
        except NOT_JSON as error:
            return None, [Fault("", "json", not_json(error))]
        return value, self._faults(value) + self._duplicates(record)

    def is_valid(self, value: Any) -> bool:
        """Whether plain data fits, duplicates aside."""
        return value.__class__ is dict and bool(self._compiled.is_valid(value))

    def _beyond(self, record: Record) -> tuple[Any, list[Fault]]:
        """A record with a number that no double holds: judged as if that number were a text, and as if a list."""
        faults: dict[Fault, None] = {}
        value = None
        for stand_in in (str, lambda text: [text]):
            try:
                _syntax.decode(record)
                value = _load_with(stand_in, record)
            except (ValueError, RecursionError) as error:
                return None, [Fault("", "json", not_json(error))]
            faults.update(dict.fromkeys(self._faults(value)))
        return value, list(faults) + self._duplicates(record)

    def _faults(self, value: Any) -> list[Fault]:
        if value.__class__ is not dict:
            return [Fault("", "type", "the record is not an object")]
        try:
            return [_fault(error) for error in self._compiled.iter_errors(value)]
        except ValueError as error:  # jsonschema-rs walks less deep than Python 3.12 and later parse
            return [Fault("", "json", f"nested too deeply for a schema to be held against it: {error}")]

    def _duplicates(self, record: Record) -> list[Fault]:
        if self.duplicates is Duplicates.LAST:
            return []
        return [Fault("", "duplicate", f'the key "{name}" occurs twice') for name in doubled(record)]

    @cached_property
    def _compiled(self) -> Any:
        return _compile(self.contract, dict(self.contract.schema))


def not_json(error: Exception) -> str:
    """What is told of a text that a parser does not take."""
    if isinstance(error, RecursionError):
        return f"nested too deeply: about {DEEPEST:,} objects and lists within each other can be read"
    return f"not JSON: {error}"


def doubled(record: Record) -> list[str]:
    """The keys that occur more than once in an object of this JSON text, each named once."""
    found: dict[str, None] = {}

    def note(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(pairs)
        if len(made) < len(pairs):
            names = [name for name, _ in pairs]
            found.update(dict.fromkeys(name for name in made if names.count(name) > 1))
        return made

    try:
        json.loads(bytes(record), object_pairs_hook=note, parse_int=str, parse_float=str)
    except (ValueError, RecursionError):  # not JSON: that fault has been found already
        return []
    return list(found)


def _load_with(stand_in: Callable[[str], Any], record: Record) -> Any:
    """Plain data in which numbers beyond a double (or of thousands of digits) are what `stand_in` makes of them."""

    def real(text: str) -> Any:
        value = float(text)
        return value if math.isfinite(value) else stand_in(text)

    def whole(text: str) -> Any:
        return int(text) if len(text) < 4000 else stand_in(text)

    return json.loads(bytes(record), parse_float=real, parse_int=whole)


def pointer_to(path: Iterable[str | int]) -> str:
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in path)


def _fault(error: Any) -> Fault:
    keyword = str(error.schema_path[-1]) if error.schema_path else "false"
    return Fault(pointer_to(error.instance_path), keyword, error.message)


def list_validator(contract: Contract, part: Any) -> Callable[[Any], bool]:
    """The full validator of a subschema, over every item of a list."""
    around = {
        key: contract.schema[key] for key in ("$schema", "$defs", "definitions") if key in contract.schema
    }
    is_valid: Callable[[Any], bool] = _compile(contract, {**around, "items": part}).is_valid
    return is_valid


def _compile(contract: Contract, schema: dict[str, Any]) -> Any:
    import jsonschema_rs  # 7 MB and 50 ms: only where a contract is used

    try:
        return jsonschema_rs.validator_for(schema, validate_formats=True, mask="the value", offline=True)
    except (ValueError, jsonschema_rs.ReferencingError) as error:
        from shared.contracts.schema_faults import invalid

        told = invalid(schema, contract=contract.name)
        text = str(error).split("\n\n", maxsplit=1)[0]
        raise told or Misconfigured(f"the schema is not valid: {text}", contract=contract.name) from None
