"""A repository in memory: it ships with the product, so that tests of weaving patch nothing.

>>> repository = FakeRepository()
>>> first = repository.push("main", {"a.yml": b"1"})
>>> second = repository.push("main", {"a.yml": b"2", "b.yml": b"1"})
>>> [(change.path, change.kind.value) for change in repository.changes(first, second)]
[('a.yml', 'modified'), ('b.yml', 'added')]
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from shared.common.errors import Superseded
from shared.gitops.remark import Marker, keep
from shared.gitops.repository import ChangeKind, FileChange, Files, Proposal, Pull, Verdict


@dataclass(frozen=True, slots=True)
class FakeCommit:
    """A commit: its parents (none: the first one), its whole tree and its message."""

    sha: str
    parents: tuple[str, ...]
    tree: Mapping[str, bytes]
    message: str


@dataclass
class FakeRepository:
    """Commits, branches, pull requests with their comments, and statuses, each as a plain dict that a test may read.

    `calls` counts what was asked, by method.
    """

    name: str = "acme/flows"
    commits: dict[str, FakeCommit] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    pulls: dict[int, Pull] = field(default_factory=dict)
    bodies: dict[int, str] = field(default_factory=dict)
    comments: dict[int, list[str]] = field(default_factory=dict)
    statuses: dict[tuple[str, str], tuple[Verdict, str]] = field(default_factory=dict)
    calls: dict[str, int] = field(default_factory=dict)

    # What people do

    def push(self, branch: str, files: Files, *, parent: str | None = None, message: str = "work") -> str:
        """A commit on a branch as somebody makes it; `parent` other than its head is a force push."""
        return self._move(branch, files, parent or self.branches.get(branch), message)

    def open_pull(self, head: str, *, base: str = "main", title: str = "a change", fork: bool = False) -> int:
        """A pull request as somebody opens it; returns its number."""
        number = len(self.pulls) + 1
        self.pulls[number] = Pull(
            number,
            title,
            base,
            self.branches[base],
            head,
            self.branches[head],
            fork,
            open=True,
            url=f"pull/{number}",
        )
        return number

    def merge(self, number: int, *, squash: bool = True) -> str:
        """Merge a pull request; returns the new head of its base."""
        pull = self._current(number)
        changes = (
            self.changes(self.merge_base(pull.base_sha, pull.head_sha) or pull.base_sha, pull.head_sha) or ()
        )
        tree = self.commits[pull.head_sha].tree
        files = {change.path: tree.get(change.path) for change in changes}
        sha = self._move(pull.base, files, pull.base_sha, pull.title, () if squash else (pull.head_sha,))
        self.pulls[number] = replace(pull, open=False)
        return sha

    # The door

    def head(self, branch: str) -> str | None:
        self._count("head")
        return self.branches.get(branch)

    def changes(self, old: str, new: str) -> Sequence[FileChange] | None:
        self._count("changes")
        if old not in self.commits or new not in self.commits:
            return None
        before, after = self.commits[old].tree, self.commits[new].tree
        found = [FileChange(path, ChangeKind.REMOVED) for path in before.keys() - after.keys()]
        found += [FileChange(path, ChangeKind.ADDED) for path in after.keys() - before.keys()]
        both = before.keys() & after.keys()
        return sorted(found + [FileChange(p, ChangeKind.MODIFIED) for p in both if before[p] != after[p]])

    def files(self, sha: str) -> Mapping[str, str]:
        self._count("files")
        return {
            path: hashlib.sha1(content, usedforsecurity=False).hexdigest()
            for path, content in self.commits[sha].tree.items()
        }

    def read(self, paths: Iterable[str], sha: str) -> Mapping[str, bytes]:
        self._count("read")
        tree = self.commits[sha].tree
        return {path: tree[path] for path in paths if path in tree}

    def commit(self, branch: str, files: Files, *, parent: str, message: str) -> str:
        self._count("commit")
        if self.branches.get(branch) != parent:
            raise Superseded("the branch has moved meanwhile", repository=self.name, branch=branch)
        return self._move(branch, files, parent, message)

    def propose(self, branch: str, files: Files, *, base: str, parent: str, title: str, body: str) -> str:
        self._count("propose")
        self._move(branch, files, parent, title)
        pulls = self.pulls.items()
        mine = next((n for n, pull in pulls if pull.open and pull.head == branch and not pull.fork), None)
        number = mine or self.open_pull(branch, base=base, title=title)
        self.pulls[number] = replace(self._current(number), title=title, base=base)
        self.bodies[number] = body
        return self.pulls[number].url

    def proposal(self, branch: str, *, base: str) -> Proposal | None:
        self._count("proposal")
        pulls = self.pulls.items()
        mine = (n for n, one in pulls if one.open and (one.head, one.base, one.fork) == (branch, base, False))
        number = next(mine, None)
        return None if number is None else Proposal(self.pulls[number].url, self.bodies.get(number, ""))

    def withdraw(self, branch: str) -> None:
        self._count("withdraw")
        self.branches.pop(branch, None)
        for number, pull in self.pulls.items():
            if pull.head == branch and not pull.fork:
                self.pulls[number] = replace(pull, open=False)

    def pull(self, number: int) -> Pull:
        self._count("pull")
        return self._current(number)

    def merge_base(self, one: str, other: str) -> str | None:
        self._count("merge_base")
        past = set(self._past(one))
        return next((sha for sha in self._past(other) if sha in past), None)

    def comment(self, number: int, marker: Marker, bodies: Sequence[str]) -> None:
        self._count("comment")
        there = dict(enumerate(self.comments.get(number, [])))
        keep(
            [(str(name), text) for name, text in there.items()],
            marker,
            bodies,
            post=lambda text: there.update({len(there): text}),
            edit=lambda name, text: there.update({int(name): text}),
            delete=lambda name: there.pop(int(name)),
        )
        self.comments[number] = list(there.values())

    def status(self, sha: str, verdict: Verdict, *, context: str, description: str, url: str = "") -> None:
        del url
        self._count("status")
        self.statuses[sha, context] = (verdict, description)

    # The model

    def _count(self, what: str) -> None:
        self.calls[what] = self.calls.get(what, 0) + 1

    def _current(self, number: int) -> Pull:
        """A pull request with the heads that its branches have now."""
        pull = self.pulls[number]
        base, head = self.branches.get(pull.base, pull.base_sha), self.branches.get(pull.head, pull.head_sha)
        return replace(pull, base_sha=base, head_sha=head) if pull.open else pull

    def _past(self, sha: str) -> list[str]:
        """A commit and all that it comes from, the nearest first."""
        found, todo = list[str](), [sha]
        while todo:
            one = todo.pop(0)
            if one in self.commits and one not in found:
                found.append(one)
                todo.extend(self.commits[one].parents)
        return found

    def _move(
        self, branch: str, files: Files, parent: str | None, message: str, more: tuple[str, ...] = ()
    ) -> str:
        tree = dict(self.commits[parent].tree) if parent else {}
        for path, content in files.items():
            if content is None:
                tree.pop(path, None)
            else:
                tree[path] = content
        parents = (*((parent,) if parent else ()), *more)
        sha = hashlib.sha1(
            repr((parents, sorted(tree.items()), message, len(self.commits))).encode(), usedforsecurity=False
        ).hexdigest()
        self.commits[sha] = FakeCommit(sha, parents, tree, message)
        self.branches[branch] = sha
        return sha
