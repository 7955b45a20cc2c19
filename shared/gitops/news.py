"""What a webhook may tell: a branch has moved, or a pull request has changed; everything else is no news.

News say *where* to look and never *what* is there: the worker asks the host for the head of the branch and compares
that with what it applied last. So deliveries may come twice, late or in any order, and leave out what they like.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from shared.common.errors import Misconfigured


class Host(StrEnum):
    """The hosts that are known; `git` is a remote without an API, which is polled."""

    GITHUB = "github"
    GITLAB = "gitlab"
    BITBUCKET = "bitbucket"
    GIT = "git"


class Action(StrEnum):
    """What happened to a pull request, as far as a preview cares."""

    CHANGED = "changed"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class BranchMoved:
    """A branch points elsewhere: by a push, a merge, a force push or its deletion."""

    host: Host
    repository: str
    branch: str

    def to_json(self) -> dict[str, Any]:
        return {"kind": "branch", **asdict(self)}


@dataclass(frozen=True, slots=True)
class PullChanged:
    """A pull (merge) request was opened, updated, retargeted or closed. `number` is the host's own."""

    host: Host
    repository: str
    number: int
    action: Action

    def to_json(self) -> dict[str, Any]:
        return {"kind": "pull", **asdict(self)}


@dataclass(frozen=True, slots=True)
class NoNews:
    """An event that nobody waits for, and why."""

    reason: str


News = BranchMoved | PullChanged


def news_of(document: Mapping[str, Any]) -> News:
    """Read what `to_json` wrote. Raises `Misconfigured` when the document is none of that.

    >>> news_of(BranchMoved(Host.GITHUB, "acme/flows", "main").to_json())
    BranchMoved(host=<Host.GITHUB: 'github'>, repository='acme/flows', branch='main')
    """
    try:
        match document:
            case {"kind": "branch", "host": str(host), "repository": str(name), "branch": str(branch)}:
                return BranchMoved(Host(host), name, branch)
            case {"kind": "pull", "host": str(host), "repository": str(name), "number": int(number)}:
                return PullChanged(Host(host), name, number, Action(document["action"]))
    except (KeyError, ValueError):
        pass
    raise Misconfigured(
        "the message is no news of a git host",
        hint='send {"kind": "branch", "host": "github", "repository": "acme/flows", "branch": "main"}',
    )
