"""A directory of artifacts: each is there as a whole or not at all, and none lies outside."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.common.errors import Misconfigured
from shared.gitops.folder import FolderShelf


def test_what_is_put_is_there_until_it_is_deleted(tmp_path: Path) -> None:
    shelf = FolderShelf(tmp_path / "dags")

    assert shelf.get("a/b.py") is None
    shelf.put("a/b.py", b"1")
    shelf.put("a/b.py", b"2")
    assert b"2" == shelf.get("a/b.py")
    shelf.delete("a/b.py")
    shelf.delete("a/b.py")

    assert shelf.get("a/b.py") is None
    assert [] == [path for path in tmp_path.rglob("*") if path.is_file()]
    assert (tmp_path / "dags").as_uri() == shelf.url()


def test_a_write_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    shelf = FolderShelf(tmp_path)
    (tmp_path / "a.py").mkdir()
    (tmp_path / "a.py" / "in the way").write_text("")

    with pytest.raises(OSError, match=r"a\.py"):
        shelf.put("a.py", b"1")

    assert ["a.py"] == [path.name for path in tmp_path.iterdir()]


@pytest.mark.parametrize("path", ["/etc/passwd", "../a", "a/../../b"])
def test_nothing_lies_outside(tmp_path: Path, path: str) -> None:
    with pytest.raises(Misconfigured, match="outside"):
        FolderShelf(tmp_path).put(path, b"1")
