"""Pipfile.lock as pins: which version of a package, and the hashes that its files may have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from packaging.utils import canonicalize_name

from shared.common.documents import read_json_document
from shared.common.errors import Misconfigured, unknown


@dataclass(frozen=True, slots=True)
class Pin:
    """One package of the lock. `hashes` are hexadecimal SHA-256."""

    name: str
    version: str
    hashes: frozenset[str]

    @property
    def line(self) -> str:
        """The pin as a line of a requirements file that pip installs by hash."""
        wanted = " ".join(f"--hash=sha256:{one}" for one in sorted(self.hashes))
        return f"{self.name}=={self.version} {wanted}"


@dataclass(frozen=True)
class Lock:
    """The pins of all packages by canonical name; those for development stand behind those that are deployed."""

    pins: Mapping[str, Pin]
    file: str = "Pipfile.lock"

    @classmethod
    def read(cls, path: Path) -> Lock:
        """Raises `Misconfigured` when the file is not there or is no lock."""
        try:
            document = read_json_document(path.read_bytes(), file=str(path))
        except OSError as error:
            raise Misconfigured(
                f"{path} cannot be read: {error.strerror}", hint="`make lock` writes it"
            ) from None
        try:
            sections = {**document.data["develop"], **document.data["default"]}
            pins = [_pin(name, entry) for name, entry in sections.items()]
        except (KeyError, TypeError, AttributeError):
            raise Misconfigured(f"{path} is no lock of Pipenv", hint="`make lock` writes it") from None
        return cls({pin.name: pin for pin in pins}, str(path))

    def pin(self, name: str, *, wanted_by: str) -> Pin:
        """Raises `Misconfigured` when the lock lacks the package."""
        found = self.pins.get(canonicalize_name(name))
        if found is None:
            raise unknown("package", name, self.pins, wanted_by=wanted_by, file=self.file)
        return found


def _pin(name: str, entry: Mapping[str, object]) -> Pin:
    hashes = entry["hashes"]
    if not isinstance(hashes, list):
        raise TypeError
    version = str(entry["version"]).removeprefix("==")
    return Pin(
        canonicalize_name(name), version, frozenset(str(one).removeprefix("sha256:") for one in hashes)
    )
