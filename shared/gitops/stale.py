"""Which definitions have to be compiled: what changed since the manifest, and what depends on it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from shared.gitops.manifest import Manifest
from shared.gitops.repository import ChangeKind, FileChange, Repository
from shared.pipelines.defaults_place import candidates, folder_of, is_defaults


@dataclass(frozen=True, slots=True)
class Scope:
    """Which files of a repository count: `definitions` and `shared` are patterns, `**` goes through folders.

    Shared defaults (`_defaults.yml`) are no definitions; those below their folder depend on them.

    A file that matches `shared` (defaults, contracts, parameters) has all definitions compiled again when it changes.
    Files below `generated` are ours and never definitions. `contracts` are shown in previews with their verdict.
    """

    branch: str
    definitions: tuple[str, ...]
    shared: tuple[str, ...] = ()
    generated: str = ""
    contracts: tuple[str, ...] = ()

    def is_definition(self, path: str) -> bool:
        inside = bool(self.generated) and path.startswith(f"{self.generated.rstrip('/')}/")
        return not inside and not is_defaults(path) and _matches(path, self.definitions)

    def depend(self, changed: Iterable[str], definitions: Iterable[str]) -> set[str]:
        """Those of these definitions whose shared defaults are among the files that changed."""
        folders = tuple({folder_of(path) for path in changed if is_defaults(path)})
        return {path for path in definitions if path.startswith(folders)} if folders else set()

    def counts(self, path: str) -> bool:
        """Whether a change of this file may change what is made of definitions, or a verdict on a contract."""
        return self.is_definition(path) or is_defaults(path) or self.is_shared(path) or self.is_contract(path)

    def is_shared(self, path: str) -> bool:
        return _matches(path, self.shared)

    def is_contract(self, path: str) -> bool:
        return _matches(path, self.contracts)


def with_defaults(paths: Iterable[str]) -> set[str]:
    """Definitions, and the shared defaults that they may have: what is read together takes one call."""
    some = set(paths)
    return some | {name for path in some if not is_defaults(path) for name in candidates(path)}


class Contents:
    """Files of one commit, each read once; `reads` remembers which definition asked for which other file."""

    def __init__(self, repository: Repository, sha: str) -> None:
        self._repository = repository
        self._sha = sha
        self._found: dict[str, bytes | None] = {}
        self.reads: dict[str, tuple[str, ...]] = {}

    def __contains__(self, path: str) -> bool:
        return self._get(path) is not None

    def fetch(self, paths: Iterable[str]) -> None:
        """Read many at once, with the shared defaults that there may be."""
        self._fetch(with_defaults(paths))

    def _fetch(self, paths: Iterable[str]) -> None:
        wanted = sorted(set(paths) - self._found.keys())
        if wanted:
            found = self._repository.read(wanted, self._sha)
            self._found |= {path: found.get(path) for path in wanted}

    def __getitem__(self, path: str) -> bytes:
        content = self._get(path)
        if content is None:
            raise KeyError(path)
        return content

    def reader(self, definition: str) -> Callable[[str], bytes]:
        """What a compiler reads other files by; also what is not there is remembered, for it may come.

        Shared defaults are not: who depends on them is known by their place.
        """

        def read(path: str) -> bytes:
            if is_defaults(path):
                return self[path]
            self.reads[definition] = tuple(sorted({*self.reads.get(definition, ()), path}))
            return self[path]

        return read

    def _get(self, path: str) -> bytes | None:
        self._fetch([path])
        return self._found[path]


@dataclass(frozen=True, slots=True)
class Stale:
    """The definitions to compile, and those that are gone. `touched` are all files that changed; None: nobody knows."""

    wanted: set[str]
    gone: set[str]
    touched: frozenset[str] | None


def stale(repository: Repository, scope: Scope, before: Manifest, head: str, *, version: str) -> Stale:
    """What has to be done since the manifest."""
    changes: Sequence[FileChange] | None = None
    if before.sha == head:
        changes = ()
    elif before.sha:
        changes = repository.changes(before.sha, head)
    if changes is None or before.compiler != version or any(scope.is_shared(one.path) for one in changes):
        there = {path for path in repository.files(head) if scope.is_definition(path)}
        known = None if changes is None else frozenset(one.path for one in changes)
        return Stale(there, before.definitions.keys() - there, known)
    touched = frozenset(one.path for one in changes)
    wanted = {
        one.path for one in changes if one.kind is not ChangeKind.REMOVED and scope.is_definition(one.path)
    }
    wanted |= {path for path, woven in before.definitions.items() if touched & set(woven.reads)}
    wanted |= set(before.failed) | scope.depend(touched, before.definitions)
    wanted |= before.makers(before.pending)
    gone = {one.path for one in changes if one.kind is ChangeKind.REMOVED} & before.definitions.keys()
    return Stale(wanted - gone, gone, touched)


def _matches(path: str, patterns: Iterable[str]) -> bool:
    return any(_pattern(pattern).fullmatch(path) for pattern in patterns)


@lru_cache(maxsize=256)
def _pattern(glob: str) -> re.Pattern[str]:
    """A pattern of paths as git and editors read it: `*` stays in its folder, `**/` goes through any number of them."""
    parts = re.split(r"(\*\*/|\*\*|\*|\?)", glob)
    words = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return re.compile("".join(words.get(part) or re.escape(part) for part in parts))
