"""The client against a real server in another process, whose answers break on the wire."""

from __future__ import annotations

import hashlib
import io
import json
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from shared.common.clock import SystemClock
from shared.common.errors import Refused, Transient, Violation
from shared.common.fakes import DictSecrets, FakeClock, FixedDeadline
from shared.rest.address import AddressRefused
from shared.rest.auth import ApiKey, Auth, Basic
from shared.rest.body import IncompleteBody
from shared.rest.client import Client, connect
from shared.rest.limit import RateLimit
from shared.rest.message import Page, Request
from shared.rest.pagination import NextLink
from shared.rest.retry import Retry
from shared.rest.transport import Caps, Timeout
from tests.faults.server import Faulty, faulty, file_bytes

SECRET = "hunter22-very-secret"
STYLE = NextLink(has_more="has_more")
SHAPE = STYLE.shape("data")
WHOLE = None

Build = Callable[..., Client]


@pytest.fixture
def build(server: Faulty, clock: FakeClock) -> Iterator[Build]:
    """Clients for the server; their connections are closed when the test ends."""
    made: list[Client] = []

    def new(**changes: Any) -> Client:
        settings: dict[str, Any] = {
            "base": server.url,
            "clock": clock,
            "secrets": DictSecrets({"KEY": SECRET}),
            "auth": Basic(username="KEY"),
            "timeout": Timeout(connect=2.0, read=0.5, total=30.0),
        }
        settings |= changes
        made.append(connect(settings.pop("base"), **settings))
        return made[-1]

    yield new
    for client in made:
        client.close()


def plan(server: Faulty, *faults: dict[str, Any] | None, **rest: Any) -> None:
    server.obey({"routes": {"/things": list(faults)}, **rest})


def walk(client: Client, request: Request) -> list[int]:
    read: list[int] = []
    following: Request | None = request
    while following is not None:
        page: Page = client.page(following, SHAPE)
        read += [json.loads(record)["id"] for record in page.records]
        following = STYLE.next(page)
    return read


def test_a_whole_list_is_read_over_one_connection(server: Faulty, build: Build) -> None:
    plan(server, pages=4)
    client = build()

    assert list(range(12)) == walk(client, client.request("/things"))
    assert 4 == client.tally.api_calls
    assert 0 == client.tally.retries
    assert {"gzip"} == {seen["headers"]["accept-encoding"] for seen in server.log()}
    assert all(seen["headers"]["authorization"].startswith("Basic ") for seen in server.log())


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "status", "status": 429},
        {"kind": "status", "status": 500},
        {"kind": "status", "status": 502, "body": "<html>Bad gateway</html>"},
        {"kind": "status", "status": 503},
        {"kind": "reset"},
        {"kind": "reset", "after": 0},
        {"kind": "close"},
        {"kind": "refuse"},
        {"kind": "cut_json"},
        {"kind": "long_length"},
        {"kind": "cut_chunks"},
        {"kind": "hang", "seconds": 1.0},
        {"kind": "html"},
        {"kind": "gzip", "cut": 10},
        {"kind": "gzip", "cut": 1},
    ],
    ids=lambda fault: "-".join(str(value)[:12] for value in fault.values()),
)
def test_every_row_arrives_through_a_fault_that_passes(
    server: Faulty, build: Build, fault: dict[str, Any]
) -> None:
    plan(server, WHOLE, fault, fault, WHOLE, fault, pages=3)
    client = build()

    assert list(range(9)) == walk(client, client.request("/things"))
    assert 3 == client.tally.retries
    assert 6 == client.tally.api_calls == len(server.log())


@pytest.mark.parametrize("kind", ["chunked", "gzip"])
def test_chunked_and_compressed_answers_are_read(server: Faulty, build: Build, kind: str) -> None:
    plan(server, {"kind": kind}, {"kind": kind}, pages=2)
    client = build()

    assert list(range(6)) == walk(client, client.request("/things"))
    assert 0 == client.tally.retries


@pytest.mark.parametrize("kind", ["html", "cut_json", "long_length", "reset", "cut_chunks"])
def test_a_fault_that_stays_is_an_error_and_never_an_empty_page(
    server: Faulty, build: Build, kind: str
) -> None:
    server.obey({"routes": {"/things": [{"kind": kind}] * 3}})
    client = build(retry=Retry(attempts=3))

    with pytest.raises(Transient, match=rf"url {server.url}/things\?limit=2") as caught:
        client.page(client.request("/things", params=(("limit", "2"),)), SHAPE)

    text = str(caught.value)
    assert "attempts 3" in text
    assert SECRET not in text
    if kind == "html":
        assert isinstance(caught.value, IncompleteBody)
        assert "status 200, type text/html" in text
        assert "Down for maintenance" in text


