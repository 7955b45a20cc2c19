"""What a `source.yml` of a database may say, and what is refused with a reason."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from shared.common.errors import Misconfigured
from shared.ingestion.reading import load_source
from shared.ingestion.sql_spec import SqlSpec, Table, kind_of, split_name

BASE: dict[str, Any] = {"type": "sql", "source": "crm", "url": "postgresql://db:5432/crm"}


def spec(**more: Any) -> SqlSpec:
    return SqlSpec.model_validate({**BASE, "streams": {"t": {"table": "t"}}, **more})


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("postgres://h/d", "postgresql"),
        ("postgresql+psycopg://h/d", "postgresql"),
        ("mariadb://h:3306/d", "mysql"),
        ("mysql+pymysql://h/d?ssl_ca=x", "mysql"),
    ],
)
def test_a_url_may_be_spelled_in_several_ways(url: str, kind: str) -> None:
    assert kind == kind_of(url) == spec(url=url).kind


@pytest.mark.parametrize(
    "url",
    [
        *("postgresql://me:s3cret@h/d", "postgresql://me@h/d", "postgresql://h/d?password=s3cret"),
        *("mysql://h/d?user=me", "oracle://h/d", "postgresql://h", "postgresql:///d"),
    ],
)
def test_a_url_with_a_password_or_without_a_database_is_refused(url: str) -> None:
    """And what stands there is not repeated."""
    with pytest.raises(ValueError, match=r"secrets under `auth`|expected postgresql://host") as error:
        spec(url=url)

    assert "s3cret" not in str(error.value.errors(include_input=False))  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("entry", "disposition"),
    [
        ({}, "replace"),
        ({"cursor_field": "at"}, "append"),
        ({"cursor_field": "at", "primary_key": "id"}, "merge"),
        ({"primary_key": "id"}, "replace"),
        ({"write_disposition": "append"}, "append"),
    ],
)
def test_the_disposition_follows_from_cursor_and_key(entry: dict[str, Any], disposition: str) -> None:
    """The catalogue's key counts like one of the file."""
    table = Table.model_validate({"table": "t", **entry})

    assert disposition == table.disposition == table.plain().disposition
    if entry == {"cursor_field": "at"}:
        assert "merge" == table.with_key(("id",)).plain().disposition


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"incremental": {"look_back": "1h"}}, "needs `cursor_field`"),
        ({"cursor_field": "at", "leave_out": "at"}, "`leave_out` has at"),
        ({"contract": {}, "columns": {"id": "integer"}}, "not both"),
        ({"columns": {"id": "integer"}, "cursor_field": "at"}, "needs its `primary_key` here"),
        ({"table": "a.b.c"}, "is no table"),
        ({"path": "/x"}, "path"),
    ],
)
def test_what_does_not_go_together_is_refused(entry: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Table.model_validate({"table": "t", **entry})


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("orders", ("", "orders")),
        ("sales.orders", ("sales", "orders")),
        ('"a.b"."c""d"', ("a.b", 'c"d')),
        ("Ünï.with space", ("Ünï", "with space")),
    ],
)
def test_a_table_is_named_with_or_without_its_schema(text: str, names: tuple[str, str]) -> None:
    assert names == split_name(text)


def test_a_source_says_what_it_is(tmp_path: Path) -> None:
    """An API needs no `type`; a type that nobody knows is told with those that are."""
    file = tmp_path / "source.yml"
    file.write_text("type: sql\nsource: crm\nurl: mysql://h/d\nstreams: {t: {table: t, mask: {a: hash}}}\n")
    source = load_source(file)
    assert source.sql is not None
    assert ("mysql", "t") == (source.sql.kind, source.spec.streams["t"].path)
    file.write_text("type: rest\nsource: crm\nbase_url: https://h\nstreams: {t: {path: /t}}\n")
    assert load_source(file).sql is None
    file.write_text("source: crm\ntype: database\n")
    with pytest.raises(Misconfigured, match=r'unknown type of source "database"[\s\S]*source.yml:2'):
        load_source(file)
