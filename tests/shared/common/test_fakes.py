"""The fakes keep what the doors promise; the store passes the suite of all stores."""

from __future__ import annotations

import math

import pytest

from shared.common.errors import Misconfigured
from shared.common.fakes import START, DictSecrets, FakeClock, FixedDeadline, MemoryStore
from shared.common.ports import Clock, Deadline, ObjectStore, Secrets
from tests.shared.landing.store_suite import ListingSuite, StoreSuite


def test_the_fakes_fit_their_doors() -> None:
    doors: tuple[Clock, Deadline, ObjectStore, Secrets] = (
        FakeClock(),
        FixedDeadline(),
        MemoryStore(),
        DictSecrets({}),
    )

    assert len(doors) == 4


def test_time_moves_only_by_sleeping_and_advancing() -> None:
    clock = FakeClock()
    clock.sleep(30)
    clock.advance(60)

    assert (clock.now() - START).total_seconds() == 90
    assert clock.monotonic() == 90
    assert clock.slept == [30]


def test_a_deadline_runs_down_on_its_clock() -> None:
    clock = FakeClock()
    clock.advance(1000)
    deadline = FixedDeadline(5, clock)
    clock.advance(4)

    assert deadline.remaining() == 1


def test_a_deadline_without_a_clock_stands_still() -> None:
    assert FixedDeadline(5).remaining() == 5
    assert FixedDeadline().remaining() == math.inf


def test_a_secret_that_is_not_there_names_the_known_ones() -> None:
    with pytest.raises(Misconfigured, match='did you mean "API_KEY"'):
        DictSecrets({"API_KEY": "x"}).get("API_KEI")


def test_refreshing_takes_the_next_values_and_says_whether_they_differ() -> None:
    secrets = DictSecrets({"K": "1"}, {"K": "2"}, {"K": "2"})

    assert secrets.get("K") == "1"
    assert secrets.refresh()
    assert secrets.get("K") == "2"
    assert not secrets.refresh()
    assert not secrets.refresh()


def test_the_memory_store_counts_its_calls() -> None:
    store = MemoryStore()
    store.put_new("a", b"1")
    store.head("a")
    store.head("b")

    assert store.calls == {"put_new": 1, "head": 2}
    assert store.url("a") == "memory:///a"


class TestMemoryStore(StoreSuite, ListingSuite):
    fresh_now = False

    @pytest.fixture
    def store(self) -> MemoryStore:
        return MemoryStore()
