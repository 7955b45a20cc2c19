"""A directory with a source that a small API serves, and ways to call the command line there."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from src.cli.app import sluice

ROOT = Path(__file__).parents[3]


def _shop() -> Any:
    spec = importlib.util.spec_from_file_location("cli_shop", Path(__file__).with_name("shop.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


shop_module = _shop()


@pytest.fixture
def shop() -> Iterator[Any]:
    with shop_module.Shop() as served:
        yield served


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shop: Any) -> Path:
    """We stand in a directory that has src/shop/source.yml; the settings are those of a fresh clone."""
    settle(tmp_path, shop.url)
    for name in (
        "ENVIRONMENT",
        "LANDING_URL",
        "WAREHOUSE_URL",
        "BUCKET_NAME",
        "API_KEY",
        "API_ENDPOINT",
        "SECRET_ID",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SHOP_TOKEN", shop_module.KEY)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def settle(folder: Path, url: str) -> None:
    (folder / "src" / "shop").mkdir(parents=True)
    (folder / "src" / "shop" / "source.yml").write_text(shop_module.SOURCE.format(url=url))


@pytest.fixture
def call(place: Path) -> Callable[..., Result]:
    """Call a command in this process."""

    def run(*arguments: str, answer: str | None = None) -> Result:
        return CliRunner().invoke(sluice, arguments, input=answer, prog_name="sluice")

    return run


@pytest.fixture
def start(place: Path) -> Callable[..., subprocess.Popen[str]]:
    """Start the command line in a process of its own."""

    def run(*arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "src.cli", *arguments],
            cwd=place,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return run


@pytest.fixture
def last_line() -> Callable[[str], Any]:
    """What a program gets from stdout: the JSON of its last line."""
    return lambda text: json.loads(text.splitlines()[-1])
