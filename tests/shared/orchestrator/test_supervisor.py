"""A running graph: order, retries, limits, back-pressure, changes and ends; with inputs and processes of one's own."""

from __future__ import annotations

import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from shared.common.clock import SystemClock
from shared.common.errors import Refused, Transient
from shared.orchestrator.configuration import Limits
from shared.orchestrator.doors import Outlet, Run, Stopped
from shared.orchestrator.event import Event, Operation
from shared.orchestrator.faults import Busy, NonZeroExit, UnknownProcess
from shared.orchestrator.journal import Batch, Phase, Standing
from shared.orchestrator.orchestrator import Orchestrator
from shared.orchestrator.policy import Breaker, Policy, Rate, Retry
from shared.orchestrator.postgres_journal import PostgresJournal
from shared.orchestrator.settings import Surroundings
from shared.orchestrator.sqlite_journal import MEMORY, SqliteJournal
from shared.orchestrator.status import ExitStatus, Status
from tests.shared.orchestrator.running import Remembering, until

QUICK = Retry(attempts=4, backoff=0.01, most=0.02)


def events(number: int, *, begin: int = 0) -> list[Event]:
    return [Event("the ether", Operation.CREATE, str(n), payload={"n": n}) for n in range(begin, number)]


def raising(number: int, *, keys: Sequence[str] | None = None) -> Callable[[Outlet], object]:
    return lambda outlet: outlet.emit(events(number), keys=keys)


@pytest.fixture
def dispatcher() -> Iterator[Orchestrator]:
    with Orchestrator(SqliteJournal(MEMORY)) as one:
        yield one


def test_children_start_when_their_parents_are_done(dispatcher: Orchestrator) -> None:
    """I -> a -> (b, c) -> d; every pair once, d after both."""
    order: dict[str, list[str]] = defaultdict(list)
    lock = threading.Lock()

    def process(name: str) -> Callable[[Event], None]:
        def run(event: Event) -> None:
            time.sleep(0.001 * (int(event.id) % 3))
            with lock:
                order[event.id].append(name)

        return run

    dispatcher.add_input("i", raising(50))
    for name in "abcd":
        dispatcher.add_process(name, process(name))
    dispatcher.link("i", "a")
    dispatcher.link("a", "b", "c")
    dispatcher.link("b", "d")
    dispatcher.link("c", "d")
    dispatcher.run(timeout=20)

    assert {str(n) for n in range(50)} == set(order)
    assert {("a", "d")} == {(names[0], names[-1]) for names in order.values()}
    assert {"abcd"} == {"".join(sorted(names)) for names in order.values()}
    assert {Standing.DONE: 50, Standing.OPEN: 0, Standing.DEAD: 0} == dispatcher.supervisor.journal.counts()


def test_a_process_that_fails_some_times_succeeds(dispatcher: Orchestrator) -> None:
    """The key is the same for every attempt, the attempt counts."""
    runs: list[tuple[int, str]] = []

    def flaky(event: Event, run: Run) -> None:
        runs.append((run.attempt, run.key))
        if run.attempt < 4:
            raise NonZeroExit(3, logs="not yet")

    dispatcher.add_input("i", raising(1, keys=["k"]))
    dispatcher.add_process("flaky", flaky, policy=Policy(retry=QUICK))
    dispatcher.link("i", "flaky")
    dispatcher.run(timeout=20)

    assert [(n, "i:k:flaky") for n in (1, 2, 3, 4)] == runs
    assert ["process exited with code 3"] == list(
        {one.error for one in dispatcher.supervisor.recent["flaky"] if one.error}
    )


def test_a_poison_event_becomes_a_dead_letter_and_holds_nobody_up(dispatcher: Orchestrator) -> None:
    """What follows it waits; after somebody retried it, it goes on."""
    healed = threading.Event()
    after = Remembering()

    def picky(event: Event) -> Status:
        if event.id == "7" and not healed.is_set():
            return Status("picky", "I do not like it", ExitStatus.FAIL)
        return Status("picky")

    dispatcher.add_input("i", raising(20))
    dispatcher.add_process("picky", picky, policy=Policy(retry=QUICK))
    dispatcher.add_process("after", after)
    dispatcher.link("i", "picky")
    dispatcher.link("picky", "after")
    dispatcher.run(timeout=20)
    journal = dispatcher.supervisor.journal
    (dead,) = journal.dead()
    (stop,) = [one for one in dead.to_plain()["journey"] if one["process"] == "picky"]

    assert ("dead", 4, "the process said fail", "I do not like it") == (
        stop["phase"], stop["attempt"], stop["error"], stop["logs"],
    )  # fmt: skip
    assert 19 == len(after.events)
    healed.set()
    assert ["picky"] == journal.retry(dead.id)
    until(lambda: len(after.events) == 20)
    until(lambda: not journal.dead() and journal.counts()[Standing.DONE] == 20)


