"""The simulated site as a server: limits, faults, export files, days that pass, the program."""

from __future__ import annotations

import gzip
import hashlib
import http.client
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from shared.recurly.simulator.api import Options
from shared.recurly.simulator.faults import SlidingLimit, parse_limit

ROOT = Path(__file__).parents[4]


def control(client: Any, door: str, /, **document: Any) -> Any:
    reply = client.ask(f"/_simulator/{door}", "POST", document)
    assert reply.status == 200, reply.body
    return reply.json


def fetch(url: str, **headers: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(url.split("/")[2], timeout=10)
    try:
        connection.request("GET", "/" + url.split("/", 3)[3], headers=headers)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def newest_files(client: Any) -> list[dict[str, str]]:
    day = client.ask("/export_dates").json["dates"][0]
    files: list[dict[str, str]] = client.ask(f"/export_dates/{day}/export_files").json["files"]
    return files


def test_answers_are_gzipped_when_asked_for(client: Any) -> None:
    plain, packed = client.ask("/invoices"), client.ask("/invoices", **{"accept-encoding": "gzip, deflate"})

    assert packed.headers["content-encoding"] == "gzip"
    assert gzip.decompress(packed.body) == plain.body
    assert len(packed.body) < len(plain.body) / 3


def test_the_limit_is_told_and_kept(start: Callable[..., Any]) -> None:
    client = start(limit=(3, 60.0))
    replies = [client.ask("/plans") for _ in range(4)]

    assert [200, 200, 200, 429] == [reply.status for reply in replies]
    assert ["2", "1", "0", "0"] == [reply.headers["x-ratelimit-remaining"] for reply in replies]
    assert {"3"} == {reply.headers["x-ratelimit-limit"] for reply in replies}
    assert replies[3].json["error"]["type"] == "rate_limited"
    assert "retry-after" not in replies[3].headers
    assert 50 < int(replies[3].headers["x-ratelimit-reset"]) - time.time() <= 61


def test_the_limit_slides() -> None:
    limit = SlidingLimit(2, seconds=10)
    seen = [limit.enter(float(now))[0] for now in (0, 4, 5, 10, 11, 14)]

    assert seen == [True, True, False, True, False, True]


@pytest.mark.parametrize("text", ["20/0", "many", "20/nan"])
def test_a_limit_that_says_nothing_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"limit|invalid|convert"):
        parse_limit(text)


def test_a_day_changes_records_and_is_remembered(start: Callable[..., Any], tmp_path: Path) -> None:
    state = tmp_path / "site.json"
    client = start(state=state, scale=0.1)
    before = client.walk("/invoices?limit=200&sort=updated_at&order=asc")
    report = control(client, "advance", days=3)
    news = client.walk(f"/invoices?limit=200&sort=updated_at&order=asc&begin_time={before[-1]['updated_at']}")
    again = start(state=state, scale=0.1)

    assert news[0] == before[-1]
    assert len(news) > 1
    assert report["day"] == "2025-07-03"
    assert client.ask("/_simulator").json["totals"] == again.ask("/_simulator").json["totals"]
    assert news == again.walk(
        f"/invoices?limit=200&sort=updated_at&order=asc&begin_time={before[-1]['updated_at']}"
    )


def test_a_status_comes_as_often_as_asked(start: Callable[..., Any]) -> None:
    client = start()
    control(
        client,
        "faults",
        kind="status",
        status=429,
        times=2,
        after=1,
        path="/plans",
        headers={"Retry-After": "1"},
    )
    replies = [client.ask("/plans") for _ in range(4)]

    assert [200, 429, 429, 200] == [reply.status for reply in replies]
    assert replies[1].headers["retry-after"] == "1"
    assert client.ask("/items").status == 200


def test_a_share_of_the_requests_fails_at_random(start: Callable[..., Any]) -> None:
    client = start()
    control(client, "faults", kind="status", rate=0.3, times=1000)
    failed = [client.ask("/plans").status for _ in range(60)].count(503)

    assert 8 <= failed <= 30
    assert client.ask("/_simulator").json["requests_failed"] == failed


def test_a_reset_breaks_the_body(start: Callable[..., Any]) -> None:
    client = start()
    control(client, "faults", kind="reset", path="/invoices")

    with pytest.raises((ConnectionResetError, http.client.IncompleteRead)):
        client.ask("/invoices")
    assert client.ask("/invoices").status == 200


def test_a_truncated_body_agrees_with_its_length(start: Callable[..., Any]) -> None:
    client = start()
    control(client, "faults", kind="truncate", path="/invoices")
    reply = client.ask("/invoices")

    assert (200, len(reply.body)) == (reply.status, int(reply.headers["content-length"]))
    with pytest.raises(json.JSONDecodeError):
        json.loads(reply.body)


