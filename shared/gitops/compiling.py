"""Compiling definitions one by one, so that each fails alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from shared.common.errors import SluiceError
from shared.gitops.manifest import Woven
from shared.gitops.stale import Contents


@dataclass(frozen=True, slots=True)
class Compiled:
    """What a definition became: its artifacts by path (below their folder), its pipeline's name and plan's digest."""

    artifacts: Mapping[str, bytes]
    name: str = ""
    digest: str = ""


class Compiler(Protocol):
    """Makes artifacts of a definition. Other `version`, other artifacts perhaps: everything is compiled again."""

    @property
    def version(self) -> str: ...

    def compile(self, path: str, content: bytes, read: Callable[[str], bytes]) -> Compiled:
        """Compile one definition. `read` gives any other file of the same commit (KeyError: there is none).

        Raises `SluiceError` with all faults and their lines.
        """


def compile_all(
    paths: Sequence[str], contents: Contents, compiler: Compiler
) -> tuple[dict[str, Compiled], dict[str, str]]:
    """What compiled, and what is wrong with the others."""
    compiled, failed = dict[str, Compiled](), dict[str, str]()
    for path in paths:
        try:
            compiled[path] = compiler.compile(path, contents[path], contents.reader(path))
        except SluiceError as error:
            failed[path] = str(error)
        except Exception as error:  # noqa: BLE001  # one file must not take the others with it; it is told
            failed[path] = f"{path}: the compiler failed: {type(error).__name__}: {error}"
    return compiled, failed


def conflicts(kept: Mapping[str, Woven], compiled: Mapping[str, Compiled]) -> dict[str, str]:
    """The definitions among `compiled` that make an artifact which another one makes too."""
    owners: dict[str, list[str]] = {}
    for path, woven in kept.items():
        if path not in compiled:
            for artifact in woven.artifacts:
                owners.setdefault(artifact, []).append(path)
    for path, one in compiled.items():
        for artifact in one.artifacts:
            owners.setdefault(artifact, []).append(path)
    failed: dict[str, str] = {}
    for artifact, paths in owners.items():
        for path in paths if len(paths) > 1 else ():
            if path in compiled:
                others = ", ".join(other for other in paths if other != path)
                failed[path] = (
                    f"{path}: makes {artifact}, which {others} makes too\n  give the pipelines different names"
                )
    return failed
