"""What only GitLab does."""

from __future__ import annotations

import pytest

from shared.common.errors import Refused, Superseded, Transient
from shared.gitops.hosts.gitlab import GitLab
from shared.gitops.repository import Verdict
from shared.rest.client import Client
from tests.shared.gitops.hosts.gitlab import GitLabDialect
from tests.shared.gitops.hosts.host import Fault, Reply
from tests.shared.gitops.hosts.site import Site


def test_a_comparison_that_leaves_files_out_is_made_of_the_trees(gitlab: Site) -> None:
    old = gitlab.model.push("main", {f"{n}.yml": b"1" for n in range(30)})
    new = gitlab.model.push("main", {f"{n}.yml": b"2" for n in range(20)})
    whole = gitlab.repository.changes(old, new)
    assert isinstance(gitlab.host.dialect, GitLabDialect)
    gitlab.host.dialect.files = 7

    assert whole == gitlab.repository.changes(old, new)
    assert 20 == len(whole or ())


@pytest.mark.parametrize("there", [b"theirs", None])
def test_somebody_who_commits_between_look_and_commit_makes_it_superseded(
    gitlab: Site, there: bytes | None
) -> None:
    """GitLab takes no condition on the head: our commit lands on theirs, and is made good by the next round."""
    parent = gitlab.model.push("main", {"a": b"1"})
    ask = GitLab.head

    class Late(GitLab):
        def head(self, branch: str) -> str | None:
            found = ask(self, branch)
            gitlab.model.push("main", {"a": there})
            return found

    client: Client = gitlab.repository._client  # type: ignore[attr-defined]
    with pytest.raises(Superseded):
        Late(client, "acme/flows").commit("main", {"a": b"2"}, parent=parent, message="m")


def test_a_branch_that_is_protected_is_refused(gitlab: Site) -> None:
    parent = gitlab.model.push("main", {"a": b"1"})
    gitlab.host.faults = [
        Fault("^POST", Reply(400, {"message": "You are not allowed to push into this branch"}))
    ]
    gitlab.host.faults[0].pattern = "^POST .*/commits$"

    with pytest.raises(Refused, match="not allowed to push"):
        gitlab.repository.commit("main", {"a": b"2"}, parent=parent, message="m")


def test_files_are_created_updated_and_deleted_by_what_is_there(gitlab: Site) -> None:
    tree = {f"{n}.yml": b"1" for n in range(120)}
    parent = gitlab.model.push("main", tree)
    files: dict[str, bytes | None] = {f"{n}.yml": b"2" for n in range(60, 180)} | {
        "0.yml": None,
        "gone": None,
    }

    sha = gitlab.repository.commit("main", {**files, "b.png": b"\0\xff"}, parent=parent, message="m")

    left = {path: content for path, content in {**tree, **files}.items() if content is not None}
    assert {**left, "b.png": b"\0\xff"} == gitlab.model.commits[sha].tree
    assert not any("/tree" in call for call in gitlab.host.calls)


def test_a_commit_of_a_fork_can_have_no_status(gitlab: Site) -> None:
    first = gitlab.model.push("main", {"a": b"1"})
    head = gitlab.model.push("theirs", {"a": b"2"}, parent=first)
    gitlab.model.open_pull("theirs", fork=True)

    gitlab.repository.status(head, Verdict.SUCCESS, context="c", description="d")

    assert {} == gitlab.model.statuses


def test_a_status_that_cannot_be_set_is_refused(gitlab: Site) -> None:
    sha = gitlab.model.push("main", {"a": b"1"})
    gitlab.host.faults = [Fault("statuses", Reply(400, {"message": "state does not have a valid value"}))]

    with pytest.raises(Refused, match="valid value"):
        gitlab.repository.status(sha, Verdict.SUCCESS, context="c", description="d")


def test_a_query_that_is_too_complex_is_told(gitlab: Site) -> None:
    sha = gitlab.model.push("main", {"a": b"1", "b": b"1"})
    assert isinstance(gitlab.host.dialect, GitLabDialect)
    gitlab.host.dialect.together = 1

    with pytest.raises(Transient, match="complexity"):
        gitlab.repository.read(["a", "b"], sha)


def test_a_project_that_no_query_sees_is_refused(gitlab: Site) -> None:
    sha = gitlab.model.push("main", {"a": b"1", "b": b"1"})
    client: Client = gitlab.repository._client  # type: ignore[attr-defined]

    with pytest.raises(Refused, match="no such project"):
        GitLab(client, "acme/other").read(["a", "b"], sha)


def test_a_merge_request_that_cannot_be_made_is_refused(gitlab: Site) -> None:
    parent = gitlab.model.push("main", {"a": b"1"})
    gitlab.host.faults = [Fault("^POST .*merge_requests$", Reply(409, {"message": "Conflict"}))]

    with pytest.raises(Refused, match="Conflict"):
        gitlab.repository.propose("ours", {"a": b"2"}, base="main", parent=parent, title="t", body="b")
