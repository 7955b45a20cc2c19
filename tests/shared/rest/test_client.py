"""The client's decisions, with a fake transport: what is sent, what is retried, who is told what."""

from __future__ import annotations

import io
from types import SimpleNamespace
from typing import Any

import pytest

from shared.common.errors import Refused, Transient, Violation
from shared.common.fakes import DictSecrets, FakeClock, FixedDeadline
from shared.rest.auth import ApiKey, Basic, Bearer, ClientCredentials
from shared.rest.client import Client
from shared.rest.fake import FakeTransport, answer
from shared.rest.limit import RateLimit
from shared.rest.message import Request, Response
from shared.rest.pagination import LinkHeader, NextLink
from shared.rest.retry import Retry
from shared.rest.tally import Tally
from shared.rest.transport import Timeout

BASE = "https://api.test/v1"
SECRETS = {"KEY": "hunter22", "ID": "client-1"}


def build(answers: Any, clock: FakeClock | None = None, **changes: Any) -> tuple[Client, FakeTransport]:
    transport = FakeTransport(answers)
    settings = {
        "clock": clock or FakeClock(),
        "secrets": DictSecrets(SECRETS),
        "auth": Bearer(token="KEY"),
        **changes,
    }
    return Client(BASE, transport, **settings), transport


def test_requests_carry_credentials_and_the_sources_headers() -> None:
    client, transport = build([answer({})], headers=(("Accept", "v1"), ("X-Tenant", "t")))

    response = client.send(client.request("/things", params=(("a", "1"),), headers=(("accept", "v2"),)))

    assert {"accept": "v2", "x-tenant": "t", "authorization": "Bearer hunter22"} == dict(
        transport.requests[0].headers
    )
    assert "https://api.test/v1/things?a=1" == response.url


@pytest.mark.parametrize(
    "url",
    [
        "https://files.test/x",
        "https://api.test:8443/v1/x",
        "https://api.test.evil.example/v1/x",
        "https://xapi.test/v1",
    ],
)
def test_other_hosts_get_no_credential_and_no_header_of_ours(url: str) -> None:
    client, transport = build([answer({})], headers=(("X-Tenant", "t"),))

    client.send(Request(url, headers=(("X-Session", "s"), ("Cookie", "c"), ("Accept", "*/*"))))

    assert (("Accept", "*/*"),) == transport.requests[0].headers


def test_a_token_goes_to_its_endpoint_and_then_to_the_api() -> None:
    auth = ClientCredentials(token_url="https://login.test/token", client_id="ID")
    client, transport = build([answer({"access_token": "token-1"}), answer({})], auth=auth)

    client.send(client.request("/x"))

    assert ["https://login.test/token", "https://api.test/v1/x"] == [
        request.url for request in transport.requests
    ]
    assert 2 == client.tally.api_calls


def test_a_trouble_of_the_token_endpoint_is_retried() -> None:
    auth = ClientCredentials(token_url="https://login.test/token", client_id="ID")
    client, _ = build(
        [answer(status=503), Transient("reset"), answer({"access_token": "t"}), answer({})], auth=auth
    )

    assert 200 == client.send(client.request("/x")).status
    assert 2 == client.tally.retries


def test_a_401_refreshes_the_secret_once() -> None:
    secrets = DictSecrets({"KEY": "old-key"}, {"KEY": "new-key"})
    client, transport = build([answer(status=401), answer({})], secrets=secrets)

    assert 200 == client.send(client.request("/x")).status
    assert "Bearer new-key" == dict(transport.requests[1].headers)["authorization"]


def test_a_key_in_the_query_shows_nowhere() -> None:
    document = {"data": [], "has_more": True, "next": "/v1/x?api_key=hunter22&page=2"}
    link = '<https://api.test/v1/x?page=2&api_key=hunter22>; rel="next"'
    auth = ApiKey(key="KEY", name="api_key", place="query")
    client, transport = build([answer(document, link=link)] * 2 + [answer(status=404)], auth=auth)
    style = NextLink(has_more="has_more")

    page = client.page(client.request("/x"), style.shape("data"))
    linked = LinkHeader().next(client.page(client.request("/x"), LinkHeader().shape("data")))
    with pytest.raises(Refused, match="nothing is there") as caught:
        client.send(client.request("/x"))

    following = style.next(page)
    assert following is not None
    assert linked is not None
    assert "https://api.test/v1/x?page=2" == following.full_url() == linked.full_url()
    assert "https://api.test/v1/x" == page.response.url
    assert "hunter22" in transport.requests[0].full_url()
    assert "hunter22" not in f"{page} {caught.value}"


def test_bad_pages_are_retried_like_a_503() -> None:
    clock = FakeClock()
    client, _ = build(
        [answer(body=b"<html>"), answer({"data": []}), answer({"data": [1], "next": None})], clock
    )

    page = client.page(client.request("/x"), NextLink().shape("data"))

    assert (b"1",) == page.records
    assert (3, 2) == (client.tally.api_calls, client.tally.retries)
    assert 2 == len(clock.slept)


