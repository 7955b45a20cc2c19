"""The published schema is the one the models make, and agrees with the reader."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from shared.pipelines.json_schema import DOCS, PUBLISHED, json_schema, text

EVERY_KEY = yaml.safe_load(Path(__file__).with_name("every_key.yaml").read_text())


def schema_accepts(data: Any) -> bool:
    plain = json.loads(json.dumps(data, default=str))
    return bool(jsonschema.Draft202012Validator(json_schema()).is_valid(plain))


@pytest.mark.parametrize("name", sorted(PUBLISHED))
def test_the_published_schema_is_up_to_date_and_a_schema(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(json_schema(name))

    assert text(name) == (DOCS / name).read_text(encoding="utf-8")


def test_what_the_reader_takes_the_schema_takes(samples: Path) -> None:
    assert schema_accepts(EVERY_KEY)
    for path in (samples / "definitions").glob("*.yaml"):
        assert schema_accepts(yaml.safe_load(path.read_text())), path


def test_every_key_of_the_schema_is_in_the_example() -> None:
    known = json_schema()["$defs"]
    used = json.dumps(EVERY_KEY, default=str)
    left_out = {"table_name", "transformation_file", "query_file", "path", "url", "stream"}

    lacking = {
        f"{name}.{key}"
        for name, one in known.items()
        for key in one.get("properties", {})
        if f'"{key}"' not in used and key not in left_out
    }
    assert set() == lacking


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"stesp": []}, "pipeline"),
        ({"type": "wiat"}, "step"),
        ({"sourc": "x"}, "step"),
        ({"retries": "many"}, "step"),
        ({"name": ""}, "step"),
    ],
)
def test_what_is_misspelt_the_schema_refuses(change: dict[str, Any], where: str) -> None:
    data = json.loads(json.dumps(EVERY_KEY, default=str))
    place = data["pipeline"] if where == "pipeline" else data["pipeline"]["steps"][0]
    place |= change

    assert not schema_accepts(data)
