"""A list of what is woven that changes: heeded when it stands, told once when it is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from src.weave.reread import Reread
from src.workplace import Workplace

LIST = "repositories: [{host: git, repository: %s, url: /srv/flows.git}]\n"


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ENVIRONMENT", "local")
    monkeypatch.delenv("WEAVE_FILE", raising=False)
    (tmp_path / "weave.yml").write_text(LIST % "one")
    return tmp_path / "weave.yml"


def test_a_change_counts_when_it_has_stood_for_a_moment(file: Path) -> None:
    reread = Reread(Workplace.open(), lambda line: None)
    assert [reread(), reread()] == [None, None]

    file.write_text("")
    assert reread() is None
    file.write_text(LIST % "another")
    assert reread() is None
    fresh = reread()

    assert fresh
    assert ["another"] == [one.repository for one in fresh.repositories]
    assert [None, None] == [reread(), reread()]


def test_a_file_that_is_wrong_or_gone_is_told_once_and_changes_nothing(file: Path) -> None:
    told: list[str] = []
    reread = Reread(Workplace.open(), told.append)

    file.write_text("repositories: 1\n")
    assert [None] * 4 == [reread() for _ in range(4)]
    file.unlink()
    assert [None] * 4 == [reread() for _ in range(4)]

    assert [True, True] == ["weave.yml:1:15" in told[0], "there is no list of repositories" in told[1]]
    assert 2 == len(told)
