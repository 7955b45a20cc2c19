"""The preview of a pull request: what its definitions would become if it were merged now.

The result of the merge is planned and not the head of the branch: files that the pull request changes are read there,
all others on the base. Nothing of it is run: definitions are data, and what is done with them is said elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from shared.common.errors import Misconfigured, SluiceError, Violation
from shared.contracts.compatibility.verdict import Verdict as Compatibility
from shared.contracts.compatibility.verdict import check
from shared.contracts.contract import Contract
from shared.gitops.change import Change, Kind, Side, changes_between
from shared.gitops.manifest import Manifest
from shared.gitops.repository import ChangeKind, FileChange, Repository
from shared.gitops.stale import Contents, Scope, with_defaults
from shared.pipelines.defaults_place import is_defaults
from shared.pipelines.starts import check_starts


class Inspector(Protocol):
    """Compiles a definition and says what it is."""

    def inspect(self, path: str, content: bytes, read: Callable[[str], bytes]) -> Side:
        """Both sides of a change are made by this; it raises `SluiceError` for a definition that has faults."""


@dataclass(frozen=True, slots=True)
class Preview:
    """What would change between `base` and `head` (SHAs). `overlap`: files that both sides changed since they parted.

    `contracts`: for each contract that changes, whether it may follow the one before; text where that cannot be said.
    """

    base: str
    head: str
    changes: tuple[Change, ...] = ()
    contracts: Mapping[str, Compatibility | str] = field(default_factory=dict)
    overlap: tuple[str, ...] = ()

    @property
    def visible(self) -> tuple[Change, ...]:
        """What is not as it was; first what needs to be looked at."""
        order = [Kind.BROKEN, Kind.DELETED, Kind.RENAMED, Kind.CHANGED, Kind.CREATED]
        shown = (change for change in self.changes if change.kind in order)
        return tuple(sorted(shown, key=lambda change: (order.index(change.kind), change.path)))

    @property
    def refused(self) -> tuple[str, ...]:
        """The contracts that may not follow the ones before."""
        verdicts = self.contracts.items()
        return tuple(path for path, one in verdicts if isinstance(one, str) or not one.compatible)

    @property
    def passes(self) -> bool:
        """Whether it may be merged as far as this preview goes."""
        broken = any(change.kind is Kind.BROKEN for change in self.changes)
        return not broken and not self.refused and not self.overlap


def plan(
    repository: Repository,
    scope: Scope,
    *,
    base: str,
    head: str,
    inspector: Inspector,
    before: Manifest | None = None,
) -> Preview:
    """What merging `head` into `base` would change.

    `before` says which definitions read which other files; without it only definitions that changed themselves, or all
    of them where a shared file did, are looked at. Raises `Violation` when the two have no commit in common.
    """
    parted = repository.merge_base(base, head)
    if parted is None:
        raise Violation("the branch and its base have no commit in common", base=base, head=head)
    mine = repository.changes(parted, head) or ()
    theirs = {one.path for one in repository.changes(parted, base) or ()} if parted != base else set[str]()
    touched = {one.path: one for one in mine}
    wanted = _wanted(repository, scope, base, touched, before)
    old, new = Contents(repository, base), _Merged(repository, base, head, touched)
    relevant = [path for path in touched if scope.counts(path)]
    old.fetch(wanted)
    new.fetch(wanted)
    return Preview(
        base,
        head,
        changes_between(_sides(old, wanted, inspector), _without_circles(_sides(new, wanted, inspector))),
        contracts={path: _contract(path, old, new) for path in sorted(touched) if scope.is_contract(path)},
        overlap=tuple(sorted(theirs & set(relevant))),
    )


class _Merged:
    """Files as they are once the pull request is merged."""

    def __init__(
        self, repository: Repository, base: str, head: str, touched: Mapping[str, FileChange]
    ) -> None:
        self._base, self._head = Contents(repository, base), Contents(repository, head)
        self._touched = touched

    def __contains__(self, path: str) -> bool:
        change = self._touched.get(path)
        return (
            path in self._base
            if change is None
            else change.kind is not ChangeKind.REMOVED and path in self._head
        )

    def fetch(self, paths: Iterable[str]) -> None:
        paths = with_defaults(paths)
        self._head.fetch(paths & self._touched.keys())
        self._base.fetch(paths - self._touched.keys())

    def __getitem__(self, path: str) -> bytes:
        if path not in self:
            raise KeyError(path)
        return self._head[path] if path in self._touched else self._base[path]


def _wanted(
    repository: Repository,
    scope: Scope,
    base: str,
    touched: Mapping[str, FileChange],
    before: Manifest | None,
) -> set[str]:
    """The definitions to look at."""
    wanted = {path for path in touched if scope.is_definition(path)}
    if any(scope.is_shared(path) or is_defaults(path) for path in touched):
        there = {path for path in repository.files(base) if scope.is_definition(path)}
        wanted |= there if any(map(scope.is_shared, touched)) else scope.depend(touched, there)
    if before is not None:
        wanted |= {path for path, woven in before.definitions.items() if touched.keys() & set(woven.reads)}
    return wanted


def _sides(contents: Contents | _Merged, paths: Iterable[str], inspector: Inspector) -> dict[str, Side]:
    found: dict[str, Side] = {}
    for path in sorted(paths):
        if path not in contents:
            continue
        try:
            found[path] = inspector.inspect(path, contents[path], contents.__getitem__)
        except SluiceError as error:
            found[path] = Side(path, error=str(error))
        except Exception as error:  # noqa: BLE001  # one file must not take the others with it; it is told
            found[path] = Side(path, error=f"{path}: the compiler failed: {type(error).__name__}: {error}")
    return found


def _without_circles(sides: dict[str, Side]) -> dict[str, Side]:
    """Pipelines that would wait for each other are faults of each; only those that are looked at are known."""
    plans = [side.plan for side in sides.values() if side.plan]
    for path, side in sides.items():
        if side.plan:
            try:
                check_starts(side.plan, plans)
            except Misconfigured as error:
                sides[path] = Side(path, error=str(error))
    return sides


def _contract(path: str, old: Contents, new: _Merged) -> Compatibility | str:
    """How the new version of a contract stands to the old one; text where that cannot be said."""
    try:
        if path not in new:
            return "deleted: streams that have landed by it can be loaded no more"
        schema = Contract.from_text(new[path], file=path).schema
        former = [Contract.from_text(old[path], file=path).schema] if path in old else []
        return check(schema, former)
    except Misconfigured as error:
        return str(error)
