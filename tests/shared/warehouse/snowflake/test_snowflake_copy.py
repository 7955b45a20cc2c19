"""COPY: which files, from where, by which text; and what is refused before a row of another landing zone gets in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shared.common.errors import Misconfigured, Transient
from shared.landing.folder import FolderStore
from shared.warehouse.fetch import fetch
from shared.warehouse.ports import StagedPart
from shared.warehouse.snowflake_copy import FILES_PER_COPY, Raw, chunks, name_of, verify
from shared.warehouse.snowflake_stage import Filling
from shared.warehouse.snowflake_warehouse import Snowflake
from tests.shared.warehouse.snowflake.account import Account
from tests.shared.warehouse.snowflake.kept import matches
from tests.shared.warehouse.stream import Stream, columns

RECORDS = [{"id": "a", "Id": 1, "total": "1.10", "at": "2024-01-01T00:00:00Z", "o": {"a": [1, None]}}]
KINDS = columns(id="string", total="decimal", at="timestamp", o="json")


def parts(count: int, form: str = "jsonl.gz") -> list[StagedPart]:
    return [StagedPart(f"landing/s/t/data/p-{n}", Path(), 1, form, "r", 1) for n in range(count)]


def statements(account: Account, *words: str) -> list[str]:
    return [sql for sql in account.seen if sql.startswith(words)]


def rows(stream: Stream, what: str) -> list[tuple[Any, ...]]:
    return stream.ask(f'SELECT {what} FROM "recurly"."accounts" ORDER BY 1')


def test_more_files_than_one_copy_takes_go_into_the_same_table() -> None:
    found = list(chunks(parts(2 * FILES_PER_COPY + 1)))

    assert [1000, 1000, 1] == [len(chunk.parts) for chunk in found]
    assert list(range(2001)) == [place for chunk in found for place in chunk.places]


def test_several_copies_fill_one_stage(
    account: Account, stream: Stream, snowflake: Snowflake, tmp_path: Path
) -> None:
    commit = stream.commit(*([{"id": f"{n}"}, {"id": f"{n}b"}][: n + 1] for n in range(5)))
    with snowflake.session(stream.spec()) as session:
        filling = Filling(
            session.connection,
            session.files,
            "_sluice",
            "x",
            columns(id="string"),
            {"id": "id"},
            match=False,
            most=2,
        )
        counts = filling.fill(fetch(stream.store, [commit], folder=tmp_path))
        found = session.query(f'SELECT "id", _sluice_part FROM {filling.table} ORDER BY _sluice_place')

    copies = statements(account, "COPY")
    assert (3, 1) == (len(copies), len({copy.split('"')[1] for copy in copies}))
    assert (1, 2, 2, 2, 2) == counts
    assert [("0", 0), ("1", 1), ("1b", 1), ("2", 2)] == found[:4]


def test_parts_of_several_headers_are_read_by_place() -> None:
    raw = Raw('_sluice."raw"', columns(a="integer", b="string"), {"a": "a", "b": "b"}, csv=True)

    text = raw.copy("@s", ["f"], header=["b", "x", "a"], match=True)

    assert 'INTO _sluice."raw" ("a", "b", _sluice_file, _sluice_row) FROM (SELECT $3, $1, METADATA' in text
    assert "MATCH_BY_COLUMN_NAME" not in text


def test_with_exact_names_fields_are_matched_by_name(
    account: Account, stream: Stream, open_snowflake: Callable[..., Snowflake]
) -> None:
    stream.warehouse = open_snowflake(names="exact")
    stream.commit(RECORDS)
    stream.load(stream.spec(columns=KINDS))

    assert matches("load_exact", account.seen, stream)
    assert account.logins[-1]["SESSION_PARAMETERS"]["QUOTED_IDENTIFIERS_IGNORE_CASE"] is False
    assert [("a",)] == rows(stream, '"id"')


def test_with_exact_names_a_field_that_is_called_otherwise_is_picked(
    account: Account, stream: Stream, open_snowflake: Callable[..., Snowflake]
) -> None:
    stream.warehouse = open_snowflake(names="exact")
    stream.commit(RECORDS)
    stream.load(stream.spec(columns=columns(id="string", Id="integer")))

    (copy,) = statements(account, "COPY")
    assert "MATCH_BY_COLUMN_NAME" not in copy
    assert [("a", 1)] == rows(stream, '"id", "Id_12156e92"')


@pytest.mark.parametrize("disposition", ["append", "merge", "replace", "scd2"])
def test_every_statement_of_a_load(disposition: str, account: Account, stream: Stream) -> None:
    """The second load of a table: it is not the first one that goes on for years."""
    kinds = (*KINDS, *columns(gone="boolean"))
    keys: dict[str, Any] = {"primary_key": ("id",), "cursor_field": "at", "deleted_field": "gone"}
    spec = stream.spec(disposition, columns=kinds, **(keys if disposition != "append" else {}))
    for run in ("r1", "r2"):
        account.seen.clear()
        stream.commit(RECORDS, run=run, snapshot=disposition == "replace")
        stream.load(spec)

    assert matches(f"load_{disposition}", account.seen, stream)


def test_the_statements_that_make_a_table_and_the_ledger(account: Account, stream: Stream) -> None:
    stream.commit(["id,total", "a,1"], format="csv.gz")
    stream.load(stream.spec("merge", columns=KINDS, primary_key=("id",)))

    assert matches("first_load_csv", account.seen, stream)


def test_the_statements_that_widen_a_column(account: Account, stream: Stream) -> None:
    stream.commit([{"n": 1, "at": "2024-01-01T00:00:00Z"}])
    stream.load(stream.spec())
    account.seen.clear()
    stream.commit([{"n": 1.5, "at": "soon"}])
    stream.load(stream.spec())

    assert matches("widen", statements(account, "ALTER TABLE", 'UPDATE "', 'SELECT 1 FROM "'), stream)


def test_a_stage_of_another_bucket_is_refused_before_a_file_is_read(
    account: Account, stream: Stream, open_snowflake: Callable[..., Snowflake], bucket: str
) -> None:
    stream.warehouse = open_snowflake(stage="s3://former-bucket/")
    stream.commit(RECORDS)

    with pytest.raises(
        Misconfigured, match=f"points at s3://former-bucket/, and the landing zone is s3://{bucket}/zone/"
    ):
        stream.load(stream.spec())

    assert [] == statements(account, "COPY")


def test_a_stage_whose_url_does_not_end_in_a_slash_is_refused(
    stream: Stream, open_snowflake: Callable[..., Snowflake], bucket: str
) -> None:
    stream.warehouse = open_snowflake(stage=f"s3://{bucket}/zo")
    stream.commit(RECORDS)

    with pytest.raises(Misconfigured, match="points at"):
        stream.load(stream.spec())


def test_without_a_stage_the_error_names_the_command_that_makes_it(
    stream: Stream, open_snowflake: Callable[..., Snowflake]
) -> None:
    list(open_snowflake().run(iter(["DELETE FROM _fs_global._fs_information_schema._fs_stages WHERE TRUE"])))
    stream.commit(RECORDS)

    with pytest.raises(Misconfigured, match=r"has no stage _sluice\.landing") as caught:
        stream.load(stream.spec())

    assert "sluice warehouse apply" in caught.value.hint


def test_a_landing_zone_in_a_folder_is_uploaded(
    account: Account, open_snowflake: Callable[..., Snowflake], tmp_path: Path
) -> None:
    """Two runs whose parts are called alike, and a path with a blank and a quote in it."""
    folder = tmp_path / "it's a zone"
    stream = Stream(FolderStore(folder), open_snowflake(landing=folder.as_uri()))
    stream.commit([{"id": "a"}, {"id": "b"}], run="r1")
    again = Stream(FolderStore(folder), stream.warehouse)
    again.commit([{"id": "c"}], run="r2")

    report = again.load(again.spec(columns=columns(id="string")))

    assert 3 == report.inserted
    assert [("a", "r1"), ("b", "r1"), ("c", "r2")] == rows(again, '"id", _sluice_run')
    assert 2 == len(statements(account, "PUT 'file:///"))


def test_what_snowflake_says_of_files() -> None:
    names = ["zone/landing/a.jsonl.gz", "zone/landing/ab.jsonl.gz"]
    url = "s3://bucket/zone/landing/"

    rows = [(f"{url}a.jsonl.gz", "LOADED", 2, 2), (f"{url}ab.jsonl.gz", "LOADED", 0, 0)]
    assert dict(zip(names, (2, 0), strict=True)) == verify(rows, names)
    assert name_of("bucket/other/landing/a.jsonl.gz", names) is None
    with pytest.raises(Transient, match="'LOAD_SKIPPED' for a file"):
        verify([(f"{url}a.jsonl.gz", "LOAD_SKIPPED", 2, 0)], names)
    with pytest.raises(Misconfigured, match="found 1 of 2 parts"):
        verify(rows[:1], names)
    with pytest.raises(Misconfigured, match="found 0 of 2 parts"):
        verify([("Copy executed with 0 files processed.",)], names)


def test_positions_make_nothing(
    account: Account, open_snowflake: Callable[..., Snowflake], stream: Stream
) -> None:
    warehouse = open_snowflake()

    assert {} == warehouse.positions("recurly")
    assert [] == statements(account, "CREATE", "INSERT")
    stream.commit(RECORDS)
    stream.load(stream.spec())
    assert {"accounts": 1} == warehouse.positions("recurly")
