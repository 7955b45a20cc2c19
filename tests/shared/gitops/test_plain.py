"""A plain git remote, over HTTP and as a directory: what is read of it, what is written, and what is never run."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from shared.common.errors import Misconfigured, Refused, Superseded, Transient
from shared.gitops.delivery_git import Committed, Proposed
from shared.gitops.plain import PlainGit
from shared.gitops.remark import Marker
from shared.gitops.repository import ChangeKind, FileChange, Verdict
from shared.gitops.stale import Scope
from shared.gitops.weave import weave
from tests.shared.gitops.remote import CREDENTIAL, Person, Served, git, served
from tests.shared.gitops.toy import Toy

SCOPE = Scope("main", definitions=("flows/**/*.yml",), generated="made")


@pytest.fixture
def ada(tmp_path: Path) -> Person:
    return Person.of(tmp_path)


@pytest.fixture
def server(ada: Person) -> Iterator[Served]:
    with served(ada.bare.parent) as state:
        yield state


@pytest.fixture
def repository(server: Served, tmp_path: Path) -> PlainGit:
    return PlainGit.mirror(f"{server.url}/flows.git", tmp_path / "cache", credential=CREDENTIAL)


def test_files_are_read_at_a_commit_whatever_happens_later(ada: Person, repository: PlainGit) -> None:
    first = ada.push({"flows/a.yml": b"a", "with space\nand line.txt": b"x\0\n", "ü.txt": b""})
    ada.push({"flows/a.yml": b"b", "ü.txt": None})
    head = repository.head("main")

    assert ada.head() == head
    assert {"flows/a.yml": b"a", "with space\nand line.txt": b"x\0\n", "ü.txt": b""} == repository.read(
        ["flows/a.yml", "none", "with space\nand line.txt", "flows", "ü.txt"], first
    )
    assert {"flows/a.yml", "with space\nand line.txt"} == set(repository.files(str(head)))
    assert repository.head("none") is None


def test_changes_are_those_between_two_trees(ada: Person, repository: PlainGit) -> None:
    old = ada.push({"a.yml": b"1", "b.yml": b"some text that is moved", "c.yml": b"3"})
    new = ada.push({"a.yml": b"2", "b.yml": None, "flows/b.yml": b"some text that is moved", "c.yml": None})
    repository.head("main")

    assert [
        FileChange("a.yml", ChangeKind.MODIFIED),
        FileChange("b.yml", ChangeKind.REMOVED),
        FileChange("c.yml", ChangeKind.REMOVED),
        FileChange("flows/b.yml", ChangeKind.ADDED),
    ] == repository.changes(old, new)
    assert repository.changes("0" * 40, new) is None


def test_a_force_push_and_a_branch_that_is_deleted_are_seen(ada: Person, repository: PlainGit) -> None:
    first = ada.push({"a.yml": b"1"})
    ada.push({"b.yml": b"1"})
    repository.head("main")
    forced = ada.push({"c.yml": b"1"}, onto=first)
    ada.push({"x.yml": b"1"}, branch="work/one")

    assert forced == repository.head("main")
    assert repository.merge_base(forced, str(repository.head("work/one"))) == forced

    git("update-ref", "-d", "refs/heads/work/one", at=ada.bare)
    ada.push({"x.yml": b"1"}, branch="work")  # a file in the place of a folder of references

    assert (None, ada.head("work")) == (repository.head("work/one"), repository.head("work"))


def test_weaving_400_files_is_one_fetch_and_one_push(
    ada: Person, server: Served, repository: PlainGit
) -> None:
    ada.push({f"flows/{n}.yml": f"p{n}".encode() for n in range(400)})

    outcome = weave(repository, SCOPE, compiler=Toy(), delivery=Committed(repository, "main", "made"))

    assert ada.head() == outcome.delivered
    assert 801 == len(ada.tree_names())
    assert 1 == sum("git-receive-pack" in path for path in server.asked if "service=" not in path)


def test_artifacts_of_a_renamed_definition_move_and_nothing_is_done_twice(
    ada: Person, repository: PlainGit
) -> None:
    def woven() -> str:
        delivery = Committed(repository, "main", "made")
        return weave(repository, SCOPE, compiler=Toy(), delivery=delivery).delivered

    ada.push({"flows/a.yml": b"a"})
    woven()
    ada.push({"flows/a.yml": None, "flows/sub/b.yml": b"b"})
    woven()

    assert {"flows/sub/b.yml", "made/.sluice.json", "made/b.py"} == set(ada.tree())
    assert "" == woven()


def test_of_two_who_push_at_once_one_is_told_that_it_was_late(ada: Person, repository: PlainGit) -> None:
    parent = str(repository.head("main"))
    ada.push({"theirs.txt": b"1"})

    with pytest.raises(Superseded):
        repository.commit("main", {"ours.txt": b"1"}, parent=parent, message="ours")

    head = str(repository.head("main"))
    made = repository.commit("main", {"ours.txt": b"1", "theirs.txt": None}, parent=head, message="ours")

    assert (made, {"ours.txt": b"1"}) == (ada.head(), ada.tree())
    assert "Sluice <sluice@localhost> ours" == git("log", "-1", "--format=%an <%ae> %s", "main", at=ada.bare)


def test_two_who_push_at_the_same_moment_never_both_win(ada: Person, server: Served, tmp_path: Path) -> None:
    def push(name: str) -> str:
        url = f"{server.url}/flows.git"
        one = PlainGit.mirror(url, tmp_path / name, credential=CREDENTIAL)
        parent = str(one.head("main"))
        together.wait(timeout=20)
        try:
            return one.commit("main", {name: b""}, parent=parent, message=name)
        except (Superseded, Transient):
            return ""

    together = threading.Barrier(2)
    with ThreadPoolExecutor(2) as pool:
        made = [sha for sha in pool.map(push, ["one", "two"]) if sha]

    assert [ada.head()] == made


def test_an_empty_remote_has_no_branch(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    git("init", "--quiet", "--bare", at=tmp_path / "empty")

    assert PlainGit.mirror(str(tmp_path / "empty"), tmp_path / "cache").head("main") is None


def test_what_is_proposed_is_a_branch_and_again_the_same_one(ada: Person, repository: PlainGit) -> None:
    ada.push({"flows/a.yml": b"a"})
    delivery = Proposed(repository, "main", "sluice/made", "made")

    assert "sluice/made" == weave(repository, SCOPE, compiler=Toy(), delivery=delivery).delivered
    first = ada.head("sluice/made")
    weave(repository, SCOPE, compiler=Toy(), delivery=delivery)
    assert first == ada.head("sluice/made")

    ada.push({"flows/a.yml": b"a2"})
    weave(repository, SCOPE, compiler=Toy(), delivery=delivery)
    assert b"1 a2" == ada.tree("sluice/made")["made/a2.py"]

    ada.push({}, onto="origin/sluice/made")
    weave(repository, SCOPE, compiler=Toy(), delivery=delivery)
    assert ("", b"1 a2") == (ada.head("sluice/made"), ada.tree()["made/a2.py"])
    repository.withdraw("sluice/made")


def test_a_file_may_take_the_place_of_a_folder(ada: Person, repository: PlainGit) -> None:
    parent = ada.push({"made/x/a.py": b"1"})
    repository.head("main")

    repository.commit("main", {"made/x": b"now a file", "made/x/a.py": None}, parent=parent, message="m")

    assert {"made/x": b"now a file"} == ada.tree()


@pytest.mark.parametrize("path", ["../out.txt", ".git/config", "a//b"])
def test_a_path_that_git_does_not_take_is_not_written(ada: Person, repository: PlainGit, path: str) -> None:
    parent = str(repository.head("main"))

    with pytest.raises(Misconfigured):
        repository.commit("main", {path: b""}, parent=parent, message="m")

    assert parent == ada.head()


def test_a_remote_that_refuses_a_branch_says_so(ada: Person, repository: PlainGit) -> None:
    hook = ada.bare / "hooks" / "pre-receive"
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    parent = str(repository.head("main"))

    with pytest.raises(Refused, match="declined"):
        repository.commit("main", {"a": b""}, parent=parent, message="m")


def test_a_wrong_credential_is_refused_and_never_told(server: Served, tmp_path: Path) -> None:
    repository = PlainGit.mirror(f"{server.url}/flows.git", tmp_path / "other", credential="git:wrong-secret")

    with pytest.raises(Refused) as told:
        repository.head("main")

    assert "wrong-secret" not in f"{told.value} {told.value.where} {repository._git!r}"


def test_a_server_that_is_away_is_asked_again(ada: Person, server: Served, repository: PlainGit) -> None:
    server.broken = 1

    with pytest.raises(Transient):
        repository.head("main")

    assert ada.head() == repository.head("main")


def test_nothing_of_a_repository_or_of_this_machine_is_run(
    ada: Person, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trap, sprung = tmp_path / "trap", tmp_path / "sprung"
    trap.write_text(f"#!/bin/sh\necho $0 >> {sprung}\n")
    trap.chmod(0o755)
    for name in ("reference-transaction", "pre-push", "post-checkout", "post-index-change", "pre-commit"):
        (ada.clone / ".git" / "hooks" / name).symlink_to(trap)
    for name in ("core.fsmonitor", "diff.external", "core.pager", "core.sshCommand", "credential.helper"):
        git("config", name, str(trap), at=ada.clone)
    (tmp_path / ".gitconfig").write_text(f"[core]\n\thooksPath = {ada.clone}/.git/hooks\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_DIR", "/nonexistent")
    old = git("rev-parse", "HEAD", at=ada.clone)
    new = ada.push({"a.yml": b"1", ".gitattributes": b"*.yml diff=trap filter=trap"})
    sprung.unlink(missing_ok=True)

    working = PlainGit.working(ada.clone)
    assert {"a.yml": b"1"} == working.read(["a.yml"], new)
    assert [".gitattributes", "a.yml"] == [one.path for one in working.changes(old, new) or ()]
    mirror = PlainGit.mirror(str(ada.clone), tmp_path / "cache")
    mirror.head("main")
    repository = PlainGit.mirror(str(ada.bare), tmp_path / "cache")
    head = str(repository.head("main"))
    assert repository.commit("main", {"b.yml": b"2"}, parent=head, message="m") == ada.head()

    assert not sprung.exists()


def test_a_working_repository_is_read_by_any_name_of_a_commit(ada: Person) -> None:
    new = ada.push({"a.yml": b"1"})
    working = PlainGit.working(ada.clone / ".git" / "..")

    assert new == working.resolve("HEAD") == working.resolve("origin/main") == working.resolve(new[:9])
    for wrong in ("nothing", "--help", "HEAD:a.yml", ""):
        with pytest.raises(Misconfigured, match="is no commit"):
            working.resolve(wrong)
    with pytest.raises(Misconfigured, match="only read"):
        working.commit("main", {"a": b""}, parent=new, message="m")


def test_there_are_no_pull_requests(repository: PlainGit) -> None:
    with pytest.raises(KeyError):
        repository.pull(1)
    with pytest.raises(Misconfigured, match="sluice plan"):
        repository.comment(1, Marker("m"), ["text"])
    repository.status("0" * 40, Verdict.SUCCESS, context="c", description="d")


def test_what_is_no_repository_says_so(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="not a git repository"):
        PlainGit.working(tmp_path)
    with pytest.raises(Refused, match="does not appear to be a git repository"):
        PlainGit.mirror(str(tmp_path / "none"), tmp_path / "cache").head("main")
    assert os.path.isdir(tmp_path / "cache")
