"""An image like Lambda's Python 3.13, made of this machine's files: no registry is asked.

Python lies in /var/lang, the runtime interface client in /var/runtime, and beside them there is a shell and what these
need of shared objects: less than Lambda has, so that what runs here has brought along all that it needs.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

from src.packaging import bootstrap
from src.packaging.interpreter import Interpreter
from src.packaging.room import runtime_client
from src.packaging.target import Target

BOOTSTRAP = """#!/bin/sh
export LD_LIBRARY_PATH=/var/lang/lib
exec /var/lang/bin/python3 -I -S -B /var/runtime/start.py "$_HANDLER" /var/task /opt /var/runtime
"""
PROGRAMS = ("sh", "cp", "mv", "rm", "chmod")
"""What SAM's own Dockerfile calls when it adds the layers."""
OF_LAMBDA = (
    *(
        "libc.so.6",
        "libdl.so.2",
        "libm.so.6",
        "libpthread.so.0",
        "libresolv.so.2",
        "librt.so.1",
        "libutil.so.1",
    ),
    *("libgcc_s.so.1", "libstdc++.so.6", "libnss_dns.so.2", "libnss_files.so.2"),
)
"""Shared objects that Lambda has and wheels may count on: of the C library, and those of PEP 599."""
_NOT_NEEDED = (
    "test",
    "site-packages",
    "idlelib",
    "tkinter",
    "turtledemo",
    "ensurepip",
    "__pycache__",
    "config-*",
)


def lay_out_image(target: Target, interpreter: Interpreter, root: Path) -> Path:
    """The files of the image below `root`."""
    home = Path(_asked(interpreter, "import sys; print(sys.base_prefix)"))
    name = f"python{target.python}"
    lang = root / "var" / "lang"
    shutil.copytree(
        home / "lib" / name, lang / "lib" / name, ignore=shutil.ignore_patterns(*_NOT_NEEDED, "_tkinter*")
    )
    for library in (home / "lib").glob(f"libpython{target.python}.so*"):
        shutil.copy2(library, lang / "lib")
    (lang / "bin").mkdir()
    shutil.copy2(home / "bin" / name, lang / "bin" / "python3")
    runtime = root / "var" / "runtime"
    shutil.copytree(runtime_client(target, tell=lambda line: None), runtime)
    shutil.copy2(bootstrap.__file__, runtime / "start.py")
    (runtime / "bootstrap").write_text(BOOTSTRAP)
    (runtime / "bootstrap").chmod(0o755)
    programs = [Path(found) for one in PROGRAMS if (found := shutil.which(one))]
    for program in programs:
        copy(program.resolve(), root / "bin" / program.name)
    binaries = [*programs, *lang.rglob("*.so*"), lang / "bin" / "python3"]
    for library in needed(binaries, apart=home):
        copy(library, root / library.relative_to("/"))
    for folder in ("tmp", "opt", "etc", "proc", "dev", "sys", "var/task"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    (root / "tmp").chmod(0o1777)
    (root / "etc" / "passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
    return root


def needed(binaries: Iterable[Path], *, apart: Path) -> set[Path]:
    """The shared objects of this machine that the loader would take for them, as their paths are asked for."""
    said = subprocess.run(
        ["ldd", *map(str, binaries)], capture_output=True, text=True, check=False
    ).stdout.split()
    known = subprocess.run(["ldconfig", "-p"], capture_output=True, text=True, check=True).stdout.split()
    wanted = [word for word in said if word.startswith("/") and not word.endswith(":")]
    wanted += [word for word in known if word.startswith("/") and word.endswith(OF_LAMBDA)]
    return {path for path in map(Path, wanted) if path.is_file() and not path.is_relative_to(apart)}


def copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(source, target)


def _asked(interpreter: Interpreter, code: str) -> str:
    done = subprocess.run([interpreter.path, "-I", "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()