@pytest.mark.parametrize("error", [Refused("no"), UnknownProcess("x", known=[])])
def test_errors_that_somebody_must_act_on_are_not_tried_again(
    dispatcher: Orchestrator, error: Exception
) -> None:
    seen = Counter[str]()

    def refuse(event: Event) -> None:
        seen[event.id] += 1
        raise error

    dispatcher.add_input("i", raising(1))
    dispatcher.add_process("refuse", refuse)
    dispatcher.link("i", "refuse")
    dispatcher.run(timeout=20)

    assert {"0": 1} == seen
    assert 1 == len(dispatcher.supervisor.journal.dead(process="refuse"))


class Unspeakable(Exception):
    def __str__(self) -> str:
        raise RuntimeError


def unspeakable(event: Event) -> None:
    raise Unspeakable


@pytest.mark.parametrize(
    ("function", "fault"),
    [
        (lambda event: 7, "the process returned int"),
        (lambda event: {}, "the process returned dict"),
        (unspeakable, "Unspeakable: (its text cannot be had: RuntimeError)"),
    ],
)
def test_no_function_can_end_a_worker(
    dispatcher: Orchestrator, function: Callable[[Event], Any], fault: str
) -> None:
    dispatcher.add_input("i", raising(10))
    dispatcher.add_process("odd", function, policy=Policy(concurrency=2, retry=Retry(attempts=1)))
    dispatcher.link("i", "odd")
    dispatcher.run(timeout=20)
    dead = dispatcher.supervisor.journal.dead(process="odd")

    assert 10 == len(dead)
    assert all(fault in one.to_plain()["journey"][0]["error"] for one in dead)


def test_a_filter_that_cannot_be_evaluated_is_a_dead_letter_of_its_process(dispatcher: Orchestrator) -> None:
    seen = Remembering()
    dispatcher.add_input("i", raising(1))
    dispatcher.add_process("never", seen)
    dispatcher.add_process("other", seen)
    dispatcher.link("i", "never", where="length(payload.n) > `1`")
    dispatcher.link("i", "other")
    dispatcher.run(timeout=20)

    assert ["other"] == [run.process for run in seen.runs]
    assert 1 == len(dispatcher.supervisor.journal.dead(process="never"))


def test_events_of_a_key_stay_in_order(dispatcher: Orchestrator) -> None:
    """Although they fail, and are retried, and eight run at once."""
    order: dict[int, list[int]] = defaultdict(list)
    failed = set[str]()

    def process(event: Event) -> None:
        number = int(event.id)
        if number % 7 == 0 and event.id not in failed:
            failed.add(event.id)
            raise Transient("once")
        order[number % 5].append(number)

    policy = Policy(concurrency=8, retry=QUICK, order_by="payload.k")

    def source(outlet: Outlet) -> None:
        outlet.emit([Event("x", Operation.CREATE, str(n), payload={"k": n % 5}) for n in range(200)])

    dispatcher.add_input("i", source)
    dispatcher.add_process("p", process, policy=policy)
    dispatcher.link("i", "p")
    dispatcher.run(timeout=20)

    assert {key: list(range(key, 200, 5)) for key in range(5)} == order


def test_no_more_run_at_once_than_may(dispatcher: Orchestrator) -> None:
    most = Counter[str]()
    now = Counter[str]()
    lock = threading.Lock()

    def process(name: str) -> Callable[[Event], None]:
        def run(event: Event) -> None:
            for one in (name, "all"):
                with lock:
                    now[one] += 1
                    most[one] = max(most[one], now[one])
            time.sleep(0.002)
            with lock:
                now[name] -= 1
                now["all"] -= 1

        return run

    dispatcher.supervisor.limits = Limits(concurrency=5)
    dispatcher.add_input("i", raising(60))
    for name, limit in (("a", 1), ("b", 3), ("c", 5)):
        dispatcher.add_process(name, process(name), policy=Policy(concurrency=limit))
        dispatcher.link("i", name)
    dispatcher.run(timeout=20)

    assert 1 == most["a"]
    assert 2 <= most["b"] <= 3
    assert 3 <= most["all"] <= 5


