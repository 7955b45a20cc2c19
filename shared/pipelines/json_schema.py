"""The JSON Schemas of the YAML form and of shared defaults, made from their models: `python -m
shared.pipelines.json_schema` writes them to docs/.

Editors complete and check with it while somebody types. What needs more than one place to decide (names, circles,
references) only `sluice lint` tells.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema

from shared.pipelines.spec import DefaultsSpec, DefinitionSpec

DOCS = Path(__file__).parents[2] / "docs"
DIALECT = "https://json-schema.org/draft/2020-12/schema"


PUBLISHED: dict[str, tuple[str, type[BaseModel]]] = {
    "pipeline.schema.json": ("Pipeline definition", DefinitionSpec),
    "pipeline-defaults.schema.json": ("Shared defaults of pipelines", DefaultsSpec),
}
"""Title and model of each schema, by the name of its file."""


def json_schema(name: str = "pipeline.schema.json") -> dict[str, Any]:
    """A schema (2020-12): of a definition, or the one of this name."""
    title, model = PUBLISHED[name]
    made = model.model_json_schema(by_alias=True, schema_generator=_Generator)
    return {
        "$schema": DIALECT,
        "title": title,
        **{name: value for name, value in _tidy(made).items() if name != "title"},
    }


def text(name: str = "pipeline.schema.json") -> str:
    """The schema as it is published."""
    return json.dumps(json_schema(name), indent=1, ensure_ascii=False) + "\n"


class _Generator(GenerateJsonSchema):
    """Without the titles that repeat the names of keys."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


_LEFT_OUT = {"title", "discriminator"}  # the discriminator is OpenAPI's; `const` in the choices says the same


def _tidied(name: str, value: Any) -> Any:
    match name:
        case "description" if isinstance(value, str):
            return " ".join(value.split())
        case "$ref":
            return value.replace("Spec", "")
        case "properties":  # its keys are names of ours, not words of JSON Schema
            return {key: _tidy(item) for key, item in value.items()}
    return _tidy(value)


def _tidy(node: Any) -> Any:
    """Descriptions on one line, classes without their `Spec`, references along."""
    match node:
        case dict():
            return {
                name.replace("Spec", ""): _tidied(name, item)
                for name, item in node.items()
                if name not in _LEFT_OUT
            }
        case list():
            return [_tidy(item) for item in node]
    return node


if __name__ == "__main__":
    for name in PUBLISHED:
        (DOCS / name).write_text(text(name), encoding="utf-8")
