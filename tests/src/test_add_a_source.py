"""docs/add-a-source.md is true: its source and its test are taken out of the page and run."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from shared.ingestion.drift_mode import ContractMode, Mode
from shared.ingestion.spec import Follow, Incremental, Parent, Reconcile, SourceSpec, Stream
from shared.ingestion.window import Bounds, TimeFormat
from shared.rest.auth import Auth
from shared.rest.limit import RateLimit
from shared.rest.pagination import Pagination
from shared.rest.retry import Retry

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/add-a-source.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
SOURCE = next(text for kind, text in BLOCKS if kind == "yaml")
TEST = next(text for kind, text in BLOCKS if kind == "python")


def choices(union: Any) -> list[type[BaseModel]]:
    """The models of a discriminated union."""
    return list(get_args(get_args(union)[0]))


def code_lines(text: str) -> int:
    return len([line for line in text.splitlines() if line.strip()])


def test_a_source_of_three_streams_is_small() -> None:
    """At most 40 lines of YAML and 10 of test, and no Python beside."""
    assert code_lines(SOURCE) <= 40
    assert code_lines(TEST) <= 10
    assert 3 == len(re.findall(r"^  \w+:$", SOURCE.partition("streams:")[2], re.MULTILINE))


def test_the_example_of_the_page_passes_its_own_test(tmp_path: Path) -> None:
    """As it is printed, in a repository of its own."""
    for path, text in (("src/shop/source.yml", SOURCE), ("tests/src/shop/test_shop.py", TEST)):
        (tmp_path / path).parent.mkdir(parents=True)
        (tmp_path / path).write_text(text)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
        capture_output=True,
        check=False,
        text=True,
    )

    assert 0 == done.returncode, done.stdout + done.stderr
    assert "13 passed" in done.stdout


def keys(model: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]


@pytest.mark.parametrize(
    "model", [SourceSpec, Stream, Incremental, Parent, Follow, Reconcile, ContractMode, RateLimit, Retry]
)
def test_every_key_is_explained(model: type[BaseModel]) -> None:
    """A key that is not on the page does not exist for its reader."""
    assert [] == [name for name in keys(model) if f"`{name}" not in PAGE]


@pytest.mark.parametrize("style", choices(Pagination))
def test_every_option_of_a_pagination_is_in_its_row_with_its_default(style: type[BaseModel]) -> None:
    """The row is all that one reads."""
    kind = style.model_fields["type"].annotation
    row = next(line for line in PAGE.splitlines() if line.startswith(f"| `{get_args(kind)[0]}` |"))
    defaults = {name: field.default for name, field in style.model_fields.items() if name != "type"}

    assert [] == [name for name in keys(style) if name != "type" and f"`{name}" not in row]
    told = [style.model_fields[name].alias or name for name, default in defaults.items()]
    assert [] == [
        name
        for name, default in zip(told, defaults.values(), strict=True)
        if isinstance(default, str | int) and not isinstance(default, bool) and default != "empty"
        if f"`{name}: {default}`" not in row
    ]


@pytest.mark.parametrize("style", choices(Auth))
def test_every_option_of_a_credential_is_explained(style: type[BaseModel]) -> None:
    """With the kinds of credentials themselves."""
    assert [] == [name for name in keys(style) if f"`{name}" not in PAGE]
    assert f"`{get_args(style.model_fields['type'].annotation)[0]}`" in PAGE


@pytest.mark.parametrize("word", [*Bounds, *TimeFormat, *Mode])
def test_every_value_of_a_choice_is_explained(word: str) -> None:
    """Of `bounds`, `format` and `contract_mode`."""
    assert f"`{word}`" in PAGE


def test_the_defaults_of_incremental_are_those_of_the_page() -> None:
    """As it says: 60 s before now, no look-back, one window at a time, inclusive, RFC 3339."""
    usual = Incremental()

    assert (60.0, 0.0, 1) == (usual.lag.total_seconds(), usual.look_back.total_seconds(), usual.concurrency)
    assert (Bounds.INCLUSIVE, TimeFormat.RFC3339, "time") == (usual.bounds, usual.format, usual.by)
    assert usual.ascending