def test_a_rate_is_kept(dispatcher: Orchestrator) -> None:
    """5 at once, then 50 a second: 15 need at least 0.2 s."""
    seen = Remembering()
    dispatcher.add_input("i", raising(15))
    dispatcher.add_process("p", seen, policy=Policy(rate=Rate(starts=5, seconds=0.1)))
    dispatcher.link("i", "p")
    began = time.monotonic()
    dispatcher.run(timeout=20)

    assert time.monotonic() - began >= 0.2
    assert 15 == len(seen.events)


def test_a_dead_target_is_left_alone_for_a_while(dispatcher: Orchestrator) -> None:
    """3 failures open the breaker; then one attempt at a time decides, and the first that succeeds closes it."""
    calls: list[float] = []
    back = time.monotonic() + 0.4

    def target(event: Event) -> None:
        calls.append(time.monotonic())
        if time.monotonic() < back:
            raise Transient("down")

    policy = Policy(concurrency=1, retry=Retry(attempts=100, backoff=0.001, most=0.001),
                    breaker=Breaker(failures=3, cool_down=0.15))  # fmt: skip
    dispatcher.add_input("i", raising(10))
    dispatcher.add_process("p", target, policy=policy)
    dispatcher.link("i", "p")
    dispatcher.run(timeout=20)

    assert 3 <= len([at for at in calls if at < back]) <= 6
    assert {Standing.DONE: 10, Standing.OPEN: 0, Standing.DEAD: 0} == dispatcher.supervisor.journal.counts()


def test_a_slow_process_holds_its_input_back_and_no_other(dispatcher: Orchestrator) -> None:
    go = threading.Event()
    quick = Remembering()
    handed = Counter[str]()

    def source(name: str) -> Callable[[Outlet], None]:
        def run(outlet: Outlet) -> None:
            for event in events(300):
                outlet.emit([event])
                handed[name] += 1

        return run

    def slow(event: Event) -> None:
        go.wait(20)

    for name in ("slow", "quick"):
        dispatcher.add_input(f"i-{name}", source(name))
    dispatcher.add_process("slow", slow, policy=Policy(max_pending=10))
    dispatcher.add_process("quick", quick)
    dispatcher.link("i-slow", "slow")
    dispatcher.link("i-quick", "quick")
    dispatcher.start()
    until(lambda: len(quick.events) == 300)
    time.sleep(0.1)
    held = handed["slow"]
    with pytest.raises(Busy, match='"slow" has as much to do as may wait'):
        dispatcher.supervisor.emit("i-slow", events(1), patience=0.0)
    go.set()
    dispatcher.run(timeout=20)

    assert 10 == held
    assert 300 == handed["slow"]


def test_what_is_beyond_the_window_waits_in_the_journal(dispatcher: Orchestrator) -> None:
    """In the order in which it came, and no more than the window is in memory."""
    seen = Remembering()
    most = [0]

    def process(event: Event) -> None:
        most[0] = max(most[0], len(dispatcher.supervisor.desk.open))
        seen.execute(event, Run("p", ""))

    dispatcher.supervisor.limits = Limits(window=20)
    dispatcher.add_input("i", lambda outlet: [outlet.emit([one]) for one in events(400)])
    dispatcher.add_process("p", process, policy=Policy(concurrency=1, order_by="location"))
    dispatcher.link("i", "p")
    dispatcher.run(timeout=30)

    assert [str(n) for n in range(400)] == [event.id for event in seen.events]
    assert most[0] <= 20


def test_a_duplicate_is_one_event(dispatcher: Orchestrator) -> None:
    seen = Remembering()
    numbers: list[int] = []
    dispatcher.add_input(
        "i", lambda outlet: numbers.extend(outlet.emit(events(3), keys=["a", "b", "a"]) for _ in range(2))
    )
    dispatcher.add_process("p", seen)
    dispatcher.link("i", "p")
    dispatcher.run(timeout=20)

    assert [2, 0] == numbers
    assert 2 == len(seen.events)


