"""What hosts do wrong: they are slow to let us on, break, lose answers, and say no."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from shared.common.errors import Refused, Superseded, Transient, Violation
from shared.gitops.repository import Repository, Verdict
from tests.shared.gitops.hosts.bitbucket import BitbucketDialect
from tests.shared.gitops.hosts.host import Fault, Reply
from tests.shared.gitops.hosts.site import MARKER, Site, opened

LOST = Reply(0)
BUSY = [
    Reply(502, {"message": "Bad Gateway"}),
    Reply(429, {"message": "Too many requests"}, {"Retry-After": "7"}),
    Reply(403, {"message": "You have exceeded a secondary rate limit"}, {"Retry-After": "7"}),
    Reply(
        403,
        {"message": "API rate limit exceeded"},
        {"X-RateLimit-Limit": "5000", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1795169760"},
    ),
]


def everything(repository: Repository, old: str, new: str, *, number: int) -> list[Any]:
    """One call of each kind."""
    repository.status(new, Verdict.SUCCESS, context="c", description="d")
    repository.comment(number, MARKER, ["one", "two"])
    repository.comment(number, MARKER, ["one"])
    return [
        repository.head("main"),
        repository.changes(old, new),
        repository.files(new),
        repository.read(["a", "b"], new),
        repository.merge_base(old, new),
        repository.pull(number),
    ]


@pytest.mark.parametrize("reply", BUSY, ids=["502", "429", "403 secondary", "403 exhausted"])
def test_a_host_that_is_busy_is_asked_again(remote: Site, reply: Reply) -> None:
    old = remote.model.push("main", {"a": b"1", "b": b"1"})
    new = remote.model.push("main", {"a": b"2"})
    number = remote.model.open_pull("main")
    calm = everything(remote.repository, old, new, number=number)
    remote.host.dialect.remarks.clear()
    remote.model.statuses.clear()
    remote.host.dialect.names = 0
    # Each of these calls fails once.
    remote.host.faults = [Fault(f"^{re.escape(call)}$", reply) for call in set(remote.host.calls)]

    assert calm == everything(remote.again(), old, new, number=number)
    assert all(fault.times == 0 for fault in remote.host.faults)
    assert sum(remote.clock.slept) < 120 * len(remote.host.faults)
    assert ["one"] == remote.comments(number)


def test_a_host_that_stays_away_is_told_as_passing(remote: Site) -> None:
    remote.model.push("main", {"a": b"1"})
    remote.host.faults = [Fault("", Reply(503), times=99)]

    with pytest.raises(Transient, match="503"):
        remote.repository.head("main")


def test_a_limit_that_lies_an_hour_ahead_is_not_waited_for(remote: Site) -> None:
    remote.model.push("main", {"a": b"1"})
    remote.host.faults = [Fault("", Reply(429, headers={"Retry-After": "3600"}), times=9)]

    with pytest.raises(Transient) as caught:
        remote.repository.head("main")

    assert 3600 == caught.value.retry_after
    assert 0 == sum(remote.clock.slept)


def test_a_wrong_credential_is_refused_and_not_shown(remote: Site) -> None:
    remote.model.push("main", {"a": b"1"})

    with pytest.raises(Refused, match="credential") as caught:
        opened(remote.host, remote.clock, token="wr0ng").head("main")

    assert 401 == caught.value.status
    assert "wr0ng" not in str(caught.value)


def test_a_repository_that_we_may_not_see_is_no_missing_branch(remote: Site) -> None:
    remote.model.push("main", {"a": b"1"})
    remote.host.faults = [Fault("^GET ", Reply(404, {"message": "Not Found"}), times=9)]

    with pytest.raises(Refused):
        remote.repository.head("main")


ASKS: list[Callable[[Repository, str], object]] = [
    lambda repository, sha: repository.head("main"),
    lambda repository, sha: repository.changes(sha, sha),
    lambda repository, sha: repository.read(["a"], sha),
    lambda repository, sha: repository.pull(1),
    lambda repository, sha: repository.merge_base(sha, sha),
    lambda repository, sha: repository.commit("main", {"a": b"2"}, parent=sha, message="m"),
    lambda repository, sha: repository.propose(
        "ours", {"a": b"2"}, base="main", parent=sha, title="t", body="b"
    ),
    lambda repository, sha: repository.withdraw("ours"),
    lambda repository, sha: repository.comment(1, MARKER, ["one"]),
    lambda repository, sha: repository.status(sha, Verdict.SUCCESS, context="c", description="d"),
]


@pytest.mark.parametrize(
    "ask", ASKS, ids="head changes read pull base commit propose withdraw comment status".split()
)
def test_a_right_that_is_missing_is_refused(remote: Site, ask: Callable[[Repository, str], object]) -> None:
    sha = remote.model.push("main", {"a": b"1"})
    remote.host.faults = [Fault("", Reply(403, {"message": "Resource not accessible"}), times=99)]

    with pytest.raises(Refused, match="Resource not accessible"):
        ask(remote.repository, sha)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_commit_whose_answer_is_lost_is_made_once(remote: Site, after: bool) -> None:
    parent = remote.model.push("main", {"a": b"1"})
    remote.host.faults = [
        Fault("^(POST|PATCH) .*(src|repository/commits|git/refs/heads/main)$", LOST, after=after)
    ]

    try:
        sha = remote.repository.commit("main", {"a": b"2", "b": b"1"}, parent=parent, message="m")
    except Superseded:
        sha = ""

    head = remote.model.branches["main"]
    # Where the host cannot tell that the commit that moved the branch was ours, it is looked at anew.
    assert sha in (head, "") if after else sha == head
    assert ((parent,), {"a": b"2", "b": b"1"}) == (
        remote.model.commits[head].parents,
        remote.model.commits[head].tree,
    )


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_proposal_that_dies_anywhere_is_finished_by_the_next(remote: Site, after: bool) -> None:
    parent = remote.model.push("main", {"a": b"1"})
    propose(remote.repository, {"a": b"old"}, parent=parent)
    place = 0
    while True:
        remote.host.calls.clear()
        parent = remote.model.push("main", {"b": b"%d" % place})
        propose(remote.again(), {"a": b"2"}, parent=parent)
        calls = remote.host.calls[:]
        if place == len(calls):
            break
        remote.host.faults = [Fault(f"^{re.escape(calls[place])}$", Reply(400), after=after)]

        try:
            propose(remote.again(), {"a": b"3"}, parent=parent)
        except Refused:
            propose(remote.again(), {"a": b"3"}, parent=parent)

        tree = remote.model.commits[remote.model.branches["sluice/made"]].tree
        assert {"a": b"3", "b": b"%d" % place} == tree
        assert ["sluice/made"] == [pull.head for pull in remote.model.pulls.values() if pull.open]
        assert 0 == remote.host.faults[0].times
        place += 1
    assert place >= 2


def test_a_crash_between_commit_and_pull_request(remote: Site) -> None:
    parent = remote.model.push("main", {"a": b"1"})
    remote.host.faults = [Fault("^POST .*/(pulls|merge_requests|pullrequests)$", Reply(400))]
    with pytest.raises(Refused):
        propose(remote.repository, {"a": b"2"}, parent=parent)

    assert ("sluice/made" in remote.model.branches, {}) == (True, remote.model.pulls)

    url = propose(remote.again(), {"a": b"2"}, parent=parent)

    assert url == propose(remote.again(), {"a": b"2"}, parent=parent)
    assert [1] == list(remote.model.pulls)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_comment_whose_answer_is_lost_is_one_in_the_end(remote: Site, after: bool) -> None:
    remote.model.push("main", {"a": b"1"})
    number = remote.model.open_pull("main")
    remote.host.faults = [Fault("^POST .*/(comments|notes)$", LOST, after=after)]

    remote.repository.comment(number, MARKER, ["one"])
    remote.repository.comment(number, MARKER, ["one"])

    assert ["one"] == remote.comments(number)


def test_somebody_who_writes_as_we_do_is_not_overwritten(remote: Site) -> None:
    remote.model.push("main", {"a": b"1"})
    number = remote.model.open_pull("main")
    remote.repository.comment(number, MARKER, ["one"])
    remarks = remote.host.dialect.remarks[number]
    remote.host.dialect.foreign |= set(remarks)

    remote.repository.comment(number, MARKER, ["two"])
    remote.repository.comment(number, MARKER, [])

    assert ["one"] == remote.comments(number)


def test_a_comment_that_vanishes_meanwhile_is_made_again(remote: Site) -> None:
    remote.model.push("main", {"a": b"1"})
    number = remote.model.open_pull("main")
    remote.repository.comment(number, MARKER, ["one", "two"])
    remote.host.faults = [
        Fault("^(PATCH|PUT) .*comments/|^PUT .*notes/", Reply(404, {"message": "Not Found"})),
        Fault("^DELETE", Reply(404, {"message": "Not Found"}), times=9),
    ]

    remote.repository.comment(number, MARKER, ["three"])

    assert "three" in remote.comments(number)


def test_pages_that_lead_round_in_a_circle_are_left(remote: Site) -> None:
    remote.model.push("main", {"a": b"1"})
    number = remote.model.open_pull("main")
    here = f"{remote.host.api}/somewhere?page=2"
    page = Reply(200, [], {"Link": f'<{here}>; rel="next"'})
    if isinstance(remote.host.dialect, BitbucketDialect):
        page = Reply(200, {"pagelen": 10, "values": [], "next": here})
    remote.host.faults = [Fault("comments$|notes$|somewhere", page, times=99)]

    with pytest.raises(Violation, match="circle"):
        remote.repository.comment(number, MARKER, ["one"])

    assert [] == remote.host.writes


def propose(repository: Repository, files: dict[str, bytes | None], *, parent: str) -> str:
    return repository.propose("sluice/made", files, base="main", parent=parent, title="t", body="b")


def test_a_comment_that_the_host_does_not_take_is_refused(remote: Site) -> None:
    remote.model.push("main", {"a": b"1"})
    number = remote.model.open_pull("main")
    remote.repository.comment(number, MARKER, ["one"])
    remote.host.faults = [Fault("^(PATCH|PUT)", Reply(422, {"message": "Body is too long"}))]

    with pytest.raises(Refused, match="Body is too long"):
        remote.repository.comment(number, MARKER, ["two"])


@pytest.mark.parametrize(
    "ask", [ASKS[1], ASKS[3], ASKS[4], ASKS[7]], ids=["changes", "pull", "base", "withdraw"]
)
def test_what_is_not_that_something_is_missing_is_refused(
    remote: Site, ask: Callable[[Repository, str], object]
) -> None:
    sha = remote.model.push("main", {"a": b"1"})
    remote.host.faults = [Fault("", Reply(410, {"message": "Gone for good"}), times=99)]

    with pytest.raises(Refused, match="Gone for good"):
        ask(remote.repository, sha)
