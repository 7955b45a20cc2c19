"""docs/dispatch.openapi.json, which must be what the code says."""

from __future__ import annotations

import json
from pathlib import Path

from openapi_spec_validator import validate

from src.dispatch.openapi import openapi

FILE = Path(__file__).parents[3] / "docs/dispatch.openapi.json"


def test_the_file_is_what_the_code_says() -> None:
    """When it is not: .venv/bin/python -m src.dispatch.openapi > docs/dispatch.openapi.json."""
    assert json.loads(FILE.read_text(encoding="utf-8")) == openapi()


def test_it_is_good_openapi() -> None:
    validate(openapi())
