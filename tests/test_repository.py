"""The repository itself: what may lie where, and what no file may contain."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TOP_LEVEL = {
    "Makefile",
    "Pipfile",
    "Pipfile.lock",
    "README.md",
    "benchmarks",
    "deploy",
    "docs",
    "env.example",
    "events",
    "layers",
    "pyproject.toml",
    "shared",
    "src",
    "tests",
}

# In pieces, because this file is searched as well.
REGISTRIES = [
    first + second
    for first, second in [
        ("pypi", ".org"),
        ("python", "hosted.org"),
        ("registry.npm", "js.org"),
        ("deb.", "debian.org"),
        ("repo.maven.", "apache.org"),
        ("proxy.", "golang.org"),
        ("crates", ".io"),
    ]
]
MACHINE_PATH = re.compile(r"(?<![\w.}$*-])/(?:work/|root/|home/\w+|Users/\w+|opt/(?:pypi|wheels)\b)")


@cache
def tracked() -> tuple[str, ...]:
    """The files that git knows and that are there."""
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False, text=True)
    if listing.returncode != 0:
        pytest.skip("not a git checkout")
    return tuple(name for name in listing.stdout.split("\0") if name and (ROOT / name).is_file())


def found(pattern: re.Pattern[str]) -> list[str]:
    """`file:line: text` for every line of a tracked file in which the pattern occurs."""
    return [
        f"{name}:{number}: {line.strip()[:200]}"
        for name in tracked()
        for number, line in enumerate((ROOT / name).read_text("utf-8", errors="replace").splitlines(), 1)
        if pattern.search(line)
    ]


def test_no_file_names_the_host_of_a_registry() -> None:
    """Where packages come from is a setting of the machine: a mirror must not need an edit."""
    hosts = re.compile("|".join(re.escape(host) for host in REGISTRIES), re.IGNORECASE)

    assert [] == found(hosts)


def test_no_file_names_a_place_on_one_machine() -> None:
    """What works in one home directory only does not work."""
    assert [] == found(MACHINE_PATH)


@pytest.mark.parametrize(
    "path", ["/wo" + "rk/main/x", "see /ho" + "me/ada", '"/ro' + 'ot/.cache"', "/Us" + "ers/ada"]
)
def test_a_place_on_one_machine_is_recognized(path: str) -> None:
    """A check that finds nothing must be able to find something."""
    assert MACHINE_PATH.search(path)


@pytest.mark.parametrize(
    "path", ["/sites/{id}/work/items", "/workers", "/tmp/x", "/opt/python", "/home", "$ROOT/work/"]
)
def test_other_paths_are_left_alone(path: str) -> None:
    """Paths of an API, and the directories of Lambda, are the same everywhere."""
    assert not MACHINE_PATH.search(path)


def test_init_files_hold_a_docstring_and_nothing_else() -> None:
    """A room is imported file by file, so that nothing heavy comes along."""
    wrong = []
    for name in tracked():
        if name.endswith("__init__.py") and name.startswith(("shared/", "src/")):
            body = ast.parse((ROOT / name).read_text("utf-8")).body
            if body and not (len(body) == 1 and ast.get_docstring(ast.Module(body, type_ignores=[]))):
                wrong.append(name)

    assert [] == wrong


def test_every_room_says_what_it_is_for() -> None:
    """A package of shared/ without a docstring has no reason to be there."""
    rooms = [name for name in tracked() if re.fullmatch(r"shared/(\w+/)?__init__\.py", name)]
    silent = [name for name in rooms if not ast.get_docstring(ast.parse((ROOT / name).read_text("utf-8")))]

    assert rooms
    assert [] == silent


def test_the_top_level_holds_only_what_it_should() -> None:
    """A newcomer sees the whole house at once; tools keep to dot-files."""
    top = {name.split("/")[0] for name in tracked()}

    assert set() == {name for name in top if not name.startswith(".")} - TOP_LEVEL


def test_the_lock_comes_from_one_index_that_is_a_variable() -> None:
    """Every package is named by version and hash, and none by a folder or an address."""
    lock = json.loads((ROOT / "Pipfile.lock").read_text("utf-8"))
    packages = {**lock["default"], **lock["develop"]}

    assert [{"name": "pypi", "url": "${SLUICE_INDEX_URL}", "verify_ssl": True}] == lock["_meta"]["sources"]
    assert [] == [
        name for name, entry in packages.items() if not entry.get("hashes") or not entry.get("version")
    ]
    assert [] == [name for name, entry in packages.items() if entry.keys() & {"file", "path", "git", "url"}]


def test_the_lock_has_one_version_of_a_package() -> None:
    """What is tested is what runs."""
    lock = json.loads((ROOT / "Pipfile.lock").read_text("utf-8"))
    both = lock["default"].keys() & lock["develop"].keys()

    assert [] == [
        name for name in both if lock["default"][name]["version"] != lock["develop"][name]["version"]
    ]


def test_make_help_lists_every_verb() -> None:
    """The Makefile is the front door, and help is the sign on it."""
    makefile = (ROOT / "Makefile").read_text("utf-8")
    declared = re.search(r"^\.PHONY: (.+)$", makefile, re.MULTILINE)
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    shown = subprocess.run(
        ["make", "help"], cwd=ROOT, env=clean, capture_output=True, check=True, text=True
    ).stdout

    assert declared
    assert set(declared[1].split()) == set(re.findall(r"^ +make ([\w-]+)  +\S", shown, re.MULTILINE))
