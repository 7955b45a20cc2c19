"""The zips of a small repository: what is where, the same bytes twice, and the manifest."""

from __future__ import annotations

import importlib.util
import json
import marshal
import shutil
from pathlib import Path

import pytest

from shared.common.errors import Misconfigured
from src.packaging.archive import digest, read_zip
from src.packaging.build import Workshop, home_of
from src.packaging.interpreter import find_interpreter
from src.packaging.target import running_python

FILES = {
    "layers/code.yml": "description: code\nfiles: [shared/**/*.py, src/*.py]\nwithout: [src/__init__.py]",
    "layers/functions.yml": "functions: {load: {layers: [code]}}",
    "shared/__init__.py": '"""Shared."""\n',
    "shared/a.py": "KINDS = frozenset({'a', 'b', 'c'})\nWHERE = __file__\n",
    "src/__init__.py": "",
    "src/config.py": "import shared.a\n",
    "src/load/__init__.py": "",
    "src/load/app.py": "def handler(event, context): return event\n",
    "src/load/broken.py": "def (\n",
    "Pipfile.lock": '{"default": {}, "develop": {}}',
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        path = tmp_path / "repository" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "repository"


def workshop(root: Path, *, bytecode: bool = True) -> Workshop:
    python = running_python()
    interpreter = find_interpreter(python) if bytecode else None
    return Workshop(python, interpreter, lambda line: None, root=root, build=root / "build")


def test_a_layer_lies_where_lambda_looks_for_it_and_a_function_has_its_own_folder_only(root: Path) -> None:
    shop = workshop(root, bytecode=False)
    shop.layers(["arm64"])
    shop.functions()
    layer, function = (read_zip(shop.home / path) for path in ("layers/code-arm64.zip", "functions/load.zip"))

    assert ["python/shared/__init__.py", "python/shared/a.py", "python/src/config.py"] == list(layer)
    assert ["src/load/__init__.py", "src/load/app.py", "src/load/broken.py"] == list(function)


def test_bytecode_says_where_it_runs_and_is_never_checked(root: Path) -> None:
    """The flag is PEP 552's: 1 is unchecked. What cannot be compiled is left to who imports it."""
    shop = workshop(root)
    shop.functions()
    entries = read_zip(shop.home / "functions" / "load.zip")
    tag = f"cpython-{running_python().replace('.', '')}"
    code = entries[f"src/load/__pycache__/app.{tag}.pyc"]

    assert importlib.util.MAGIC_NUMBER == code[:4]
    assert 1 == int.from_bytes(code[4:8], "little")
    assert "/var/task/src/load/app.py" == marshal.loads(code[16:]).co_filename  # noqa: S302  # our own
    assert f"src/load/__pycache__/broken.{tag}.pyc" not in entries


def test_the_same_bytes_twice_whatever_the_folder_and_the_dates(root: Path, tmp_path: Path) -> None:
    other = tmp_path / "elsewhere"
    shutil.copytree(root, other, copy_function=shutil.copyfile)
    first, second = ({**shop.layers(["arm64"]), **shop.functions()} for shop in map(workshop, (root, other)))

    assert {n: a.sha256 for n, a in first.items()} == {n: a.sha256 for n, a in second.items()}


def test_a_layer_of_code_is_the_same_for_both_processors(root: Path) -> None:
    built = workshop(root).layers(["arm64", "x86_64"])

    assert built["code-arm64"].sha256 == built["code-x86_64"].sha256


def test_the_manifest_says_what_was_built(root: Path) -> None:
    shop = workshop(root)
    shop.layers(["arm64"])
    shop.functions()
    said = json.loads((shop.home / "manifest.json").read_text())
    function = said["functions"]["load"]
    path = shop.home / function["file"]

    assert (digest(path), path.stat().st_size) == (function["sha256"], function["bytes"])
    assert ("src.load.app.handler", ["code"]) == (function["handler"], function["layers"])
    assert ["code-arm64"] == list(said["layers"])
    assert (running_python(), shop.interpreter and shop.interpreter.version) == (
        said["python"],
        said["bytecode"],
    )


def test_a_folder_that_a_function_names_is_in_its_zip_too(root: Path) -> None:
    (root / "layers/functions.yml").write_text("functions: {load: {layers: [code], also: [weave]}}")
    (root / "src/weave").mkdir()
    (root / "src/weave/place.py").write_text("")
    shop = workshop(root, bytecode=False)
    shop.functions()

    assert {"src/load/app.py", "src/weave/place.py"} <= set(read_zip(shop.home / "functions" / "load.zip"))


def test_a_function_without_an_app_is_told(root: Path) -> None:
    (root / "src/load/app.py").unlink()
    with pytest.raises(Misconfigured, match=r"there is no src/load/app\.py"):
        workshop(root).functions()


def test_the_python_that_is_deployed_has_the_stable_paths() -> None:
    assert (Path("build"), Path("build/python3.11")) == (
        home_of("3.13", Path("build")),
        home_of("3.11", Path("build")),
    )
