"""Bytecode beside every source file, by the Python of the target: a cold start that compiles takes 3 times as long."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from shared.common.errors import Misconfigured
from src.packaging.interpreter import Interpreter

_SCRIPT = Path(__file__).with_name("compile_tree.py")


def with_bytecode(
    entries: Mapping[str, bytes], interpreter: Interpreter | None, *, at: str
) -> dict[str, bytes]:
    """The files and the bytecode of those that are Python, as if they lay below `at`; no interpreter, no bytecode.

    The same interpreter makes the same bytes: the order of sets and the dates of files have no part in them.
    """
    sources = {name: data for name, data in entries.items() if name.endswith(".py")}
    if interpreter is None or not sources:
        return dict(entries)
    with tempfile.TemporaryDirectory(prefix="sluice-compile-") as scratch:
        folder = Path(scratch)
        for name, data in sources.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        done = subprocess.run(  # noqa: S603  # an interpreter of this machine with a script of ours
            [interpreter.path, "-S", "-s", str(_SCRIPT), scratch, at],
            env={**_plain(), "PYTHONHASHSEED": "0"},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise Misconfigured(
                f"Python {interpreter.version} could not compile: {done.stderr.strip()[-300:]}",
                hint="name another one with --interpreter",
            )
        made = {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*.pyc")}
    return {**entries, **made}


def _plain() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
