"""What people and workers do at once, with git itself over HTTP: forced, squashed, our own, a lease that ran out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from shared.common.errors import Superseded
from shared.common.fakes import FakeClock
from shared.common.redaction import Redactor
from shared.gitops.manifest import NAME
from shared.gitops.news import BranchMoved, Host
from shared.gitops.weave import Outcome
from src.config import configure
from src.weave.place import delivery
from src.weave.work import SECONDS, Bench, work
from src.workplace import Workplace
from tests.shared.gitops.remote import CREDENTIAL, Person, Served, git, served
from tests.src.weave.yard import Asleep

NEWS = BranchMoved(Host.GIT, "acme/flows", "main")
WEAVE = """
repositories:
  - host: git
    repository: acme/flows
    url: {url}/flows.git
    credential: GIT_CREDENTIAL
    definitions: ["flows/*.yml"]
    targets: [dagfactory]
    deliver: {deliver}
"""
DELIVER = {
    "commit": "{to: commit, folder: made}",
    "pull request": "{to: pull_request, folder: made, branch: sluice/made}",
    "folder": "{to: folder, path: made}",
}


def step(name: str, seconds: int = 1) -> bytes:
    text = f"pipeline: {{name: {name}, steps: [{{name: a, type: wait, duration: {seconds}s}}]}}\n"
    return text.encode()


class Team:
    """A remote, somebody who works on it, and any number of workers that weave it into one place."""

    def __init__(self, kind: str, ada: Person, server: Served, folder: Path) -> None:
        self.kind, self.ada, self.server, self.folder = kind, ada, server, folder
        (folder / "weave.yml").write_text(WEAVE.format(url=server.url, deliver=DELIVER[kind]))
        redactor = Redactor()
        self.clock = FakeClock()
        self.place = Workplace(configure(learn=redactor.learn), redactor, self.clock)

    def bench(self) -> Bench:
        return Bench.of(self.place)

    def weave(self) -> Outcome:
        (outcome,) = work(self.bench(), NEWS)
        return outcome

    def made(self) -> dict[str, str]:
        """The names of the pipelines' files, and what is in them."""
        if self.kind == "folder":
            there = self.folder / "made"
            files = {str(p.relative_to(there)): p.read_text() for p in there.rglob("*") if p.is_file()}
        else:
            branch = "main" if self.kind == "commit" else "sluice/made"
            tree = self.ada.tree(branch) if self.ada.head(branch) else {}
            files = {
                name.removeprefix("made/"): body.decode()
                for name, body in tree.items()
                if name.startswith("made/")
            }
        return {name: text for name, text in files.items() if not name.endswith(NAME)}

    @property
    def pipelines(self) -> list[str]:
        return sorted({Path(name).stem.partition(".")[0] for name in self.made()})

    @property
    def pushes(self) -> int:
        return sum("git-receive-pack" in one for one in self.server.asked if "service=" not in one)


@pytest.fixture
def open_team(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Team]]:
    monkeypatch.chdir(tmp_path)
    for name, value in {
        "ENVIRONMENT": "local",
        "GIT_CREDENTIAL": CREDENTIAL,
        "WEAVE_FILE": "weave.yml",
    }.items():
        monkeypatch.setenv(name, value)
    ada = Person.of(tmp_path)
    with served(ada.bare.parent) as server:
        yield lambda kind: Team(kind, ada, server, tmp_path)


@pytest.fixture(params=list(DELIVER))
def team(request: pytest.FixtureRequest, open_team: Callable[[str], Team]) -> Team:
    return open_team(request.param)


def test_what_was_delivered_is_no_reason_to_deliver(team: Team) -> None:
    team.ada.push({"flows/a.yml": step("a")})
    assert team.weave().delivered
    heads, pushes = (team.ada.head(), team.ada.head("sluice/made")), team.pushes

    for _ in range(3):
        team.weave()

    assert (heads, pushes) == ((team.ada.head(), team.ada.head("sluice/made")), team.pushes)
    assert ["a"] == team.pipelines


def test_a_force_push_to_another_history_ends_as_that_history_is(team: Team) -> None:
    first = team.ada.push({"flows/a.yml": step("a")})
    team.weave()
    team.ada.push({"flows/b.yml": step("b"), "flows/a.yml": step("a", 2)})
    team.weave()
    assert ["a", "b"] == team.pipelines
    old = git("rev-parse", "origin/main", at=team.ada.clone)

    team.ada.push({"flows/c.yml": step("c")}, onto=first)
    # What was forced away is gone from the server, too.
    git("reflog", "expire", "--expire=now", "--all", at=team.ada.bare)
    git("gc", "--quiet", "--prune=now", at=team.ada.bare)
    team.weave()

    assert ["a", "c"] == team.pipelines
    assert not any("2" in text.partition("duration")[2][:9] for text in team.made().values())
    assert old != team.ada.head()


def test_a_squash_merge_is_woven_and_ends_what_was_proposed(team: Team) -> None:
    team.ada.push({"flows/a.yml": step("a")})
    team.weave()
    team.ada.push({"flows/b.yml": step("b")}, branch="work")
    team.ada.push({"flows/a.yml": None, "flows/c.yml": step("c")}, branch="work")
    squash(team.ada, "work")
    team.weave()

    assert ["b", "c"] == team.pipelines

    if team.kind == "pull request":
        proposed = team.ada.tree_names("sluice/made")
        squash(team.ada, "sluice/made")
        assert "" == team.weave().delivered
        assert ("", proposed) == (team.ada.head("sluice/made"), team.ada.tree_names())


def squash(ada: Person, branch: str) -> None:
    git("fetch", "--quiet", "origin", at=ada.clone)
    git("checkout", "--quiet", "--force", "--detach", "origin/main", at=ada.clone)
    git("merge", "--quiet", "--squash", f"origin/{branch}", at=ada.clone)
    git("commit", "--quiet", "-m", f"squash {branch}", at=ada.clone)
    git("push", "--quiet", "origin", "HEAD:main", at=ada.clone)


LATE = [("commit", False), ("folder", False), ("pull request", False), ("pull request", True)]


@pytest.mark.parametrize(("kind", "merged"), LATE, ids=["commit", "folder", "pull request", "merged"])
def test_a_worker_whose_lease_ran_out_overwrites_nothing_of_the_next_one(
    open_team: Callable[[str], Team], kind: str, merged: bool
) -> None:
    """The first one sees an old state and sleeps for longer than its lease; the second one does the work.

    `merged`: the first one sees that there is nothing to propose, and would take back what the second one proposes.
    """
    team = open_team(kind)
    team.ada.push({"flows/a.yml": step("a")})
    team.weave()
    if merged:
        squash(team.ada, "sluice/made")
    else:
        team.ada.push({"flows/b.yml": step("b")})
    after = dict[str, str]()

    def meanwhile() -> None:
        team.clock.sleep(SECONDS + 1)
        team.ada.push({"flows/c.yml": step("c"), "flows/b.yml": step("b", 3)})
        assert team.weave().delivered
        after.update(team.made())

    bench = replace(team.bench(), open_delivery=lambda *place: Asleep(delivery(*place), meanwhile))
    pushes = team.pushes
    # It is told that it is late, or finds nothing left to do.
    with suppress(Superseded):
        list(work(bench, NEWS))

    assert ["b", "c"] == [name for name in team.pipelines if name != "a"]
    assert (after, pushes + (team.kind != "folder")) == (team.made(), team.pushes)