def test_a_burst_of_errors_is_survived(server: Faulty, build: Build) -> None:
    statuses = [500, 502, 503, 504, 429, 500]
    plan(server, *({"kind": "status", "status": status} for status in statuses))
    client = build()

    assert [0, 1, 2] == walk(client, client.request("/things"))
    assert 6 == client.tally.retries


def test_retry_after_in_seconds_is_honoured(server: Faulty, build: Build, clock: FakeClock) -> None:
    plan(server, {"kind": "status", "status": 429, "headers": {"Retry-After": "7"}})

    build().send(build().request("/things"))

    assert 7.0 <= sum(clock.slept) <= 7.0 * 1.1 + 1


def test_retry_after_as_a_date_is_honoured(server: Faulty, build: Build, clock: FakeClock) -> None:
    moment = format_datetime(clock.now() + timedelta(seconds=42), usegmt=True)
    plan(server, {"kind": "status", "status": 503, "headers": {"Retry-After": moment}})

    build().send(build().request("/things"))

    assert 42.0 <= sum(clock.slept) <= 42.0 * 1.1 + 1


def test_a_reset_of_the_rate_limit_is_honoured(server: Faulty, build: Build, clock: FakeClock) -> None:
    reset = str(int(clock.now().timestamp()) + 20)
    headers = {"X-RateLimit-Limit": "400", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": reset}
    plan(server, {"kind": "status", "status": 429, "headers": headers})

    build().send(build().request("/things"))

    assert 19.0 <= sum(clock.slept) <= 24.0


def test_a_wait_beyond_the_deadline_is_left_to_the_next_run(
    server: Faulty, build: Build, clock: FakeClock
) -> None:
    plan(server, {"kind": "status", "status": 429, "headers": {"Retry-After": "120"}})
    client = build().scoped(deadline=FixedDeadline(60, clock), stream="things")

    with pytest.raises(Transient, match="the API asks to wait 120 s of which 60 s are left") as caught:
        client.send(client.request("/things"))

    assert 120 == caught.value.retry_after
    assert "stream things" in str(caught.value)
    assert [] == clock.slept


def test_a_refusal_is_final_and_in_the_words_of_the_api(server: Faulty, build: Build) -> None:
    body = {"error": {"type": "invalid_api_key", "message": f"The key {SECRET} is not valid"}}
    plan(server, {"kind": "status", "status": 403, "body": body})
    client = build().scoped(stream="things")

    with pytest.raises(Refused, match=r"The key \*\*\* is not valid \(invalid_api_key\)") as caught:
        client.send(client.request("/things"))

    assert (403, "invalid_api_key") == (caught.value.status, caught.value.kind)
    assert 1 == len(server.log())


def test_a_record_of_ten_megabytes_arrives(server: Faulty, build: Build) -> None:
    plan(server, {"kind": "big", "megabytes": 10})
    client = build(timeout=Timeout())

    page = client.page(client.request("/things"), SHAPE)

    assert 10 * 1024 * 1024 < len(page.records[0])


def test_a_gzip_bomb_is_refused(server: Faulty, build: Build) -> None:
    plan(server, {"kind": "bomb", "megabytes": 40})
    client = build(timeout=Timeout())

    with pytest.raises(Violation, match="grows beyond 16,777,216 bytes"):
        client.page(client.request("/things"), SHAPE)

    assert 1 == len(server.log())


def test_an_answer_beyond_the_cap_is_refused(server: Faulty, build: Build) -> None:
    client = build(caps=Caps(body=1000))
    for fault in ({"kind": "big", "megabytes": 1}, {"kind": "chunked"}):
        plan(server, fault, records=100)

        with pytest.raises(Violation, match="is larger than 1,000 bytes allow"):
            client.page(client.request("/things"), SHAPE)


def test_a_server_that_drips_is_given_up_after_the_total_time(server: Faulty, build: Build) -> None:
    plan(server, {"kind": "drip", "seconds": 0.05})
    client = build(
        clock=SystemClock(), timeout=Timeout(connect=1, read=1, total=0.3), retry=Retry(attempts=1)
    )
    began = time.monotonic()

    with pytest.raises(Transient, match="took too long"):
        client.send(client.request("/things"))

    assert time.monotonic() - began < 5


DRIPPING = Timeout(connect=1, read=1, total=60, stall=0.3)


def test_a_page_that_drips_is_given_up_long_before_the_total_time(server: Faulty, build: Build) -> None:
    plan(server, *[{"kind": "drip", "seconds": 0.05}] * 2)
    client = build(clock=SystemClock(), timeout=DRIPPING, retry=Retry(attempts=2, base=0.01))

    with pytest.raises(Transient, match=r"hardly moves: [0-9]+ bytes came in") as caught:
        client.page(client.request("/things"), SHAPE)

    assert (2, 2) == (caught.value.where["attempts"], len(server.log()))


def test_a_file_that_drips_is_given_up_though_each_byte_is_progress(server: Faulty, build: Build) -> None:
    plan(server, *[{"kind": "drip", "seconds": 0.05}] * 9)
    client = build(clock=SystemClock(), timeout=DRIPPING, retry=Retry(attempts=2, base=0.01))

    with pytest.raises(Transient, match="hardly moves"):
        client.download(client.request("/things"), io.BytesIO())

    assert 2 == len(server.log())


def test_a_file_that_comes_slowly_and_steadily_is_read_to_its_end(server: Faulty, build: Build) -> None:
    """It takes several times `stall`, and no `total` bounds it."""
    plan(server, {"kind": "drip", "seconds": 0.03, "bytes": 1200}, body={"data": [{"id": "x" * 40_000}]})
    client, target = build(clock=SystemClock(), timeout=DRIPPING, retry=Retry(attempts=1)), io.BytesIO()
    began = time.monotonic()

    client.download(client.request("/things"), target)

    assert time.monotonic() - began > 2 * DRIPPING.stall
    assert "x" * 40_000 == json.loads(target.getvalue())["data"][0]["id"]


class Slow(io.BytesIO):
    """A target that takes its time."""

    def write(self, piece: Any) -> int:
        time.sleep(DRIPPING.stall / 2)
        return super().write(piece)


def test_the_time_that_the_reader_takes_is_not_the_servers(server: Faulty, build: Build) -> None:
    plan(server, {"kind": "drip", "seconds": 0.01, "bytes": 100}, body={"data": [{"id": "x" * 700}]})
    client, target = build(clock=SystemClock(), timeout=DRIPPING, retry=Retry(attempts=1)), Slow()

    client.download(client.request("/things"), target)

    assert "x" * 700 == json.loads(target.getvalue())["data"][0]["id"]


def test_no_credential_follows_a_redirect_to_another_host(server: Faulty, build: Build) -> None:
    headers = (("X-Tenant", "t1"), ("Accept", "application/json"))
    with faulty() as other:
        plan(
            server,
            {"kind": "redirect", "location": f"{other.url}/elsewhere?x=1"},
            {"kind": "redirect", "location": "/home"},
        )
        client = build()

        response = client.send(Request(f"{server.url}/things", headers=headers))
        home = client.send(client.request("/things"))

        seen = other.log()[0]

    assert f"{other.url}/elsewhere?x=1" == response.url
    assert f"{server.url}/home" == home.url
    assert "application/json" == seen["headers"]["accept"]
    assert {"authorization", "x-tenant", "cookie"}.isdisjoint(seen["headers"])
    assert "authorization" in server.log()[-1]["headers"]


def test_a_redirect_that_carries_the_key_elsewhere_is_refused(server: Faulty, build: Build) -> None:
    location = f"http://127.0.0.1:9/steal?k={SECRET}"
    plan(server, {"kind": "redirect", "location": location})
    client = build()

    with pytest.raises(AddressRefused, match="carries our credential") as caught:
        client.send(client.request("/things"))

    assert SECRET not in str(caught.value)


def test_redirects_in_a_circle_end(server: Faulty, build: Build) -> None:
    server.obey({"routes": {"*": [{"kind": "redirect", "location": "/again"}] * 20}})
    client = build()

    with pytest.raises(AddressRefused, match="more than 5 redirects"):
        client.send(client.request("/things"))


@pytest.mark.parametrize(
    "link",
    [
        "https://10.0.0.1/things",
        "https://169.254.169.254/latest/meta-data",
        "https://[::ffff:10.0.0.1]/x",
        "https://[fd00::1]/x",
        "https://0xa.1/x",
        "https://167772161/x",
        "http://192.168.1.1/x",
        "https://0.0.0.0/x",
        "file:///etc/passwd",
        "https://user@10.0.0.1/x",
    ],
)
def test_a_next_link_into_the_private_network_is_refused(server: Faulty, build: Build, link: str) -> None:
    plan(server, {"kind": "next", "link": link})
    client = build()

    with pytest.raises(AddressRefused, match="a link"):
        walk(client, client.request("/things"))

    assert 1 == client.tally.api_calls


@pytest.mark.parametrize("auth", [Basic(username="KEY"), ApiKey(key="KEY", name="api_key", place="query")])
def test_a_file_is_downloaded_from_another_host_without_credentials(
    server: Faulty, build: Build, auth: Auth
) -> None:
    with faulty({"routes": {"/f.gz": [{"kind": "file", "size": 3_000_000}]}}) as other:
        target = io.BytesIO(b"kept")
        target.seek(4)
        client = build(auth=auth)
        content = file_bytes(3_000_000)

        result = client.download(
            Request(f"{other.url}/f.gz?X-Amz-Signature=abc%2Fd"),
            target,
            md5=hashlib.md5(content, usedforsecurity=False).hexdigest(),
        )
        seen = other.log()[0]

    assert b"kept" + content == target.getvalue()
    assert (3_000_000, hashlib.sha256(content).hexdigest()) == (result.bytes, result.sha256)
    assert "/f.gz?X-Amz-Signature=abc%2Fd" == seen["path"]
    assert "authorization" not in seen["headers"]
    assert "identity" == seen["headers"]["accept-encoding"]


@pytest.mark.parametrize("etag", ['"1"', 'W/"1"', ""])
def test_a_broken_download_goes_on_or_begins_again(server: Faulty, build: Build, etag: str) -> None:
    fault = {"kind": "file", "size": 900_000, "etag": etag}
    plan(server, {**fault, "break_after": 300_000}, {**fault, "break_after": 300_000}, fault)
    client, target = build(), io.BytesIO()

    result = client.download(
        client.request("/things"), target, sha256=hashlib.sha256(file_bytes(900_000)).hexdigest()
    )

    assert file_bytes(900_000) == target.getvalue()
    assert 900_000 == result.bytes
    assert (etag == '"1"') == ("range" in server.log()[-1]["headers"])


def test_a_file_with_another_digest_is_a_violation(server: Faulty, build: Build) -> None:
    plan(server, *[{"kind": "file", "size": 1000}] * 2)
    client, target = build(retry=Retry(attempts=2)), io.BytesIO()

    with pytest.raises(Violation, match=r"the file's md5 is .*, and abc was promised"):
        client.download(client.request("/things"), target, md5="abc")

    assert b"" == target.getvalue()
    assert 2 == len(server.log())


def test_a_missing_file_is_refused_with_the_servers_words(server: Faulty, build: Build) -> None:
    plan(
        server,
        {"kind": "status", "status": 404, "body": {"error": {"type": "not_found", "message": "later"}}},
    )
    client = build()

    with pytest.raises(Refused, match="later") as caught:
        client.download(client.request("/things"), io.BytesIO())

    assert 404 == caught.value.status


def test_head_gives_the_headers(server: Faulty, build: Build) -> None:
    plan(server, {"kind": "status", "status": 200, "headers": {"Recurly-Total-Records": "42"}})
    client = build()

    assert "42" == client.head(client.request("/things")).headers["recurly-total-records"]
    assert "HEAD" == server.log()[0]["method"]


def test_many_threads_share_a_client(server: Faulty, build: Build) -> None:
    server.obey({"routes": {"*": [{"kind": "status", "status": 503}, {"kind": "reset"}] * 5}, "pages": 5})
    client = build(limit=RateLimit(concurrency=3), clock=SystemClock(), retry=Retry(base=0.01))
    read: dict[int, list[int]] = {}

    def work(number: int) -> None:
        view = client.scoped(stream=f"s{number}")
        read[number] = walk(view, view.request(f"/s{number}"))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert {number: list(range(15)) for number in range(8)} == read


def test_a_server_that_is_not_there_is_transient(build: Build) -> None:
    client = build(base="http://127.0.0.1:9", retry=Retry(attempts=2))

    with pytest.raises(Transient, match="the connection failed: ConnectionRefusedError"):
        client.send(client.request("/things"))


def test_forms_and_json_are_sent(server: Faulty, build: Build) -> None:
    client = build()

    client.send(Request(f"{server.url}/a", method="POST", json={"q": ["ü", 1]}))
    client.send(Request(f"{server.url}/b", method="POST", form=(("a", "1 2"), ("b", "&"))))
    client.send(Request(f"{server.url}/c?x=1", params=(("y", "a b"), ("y", "ü"))))

    one, two, three = server.log()
    assert ({"q": ["ü", 1]}, "application/json") == (json.loads(one["body"]), one["headers"]["content-type"])
    assert ("a=1+2&b=%26", "application/x-www-form-urlencoded") == (
        two["body"],
        two["headers"]["content-type"],
    )
    assert "/c?x=1&y=a+b&y=%C3%BC" == three["path"]
