"""Artifacts that are delivered into a repository: as a commit on a branch, or as a pull request."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from shared.gitops.manifest import NAME, Manifest, digest, is_foreign
from shared.gitops.repository import Files, Repository
from shared.gitops.weave import Outcome


@dataclass(frozen=True, slots=True)
class Committed:
    """One commit on the branch that the definitions are on. The artifacts lie below `folder`.

    `check` raises when another worker may be at it by now; it is asked before a write.
    """

    repository: Repository
    branch: str
    folder: str
    check: Callable[[], None] = lambda: None

    def manifest(self, head: str) -> bytes | None:
        return _manifest(self.repository, self.folder, head)

    def deliver(self, files: Files, outcome: Outcome) -> str:
        """Returns the SHA of the commit. Raises `Superseded` when the branch moved since its head was read."""
        head = outcome.head or ""
        placed = _placed(self.repository, self.folder, files, head)
        self.check()
        return self.repository.commit(self.branch, placed, parent=head, message=_message(outcome))

    def spoiled(self, before: Manifest, head: str, touched: Collection[str] | None) -> set[str]:
        return _spoiled(self.repository, self.folder, before, head, touched)

    def foreign(self, made: Mapping[str, bytes], head: str) -> set[str]:
        return _foreign(self.repository, self.folder, made, head)

    def nothing(self) -> None:
        """A commit is made or not; there is nothing to take back."""


@dataclass(frozen=True, slots=True)
class Proposed:
    """A pull request from a branch of ours, which is made anew each time: one commit ahead of `base`.

    `check` raises when another worker may be at it by now; it is asked before a write.
    """

    repository: Repository
    base: str
    branch: str
    folder: str
    check: Callable[[], None] = lambda: None

    def manifest(self, head: str) -> bytes | None:
        return _manifest(self.repository, self.folder, head)

    def deliver(self, files: Files, outcome: Outcome) -> str:
        """Returns the URL of the pull request."""
        head = outcome.head or ""
        placed = _placed(self.repository, self.folder, files, head)
        there = self.repository.proposal(self.branch, base=self.base)
        # The text names the commit: where it does not, the one who made the branch died before he wrote it.
        if there and head in there.body and self._stands(placed, head):
            return there.url
        self.check()
        title = f"chore(pipelines): {outcome.title}"
        body = describe(outcome)
        return self.repository.propose(
            self.branch, placed, base=self.base, parent=head, title=title, body=body
        )

    def spoiled(self, before: Manifest, head: str, touched: Collection[str] | None) -> set[str]:
        return _spoiled(self.repository, self.folder, before, head, touched)

    def foreign(self, made: Mapping[str, bytes], head: str) -> set[str]:
        return _foreign(self.repository, self.folder, made, head)

    def _stands(self, placed: Files, head: str) -> bool:
        """Whether the branch is `head` with these files already, so that news that come twice write nothing."""
        ours = self.repository.head(self.branch)
        name = f"{self.folder}/{NAME}"
        if ours is None or self.repository.read([name], ours).get(name) != placed[name]:
            return False
        changes = self.repository.changes(head, ours)
        if changes is None or not {one.path for one in changes} <= placed.keys():
            return False
        there = self.repository.read(placed, ours)
        return all(there.get(path) == content for path, content in placed.items())

    def nothing(self) -> None:
        """What was proposed before is in the branch by now, or nobody wants it any more."""
        self.check()
        self.repository.withdraw(self.branch)


def describe(outcome: Outcome) -> str:
    """What a weave did, in Markdown."""
    lines = [f"Made from {outcome.head}. Edit the definitions, not these files: they are made anew.", ""]
    for title, paths in (("Compiled", outcome.compiled), ("Removed", outcome.removed)):
        if paths:
            lines += [f"**{title}**", "", *(f"- `{path}`" for path in paths), ""]
    if outcome.failed:
        lines += ["**Failed** (what they were before stays)", ""]
        lines += [
            line for text in outcome.failed.values() for line in ("```", text.replace("```", "'''"), "```")
        ]
    return "\n".join(lines).rstrip() + "\n"


def _message(outcome: Outcome) -> str:
    return f"chore(pipelines): {outcome.title}\n\n{describe(outcome)}"


def _manifest(repository: Repository, folder: str, head: str) -> bytes | None:
    path = f"{folder}/{NAME}"
    return repository.read([path], head).get(path)


def _spoiled(
    repository: Repository, folder: str, before: Manifest, head: str, touched: Collection[str] | None
) -> set[str]:
    """Only what changed since the manifest's commit can differ, and what our own commit behind that brought."""
    places = {f"{folder}/{path}": known for path, known in before.artifacts.items()}
    if touched is not None:
        suspects = {*touched, *(f"{folder}/{path}" for path in before.written)}
        places = {place: known for place, known in places.items() if place in suspects}
    there = repository.read(places, head) if places else {}
    return {
        place.removeprefix(f"{folder}/")
        for place, known in places.items()
        if place not in there or digest(there[place]) != known
    }


def _foreign(repository: Repository, folder: str, made: Mapping[str, bytes], head: str) -> set[str]:
    there = repository.read([f"{folder}/{path}" for path in made], head)
    return {path for path, content in made.items() if is_foreign(there.get(f"{folder}/{path}"), content)}


def _placed(repository: Repository, folder: str, files: Files, head: str) -> Files:
    """The files at their paths in the repository; what somebody deleted by hand is not deleted again."""
    placed = {f"{folder}/{path}": content for path, content in files.items()}
    if any(content is None for content in placed.values()):
        there = repository.files(head)
        placed = {path: content for path, content in placed.items() if content is not None or path in there}
    return placed
