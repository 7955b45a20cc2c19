"""What every journal promises, for each of them; and what several replicas over one do to each other."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from shared.common.errors import Misconfigured, Superseded, Transient
from shared.orchestrator.event import Event, Operation
from shared.orchestrator.faults import Fenced
from shared.orchestrator.graph import Stop
from shared.orchestrator.journal import Accept, Batch, Outcome, Phase, Standing, Store, Written
from shared.orchestrator.postgres_journal import PostgresJournal
from shared.orchestrator.sqlite_journal import MEMORY, SqliteJournal
from tests.servers.cable import cable

ROUTE = (Stop("a"), Stop("b", (0,)))
Reopen = Callable[[], Store]


@pytest.fixture(params=["memory", "file", "postgres"])
def reopen(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Reopen]:
    """Each journal in turn, empty; each call is another program that opens it. Memory is one program for ever."""
    made: list[Store] = [SqliteJournal(MEMORY)]
    kind = request.param
    url = request.getfixturevalue("database") if kind == "postgres" else ""

    def again() -> Store:
        if kind != "memory":
            made.append(PostgresJournal(url) if url else SqliteJournal(tmp_path / "journal.db"))
        return made[-1]

    yield again
    for one in made:
        one.close()


@pytest.fixture
def journal(reopen: Reopen) -> Store:
    made = reopen()
    made.open()
    return made


def event(number: int) -> Event:
    return Event("the ether", Operation.CREATE, str(number), "i", {"text": "\0 \ud800 é \\u0000"})


def accept(number: int, *, mine: bool = True) -> Accept:
    return Accept(f"i:{number}", event(number), ROUTE, 1000.0 + number, mine)


def test_events_are_taken_once(journal: Store) -> None:
    first = journal.write(Batch([accept(1), accept(2), accept(1)]))
    second = journal.write(Batch([accept(2), accept(3)]))

    assert [True, True, False] == [number > 0 for number in first]
    assert 0 == second[0] < first[0] < first[1] < second[1]
    assert [event(3), event(2), event(1)] == [one.event for one in journal.events()]


def test_the_journey_of_an_event_is_kept(journal: Store) -> None:
    (number,) = journal.write(Batch([accept(1)]))
    journal.write(Batch(outcomes=[Outcome(number, "a", Phase.RETRY, 1, 5.0, 0.5, 7.0, "no", "log")]))
    journal.write(Batch(outcomes=[Outcome(number, "a", Phase.DONE, 2, 8.0, 0.25)]))
    open_still = journal.event(number)
    journal.write(
        Batch(outcomes=[Outcome(number, "b", Phase.DONE, 1, 9.0)], closings=[(number, Standing.DONE)])
    )
    done = journal.event(number)

    assert open_still is not None
    assert done is not None
    assert (Standing.OPEN, Standing.DONE) == (open_still.standing, done.standing)
    assert [("a", "done", 2), ("b", "done", 1)] == [
        (stop["process"], stop["phase"], stop["attempt"]) for stop in done.to_plain()["journey"]
    ]
    assert [Outcome(number, "a", Phase.DONE, 2, 8.0, 0.25)] == journal.runs("a")
    assert {Standing.OPEN: 0, Standing.DONE: 1, Standing.DEAD: 0} == journal.counts()


def test_what_nobody_has_is_claimed_the_oldest_first(journal: Store) -> None:
    journal.write(Batch([accept(n, mine=n % 2 == 0) for n in range(1, 8)]))
    claimed = journal.claim(3)

    assert ["i:1", "i:3", "i:5"] == [one.key for one in claimed]
    assert (event(1), ROUTE, 1001.0, 0, ()) == (
        claimed[0].event, claimed[0].route, claimed[0].at, claimed[0].crashes, claimed[0].outcomes,
    )  # fmt: skip
    assert ["i:7"] == [one.key for one in journal.claim(10)]
    assert [] == journal.claim(10)


def test_what_is_given_back_is_claimed_again(journal: Store) -> None:
    numbers = journal.write(Batch([accept(1), accept(2)]))
    journal.release(numbers[:1])

    assert numbers[:1] == [one.id for one in journal.claim(10)]


def test_a_program_that_leaves_gives_everything_back(reopen: Reopen) -> None:
    first = reopen()
    first.open()
    (number,) = first.write(Batch([accept(1)]))
    first.write(Batch(outcomes=[Outcome(number, "a", Phase.DONE, 1, 5.0)]))
    if not isinstance(first, SqliteJournal) or first.path != MEMORY:
        first.close()
    second = reopen()
    second.open()
    (claimed,) = second.claim(10)
    second.close()

    assert [("a", Phase.DONE)] == [(one.process, one.phase) for one in claimed.outcomes]


def test_bookmarks_are_written_with_the_events(journal: Store) -> None:
    assert "" == journal.bookmark("i")
    journal.write(Batch([accept(1)], bookmarks={"i": "5"}))
    journal.write(Batch(bookmarks={"i": "6"}))

    assert "6" == journal.bookmark("i")


def test_dead_letters_are_listed_retried_and_dropped(journal: Store) -> None:
    numbers = journal.write(Batch([accept(1), accept(2), accept(3)]))
    for number in numbers[:2]:
        dead = Outcome(number, "a", Phase.DEAD, 5, 5.0, error="no")
        journal.write(Batch(outcomes=[dead], closings=[(number, Standing.DEAD)]))
    listed = [one.id for one in journal.dead()]
    retried, dropped = journal.retry(numbers[0]), journal.drop(numbers[1], process="a")
    claimed = {one.id: one for one in journal.claim(10)}

    assert numbers[1::-1] == listed
    assert [["a"], ["a"], []] == [retried, dropped, journal.retry(numbers[2])]
    assert [] == journal.dead()
    assert set(numbers[:2]) == set(claimed)
    assert () == claimed[numbers[0]].outcomes
    assert [Phase.DROPPED] == [one.phase for one in claimed[numbers[1]].outcomes]


def test_a_dead_letter_that_is_retried_while_its_event_is_open_is_found_when_that_closes(
    journal: Store,
) -> None:
    (number,) = journal.write(Batch([accept(1)]))
    journal.write(Batch(outcomes=[Outcome(number, "a", Phase.DEAD, 5, 5.0, error="no")]))
    journal.retry(number)
    journal.write(Batch(closings=[(number, Standing.DEAD)]))

    assert [number] == [one.id for one in journal.claim(10)]


def test_lists_have_pages(journal: Store) -> None:
    """`before` is the number that the page before ended with."""
    numbers = journal.write(Batch([accept(n) for n in range(1, 6)]))
    dead = [Outcome(number, "a", Phase.DEAD, 5, 5.0, error="no") for number in numbers]
    journal.write(Batch(outcomes=dead, closings=[(number, Standing.DEAD) for number in numbers]))
    for number in range(5):
        journal.put_document({"n": number}, after=number, at=1.0)

    def pages(ask: Callable[[int], list[int]]) -> list[list[int]]:
        found, before = list[list[int]](), 0
        while page := ask(before):
            found.append(page)
            before = page[-1]
        return found

    first, second, third, fourth, fifth = numbers
    wanted = [[fifth, fourth], [third, second], [first]]
    assert wanted == pages(lambda before: [one.id for one in journal.events(limit=2, before=before)])
    assert wanted == pages(
        lambda before: [one.id for one in journal.dead(limit=2, process="a", before=before)]
    )
    assert wanted == pages(lambda before: [one.event for one in journal.runs("a", limit=2, before=before)])
    assert [[5, 4], [3, 2], [1]] == pages(
        lambda before: [one.number for one in journal.versions(limit=2, before=before)]
    )


def test_old_events_go_when_they_are_done(journal: Store) -> None:
    numbers = journal.write(Batch([accept(n) for n in range(1, 11)]))
    journal.write(Batch(outcomes=[Outcome(numbers[1], "a", Phase.DEAD, 1, 5.0)]))
    journal.write(
        Batch(closings=[(n, Standing.DEAD if n == numbers[1] else Standing.DONE) for n in numbers[:8]])
    )
    gone = journal.trim(4)

    assert 5 == gone
    assert [*numbers[:5:-1], numbers[1]] == [one.id for one in journal.events()]
    assert [0] == journal.write(Batch([accept(10)]))
    assert journal.write(Batch([accept(1)])) > [0]


def test_documents_have_versions(journal: Store) -> None:
    document = {"process": [{"name": "é"}], "input": []}
    first = journal.put_document(document, after=0, at=1.0, note="n")
    written = Written("application/toml", "# é\n")
    second = journal.put_document({}, after=1, at=2.0, written=written)
    with pytest.raises(Superseded, match="at version 2, and this change was made on version 1"):
        journal.put_document({}, after=1, at=3.0)

    assert (1, 2) == (first, second)
    assert ([written, None], {}) == ([one.written for one in journal.versions()], journal.document().document)
    assert (document, ["process", "input"]) == (
        journal.document(1).document,
        list(journal.document(1).document),
    )
    assert [2, 1] == [one.number for one in journal.versions()]
    assert 2 == journal.document().number
    with pytest.raises(KeyError):
        journal.document(9)


def test_a_file_has_one_dispatcher(tmp_path: Path) -> None:
    first, second = SqliteJournal(tmp_path / "j.db"), SqliteJournal(tmp_path / "j.db")
    first.open()
    first.write(Batch([accept(1)]))
    with pytest.raises(Misconfigured, match="another dispatcher works with this journal"):
        second.open()

    assert 1 == len(second.events())
    first.close()
    second.open()
    second.close()


def test_events_of_a_dispatcher_that_was_killed_are_suspect(tmp_path: Path) -> None:
    """Closing the file without leaving is what a kill does."""
    killed = SqliteJournal(tmp_path / "j.db")
    killed.open()
    killed.write(Batch([accept(1)]))
    copy = tmp_path / "copy.db"
    for ending in ("", "-wal"):
        (tmp_path / f"copy.db{ending}").write_bytes((tmp_path / f"j.db{ending}").read_bytes())
    second = SqliteJournal(copy)
    second.open()

    assert [1] == [one.crashes for one in second.claim(10)]
    killed.close()
    second.close()


def test_replicas_share_and_the_dead_ones_are_fenced(database: str) -> None:
    """What a replica had that is not heard of goes to another, and what it says afterwards does not count."""
    first, second = PostgresJournal(database, lease=0.5), PostgresJournal(database, lease=60)
    first.open()
    second.open()
    numbers = first.write(Batch([accept(1), accept(2, mine=False)]))
    shared = second.claim(10)
    second.beat()
    before = second.claim(10)
    time.sleep(0.6)
    second.beat()
    (taken,) = second.claim(10)
    with pytest.raises(Fenced, match="was taken for dead"):
        first.write(Batch(outcomes=[Outcome(numbers[0], "a", Phase.DONE, 1, 5.0)]))
    with pytest.raises(Fenced):
        first.beat()

    assert ([numbers[1]], []) == ([one.id for one in shared], before)
    assert (numbers[0], 1) == (taken.id, taken.crashes)
    assert [] == second.runs("a")
    first.open()
    assert [0] == first.write(Batch([accept(1)]))
    first.close()
    second.close()


def test_a_line_is_with_one_replica_at_a_time(database: str) -> None:
    """Whoever has an event of a line gets those behind it; what stands in two lines waits for both, and bars both."""
    first, second = PostgresJournal(database, lease=0.5), PostgresJournal(database, lease=60)
    first.open()
    second.open()

    def left(number: int, *lines: int) -> Accept:
        return Accept(f"i:{number}", event(number), ROUTE, 1000.0 + number, mine=False, lines=lines)

    def claimed(journal: PostgresJournal, limit: int = 10) -> tuple[list[str], bool]:
        return [one.key for one in journal.claim(limit)], journal.held_up

    one, two, *_ = first.write(
        Batch([left(1, 7), left(2, 8), left(3, 7, 8), left(4, 8), left(5), left(6, 9)])
    )
    begun = [claimed(first, 1), claimed(second, 1), claimed(first), claimed(second)]
    second.write(Batch(closings=[(two, Standing.DONE)]))
    barred = claimed(second)
    dead = Outcome(one, "a", Phase.DEAD, 5, 5.0, error="no")
    first.write(Batch(outcomes=[dead], closings=[(one, Standing.DEAD)]))
    free = claimed(second)
    first.retry(one)
    retried = [claimed(first), claimed(second)]
    first.write(Batch([left(7, 9)]))
    time.sleep(0.6)
    second.beat()  # the first one is not heard of any more
    left_behind = claimed(second)
    second.close()
    third = PostgresJournal(database)
    third.open()

    assert [(["i:1"], False), (["i:2"], False), (["i:5", "i:6"], True), ([], True)] == begun
    assert ([], True) == barred
    assert (["i:3", "i:4"], False) == free
    assert [([], True), (["i:1"], False)] == retried
    assert (["i:5", "i:6", "i:7"], False) == left_behind
    assert (["i:1", "i:3", "i:4", "i:5", "i:6", "i:7"], False) == claimed(third)
    first.close()
    third.close()


def test_a_database_that_is_out_of_reach_is_no_loss(database: str) -> None:
    """Before COMMIT nothing has happened; an answer to COMMIT that is lost is never guessed."""
    host, port = database.rpartition("@")[2].partition("/")[0].split(":")
    with cable(host, int(port)) as line:
        journal = PostgresJournal(database.replace(f":{port}/", f":{line.port}/"), lease=60)
        journal.open()
        journal.write(Batch([accept(1)]))
        line.lose_answers()
        with pytest.raises((Transient, Fenced)):
            journal.write(Batch([accept(2)]))
        line.mend()
        journal.open()
        numbers = journal.write(Batch([accept(2), accept(3)]))
        claimed = {one.key for one in journal.claim(10)}
        journal.close()

    assert numbers[1]
    assert claimed == ({"i:1"} if numbers[0] else {"i:1", "i:2"})


def test_a_url_that_nobody_answers_is_transient() -> None:
    with pytest.raises(Transient, match="the journal cannot be reached"):
        PostgresJournal("postgresql://127.0.0.1:1/x").open()
