"""One worker at a time, whoever dies."""

from __future__ import annotations

import pytest

from shared.common.errors import Superseded, Transient
from shared.common.fakes import FakeClock, MemoryStore
from shared.gitops.lease import leased


def test_a_second_worker_waits_and_is_told_how_long() -> None:
    store, clock = MemoryStore(), FakeClock()

    with leased(store, clock, "acme/main", holder="one", seconds=60):
        clock.advance(20)
        with pytest.raises(Transient) as caught, leased(store, clock, "acme/main", holder="two"):
            pass

    assert 40 == caught.value.retry_after


def test_it_is_given_back_at_the_end_also_of_a_failure() -> None:
    store, clock = MemoryStore(), FakeClock()

    with pytest.raises(ZeroDivisionError), leased(store, clock, "acme/main", holder="one"):
        raise ZeroDivisionError
    with leased(store, clock, "acme/main", holder="two") as lease:
        lease.check()


def test_a_holder_that_dies_keeps_it_until_its_time_is_over() -> None:
    store, clock = MemoryStore(), FakeClock()
    dead = leased(store, clock, "acme/main", holder="one", seconds=60)
    first = dead.__enter__()
    clock.advance(61)

    with leased(store, clock, "acme/main", holder="two") as second:
        assert second.number > first.number
        with pytest.raises(Superseded, match="another worker"):
            first.check()
        with pytest.raises(Superseded):
            first.renew()
    dead.__exit__(None, None, None)

    with leased(store, clock, "acme/main", holder="three"):
        pass


def test_one_that_is_renewed_stays() -> None:
    store, clock = MemoryStore(), FakeClock()

    with leased(store, clock, "acme/main", holder="one", seconds=60) as lease:
        for _ in range(5):
            clock.advance(50)
            lease.renew()
        lease.check()
        with pytest.raises(Transient), leased(store, clock, "acme/main", holder="two"):
            pass


def test_one_that_ran_out_is_not_ours_any_more_even_when_nobody_took_it() -> None:
    store, clock = MemoryStore(), FakeClock()

    with leased(store, clock, "acme/main", holder="one", seconds=60) as lease:
        clock.advance(60)
        with pytest.raises(Superseded):
            lease.check()


def test_leases_leave_few_objects() -> None:
    store, clock = MemoryStore(), FakeClock()

    for number in range(50):
        with leased(store, clock, "acme/main", holder=str(number)):
            pass

    assert 2 >= len(list(store.list("leases/")))


def test_other_names_are_other_leases() -> None:
    store, clock = MemoryStore(), FakeClock()

    with leased(store, clock, "acme/main", holder="one"), leased(store, clock, "acme/dev", holder="two"):
        pass


def test_of_two_who_take_it_in_the_same_moment_one_is_superseded() -> None:
    clock = FakeClock()

    class Late(MemoryStore):
        def put_new(self, key: str, body: bytes) -> str:
            super().put_new(key, b"{}")
            return super().put_new(key, body)

    with pytest.raises(Superseded, match="another worker took"), leased(Late(), clock, "a", holder="one"):
        pass


def test_a_lease_that_changes_hands_while_it_is_read_is_superseded() -> None:
    clock = FakeClock()

    class Swept(MemoryStore):
        def get(self, key: str) -> bytes:
            raise KeyError(key)

    store = Swept()
    with leased(store, clock, "a", holder="one", seconds=60):
        pass

    with pytest.raises(Superseded, match="another worker took"), leased(store, clock, "a", holder="two"):
        pass
