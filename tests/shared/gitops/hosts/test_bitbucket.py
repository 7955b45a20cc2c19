"""What only Bitbucket does."""

from __future__ import annotations

import pytest

from shared.common.errors import Misconfigured, Refused, Transient
from tests.shared.gitops.hosts.bitbucket import BitbucketDialect
from tests.shared.gitops.hosts.host import Fault, Reply
from tests.shared.gitops.hosts.site import Site


def dialect(site: Site) -> BitbucketDialect:
    assert isinstance(site.host.dialect, BitbucketDialect)
    return site.host.dialect


def test_files_that_changed_are_read_by_one_diff(bitbucket: Site) -> None:
    before = {f"{n}.yml": b"a\nb\nc\nd\ne\n%d\n" % n for n in range(60)}
    old = bitbucket.model.push("main", before)
    after = {f"{n}.yml": b"A\nb\nc\nd\ne\n%d" % n for n in range(50)} | {
        f"new {n}.yml": b"x" for n in range(9)
    }
    new = bitbucket.model.push("main", after)
    bitbucket.repository.changes(old, new)
    bitbucket.host.calls.clear()

    assert after == bitbucket.repository.read(after, new)
    assert 1 == len(bitbucket.host.calls)


@pytest.mark.parametrize("status", [400, 555])
def test_a_diff_that_cannot_be_had_is_made_good_file_by_file(bitbucket: Site, status: int) -> None:
    old = bitbucket.model.push("main", {f"{n}.yml": b"1" for n in range(5)})
    files = {f"{n}.yml": b"2" for n in range(5)}
    new = bitbucket.model.push("main", files)
    bitbucket.repository.changes(old, new)
    bitbucket.host.faults = [Fault("/diff/", Reply(status), times=99)]

    assert files == bitbucket.repository.read(files, new)


def test_a_commit_that_is_not_named_is_looked_up(bitbucket: Site) -> None:
    parent = bitbucket.model.push("main", {"a": b"1"})
    dialect(bitbucket).locates = False

    sha = bitbucket.repository.commit("main", {"a": b"2"}, parent=parent, message="m")

    assert sha == bitbucket.model.branches["main"]


def test_only_text_can_be_committed(bitbucket: Site) -> None:
    parent = bitbucket.model.push("main", {"a": b"1"})

    with pytest.raises(Misconfigured, match="is no text"):
        bitbucket.repository.commit("main", {"b.png": b"\0\xff"}, parent=parent, message="m")


def test_commits_of_a_fork_are_not_in_this_repository(bitbucket: Site) -> None:
    first = bitbucket.model.push("main", {"a": b"1"})
    head = bitbucket.model.push("theirs", {"a": b"2"}, parent=first)
    number = bitbucket.model.open_pull("theirs", fork=True)
    dialect(bitbucket).hidden.add(head)

    pull = bitbucket.repository.pull(number)

    assert ("", True, first) == (pull.head_sha, pull.fork, pull.base_sha)


def test_a_branch_that_somebody_makes_again_and_again_is_left_to_the_next_time(bitbucket: Site) -> None:
    parent = bitbucket.model.push("main", {"a": b"1"})
    bitbucket.host.faults = [Fault("^POST .*/src$", Reply(409), times=3)]

    with pytest.raises(Transient, match="again and again"):
        bitbucket.repository.propose("ours", {"a": b"2"}, base="main", parent=parent, title="t", body="b")


def test_a_file_that_looks_like_a_list_is_a_file(bitbucket: Site) -> None:
    files = {"a.json": b'{"values": [{"type": "x"}], "pagelen": 1}', "b.json": b"{", "c.json": b"[1]"}
    sha = bitbucket.model.push("main", files)

    assert files == bitbucket.repository.read(files, sha)


def test_a_pull_request_that_ends_with_its_branch_is_followed_by_another(bitbucket: Site) -> None:
    dialect(bitbucket).declines = True
    parent = bitbucket.model.push("main", {"a": b"1"})
    for content in (b"2", b"3"):
        bitbucket.repository.propose("ours", {"a": content}, base="main", parent=parent, title="t", body="b")

    assert [False, True] == [pull.open for pull in bitbucket.model.pulls.values()]

    bitbucket.repository.withdraw("ours")

    assert [False, False] == [pull.open for pull in bitbucket.model.pulls.values()]


def test_a_fork_that_is_gone_is_still_a_fork(bitbucket: Site) -> None:
    bitbucket.model.push("main", {"a": b"1"})
    number = bitbucket.model.open_pull("main", fork=True)
    dialect(bitbucket).lost.add(number)

    pull = bitbucket.repository.pull(number)

    assert (True, "") == (pull.fork, pull.head_sha)


def test_a_commit_that_may_not_be_seen_is_refused(bitbucket: Site) -> None:
    bitbucket.model.push("main", {"a": b"1"})
    bitbucket.host.faults = [Fault("/commit/", Reply(403, {"message": "No right"}))]

    with pytest.raises(Refused, match="No right"):
        bitbucket.repository.pull(bitbucket.model.open_pull("main"))
