"""What every adapter promises, and the repository in memory too: one suite for all."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shared.common.errors import Superseded
from shared.gitops.repository import ChangeKind, FileChange, Proposal, Verdict
from tests.shared.gitops.hosts.site import MARKER, Site

ODD = {
    "flows/with space.yml": b"a\n",
    "flows/ümläut–日本.yml": "käse\n".encode(),
    "flows/100%.yml": b"b\n",
    "flows/a#b?c&d=e+f.yml": b"c\n",
    'flows/quo"te.yml': b"d",
    "message": b"a file that is called as a field is\n",
}
CONTENTS = {
    "a.yml": b"one\ntwo\n",
    "no-newline.yml": b"one",
    "windows.yml": b"one\r\ntwo\r\n",
    "empty.yml": b"",
    "latin.sql": "SELECT 'ä'".encode("latin-1"),
    "binary.png": b"\x89PNG\0\xff\xfe",
    "bom.yml": b"\xef\xbb\xbfa: 1\n",
    "config.json": b'{"values": []}',
    "large.sql": b"-- 600 KB \xc3\xa4\n" * 50_000,
}

# head


def test_the_head_of_a_branch(site: Site) -> None:
    site.model.push("main", {"a": b"1"})
    sha = site.model.push("feature/x#1", {"a": b"2"})

    assert sha == site.repository.head("feature/x#1")
    assert site.repository.head("feature") is None


# changes


def changed(site: Site, old: str, new: str) -> list[tuple[str, str]]:
    found = site.repository.changes(old, new)

    assert found is not None
    assert sorted(found) == list(found)
    return [(one.path, one.kind.value) for one in found]


def test_what_was_added_modified_and_removed(site: Site) -> None:
    old = site.model.push("main", {"b/stays": b"0", "modified": b"1", "removed": b"1"})
    site.model.push("main", {"modified": b"2"})
    new = site.model.push("main", {"removed": None, "b/added": b"3"})

    assert [("b/added", "added"), ("modified", "modified"), ("removed", "removed")] == changed(site, old, new)
    assert [] == changed(site, new, new)


def test_a_renamed_file_is_one_that_went_and_one_that_came(site: Site) -> None:
    old = site.model.push("main", {"old name": b"the same content"})
    new = site.model.push("main", {"old name": None, "a/new name": b"the same content"})

    found = site.repository.changes(old, new)

    assert [("a/new name", "added"), ("old name", "removed")] == changed(site, old, new)
    assert found
    assert found[0].was in ("old name", "")


def test_a_force_push_is_compared_as_it_stands(site: Site) -> None:
    first = site.model.push("main", {"a": b"1", "b": b"1"})
    old = site.model.push("main", {"a": b"2"})
    new = site.model.push("main", {"b": b"2"}, parent=first)

    assert [("a", "modified"), ("b", "modified")] == changed(site, old, new)
    assert [("a", "modified")] == changed(site, old, first)


def test_a_merge_is_compared_as_it_stands(site: Site) -> None:
    old = site.model.push("main", {"a": b"1"})
    site.model.push("work", {"b": b"1"}, parent=old)
    new = site.model.merge(site.model.open_pull("work"), squash=False)

    assert [("b", "added")] == changed(site, old, new)


def test_a_commit_that_nobody_knows_any_more(site: Site) -> None:
    new = site.model.push("main", {"a": b"1"})

    assert site.repository.changes("ab" * 20, new) is None


def test_a_push_of_400_files(site: Site) -> None:
    old = site.model.push("main", {f"flows/{n:03}.yml": b"1\n" for n in range(200)})
    files = {f"flows/{n:03}.yml": None if n < 20 else b"%d\n" % n for n in range(400)}
    new = site.model.push("main", files)

    found = site.repository.changes(old, new)

    assert 400 == len(found or ())
    assert FileChange("flows/000.yml", ChangeKind.REMOVED) in (found or ())
    wanted = [path for path, content in files.items() if content is not None]
    assert {path: files[path] for path in wanted} == site.repository.read(wanted, new)


# files


def test_all_files_of_a_commit_page_by_page(site: Site) -> None:
    if site.server:
        site.server.dialect.largest = 3
    site.model.push("main", {f"a/{n}/x.yml": b"%d" % n for n in range(5)} | {"README.md": b"r", **ODD})
    old = site.model.branches["main"]
    new = site.model.push("main", {"README.md": b"s"})

    before, after = site.repository.files(old), site.repository.files(new)

    assert site.model.commits[new].tree.keys() == before.keys() == after.keys()
    assert before["README.md"] != after["README.md"]


# read


@pytest.mark.parametrize("files", [ODD, CONTENTS], ids=["names", "contents"])
def test_files_are_read_byte_for_byte(site: Site, files: dict[str, bytes]) -> None:
    first = site.model.push("main", {"README.md": b""})
    sha = site.model.push("main", files)

    assert files == site.repository.read([*files, "missing", "flows", "flow"], sha)
    for path, content in files.items():
        assert {path: content} == site.repository.read([path], sha)
    # What a commit is compared with before may change how it is read, but not what.
    site.repository.changes(first, sha)
    assert files == site.repository.read([*files, "missing"], sha)


def test_a_folder_is_no_file(site: Site) -> None:
    sha = site.model.push("main", {"flows/a.yml": b"1"})

    assert {} == site.repository.read(["flows"], sha)
    assert {} == site.repository.read([], sha)


# commit


def test_a_commit_writes_and_deletes_at_once(site: Site) -> None:
    parent = site.model.push("main", {"a": b"1", "b": b"1", "c": b"1"})

    sha = site.repository.commit(
        "main", {"a": b"2\r\n\xc3\xa4", "b": None, **ODD}, parent=parent, message="work"
    )

    assert sha == site.model.branches["main"]
    assert {"a": b"2\r\n\xc3\xa4", "c": b"1", **ODD} == site.model.commits[sha].tree
    assert ((parent,), "work") == (site.model.commits[sha].parents, site.model.commits[sha].message)
    assert {"a": b"2\r\n\xc3\xa4"} == site.repository.read(["a", "b"], sha)


def test_a_commit_on_a_branch_that_moved_is_superseded(site: Site) -> None:
    parent = site.model.push("main", {"a": b"1"})
    moved = site.model.push("main", {"a": b"2"})

    with pytest.raises(Superseded, match="moved"):
        site.repository.commit("main", {"a": b"3"}, parent=parent, message="work")

    assert moved == site.model.branches["main"]


def test_a_commit_on_a_branch_that_is_gone_is_superseded(site: Site) -> None:
    parent = site.model.push("main", {"a": b"1"})
    site.model.push("work", {"a": b"2"}, parent=parent)
    sha = site.model.branches.pop("main")

    try:
        site.repository.commit("main", {"a": b"3"}, parent=sha, message="work")
    except Superseded:
        assert "main" not in site.model.branches
    else:
        # Bitbucket makes the branch again: who deletes it in the very second gets it back.
        assert parent in site.model.commits[site.model.branches["main"]].parents


# propose, withdraw


def propose(site: Site, files: dict[str, bytes | None], *, parent: str, title: str = "t") -> str:
    return site.repository.propose(
        "sluice/made", files, base="main", parent=parent, title=title, body=f"of {title}"
    )


def made(site: Site) -> dict[str, bytes]:
    return dict(site.model.commits[site.model.branches["sluice/made"]].tree)


def test_a_proposal_is_a_branch_of_one_commit_and_a_pull_request(site: Site) -> None:
    parent = site.model.push("main", {"a": b"1", "b": b"1"})

    url = propose(site, {"a": b"2", "b": None}, parent=parent, title="first")

    assert url.endswith("1")
    assert ({"a": b"2"}, "of first") == (made(site), site.model.bodies[1])
    pull = site.repository.pull(1)
    assert ("sluice/made", "main", "first", True, False) == (
        pull.head,
        pull.base,
        pull.title,
        pull.open,
        pull.fork,
    )
    assert parent == site.model.branches["main"]


def test_a_proposal_is_known_as_long_as_it_is_open(site: Site) -> None:
    parent = site.model.push("main", {"a": b"1"})
    assert site.repository.proposal("sluice/made", base="main") is None

    url = propose(site, {"a": b"2"}, parent=parent, title="first")

    assert Proposal(url, "of first") == site.repository.proposal("sluice/made", base="main")
    assert site.repository.proposal("sluice/made", base="other") is None
    site.repository.withdraw("sluice/made")
    assert site.repository.proposal("sluice/made", base="main") is None


def test_a_second_proposal_begins_anew_in_the_same_pull_request(site: Site) -> None:
    parent = site.model.push("main", {"a": b"1"})
    first = propose(site, {"a": b"2", "old": b"x"}, parent=parent, title="first")
    parent = site.model.push("main", {"c": b"1"})

    second = propose(site, {"a": b"3"}, parent=parent, title="second")

    assert (first, {"a": b"3", "c": b"1"}) == (second, made(site))
    assert (parent,) == site.model.commits[site.model.branches["sluice/made"]].parents
    assert [("second", "of second", True)] == [
        (p.title, site.model.bodies[1], p.open) for p in site.model.pulls.values()
    ]


def test_a_proposal_after_a_closed_one_is_a_new_pull_request(site: Site) -> None:
    parent = site.model.push("main", {"a": b"1"})
    propose(site, {"a": b"2"}, parent=parent)
    site.repository.withdraw("sluice/made")

    propose(site, {"a": b"3"}, parent=parent)

    assert [False, True] == [pull.open for pull in site.model.pulls.values()]


def test_a_withdrawn_proposal_leaves_neither_branch_nor_pull_request(site: Site) -> None:
    parent = site.model.push("main", {"a": b"1"})
    propose(site, {"a": b"2"}, parent=parent)

    site.repository.withdraw("sluice/made")
    site.repository.withdraw("sluice/made")

    assert (["main"], False) == (list(site.model.branches), site.repository.pull(1).open)


def test_a_branch_of_a_fork_that_is_called_as_ours_is_not_ours(site: Site) -> None:
    parent = site.model.push("main", {"a": b"1"})
    site.model.push("sluice/made", {"a": b"theirs"}, parent=parent)
    site.model.open_pull("sluice/made", title="theirs", fork=True)
    del site.model.branches["sluice/made"]

    for title in ("first", "second"):
        propose(site, {"a": b"2"}, parent=parent, title=title)
    assert ["theirs", "second"] == [pull.title for pull in site.model.pulls.values()]

    site.repository.withdraw("sluice/made")
    assert [True, False] == [pull.open for pull in site.model.pulls.values()]


# pull, merge_base


def test_a_pull_request_as_it_is_now(site: Site) -> None:
    first = site.model.push("main", {"a": b"1"})
    site.model.push("work", {"a": b"2"}, parent=first)
    number = site.model.open_pull("work", title="Zwölf <b>")
    head = site.model.push("work", {"a": b"3"})
    base = site.model.push("main", {"b": b"1"})

    pull = site.repository.pull(number)

    assert ("Zwölf <b>", base, head, False, True) == (
        pull.title,
        pull.base_sha,
        pull.head_sha,
        pull.fork,
        pull.open,
    )
    assert first == site.repository.merge_base(pull.base_sha, pull.head_sha)


def test_a_pull_request_of_a_fork_says_so(site: Site) -> None:
    first = site.model.push("main", {"a": b"1"})
    head = site.model.push("theirs", {"a": b"2"}, parent=first)

    pull = site.repository.pull(site.model.open_pull("theirs", fork=True))

    assert (True, head) == (pull.fork, pull.head_sha)


def test_a_pull_request_that_was_merged_is_closed(site: Site) -> None:
    first = site.model.push("main", {"a": b"1"})
    site.model.push("work", {"a": b"2"}, parent=first)
    number = site.model.open_pull("work")
    site.model.merge(number)

    assert not site.repository.pull(number).open


def test_a_pull_request_that_is_not_there(site: Site) -> None:
    site.model.push("main", {"a": b"1"})

    with pytest.raises(KeyError):
        site.repository.pull(7)


def test_histories_without_a_common_commit(site: Site) -> None:
    one, other = site.model.push("main", {"a": b"1"}), site.model.push("orphan", {"a": b"2"})

    assert site.repository.merge_base(one, other) is None
    assert site.repository.merge_base(one, "ab" * 20) is None
    assert one == site.repository.merge_base(one, one)


# comment, status


def test_comments_are_updated_in_place_and_others_are_left_alone(site: Site) -> None:
    site.model.push("main", {"a": b"1"})
    number = site.model.open_pull("main")
    site.say(number, "looks good")
    site.say(
        number,
        f"> <!-- {MARKER.name} -->\n> [//]: # ({MARKER.name})\nwhat is this?",
    )

    for bodies in (["one"], ["one", "two", "three"], ["ONE", "two"], ["ONE"], []):
        site.repository.comment(number, MARKER, bodies)

        assert ["looks good", "what is this?", *bodies] == site.comments(number)


def test_many_comments_of_others_hide_none_of_ours(site: Site) -> None:
    site.model.push("main", {"a": b"1"})
    number = site.model.open_pull("main")
    for place in range(7):
        site.say(number, f"say {place}")
    site.repository.comment(number, MARKER, ["one"])
    if site.server:
        site.server.dialect.largest = 2

    site.repository.comment(number, MARKER, ["two"])

    assert [*(f"say {place}" for place in range(7)), "two"] == site.comments(number)


def test_a_comment_of_the_same_version_is_left_as_it_is(site: Site) -> None:
    site.model.push("main", {"a": b"1"})
    number = site.model.open_pull("main")
    first, second = replace(MARKER, version="1a"), replace(MARKER, version="2b")

    site.repository.comment(number, first, ["at nine", "two"])
    site.repository.comment(number, first, ["at ten", "two", "three"])
    assert ["at nine", "two", "three"] == site.comments(number)

    site.repository.comment(number, second, ["at ten", "two"])
    assert ["at ten", "two"] == site.comments(number)

    site.repository.comment(number, replace(MARKER, name="sluice-plan maint"), [])
    assert ["at ten", "two"] == site.comments(number)


def test_what_is_as_it_should_be_is_not_written(remote: Site) -> None:
    sha = remote.model.push("main", {"a": b"1"})
    number = remote.model.open_pull("main")

    def write() -> None:
        repository = remote.again()
        repository.comment(number, MARKER, ["one", "two"])
        repository.status(sha, Verdict.FAILURE, context="sluice/pipelines", description="ä" * 400)
        repository.withdraw("sluice/made")

    write()
    assert 3 == len(remote.host.writes)
    write()
    assert 3 == len(remote.host.writes)


def test_a_status_is_set_and_changed(site: Site) -> None:
    sha = site.model.push("main", {"a": b"1"})

    for verdict in (Verdict.PENDING, Verdict.PENDING, Verdict.SUCCESS, Verdict.FAILURE):
        site.repository.status(sha, verdict, context="sluice/pipelines", description="ä" * 400)

        assert verdict == site.model.statuses[sha, "sluice/pipelines"][0]
    site.repository.status(sha, Verdict.ERROR, context="other", description="d", url="https://a.example")
    assert 2 == len(site.model.statuses)
