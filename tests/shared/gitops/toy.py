"""A compiler of one-line definitions, and a shelf in memory that may break."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from shared.common.errors import Misconfigured, Transient
from shared.gitops.compiling import Compiled
from shared.gitops.manifest import digest


@dataclass
class Toy:
    """`name` becomes the artifact `name.py`; `bad` cannot be compiled; `name < other.sql` reads another file."""

    version: str = "1"
    compiled: list[str] = field(default_factory=list)

    def compile(self, path: str, content: bytes, read: Callable[[str], bytes]) -> Compiled:
        self.compiled.append(path)
        text = content.decode()
        if text == "bad":
            raise Misconfigured(f"{path}:1:1 is bad")
        if text == "bug":
            raise ZeroDivisionError("by zero")
        name, _, other = text.partition(" < ")
        body = f"{self.version} {text}".encode()
        if other:
            try:
                body += b" " + read(other)
            except KeyError:
                raise Misconfigured(f"{path}:1:1 there is no {other}") from None
        return Compiled({f"{name}.py": body}, name=name)


@dataclass
class Box:
    """A `Shelf`; it breaks down before its write number `breaks` (from 0)."""

    content: dict[str, bytes] = field(default_factory=dict)
    breaks: int | None = None
    writes: int = 0

    def get(self, path: str) -> bytes | None:
        return self.content.get(path)

    def put(self, path: str, content: bytes) -> None:
        self._write()
        self.content[path] = content

    def delete(self, path: str) -> None:
        self._write()
        self.content.pop(path, None)

    def differing(self, artifacts: Mapping[str, str]) -> set[str]:
        return {path for path, known in artifacts.items() if digest(self.content.get(path, b"")) != known}

    def url(self) -> str:
        return "box://"

    def _write(self) -> None:
        if self.writes == self.breaks:
            self.breaks = None
            raise Transient("the bucket is away")
        self.writes += 1