def test_a_view_counts_for_one_caller_and_names_its_place() -> None:
    client, _ = build([answer(status=500), answer({}), answer(status=404)], random=lambda: 0.5)
    tally = Tally()
    view = client.scoped(tally=tally, source="shop").scoped(tally=tally, stream="things")

    view.send(view.request("/x"))
    with pytest.raises(Refused, match="status 404") as caught:
        view.send(view.request("/y"))

    assert "source shop, stream things" in str(caught.value)
    assert (3, 1) == (tally.api_calls, tally.retries)
    assert tally.waited > 0
    assert 0 == client.tally.api_calls


def test_giving_up_says_what_came_last() -> None:
    client, _ = build([answer(body=b"no hunter22 today", status=502)] * 3, retry=Retry(attempts=3))

    with pytest.raises(Transient, match="did not answer with success: status 502, 3 times") as caught:
        client.send(client.request("/x", params=(("token", "abc"),)))

    text = str(caught.value)
    assert "its last answer begins with: 'no *** today'" in text
    assert "url https://api.test/v1/x?token=***, attempts 3" in text


def test_the_configured_paths_name_the_error() -> None:
    errors = SimpleNamespace(type="fault.name", message="fault.text")
    client, _ = build([answer({"fault": {"name": "gone", "text": "It went"}}, 410)], errors=errors)

    with pytest.raises(Refused, match=r"It went \(gone\)"):
        client.send(client.request("/x"))


@pytest.mark.parametrize(
    ("body", "kind", "message"),
    [
        (b'{"error":{"type":"a","message":"b"}}', "a", "b"),
        (b'{"type":"a","message":"b"}', "a", "b"),
        (b'{"error":"a","error_description":"b"}', "a", "b"),
        (b'{"code":7,"detail":"b"}', "7", "b"),
        (b"plain", "", "it said 'plain'"),
        (b"[1]", "", "it said '[1]'"),
    ],
)
def test_usual_error_bodies_are_understood(body: bytes, kind: str, message: str) -> None:
    client, _ = build([answer(body=body, status=400)])

    with pytest.raises(Refused, match="the API refused the request") as caught:
        client.send(client.request("/x"))

    assert kind == caught.value.kind
    assert message in caught.value.message


def test_one_throttled_thread_makes_all_wait() -> None:
    clock = FakeClock()
    client, _ = build(
        [answer(status=429, retry_after="9"), answer({}), answer({})], clock, random=lambda: 0.0
    )
    view = client.scoped(stream="other")

    client.send(client.request("/x"))
    clock.slept.clear()
    view.send(view.request("/y"))

    assert [] == clock.slept
    assert 9.0 == clock.monotonic()


def test_nobody_sleeps_past_the_deadline() -> None:
    clock = FakeClock()
    client, transport = build([answer(status=500)] * 50, clock, retry=Retry(base=2, attempts=50))
    view = client.scoped(deadline=FixedDeadline(10, clock))

    with pytest.raises(Transient, match="time is used up") as caught:
        view.send(view.request("/x"))

    assert clock.monotonic() <= 10
    assert caught.value.retry_after is None  # the API did not say when
    assert all(timeout.read <= 10 for timeout in transport.timeouts)


def test_nothing_is_sent_after_the_deadline() -> None:
    clock = FakeClock()
    client, transport = build([], clock)
    clock.advance(5)

    with pytest.raises(Transient, match="time of this run is over"):
        client.scoped(deadline=FixedDeadline(0, clock)).send(client.request("/x"))

    assert [] == transport.requests


def test_the_rate_limit_holds_across_streams() -> None:
    clock = FakeClock()
    client, _ = build([answer({})] * 4, clock, limit=RateLimit(requests=2, per=60))
    for stream in ("a", "b", "a", "b"):
        view = client.scoped(stream=stream)
        view.send(view.request("/x"))

    assert 60 == clock.monotonic()


def test_a_limit_beyond_the_deadline_is_not_waited_for() -> None:
    clock = FakeClock()
    client, _ = build([answer({})] * 2, clock, limit=RateLimit(requests=1, per=60))
    view = client.scoped(deadline=FixedDeadline(30, clock))
    view.send(view.request("/x"))

    with pytest.raises(Transient, match=r"API asks to wait 60 s|behind the deadline") as caught:
        view.send(view.request("/x"))

    assert 60 == caught.value.retry_after
    assert [] == clock.slept


def test_no_header_of_a_success_lets_a_run_sleep_for_ever() -> None:
    clock = FakeClock()
    never = answer({}, x_ratelimit_remaining="0", x_ratelimit_reset=str(10**30))
    client, _ = build([never] * 3, clock)
    for _ in range(3):
        client.send(client.request("/x"))

    assert [] == clock.slept


