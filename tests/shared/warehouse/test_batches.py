"""Which commits share a load."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.common.errors import Violation
from shared.landing.commit import Commit, Draft, Part
from shared.warehouse.batches import batches
from shared.warehouse.ports import Disposition


def commit(sequence: int, *, size: int = 10, run: str = "r1", **draft: object) -> Commit:
    parts = (Part(f"p{sequence}", 1, size, size, "", ""),) if size else ()
    return Commit("s", "t", sequence, "2026-11-20T00:00:00Z", Draft(run=run, attempt=1, parts=parts, **draft))  # type: ignore[arg-type]


@given(st.lists(st.integers(0, 50), max_size=30), st.integers(1, 100), st.sampled_from(["append", "merge"]))
def test_the_ledger_passes_every_commit_once_and_every_part_is_applied(
    sizes: list[int], limit: int, disposition: str
) -> None:
    log = [commit(number + 3, size=size) for number, size in enumerate(sizes)]

    found = list(batches(log, 2, disposition=Disposition(disposition), read=log.__getitem__, limit=limit))

    assert [2, *(batch.after for batch in found)][:-1] == [batch.before for batch in found]
    assert 2 + len(sizes) == (found[-1].after if found else 2)
    assert [one.sequence for one in log if one.draft.parts] == [
        c.sequence for batch in found for c in batch.commits
    ]
    for batch in found:
        weight = sum(part.raw_bytes for one in batch.commits for part in one.draft.parts)
        assert weight <= limit or len(batch.commits) == 1


def test_a_gap_in_the_log_is_refused() -> None:
    with pytest.raises(Violation, match=re.escape("commit 2 is missing in the log: the next one found is 3")):
        list(batches([commit(1), commit(3)], 0, disposition=Disposition.APPEND, read=commit))


def test_a_replay_from_the_middle_of_a_snapshot_takes_its_beginning_too() -> None:
    log = {
        1: commit(1, run="r0", snapshot=True),
        2: commit(2, snapshot=True, resume=1),
        3: commit(3, snapshot=True, resume=2),
        4: commit(4, snapshot=True),
    }

    (batch,) = batches([log[4]], 3, disposition=Disposition.REPLACE, read=log.__getitem__)

    assert (3, 4, [2, 3, 4]) == (batch.before, batch.after, [one.sequence for one in batch.commits])


def test_moves_behind_a_snapshot_that_is_not_whole_wait_with_it() -> None:
    log = [
        commit(1, kind="reset", size=0),
        commit(2, snapshot=True, resume=1),
        commit(3, kind="rewind", size=0),
    ]

    (batch,) = batches(log, 0, disposition=Disposition.REPLACE, read=commit)

    assert (1, ()) == (batch.after, batch.commits)
