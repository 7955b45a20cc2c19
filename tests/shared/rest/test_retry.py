"""Who is asked again, and when."""

from __future__ import annotations

import itertools
import math
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.common.errors import Refused, Transient
from shared.rest.body import IncompleteBody
from shared.rest.message import Response
from shared.rest.retry import FURTHEST, GiveUp, Retry, Wait, reset_after, retry_after

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize("status", [429, 500, 501, 502, 503, 504, 599])
def test_too_fast_and_server_errors_are_retried(status: int) -> None:
    assert isinstance(Retry().decide(1, Response(status), spent=0), Wait)


@pytest.mark.parametrize("status", [300, 304, 400, 401, 403, 404, 408, 410, 422, 451])
def test_every_other_status_is_final(status: int) -> None:
    assert GiveUp(f"status {status}", final=True) == Retry().decide(1, Response(status), spent=0)


def test_transient_errors_are_retried_and_others_are_not() -> None:
    assert isinstance(Retry().decide(1, IncompleteBody("cut"), spent=0), Wait)
    assert GiveUp("no", final=True) == Retry().decide(1, Refused("no"), spent=0)


def test_a_document_may_add_statuses() -> None:
    retry = Retry(statuses=(408,), throttle_statuses=(403,))

    assert isinstance(retry.decide(1, Response(408), spent=0), Wait)
    assert isinstance(retry.decide(1, Response(403, {"x-ratelimit-remaining": "0"}), spent=0), Wait)
    assert isinstance(retry.decide(1, Response(403, {"retry-after": "1"}), spent=0), Wait)
    assert isinstance(retry.decide(1, Response(403), spent=0), GiveUp)


@given(
    attempt=st.integers(1, 99),
    chance=st.floats(0, 1, exclude_max=True),
    base=st.integers(0, 10),
    cap=st.integers(0, 60),
)
def test_backoff_is_full_jitter_below_the_cap(attempt: int, chance: float, base: int, cap: int) -> None:
    retry = Retry(attempts=100, base=base, cap=cap)

    decision = retry.decide(attempt, Response(500), spent=0, random=lambda: chance)

    assert isinstance(decision, Wait)
    assert chance * min(cap, base * 2.0 ** min(attempt - 1, 60)) == decision.seconds


@given(
    attempts=st.integers(1, 20),
    chances=st.lists(st.floats(0, 1, exclude_max=True), min_size=1),
    budget=st.floats(0, 500),
    told=st.none() | st.floats(0, 600),
)
def test_attempts_and_budget_bound_every_story(
    attempts: int, chances: list[float], budget: float, told: float | None
) -> None:
    retry, spent, random = Retry(attempts=attempts, budget=budget), 0.0, itertools.cycle(chances)
    headers = {} if told is None else {"retry-after": str(told)}
    for attempt in range(1, attempts + 2):
        decision = retry.decide(attempt, Response(503, headers), spent=spent, random=lambda: next(random))
        if isinstance(decision, GiveUp):
            break
        spent += decision.seconds
    else:
        pytest.fail("it never gave up")

    assert attempt <= attempts
    assert spent <= budget + 1e-6


@given(told=st.integers(1, 100), chance=st.floats(0, 1, exclude_max=True))
def test_the_wait_is_never_shorter_than_the_api_asks(told: int, chance: float) -> None:
    decision = Retry().decide(1, Response(429, {"retry-after": str(told)}), spent=0, random=lambda: chance)

    assert isinstance(decision, Wait)
    assert told <= decision.seconds <= told * 1.1 + 1


def test_a_retry_after_of_zero_still_backs_off() -> None:
    waits = [
        Retry().decide(n, Response(429, {"retry-after": "0"}), spent=0, random=lambda: 0.5) for n in (1, 2, 3)
    ]

    assert [0.25, 0.5, 1.0] == [wait.seconds for wait in waits if isinstance(wait, Wait)]


def test_a_wait_longer_than_what_is_left_is_left_to_the_caller() -> None:
    answer = Response(429, {"retry-after": "120"})

    for spent, remaining in ((200.0, math.inf), (0.0, 100.0)):
        decision = Retry().decide(1, answer, spent=spent, remaining=remaining)

        assert isinstance(decision, GiveUp)
        assert (False, 120.0) == (decision.final, decision.retry_after)


def test_no_wait_is_told_that_nobody_can_read() -> None:
    decision = Retry().decide(1, Response(429, {"retry-after": "1e308"}), spent=0)

    assert isinstance(decision, GiveUp)
    assert "asks to wait 86400 s of which 300 s are left" in decision.reason
    assert decision.retry_after == FURTHEST == 86_400


def test_an_error_may_say_itself_when_to_come_back() -> None:
    decision = Retry().decide(1, Transient("later", retry_after=9), spent=0, random=lambda: 0.0)

    assert Wait(9.0, "later") == decision


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"retry-after": "3"}, 3.0),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after": " 7 "}, 7.0),
        ({"retry-after": "-5"}, 0.0),
        ({"retry-after": "Fri, 20 Nov 2026 12:00:30 GMT"}, 30.0),
        ({"retry-after": "Friday, 20-Nov-26 12:00:30 GMT"}, 30.0),
        ({"retry-after": "Fri, 20 Nov 2026 11:00:00 GMT"}, 0.0),
        ({"retry-after": "1e308"}, FURTHEST),
        ({"retry-after": "Fri, 20 Nov 9026 12:00:30 GMT"}, FURTHEST),
        ({"x-ratelimit-reset": "9" * 200}, FURTHEST),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": ""}, None),
        ({}, None),
        ({"x-ratelimit-reset": "30"}, 30.0),
        ({"x-ratelimit-reset": str(int(NOW.timestamp()) + 15)}, 15.0),
        ({"x-ratelimit-reset": str((int(NOW.timestamp()) + 15) * 1000)}, 15.0),
        ({"x-ratelimit-reset": str(int(NOW.timestamp()) - 15), "x-ratelimit-remaining": "0"}, 0.0),
        ({"x-ratelimit-reset": "30", "x-ratelimit-remaining": "5"}, None),
        ({"ratelimit-reset": "30", "ratelimit-remaining": "0"}, 30.0),
        ({"retry-after": "3", "x-ratelimit-reset": "30"}, 3.0),
        ({"retry-after": "soon", "x-ratelimit-reset": "30"}, 30.0),
        ({"x-ratelimit-reset": "-1"}, None),
    ],
)
def test_what_the_headers_say(headers: dict[str, str], expected: float | None) -> None:
    assert expected == retry_after(headers, NOW)


def test_a_503_waits_for_the_reset_only_when_nothing_remains() -> None:
    assert retry_after({"x-ratelimit-reset": "30"}, NOW, throttled=False) is None
    assert 30 == retry_after({"x-ratelimit-reset": "30", "x-ratelimit-remaining": "0"}, NOW, throttled=False)


@given(st.text(max_size=40))
def test_no_header_breaks_the_reader(text: str) -> None:
    for seconds in (retry_after({"retry-after": text}, NOW), reset_after({"x-ratelimit-reset": text}, NOW)):
        assert seconds is None or seconds >= 0


def test_a_date_moves_with_the_clock() -> None:
    headers = {"retry-after": "Fri, 20 Nov 2026 12:00:30 GMT"}

    assert 10 == retry_after(headers, NOW + timedelta(seconds=20))
