"""The limiter keeps below what the API allows, whoever asks and in whatever order."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.common.errors import Transient
from shared.common.fakes import FakeClock
from shared.rest.limit import Limiter, RateLimit
from shared.rest.message import Response


def told(remaining: int, reset: float, limit: int = 100) -> Response:
    headers = {
        "x-ratelimit-remaining": str(remaining),
        "x-ratelimit-reset": str(reset),
        "x-ratelimit-limit": str(limit),
    }
    return Response(200, headers)


@given(
    requests=st.integers(1, 10),
    per=st.floats(0.5, 60),
    pauses=st.lists(st.floats(0, 20), min_size=1, max_size=60),
)
def test_no_window_holds_more_than_allowed(requests: int, per: float, pauses: list[float]) -> None:
    clock = FakeClock()
    limiter = Limiter(RateLimit(requests=requests, per=per), clock)
    moments: list[float] = []
    for pause in pauses:
        with limiter.slot():
            moments.append(clock.monotonic())
        clock.advance(pause)

    for index, moment in enumerate(moments[requests:]):
        assert moment >= moments[index] + per - 1e-6


def test_a_free_window_lets_a_burst_through() -> None:
    clock = FakeClock()
    limiter = Limiter(RateLimit(requests=100, per=300.0), clock)
    for _ in range(100):
        with limiter.slot() as waited:
            assert 0 == waited

    assert [] == clock.slept


@given(st.integers(0, 200), st.integers(1, 300))
def test_what_remains_is_never_overdrawn(remaining: int, reset: int) -> None:
    clock = FakeClock()
    limiter = Limiter(RateLimit(), clock)
    limiter.observe(told(remaining, reset))
    sent = 0
    while clock.monotonic() < reset - 1e-6:
        with limiter.slot():
            sent += clock.monotonic() < reset - 1e-6
        clock.advance(0.01)
        if sent > remaining:
            break

    assert sent <= remaining


def test_few_remaining_requests_are_spread_until_the_reset() -> None:
    clock = FakeClock()
    limiter = Limiter(RateLimit(), clock)
    limiter.observe(told(5, 60))
    moments = []
    for _ in range(5):
        with limiter.slot():
            moments.append(clock.monotonic())

    gaps = [b - a for a, b in zip([0.0, *moments], moments, strict=False)]
    assert all(8 <= gap <= 12 for gap in gaps)


def test_many_remaining_requests_are_not_slowed_down() -> None:
    clock = FakeClock()
    limiter = Limiter(RateLimit(), clock)
    limiter.observe(told(90, 60))
    for _ in range(50):
        with limiter.slot():
            pass

    assert [] == clock.slept


def test_answers_that_overtake_one_another_do_no_harm() -> None:
    clock = FakeClock()
    limiter = Limiter(RateLimit(), clock)
    limiter.observe(told(0, 60))
    limiter.observe(told(3, 60))

    with limiter.slot() as waited:
        assert 60 == waited


def test_after_the_reset_all_is_free_again() -> None:
    clock = FakeClock()
    limiter = Limiter(RateLimit(), clock)
    limiter.observe(told(0, 60))
    clock.advance(60)

    with limiter.slot() as waited:
        assert 0 == waited


def test_a_pause_holds_for_everybody() -> None:
    clock = FakeClock()
    limiter = Limiter(RateLimit(), clock)
    limiter.observe(told(0, 600))
    limiter.pause(7)

    with limiter.slot() as waited:
        assert 7 == waited


def test_a_wait_beyond_the_deadline_is_an_error_that_says_when() -> None:
    clock = FakeClock()
    limiter = Limiter(RateLimit(requests=1, per=60.0), clock)
    with limiter.slot():
        pass

    with pytest.raises(Transient, match="next request in 60 s") as caught, limiter.slot(remaining=10):
        pytest.fail("it was let through")

    assert 60 == caught.value.retry_after
    with limiter.slot(remaining=61) as waited:
        assert 60 == waited


def test_a_place_that_stays_taken_is_an_error() -> None:
    limiter = Limiter(RateLimit(concurrency=1), FakeClock())

    with limiter.slot(), pytest.raises(Transient, match="no place"), limiter.slot(remaining=0.01):
        pytest.fail("it was let through")


@pytest.mark.parametrize("reset", [3 * 3600, 10**30, 10**300])
@pytest.mark.parametrize("remaining", [0, 3])
def test_a_reset_that_is_far_away_is_not_believed(reset: int, remaining: int) -> None:
    """The answer that says so is a success: whether more is allowed shows when it is asked for."""
    limiter = Limiter(RateLimit(), FakeClock())
    limiter.observe(told(remaining, reset))

    for _ in range(5):
        with limiter.slot() as waited:
            assert 0 == waited


def test_a_reset_beyond_the_patience_is_left_to_the_caller() -> None:
    clock = FakeClock()
    limiter = Limiter(RateLimit(), clock, patience=300)
    limiter.observe(told(0, 301))

    with (
        pytest.raises(Transient, match=r"next request in 301 s.*longer than.*300 s") as caught,
        limiter.slot(),
    ):
        pytest.fail("it was let through")

    assert 301 == caught.value.retry_after
    clock.advance(1)
    with limiter.slot() as waited:
        assert 300 == waited


def test_while_requests_remain_none_waits_beyond_the_patience() -> None:
    clock = FakeClock()
    limiter = Limiter(RateLimit(), clock, patience=300)
    limiter.observe(told(2, 3600))

    for _ in range(2):
        with limiter.slot() as waited:
            assert 300 == waited


def test_the_sources_own_limit_is_waited_for_however_long() -> None:
    limiter = Limiter(RateLimit(requests=1, per=1000), FakeClock(), patience=300)
    waits = []
    for _ in range(2):
        with limiter.slot() as waited:
            waits.append(waited)

    assert [0, 1000] == waits


def test_a_long_wait_is_told_once_in_a_while() -> None:
    clock, said = FakeClock(), list[str]()
    limiter = Limiter(RateLimit(requests=1, per=29), clock, say=said.append)
    for _ in range(3):
        with limiter.slot():
            pass
    assert [] == said

    limiter = Limiter(RateLimit(requests=1, per=100), clock, say=said.append)
    for _ in range(6):
        with limiter.slot():
            pass

    assert ["the rate limit allows the next request in 100 s: waiting"] * 2 == said


@pytest.mark.parametrize("name", ["x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"])
def test_a_header_of_thousands_of_digits_changes_nothing(name: str) -> None:
    limiter = Limiter(RateLimit(), FakeClock())
    limiter.observe(Response(200, {**told(50, 60).headers, name: "9" * 5000}))

    with limiter.slot() as waited:
        assert 0 == waited


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x-ratelimit-remaining": "many"},
        {"x-ratelimit-remaining": "0"},
        {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "?"},
    ],
)
def test_headers_that_say_too_little_change_nothing(headers: dict[str, str]) -> None:
    limiter = Limiter(RateLimit(), FakeClock())
    limiter.observe(Response(200, headers))

    with limiter.slot() as waited:
        assert 0 == waited


def test_never_more_under_way_than_allowed() -> None:
    limiter, lock = Limiter(RateLimit(concurrency=3), FakeClock()), threading.Lock()
    now = most = 0

    def work() -> None:
        nonlocal now, most
        for _ in range(20):
            with limiter.slot():
                with lock:
                    now += 1
                    most = max(most, now)
                with lock:
                    now -= 1

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert most <= 3


def test_a_document_writes_durations_as_people_do() -> None:
    assert 300.0 == RateLimit.model_validate({"requests": 5000, "per": "5m"}).per
