"""A directory of this machine that artifacts are put into: each file appears as a whole, or not at all."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from shared.common.errors import Misconfigured
from shared.gitops.manifest import digest


@dataclass(frozen=True, slots=True)
class FolderShelf:
    """The directory `root`, which is made when something is put into it."""

    root: Path

    def get(self, path: str) -> bytes | None:
        try:
            return self._at(path).read_bytes()
        except FileNotFoundError:
            return None

    def put(self, path: str, content: bytes) -> None:
        target = self._at(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        # Hidden, so that who looks into the folder meanwhile (a scheduler) takes it for nothing.
        scratch = target.with_name(f".{target.name}.{os.getpid()}.new")
        try:
            scratch.write_bytes(content)
            scratch.replace(target)
        finally:
            scratch.unlink(missing_ok=True)

    def delete(self, path: str) -> None:
        self._at(path).unlink(missing_ok=True)

    def differing(self, artifacts: Mapping[str, str]) -> set[str]:
        """Every file is read: what somebody changed by hand is seen."""
        there = {path: self.get(path) for path in artifacts}
        return {
            path for path, content in there.items() if content is None or digest(content) != artifacts[path]
        }

    def url(self) -> str:
        return self.root.absolute().as_uri()

    def _at(self, path: str) -> Path:
        if path.startswith("/") or ".." in path.split("/"):
            raise Misconfigured(f"the artifact {path!r} would lie outside of {self.root}")
        return self.root / path
