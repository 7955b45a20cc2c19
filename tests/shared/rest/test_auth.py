"""Credentials are named in documents, put on when a request is sent, and fetched anew once after a 401."""

from __future__ import annotations

import base64
import threading
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from shared.common.errors import Misconfigured, Refused, Transient
from shared.common.fakes import DictSecrets, FakeClock
from shared.rest.auth import ApiKey, Auth, Basic, Bearer, ClientCredentials, NoAuth, RefreshToken, Wallet
from shared.rest.fake import FakeTransport, answer
from shared.rest.message import Request, Response
from shared.rest.transport import Timeout

ASKED = Request("https://api.test/things", headers=(("accept", "x"),))
TOKEN_URL = "https://login.test/token"


def run(auth: Auth, wallet: Wallet, answers: Any) -> tuple[Response, list[Request]]:
    """Drive a flow as the client does."""
    transport = answers if isinstance(answers, FakeTransport) else FakeTransport(answers)
    flow = auth.flow(ASKED, wallet)
    try:
        outgoing = next(flow)
        while True:
            response = transport.send(outgoing, timeout=Timeout())
            try:
                outgoing = flow.send(response)
            except StopIteration:
                return response, transport.requests
    finally:
        flow.close()


def wallet(*dicts: dict[str, str], clock: FakeClock | None = None) -> Wallet:
    return Wallet(DictSecrets(*(dicts or ({},))), clock or FakeClock())


def header(request: Request, name: str = "authorization") -> str | None:
    return dict(request.headers).get(name)


def basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    ("auth", "name", "value"),
    [
        (Basic(username="KEY"), "authorization", basic("hunter22:")),
        (Basic(username="USER", password="KEY"), "authorization", basic("mé:hunter22")),
        (Bearer(token="KEY"), "authorization", "Bearer hunter22"),
        (Bearer(token="KEY", prefix="Token"), "authorization", "Token hunter22"),
        (ApiKey(key="KEY"), "x-api-key", "hunter22"),
        (ApiKey(key="KEY", name="Authorization", prefix="SSWS"), "authorization", "SSWS hunter22"),
    ],
)
def test_headers_hold_the_credential(auth: Auth, name: str, value: str) -> None:
    purse = wallet({"KEY": "hunter22", "USER": "mé"})

    _, sent = run(auth, purse, [answer({})])

    assert value == header(sent[0], name)
    assert "x" == header(sent[0], "accept")
    assert value.rsplit(maxsplit=1)[-1] not in purse.redactor.text(f"sent {value}")


def test_a_key_may_go_into_the_query_and_is_taken_out_of_links() -> None:
    auth = ApiKey(key="KEY", name="api_key", place="query")

    _, sent = run(auth, wallet({"KEY": "hunter22"}), [answer({})])

    assert "https://api.test/things?api_key=hunter22" == sent[0].full_url()
    assert "/things?page=2" == auth.clean("/things?api_key=hunter22&page=2")
    assert "/things?page=2&size=1" == auth.clean("/things?page=2&api_key=hunter22&size=1")
    assert "/things?page=2#x" == auth.clean("/things?page=2&api_key=hunter22#x")
    assert "/things" == auth.clean("/things?api_key=hunter22")
    assert '</a?b=1>; rel="next"' == auth.clean('</a?b=1&api_key=hunter22>; rel="next"')
    assert "/a?my_api_key=1" == auth.clean("/a?my_api_key=1")


def test_without_auth_nothing_is_added() -> None:
    response, sent = run(NoAuth(), wallet(), [answer(status=401)])

    assert [ASKED] == sent
    assert 401 == response.status


def test_after_a_401_the_secret_is_fetched_anew_once() -> None:
    response, sent = run(
        Bearer(token="KEY"), wallet({"KEY": "old-key"}, {"KEY": "new-key"}), [answer(status=401), answer({})]
    )

    assert 200 == response.status
    assert ["Bearer old-key", "Bearer new-key"] == [header(request) for request in sent]


