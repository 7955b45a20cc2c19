"""Artifacts that are delivered into a bucket (the DAG folder of a managed Airflow) or a directory."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from shared.gitops.manifest import NAME, Manifest, is_foreign
from shared.gitops.repository import Files
from shared.gitops.weave import Outcome


class Shelf(Protocol):
    """Files by relative path that may be overwritten, each as a whole."""

    def get(self, path: str) -> bytes | None: ...

    def put(self, path: str, content: bytes) -> None: ...

    def delete(self, path: str) -> None:
        """Nothing happens when there is none."""

    def differing(self, artifacts: Mapping[str, str]) -> set[str]:
        """Those of these files (with their SHA-256) that are not there or are others, as far as that costs little."""

    def url(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Shelved:
    """What is about to change is written down first, then the artifacts, then the manifest.

    Whoever dies between has it done again, also where a definition is taken back before that. `check` raises when
    another worker may be at it by now; it is asked before the first and the last write.
    """

    shelf: Shelf
    check: Callable[[], None] = lambda: None

    def manifest(self, head: str) -> bytes | None:
        del head
        return self.shelf.get(NAME)

    def spoiled(self, before: Manifest, head: str, touched: Collection[str] | None) -> set[str]:
        del head, touched
        return self.shelf.differing(before.artifacts)

    def foreign(self, made: Mapping[str, bytes], head: str) -> set[str]:
        del head
        return {path for path, content in made.items() if is_foreign(self.shelf.get(path), content)}

    def deliver(self, files: Files, outcome: Outcome) -> str:
        del outcome
        self.check()
        before = Manifest.of(self.shelf.get(NAME))
        pending = tuple(sorted({*before.pending, *files} - {NAME}))
        if pending:
            self.shelf.put(NAME, replace(before, pending=pending).to_bytes())
        for path, content in sorted(files.items()):
            if content is not None and path != NAME:
                self.shelf.put(path, content)
        for path, content in files.items():
            if content is None:
                self.shelf.delete(path)
        self.check()
        self.shelf.put(NAME, files[NAME] or b"")
        return self.shelf.url()

    def nothing(self) -> None:
        """Everything is there."""
