"""Lays built zips out as Lambda does, /var/task and /opt in a folder, for the interpreter that fits them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shared.common.errors import Misconfigured, unknown
from src.packaging.archive import digest, read_zip
from src.packaging.build import BUILD, ROOT, home_of
from src.packaging.contents import of_wheel
from src.packaging.interpreter import Interpreter, find_interpreter
from src.packaging.lock import Lock
from src.packaging.target import DEPLOYED, Target, machine_arch
from src.packaging.wheels import Shelf

CLIENT = "awslambdaric"
"""The runtime interface client, which Lambda's own runtime brings along."""


@dataclass(frozen=True, slots=True)
class Room:
    """A function laid out: `task`, `opt` and `runtime` are folders of their own."""

    task: Path
    opt: Path
    runtime: Path
    interpreter: Interpreter
    handler: str

    @property
    def unzipped(self) -> int:
        """Bytes of function and layers, which Lambda limits to 250 MiB."""
        return sum(
            path.stat().st_size for top in (self.task, self.opt) for path in top.rglob("*") if path.is_file()
        )


def runnable(target: Target) -> Interpreter:
    """The interpreter of a target on this machine. Raises `Misconfigured`: another processor, or no such Python."""
    if target.arch != machine_arch():
        raise Misconfigured(
            f"zips for {target.arch} cannot run on this machine, which is {machine_arch()}",
            hint=f"--arch {machine_arch()}",
        )
    found = find_interpreter(target.python)
    if found is None:
        raise Misconfigured(
            f"there is no Python {target.python} on this machine",
            hint=f"put python{target.python} on the path, or build for the one you have: "
            f'make layers package ARGS="--python 3.11", then --python 3.11',
        )
    return found


def lay_out(
    app: str,
    target: Target,
    folder: Path,
    *,
    tell: Callable[[str], None] = lambda line: None,
    build: Path = BUILD,
    home: Path | None = None,
    root: Path = ROOT,
    opt: Path | None = None,
) -> Room:
    """Unpack a function and its layers, which lie in `home`, below an empty `folder`; or use an `opt` that is there.

    Raises `Misconfigured` when they are not built or changed since, and as `runnable` and `runtime_client` do.
    """
    interpreter = runnable(target)
    home = home or home_of(target.python, build)
    manifest = read_manifest(home, target)
    functions = manifest["functions"]
    if app not in functions:
        raise unknown("function", app, functions, file=home / "manifest.json")
    task = folder / "var" / "task"
    unpack([_zip(home, functions[app], app)], task)
    if opt is None:
        opt = folder / "opt"
        names = [f"{layer}-{target.arch}" for layer in functions[app]["layers"]]
        unpack([_zip(home, manifest["layers"].get(name), name) for name in names], opt)
    runtime = runtime_client(target, build=build, root=root, tell=tell)
    return Room(task, opt, runtime, interpreter, functions[app]["handler"])


def read_manifest(home: Path, target: Target) -> dict[str, Any]:
    """What was built. Raises `Misconfigured` with the command that builds it."""
    options = "" if target.python == DEPLOYED else f' ARGS="--python {target.python}"'
    try:
        said: dict[str, Any] = json.loads((home / "manifest.json").read_text(encoding="utf-8"))
    except OSError:
        said = {}
    for what in ("layers", "functions"):
        if what not in said:
            raise Misconfigured(f"no {what} are built in {home}", hint=f"make layers package{options}")
    return said


def _zip(home: Path, known: dict[str, Any] | None, name: str) -> Path:
    if known is None:
        raise Misconfigured(f"{name} is not built", hint="make layers package")
    path = home / str(known["file"])
    if not path.is_file() or digest(path) != known["sha256"]:
        raise Misconfigured(
            f"{path} is not what was built: its sha256 is not in the manifest", hint="make layers package"
        )
    return path


def unpack(zips: Iterable[Path], folder: Path) -> None:
    """Unpack zips over each other in their order, as Lambda does with layers."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in zips:
        for name, data in read_zip(path).items():
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)


def runtime_client(
    target: Target, *, build: Path = BUILD, root: Path = ROOT, tell: Callable[[str], None]
) -> Path:
    """The folder with the runtime interface client for a target. Raises as `Shelf.closure` does."""
    shelf = Shelf(Lock.read(root / "Pipfile.lock"), target, build / "cache" / "wheels", tell=tell)
    wheels = shelf.closure([CLIENT], wanted_by="sluice invoke --artifact")
    folder = build / "cache" / "runtime" / f"{target.name}-{wheels[CLIENT].sha256[:12]}"
    if not folder.is_dir():
        scratch = folder.with_name(f".{folder.name}.part")
        for wheel in wheels.values():
            for name, data in of_wheel(wheel).items():
                path = scratch / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
        scratch.replace(folder)
    return folder
