"""docs/add-a-source.md is true: its source and its test are taken out of the page and run."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from shared.ingestion.spec import SourceSpec, Stream

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/add-a-source.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
SOURCE = next(text for kind, text in BLOCKS if kind == "yaml")
TEST = next(text for kind, text in BLOCKS if kind == "python")


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


@pytest.mark.parametrize("model", [SourceSpec, Stream])
def test_every_key_is_explained(model: type[SourceSpec] | type[Stream]) -> None:
    """A key that is not on the page does not exist for its reader."""
    names = [field.alias or name for name, field in model.model_fields.items()]

    assert [] == [name for name in names if f"`{name}" not in PAGE]
