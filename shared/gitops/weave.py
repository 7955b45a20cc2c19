"""Weaving: what changed in the definitions of a branch is compiled, and the artifacts are delivered.

It compares the commit that the delivered manifest names with the head of the branch, whatever was told before. So a
delivery that comes twice, late, in the wrong order or never, a force push, a squash, and a worker that dies at any
point all end in the same state: that of the head. A definition that cannot be compiled fails alone; what it was before
stays.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from shared.common.errors import Superseded
from shared.gitops.compiling import Compiled, Compiler, compile_all, conflicts
from shared.gitops.manifest import NAME, Manifest, Woven, digest
from shared.gitops.repository import Files, Repository
from shared.gitops.stale import Contents, Scope, stale

ROUNDS = 5
"""How often the work is done anew because the branch moved meanwhile; then the next event does it."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a weave did. `compiled`, `removed`: definitions; `failed`: the errors by definition; `written`: artifacts.

    `delivered` says where (a URL or a commit); empty when there was nothing to deliver.
    """

    head: str | None
    compiled: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    failed: Mapping[str, str] = field(default_factory=dict)
    written: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()
    delivered: str = ""

    @property
    def title(self) -> str:
        """One line for a commit, a pull request and a log.

        >>> Outcome(
        ...     "a1", compiled=("a.yml",), written=("dags/a.py",), failed={"b.yml": "b.yml:1:1 is empty"}
        ... ).title
        'regenerate 1 artifact of 1 definition; 1 failed'
        """
        parts = [
            f"regenerate {_count(len(self.written), 'artifact')} of {_count(len(self.compiled), 'definition')}"
        ]
        parts += [f"remove {_count(len(self.deleted), 'artifact')}"] if self.deleted else []
        parts += [f"{len(self.failed)} failed"] if self.failed else []
        return "; ".join(parts)


class Delivery(Protocol):
    """Where artifacts go. What it writes is whole or not there, or is made whole by doing it again."""

    def manifest(self, head: str) -> bytes | None:
        """The manifest that lies with the artifacts; None where there is none."""

    def spoiled(self, before: Manifest, head: str, touched: Collection[str] | None) -> set[str]:
        """Artifacts that do not lie there as they were delivered, as far as that is seen at little cost.

        `touched` are the files of the repository that changed since `before.sha`; None: any may have.
        """

    def foreign(self, made: Mapping[str, bytes], head: str) -> set[str]:
        """The paths among `made` at which other content lies that Sluice has not made."""

    def deliver(self, files: Files, outcome: Outcome) -> str:
        """Write and delete artifacts (the manifest is one of `files`); returns where. Raises `Superseded`."""

    def nothing(self) -> None:
        """There is nothing to deliver: take back what may be proposed still."""


def weave(repository: Repository, scope: Scope, *, compiler: Compiler, delivery: Delivery) -> Outcome:
    """Bring the artifacts to the head of the branch. Raises as the repository and the delivery do.

    A branch that is gone changes nothing: a mistake there must not delete what runs in production.
    """
    for _ in range(ROUNDS):
        head = repository.head(scope.branch)
        if head is None:
            return Outcome(None)
        try:
            outcome = _once(repository, scope, head, compiler=compiler, delivery=delivery)
        except Superseded:
            if repository.head(scope.branch) == head:
                raise
            continue
        if repository.head(scope.branch) in (head, outcome.delivered):
            return outcome
    raise Superseded("the branch moves faster than its pipelines are compiled", branch=scope.branch)


def _once(
    repository: Repository, scope: Scope, head: str, *, compiler: Compiler, delivery: Delivery
) -> Outcome:
    before = Manifest.of(delivery.manifest(head), file=NAME)
    contents = Contents(repository, head)
    found = stale(repository, scope, before, head, version=compiler.version)
    spoiled = delivery.spoiled(before, head, found.touched) if before.definitions else set()
    gone = found.gone
    wanted = (found.wanted | before.makers(spoiled)) - gone
    contents.fetch(wanted)
    gone |= {path for path in wanted if path not in contents}
    compiled, failed = compile_all(sorted(wanted - gone), contents, compiler)
    definitions = {path: woven for path, woven in before.definitions.items() if path not in gone}
    failed |= conflicts(definitions, compiled)
    failed |= _foreign(
        delivery, head, before, {path: one for path, one in compiled.items() if path not in failed}
    )
    fresh = {path: one for path, one in compiled.items() if path not in failed}
    definitions |= {path: _woven(one, contents.reads.get(path, ())) for path, one in fresh.items()}
    after = Manifest(head, compiler.version, definitions, tuple(sorted(failed)))

    old, new = before.artifacts | dict.fromkeys(spoiled, ""), after.artifacts
    made = {path: content for one in fresh.values() for path, content in one.artifacts.items()}
    files: dict[str, bytes | None] = {
        p: content for p, content in made.items() if digest(content) != old.get(p)
    }
    files |= dict.fromkeys(old.keys() - new.keys())
    outcome = Outcome(
        head,
        compiled=tuple(sorted(fresh)),
        removed=tuple(sorted(gone & before.definitions.keys())),
        failed=dict(sorted(failed.items())),
        written=tuple(sorted(path for path, content in files.items() if content is not None)),
        deleted=tuple(sorted(path for path, content in files.items() if content is None)),
    )
    same_compiler = before.compiler == after.compiler or not after.definitions
    if not files and same_compiler and before.failed == after.failed:
        delivery.nothing()
        return outcome
    after = replace(after, written=outcome.written)
    return replace(outcome, delivered=delivery.deliver({**files, NAME: after.to_bytes()}, outcome))


def _foreign(
    delivery: Delivery, head: str, before: Manifest, compiled: Mapping[str, Compiled]
) -> dict[str, str]:
    """The definitions whose artifacts would take the place of somebody else's files."""
    known = before.artifacts
    made = {
        artifact: content
        for one in compiled.values()
        for artifact, content in one.artifacts.items()
        if artifact not in known
    }
    theirs = delivery.foreign(made, head) if made else set()
    return {
        path: f"{path}: {artifact} is there, and Sluice has not made it\n"
        "  give the pipeline another name, or move that file away"
        for path, one in compiled.items()
        for artifact in sorted(theirs & one.artifacts.keys())
    }


def _woven(one: Compiled, reads: tuple[str, ...]) -> Woven:
    return Woven(
        {path: digest(content) for path, content in sorted(one.artifacts.items())},
        reads,
        one.name,
        one.digest,
    )


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
