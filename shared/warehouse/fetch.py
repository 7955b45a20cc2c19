"""Parts of a commit as verified files of the local disk: what was altered or is missing is refused, not loaded."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from shared.common.errors import Violation
from shared.common.ports import ObjectStore
from shared.landing.commit import Commit, Part
from shared.landing.disk import disk_error
from shared.landing.layout import format_of
from shared.warehouse.ports import StagedPart

_CHUNK = 1 << 20
_GLOB = frozenset("*?[]{}")
_HINT = "restore the object from a backup or a former version; final tables stay as they were"


_PREFIX = "load-"


@contextmanager
def workplace(scratch: Path) -> Iterator[Path]:
    """A folder in `scratch` for downloaded and rewritten parts, gone at the end; those of dead loaders go now."""
    home = Path(tempfile.gettempdir()) if _GLOB & set(str(scratch)) else scratch
    try:
        home.mkdir(parents=True, exist_ok=True)
        for left in home.glob(f"{_PREFIX}*"):
            if not _alive(left.name):
                shutil.rmtree(left, ignore_errors=True)
        folder = Path(tempfile.mkdtemp(dir=home, prefix=f"{_PREFIX}{os.getpid()}-"))
    except OSError as error:
        raise disk_error(error, "create a folder for parts", path=home) from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _alive(name: str) -> bool:
    """Whether the process that made a workplace lives; names that are not ours are left alone."""
    number = name.removeprefix(_PREFIX).partition("-")[0]
    if not number.isdecimal():
        return True
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def fetch(store: ObjectStore, commits: Iterable[Commit], *, folder: Path) -> list[StagedPart]:
    """The parts of `commits` in order, verified by size and sha256; files of a folder store are read where they lie.

    Others are downloaded into `folder`. Raises `Violation` naming the part.
    """
    found = [(commit, part) for commit in commits for part in commit.draft.parts if part.rows]
    return [
        StagedPart(
            key=part.key,
            file=_verified(store, commit, part, folder / f"{number:05d}.{format_of(part.key)}"),
            rows=part.rows,
            format=format_of(part.key),
            run=commit.draft.run,
            commit=commit.sequence,
        )
        for number, (commit, part) in enumerate(found)
    ]


def _verified(store: ObjectStore, commit: Commit, part: Part, target: Path) -> Path:
    info = store.head(part.key)
    if info is None:
        raise _altered(commit, part, "is missing")
    if info.size != part.bytes:
        raise _altered(commit, part, f"has {info.size} bytes, and the commit says {part.bytes}")
    local = Path(store.url(part.key))
    in_place = local.is_absolute() and not _GLOB & set(str(local)) and local.is_file()
    digest = _digest(store, part, None if in_place else target)
    if digest != part.sha256:
        raise _altered(
            commit, part, f"has the sha256 {digest[:12]}…, and the commit says {part.sha256[:12]}…"
        )
    return local if in_place else target


def _digest(store: ObjectStore, part: Part, target: Path | None) -> str:
    """The sha256 of what the store holds; it is written to `target` on the way."""
    digest = hashlib.sha256()
    with store.open(part.key) as body:
        if target is None:
            while chunk := body.read(_CHUNK):
                digest.update(chunk)
            return digest.hexdigest()
        try:
            with target.open("wb") as file:
                while chunk := body.read(_CHUNK):
                    digest.update(chunk)
                    file.write(chunk)
        except OSError as error:
            raise disk_error(error, "write a downloaded part", path=target) from error
    return digest.hexdigest()


def _altered(commit: Commit, part: Part, what: str) -> Violation:
    return Violation(
        f"a part of commit {commit.sequence} {what}",
        hint=_HINT,
        source=commit.source,
        stream=commit.stream,
        part=part.key,
    )
