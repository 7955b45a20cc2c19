"""What is in the layers: their sizes, what is left out, and what each handler loads of them."""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from src.packaging.archive import digest
from src.packaging.build import BUILD, ROOT, Workshop
from src.packaging.recipe import Recipe
from src.sandbox import Sandbox
from tests.layers.conftest import Built

FUNCTIONS = sorted(Recipe.read(ROOT / "layers").functions)
ALL_OF_ONE_FUNCTION = 150e6
INGEST = 60e6
LIMIT = 250 * 2**20
"""Lambda's own: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html"""

DRIVERS = {"duckdb", "snowflake", "sqlalchemy", "psycopg", "pymysql", "cryptography"}
HEAVY = DRIVERS | {"slack_sdk", "boto3", "pydantic_settings"}
FIRST_RUN = {"requests", "pydantic", "msgspec"}
LIGHT = {"load": FIRST_RUN, "drop": FIRST_RUN}
"""What a handler does not load before its first event, besides HEAVY."""


def zipped(built: Built, app: str) -> int:
    said = json.loads((built.workshop.home / "manifest.json").read_text())
    layers = [said["layers"][f"{layer}-{built.target.arch}"] for layer in said["functions"][app]["layers"]]
    return sum(one["unzipped"] for one in [*layers, said["functions"][app]])


def test_everything_attached_to_one_function_fits_into_the_budget(built: Built) -> None:
    sizes = {app: zipped(built, app) for app in FUNCTIONS}

    assert {} == {app: size for app, size in sizes.items() if size > ALL_OF_ONE_FUNCTION}
    assert INGEST > sizes["ingest"]


def test_a_laptops_warehouse_and_the_tools_of_people_stay_out(any_built: Built) -> None:
    room = any_built.room("load")
    found = {path.name for path in (room.opt / "python").iterdir()}

    assert set() == found & {"duckdb", "click", "rich", "pip", "pytest", "pandas", "pyarrow", "numpy"}
    assert {"snowflake", "psycopg", "pymysql", "boto3", "src", "shared"} <= found
    code = {path.name for path in (room.opt / "python" / "src").iterdir()}
    assert set() == code & {
        "cli",
        "demo",
        "packaging",
        "testing.py",
        "invoke.py",
        "sandbox.py",
        "__init__.py",
    }


def test_every_source_of_the_repository_is_in_the_layer(any_built: Built) -> None:
    room = any_built.room("ingest")
    here, there = (
        {path.relative_to(top).as_posix(): path.read_bytes() for path in top.glob("src/*/source.yml")}
        for top in (ROOT, room.opt / "python")
    )

    assert here == there


@pytest.mark.parametrize("app", FUNCTIONS)
def test_a_handler_loads_nothing_heavy_before_its_first_event(any_built: Built, app: str) -> None:
    """And what it loads is all there: nothing else of this machine can be imported."""
    room = any_built.room(app)
    code = (
        f"import sys; sys.path[:0] = [{str(room.task)!r}, {str(room.opt / 'python')!r}]\n"
        f"import src.{app}.app\nprint(*sys.modules)"
    )
    done = subprocess.run(
        [room.interpreter.path, "-I", "-S", "-B", "-c", code], capture_output=True, text=True, check=False
    )

    assert "" == done.stderr
    assert set() == (HEAVY | LIGHT.get(app, set())) & {name.partition(".")[0] for name in done.stdout.split()}


@pytest.mark.parametrize("app", FUNCTIONS)
def test_what_a_function_imports_of_ours_later_is_there_too(any_built: Built, app: str) -> None:
    """Imports inside functions show when they run, which may be in production: these are found by reading."""
    room = any_built.room(app)
    tops = [room.task, room.opt / "python"]
    files = [path for top in tops for name in ("src", "shared") for path in (top / name).rglob("*.py")]
    nodes = [node for path in files for node in ast.walk(ast.parse(path.read_bytes()))]
    named = {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module}
    ours = {name.replace(".", "/") for name in named if name.partition(".")[0] in ("src", "shared")}

    assert [] == sorted(
        n for n in ours if not any((t / f"{n}.py").is_file() or (t / n).is_dir() for t in tops)
    )


def test_the_services_that_code_asks_for_are_in_the_layer(any_built: Built) -> None:
    """Botocore is cut down to them; the name of another one would be unknown in Lambda only."""
    calls = [
        service
        for path in (any_built.room("ingest").opt / "python" / "shared" / "aws").glob("*.py")
        for service in re.findall(r'client\(\s*"([a-z0-9-]+)"', path.read_text())
    ]
    data = any_built.room("ingest").opt / "python" / "botocore" / "data"

    assert {"s3", "secretsmanager"} <= set(calls)
    assert [] == [service for service in calls if not (data / service).is_dir()]


def test_versions_can_be_asked_for(any_built: Built) -> None:
    """By packages, and by scanners that look for known weaknesses."""
    room = any_built.room("load")
    code = (
        f"import sys; sys.path[:0] = [{str(room.opt / 'python')!r}]\n"
        "from importlib.metadata import distributions\n"
        "print(*sorted(f'{one.name.lower()}=={one.version}' for one in distributions()))"
    )
    done = subprocess.run(
        [room.interpreter.path, "-I", "-S", "-c", code], capture_output=True, text=True, check=True
    )
    said = json.loads((any_built.workshop.home / "manifest.json").read_text())["layers"]
    arch = any_built.target.arch
    packages = {**said[f"dependencies-{arch}"]["packages"], **said[f"warehouse-{arch}"]["packages"]}

    names = {re.sub(r"[-_.]+", "-", line.partition("==")[0]) for line in done.stdout.split()}
    assert set(packages) == names


def test_the_same_bytes_when_nothing_of_the_first_time_is_used(any_built: Built, tmp_path: Path) -> None:
    """Compiled anew, in another folder, from the same wheels: a deploy without changes changes nothing."""
    first = any_built.workshop
    cache = tmp_path / "build" / "cache"
    shutil.copytree(
        BUILD / "cache" / "wheels" / any_built.target.name, cache / "wheels" / any_built.target.name
    )
    again = Workshop(
        first.python, first.interpreter, lambda line: None, build=tmp_path / "build", out=tmp_path
    )
    name = f"dependencies-{any_built.target.arch}"
    layer = again.layers([any_built.target.arch], ["dependencies"])[name]

    assert digest(first.home / "layers" / f"{name}.zip") == layer.sha256


def test_a_package_that_is_missing_is_named(any_built: Built, tmp_path: Path) -> None:
    """Here, and not in production."""
    whole = any_built.room("ingest")
    shutil.copytree(whole.opt, tmp_path / "opt", copy_function=shutil.copyfile)
    shutil.rmtree(tmp_path / "opt" / "python" / "msgspec")
    lines = list[str]()
    with Sandbox(replace(whole, opt=tmp_path / "opt"), "ingest", {}, lines.append) as sandbox:
        done, _ = sandbox.invoke({})

    assert done.error is not None
    assert "Runtime.ImportModuleError" == done.error["errorType"]
    assert "Unable to import module 'src.ingest.app': No module named 'msgspec'" == done.error["errorMessage"]
