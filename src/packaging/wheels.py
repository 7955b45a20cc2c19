"""The wheels of a target: pip fetches them by the hashes of the lock, once; what they require comes out of themselves.

The index is the one that pip is configured with, or SLUICE_INDEX_URL.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from email.parser import HeaderParser
from functools import cached_property
from pathlib import Path

from packaging.requirements import Requirement
from packaging.tags import Tag
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from shared.common.errors import Misconfigured, Transient
from src.packaging.archive import digest
from src.packaging.lock import Lock, Pin
from src.packaging.target import Target

Tell = Callable[[str], None]
_SECONDS = 600.0


@dataclass(frozen=True)
class Wheel:
    """A wheel that lies on the disk, as the lock has it."""

    name: str
    version: str
    path: Path
    sha256: str

    @cached_property
    def requires(self) -> list[Requirement]:
        """What it says that it needs."""
        with zipfile.ZipFile(self.path) as archive:
            name = next(
                n for n in archive.namelist() if n.count("/") == 1 and n.endswith(".dist-info/METADATA")
            )
            told = HeaderParser().parsestr(archive.read(name).decode())
        return [Requirement(text) for text in told.get_all("Requires-Dist", [])]


class Shelf:
    """The wheels of one target in a folder; what is missing is fetched."""

    def __init__(self, lock: Lock, target: Target, folder: Path, *, tell: Tell) -> None:
        self._lock = lock
        self._target = target
        self._folder = folder / target.name
        self._tell = tell
        self._found: dict[str, Wheel] = {}

    def closure(self, roots: Iterable[str], *, wanted_by: str) -> dict[str, Wheel]:
        """The wheels of some packages (`name` or `name[extra]`) and of all that they need, by name.

        Raises `Misconfigured` when the lock lacks one, `Transient` when pip cannot fetch one.
        """
        chosen: dict[str, Wheel] = {}
        seen: set[tuple[str, str]] = set()
        level = [Requirement(root) for root in roots]
        while level:
            pins = [self._lock.pin(one.name, wanted_by=wanted_by) for one in level]
            self._fetch([pin for pin in pins if self._at_hand(pin) is None])
            further = list[Requirement]()
            for one, pin in zip(level, pins, strict=True):
                wheel = chosen[pin.name] = self._wheel(pin)
                for extra in ("", *sorted(one.extras)):
                    if (pin.name, extra) not in seen:
                        seen.add((pin.name, extra))
                        further += self._needs(wheel, extra)
            level = further
        return dict(sorted(chosen.items()))

    def _needs(self, wheel: Wheel, extra: str) -> list[Requirement]:
        """What a wheel needs on the target; with an extra, only what that adds."""
        markers = self._target.markers
        found = []
        for one in wheel.requires:
            plain = one.marker is None or one.marker.evaluate(markers)
            wanted = plain if not extra else one.marker and one.marker.evaluate({**markers, "extra": extra})
            if wanted:
                found.append(one)
        return found

    def _wheel(self, pin: Pin) -> Wheel:
        found = self._at_hand(pin)
        if found is None:
            raise Misconfigured(
                f"pip brought no wheel of {pin.name} {pin.version} for {self._target.name} that the lock knows",
                hint="`make lock` writes the lock anew",
            )
        return found

    def _at_hand(self, pin: Pin) -> Wheel | None:
        """The wheel in the folder that fits best, if there is one with a hash of the lock."""
        if pin.name not in self._found:
            fitting = [
                (rank, path) for path in self._folder.glob("*.whl") if (rank := self._rank(pin, path)) >= 0
            ]
            for _, path in sorted(fitting):
                if (sha256 := digest(path)) in pin.hashes:
                    self._found[pin.name] = Wheel(pin.name, pin.version, path, sha256)
                    break
        return self._found.get(pin.name)

    def _rank(self, pin: Pin, path: Path) -> int:
        try:
            name, version, _, tags = parse_wheel_filename(path.name)
        except InvalidWheelFilename:
            return -1
        if name != canonicalize_name(pin.name) or str(version) != pin.version:
            return -1
        ranks = self._target.ranks
        return min((ranks[tag] for tag in frozenset[Tag](tags) if tag in ranks), default=-1)

    def _fetch(self, pins: list[Pin]) -> None:
        """Let pip fetch wheels into a folder of its own, then put them on the shelf, whole."""
        if not pins:
            return
        self._tell(
            f"fetching {len(pins)} wheels for {self._target.name}: {', '.join(pin.name for pin in pins)}"
        )
        self._folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".part-", dir=self._folder) as scratch:
            wanted = Path(scratch) / "requirements.txt"
            wanted.write_text("".join(f"{pin.line}\n" for pin in {p.name: p for p in pins}.values()))
            _pip(self._target, wanted, Path(scratch))
            for path in Path(scratch).glob("*.whl"):
                path.replace(self._folder / path.name)


def _pip(target: Target, wanted: Path, folder: Path) -> None:
    index = os.environ.get("SLUICE_INDEX_URL")
    command = [
        *(sys.executable, "-m", "pip", "download", "--requirement", str(wanted), "--dest", str(folder)),
        *("--require-hashes", "--no-deps", "--only-binary", ":all:", "--implementation", "cp"),
        *("--python-version", target.python),
        *(word for platform in target.platforms for word in ("--platform", platform)),
        *("--disable-pip-version-check", "--no-input", "--progress-bar", "off"),
        *(("--index-url", index) if index else ()),
    ]
    try:
        done = subprocess.run(  # noqa: S603  # pip, with lines that come out of the lock
            command, capture_output=True, text=True, timeout=_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise Transient(f"pip was not done after {_SECONDS:.0f} s", hint="try again") from None
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or [done.stderr[-300:]]
        raise Transient(
            f"pip could not fetch the wheels for {target.name}: " + " ".join(said)[:600],
            hint="is the index that pip is configured to use within reach, and has it these wheels?",
        )
