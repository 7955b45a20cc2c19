"""What of a wheel goes into a zip: what runs, and enough of its papers for those who ask for versions."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from shared.common.errors import Misconfigured
from src.packaging.contents import of_folder, of_repository, of_wheel
from src.packaging.recipe import LayerSpec
from src.packaging.wheels import Wheel

METADATA = """Metadata-Version: 2.1
Name: thing
Version: 1.0
Author: somebody
Requires-Dist: other>=1

Long text.
"""


def wheel(folder: Path, files: dict[str, str]) -> Wheel:
    path = folder / "thing-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return Wheel("thing", "1.0", path, "00")


def test_suites_stubs_and_papers_stay_out(tmp_path: Path) -> None:
    files = dict.fromkeys(
        [
            *(
                "thing/__init__.py",
                "thing/docs/code.py",
                "thing/data.json",
                "thing/_c.abi3.so",
                "thing.libs/libq.so.1",
            ),
            *("thing/tests/test_a.py", "thing/a.pyi", "thing/py.typed", "thing/a.c", "thing/README.md"),
            *("thing-1.0.dist-info/RECORD", "thing-1.0.dist-info/WHEEL", "thing-1.0.data/scripts/thing"),
        ],
        "",
    )
    found = of_wheel(wheel(tmp_path, files))

    kept = [
        "thing.libs/libq.so.1",
        "thing/__init__.py",
        "thing/_c.abi3.so",
        "thing/data.json",
        "thing/docs/code.py",
    ]
    assert kept == sorted(found)


def test_the_purelib_of_a_wheel_is_installed_at_its_top(tmp_path: Path) -> None:
    assert ["thing/a.py"] == list(of_wheel(wheel(tmp_path, {"thing-1.0.data/purelib/thing/a.py": ""})))


def test_name_version_and_entry_points_can_still_be_asked_for(tmp_path: Path) -> None:
    """importlib.metadata.version is asked by packages, METADATA by scanners."""
    files = {"thing-1.0.dist-info/METADATA": METADATA, "thing-1.0.dist-info/entry_points.txt": "[a]\nb = c\n"}
    found = of_wheel(wheel(tmp_path, files))

    assert "Metadata-Version: 2.1\nName: thing\nVersion: 1.0\nRequires-Dist: other>=1\n" == (
        found["thing-1.0.dist-info/METADATA"].decode()
    )
    assert "thing-1.0.dist-info/entry_points.txt" in found


def test_the_folder_of_a_source_is_taken_whole(tmp_path: Path) -> None:
    for name in ("src/acme/source.yml", "src/acme/contracts/a.json", "src/acme/.env", "src/other/app.py"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    (tmp_path / "src/acme/__pycache__").mkdir()
    (tmp_path / "src/acme/__pycache__/hooks.cpython-311.pyc").write_text("")
    spec = LayerSpec(description="x", folders_with="source.yml")

    assert ["src/acme/contracts/a.json", "src/acme/source.yml"] == list(of_repository(tmp_path, spec))
    assert ["src/other/app.py"] == list(of_folder(tmp_path, "src/other"))


def test_an_empty_layer_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="would be empty"):
        of_repository(tmp_path, LayerSpec(description="x", files=("nothing/*.py",)))
