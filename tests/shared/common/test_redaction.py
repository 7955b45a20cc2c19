"""No secret survives redaction, and what one needs for debugging does."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote, quote_plus, urlencode

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from shared.common.redaction import COMMON, MASK, SHORTEST, Redactor, looks_secret

secrets = st.text(min_size=SHORTEST, max_size=40).filter(
    lambda s: s not in MASK * 20 and s.strip() and s.strip().lower() not in COMMON
)
secret_names = st.sampled_from(
    "api_key apikey token access_token X-Amz-Signature X-Amz-Security-Token sig password client_secret Signature key "
    "%74oken auth[token] X-Goog-Credential".split()
)
url_safe = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cs", "Cc", "Z")), min_size=8, max_size=30
)


@settings(deadline=None)
@given(secret=secrets, before=st.text(max_size=20), after=st.text(max_size=20))
def test_a_known_value_never_stays_in_a_text(secret: str, before: str, after: str) -> None:
    assume(
        secret not in MASK + after and secret not in before + MASK and secret not in f"{before}{MASK}{after}"
    )

    assert secret not in Redactor([secret]).text(f"{before}{secret}{after}")


@settings(deadline=None)
@given(
    secret=st.text(
        st.characters(codec="utf-8", exclude_categories=("C", "Z"), exclude_characters="*"), min_size=SHORTEST
    ).filter(lambda secret: secret.lower() not in COMMON)
)
def test_a_known_value_is_found_in_every_spelling(secret: str) -> None:
    raw = secret.encode()
    spellings = [
        quote(secret, safe=""),
        quote_plus(secret),
        json.dumps(secret)[1:-1],
        base64.b64encode(raw).decode(),
        base64.urlsafe_b64encode(raw).decode().rstrip("="),
    ]
    redactor = Redactor([secret])

    for spelling in spellings:
        assert f"<{MASK}>" == redactor.text(f"<{spelling}>").replace("=", "")
        assert redactor.reveals(f"x{spelling}y")


@settings(deadline=None)
@given(name=secret_names, secret=url_safe, other=st.text(max_size=10))
def test_a_parameter_that_looks_secret_is_masked_whoever_made_it(name: str, secret: str, other: str) -> None:
    query = f"{urlencode({'q': other})}&{name}={quote(secret, safe='')}&page=2"
    url = f"https://api.test/a?{query}#top"

    redacted = Redactor().url(url)

    assert redacted == f"https://api.test/a?{urlencode({'q': other})}&{name}={MASK}&page=2#top"


@settings(deadline=None)
@given(user=url_safe, password=url_safe)
def test_user_info_is_masked(user: str, password: str) -> None:
    url = f"https://{quote(user, safe='')}:{quote(password, safe='')}@api.test/a"

    assert f"https://{MASK}@api.test/a" == Redactor().url(url)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Authorization: Basic dXNlcjpwYXNz", "Authorization: ***"),
        ("sent Bearer abcdefgh.ijkl to x", "sent Bearer *** to x"),
        ('{"access_token": "abc", "expires_in": 3600}', '{"access_token": "***", "expires_in": 3600}'),
        ("{'password': 'it\\'s', 'user': 'me'}", "{'password': '***', 'user': 'me'}"),
        ("got eyJhbGciOiJI.eyJzdWIiOiIx.c2ln!", "got ***!"),
        ("id AKIAIOSFODNN7EXAMPLE end", "id *** end"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----\n", "***\n"),
        ("cut -----BEGIN PRIVATE KEY-----\nMIIE", "cut ***"),
        ("wrote a=1&client_secret=abc&b=2", "wrote a=1&client_secret=***&b=2"),
        (
            "https://s3.test/f.gz?X-Amz-Date=1&X-Amz-Signature=ab12",
            "https://s3.test/f.gz?X-Amz-Date=1&X-Amz-Signature=***",
        ),
    ],
)
def test_shapes_of_secrets_are_masked(text: str, expected: str) -> None:
    assert expected == Redactor().text(text)


@pytest.mark.parametrize(
    "text",
    [
        "https://v3.recurly.com/accounts?cursor=123:456&limit=200&sort=updated_at&order=asc",
        "/next?page_token=abc&next_token=def&pageToken=x&cursor=y",
        "stream accounts: 200 rows, monkey=see, keyword=x",
        "2026-11-20T17:25:00Z state: running, key figures",
        '{"id": "abc", "state": "active"}',
    ],
)
def test_what_one_debugs_with_stays(text: str) -> None:
    assert text == Redactor().text(text)


def test_headers_are_masked_by_name_and_by_value() -> None:
    headers = {
        "Authorization": "Basic x",
        "Cookie": "a",
        "X-Api-Key": "b",
        "Accept": "json",
        "X-Echo": "hunter22!",
    }

    redacted = Redactor(["hunter22"]).headers(headers)

    assert {
        "Authorization": MASK,
        "Cookie": MASK,
        "X-Api-Key": MASK,
        "Accept": "json",
        "X-Echo": "***!",
    } == redacted


def test_the_longest_known_value_is_masked_first() -> None:
    assert "a *** b" == Redactor(["abcd", "abcdefgh"]).text("a abcdefgh b")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "GET https://api.test/X7/a?k=X7&l=X70&m=%C3%A9#end",
            "GET https://api.test/X7/a?k=***&l=X70&m=***#end",
        ),
        (
            '{"user": "X7", "said": "X7 is wrong", "q": "a\\"b"}',
            '{"user": "***", "said": "*** is wrong", "q": "***"}',
        ),
        ("X-Key: X7, sent bearer X7.", "X-Key: ***, sent bearer ***."),
        ("b a c, x7, pw=x7", "b a c, x7, pw=x7"),
    ],
)
def test_values_too_short_to_search_for_are_masked_where_they_are_a_whole_value(
    text: str, expected: str
) -> None:
    redactor = Redactor(["", " ", "X7", "é", 'a"b'])

    assert expected == redactor.text(text)
    assert not redactor.reveals(text)
    assert {"X-K": MASK, "X-L": "X70"} == redactor.headers({"X-K": "X7", "X-L": "X70"})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("run again: sluice run pgs, into /home/.sluice/warehouse.duckdb",) * 2,
        ("https://api.test/x?pw=sluice&a=1", "https://api.test/x?pw=***&a=1"),
        ('{"said": "sluice"} Basic sluice', '{"said": "***"} Basic ***'),
        ("mysql://sluice:sluice@db/shop", "mysql://***@db/shop"),
    ],
)
def test_a_word_that_everybody_knows_is_masked_where_it_is_a_value(text: str, expected: str) -> None:
    """A password that is the name of the program would else make masks of its paths and commands."""
    redactor = Redactor(["sluice"])

    assert expected == redactor.text(text)
    assert not redactor.reveals(text)


def test_a_redactor_shows_nothing() -> None:
    assert "hunter22" not in repr(Redactor(["hunter22"]))


def test_names_are_told_apart() -> None:
    assert not any(map(looks_secret, ("page_token", "limit", "begin_time", "cursor", "sort_key")))
    assert all(map(looks_secret, ("token", "api-key", "AWSAccessKeyId", "X-Amz-Credential")))


def test_the_folder_of_a_shell_is_no_password() -> None:
    told = "HOME=/root\nPWD=/srv/app\nOLDPWD=/srv PWD=hunter22 pwd=/a Server=x;PWD=/hunter22"

    assert "HOME=/root\nPWD=/srv/app\nOLDPWD=/srv PWD=*** pwd=*** Server=x;PWD=***" == Redactor().text(told)
