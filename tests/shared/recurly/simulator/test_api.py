"""What the simulated API answers, asked over HTTP."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import jsonschema_rs
import pytest

from shared.recurly.simulator.api import Options
from shared.recurly.streams import LISTINGS, Listing


def first_path(client: Any, listing: Listing) -> str:
    """The path of a list, with ids of records that have one."""
    if listing.parent is None:
        return listing.path
    table = client.site.world.tables[listing.stream]
    accounts = client.site.world.tables["accounts"].rows
    owner = next(
        row.owner
        for row in table.rows.values()
        if row.owner not in accounts or accounts[row.owner].doc["deleted_at"] is None
    )
    names = [part for part in listing.path.split("/") if part.startswith("{")]
    path = listing.path
    for name, key in zip(names, owner.split("/"), strict=True):
        path = path.replace(name, key)
    return path


@pytest.mark.parametrize("listing", LISTINGS, ids=lambda listing: listing.stream)
def test_every_declared_list_answers_with_its_records_and_their_count(client: Any, listing: Listing) -> None:
    path = first_path(client, listing)
    query = "?billing_status=all" if listing.stream == "usage" else ""
    records = client.walk(path + query)
    head = client.ask(path + query, "HEAD")

    assert records
    assert (200, str(len(records)), b"") == (head.status, head.headers["recurly-total-records"], head.body)
    if listing.parent is None:
        assert len(client.site.world.tables[listing.stream]) == len(records)


@pytest.mark.parametrize(
    "listing", [s for s in LISTINGS if "begin_time" in s.parameters], ids=lambda s: s.stream
)
def test_a_window_holds_what_changed_in_it(client: Any, listing: Listing) -> None:
    """Two windows that share a second share its records; together they are the list."""
    usage = listing.stream == "usage"
    sort, field = ("recorded_timestamp", "recording_timestamp") if usage else ("updated_at", "updated_at")
    path = first_path(client, listing) + f"?sort={sort}" + ("&billing_status=all" if usage else "")
    times = sorted(record[field] for record in client.walk(path))
    middle = times[len(times) // 2]
    before, after = client.walk(f"{path}&end_time={middle}"), client.walk(f"{path}&begin_time={middle}")

    assert [at for at in times if at <= middle] == sorted(record[field] for record in before)
    assert [at for at in times if at >= middle] == sorted(record[field] for record in after)


def test_next_carries_all_parameters_and_a_cursor(client: Any) -> None:
    page = client.ask(
        "/invoices?limit=3&order=asc&sort=updated_at&begin_time=2024-01-01T00:00:00%2B00:00"
    ).json
    following = page["next"]

    assert page["object"] == "list"
    assert page["has_more"] is True
    assert following.startswith("/invoices?cursor=")
    assert "&limit=3&order=asc&sort=updated_at&begin_time=2024-01-01T00:00:00%2B00:00" in following
    assert client.ask(following).json["data"][0]["updated_at"] >= page["data"][-1]["updated_at"]


def test_the_last_page_says_so(client: Any) -> None:
    body = client.ask("/plans?limit=200").body

    assert b'"has_more":false,"next":null,"data":[' in body


def test_lists_have_twenty_records_newest_first_unless_asked_otherwise(client: Any) -> None:
    created = [record["created_at"] for record in client.ask("/invoices").json["data"]]

    assert len(created) == 20
    assert created == sorted(created, reverse=True)


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=ten", "limit"),
        ("limit=", "limit"),
        ("order=up", "order"),
        ("sort=name", "sort"),
        ("begin_time=yesterday", "begin_time"),
        ("end_time=2024-13-01", "end_time"),
        ("cursor=nonsense", "cursor"),
        ("colour=red", "colour"),
        ("past_due=false", "past_due"),
        ("subscriber=maybe", "subscriber"),
        ("ids=a,b&limit=3", "ids"),
    ],
)
def test_a_parameter_that_is_wrong_is_refused_by_name(client: Any, query: str, param: str) -> None:
    reply = client.ask(f"/accounts?{query}")

    assert (400, "bad_request") == (reply.status, reply.json["error"]["type"])
    assert reply.json["error"]["params"][0]["param"] == param


@pytest.mark.parametrize(
    "path", ["/gift_cards?limit=20", "/external_products?order=asc", "/dunning_campaigns?begin_time=2024"]
)
def test_a_parameter_that_the_list_does_not_declare_is_refused(client: Any, path: str) -> None:
    assert client.ask(path).status == 400


def test_filters_choose_records(client: Any) -> None:
    everyone = client.walk("/accounts?limit=200")
    email = everyone[0]["email"]
    some = [record["id"] for record in everyone[:3]]

    assert [email] == [record["email"] for record in client.walk(f"/accounts?email={email}")]
    assert {True} == {record["has_live_subscription"] for record in client.walk("/accounts?subscriber=true")}
    assert set(some) == {record["id"] for record in client.walk(f"/accounts?ids={','.join(some)},unknown")}
    assert {"canceled"} >= {record["state"] for record in client.walk("/subscriptions?state=canceled")}
    assert {"active", "canceled", "future"} >= {
        record["state"] for record in client.walk("/subscriptions?state=live")
    }
    assert {"credit"} == {record["type"] for record in client.walk("/invoices?type=credit")}
    assert {"refund"} >= {record["type"] for record in client.walk("/transactions?type=refund")}
    assert {True} == {record["success"] for record in client.walk("/transactions?success=true&limit=200")}


def test_usage_shows_what_is_not_billed_unless_asked_for_all(client: Any) -> None:
    """The trap of this list: without `billing_status` the past is missing."""
    usage = client.site.world.tables["usage"]
    owner = next(row.owner for row in usage.rows.values() if row.doc["billed_at"] is not None)
    path = "/subscriptions/{}/add_ons/{}/usage".format(*owner.split("/"))

    assert [] == [record for record in client.walk(path) if record["billed_at"] is not None]
    assert len(usage.owned_by(owner)) == len(client.walk(f"{path}?billing_status=all"))


def test_an_invoice_with_many_lines_shows_some_and_lists_all(start: Callable[..., Any]) -> None:
    client = start(scale=0.4)
    many = [invoice for invoice in client.walk("/invoices?limit=200") if invoice["has_more_line_items"]]
    lines = client.walk(f"/invoices/{many[0]['id']}/line_items?limit=200&order=asc")

    assert len(many[0]["line_items"]) == 20 < len(lines)
    assert many[0]["line_items"] == lines[:20]


def test_one_record_is_read_by_id_or_code(client: Any) -> None:
    plan = client.ask("/plans/code-team-monthly").json

    assert plan["code"] == "team-monthly"
    assert plan == client.ask(f"/plans/{plan['id']}").json


@pytest.mark.parametrize(
    "path", ["/plans/none", "/accounts/none/notes", "/nothing", "/export_dates/2001-01-01/export_files"]
)
def test_what_is_not_there_is_404(client: Any, path: str) -> None:
    reply = client.ask(path)

    assert (404, "not_found") == (reply.status, reply.json["error"]["type"])


def test_the_children_of_a_closed_account_are_404(start: Callable[..., Any]) -> None:
    client = start(scale=0.3)
    closed = next(record for record in client.walk("/accounts?limit=200") if record["deleted_at"])

    assert closed["state"] == "inactive"
    assert client.ask(f"/accounts/{closed['id']}/notes").status == 404


def test_the_report_counts_records_and_those_that_no_list_shows(start: Callable[..., Any]) -> None:
    client = start(scale=0.3)
    report = client.ask("/_simulator").json
    infos = client.site.world.tables["billing_infos"]
    accounts = client.walk("/accounts?limit=200")
    shown = sum(len(infos.owned_by(account["id"])) for account in accounts if not account["deleted_at"])

    assert len(accounts) == report["totals"]["accounts"]
    assert len(infos) == report["totals"]["billing_infos"] == shown + report["hidden"]["billing_infos"]
    assert shown < len(infos)


def test_the_key_is_the_user_and_the_password_is_empty(client: Any) -> None:
    for authorization in (
        "",
        "Basic c2ltdWxhdGVkOnB3",
        "Bearer simulated",
        "Basic ///",
        "Basic c2ltdWxhdGVkCg==",
    ):
        reply = client.ask("/accounts", authorization=authorization)
        assert (401, "invalid_api_key") == (reply.status, reply.json["error"]["type"])


@pytest.mark.parametrize("accept", ["", "*/*", "application/json", "application/vnd.recurly.v1999-01-01"])
def test_a_version_must_be_asked_for(client: Any, accept: str) -> None:
    reply = client.ask("/accounts", accept=accept)

    assert (406, "invalid_api_version") == (reply.status, reply.json["error"]["type"])
    assert "application/vnd.recurly.v2021-02-25" in reply.json["error"]["acceptable_accept_headers"]


def test_the_version_is_answered_and_may_end_in_json(client: Any) -> None:
    reply = client.ask("/plans", accept="application/vnd.recurly.v2021-02-25+json")

    assert (200, "recurly.v2021-02-25") == (reply.status, reply.headers["recurly-version"])
    assert reply.headers["x-request-id"]
    assert reply.headers["content-type"] == "application/json; charset=utf-8"


def test_a_list_whose_feature_is_missing_says_so(start: Callable[..., Any]) -> None:
    client = start(Options(missing=frozenset({"items", "entitlements"})))
    account = client.ask("/accounts").json["data"][0]["id"]
    replies = [client.ask("/items"), client.ask(f"/accounts/{account}/entitlements")]

    assert [(422, "missing_feature")] * 2 == [
        (reply.status, reply.json["error"]["type"]) for reply in replies
    ]
    assert client.ask("/gift_cards").status == 200


def test_the_site_is_read_only(client: Any) -> None:
    assert {client.ask("/accounts", method, {}).status for method in ("POST", "PUT", "DELETE")} == {404}


def test_records_without_nulls_keep_their_contracts_too(start: Callable[..., Any]) -> None:
    client = start(Options(nulls=False))
    body = client.ask("/accounts?limit=200").body

    assert b"null" not in body
    assert not jsonschema_rs.is_valid(
        {"properties": {"next": {"type": "string"}}, "required": ["next"]}, json.loads(body)
    )