def test_a_limit_beyond_the_budget_for_retries_is_not_waited_for() -> None:
    clock = FakeClock()
    soon = answer({}, x_ratelimit_remaining="0", x_ratelimit_reset="3000")
    client, transport = build([soon], clock, retry=Retry(budget=600.0))
    client.send(client.request("/x"))

    with pytest.raises(Transient, match="next request in 3000 s") as caught:
        client.send(client.request("/x"))

    assert (3000, 1, []) == (caught.value.retry_after, len(transport.requests), clock.slept)
    assert "retry.budget" in str(caught.value)


def test_a_long_wait_is_told_with_its_reason() -> None:
    said: list[str] = []
    busy = [answer(status=429, retry_after=seconds) for seconds in ("5", "100")]
    client, _ = build([*busy, answer({})], say=said.append, random=lambda: 0.0)

    client.scoped(stream="plans").send(client.request("/x"))

    assert ["status 429: asking again in 100 s [stream plans, url https://api.test/v1/x]"] == said


def test_downloads_of_other_hosts_do_not_use_up_the_limit() -> None:
    clock = FakeClock()
    client, _ = build([answer(body=b"abc")] * 3, clock, limit=RateLimit(requests=1, per=60))
    for _ in range(3):
        client.download(Request("https://files.test/x"), io.BytesIO())

    assert [] == clock.slept


def test_a_long_download_counts_its_tries_anew_while_it_makes_progress() -> None:
    content = bytes(range(256)) * 40
    place = 0

    def handler(request: Request) -> Response:
        nonlocal place
        headers = {"etag": '"1"', "content_length": str(len(content) - place)}
        if place:
            assert f"bytes={place}-" == dict(request.headers)["range"]
            headers["content_range"] = f"bytes {place}-{len(content) - 1}/{len(content)}"
        piece, status = content[place : place + 2000], 206 if place else 200
        place += len(piece)
        return answer(body=piece, status=status, **headers)

    client, _ = build(handler, retry=Retry(attempts=2))
    target = io.BytesIO()

    result = client.download(Request("https://files.test/x"), target)

    assert content == target.getvalue()
    assert len(content) == result.bytes


def test_a_range_at_another_place_is_never_glued_on() -> None:
    first = answer(body=b"abc", etag='"1"', content_length="6")
    wrong = answer(body=b"xyz", status=206, content_range="bytes 0-2/6")
    client, _ = build(
        [first, wrong, answer(status=416), answer(body=b"abcdef", etag='"1"', content_length="6")]
    )
    client_2, _ = build([first, answer(status=416), answer(body=b"abcdef")])
    target, target_2 = io.BytesIO(), io.BytesIO()

    with pytest.raises(Refused, match="status 416"):
        client.download(Request("https://files.test/x"), target)
    client_2.download(Request("https://files.test/x"), target_2)

    assert b"abcdef" == target_2.getvalue()


def test_a_redirect_after_a_post_is_not_followed_blindly() -> None:
    client, transport = build(
        [answer(status=302, location="/y"), answer(status=307, location="/y"), answer({})]
    )

    with pytest.raises(Refused, match="status 302"):
        client.send(Request(f"{BASE}/x", method="POST", json={"a": 1}))
    client.send(Request(f"{BASE}/x", method="POST", json={"a": 1}))

    assert ("POST", {"a": 1}) == (transport.requests[-1].method, transport.requests[-1].json)


def test_once_left_the_own_host_never_gets_credentials_back() -> None:
    away = answer(status=302, location="https://other.test/x")
    back = answer(status=302, location="https://api.test/v1/admin")
    client, transport = build([away, back, answer({})])

    client.send(client.request("/x"))

    assert [True, False, False] == [
        "authorization" in dict(request.headers) for request in transport.requests
    ]


def test_a_downgrade_to_http_is_refused() -> None:
    client, transport = build([answer(status=301, location="http://api.test/v1/x")])

    with pytest.raises(Violation, match="from https to http"):
        client.send(client.request("/x"))

    assert 1 == len(transport.requests)


def test_closing_closes_the_transport() -> None:
    client, transport = build([])
    client.close()

    assert transport.closed


def test_a_fake_that_runs_out_of_answers_fails_the_test() -> None:
    client, _ = build([], auth=Basic(username="KEY"))

    with pytest.raises(AssertionError, match="no answer is left for https"):
        client.send(client.request("/x"))


def test_time_limits_shrink_with_the_time_that_is_left() -> None:
    assert Timeout(10, 60, 600) == Timeout(10, 60, 600).within(1000)
    assert Timeout(5, 5, 5) == Timeout(10, 60, 600).within(5)
    assert Timeout(0.1, 0.1, 0.1) == Timeout(10, 60, 600).within(-3)
