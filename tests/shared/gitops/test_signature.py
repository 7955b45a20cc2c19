"""Only the host's own signature opens the door."""

from __future__ import annotations

import base64
import hashlib
import hmac

import pytest

from shared.common.errors import Misconfigured, Refused
from shared.common.signatures import TOLERANCE
from shared.gitops.news import Host
from shared.gitops.signature import verify

SECRET = "It's a Secret to Everybody"
BODY = b"Hello, World!"
# https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries
DIGEST = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"

# https://github.com/standard-webhooks/standard-webhooks/tree/main/libraries
STANDARD = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
STANDARD_BODY = b'{"test": 2432232314}'
STANDARD_NOW = 1614265330
STANDARD_HEADERS = {
    "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "webhook-timestamp": str(STANDARD_NOW),
    "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
}


def test_the_vector_of_github_is_right() -> None:
    verify(Host.GITHUB, {"x-hub-signature-256": f"sha256={DIGEST}"}, BODY, secrets=[SECRET], now=0)


def test_bitbucket_signs_by_sha256_under_the_name_of_githubs_old_sha1() -> None:
    verify(Host.BITBUCKET, {"x-hub-signature": f"sha256={DIGEST}"}, BODY, secrets=[SECRET], now=0)


@pytest.mark.parametrize("host", [Host.GITHUB, Host.BITBUCKET])
@pytest.mark.parametrize(
    "given",
    [
        "",
        DIGEST,
        f"sha1={DIGEST}",
        f"sha256={DIGEST[:-1]}",
        f"sha256={'0' * 64}",
        "sha256=",
        "sha256=é\udcff",
        f"sha256={hmac.new(b'another one', BODY, hashlib.sha256).hexdigest()}",
    ],
)
def test_any_other_signature_is_refused(host: Host, given: str) -> None:
    headers = {"x-hub-signature-256": given, "x-hub-signature": given}

    with pytest.raises(Refused) as caught:
        verify(host, headers, BODY, secrets=[SECRET], now=0)

    assert 401 == caught.value.status
    assert SECRET not in str(caught.value)


def test_the_old_sha1_of_github_is_not_looked_at() -> None:
    sha1 = hmac.new(SECRET.encode(), BODY, hashlib.sha1).hexdigest()

    with pytest.raises(Refused, match="not signed"):
        verify(Host.GITHUB, {"x-hub-signature": f"sha1={sha1}"}, BODY, secrets=[SECRET], now=0)


def test_a_changed_byte_of_the_body_is_refused() -> None:
    with pytest.raises(Refused, match="wrong"):
        verify(Host.GITHUB, {"x-hub-signature-256": f"sha256={DIGEST}"}, BODY + b" ", secrets=[SECRET], now=0)


@pytest.mark.parametrize("secrets", [[SECRET, "the next one"], ["the next one", SECRET]])
def test_two_secrets_are_valid_at_once(secrets: list[str]) -> None:
    verify(Host.GITHUB, {"x-hub-signature-256": f"sha256={DIGEST}"}, BODY, secrets=secrets, now=0)


@pytest.mark.parametrize("secrets", [[], [""], ["short"], [SECRET, ""]])
def test_without_a_usable_secret_nobody_is_let_in(secrets: list[str]) -> None:
    empty = hmac.new(b"", BODY, hashlib.sha256).hexdigest()

    with pytest.raises(Misconfigured, match="secret"):
        verify(Host.GITHUB, {"x-hub-signature-256": f"sha256={empty}"}, BODY, secrets=secrets, now=0)


def test_gitlab_sends_its_token_as_it_is() -> None:
    verify(Host.GITLAB, {"x-gitlab-token": SECRET}, BODY, secrets=["another secret", SECRET], now=0)

    for given in ({}, {"x-gitlab-token": SECRET[:-1]}, {"x-gitlab-token": ""}):
        with pytest.raises(Refused):
            verify(Host.GITLAB, given, BODY, secrets=[SECRET], now=0)


def test_the_vector_of_standard_webhooks_is_right() -> None:
    verify(Host.GITLAB, STANDARD_HEADERS, STANDARD_BODY, secrets=[STANDARD], now=STANDARD_NOW)


def test_one_of_several_signatures_is_enough_and_unknown_versions_are_stepped_over() -> None:
    several = (
        f"v2,AAAA v1,{base64.b64encode(b'x' * 32).decode()} {STANDARD_HEADERS['webhook-signature']} rubbish"
    )
    headers = {**STANDARD_HEADERS, "webhook-signature": several}

    verify(Host.GITLAB, headers, STANDARD_BODY, secrets=[STANDARD], now=STANDARD_NOW)


@pytest.mark.parametrize("off", [-TOLERANCE, TOLERANCE])
def test_a_clock_may_be_five_minutes_off(off: float) -> None:
    verify(Host.GITLAB, STANDARD_HEADERS, STANDARD_BODY, secrets=[STANDARD], now=STANDARD_NOW + off)

    with pytest.raises(Refused, match="too old"):
        verify(
            Host.GITLAB, STANDARD_HEADERS, STANDARD_BODY, secrets=[STANDARD], now=STANDARD_NOW + 1.01 * off
        )


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
@pytest.mark.parametrize(
    "value", ["", "other", "-5", "١٦١٤٢٦٥٣٣٠", "v1", "v2,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="]
)
def test_any_other_header_of_standard_webhooks_is_refused(name: str, value: str) -> None:
    with pytest.raises(Refused):
        verify(
            Host.GITLAB,
            {**STANDARD_HEADERS, name: value},
            STANDARD_BODY,
            secrets=[STANDARD],
            now=STANDARD_NOW,
        )


def test_a_token_does_not_stand_in_for_a_wrong_signature() -> None:
    headers = {**STANDARD_HEADERS, "webhook-signature": "v1,AAAA", "x-gitlab-token": "guessed token"}

    with pytest.raises(Refused):
        verify(Host.GITLAB, headers, STANDARD_BODY, secrets=[STANDARD], now=STANDARD_NOW)


def test_a_secret_of_standard_webhooks_that_is_cut_is_told() -> None:
    with pytest.raises(Misconfigured, match="whsec_"):
        verify(Host.GITLAB, STANDARD_HEADERS, STANDARD_BODY, secrets=["whsec_é?%"], now=STANDARD_NOW)
