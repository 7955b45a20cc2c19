"""A ledger that stands where this log never was is noticed before anything is called loaded."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shared.common.errors import Violation
from shared.landing.commit import Draft
from shared.landing.folder import FolderStore
from shared.warehouse.ledger import runs
from tests.shared.warehouse.stream import Stream

ID = {"id": "string"}


@pytest.fixture
def loaded(stream: Stream, columns: Callable[..., Any]) -> Stream:
    for run in ("r1", "r2", "r3"):
        stream.commit([{"id": run}], run=run)
    stream.load(stream.spec(columns=columns(**ID)))
    return stream


def emptied(stream: Stream, tmp_path: Path) -> Stream:
    """The same stream after its landing zone was lost."""
    shutil.rmtree(tmp_path / "landing")
    return Stream(FolderStore(tmp_path / "landing"), stream.warehouse)


def test_a_lost_landing_zone_does_not_pass_for_a_loaded_one(
    loaded: Stream, tmp_path: Path, columns: Callable[..., Any]
) -> None:
    stream = emptied(loaded, tmp_path)
    stream.commit([{"id": "new"}], run="r4")

    with pytest.raises(Violation, match="loaded up to commit 3, and the log has no such commit") as caught:
        stream.load(stream.spec(columns=columns(**ID)))

    assert "LANDING_URL" in caught.value.hint
    assert "--replay-from 0" in caught.value.hint


def test_nor_does_one_that_has_grown_as_long_again(
    loaded: Stream, tmp_path: Path, columns: Callable[..., Any]
) -> None:
    stream = emptied(loaded, tmp_path)
    for run in ("r4", "r5", "r6", "r7"):
        stream.commit([{"id": run}], run=run)

    with pytest.raises(Violation, match="commit 3 of run r3, and in the log it is of run r6"):
        stream.load(stream.spec(columns=columns(**ID)))


def test_the_last_commit_deleted_is_noticed(loaded: Stream, columns: Callable[..., Any]) -> None:
    loaded.store.delete(loaded.landing.layout.commit(3))

    with pytest.raises(Violation, match="no such commit"):
        loaded.load(loaded.spec(columns=columns(**ID)))


@pytest.mark.parametrize("kind", ["rewind", "reset", "data"])
def test_commits_without_rows_are_no_other_log(
    loaded: Stream, kind: Any, columns: Callable[..., Any]
) -> None:
    spec = loaded.spec(columns=columns(**ID))
    loaded.commit([{"id": "r4"}], run="r4")
    loaded.append(Draft(run="cli", attempt=1, kind=kind))
    loaded.load(spec)
    loaded.append(Draft(run="cli2", attempt=1, kind=kind))
    loaded.load(spec)
    loaded.commit([{"id": "r5"}], run="r5")

    assert ("loaded", 7) == (loaded.load(spec).status, loaded.load(spec).to_sequence)


def test_the_runs_of_a_source_are_read_without_adding_to_the_ledger(loaded: Stream) -> None:
    assert {"accounts": "r3"} == runs(loaded.warehouse, "recurly", {"accounts": 3, "never": 0})
    assert {} == runs(loaded.warehouse, "recurly", {})
    assert [("accounts",)] == loaded.ask("SELECT stream FROM _sluice.ledger")
