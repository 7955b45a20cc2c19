"""The door to a repository on a host: what weaving reads of it, and the few things that it writes.

One adapter per host (`hosts/`), one for a plain git remote (`plain.py`) and one in memory (`fake.py`). A SHA is the
full hexadecimal name of a commit; paths are relative with `/`. All methods raise `Transient`, `Refused` and `Violation`
as the REST client does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from shared.gitops.remark import Marker

Files = Mapping[str, bytes | None]
"""What a commit writes: the content of each path, None where the file is to go."""


class ChangeKind(StrEnum):
    """What happened to a file between two commits. A renamed file is one that went and one that came."""

    ADDED = "added"
    MODIFIED = "modified"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True, order=True)
class FileChange:
    """A file that differs between two commits. `was` is its former path where the host says that it was renamed."""

    path: str
    kind: ChangeKind
    was: str = ""


@dataclass(frozen=True, slots=True)
class Pull:
    """A pull (merge) request. `fork`: its head lies in another repository, whose owner we do not know."""

    number: int
    title: str
    base: str
    base_sha: str
    head: str
    head_sha: str
    fork: bool
    open: bool
    url: str = ""


@dataclass(frozen=True, slots=True)
class Proposal:
    """An open pull request of ours: where it is shown, and its text as the host has it."""

    url: str
    body: str


class Verdict(StrEnum):
    """What a commit status says."""

    PENDING = "pending"
    SUCCESS = "success"
    FAILURE = "failure"
    ERROR = "error"


class Repository(Protocol):
    """One repository. Reads name a commit, so that what is read together belongs together."""

    def head(self, branch: str) -> str | None:
        """The commit that a branch points to; None when there is no such branch."""

    def changes(self, old: str, new: str) -> Sequence[FileChange] | None:
        """The files that differ between two commits, by path; None when `old` cannot be found any more.

        It compares the two commits themselves (two dots), whatever lies between them: so a force push, a squash and a
        merge are all the same.
        """

    def files(self, sha: str) -> Mapping[str, str]:
        """All files of a commit: the id of the content by path."""

    def read(self, paths: Iterable[str], sha: str) -> Mapping[str, bytes]:
        """The content of files in a commit, by path; those that it does not have are left out."""

    def commit(self, branch: str, files: Files, *, parent: str, message: str) -> str:
        """Add a commit to a branch that points to `parent`; returns its SHA.

        Raises `Superseded` when the branch points elsewhere by now: nothing is written then.
        """

    def propose(self, branch: str, files: Files, *, base: str, parent: str, title: str, body: str) -> str:
        """Let `branch` be `parent` and one commit with `files`, and have it proposed to `base`; returns the URL.

        The branch is ours alone: it is moved by force, and a pull request that is open for it is used again. So a call
        that is repeated after a crash at any point ends in the same state.
        """

    def proposal(self, branch: str, *, base: str) -> Proposal | None:
        """The open pull request from `branch`, which is ours, to `base`; None where there is none."""

    def withdraw(self, branch: str) -> None:
        """Take a proposed branch away, and with it its pull request; nothing is written when there is none."""

    def pull(self, number: int) -> Pull:
        """A pull request as it is now. Raises `KeyError` when there is none of this number."""

    def merge_base(self, one: str, other: str) -> str | None:
        """The nearest commit that both come from; None when they have none in common."""

    def comment(self, number: int, marker: Marker, bodies: Sequence[str]) -> None:
        """Let the comments of ours at a pull request be exactly `bodies`, updated in place.

        The adapter puts the marker in; it is in no body. Comments beyond `bodies` are deleted. Those that have the
        marker's version already are left as they are.
        """

    def status(self, sha: str, verdict: Verdict, *, context: str, description: str, url: str = "") -> None:
        """Let the status of a commit under the name `context` be this; it is not written again where it is.

        `description` is cut to what the host takes.
        """


def between(old: Mapping[str, str], new: Mapping[str, str]) -> list[FileChange]:
    """What differs between two trees, as `Repository.files` gives them; sorted."""
    found = [FileChange(path, ChangeKind.REMOVED) for path in old.keys() - new.keys()]
    found += [FileChange(path, ChangeKind.ADDED) for path in new.keys() - old.keys()]
    both = old.keys() & new.keys()
    return sorted(found + [FileChange(path, ChangeKind.MODIFIED) for path in both if old[path] != new[path]])
