"""Scratch files of living writers are left alone, those of dead ones are swept."""

from __future__ import annotations

import errno
import os
import time
from pathlib import Path

import pytest

from shared.common.errors import Refused, SluiceError, Transient
from shared.landing.disk import IDLE, disk_error, open_scratch, sweep


@pytest.mark.parametrize(
    ("code", "kind", "text"),
    [
        (errno.ENOSPC, Transient, "the disk is full: could not write"),
        (errno.EDQUOT, Transient, "the disk is full: could not write"),
        (errno.EROFS, Refused, "the disk denies access: could not write"),
        (errno.EIO, Transient, "the disk failed: could not write"),
    ],
)
def test_an_error_of_the_disk_says_who_must_act(code: int, kind: type[SluiceError], text: str) -> None:
    error = disk_error(OSError(code, os.strerror(code)), "write", path=Path("/x"))

    assert type(error) is kind
    assert error.message.startswith(text)
    assert error.where == {"path": Path("/x")}


def test_a_scratch_folder_that_cannot_be_made_is_an_error_of_ours(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SluiceError, match="create a scratch file"):
        open_scratch(tmp_path / "file" / "scratch")


def test_leftovers_of_dead_writers_are_swept_and_the_living_left_alone(tmp_path: Path) -> None:
    old = time.time() - IDLE - 60
    living, living_path = open_scratch(tmp_path)
    dead, dead_path = open_scratch(tmp_path)
    dead.close()
    fresh, fresh_path = open_scratch(tmp_path)
    fresh.close()
    other = tmp_path / "not ours"
    other.touch()
    for path in (living_path, dead_path, other):
        os.utime(path, (old, old))

    with living:
        assert sweep(tmp_path) == [dead_path]
    assert sorted(tmp_path.iterdir()) == sorted([living_path, fresh_path, other])


def test_sweeping_a_folder_that_is_not_there_does_nothing(tmp_path: Path) -> None:
    assert sweep(tmp_path / "no") == []
