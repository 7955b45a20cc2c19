"""weave.yml: what it takes, and what it says of what it does not."""

from __future__ import annotations

import pytest

from shared.common.documents import read_yaml
from shared.common.errors import Misconfigured
from shared.gitops.configuration import Weaving
from shared.gitops.news import Action, BranchMoved, Host, PullChanged

ENTRY = "{host: github, repository: acme/flows, credential: TOKEN, webhook_secrets: [HOOK]%s}"


def read(*entries: str) -> Weaving:
    text = "repositories:\n" + "".join(f"  - {entry}\n" for entry in entries)
    return read_yaml(text, file="weave.yml").parse(Weaving)


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (", deliver: {to: pull_request, branch: main}", "the one that the definitions are on"),
        (", deliver: {to: commit, folder: ../x}", "no folder inside of the repository"),
        (", deliver: {to: commit, folder: /x}", "no folder inside of the repository"),
        (", api_url: 'http://git.example/api'", "is no https URL"),
        (", branch: 'a b'", "branch"),
        (", targets: []", "targets"),
        (", colour: red", "colour"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(more: str, told: str) -> None:
    with pytest.raises(Misconfigured, match=r"weave\.yml:2:") as caught:
        read(ENTRY % more)

    assert told in str(caught.value)


def test_a_branch_is_woven_once() -> None:
    with pytest.raises(Misconfigured, match="is there twice"):
        read(ENTRY % "", (ENTRY % "").replace("acme/flows", "Acme/Flows"))


def test_news_find_their_entries() -> None:
    weaving = read(ENTRY % "", ENTRY % ", branch: dev, preview: false", ENTRY.replace("flows", "other") % "")

    moved = weaving.about(BranchMoved(Host.GITHUB, "ACME/flows", "dev"))
    changed = weaving.about(PullChanged(Host.GITHUB, "acme/flows", 1, Action.CHANGED))

    assert (["dev"], ["main"]) == ([one.branch for one in moved], [one.branch for one in changed])
    assert () == weaving.about(BranchMoved(Host.GITLAB, "acme/flows", "dev"))


def test_parameters_are_shared_and_artifacts_are_no_definitions() -> None:
    (woven,) = read(ENTRY % ", parameters: p.json, shared: [d.yml], definitions: ['**/*.yml']").repositories

    scope = woven.scope

    assert (True, True, False) == (scope.is_shared("p.json"), scope.is_shared("d.yml"), scope.is_shared("x"))
    assert (True, False) == (scope.is_definition("a/b.yml"), scope.is_definition("generated/b.yml"))
