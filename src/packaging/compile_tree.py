"""Compiles the files of a folder: run by path, with the Python whose bytecode is wanted, which knows nothing of Sluice.

`python -I -S compile_tree.py FOLDER PREFIX`: FOLDER/a/b.py gets FOLDER/a/__pycache__/b.cpython-313.pyc, as if it lay at
PREFIX/a/b.py. The bytecode is never checked against its source, so neither dates nor hashes are read at a cold start.
"""

from __future__ import annotations

import os
import py_compile
import sys


def main(folder: str, prefix: str) -> int:
    broken = 0
    for where, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            if name.endswith(".py"):
                path = os.path.join(where, name)
                shown = f"{prefix}/{os.path.relpath(path, folder)}"
                try:
                    py_compile.compile(
                        path,
                        dfile=shown,
                        doraise=True,
                        invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
                    )
                except py_compile.PyCompileError:  # a template, or for another Python: imported by nobody
                    broken += 1
    return broken


if __name__ == "__main__":
    sys.stdout.write(str(main(*sys.argv[1:])))
