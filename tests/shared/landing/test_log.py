"""The commit log: one winner a sequence, no gaps, and cheap to find its end."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.common.errors import Misconfigured, Superseded, Transient, Violation
from shared.common.fakes import FakeClock, MemoryStore
from shared.common.ports import ObjectStore
from shared.landing.commit import Commit, Draft
from shared.landing.log import CommitLog, encode
from shared.landing.writer import Landing


def draft(run: str = "r1", cursor: object = None) -> Draft:
    return Draft(run=run, attempt=1, cursor=cursor)


def filled(commits: int) -> tuple[MemoryStore, CommitLog]:
    """A log with so many commits, by the short way."""
    store = MemoryStore()
    log = CommitLog(store, "recurly", "accounts", FakeClock())
    body = encode(Commit("recurly", "accounts", 0, committed_at="", draft=draft()))
    for sequence in range(1, commits + 1):
        store.put_new(log.layout.commit(sequence), body.replace(b'"sequence":0', b'"sequence":%d' % sequence))
    store.calls.clear()
    return store, log


def test_a_log_begins_empty_and_grows_by_one(landing: Landing, clock: FakeClock) -> None:
    log = landing.log
    assert log.latest() is None
    assert list(log.since(0)) == []

    first = log.append(draft(cursor="a"), after=None)
    clock.advance(90)
    second = log.append(draft(cursor={"b": [1, 2.5, None]}), after=first)

    assert (first.sequence, second.sequence) == (1, 2)
    assert second.committed_at == "2026-11-20T10:16:30Z"
    assert log.latest() == second
    assert list(log.since(0)) == [first, second]
    assert list(log.since(1)) == [second]
    assert list(log.since(2)) == []
    assert log.read(1) == first
    with pytest.raises(KeyError):
        log.read(3)


def test_streams_do_not_see_each_other(store: ObjectStore, clock: FakeClock) -> None:
    for stream in ("accounts", "accounts_old", "acc"):
        CommitLog(store, "recurly", stream, clock).append(draft(cursor=stream), after=None)

    latest = CommitLog(store, "recurly", "accounts", clock).latest()
    assert latest is not None
    assert (latest.sequence, latest.draft.cursor) == (1, "accounts")


def test_the_second_of_two_runs_is_superseded_and_told_by_whom(store: ObjectStore, clock: FakeClock) -> None:
    ours, theirs = (CommitLog(store, "recurly", "accounts", clock) for _ in range(2))
    head = ours.append(draft(), after=None)
    theirs.append(draft("r2"), after=theirs.latest())

    with pytest.raises(Superseded, match=r"run r2 \(attempt 1\) committed 2 first.*stream accounts, run r1"):
        ours.append(draft("r1"), after=head)
    latest = ours.latest()
    assert latest is not None
    assert latest.draft.run == "r2"


def test_a_commit_whose_answer_was_lost_is_found_to_be_ours(store: ObjectStore, clock: FakeClock) -> None:
    log = CommitLog(store, "recurly", "accounts", clock)
    first = log.append(draft(cursor=(1, 2)), after=None)
    clock.advance(60)

    assert log.append(draft(cursor=(1, 2)), after=None).committed_at == first.committed_at
    with pytest.raises(Superseded):
        log.append(draft(cursor=(1, 3)), after=None)


def test_an_unknown_outcome_is_settled_by_appending_again(clock: FakeClock) -> None:
    class Forgetful(MemoryStore):
        def put_new(self, key: str, body: bytes) -> str:
            super().put_new(key, body)
            raise Transient("the answer was lost")

    store = Forgetful()
    log = CommitLog(store, "recurly", "accounts", clock)
    with pytest.raises(Transient, match="lost"):
        log.append(draft(), after=None)

    assert log.append(draft(), after=None).sequence == 1


@pytest.mark.parametrize("commits", [0, 1, 2, 999, 1000, 1001, 2500, 9001])
def test_the_end_is_found_in_a_log_of_any_length(commits: int) -> None:
    _, log = filled(commits)
    latest = log.latest()

    assert (latest.sequence if latest else 0) == commits


def test_the_end_of_a_very_long_log_costs_few_requests() -> None:
    store, log = filled(100_000)
    latest = log.latest()

    assert latest is not None
    assert latest.sequence == 100_000
    assert store.calls["list"] == 2
    assert store.calls["head"] <= 14
    assert store.calls["get"] == 1

    store.calls.clear()
    log.append(draft("r2"), after=latest)
    again = log.latest()
    assert again is not None
    assert again.sequence == 100_001
    assert store.calls == {"put_new": 1, "list": 1, "get": 1}


@pytest.mark.parametrize("missing", [1, 2, 499, 1000, 4999])
def test_a_missing_commit_is_named(missing: int) -> None:
    store, log = filled(5000)
    store.delete(log.layout.commit(missing))

    with pytest.raises(
        Violation, match=rf"commit {missing} is missing: the next one in the log is {missing + 1} "
    ):
        list(log.since(0))


@pytest.mark.parametrize("missing", [1, 2, 999, 1000, 2000, 3000, 4000, 4001, 4500, 4998, 4999])
def test_a_gap_is_never_taken_for_the_end(missing: int) -> None:
    """A gap that the search does not touch is the readers' to find; the end it finds is the true one."""
    store, log = filled(5000)
    store.delete(log.layout.commit(missing))

    try:
        found: object = getattr(log.latest(), "sequence", None)
    except Violation as error:
        found = error.message

    assert found in (5000, f"commit {missing} is missing: the next one in the log is {missing + 1}")


