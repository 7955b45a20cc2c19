"""What of a wheel, and of the repository, goes into a zip: what is needed to run, and nothing for people or builds."""

from __future__ import annotations

import os
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

from shared.common.errors import Misconfigured
from src.packaging.recipe import LayerSpec
from src.packaging.wheels import Wheel

FOR_PEOPLE = re.compile(
    r"""(^|/)(tests?|testing|__pycache__)/   # folders: suites, texts
      | \.(pyi|pyx|pxd|pxi|c|cc|cpp|h|hpp|md|rst|whl|js|map)$  # stubs, sources of extensions, texts
      | (^|/)py\.typed$
    """,
    re.VERBOSE,
)
"""Paths that nothing asks for at run time. Changing this changes `RULES`."""

RULES = "1"
"""Goes up with the rules for the contents of wheels: what was prepared by other rules is not used any more."""

_HIDDEN = re.compile(r"(^|/)(\.[^/]*|__pycache__|tests|recorded)(/|$)")


def of_wheel(wheel: Wheel) -> dict[str, bytes]:
    """The files of a wheel that are needed at run time, by their path on the import path.

    Of its dist-info stay the name and version, for `importlib.metadata` and for scanners that look for known
    weaknesses (Amazon Inspector reads METADATA), and the entry points, by which packages find plug-ins.
    """
    found: dict[str, bytes] = {}
    with zipfile.ZipFile(wheel.path) as archive:
        for info in archive.infolist():
            path = _placed(info.filename)
            if info.is_dir() or path is None or FOR_PEOPLE.search(path):
                continue
            data = archive.read(info)
            found[path] = _headers(data) if path.endswith(".dist-info/METADATA") else data
    return found


def _placed(path: str) -> str | None:
    """Where a file of a wheel is installed: None for scripts, headers and the papers of the installation."""
    top, _, rest = path.partition("/")
    if top.endswith(".data"):
        scheme, _, inner = rest.partition("/")
        return inner if scheme in ("purelib", "platlib") else None
    if top.endswith(".dist-info"):
        return path if rest in ("METADATA", "entry_points.txt") else None
    return path


def _headers(metadata: bytes) -> bytes:
    """The fields of a METADATA without the text behind them."""
    wanted = (b"Metadata-Version:", b"Name:", b"Version:", b"Requires-Dist:", b"Requires-Python:", b"License")
    head = metadata.replace(b"\r\n", b"\n").partition(b"\n\n")[0].split(b"\n")
    return b"\n".join(line for line in head if line.startswith(wanted)) + b"\n"


def of_repository(root: Path, spec: LayerSpec) -> dict[str, bytes]:
    """The files of the repository that a layer names, by their path in it."""
    paths = [path for pattern in spec.files for path in root.glob(pattern)]
    if spec.folders_with:
        folders = [path.parent for path in root.glob(f"src/*/{spec.folders_with}")]
        paths += [path for folder in folders for path in _files(folder)]
    names = sorted({path.relative_to(root).as_posix() for path in paths if path.is_file()})
    found = {n: (root / n).read_bytes() for n in names if not _HIDDEN.search(n) and spec.holds(n)}
    if not found:
        raise Misconfigured(
            "the layer would be empty", hint="its patterns name no file", layer=spec.description
        )
    return found


def of_folder(root: Path, folder: str) -> dict[str, bytes]:
    """All files below a folder of the repository, but for hidden ones and caches."""
    paths = [path.relative_to(root).as_posix() for path in _files(root / folder)]
    return {name: (root / name).read_bytes() for name in sorted(paths) if not _HIDDEN.search(name)}


def _files(folder: Path) -> Iterator[Path]:
    for where, _, names in os.walk(folder):
        yield from (Path(where) / name for name in names)
