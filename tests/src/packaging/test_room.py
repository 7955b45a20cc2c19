"""Laying built zips out: what is not built, or changed since, is told with the command that builds it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from shared.common.errors import Misconfigured
from src.packaging.archive import digest, write_zip
from src.packaging.room import lay_out, read_manifest, unpack
from src.packaging.target import Target, machine_arch, running_python

HERE = Target.here()


def test_without_zips_the_command_is_told(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="no layers are built") as caught:
        read_manifest(tmp_path, Target("3.12", "arm64"))

    assert 'make layers package ARGS="--python 3.12"' == caught.value.hint


def test_a_zip_that_was_changed_is_not_run(tmp_path: Path) -> None:
    """What was tested is what is deployed."""
    path = tmp_path / "functions" / "load.zip"
    write_zip(path, {"src/load/app.py": b""})
    functions = {
        "load": {
            "file": "functions/load.zip",
            "sha256": digest(path),
            "layers": [],
            "handler": "src.load.app.handler",
        }
    }
    (tmp_path / "manifest.json").write_text(json.dumps({"layers": {}, "functions": functions}))
    write_zip(path, {"src/load/app.py": b"changed"})
    with pytest.raises(Misconfigured, match="its sha256 is not in the manifest"):
        lay_out("load", HERE, tmp_path / "room", home=tmp_path)


def test_an_unknown_function_lists_those_that_are_built(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text(json.dumps({"layers": {"a": {}}, "functions": {"load": {}}}))
    with pytest.raises(Misconfigured, match='unknown function "laod"') as caught:
        lay_out("laod", HERE, tmp_path / "room", home=tmp_path)

    assert 'did you mean "load"?' in caught.value.hint


def test_a_later_layer_goes_over_an_earlier_one(tmp_path: Path) -> None:
    """As Lambda merges them."""
    write_zip(tmp_path / "1.zip", {"python/a": b"1", "python/b": b"1"})
    write_zip(tmp_path / "2.zip", {"python/b": b"2"})
    unpack([tmp_path / "1.zip", tmp_path / "2.zip"], tmp_path / "opt")

    assert (b"1", b"2") == tuple((tmp_path / "opt" / "python" / name).read_bytes() for name in "ab")


def test_a_python_that_is_not_there_is_told_with_the_way_out(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    other = next(version for version in ("3.11", "3.12", "3.13") if version != running_python())
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    with pytest.raises(Misconfigured, match=f"there is no Python {other} on this machine"):
        lay_out("load", Target(other, machine_arch()), tmp_path / "room", home=tmp_path)
