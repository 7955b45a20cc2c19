"""The load protocol on a real DuckDB: each row once, whatever the order, the batch and the disposition."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from shared.common.errors import Misconfigured, Violation
from shared.common.fakes import FakeClock, MemoryStore
from shared.landing.commit import Draft
from shared.landing.folder import FolderStore
from shared.warehouse.duckdb_file import DuckDB
from shared.warehouse.ports import Step
from tests.shared.warehouse.stream import Stream

ID_AND_V = {"id": "string", "v": "integer"}
MERGED = {"id": "string", "v": "integer", "updated_at": "timestamp"}
KEYED: dict[str, Any] = {"primary_key": ("id",), "cursor_field": "updated_at"}


def row(id: str, v: int, minute: int) -> dict[str, Any]:
    return {"id": id, "v": v, "updated_at": f"2026-01-01T00:{minute:02d}:00Z"}


def test_appends_every_commit_once(stream: Any, columns: Callable[..., Any]) -> None:
    spec = stream.spec(columns=columns(**ID_AND_V))
    stream.commit([{"id": "a", "v": 1}], [{"id": "b", "v": 2}])
    stream.commit([{"id": "a", "v": 1}], run="r2")

    first = stream.load(spec)
    second = stream.load(spec)

    assert ("loaded", 3, 3, 0, 2, 0, 2) == (
        first.status,
        first.rows,
        first.inserted,
        first.updated,
        first.commits,
        first.from_sequence,
        first.to_sequence,
    )
    assert ("nothing", 0, 2, 2) == (second.status, second.rows, second.from_sequence, second.to_sequence)
    assert [("a", 1, "r1", 1), ("a", 1, "r2", 2), ("b", 2, "r1", 1)] == stream.rows(
        "id, v, _sluice_run, _sluice_commit"
    )


def test_every_row_says_when_it_was_loaded_and_the_load_is_recorded(
    stream: Any, columns: Callable[..., Any]
) -> None:
    stream.commit([{"id": "a", "v": 1}])
    stream.load(stream.spec(columns=columns(**ID_AND_V)))

    assert [(stream.clock.now(),)] == stream.rows("_sluice_loaded_at")
    assert [("recurly", "accounts", 1, "r1", stream.clock.now())] == stream.ask(
        "SELECT * FROM _sluice.ledger"
    )
    assert [("recurly.accounts", "append", 0, 1, "r1", 1, 0)] == stream.ask(
        "SELECT final, disposition, from_sequence, to_sequence, run, inserted, updated FROM _sluice.loads"
    )


def test_merges_by_key_and_the_newest_cursor_wins(stream: Any, columns: Callable[..., Any]) -> None:
    spec = stream.spec("merge", columns=columns(**MERGED), **KEYED)
    stream.commit([row("a", 1, 1), row("b", 1, 1)])
    stream.load(spec)
    stream.commit([row("a", 2, 2), row("c", 1, 2)], run="r2")

    report = stream.load(spec)

    assert (2, 1, 1) == (report.rows, report.inserted, report.updated)
    assert [("a", 2, 2), ("b", 1, 1), ("c", 1, 2)] == stream.rows("id, v, _sluice_commit")


def test_a_late_row_does_not_replace_a_newer_one(stream: Any, columns: Callable[..., Any]) -> None:
    spec = stream.spec("merge", columns=columns(**MERGED), **KEYED)
    stream.commit([row("a", 9, 30)])
    stream.load(spec)
    stream.commit([row("a", 1, 10), row("b", 1, 10)], run="r2")

    report = stream.load(spec)

    assert (1, 0) == (report.inserted, report.updated)
    assert [("a", 9), ("b", 1)] == stream.rows("id, v")


def test_windows_out_of_order_within_one_load_and_duplicates_within_one_part(
    stream: Any, columns: Callable[..., Any]
) -> None:
    stream.commit([row("a", 3, 30), row("a", 1, 10), row("a", 2, 20)])
    stream.commit([row("a", 0, 5), row("b", 1, 1), row("b", 2, 1)])
    stream.load(stream.spec("merge", columns=columns(**MERGED), **KEYED))

    assert [("a", 3), ("b", 2)] == stream.rows("id, v")


def test_of_equal_cursors_the_last_landed_wins_and_null_is_the_oldest(
    stream: Any, columns: Callable[..., Any]
) -> None:
    spec = stream.spec("merge", columns=columns(**MERGED), **KEYED)
    stream.commit([row("a", 1, 1), row("b", 1, 1)])
    stream.load(spec)
    stream.commit(
        [row("a", 2, 1), {"id": "b", "v": 2, "updated_at": None}, {"id": "c", "v": 1}, {"id": "c", "v": 2}]
    )
    stream.load(spec)

    assert [("a", 2), ("b", 1), ("c", 2)] == stream.rows("id, v")


def test_without_a_cursor_the_last_landed_wins(stream: Any, columns: Callable[..., Any]) -> None:
    spec = stream.spec("merge", columns=columns(**ID_AND_V), primary_key=("id",))
    stream.commit([{"id": "a", "v": 3}])
    stream.load(spec)
    stream.commit([{"id": "a", "v": 2}, {"id": "a", "v": 1}])
    stream.load(spec)

    assert [("a", 1)] == stream.rows("id, v")


def test_merges_by_a_composite_key_that_reaches_into_a_nested_value(
    stream: Any, columns: Callable[..., Any]
) -> None:
    spec = stream.spec(
        "merge",
        columns=columns(account="string", plan="json", v="integer"),
        primary_key=("account", "plan.id"),
    )
    stream.commit([{"account": "a", "plan": {"id": 1}, "v": 1}, {"account": "a", "plan": {"id": 2}, "v": 1}])
    stream.load(spec)
    stream.commit([{"account": "a", "plan": {"id": 2}, "v": 2}, {"account": "b", "plan": {"id": 2}, "v": 1}])
    stream.load(spec)

    assert [("a", 1), ("a", 2), ("b", 1)] == stream.rows("account, v")


def test_rows_without_a_key_are_refused_and_shown(stream: Any, columns: Callable[..., Any]) -> None:
    stream.commit([row("a", 1, 1), {"v": 2}])

    with pytest.raises(Violation, match="1 of 2 rows have no primary key") as caught:
        stream.load(stream.spec("merge", columns=columns(**MERGED), **KEYED))

    kept = caught.value.hint.rpartition(" in ")[2]
    assert [("a",), (None,)] == stream.ask(f"SELECT id FROM {kept} ORDER BY id")


def test_a_key_that_is_no_column_is_named_with_the_known_ones(
    stream: Any, columns: Callable[..., Any]
) -> None:
    stream.commit([row("a", 1, 1)])

    with pytest.raises(
        Misconfigured, match='unknown column of a primary_key, cursor_field or deleted_field "ids"'
    ) as caught:
        stream.load(stream.spec("merge", columns=columns(**MERGED), primary_key=("ids",)))

    assert 'did you mean "id"?' in caught.value.hint


class TestReplace:
    @pytest.fixture
    def spec(self, stream: Any, columns: Callable[..., Any]) -> Any:
        return stream.spec("replace", columns=columns(**ID_AND_V), primary_key=("id",))

    def test_waits_for_the_end_of_the_snapshot_and_then_takes_all_of_its_commits(
        self, stream: Any, spec: Any
    ) -> None:
        stream.commit([{"id": "a", "v": 1}, {"id": "b", "v": 1}], snapshot=True)
        stream.load(spec)
        stream.commit([{"id": "c", "v": 2}], run="r2", snapshot=True, resume={"page": 2})

        waiting = stream.load(spec)
        before = stream.rows("id, v")
        stream.commit([{"id": "d", "v": 2}], run="r2", snapshot=True)
        done = stream.load(spec)

        assert ("waiting", 1, 1) == (waiting.status, waiting.waiting, waiting.to_sequence)
        assert [("a", 1), ("b", 1)] == before
        assert ("loaded", 2, 3) == (done.status, done.rows, done.to_sequence)
        assert [("c", 2), ("d", 2)] == stream.rows("id, v")

    def test_an_empty_snapshot_empties_the_table(self, stream: Any, spec: Any) -> None:
        stream.commit([{"id": "a", "v": 1}], snapshot=True)
        stream.load(spec)
        stream.commit(run="r2", snapshot=True)
        stream.load(spec)

        assert [] == stream.rows("id")

    def test_an_abandoned_snapshot_never_shows(self, stream: Any, spec: Any) -> None:
        stream.commit([{"id": "a", "v": 1}], run="r1", snapshot=True, resume={"page": 2})
        stream.commit([{"id": "b", "v": 1}], run="r2", snapshot=True)
        stream.commit([{"id": "c", "v": 1}], run="r3", snapshot=True, resume={"page": 2})
        report = stream.load(spec)

        assert (2, 1) == (report.to_sequence, report.waiting)
        assert [("b",)] == stream.rows("id")

    def test_a_record_that_two_pages_showed_is_there_once(self, stream: Any, spec: Any) -> None:
        stream.commit([{"id": "a", "v": 1}], [{"id": "a", "v": 2}], snapshot=True)
        stream.load(spec)

        assert [("a", 2)] == stream.rows("id, v")

    def test_an_incremental_run_is_refused(self, stream: Any, spec: Any) -> None:
        stream.commit([{"id": "a", "v": 1}])

        with pytest.raises(Misconfigured, match="write_disposition is replace"):
            stream.load(spec)

    def test_a_reader_sees_the_old_rows_or_the_new_ones(self, stream: Any, spec: Any) -> None:
        stream.commit([{"id": str(n), "v": 1} for n in range(100)], snapshot=True)
        stream.load(spec)
        stream.commit([{"id": str(n), "v": 2} for n in range(50)], run="r2", snapshot=True)
        seen: list[Any] = []

        def look(step: Step) -> None:
            seen.extend(stream.ask("SELECT count(*), min(v), max(v) FROM recurly.accounts"))

        stream.load(spec, on_step=look)

        assert {(100, 1, 1), (50, 2, 2)} == set(seen)


def test_rewind_and_reset_move_the_ledger_and_leave_the_rows(
    stream: Any, columns: Callable[..., Any]
) -> None:
    spec = stream.spec("merge", columns=columns(**MERGED), **KEYED)
    stream.commit([row("a", 1, 1)])
    stream.append(Draft(run="cli", attempt=1, kind="rewind"))
    stream.append(Draft(run="cli", attempt=1, kind="reset"))

    report = stream.load(spec)
    again = stream.load(spec)

    assert (3, 1, "nothing") == (report.to_sequence, report.rows, again.status)
    assert [("a", 1)] == stream.rows("id, v")


def test_large_logs_are_loaded_in_batches(stream: Any, columns: Callable[..., Any]) -> None:
    for number in range(6):
        stream.commit([row("a", number, number), row(f"n{number}", 0, 0)], run=f"r{number}")
    seen: list[Any] = []

    report = stream.load(
        stream.spec("merge", columns=columns(**MERGED), **KEYED), batch_bytes=300, on_progress=seen.append
    )

    assert (3, 6, 7) == (report.loads, report.commits, len(stream.rows()))
    assert [2, 4, 6] == [step.to_sequence for step in seen]
    assert [(5,)] == [(v,) for id, v in stream.rows("id, v") if id == "a"]


def test_replay_from_zero_into_an_empty_warehouse_gives_the_same_table(
    stream: Any, columns: Callable[..., Any], make_stream: Callable[..., Any]
) -> None:
    spec = stream.spec("merge", columns=columns(**MERGED), **KEYED)
    for number in range(5):
        stream.commit([row("a", number, 50 - number), row(f"n{number}", 0, 0)], run=f"r{number}")
        stream.load(spec)
    other = make_stream(DuckDB(":memory:", clock=FakeClock()))
    other.load(spec)

    assert stream.rows("id, v, updated_at, _sluice_run, _sluice_commit") == other.rows(
        "id, v, updated_at, _sluice_run, _sluice_commit"
    )


def test_parts_of_a_store_that_is_no_folder_are_downloaded_and_verified(
    tmp_path: Path, columns: Callable[..., Any], make_stream: Callable[..., Any]
) -> None:
    stream = Stream(MemoryStore(), DuckDB(tmp_path / "db", clock=FakeClock()))
    stream.commit([{"id": "a", "v": 1}], [{"id": "b", "v": 2}])
    stream.load(stream.spec(columns=columns(**ID_AND_V)))

    assert [("a", 1), ("b", 2)] == stream.rows("id, v")
    assert [] == list(stream.store.scratch().glob("load-*"))


class TestRefuses:
    @pytest.fixture
    def spec(self, stream: Any, columns: Callable[..., Any]) -> Any:
        return stream.spec(columns=columns(**ID_AND_V))

    def altered(self, stream: Any, body: bytes | None) -> str:
        part = stream.log.latest().draft.parts[0]
        path = Path(stream.store.url(part.key))
        path.unlink()
        if body is not None:
            path.write_bytes(body)
        return str(part.key)

    def test_a_missing_part(self, stream: Any, spec: Any) -> None:
        stream.commit([{"id": "a", "v": 1}])
        key = self.altered(stream, None)

        with pytest.raises(Violation, match="a part of commit 1 is missing") as caught:
            stream.load(spec)

        assert (key, "recurly.accounts") == (caught.value.where["part"], caught.value.where["table"])

    def test_a_part_of_another_size(self, stream: Any, spec: Any) -> None:
        stream.commit([{"id": "a", "v": 1}])
        self.altered(stream, gzip.compress(b'{"id": "a", "v": 1, "more": "and more and more"}\n'))

        with pytest.raises(Violation, match="bytes, and the commit says"):
            stream.load(spec)

    def test_a_part_of_the_same_size_with_other_content(self, stream: Any, spec: Any) -> None:
        part = stream.commit([{"id": "a", "v": 1}]).draft.parts[0]
        body = bytearray(Path(stream.store.url(part.key)).read_bytes())
        body[-1] ^= 1
        self.altered(stream, bytes(body))

        with pytest.raises(Violation, match="has the sha256"):
            stream.load(spec)

    def test_a_count_that_differs_and_keeps_the_stage_until_the_next_load(
        self, stream: Any, spec: Any
    ) -> None:
        part = stream.part([{"id": "a", "v": 1}, {"id": "b", "v": 2}])
        good = stream.part([{"id": "c", "v": 1}])
        stream.append(Draft(run="r1", attempt=1, parts=(good, replace(part, rows=3))))

        with pytest.raises(Violation, match="has 3 rows, and 2 were staged") as caught:
            stream.load(spec)
        kept = caught.value.hint.rpartition(" in ")[2]
        rows = stream.ask(f"SELECT id FROM {kept} ORDER BY id")
        with pytest.raises(Violation, match="has 3 rows, and 2 were staged"):
            stream.load(spec)

        assert [("a",), ("b",), ("c",)] == rows
        assert [(0,)] == stream.ask("SELECT sequence FROM _sluice.ledger")
        assert [(1,)] == stream.ask(
            "SELECT count(*) FROM duckdb_tables() WHERE starts_with(table_name, 'stage:')"
        )

    def test_a_missing_commit(self, stream: Any, spec: Any) -> None:
        for number in range(3):
            stream.commit([{"id": "a", "v": number}])
        stream.store.delete(stream.landing.layout.commit(2))

        with pytest.raises(Violation, match="commit 2 is missing"):
            stream.load(spec)


def test_two_loaders_at_once_one_wins_and_the_other_ends_quietly(
    stream: Any, columns: Callable[..., Any]
) -> None:
    spec = stream.spec(columns=columns(**ID_AND_V))
    stream.commit([{"id": "a", "v": 1}])
    winners: list[Any] = []

    def overtake(step: Step) -> None:
        if step is Step.SETTLED:
            winners.append(stream.load(spec))

    loser = stream.load(spec, on_step=overtake)

    assert ("loaded", "superseded", 0) == (winners[0].status, loser.status, loser.rows)
    assert [("a", 1)] == stream.rows("id, v")


def test_two_loaders_inside_their_transactions(stream: Any, columns: Callable[..., Any]) -> None:
    spec = stream.spec("merge", columns=columns(**ID_AND_V), primary_key=("id",))
    stream.commit([{"id": "a", "v": 1}])
    stream.load(spec)
    stream.commit([{"id": "a", "v": 2}])
    winners: list[Any] = []

    def overtake(step: Step) -> None:
        if step is Step.BEGUN and not winners:
            winners.append(None)
            winners.append(stream.load(spec))

    loser = stream.load(spec, on_step=overtake)

    assert ("loaded", "superseded") == (winners[1].status, loser.status)
    assert [("a", 2)] == stream.rows("id, v")


def test_a_file_that_is_called_like_its_source(tmp_path: Path, columns: Callable[..., Any]) -> None:
    stream = Stream(FolderStore(tmp_path / "l"), DuckDB(tmp_path / "recurly.duckdb", clock=FakeClock()))
    stream.commit([{"id": "a", "v": 1}])
    stream.load(stream.spec(columns=columns(**ID_AND_V)))

    assert [("a", 1)] == stream.rows("id, v")


def test_a_landing_folder_whose_name_looks_like_a_pattern(
    tmp_path: Path, columns: Callable[..., Any]
) -> None:
    stream = Stream(FolderStore(tmp_path / "a[b]*"), DuckDB(tmp_path / "db", clock=FakeClock()))
    stream.commit([{"id": "a", "v": 1}])
    stream.load(stream.spec(columns=columns(**ID_AND_V)))

    assert [("a", 1)] == stream.rows("id, v")
