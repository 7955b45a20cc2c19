"""The files of layers/: read with their faults told, and those of this repository as they must be."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.common.errors import Misconfigured
from src.invoke import apps
from src.packaging.recipe import LayerSpec, Recipe

ROOT = Path(__file__).parents[3]


def written(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / f"{name}.yml").write_text(text)
    return folder


def test_every_app_has_its_line() -> None:
    """An app without one would never be deployed."""
    assert apps() == sorted(Recipe.read(ROOT / "layers").functions)


def test_a_function_without_the_layer_of_its_code_cannot_be() -> None:
    for function in Recipe.read(ROOT / "layers").functions.values():
        assert {"dependencies", "shared", "config"} <= set(function.layers)


def test_src_is_a_namespace_that_layers_and_functions_fill() -> None:
    """A file src/__init__.py in one of the zips would hide what the others have."""
    text = (ROOT / "src" / "__init__.py").read_text()

    assert not Recipe.read(ROOT / "layers").layers["shared"].holds("src/__init__.py")
    assert 1 == text.count("\n"), "src/__init__.py is left out of the zips, so it may hold a docstring only"


def test_patterns_are_those_of_glob() -> None:
    spec = LayerSpec(
        description="x", packages=("a",), without=("a/*/b.py", "data/**", "**/c"), keep=("data/s3/**",)
    )
    held = [
        spec.holds(path)
        for path in ("a/b.py", "a/x/b.py", "a/x/y/b.py", "data/s4/x", "data/s3/x", "c", "d/e/c")
    ]

    assert [True, False, True, False, True, False, False] == held


def test_an_unknown_layer_is_told_with_its_line(tmp_path: Path) -> None:
    written(
        tmp_path, code="description: x\nfiles: [a]", functions="functions:\n  load:\n    layers: [code, cod]"
    )
    with pytest.raises(Misconfigured, match='unknown layer "cod"') as caught:
        Recipe.read(tmp_path)

    assert "functions.yml:3:20" in str(caught.value.where["file"])
    assert 'did you mean "code"?' in caught.value.hint


def test_a_layer_of_nothing_is_refused(tmp_path: Path) -> None:
    written(tmp_path, code="description: x")
    with pytest.raises(Misconfigured, match="either packages, or files"):
        Recipe.read(tmp_path)


def test_six_layers_are_more_than_lambda_takes(tmp_path: Path) -> None:
    written(tmp_path, functions="functions: {load: {layers: [a, b, c, d, e, f]}}")
    with pytest.raises(Misconfigured, match=r"functions\.yml"):
        Recipe.read(tmp_path)
