"""What only GitHub does."""

from __future__ import annotations

from typing import Any

import pytest

from shared.common.errors import Refused, Superseded, Transient
from shared.gitops.hosts.github import GitHub
from shared.rest.client import Client
from tests.shared.gitops.hosts.github import GitHubDialect
from tests.shared.gitops.hosts.host import Fault, Reply
from tests.shared.gitops.hosts.site import Site


def dialect(site: Site) -> GitHubDialect:
    assert isinstance(site.host.dialect, GitHubDialect)
    return site.host.dialect


def test_a_tree_that_is_told_in_part_is_read_folder_by_folder(github: Site) -> None:
    tree = {f"a/{n}/b/{m}.yml": b"%d" % m for n in range(4) for m in range(4)} | {
        "README.md": b"",
        "c/d e.yml": b"1",
    }
    sha = github.model.push("main", tree)
    whole = github.repository.files(sha)
    dialect(github).entries = 5

    assert tree.keys() == whole.keys()
    assert whole == github.again().files(sha)


def test_queries_and_requests_are_counted_each_for_themselves(github: Site) -> None:
    sha = github.model.push("main", {"a": b"1", "b": b"2"})
    dialect(github).points = 1

    for _ in range(3):
        github.repository.read(["a"], sha)
    github.repository.read(["a", "b"], sha)
    for _ in range(3):
        github.repository.read(["a"], sha)
    assert 0 == sum(github.clock.slept)

    github.repository.read(["a", "b"], sha)
    assert 0 < sum(github.clock.slept) <= 120


def test_a_branch_that_was_renamed_is_not_the_one_that_was_asked_for(github: Site) -> None:
    github.model.push("trunk", {"a": b"1"})
    dialect(github).moved["main"] = "trunk"

    assert github.repository.head("main") is None


def test_a_fast_forward_that_is_said_to_be_none_comes_again(github: Site) -> None:
    parent = github.model.push("main", {"a": b"1"})
    github.host.faults = [Fault("^PATCH", Reply(422, {"message": "Update is not a fast forward"}))]

    with pytest.raises(Transient, match="fast forward"):
        github.repository.commit("main", {"a": b"2"}, parent=parent, message="m")

    assert parent == github.model.branches["main"]


def test_a_rule_of_the_branch_is_refused_and_not_taken_for_a_race(github: Site) -> None:
    parent = github.model.push("main", {"a": b"1"})
    rule = "Repository rule violations found: changes must be made through a pull request."
    github.host.faults = [Fault("^PATCH", Reply(422, {"message": rule}))]

    with pytest.raises(Refused, match="through a pull request"):
        github.repository.commit("main", {"a": b"2"}, parent=parent, message="m")


def test_somebody_who_is_faster_than_the_last_call_wins(github: Site) -> None:
    parent = github.model.push("main", {"a": b"1"})
    github.host.faults = [Fault("^PATCH", Reply(422, {"message": "Update is not a fast forward"}))]
    head = GitHub.head

    class Late(GitHub):
        def head(self, branch: str) -> str | None:
            github.model.push("main", {"a": b"3"})
            return head(self, branch)

    client: Client = github.repository._client  # type: ignore[attr-defined]
    with pytest.raises(Superseded):
        Late(client, "acme/flows").commit("main", {"a": b"2"}, parent=parent, message="m")


def test_a_file_that_is_binary_is_committed(github: Site) -> None:
    parent = github.model.push("main", {"a": b"1"})

    sha = github.repository.commit("main", {"b.png": b"\x89PNG\0\xff"}, parent=parent, message="m")

    assert b"\x89PNG\0\xff" == github.model.commits[sha].tree["b.png"]


def test_a_fork_that_is_gone_is_still_a_fork(github: Site) -> None:
    github.model.push("main", {"a": b"1"})
    number = github.model.open_pull("main", fork=True)
    dialect(github).gone_forks.add(number)

    assert github.repository.pull(number).fork


def test_the_parent_of_a_commit_may_be_one_that_was_not_seen_before(github: Site) -> None:
    parent = github.model.push("main", {"a": b"1"})

    sha = github.again().commit("main", {"b": b"1"}, parent=parent, message="m")

    assert {"a": b"1", "b": b"1"} == github.model.commits[sha].tree


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ({"data": {"repository": None}, "errors": [{"type": "NOT_FOUND", "message": "no such"}]}, Refused),
        (
            {"data": None, "errors": [{"type": "RATE_LIMITED", "message": "API rate limit exceeded"}]},
            Transient,
        ),
        (
            {"data": None, "errors": [{"message": "Something went wrong while executing your query."}]},
            Transient,
        ),
        ({"data": None}, Transient),
    ],
)
def test_a_query_that_fails_reads_nothing(github: Site, answer: Any, error: type[Exception]) -> None:
    sha = github.model.push("main", {"a": b"1", "b": b"1"})
    github.host.faults = [Fault("graphql", Reply(200, answer))]

    with pytest.raises(error, match="did not read"):
        github.repository.read(["a", "b"], sha)


def test_the_api_of_a_server_of_ones_own_has_its_queries_elsewhere(github: Site) -> None:
    client: Client = github.repository._client  # type: ignore[attr-defined]
    own = GitHub(client, "acme/flows")
    cloud = own._graphql()
    client.base_url = f"{github.host.api}/api/v3"

    assert (f"{github.host.api}/graphql", f"{github.host.api}/api/graphql") == (cloud, own._graphql())


def test_a_pull_request_that_cannot_be_made_is_refused(github: Site) -> None:
    parent = github.model.push("main", {"a": b"1"})
    github.host.faults = [Fault("^POST .*/pulls$", Reply(422, {"message": "Validation Failed"}))]

    with pytest.raises(Refused, match="Validation Failed"):
        github.repository.propose("ours", {"a": b"2"}, base="main", parent=parent, title="t", body="b")
