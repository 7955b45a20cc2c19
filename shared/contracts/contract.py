"""A contract: the versioned JSON Schema that every record of a stream is held against.

Drafts 2020-12, 2019-09 and 07 are read; formats are asserted. `columns:` is a shorthand, and `nullable: true` is
understood as OpenAPI 3.0 means it. References must point into the document: nothing is fetched.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import msgspec

from shared.common.documents import read_json_document, read_yaml
from shared.common.errors import Misconfigured, unknown
from shared.contracts.columns import DIALECT, Column, columns_of, resolve, schema_from_columns, wrong_digits

DIALECTS = (
    DIALECT,
    "https://json-schema.org/draft/2019-09/schema",
    "http://json-schema.org/draft-07/schema",
)

_VALUES = frozenset({"enum", "const", "default", "examples", "example"})
"""Keywords whose content is data, not a schema."""
_MAPS = frozenset({"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"})
"""Keywords whose content is schemas by name."""


@dataclass(frozen=True, eq=False)
class Contract:
    """A schema with its name (the stream's) and version; equal when name, version and digest are.

    Make it with `from_schema`, `from_columns` or `from_text`. The schema must not be changed afterwards.
    """

    name: str
    schema: Mapping[str, Any]
    declared_version: str = ""

    @classmethod
    def from_schema(cls, schema: Mapping[str, Any], *, name: str = "", version: str = "") -> Contract:
        """A contract from a JSON Schema document, whose root must be an object.

        Raises `Misconfigured` for another dialect or another root. Whether each keyword is used rightly is checked
        when the validator is compiled (`Validator.for_contract`).
        """
        dialect = schema.get("$schema", DIALECT)
        if not isinstance(dialect, str) or dialect.rstrip("#") not in DIALECTS:
            raise unknown("JSON Schema dialect", str(dialect), DIALECTS, contract=name)
        normal = _normalize(dict(schema))
        normal.setdefault("$schema", DIALECT)
        root = resolve(normal, normal)
        kind = root.get("type", "object")
        if kind not in ("object", ["object"]):
            raise Misconfigured(
                f"a contract describes records, but its root has type {kind}",
                hint="write type: object",
                contract=name,
            )
        if root is normal:
            normal["type"] = "object"
        for column in columns_of(normal):
            if wrong := wrong_digits(column.precision, column.scale):
                raise Misconfigured(f'"{column.name}": x-{wrong}', contract=name)
        return cls(name, normal, version or str(schema.get("x-version", "")))

    @classmethod
    def from_columns(cls, columns: Mapping[str, Any], *, name: str = "", version: str = "") -> Contract:
        """A contract from the shorthand: name -> type, or name -> {type, nullable, enum, description, …}."""
        return cls.from_schema(schema_from_columns(columns), name=name, version=version)

    @classmethod
    def from_document(cls, document: Any, *, name: str = "", version: str = "", file: str = "") -> Contract:
        """A contract from plain data: a JSON Schema, or an object whose `columns` hold the shorthand."""
        if not isinstance(document, dict):
            raise Misconfigured("a contract is an object", hint="write a JSON Schema or columns:", file=file)
        if "columns" not in document or "properties" in document:
            return cls.from_schema(document, name=name, version=version)
        for key in document.keys() - {"columns", "version"}:
            raise unknown("key beside columns", key, ("columns", "version"), file=file)
        schema = schema_from_columns(document["columns"], file=file)
        return cls.from_schema(schema, name=name, version=version or str(document.get("version", "")))

    @classmethod
    def from_text(cls, text: str | bytes, *, file: str, name: str = "", version: str = "") -> Contract:
        """A contract from the text of a JSON or YAML file; `file` is its name, for messages."""
        if file.endswith((".yml", ".yaml")):
            document = read_yaml(text, file=file).data
        else:
            try:
                document = msgspec.json.decode(text)
            except (msgspec.DecodeError, UnicodeDecodeError):  # read again, for the place of the error
                document = read_json_document(text, file=file).data
        return cls.from_document(document, name=name, version=version, file=file)

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hex) of the schema as canonical JSON: the same for the same rules in whatever order."""
        return hashlib.sha256(msgspec.json.encode(self.schema, order="sorted")).hexdigest()

    @property
    def version(self) -> str:
        """The version its authors gave it (`version`, `x-version`), or the digest's first 12 digits."""
        return self.declared_version or self.digest[:12]

    @cached_property
    def _columns(self) -> tuple[Column, ...]:
        return columns_of(self.schema)

    def columns(self) -> tuple[Column, ...]:
        """The top-level fields as columns, in the order in which they are written."""
        return self._columns

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Contract) and self._identity() == other._identity()

    def __hash__(self) -> int:
        return hash(self._identity())

    def _identity(self) -> tuple[str, str, str]:
        return self.name, self.version, self.digest


def _normalize(schema: Any) -> Any:
    """A copy in which `nullable: true` of OpenAPI 3.0 is a type and an enum with null."""
    if isinstance(schema, list):
        return [_normalize(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    normal: dict[str, Any] = {}
    for key, value in schema.items():
        if key in _MAPS and isinstance(value, dict):
            normal[key] = {name: _normalize(part) for name, part in value.items()}
        else:
            normal[key] = value if key in _VALUES else _normalize(value)
    if normal.get("nullable") is True and "type" in normal:
        del normal["nullable"]
        kinds = normal["type"] if isinstance(normal["type"], list) else [normal["type"]]
        normal["type"] = kinds if "null" in kinds else [*kinds, "null"]
        if isinstance(normal.get("enum"), list) and None not in normal["enum"]:
            normal["enum"] = [*normal["enum"], None]
    return normal
