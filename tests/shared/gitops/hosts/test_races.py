"""Somebody pushes at the worst of moments: before any call of a weave, at each host; and deliveries are repeated."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from shared.common.errors import Superseded, Transient
from shared.gitops.delivery_git import Committed, Proposed
from shared.gitops.manifest import NAME
from shared.gitops.repository import Repository
from shared.gitops.stale import Scope
from shared.gitops.weave import Delivery, weave
from tests.shared.gitops.hosts.site import Site
from tests.shared.gitops.toy import Toy

SCOPE = Scope("main", definitions=("flows/*.yml",), generated="made")


def committed(repository: Repository) -> Delivery:
    return Committed(repository, "main", "made")


def proposed(repository: Repository) -> Delivery:
    return Proposed(repository, "main", "sluice/made", "made")


def woven(site: Site, deliver: Callable[[Repository], Delivery]) -> None:
    """What a worker does that knows nothing yet; a queue gives again what fails for now."""
    for _ in range(3):
        repository = site.again()
        try:
            weave(repository, SCOPE, compiler=Toy(), delivery=deliver(repository))
        except (Superseded, Transient):
            continue
        return
    raise AssertionError("it failed three times")


def artifacts(site: Site, branch: str) -> dict[str, bytes]:
    tree = site.model.commits[site.model.branches[branch]].tree
    made = {path.removeprefix("made/"): body for path, body in tree.items() if path.startswith("made/")}
    return {path: body for path, body in made.items() if path != NAME}


@pytest.mark.parametrize(
    ("deliver", "branch"), [(committed, "main"), (proposed, "sluice/made")], ids=["commit", "pull"]
)
def test_somebody_who_pushes_before_any_call_is_woven_too(
    remote: Site, deliver: Callable[[Repository], Delivery], branch: str
) -> None:
    """At GitLab our commit lands on theirs, for it takes no condition; the next round makes that good."""
    place = 0
    while True:
        remote.model.branches.clear()
        remote.model.push("main", {"flows/a.yml": b"a", "flows/b.yml": b"b", "flows/c.yml": b"c"})
        woven(remote, deliver)
        if deliver is proposed:
            remote.model.merge(max(remote.model.pulls))
            woven(remote, deliver)
        remote.model.push("main", {"flows/a.yml": b"a2"})
        seen = list[str]()

        def meanwhile(call: str, seen: list[str] = seen, place: int = place) -> None:
            seen.append(call)
            if len(seen) == place + 1:
                theirs = {
                    "flows/a.yml": b"a3",
                    "flows/b.yml": None,
                    "flows/d.yml": b"d",
                    "made/c.py": b"by hand",
                }
                remote.model.push("main", theirs)

        remote.host.before = meanwhile
        woven(remote, deliver)
        remote.host.before = lambda call: None
        if len(seen) <= place:
            break
        # The host tells of their push, too.
        woven(remote, deliver)

        want = {"a3.py": b"1 a3", "c.py": b"1 c", "d.py": b"1 d"}
        assert want == artifacts(remote, branch), f"before call {place}, {seen[place]}"
        assert (deliver is proposed) == any(pull.open for pull in remote.model.pulls.values())
        place += 1
    assert place >= 6
