"""One JSON Schema 2020-12 contract per stream, derived from Recurly's OpenAPI file.

    python -m shared.recurly.contracts ../shared/data/recurly-openapi-v2021-02-25.yaml src/recurly/contracts

What carries over: names, types, and the date-time and decimal formats; amounts are decimals, so that money adds up.
What does not: prose; lengths, patterns and ranges, which the live API does not promise to keep; enums, because the API
adds values without notice (they become plain strings). The content model is open. The file marks nothing as nullable
while the live API answers null for whatever is not set, so everything but the key and the cursor may be null. A
component inside itself, or deeper than four components, is cut to an object of any shape.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from shared.common.errors import Misconfigured
from shared.recurly.streams import LISTINGS, VERSION, Listing

Schema = dict[str, Any]

_REF = "#/components/schemas/"
_RATIOS = frozenset({"rate", "proration_rate", "gateway_response_time"})  # as many digits as they like
_DEPTH = 4  # enough for an invoice's line item's tax's details; below, a subscription would weigh 230 KB


def derive(document: Mapping[str, Any], listing: Listing) -> Schema:
    """The contract of one stream: its key and cursor required and first, then the fields in the file's order."""
    components: Mapping[str, Any] = document["components"]["schemas"]
    if listing.schema not in components:
        raise Misconfigured(f"the OpenAPI file has no component {listing.schema}", stream=listing.stream)
    fields = _properties(components, _REF + listing.schema, ())
    fields.update({name: {"type": "string"} for name in listing.included})
    required = [key for key in (*listing.primary_key, listing.cursor_field) if key is not None]
    for key in required:
        _require(fields, key, stream=listing.stream)
    top = list(dict.fromkeys(key.split(".")[0] for key in required))
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"recurly {listing.stream} ({VERSION})",
        "type": "object",
        "required": top,
        "properties": {name: fields[name] for name in dict.fromkeys([*top, *fields])},
    }


def derive_all(document: Mapping[str, Any]) -> dict[str, Schema]:
    """The contracts of all streams by name."""
    return {listing.stream: derive(document, listing) for listing in LISTINGS}


def text_of(contract: Schema) -> str:
    """A contract as it is committed: the same bytes for the same contract."""
    return json.dumps(contract, indent=2, ensure_ascii=False) + "\n"


def _require(fields: Schema, key: str, *, stream: str) -> None:
    """Take null from a field (dotted path), and ask for it where it lies inside an object."""
    name, _, rest = key.partition(".")
    if name not in fields:
        raise Misconfigured(f'the OpenAPI file has no field "{key}"', stream=stream)
    inner = fields[name] = {**fields[name], "type": _without_null(fields[name].get("type"))}
    if rest:
        inner["required"] = [rest.partition(".")[0]]
        inner["properties"] = dict(inner["properties"])
        _require(inner["properties"], rest, stream=stream)


def _without_null(kinds: Any) -> Any:
    return kinds if isinstance(kinds, str) else next(kind for kind in kinds if kind != "null")


def _properties(components: Mapping[str, Any], ref: str, path: tuple[str, ...]) -> Schema:
    """The fields of a component, those of its parts first."""
    name = ref.removeprefix(_REF)
    return _fields(components, components[name], (*path, name))


def _fields(components: Mapping[str, Any], schema: Mapping[str, Any], path: tuple[str, ...]) -> Schema:
    fields: Schema = {}
    for part in schema.get("allOf", ()):
        if "$ref" in part:
            fields.update(_properties(components, part["$ref"], path))
        else:
            fields.update(_fields(components, part, path))
    for name, inner in schema.get("properties", {}).items():
        fields[name] = _nullable(components, inner, path)
        if inner.get("format") == "float" and name not in _RATIOS:
            fields[name]["format"] = "decimal"
    return fields


def _nullable(components: Mapping[str, Any], schema: Mapping[str, Any], path: tuple[str, ...]) -> Schema:
    contract = _convert(components, schema, path)
    return {**contract, "type": [contract["type"], "null"]}


def _convert(components: Mapping[str, Any], schema: Mapping[str, Any], path: tuple[str, ...]) -> Schema:
    if "$ref" in schema:  # OpenAPI 3.0: what stands beside a $ref does not count
        name = schema["$ref"].removeprefix(_REF)
        cut = name in path or (len(path) >= _DEPTH and _is_object(components[name]))
        return {"type": "object"} if cut else _convert(components, components[name], (*path, name))
    match schema.get("type"):
        case "array":
            return {"type": "array", "items": _convert(components, schema["items"], path)}
        case "string":
            form = schema.get("format")
            return (
                {"type": "string", "format": form} if form in ("date-time", "decimal") else {"type": "string"}
            )
        case "integer" | "number" | "boolean" as kind:
            return {"type": kind}
        case _:
            fields = _fields(components, schema, path)
            return {"type": "object", "properties": fields} if fields else {"type": "object"}


def _is_object(schema: Mapping[str, Any]) -> bool:
    return "properties" in schema or "allOf" in schema


def load_openapi(path: Path) -> dict[str, Any]:
    """Read the OpenAPI file (1 MB of YAML: the C loader where there is one)."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    with path.open(encoding="utf-8") as file:
        document: dict[str, Any] = yaml.load(file, Loader=loader)  # noqa: S506 - a safe loader either way  # nosec B506
    return document


def main(arguments: list[str]) -> int:
    if len(arguments) != 2:
        sys.stderr.write("usage: python -m shared.recurly.contracts OPENAPI_FILE FOLDER\n")
        return 2
    folder = Path(arguments[1])
    folder.mkdir(parents=True, exist_ok=True)
    contracts = derive_all(load_openapi(Path(arguments[0])))
    for stream, contract in contracts.items():
        (folder / f"{stream}.json").write_text(text_of(contract), encoding="utf-8")
    sys.stdout.write(f"{len(contracts)} contracts in {folder}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