def test_a_second_401_is_the_answer() -> None:
    response, sent = run(
        Bearer(token="KEY"),
        wallet({"KEY": "old-key"}, {"KEY": "new-key"}),
        [answer(status=401), answer(status=401)],
    )

    assert (401, 2) == (response.status, len(sent))


def test_a_401_with_an_unchanged_secret_is_the_answer_at_once() -> None:
    response, sent = run(Bearer(token="KEY"), wallet({"KEY": "hunter22"}), [answer(status=401)])

    assert (401, 1) == (response.status, len(sent))


def test_a_secret_that_another_thread_refreshed_is_used() -> None:
    purse = wallet({"KEY": "old-key"}, {"KEY": "new-key"})

    def handler(request: Request) -> Response:
        if header(request) == "Bearer old-key":
            purse.secrets.refresh()
            return answer(status=401)
        return answer({})

    response, _ = run(Bearer(token="KEY"), purse, FakeTransport(handler))

    assert 200 == response.status


def test_a_secret_that_no_header_may_hold_is_a_mistake_and_not_shown() -> None:
    with pytest.raises(Misconfigured, match="no header may hold") as caught:
        run(Bearer(token="KEY"), wallet({"KEY": "hunter22\nX: y"}), [])

    assert "hunter22" not in str(caught.value)


SECRETS = {"ID": "client-1", "SECRET": "very-secret", "REFRESH": "refresh-0"}


def token_answers(**changes: Any) -> list[Any]:
    return [answer({"access_token": "token-1", "expires_in": 3600, **changes}), answer({})]


def test_client_credentials_fetch_a_token_and_keep_it() -> None:
    auth = ClientCredentials(
        token_url=TOKEN_URL, client_id="ID", client_secret="SECRET", scopes=("a", "b"), extra={"x": "y"}
    )
    purse = wallet(SECRETS)

    _, first = run(auth, purse, token_answers())
    _, second = run(auth, purse, [answer({})])

    assert TOKEN_URL == first[0].url
    assert {
        "grant_type": "client_credentials",
        "scope": "a b",
        "client_id": "client-1",
        "client_secret": "very-secret",
        "x": "y",
    } == dict(first[0].form)
    assert ["Bearer token-1"] == [header(request) for request in second]
    assert "token-1" not in purse.redactor.text("token-1 very-secret")


def test_the_client_may_prove_itself_by_basic() -> None:
    auth = ClientCredentials(token_url=TOKEN_URL, client_id="ID", client_secret="SECRET", client_auth="basic")

    _, sent = run(auth, wallet(SECRETS), token_answers())

    assert basic("client-1:very-secret") == header(sent[0])
    assert (("grant_type", "client_credentials"),) == sent[0].form


def test_a_token_near_its_end_is_fetched_anew() -> None:
    clock = FakeClock()
    auth, purse = ClientCredentials(token_url=TOKEN_URL, client_id="ID"), wallet(SECRETS, clock=clock)
    run(auth, purse, token_answers())
    clock.advance(3600 - 31)
    _, kept = run(auth, purse, [answer({})])
    clock.advance(2)

    _, fresh = run(auth, purse, token_answers(access_token="token-2"))

    assert 1 == len(kept)
    assert [TOKEN_URL, ASKED.url] == [request.url for request in fresh]
    assert "Bearer token-2" == header(fresh[1])


def test_a_refused_token_is_fetched_anew_once() -> None:
    auth, purse = ClientCredentials(token_url=TOKEN_URL, client_id="ID"), wallet(SECRETS)
    answers = [
        *token_answers()[:1],
        answer(status=401),
        answer({"access_token": "token-2"}),
        answer(status=401),
    ]

    response, sent = run(auth, purse, answers)

    assert 401 == response.status
    assert [None, "Bearer token-1", None, "Bearer token-2"] == [header(request) for request in sent]


