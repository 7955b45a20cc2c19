"""Wheels by the hashes of a lock: real pip, with an index that is a folder of wheels made here."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from shared.common.errors import Misconfigured, Transient
from src.packaging.lock import Lock
from src.packaging.target import Target
from src.packaging.wheels import Shelf

ARM = Target("3.13", "arm64")


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An index that pip is configured to use instead of its own."""
    folder = tmp_path / "index"
    folder.mkdir()
    for name in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "SLUICE_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def put(
    index: Path, name: str, *, tag: str = "py3-none-any", requires: tuple[str, ...] = (), text: str = ""
) -> str:
    path = index / f"{name}-1.0-{tag}.whl"
    lines = "".join(f"Requires-Dist: {one}\n" for one in requires)
    files = {
        f"{name}/__init__.py": text,
        f"{name}-1.0.dist-info/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n{lines}",
        f"{name}-1.0.dist-info/WHEEL": f"Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: {tag}\n",
        f"{name}-1.0.dist-info/RECORD": "",
    }
    with zipfile.ZipFile(path, "w") as archive:
        for inner, content in files.items():
            archive.writestr(inner, content)
    return f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"


@pytest.fixture
def shelf(tmp_path: Path) -> Callable[..., Shelf]:
    def make(target: Target = ARM, **hashes: list[str]) -> Shelf:
        default = {name: {"version": "==1.0", "hashes": some} for name, some in hashes.items()}
        lock = tmp_path / "Pipfile.lock"
        lock.write_text(json.dumps({"default": default, "develop": {}}))
        return Shelf(Lock.read(lock), target, tmp_path / "wheels", tell=told.append)

    told = list[str]()
    return make


def test_what_a_package_needs_on_the_target_comes_along(index: Path, shelf: Callable[..., Shelf]) -> None:
    """Markers are those of the target: this machine is no arm64, and has another Python."""
    one = put(index, "one", requires=("two; platform_machine == 'aarch64'", "nt; sys_platform == 'win32'"))
    two = put(index, "two", requires=("three; extra == 'fast'",))
    found = shelf(one=[one], two=[two]).closure(["one"], wanted_by="test")

    assert ["one", "two"] == list(found)


def test_an_extra_brings_what_it_names(index: Path, shelf: Callable[..., Shelf]) -> None:
    one = put(index, "one", requires=("two; extra == 'fast'", "slow; extra == 'slow'"))
    two = put(index, "two", requires=("one",))  # a circle

    assert ["one", "two"] == list(shelf(one=[one], two=[two]).closure(["one[fast]"], wanted_by="test"))


def test_the_wheel_of_the_processor_is_chosen(index: Path, shelf: Callable[..., Shelf]) -> None:
    tags = [
        f"cp313-cp313-manylinux_2_{glibc}_{machine}"
        for glibc in (17, 28)
        for machine in ("aarch64", "x86_64")
    ]
    hashes = [put(index, "one", tag=tag, text=tag) for tag in tags]
    found = shelf(one=hashes).closure(["one"], wanted_by="test")["one"]

    assert "one-1.0-cp313-cp313-manylinux_2_28_aarch64.whl" == found.path.name


def test_a_wheel_with_another_hash_is_refused(index: Path, shelf: Callable[..., Shelf]) -> None:
    """Whoever can write to the index cannot get into a function."""
    put(index, "one")
    with pytest.raises(Transient, match=r"pip could not fetch.*(hash|HASH)"):
        shelf(one=["sha256:" + "0" * 64]).closure(["one"], wanted_by="test")


def test_a_wheel_in_the_cache_is_looked_at_as_well(
    index: Path, shelf: Callable[..., Shelf], tmp_path: Path
) -> None:
    true = put(index, "one")
    shelf(one=[true]).closure(["one"], wanted_by="test")
    kept = next((tmp_path / "wheels" / ARM.name).glob("*.whl"))
    kept.write_bytes(kept.read_bytes() + b"!")
    found = shelf(one=[true]).closure(["one"], wanted_by="test")["one"]

    assert true == f"sha256:{hashlib.sha256(found.path.read_bytes()).hexdigest()}"


def test_what_is_there_is_not_fetched_again(index: Path, shelf: Callable[..., Shelf]) -> None:
    true = put(index, "one")
    shelf(one=[true]).closure(["one"], wanted_by="test")
    (index / "one-1.0-py3-none-any.whl").unlink()

    assert ["one"] == list(shelf(one=[true]).closure(["one"], wanted_by="test"))


def test_a_package_that_the_lock_lacks_is_told_with_who_wants_it(
    index: Path, shelf: Callable[..., Shelf]
) -> None:
    one = put(index, "one", requires=("two",))
    with pytest.raises(Misconfigured, match='unknown package "two"') as caught:
        shelf(one=[one]).closure(["one"], wanted_by="layers/x.yml")

    assert "layers/x.yml" == caught.value.where["wanted_by"]


def test_a_source_distribution_is_never_built(index: Path, shelf: Callable[..., Shelf]) -> None:
    (index / "one-1.0.tar.gz").write_bytes(b"")
    with pytest.raises(Transient, match="pip could not fetch") as caught:
        shelf(one=["sha256:" + hashlib.sha256(b"").hexdigest()]).closure(["one"], wanted_by="test")

    assert "index" in caught.value.hint
