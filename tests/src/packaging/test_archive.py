"""Zips: the same files give the same bytes, whatever the order, the date and the folder."""

from __future__ import annotations

import time
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from src.packaging.archive import digest, read_zip, write_zip

NAMES = st.text("abc/é.", min_size=1, max_size=12).filter(
    lambda name: "//" not in name and name.strip("/") == name
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(st.dictionaries(NAMES, st.binary(max_size=50), max_size=6))
def test_the_order_of_the_files_does_not_matter(tmp_path: Path, files: dict[str, bytes]) -> None:
    one = write_zip(tmp_path / "one.zip", files)
    other = write_zip(tmp_path / "other.zip", dict(reversed(files.items())))

    assert one.sha256 == other.sha256
    assert files == read_zip(tmp_path / "one.zip")
    assert (sum(map(len, files.values())), len(files)) == (one.unzipped, one.files)


def test_nothing_of_the_moment_or_the_user_is_in_it(tmp_path: Path) -> None:
    write_zip(tmp_path / "a.zip", {"b.py": b"1", "a.so": b"2"})
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        infos = archive.infolist()

    assert ["a.so", "b.py"] == [info.filename for info in infos]
    assert {(1980, 1, 1, 0, 0, 0)} == {info.date_time for info in infos}
    assert {0o100644} == {info.external_attr >> 16 for info in infos}
    assert {3} == {info.create_system for info in infos}


def test_a_zip_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    """Whoever watches the folder never sees a half one, and a failure leaves what was there."""
    path = tmp_path / "a.zip"
    before = write_zip(path, {"a": b"1"})
    with pytest.raises(TypeError):
        write_zip(path, {"a": b"2", "b": None})  # type: ignore[dict-item]  # what breaks in the middle

    assert before.sha256 == digest(path)


def test_time_passes_and_the_bytes_stay(tmp_path: Path) -> None:
    first = write_zip(tmp_path / "a.zip", {"a": b"1" * 1000})
    time.sleep(0.01)

    assert first.sha256 == write_zip(tmp_path / "b.zip", {"a": b"1" * 1000}).sha256
