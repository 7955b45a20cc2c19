"""Starts a function as Lambda does: run by path, with no packages but those in the folders that it is given.

`python -I -S -B bootstrap.py HANDLER TASK OPT RUNTIME`. The folders take the places of /var/task, /opt and of the one
that has the runtime interface client; behind them there is only the standard library.
"""

from __future__ import annotations

import os
import sys


def main(handler: str, task: str, opt: str, runtime: str) -> None:
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    layers = [os.path.join(opt, "python", "lib", version, "site-packages"), os.path.join(opt, "python")]
    sys.path[:] = [task, *layers, *sys.path, runtime]
    sys.argv[:] = ["awslambdaric", handler]
    from awslambdaric.__main__ import main as serve

    serve(sys.argv)


if __name__ == "__main__":
    main(*sys.argv[1:])
