"""PostgreSQL and MySQL by URL: who is let in, what errors become, answers that are lost, and what only they have."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.engine import make_url

from shared.common.errors import Misconfigured, Refused, Transient, Violation
from shared.warehouse.mysql import MySQLDoor, mysql
from shared.warehouse.ports import Disposition, Step, TableSpec
from shared.warehouse.postgres import PostgresDoor
from shared.warehouse.postgres_copy import copy_line
from shared.warehouse.reconcile import reconcile
from src.wiring import open_warehouse
from tests.servers.cable import Cable, cable
from tests.shared.warehouse.conformance import GONE, KEYED, MERGED, row
from tests.shared.warehouse.house import House
from tests.shared.warehouse.stream import Stream, columns

SPEC = TableSpec("shop", "orders", Disposition.APPEND)
PASSWORD = "hunter22/&@"


@pytest.fixture
def stream(server: House, tmp_path: Path) -> Stream:
    return server.stream(tmp_path / "landing")


@pytest.fixture
def wire(server: House) -> Any:
    url = make_url(server.url)
    with cable(url.host or "", url.port or 0) as one:
        yield one


def through(server: House, wire: Cable) -> House:
    """The same house at the other end of a cable."""
    url = make_url(server.url).set(port=wire.port).render_as_string(hide_password=False)
    return House(open_warehouse(url), url, quote=server.quote, source=server.source)


@pytest.mark.parametrize("disposition", ["append", "merge", "scd2"])
@pytest.mark.parametrize("step", [Step.RECORDED, Step.APPLIED, Step.BEGUN, Step.VERIFIED])
def test_an_answer_that_is_lost(
    server: House, stream: Stream, wire: Cable, tmp_path: Path, step: Step, disposition: str
) -> None:
    """Of COMMIT (behind RECORDED), when the rows are there and the loader does not know; of COPY (behind VERIFIED)."""
    spec = stream.spec(disposition, columns=columns(**MERGED), **KEYED)
    stream.commit([row("a", 1, 1), row("b", 1, 1)])
    house = through(server, wire)
    far = Stream(stream.store, house.warehouse, source=stream.source)

    def lose(now: Step) -> None:
        if now is step:
            wire.lose_answers()

    with pytest.raises(Transient, match="could not go on"):
        far.load(spec, on_step=lose)
    wire.mend()
    arrived = server.warehouse.positions(stream.source)["accounts"]
    again = far.load(spec)

    assert (1, "nothing") == (arrived, again.status) if step is Step.RECORDED else (0, "loaded")
    assert [("a", 1), ("b", 1)] == server.rows(stream, "id", "v")


def test_a_column_that_another_loader_changes_meanwhile(server: House, stream: Stream) -> None:
    """The rows that were staged for the old type would stand in the new column in other words."""
    spec = stream.spec(columns=columns(id="string", flag="boolean"))
    stream.commit([{"id": "a", "flag": True}])
    stream.load(spec)
    stream.commit([{"id": "b", "flag": False}])

    def change(now: Step) -> None:
        if now is Step.EVOLVED:
            table, flag = server.table(stream), server.quote("flag")
            kind = "text USING flag::text" if server.url.startswith("postgresql") else ""
            how = f"ALTER COLUMN flag TYPE {kind}" if kind else f"MODIFY {flag} LONGTEXT"
            with stream.warehouse.session(spec) as other:
                other._door.run(f"ALTER TABLE {table} {how}")  # type: ignore[attr-defined]

    with pytest.raises(Transient, match="changed the final table meanwhile"):
        stream.load(spec, on_step=change)
    stream.load(spec)

    assert ["a", "b"] == [id for id, _ in server.rows(stream, "id", "flag")]
    assert "false" in [flag for _, flag in server.rows(stream, "id", "flag")]


def test_loaders_of_many_streams_begin_at_once(server: House, tmp_path: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    streams = [server.stream(tmp_path / "landing", name=f"s{number}") for number in range(6)]
    for stream in streams:
        stream.commit([{"id": n} for n in range(100)])
        stream.commit([{"id": n} for n in range(50)])

    def load(stream: Stream) -> None:
        spec = stream.spec("merge", columns=columns(id="integer"), primary_key=("id",))
        stream.load(spec, batch_bytes=1)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(load, streams))

    assert [100] * 6 == [len(server.rows(stream, "id")) for stream in streams]


def test_a_held_warehouse_uses_its_connections_again(server: House, stream: Stream) -> None:
    mine = "SELECT pg_backend_pid()" if server.url.startswith("postgresql") else "SELECT connection_id()"

    def number() -> Any:
        with server.warehouse.session(stream.spec()) as session:
            return session.query(mine)

    with server.warehouse.held():
        held = number(), number()

    assert held[0] == held[1]
    assert held[0] != number()


def test_a_held_connection_that_the_server_ended_is_replaced(server: House, stream: Stream) -> None:
    assert server.cut is not None
    with server.warehouse.held():
        before = server.warehouse.positions("nobody")
        server.cut()

        assert before == server.warehouse.positions("nobody")


def test_positions_make_nothing(server: House) -> None:
    assert {} == server.warehouse.positions("nobody")


class TestRefusals:
    def test_nobody_listens(self, server: House) -> None:
        url = make_url(server.url).set(port=1, password=PASSWORD)
        warehouse = open_warehouse(url.render_as_string(hide_password=False))

        with pytest.raises(Transient, match="could not go on") as caught, warehouse.session(SPEC):
            pass

        assert PASSWORD not in _told(caught.value)

    def test_an_unknown_database(self, postgres_url: str) -> None:
        url = make_url(postgres_url).set(database="nowhere", password=PASSWORD)
        warehouse = open_warehouse(url.render_as_string(hide_password=False))

        with pytest.raises(Misconfigured, match="no such database") as caught, warehouse.session(SPEC):
            pass

        assert PASSWORD not in _told(caught.value)

    def test_a_user_who_may_not(self, server: House, stream: Stream) -> None:
        on_postgres = server.url.startswith("postgresql")
        with stream.warehouse.session(stream.spec()) as session:
            door: Any = session._door  # type: ignore[attr-defined]
            if on_postgres:
                door.run("DROP ROLE IF EXISTS guest")
                door.run(f"CREATE ROLE guest LOGIN PASSWORD '{PASSWORD}'")
            else:
                door.run(f"CREATE OR REPLACE USER guest@'127.0.0.1' IDENTIFIED BY '{PASSWORD}'")
        url = make_url(server.url).set(username="guest", password=PASSWORD)
        warehouse = open_warehouse(url.render_as_string(hide_password=False))

        with pytest.raises(Refused, match="denies it") as caught, warehouse.session(SPEC):
            pass

        assert PASSWORD not in _told(caught.value)

    def test_a_wrong_password(self, mariadb_url: str) -> None:
        url = make_url(mariadb_url).set(username="stranger", password=PASSWORD)
        warehouse = open_warehouse(url.render_as_string(hide_password=False))

        with pytest.raises(Refused, match="denies it") as caught, warehouse.session(SPEC):
            pass

        assert PASSWORD not in _told(caught.value)

    def test_a_record_beyond_max_allowed_packet(self, mariadb_url: str, tmp_path: Path) -> None:
        stream = House(mysql(mariadb_url), mariadb_url).stream(tmp_path)
        stream.commit([{"x": "a"}, {"x": "b" * 70_000_000}])

        with pytest.raises(Violation, match="is more than the server's max_allowed_packet"):
            stream.load(stream.spec(columns=columns(x="string")))


def _told(error: BaseException) -> str:
    """All that would be logged of an error, its causes included."""
    texts = [str(error), repr(error)]
    while error.__cause__ is not None:
        error = error.__cause__
        texts += [str(error), repr(error)]
    return "\n".join(texts)


@pytest.mark.parametrize("door", [PostgresDoor, MySQLDoor])
@pytest.mark.parametrize(
    "name", ["a", "x" * 64, "é" * 40, "🙂", "a🙂", "end ", " ", "x" * 70 + "🙂", " " * 70]
)
def test_names_that_fit(door: type[PostgresDoor | MySQLDoor], name: str) -> None:
    fit = door.fit
    one = fit(None, name)  # type: ignore[arg-type]

    if door is PostgresDoor:
        assert len(one.encode()) <= 63
    else:
        assert len(one) <= 64
        assert max(one) <= "\uffff"
        assert one == one.rstrip(" ")
    assert one == fit(None, one)  # type: ignore[arg-type]
    assert one
    assert one != fit(None, name + "x")  # type: ignore[arg-type]


def test_a_row_whose_texts_hold_the_marks_of_copy() -> None:
    assert b"a\\\x1eb\\\\\\n\x1e\x1d\x1e\\\x1d\n" == copy_line(["a\x1eb\\\n", None, "\x1d"])


def test_deletions_add_up_also_in_a_ledger_of_an_earlier_release(server: House, stream: Stream) -> None:
    spec = stream.spec("merge", columns=columns(**GONE), deleted_field="deleted_at", **KEYED)
    loads = server.quote("_sluice", "loads")
    stream.commit([row("a", 1, 1), row("b", 1, 1)])
    stream.load(spec)
    with stream.warehouse.session(spec) as session:
        session.query(f"SELECT deleted FROM {loads}")
        door = session._door  # type: ignore[attr-defined]
        door.run(f"ALTER TABLE {loads} DROP COLUMN deleted")
    stream.commit([row("a", 2, 2, deleted_at="2026-01-01T00:02:00Z"), row("c", 1, 2)])
    stream.load(spec)
    with stream.warehouse.session(spec) as session:
        history = session.history()

    assert [(2, None), (1, 1)] == [(record.inserted, record.deleted) for record in history]
    assert () == reconcile(stream.log, stream.store, stream.warehouse, spec).differences
