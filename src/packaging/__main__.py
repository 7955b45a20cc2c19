"""`make layers package`: builds the zips that are deployed, into build/layers and build/functions."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence

from shared.common.errors import Misconfigured, SluiceError
from src.packaging.build import Workshop
from src.packaging.interpreter import Interpreter, find_interpreter
from src.packaging.target import DEPLOYED, GLIBC, MACHINES


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m src.packaging", description=__doc__)
    parser.add_argument("what", choices=["layers", "package"], help="the layers, or the functions")
    parser.add_argument("--python", default=DEPLOYED, choices=list(GLIBC), help=f"the runtime's ({DEPLOYED})")
    parser.add_argument("--arch", choices=list(MACHINES), help="one processor only (layers; else both)")
    parser.add_argument("--interpreter", metavar="PATH", help="the Python that compiles, where none is found")
    parser.add_argument("--need-bytecode", action="store_true", help="fail where there is no such Python")
    chosen = parser.parse_args(arguments)
    began = time.monotonic()
    try:
        interpreter = _interpreter(chosen)
        workshop = Workshop(chosen.python, interpreter, _say)
        if chosen.what == "layers":
            workshop.layers([chosen.arch] if chosen.arch else list(MACHINES))
        else:
            workshop.functions()
    except SluiceError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.exit_code
    _say(f"{chosen.what}: {time.monotonic() - began:.0f} s, {workshop.home / 'manifest.json'}")
    return 0


def _interpreter(chosen: argparse.Namespace) -> Interpreter | None:
    found = find_interpreter(chosen.python, asked=chosen.interpreter)
    if found is None:
        lack = f"no Python {chosen.python} to compile with"
        if chosen.need_bytecode or chosen.interpreter:
            raise Misconfigured(
                lack, hint=f"put python{chosen.python} on the path, or name one: --interpreter PATH"
            )
        _say(f"{lack}: the zips have no bytecode, and cold starts take several times as long")
    return found


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
