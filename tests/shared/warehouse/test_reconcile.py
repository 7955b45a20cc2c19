"""Reconciliation finds what does not fit, and nothing where all is well."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from shared.contracts import expectations as e
from shared.landing.commit import Draft
from shared.warehouse.checks.dialect import DUCKDB
from shared.warehouse.gate import CheckedGate
from shared.warehouse.ports import TableSpec
from shared.warehouse.reconcile import Reconciled, reconcile
from shared.warehouse.replay import plan, rewind
from tests.shared.warehouse.stream import Stream, columns

KINDS = columns(id="string", v="integer")


class Books:
    """A stream that was landed and loaded, and its reconciliation."""

    def __init__(self, stream: Stream, disposition: str) -> None:
        self.stream = stream
        self.spec: TableSpec = stream.spec(disposition, columns=KINDS, primary_key=("id",))
        snapshot = disposition == "replace"
        for run, rows in enumerate(([("a", 1), ("b", 1)], [("b", 2)], [("c", 3)])):
            stream.commit([{"id": id, "v": v} for id, v in rows], run=f"r{run}", snapshot=snapshot)
            stream.load(self.spec)

    def check(self, **how: Any) -> Reconciled:
        return reconcile(self.stream.log, self.stream.store, self.stream.warehouse, self.spec, **how)

    def differences(self) -> str:
        return "\n".join(self.check().differences)

    def change(self, sql: str) -> None:
        self.stream.ask(sql.format(t="recurly.accounts"))


@pytest.fixture
def books(stream: Stream) -> Callable[..., Books]:
    def make(disposition: str = "append") -> Books:
        return Books(stream, disposition)

    return make


@pytest.mark.parametrize(("disposition", "rows"), [("append", 4), ("merge", 3), ("replace", 1)])
def test_all_fits_after_loads_moves_and_replays(books: Any, disposition: str, rows: int) -> None:
    here = books(disposition)
    stream = here.stream
    first = here.check()
    rewind(
        plan(here.spec, 3, 2),
        stream.log,
        stream.store,
        stream.warehouse,
        load_id=lambda: "b",
        clock=stream.clock,
    )
    stream.load(here.spec)
    stream.append(Draft(run="cli", attempt=1, kind="rewind", cursor="2024-01-01"))
    stream.load(here.spec)

    assert () == first.differences == here.check().differences
    assert (3, 4, 0, rows) == (first.commits, first.rows, first.waiting_rows, first.table_rows)


def test_what_waits_is_no_difference(books: Any) -> None:
    here = books()
    here.stream.commit([{"id": "d", "v": 1}])
    found = here.check()

    assert (1, 1, ()) == (found.waiting, found.waiting_rows, found.differences)


@pytest.mark.parametrize(
    ("disposition", "sql", "says"),
    [
        (
            "append",
            "DELETE FROM {t} WHERE id = 'a'",
            "commit 1 published 2 rows, and the table holds 1 of it",
        ),
        ("append", "INSERT INTO {t} (id) VALUES ('x')", "1 rows come from no commit"),
        (
            "append",
            "INSERT INTO {t} SELECT * REPLACE (9 AS _sluice_commit) FROM {t} LIMIT 1",
            "come from commit 9",
        ),
        (
            "append",
            "INSERT INTO {t} SELECT * FROM {t} WHERE id = 'c'",
            "commit 3 published 1 rows, and the table holds 2",
        ),
        ("merge", "DELETE FROM {t} WHERE id = 'a'", "the loads added 3 rows, and it holds 2"),
        (
            "merge",
            "INSERT INTO {t} SELECT * FROM {t} WHERE id = 'c'",
            "commit 3 published 1 rows, and the table holds 2",
        ),
        (
            "merge",
            "DELETE FROM {t} WHERE id = 'c'; INSERT INTO {t} SELECT * FROM {t} WHERE id = 'a'",
            "1 keys have several rows",
        ),
        (
            "merge",
            "INSERT INTO {t} SELECT * REPLACE ('d' AS id) FROM {t} WHERE id = 'a'; DELETE FROM {t} WHERE id = 'c'",
            "put 1 rows there, and it holds 0 of its commits",
        ),
        ("merge", "DROP TABLE {t}", "it is not there"),
        ("replace", "DELETE FROM {t}", "put 1 rows there, and it holds 0"),
        ("append", "UPDATE _sluice.ledger SET sequence = 2", "ended at commit 3, and the ledger stands at 2"),
        ("append", "UPDATE _sluice.ledger SET sequence = 7", "stands at commit 7, and the log ends at 3"),
        (
            "append",
            "DELETE FROM _sluice.loads WHERE to_sequence = 2",
            "goes on from commit 2, and the one before it ended at 1",
        ),
    ],
)
def test_each_difference_is_named(books: Any, disposition: str, sql: str, says: str) -> None:
    here = books(disposition)
    here.change(sql)

    assert says in here.differences()


VERSIONS = """UPDATE {t} SET is_current = false, valid_to = TIMESTAMPTZ '2030-01-01' WHERE id = 'a'"""


@pytest.mark.parametrize("cursor", [None, "at", "n"])
@pytest.mark.parametrize(
    ("sql", "says"),
    [
        ("SELECT 1", ""),
        ("DELETE FROM {t}", "5 versions, and it holds 0"),
        ("DELETE FROM {t} WHERE id = 'a' AND NOT is_current", "5 versions, and it holds 4"),
        ("DROP TABLE {t}", "it is not there"),
        (VERSIONS, "1 versions are current and ended, or no commit ended them"),
        (
            "UPDATE {t} SET is_current = true, valid_to = NULL WHERE id = 'a'",
            "1 keys have several current versions",
        ),
    ],
)
def test_versions_that_are_gone_or_were_ended_by_hand(
    stream: Stream, cursor: str | None, sql: str, says: str
) -> None:
    kinds = columns(id="string", v="integer", at="timestamp", n="integer")
    spec = stream.spec("scd2", columns=kinds, primary_key=("id",), cursor_field=cursor)
    for run, ids in enumerate(("ab", "bc", "a")):
        day = {"at": f"2026-01-0{run + 1}T00:00:00Z", "n": run}
        stream.commit([{"id": id, "v": run, **day} for id in ids], run=f"r{run}")
        stream.load(spec)
    stream.ask(sql.format(t="recurly.accounts"))
    found = "\n".join(reconcile(stream.log, stream.store, stream.warehouse, spec).differences)

    assert says in found
    assert bool(says) == bool(found)


def gone(stream: Stream) -> TableSpec:
    """A merged table whose loads add 3 rows, delete 2 (and one that was never there), and add 1 of them again."""
    spec = stream.spec(
        "merge",
        columns=columns(id="string", v="integer", gone="boolean"),
        primary_key=("id",),
        cursor_field="v",
        deleted_field="gone",
    )
    for run, rows in enumerate((["a", "b", "c"], ["-a", "-b", "-x", "c"], ["a"])):
        stream.commit(
            [{"id": id.strip("-"), "v": run, "gone": id.startswith("-")} for id in rows], run=f"r{run}"
        )
        stream.load(spec)
    return spec


def test_deletions_are_counted_by_the_loads(stream: Stream) -> None:
    spec = gone(stream)
    with stream.warehouse.session(spec) as session:
        history = session.history()
    fits = reconcile(stream.log, stream.store, stream.warehouse, spec).differences
    stream.ask("DELETE FROM recurly.accounts WHERE id = 'c'")
    differs = reconcile(stream.log, stream.store, stream.warehouse, spec).differences

    assert [(3, 0, 0), (0, 1, 2), (1, 0, 0)] == [(r.inserted, r.updated, r.deleted) for r in history]
    assert () == fits
    assert ("table: the loads added 4 rows and deleted 2, and it holds 1",) == differs


def test_loads_that_did_not_write_down_deletions_give_an_upper_bound(stream: Stream) -> None:
    spec = gone(stream)
    stream.ask("UPDATE _sluice.loads SET deleted = NULL")
    fits = reconcile(stream.log, stream.store, stream.warehouse, spec).differences
    stream.ask(
        "INSERT INTO recurly.accounts SELECT a.* REPLACE (id || n AS id) FROM recurly.accounts a, range(3) t(n)"
    )
    differs = reconcile(stream.log, stream.store, stream.warehouse, spec).differences

    assert () == fits
    assert "table: the loads added 4 rows, and it holds 8" in differs


def test_a_ledger_of_an_earlier_release_gets_the_figure(stream: Stream) -> None:
    spec = gone(stream)
    stream.ask("ALTER TABLE _sluice.loads DROP COLUMN deleted")
    stream.commit([{"id": "c", "v": 9, "gone": True}])
    stream.load(spec)
    with stream.warehouse.session(spec) as session:
        history = session.history()

    assert [None, None, None, 1] == [record.deleted for record in history]
    assert () == reconcile(stream.log, stream.store, stream.warehouse, spec).differences


def test_parts_and_quarantine_are_compared_too(books: Any) -> None:
    here = books()
    stream = here.stream
    stream.append(Draft(run="r9", attempt=1, rejected=2, trimmed=1, rejected_parts=(stream.part([{}, {}]),)))
    stream.load(here.spec)
    stream.store.delete(stream.log.read(1).draft.parts[0].key)
    said = here.differences()

    assert "quarantine: commit 4 counts 2 rejected and 1 trimmed records, and its quarantine holds 2" in said
    assert "parts: a part is missing" in said


def test_a_gap_in_the_log_is_named(books: Any) -> None:
    here = books()
    here.stream.store.delete(here.stream.log.layout.commit(2))

    assert "log: commit 2 is missing" in here.differences()


def test_rows_that_are_held_back_are_named(books: Any) -> None:
    from shared.common.errors import Violation

    here = books()
    stream = here.stream
    checks = (e.ExpectColumnValuesToBeBetween(column="v", min_value=0),)
    gate = CheckedGate(stream.store, here.spec, checks, DUCKDB, stream.clock)
    stream.commit([{"id": "x", "v": -1}], run="r8")
    with pytest.raises(Violation):
        stream.load(here.spec, gate=gate)

    assert ("checks: the rows up to commit 4 are held back",) == here.check(gate=gate).differences


@pytest.mark.parametrize(("disposition", "stands"), [("append", 2), ("append", 7), ("merge", 2), ("scd2", 7)])
def test_a_ledger_that_was_changed_by_hand_is_mended_by_a_replay_of_everything(
    stream: Stream, books: Any, disposition: str, stands: int
) -> None:
    """Its history begins anew there; what came before is of no account."""
    here = books(disposition)
    here.change(f"UPDATE _sluice.ledger SET sequence = {stands}")
    assert "ledger" in here.differences()
    replay = plan(here.spec, stands, 0)
    assert rewind(
        replay,
        stream.log,
        stream.store,
        stream.warehouse,
        load_id=lambda: f"replay-{stands}",
        clock=stream.clock,
    )
    stream.load(here.spec)

    assert "" == here.differences()