def test_a_hanging_request_ends_without_an_answer(start: Callable[..., Any]) -> None:
    client = start()
    control(client, "faults", kind="hang", seconds=0.05)

    with pytest.raises(http.client.RemoteDisconnected):
        client.ask("/plans")


def test_pages_go_wrong_as_asked(start: Callable[..., Any]) -> None:
    client = start(scale=0.1)
    second = client.ask("/invoices?limit=3").json["next"]
    right = client.ask(second).json

    control(client, "faults", kind="html")
    assert client.ask(second).headers["content-type"] == "text/html"
    control(client, "faults", kind="expired_cursor")
    assert client.ask(second).json["error"]["params"][0]["param"] == "cursor"
    control(client, "faults", kind="empty_page")
    assert client.ask(second).json == {**right, "data": []}
    control(client, "faults", kind="duplicate_page")
    disturbed = client.ask(second).json
    assert disturbed["next"] not in (second, right["next"])
    assert client.ask(disturbed["next"]).json == right
    assert client.ask(second).json == right


def test_a_repeated_cursor_leads_to_where_it_stands(start: Callable[..., Any]) -> None:
    client = start(scale=0.1)
    second = client.ask("/invoices?limit=3").json["next"]
    control(client, "faults", kind="repeated_cursor")

    assert client.ask(second).json["next"] == second


def test_an_unknown_fault_is_refused(client: Any) -> None:
    assert client.ask("/_simulator/faults", "POST", {"kind": "gremlins"}).status == 400
    assert client.ask("/_simulator/faults", "POST", {"colour": "red"}).status == 400
    assert client.ask("/_simulator/faults", "POST", [1]).status == 400


def test_exports_are_ready_later_and_right_when_they_are(start: Callable[..., Any]) -> None:
    client = start(Options(exports_late=2), scale=0.1)
    day = client.ask("/export_dates").json["dates"][0]
    statuses = [client.ask(f"/export_dates/{day}/export_files").status for _ in range(3)]
    files = newest_files(client)

    assert [404, 404, 200] == statuses
    assert [f"{name}_{day}.csv.gz" for name in ("accounts", "subscriptions", "invoices", "transactions")] == [
        file["name"] for file in files
    ]
    for file in files:
        status, body = fetch(file["href"])
        assert (200, file["md5sum"]) == (status, hashlib.md5(body, usedforsecurity=False).hexdigest())
        assert gzip.decompress(body).startswith(b"id,")


def test_the_files_are_on_another_host_that_wants_no_key(start: Callable[..., Any]) -> None:
    client = start()
    href = newest_files(client)[0]["href"]

    assert href.split("/")[2] != client.site.url.split("/")[2]
    assert fetch(href, Authorization="Basic c2ltdWxhdGVkOg==")[0] == 400
    assert client.ask("/_simulator").json["leaks"] == 1


def test_a_link_to_a_file_must_be_signed_and_fresh(start: Callable[..., Any]) -> None:
    client, late = start(), start(Options(link_seconds=0))
    href = newest_files(client)[0]["href"]
    expired = newest_files(late)[0]["href"]

    assert fetch(href.split("?")[0])[0] == 403
    assert fetch(href.replace("Expires=", "Expires=9"))[0] == 403
    assert fetch(expired)[0] == 403
    assert b"expired" in fetch(expired)[1]
    assert fetch(f"{client.site.files_url}/exports/2001-01-01/x.csv.gz")[0] == 404


def test_files_go_wrong_as_asked(start: Callable[..., Any]) -> None:
    client = start()
    file = newest_files(client)[0]
    control(client, "faults", kind="corrupt", path="/exports")
    corrupt = fetch(file["href"])
    control(client, "faults", kind="expired_link", path="/exports")
    expired = fetch(file["href"])
    control(client, "faults", kind="status", path="/exports", status=500)
    failed = fetch(file["href"])

    assert corrupt[0] == 200
    assert hashlib.md5(corrupt[1], usedforsecurity=False).hexdigest() != file["md5sum"]
    assert (403, 500) == (expired[0], failed[0])


def test_latency_is_added_to_every_request(start: Callable[..., Any]) -> None:
    client = start(latency=0.05)
    begin = time.monotonic()
    client.ask("/plans")

    assert time.monotonic() - begin >= 0.05


def test_it_runs_as_a_program_and_stops_when_told() -> None:
    command = [sys.executable, "-m", "shared.recurly.simulator", "--scale", "0.02", "--seed", "3", "--api-key", "k",
               "--rate-limit", "400", "--without", "items,gift_cards", "--no-nulls"]  # fmt: skip
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = json.loads(process.stdout.readline())
        with urlopen(Request(f"{line['url']}/_simulator"), timeout=10) as reply:
            report = json.load(reply)
        process.send_signal(signal.SIGTERM)
        code = process.wait(timeout=10)

    assert set(line) == {"url", "files_url", "api_key", "records"}
    assert (line["records"], 0) == (report["records"], code)