def test_a_function_that_does_not_return_in_time_is_left_alone(dispatcher: Orchestrator) -> None:
    """Its worker is replaced; it is asked to stop, and what it says later does not count."""
    told: list[bool] = []
    hang = threading.Event()

    def process(event: Event, run: Run) -> None:
        if run.attempt == 1:
            told.append(run.cancelled.wait(20))
            hang.wait(20)

    dispatcher.supervisor.limits = Limits(concurrency=1)
    dispatcher.add_input("i", raising(1))
    dispatcher.add_process("p", process, policy=Policy(timeout=0.05, retry=QUICK))
    dispatcher.link("i", "p")
    dispatcher.run(timeout=20)
    hang.set()

    assert [True] == told
    (run,) = dispatcher.supervisor.journal.runs("p")
    assert (Phase.DONE, 2) == (run.phase, run.attempt)


def test_an_input_that_fails_is_run_again(dispatcher: Orchestrator) -> None:
    seen = Remembering()
    attempts = [0]

    def source(outlet: Outlet) -> None:
        attempts[0] += 1
        outlet.emit(events(2), keys=["a", "b"])
        if attempts[0] < 2:
            raise OSError("the line is cut")

    dispatcher.add_input("i", source)
    dispatcher.add_process("p", seen)
    dispatcher.link("i", "p")
    dispatcher.run(timeout=20)

    assert (2, 2) == (attempts[0], len(seen.events))
    assert "OSError: the line is cut" == dispatcher.supervisor.intake.sources["i"].last_error


def test_nodes_and_links_change_under_load(dispatcher: Orchestrator) -> None:
    """While 1,500 events flow: paused and resumed, replaced, added, removed; nothing is lost, nothing runs twice."""
    runs = {name: Remembering() for name in ("a", "a2", "b", "c")}
    done = threading.Event()

    def source(outlet: Outlet) -> None:
        for begin in range(0, 1500, 10):
            outlet.emit(events(begin + 10, begin=begin))
            time.sleep(0.001)
        done.set()

    dispatcher.add_input("i", source)
    dispatcher.add_process("a", runs["a"])
    dispatcher.add_process("b", runs["b"])
    dispatcher.link("i", "a")
    dispatcher.link("a", "b")
    dispatcher.start()
    until(lambda: runs["b"].events)
    dispatcher.pause("a")
    time.sleep(0.05)
    resting = len(runs["a"].events)
    time.sleep(0.05)
    assert resting == len(runs["a"].events)
    dispatcher.pause("a", paused=False)
    dispatcher.add_process("c", runs["c"])
    dispatcher.link("i", "c")
    until(lambda: runs["c"].events)
    dispatcher.add_process("a", runs["a2"])
    until(lambda: runs["a2"].events)
    dispatcher.remove("c")
    until(done.is_set)
    dispatcher.run(timeout=30)
    journal = dispatcher.supervisor.journal
    dead = {one.event.id for one in journal.dead(limit=2000, process="c")}

    every = Counter(str(n) for n in range(1500))
    assert every == Counter(event.id for name in ("a", "a2") for event in runs[name].events)
    assert every == Counter(event.id for event in runs["b"].events)
    assert not dead & {event.id for event in runs["c"].events}
    assert 0 < len(runs["c"].events) < 1500


def test_what_waits_for_a_process_that_is_removed_is_a_dead_letter(dispatcher: Orchestrator) -> None:
    """And is done when a process of that name is there again and somebody retries it."""
    seen = Remembering()
    dispatcher.add_input("i", raising(3))
    dispatcher.add_process("p", seen)
    dispatcher.pause("p")
    dispatcher.link("i", "p")
    dispatcher.start()
    until(lambda: dispatcher.supervisor.journal.counts()[Standing.OPEN] == 3)
    dispatcher.remove("p")
    until(lambda: len(dispatcher.supervisor.journal.dead()) == 3)
    dead = dispatcher.supervisor.journal.dead()
    dispatcher.add_process("p", seen)
    for one in dead:
        dispatcher.supervisor.journal.retry(one.id)
    until(lambda: len(seen.events) == 3)

    assert {'unknown process "p"'} == {outcome.error for one in dead for outcome in one.outcomes}


def test_draining_lets_what_runs_end_and_keeps_the_rest(tmp_path: Path) -> None:
    """A second dispatcher over the same journal does what is left, and nothing again."""
    began = threading.Semaphore(0)
    first, second = Remembering(), Remembering()

    def slow(event: Event, run: Run) -> None:
        began.release()
        time.sleep(0.2)
        first.execute(event, run)

    def built(process: object, journal: SqliteJournal) -> Orchestrator:
        one = Orchestrator(journal)
        one.add_input("i", raising(10, keys=[str(n) for n in range(10)]))
        one.add_process("p", process, policy=Policy(concurrency=2))  # type: ignore[arg-type]
        one.link("i", "p")
        return one

    one = built(slow, SqliteJournal(tmp_path / "j.db"))
    one.start()
    for _ in range(2):  # as many as run at once
        assert began.acquire(timeout=10)
    assert one.stop(5)
    with built(second, SqliteJournal(tmp_path / "j.db")) as two:
        two.run(timeout=20)

    assert 2 == len(first.events)
    assert {str(n) for n in range(10)} == {event.id for event in [*first.events, *second.events]}
    assert 10 == len(first.events) + len(second.events)


