"""The SQL of deploy/snowflake: filled, run twice, and in agreement with what the loader does."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from shared.common.errors import Misconfigured
from shared.warehouse.snowflake_copy import CSV_FORMAT, JSON_FORMAT
from shared.warehouse.snowflake_session import LEDGER_TABLES
from shared.warehouse.snowflake_setup import FILES, SNOWPIPE, Setup, read, split, trust, without_comments
from shared.warehouse.snowflake_warehouse import Snowflake
from tests.shared.warehouse.snowflake.account import Account
from tests.shared.warehouse.snowflake.kept import matches

FOLDER = Path(__file__).parents[4] / "deploy" / "snowflake"
PUBLIC = "-----BEGIN PUBLIC KEY-----\nMIIBIjAN\nBgkqhkiG\n-----END PUBLIC KEY-----\n"
SETUP = Setup(
    environment="dev",
    database="SLUICE_DEV",
    warehouse="LOAD_WH",
    role="SLUICE_LOADER",
    user="SLUICE_LOADER",
    landing="s3://bucket/zone",
    aws_role="arn:aws:iam::123456789012:role/sluice-snowflake",
    public_key=PUBLIC,
)


def filled(setup: Setup) -> list[str]:
    return [statement for sql in read(FOLDER, FILES.values()) for statement in setup.statements(sql)]


def plain(sql: str) -> str:
    return " ".join(sql.replace("( ", "(").replace(" )", ")").split()).replace("( ", "(").replace(" )", ")")


def test_the_filled_setup() -> None:
    assert matches("setup", filled(SETUP))


def test_the_filled_pipe() -> None:
    (sql,) = read(FOLDER, [SNOWPIPE])

    assert matches("snowpipe", SETUP.snowpipe(sql, "recurly", "accounts"))


def test_the_setup_and_the_loader_make_the_same_ledger_and_read_by_the_same_format() -> None:
    found = [plain(without_comments(statement)) for statement in filled(SETUP)]

    assert [plain(table) for table in LEDGER_TABLES] == [s for s in found if s.startswith("CREATE TABLE")]
    formats = [s for s in found if s.startswith("ALTER FILE FORMAT")]
    wanted = [plain(form.split(" ", 3)[3]) for form in (JSON_FORMAT, CSV_FORMAT)]
    assert wanted == [form.split(" SET ", 1)[1] for form in formats]


def test_nothing_is_replaced_and_everything_may_be_there_already() -> None:
    """A replaced integration has another external id, a replaced stage has lost its grants, a pipe its memory."""
    texts = [
        without_comments(statement)
        for sql in read(FOLDER, [*FILES.values(), SNOWPIPE])
        for statement in split(sql)
    ]
    allowed = r"CREATE \w+( \w+)? IF NOT EXISTS|ALTER|GRANT|USE|CREATE OR REPLACE VIEW .* COPY GRANTS"

    assert [] == [text for text in texts if not re.match(allowed, text)]


def test_every_stage_and_prefix_ends_in_a_slash() -> None:
    (sql,) = read(FOLDER, [SNOWPIPE])
    found = "\n".join([*filled(SETUP), *SETUP.snowpipe(sql, "recurly", "accounts")])

    assert "s3://bucket/zone/'" in found
    assert [] == [url for url in re.findall(r"'(s3://[^']*)'", found) if not url.endswith("/")]
    assert [] == [p for p in re.findall(r"FROM @(\S+?)[)\s]", found) if not p.endswith("/")]


def test_applied_twice_and_after_a_move_the_stage_points_at_the_landing_zone(
    account: Account, open_snowflake: Callable[..., Snowflake], bucket: str, stream: Any
) -> None:
    database = open_snowflake(stage="s3://former/").address.database
    setup = replace(SETUP, database=database, landing=f"s3://{bucket}/zone")
    warehouse = open_snowflake(stage="s3://former/")
    for _ in range(2):
        done = [sql for sql, _ in warehouse.run(without_comments(sql) for sql in filled(setup))]
        assert len(filled(setup)) == len(done)

    stream.warehouse = warehouse
    stream.commit([{"id": "a"}])
    assert 1 == stream.load(stream.spec()).inserted


def test_optional_statements_are_left_out_and_others_named() -> None:
    bare = replace(SETUP, public_key="")

    assert not [s for s in filled(bare) if "RSA_PUBLIC_KEY" in s or "WORKLOAD" in s]
    assert [
        s for s in filled(replace(SETUP, public_key_2=PUBLIC)) if "RSA_PUBLIC_KEY_2 = 'MIIBIjANBgkqhkiG'" in s
    ]
    with pytest.raises(Misconfigured, match="lacks --warehouse, --aws-role"):
        filled(replace(SETUP, aws_role="", warehouse=""))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"role": "accountadmin"}, "may do anything"),
        ({"aws_role": "arn:aws:iam::1:user/x'; DROP DATABASE d"}, "is no role of AWS"),
        ({"public_key": "-----BEGIN RSA PRIVATE KEY-----\nx"}, "that is a private key"),
        ({"public_key": "MIIB'; DROP USER u"}, "no public key in PEM form"),
        ({"landing": "file:///folder"}, "this one is a folder"),
    ],
)
def test_what_must_not_be_filled_in(change: dict[str, str], message: str) -> None:
    with pytest.raises(Misconfigured, match=message):
        filled(replace(SETUP, **change))


def test_odd_names_are_quoted_and_break_out_of_nothing() -> None:
    found = filled(replace(SETUP, database='my"; DROP DATABASE x; --', role="data loader"))

    assert 'CREATE DATABASE IF NOT EXISTS "my""; DROP DATABASE x; --"' in [without_comments(s) for s in found]
    assert 'CREATE ROLE IF NOT EXISTS "data loader"' in [without_comments(s) for s in found]


def test_what_aws_must_be_told() -> None:
    rows = [("ENABLED", "Boolean", "true"), ("STORAGE_AWS_EXTERNAL_ID", "String", "XY_1"), ("status",)]

    assert {"external_id": "XY_1"} == trust(rows)
