"""The API as an OpenAPI document, made from its operations.

python -m src.dispatch.openapi > docs/dispatch.openapi.json
"""

from __future__ import annotations

import json
import re
import sys
from typing import Any

from shared.orchestrator.configuration import type_of
from src.dispatch.answers import TITLES
from src.dispatch.api import OPERATIONS, ROOT
from src.dispatch.gate import KINDS
from src.dispatch.operation import Operation, Parameter
from src.dispatch.schemas import SCHEMAS
from src.dispatching import kinds

ALWAYS = (400, 401, 403, 503)
WRITING = (415,)


def openapi() -> dict[str, Any]:
    paths: dict[str, dict[str, Any]] = {}
    for one in OPERATIONS:
        paths.setdefault(ROOT + one.path, {})[one.method.lower()] = _operation(one)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Sluice dispatch",
            "version": "1",
            "description": "See and change a running dispatcher: docs/dispatch.md.",
        },
        "servers": [{"url": "http://127.0.0.1:8080"}],
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "schemas": {**SCHEMAS, **_typed()},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _typed() -> dict[str, Any]:
    """The settings of nodes with the types that this program knows."""
    known = kinds()
    found = {}
    for section, classes in (("input", known.inputs), ("process", known.processes)):
        schema = SCHEMAS[f"{section}_settings"]
        properties = {**schema["properties"], "type": {"enum": sorted(map(type_of, classes))}}
        found[f"{section}_settings"] = {**schema, "properties": properties}
    return found


def _operation(one: Operation) -> dict[str, Any]:
    names = re.findall(r"\{(\w+)\}", one.path)
    described: dict[str, Any] = {
        "operationId": _id(one),
        "summary": one.about,
        "parameters": [
            *({"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names),
            *map(_parameter, one.parameters),
        ],
        "responses": {str(one.status): _answer(one)},
    }
    if one.versioned:
        described["parameters"].append(
            {
                "name": "If-Match",
                "in": "header",
                "required": 428 in one.problems,
                "description": "The ETag of the version that the change was made on.",
                "schema": {"type": "string", "pattern": '^("[0-9]{1,17}"|\\*)$'},
            }
        )
    if one.body:
        content = {kind: {"schema": _ref(one.body)} for kind in KINDS}
        described["requestBody"] = {"required": True, "content": content}
    writing = WRITING if one.method != "GET" else ()
    for status in sorted({*ALWAYS, *writing, *one.problems}):
        content = {"application/problem+json": {"schema": _ref("problem")}}
        described["responses"][str(status)] = {"description": TITLES[status], "content": content}
    return described


def _answer(one: Operation) -> dict[str, Any]:
    kind, schema = (
        ("text/plain", {"type": "string"}) if one.answer == "text" else ("application/json", _ref(one.answer))
    )
    answer: dict[str, Any] = {"description": "As asked for.", "content": {kind: {"schema": schema}}}
    if one.answer == "document" and one.method == "GET":
        # As it was written, where Accept names that.
        answer["content"] |= {text: {"schema": {"type": "string"}} for text in KINDS if text != kind}
    if one.versioned or one.answer in ("document", "node"):
        answer["headers"] = {
            "ETag": {"description": "The version of the document.", "schema": {"type": "string"}}
        }
    return answer


def _parameter(one: Parameter) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"}
    if one.most:
        schema = {"type": "integer", "minimum": one.least, "maximum": one.most}
        schema["default"] = int(one.default)
    elif one.choices:
        schema = {"type": "string", "enum": list(one.choices)}
    elif one.required:
        schema = {"type": "string", "minLength": 1}
    return {
        "name": one.name,
        "in": "query",
        "required": one.required,
        "description": one.about,
        "schema": schema,
    }


def _id(one: Operation) -> str:
    """The name of an operation.

    >>> _id(Operation("POST", "/dead/{number}/retry", print, "", ""))
    'post_dead_number_retry'
    """
    return "_".join([one.method.lower(), *re.findall(r"\w+", one.path)])


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(openapi(), indent=2, ensure_ascii=False) + "\n")