class Full(SqliteJournal):
    """A journal on a disk that is full for a while."""

    full = False

    def write(self, batch: Batch) -> list[int]:
        if self.full:
            raise Transient("the journal cannot be written: database or disk is full")
        return super().write(batch)


def test_while_the_disk_is_full_nothing_is_started_and_nothing_is_lost() -> None:
    journal = Full(MEMORY)
    seen = Remembering()
    heard: list[str] = []

    def source(outlet: Outlet) -> None:
        for one in events(60):
            while True:
                try:
                    outlet.emit([one], keys=[one.id])
                    break
                except Transient as error:
                    heard.append(error.message)
            if one.id == "20":
                journal.full = True
                threading.Timer(0.3, lambda: setattr(journal, "full", False)).start()

    with Orchestrator(journal) as dispatcher:
        dispatcher.add_input("i", source)
        dispatcher.add_process("p", seen)
        dispatcher.link("i", "p")
        dispatcher.run(timeout=30)

    assert heard
    assert {str(n) for n in range(60)} == {event.id for event in seen.events}
    assert 60 == len(seen.events)


def test_a_replica_that_was_taken_for_dead_begins_anew(database: str) -> None:
    """Its events run somewhere; what it finishes late does not count twice."""
    journal = PostgresJournal(database, lease=60)
    seen = Remembering()
    with Orchestrator(journal) as dispatcher:
        dispatcher.add_input("i", lambda outlet: [outlet.emit([one], keys=[one.id]) for one in events(300)])
        dispatcher.add_process("p", seen)
        dispatcher.link("i", "p")
        dispatcher.start()
        until(lambda: len(seen.events) > 50)
        with journal._transaction() as connection:
            connection.execute("UPDATE sluice_journal.replica SET alive_until = now() - interval '1 s'")
        other = PostgresJournal(database, lease=60)
        other.open()
        other.close()
        until(lambda: journal.counts()[Standing.DONE] == 300)

    assert {str(n) for n in range(300)} == {event.id for event in seen.events}


def test_a_clock_that_jumps_holds_nothing_up() -> None:
    """Wall time goes a day forth and two back between attempts."""

    class Jumping(SystemClock):
        jump = timedelta()

        def now(self) -> datetime:
            return super().now() + self.jump

    clock = Jumping()
    attempts: list[int] = []

    def process(event: Event, run: Run) -> None:
        attempts.append(run.attempt)
        clock.jump = timedelta(days=(1, -2, 0)[run.attempt % 3])
        if run.attempt < 4:
            raise Transient("again")

    with Orchestrator(around=Surroundings(clock=clock)) as dispatcher:
        dispatcher.supervisor.clock = clock
        dispatcher.add_input("i", raising(1))
        dispatcher.add_process("p", process, policy=Policy(retry=QUICK))
        dispatcher.link("i", "p")
        dispatcher.run(timeout=10)

    assert [1, 2, 3, 4] == attempts


def test_what_an_input_says_of_its_settings_is_masked() -> None:
    around = Surroundings(words={"RAW_URL": "postgresql://me:hunter22@db/raw"})

    def source(outlet: Outlet) -> None:
        raise OSError(f"no route to {around.filled('${RAW_URL}')}")

    with Orchestrator(SqliteJournal(MEMORY), around=around) as dispatcher:
        dispatcher.add_input("i", source)
        dispatcher.start()
        (found,) = dispatcher.supervisor.intake.sources.values()
        until(lambda: found.last_error)

        assert "OSError: no route to ***" == found.last_error


def test_an_input_is_told_to_stop(dispatcher: Orchestrator) -> None:
    left: list[str] = []

    def source(outlet: Outlet) -> None:
        while not outlet.wait(10):
            pass
        try:
            outlet.emit(events(1))
        except Stopped:
            left.append("stopped")
            raise

    dispatcher.add_input("i", source)
    dispatcher.start()
    dispatcher.stop(1)

    assert ["stopped"] == left