@pytest.mark.parametrize(
    ("commit", "says"),
    [
        (Commit("recurly", "accounts", 7, committed_at="", draft=draft()), "sequence 7 where 2 belongs"),
        (Commit("recurly", "zzz", 2, committed_at="", draft=draft()), "stream zzz where accounts belongs"),
        (
            Commit("stripe", "accounts", 2, committed_at="", draft=draft()),
            "source stripe where recurly belongs",
        ),
    ],
)
def test_a_commit_of_another_place_is_refused(commit: Commit, says: str) -> None:
    """Else the next commit would follow its number, and the log be broken from then on."""
    store, log = filled(3)
    store.delete(log.layout.commit(2))
    store.put_new(log.layout.commit(2), encode(commit))

    with pytest.raises(Violation, match=rf"{says}.*key .*log/0*2\.json"):
        list(log.since(0))
    store.delete(log.layout.commit(3))
    with pytest.raises(Violation, match=says):
        CommitLog(store, "recurly", "accounts", FakeClock()).latest()


def test_files_that_are_no_commits_are_passed_over() -> None:
    store, log = filled(3)
    store.put_new(log.layout.log + "00000000000000000002.json.bak", b"")
    store.put_new(log.layout.log + "README", b"")

    assert len(list(log.since(0))) == 3


def test_a_cursor_that_is_no_json_is_not_committed(memory: MemoryStore, clock: FakeClock) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        CommitLog(memory, "s", "t", clock).append(draft(cursor=float("nan")), after=None)
    assert memory.calls == {}


def test_names_are_checked(memory: MemoryStore, clock: FakeClock) -> None:
    with pytest.raises(Misconfigured, match="cannot be the name of a stream"):
        CommitLog(memory, "s", "../t", clock)


@settings(max_examples=200)
@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from(["look", "append", "lose"])), max_size=30))
def test_however_two_appenders_interleave_the_log_is_a_chain(steps: list[tuple[str, str]]) -> None:
    """Each knows only what it last saw; `lose` is an append whose answer does not come back."""
    store, clock = MemoryStore(), FakeClock()
    logs = {name: CommitLog(store, "recurly", "accounts", clock) for name in "ab"}
    heads: dict[str, Commit | None] = dict.fromkeys(logs)
    accepted: dict[int, str] = {}
    for number, (name, step) in enumerate(steps):
        clock.advance(1)
        if step == "look":
            heads[name] = logs[name].latest()
            continue
        before = heads[name]
        ours = Draft(run=f"{name}{number}", attempt=1, cursor=[before.draft.run if before else None, number])
        try:
            if step == "lose":
                logs[name].append(ours, after=before)
                clock.advance(1)
            heads[name] = logs[name].append(ours, after=before)
        except Superseded:
            assert (before.sequence if before else 0) < len(accepted)
            continue
        made = heads[name]
        assert made is not None
        assert made.sequence not in accepted
        accepted[made.sequence] = ours.run

    chain = list(logs["a"].since(0))
    assert {commit.sequence: commit.draft.run for commit in chain} == accepted
    assert [commit.sequence for commit in chain] == list(range(1, len(accepted) + 1))
    # Whoever made commit n had seen commit n-1.
    runs = [None, *(commit.draft.run for commit in chain)]
    assert [commit.draft.cursor[0] for commit in chain] == runs[: len(chain)]


def test_threads_that_race_leave_a_chain(store: ObjectStore) -> None:
    won: list[tuple[int, str]] = []

    def run(name: str) -> None:
        log = CommitLog(store, "recurly", "accounts", FakeClock())
        for number in range(10):
            try:
                commit = log.append(draft(f"{name}{number}"), after=log.latest())
            except Superseded:
                continue
            won.append((commit.sequence, commit.draft.run))

    threads = [threading.Thread(target=run, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    chain = [
        (commit.sequence, commit.draft.run)
        for commit in CommitLog(store, "recurly", "accounts", FakeClock()).since(0)
    ]
    assert sorted(won) == chain
