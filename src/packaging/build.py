"""Builds the zips of layers and functions, and the manifest that says what is in them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from shared.common.errors import Misconfigured
from src.packaging.archive import Archive, Entries, digest, read_zip, write_zip
from src.packaging.bytecode import with_bytecode
from src.packaging.contents import RULES, of_folder, of_repository, of_wheel
from src.packaging.interpreter import Interpreter
from src.packaging.lock import Lock
from src.packaging.recipe import LayerSpec, Recipe
from src.packaging.target import DEPLOYED, Target
from src.packaging.wheels import Shelf, Wheel

ROOT = Path(__file__).parents[2]
BUILD = ROOT / "build"
IN_LAYER = "python"
"""The folder of a layer that Lambda puts on the import path, as /opt/python."""


def home_of(python: str, build: Path = BUILD) -> Path:
    """Where the zips of a Python lie: `build` for the one that is deployed, else a folder of its own in it."""
    return build if python == DEPLOYED else build / f"python{python}"


@dataclass(frozen=True)
class Workshop:
    """Makes zips for one Python out of the files in `root`.

    Without an `interpreter` of that Python they have no bytecode. `tell` hears what is being done. The zips lie in
    `out`, by default where `home_of` says.
    """

    python: str
    interpreter: Interpreter | None
    tell: Callable[[str], None]
    root: Path = ROOT
    build: Path = BUILD
    out: Path | None = None
    _code: dict[str, Entries] = field(default_factory=dict, repr=False)

    @property
    def home(self) -> Path:
        return self.out or home_of(self.python, self.build)

    @property
    def cache(self) -> Path:
        return self.build / "cache"

    @cached_property
    def recipe(self) -> Recipe:
        return Recipe.read(self.root / "layers")

    @cached_property
    def lock(self) -> Lock:
        return Lock.read(self.root / "Pipfile.lock")

    def layers(self, arches: Iterable[str], names: Iterable[str] | None = None) -> dict[str, Archive]:
        """Build layers into `layers/<name>-<arch>.zip`; one of packages that is there already is kept.

        Raises as `wheels` and `recipe` do.
        """
        built: dict[str, Archive] = {}
        known: dict[str, dict[str, Any]] = {}
        for arch in arches:
            shelf = Shelf(self.lock, Target(self.python, arch), self.cache / "wheels", tell=self.tell)
            for layer in names or self.recipe.layers:
                spec, name = self.recipe.layers[layer], f"{layer}-{arch}"
                wheels = self._wheels(shelf, layer, spec)
                of = self._made_of(spec, wheels)
                archive = self._kept(name, of) if wheels else None
                if archive is None:
                    entries = self._packages(wheels, spec) if wheels else self._shared(layer, spec)
                    path = self.home / "layers" / f"{name}.zip"
                    archive = write_zip(path, {f"{IN_LAYER}/{p}": data for p, data in entries.items()})
                built[name] = archive
                versions = {wheel.name: wheel.version for wheel in wheels}
                known[name] = {"description": spec.description, "packages": versions, "made_of": of}
                self._told(f"layer {name}", archive)
        self._note("layers", built, known)
        return built

    def functions(self, names: Iterable[str] | None = None) -> dict[str, Archive]:
        """Build functions into `functions/<app>.zip`, which hold `src/<app>/` and run on every processor."""
        built: dict[str, Archive] = {}
        known: dict[str, dict[str, Any]] = {}
        for name in names or self.recipe.functions:
            folders = (name, *self.recipe.function(name).also)
            entries = {p: data for one in folders for p, data in of_folder(self.root, f"src/{one}").items()}
            entries.pop("src/__init__.py", None)
            if f"src/{name}/app.py" not in entries:
                raise Misconfigured(
                    f"there is no src/{name}/app.py", hint="layers/functions.yml names the apps"
                )
            entries = with_bytecode(entries, self.interpreter, at="/var/task")
            archive = built[name] = write_zip(self.home / "functions" / f"{name}.zip", entries)
            layers = list(self.recipe.function(name).layers)
            known[name] = {"handler": f"src.{name}.app.handler", "layers": layers}
            self._told(f"function {name}", archive)
        self._note("functions", built, known)
        return built

    def _wheels(self, shelf: Shelf, name: str, spec: LayerSpec) -> list[Wheel]:
        if not spec.packages:
            return []
        chosen = shelf.closure(spec.packages, wanted_by=f"layers/{name}.yml")
        if spec.above is not None:
            below = self.recipe.layers[spec.above]
            lower = shelf.closure(below.packages, wanted_by=f"layers/{spec.above}.yml")
            chosen = {one: wheel for one, wheel in chosen.items() if one not in lower}
        return list(chosen.values())

    def _made_of(self, spec: LayerSpec, wheels: list[Wheel]) -> str:
        """What the bytes of a layer of packages depend on, as a digest."""
        version = self.interpreter.version if self.interpreter else None
        said = [spec.model_dump(mode="json"), [wheel.sha256 for wheel in wheels], version, RULES]
        return hashlib.sha256(json.dumps(said).encode()).hexdigest()

    def _kept(self, name: str, made_of: str) -> Archive | None:
        """The layer that is there, when it was made of the same."""
        one = self._said.get("layers", {}).get(name)
        if one is None or one.get("made_of") != made_of:
            return None
        path = self.home / one["file"]
        if not path.is_file() or digest(path) != one["sha256"]:
            return None
        return Archive(path, one["sha256"], one["bytes"], one["unzipped"], one["files"])

    def _packages(self, wheels: list[Wheel], spec: LayerSpec) -> Entries:
        entries: dict[str, bytes] = {}
        for wheel in wheels:
            for path, data in self._prepared(wheel).items():
                if path in entries and entries[path] != data:
                    raise Misconfigured(
                        f"two packages have a file {path}", hint=f"one of them is {wheel.name}"
                    )
                if spec.holds(path):
                    entries[path] = data
        return entries

    def _prepared(self, wheel: Wheel) -> Entries:
        """What goes into a layer of a wheel, kept in the cache: compiling takes most of the time of a build."""
        version = self.interpreter.version if self.interpreter else "none"
        name = f"{wheel.path.stem}-{wheel.sha256[:12]}-{version}-{RULES}.zip"
        kept = self.cache / "prepared" / name
        if not kept.exists():
            entries = with_bytecode(of_wheel(wheel), self.interpreter, at=f"/opt/{IN_LAYER}")
            write_zip(kept, entries, level=0)
        return read_zip(kept)

    def _shared(self, name: str, spec: LayerSpec) -> Entries:
        """The files of a layer of ours, the same for every processor."""
        if name not in self._code:
            entries = of_repository(self.root, spec)
            self._code[name] = with_bytecode(entries, self.interpreter, at=f"/opt/{IN_LAYER}")
        return self._code[name]

    def _told(self, what: str, archive: Archive) -> None:
        sizes = f"{archive.size / 1e6:6.2f} MB, unzipped {archive.unzipped / 1e6:6.2f} MB"
        self.tell(f"{what:32} {sizes}, {archive.files:4} files, sha256 {archive.sha256[:12]}")

    @property
    def _manifest(self) -> Path:
        return self.home / "manifest.json"

    @property
    def _said(self) -> dict[str, Any]:
        """What the manifest says so far."""
        said: dict[str, Any] = json.loads(self._manifest.read_text()) if self._manifest.exists() else {}
        return said

    def _note(self, section: str, built: dict[str, Archive], known: dict[str, dict[str, Any]]) -> None:
        """Write what was built into `manifest.json`; what it says of others stays."""
        said = self._said
        for name, archive in built.items():
            said.setdefault(section, {})[name] = {
                "file": archive.path.relative_to(self.home).as_posix(),
                "sha256": archive.sha256,
                "bytes": archive.size,
                "unzipped": archive.unzipped,
                "files": archive.files,
                **known[name],
            }
        said["python"] = self.python
        said["bytecode"] = self.interpreter.version if self.interpreter else None
        path = self._manifest
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch = path.with_name(".manifest.part")
        scratch.write_text(json.dumps(said, indent=2, sort_keys=True) + "\n")
        scratch.replace(path)