def test_a_rotating_refresh_token_is_used_in_its_newest_form() -> None:
    clock = FakeClock()
    auth, purse = (
        RefreshToken(token_url=TOKEN_URL, client_id="ID", refresh_token="REFRESH"),
        wallet(SECRETS, clock=clock),
    )
    sent = []
    for number in (1, 2, 3):
        rotated = {"refresh_token": f"refresh-{number}"} if number < 3 else {}
        sent.append(run(auth, purse, token_answers(**rotated))[1][0])
        clock.advance(3600)
    sent.append(run(auth, purse, token_answers())[1][0])

    assert ["refresh-0", "refresh-1", "refresh-2", "refresh-2"] == [
        dict(r.form)["refresh_token"] for r in sent
    ]


def test_a_refresh_token_that_was_used_up_is_looked_for_once_more() -> None:
    auth = RefreshToken(token_url=TOKEN_URL, client_id="ID", refresh_token="REFRESH")
    purse = wallet(SECRETS, {**SECRETS, "REFRESH": "refresh-9"})

    _, sent = run(auth, purse, [answer({"error": "invalid_grant"}, 400), *token_answers()])

    assert ["refresh-0", "refresh-9"] == [dict(request.form)["refresh_token"] for request in sent[:2]]


def test_a_refusal_of_the_token_endpoint_is_in_its_own_words() -> None:
    auth = ClientCredentials(token_url=TOKEN_URL, client_id="ID", client_secret="SECRET")
    no = answer({"error": "invalid_client", "error_description": "unknown: very-secret"}, 401)

    with pytest.raises(Refused, match=r"unknown: \*\*\* \(invalid_client\)") as caught:
        run(auth, wallet(SECRETS), [no, no])

    assert "invalid_client" == caught.value.kind


@pytest.mark.parametrize(
    "bad", [answer(status=503), answer(status=429), answer(body=b"<html>"), answer([]), answer({})]
)
def test_a_token_endpoint_in_trouble_is_transient(bad: Response) -> None:
    with pytest.raises(Transient, match="token endpoint"):
        run(ClientCredentials(token_url=TOKEN_URL, client_id="ID"), wallet(SECRETS), [bad])


def test_of_many_threads_one_fetches_the_token() -> None:
    def handler(request: Request) -> Response:
        return (
            answer({"access_token": "token-1", "expires_in": 60}) if request.url == TOKEN_URL else answer({})
        )

    transport, purse = FakeTransport(handler), wallet(SECRETS)
    auth = ClientCredentials(token_url=TOKEN_URL, client_id="ID")
    threads = [threading.Thread(target=run, args=(auth, purse, transport)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert 1 == sum(request.url == TOKEN_URL for request in transport.requests)
    assert 9 == len(transport.requests)


def test_a_failure_on_the_way_gives_the_lock_back() -> None:
    auth, purse = ClientCredentials(token_url=TOKEN_URL, client_id="ID"), wallet(SECRETS)
    with pytest.raises(Transient, match="reset"):
        run(auth, purse, [Transient("reset")])
    taken: list[bool] = []

    thread = threading.Thread(target=lambda: taken.append(purse.lock.acquire(timeout=1)))
    thread.start()
    thread.join()

    assert [True] == taken


def test_documents_choose_by_type_and_never_send_secrets_in_the_clear() -> None:
    auths: TypeAdapter[Auth] = TypeAdapter(Auth)

    assert Basic(username="API_KEY") == auths.validate_python(
        {"type": "basic", "username": "API_KEY", "password": None}
    )
    with pytest.raises(ValidationError, match="must be https"):
        ClientCredentials(token_url="http://login.test/token", client_id="ID")
    with pytest.raises(ValidationError, match="Extra inputs"):
        auths.validate_python({"type": "bearer", "token": "T", "value": "x"})
