"""The URL of Snowflake: what it names, and that nothing secret may stand in it."""

from __future__ import annotations

import pytest

from shared.common.errors import Misconfigured
from shared.warehouse.snowflake_url import Address, Names, SignIn, parse


def test_a_url_names_account_database_and_who_works_where() -> None:
    found = parse(
        "snowflake://org-acc/SLUICE/PUBLIC?warehouse=LOAD_WH&role=LOADER&user=LOADER&suspend=true&names=exact"
    )

    want = Address(
        "org-acc", "SLUICE", "PUBLIC", "LOAD_WH", "LOADER", "LOADER", suspend=True, names=Names.EXACT
    )
    assert want == found


def test_the_schema_may_be_left_out_and_names_are_upper_case_by_default() -> None:
    found = parse("snowflake://org-acc/my%20db?user=u")

    assert ("my db", "", Names.UPPER, SignIn.KEY_PAIR) == (
        found.database,
        found.schema,
        found.names,
        found.authenticator,
    )


def test_the_role_of_the_process_needs_no_user() -> None:
    assert SignIn.WORKLOAD_IDENTITY == parse("snowflake://a/d?authenticator=workload_identity").authenticator


@pytest.mark.parametrize(
    "url",
    [
        "snowflake://user:hunter22@org-acc/SLUICE",
        "snowflake://org-acc/SLUICE?user=u&password=hunter22",
        "snowflake://org-acc/SLUICE?user=u&token=hunter22",
        "snowflake://org-acc/SLUICE?user=u&private_key=hunter22",
    ],
)
def test_a_password_is_refused_with_the_reason_and_without_being_shown(url: str) -> None:
    with pytest.raises(Misconfigured, match="ends sign-in by password") as caught:
        parse(url)

    assert "hunter22" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("snowflake:///SLUICE?user=u", "the account is missing"),
        ("snowflake://a?user=u", "a database and at most one schema"),
        ("snowflake://a/d/s/t?user=u", "a database and at most one schema"),
        ("snowflake://a/d", "`user` is missing"),
        ("snowflake://u@a/d", "the user stands behind"),
        ("snowflake://a/d?user=u&warhouse=w", 'did you mean "warehouse"'),
        ("snowflake://a/d?user=u&names=lower", 'unknown names of a Snowflake URL "lower"'),
        ("snowflake://a/d?user=u&suspend=1", 'unknown suspend of a Snowflake URL "1"'),
    ],
)
def test_what_is_wrong_is_said(url: str, message: str) -> None:
    with pytest.raises(Misconfigured, match=message):
        parse(url)
