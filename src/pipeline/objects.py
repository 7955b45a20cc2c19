"""Where the path of an input or output lies: a file or folder of this machine, or objects of S3."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import unquote, urlsplit

from shared.common.clock import SystemClock
from shared.common.errors import Misconfigured, unknown
from shared.pipelines.step import Step
from shared.pipelines.work import Ref, Store

if TYPE_CHECKING:
    from shared.aws.s3 import S3Store

FORMATS = ("csv", "jsonl", "parquet")
PLACES = (Store.FILE, Store.S3)
_NAMES = re.compile(r"\.(csv|jsonl|ndjson|json|parquet)(\.gz)?$", re.IGNORECASE)
_SAME = {"ndjson": "jsonl", "json": "jsonl"}


@dataclass(frozen=True, slots=True)
class Found:
    """A file: its whole name, its format, whether it is gzip by its name, and how it is opened."""

    name: str
    format: str
    open: Callable[[], BinaryIO]

    @contextmanager
    def on_disk(self) -> Iterator[Path]:
        """A copy of it on the local disk, until the end of the block; what is there already is not copied."""
        if (here := Path(self.name)).is_file():
            yield here
            return
        with TemporaryDirectory(prefix="sluice-step-") as folder:
            path = Path(folder) / self.name.rpartition("/")[2]
            with self.open() as source, path.open("wb") as target:
                shutil.copyfileobj(source, target)
            yield path


def found(ref: Ref, step: Step) -> list[Found]:
    """The files of an input, in the order of their names. Raises `Misconfigured` when there are none.

    A path that ends with / is all files below it whose name says a format; one with * all that fit it.
    """
    check_place(ref, step)
    files = list(_in_s3(ref) if _is_s3(ref) else _here(ref))
    if not files:
        raise Misconfigured(
            f'input "{ref.name}": there is no file at {ref.path}',
            hint="a path is a file, a folder (with / at its end) or a pattern (with *) of .csv, .jsonl or .parquet",
            step=step.name,
            at=step.place,
        )
    return files


def duckdb_for(what: str) -> Any:
    """The module. Raises `Misconfigured` where it is not installed: no Lambda layer has it."""
    try:
        import duckdb
    except ModuleNotFoundError:
        raise Misconfigured(
            f"{what} needs DuckDB, which is not installed here",
            hint="do it where the command line is: sluice pipeline run, or sluice generate airflow --local",
        ) from None
    return duckdb


def put(ref: Ref, name: str, file: Path, step: Step) -> str:
    """Put a file where an output says: at its path, or as `name` in its folder; its whole name.

    What is there stays until the new file is whole, and is replaced by it in one step.
    """
    check_place(ref, step)
    path = f"{ref.path}{name}" if ref.path.endswith("/") else ref.path
    if _is_s3(ref):
        store, key = _store(path)
        store.put_over(key, file, sha256=_digest(file))
        return path
    target = _local(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.with_name(f".{target.name}.new")
    try:
        shutil.copyfile(file, beside)
        os.replace(beside, target)
    finally:
        with suppress(OSError):
            beside.unlink(missing_ok=True)
    return str(target)


def remove(ref: Ref, name: str) -> None:
    """Take a file out of the folder of an output."""
    if _is_s3(ref):
        store, key = _store(f"{ref.path}{name}")
        store.delete(key)
    else:
        (_local(ref.path) / name).unlink(missing_ok=True)


def names_in(ref: Ref, step: Step) -> set[str]:
    """The names of what lies in the folder of an output."""
    check_place(ref, step)
    if _is_s3(ref):
        store, prefix = _store(ref.path)
        return {info.key.removeprefix(prefix) for info in store.list(prefix)}
    folder = _local(ref.path)
    return {path.name for path in folder.iterdir()} if folder.is_dir() else set()


def format_of(ref: Ref, step: Step) -> str:
    """The format of an output: what it says, what its name says, else JSON lines. Raises `Misconfigured`."""
    named = _NAMES.search(ref.path)
    said = (ref.format or (named.group(1) if named else "jsonl")).lower()
    form = _SAME.get(said, said)
    if form not in FORMATS:
        raise unknown("format", said, FORMATS, output=ref.name, step=step.name, at=step.place)
    return form


def check_place(ref: Ref, step: Step) -> None:
    """Raises `Misconfigured` where no files can be."""
    if ref.store not in PLACES or not ref.path:
        raise Misconfigured(
            f'"{ref.name}" of {ref.store} is no place for files here',
            hint="files lie at a `path` of type file or s3; other stores need a step of their own: a job, or a source "
            "(sluice new source NAME)",
            step=step.name,
            at=step.place,
        )
    if _is_s3(ref) != (ref.store is Store.S3):
        raise Misconfigured(
            f'"{ref.name}" is of type {ref.store}, and {ref.path} is no path of it',
            hint="such as s3://bucket/folder/ for s3, data/orders.csv for file",
            step=step.name,
            at=step.place,
        )


def _is_s3(ref: Ref) -> bool:
    return ref.path.startswith("s3://")


def _local(path: str) -> Path:
    """A path of this machine, as it is or as file:///path."""
    return Path(unquote(urlsplit(path).path) if path.startswith("file://") else path)


def _here(ref: Ref) -> Iterator[Found]:
    path = _local(ref.path)
    if "*" in ref.path:
        base = Path(*_before_stars(path.parts))
        paths = sorted(base.glob(str(path.relative_to(base)))) if base.is_dir() else []
    elif ref.path.endswith("/") or path.is_dir():
        paths = sorted(one for one in path.rglob("*") if _NAMES.search(one.name))
    else:
        paths = [path]
    for one in paths:
        if one.is_file():
            yield Found(str(one), _named(ref, one.name), lambda one=one: one.open("rb"))  # type: ignore[misc]


def _in_s3(ref: Ref) -> Iterator[Found]:
    store, key = _store(ref.path)
    bucket = ref.path.removeprefix("s3://").partition("/")[0]
    prefix = key.partition("*")[0]
    for info in store.list(prefix):
        inside = key.endswith("/") or not key
        fits = (
            fnmatchcase(info.key, key)
            if "*" in key
            else bool(_NAMES.search(info.key))
            if inside
            else info.key == key
        )
        if fits:
            name = f"s3://{bucket}/{info.key}"
            yield Found(name, _named(ref, info.key), lambda own=info.key: store.open(own))  # type: ignore[misc]


def _before_stars(parts: tuple[str, ...]) -> list[str]:
    kept: list[str] = []
    for part in parts:
        if "*" in part:
            break
        kept.append(part)
    return kept or ["."]


def _named(ref: Ref, name: str) -> str:
    ending = _NAMES.search(name)
    said = (ref.format or (ending.group(1) if ending else "")).lower()
    form = _SAME.get(said, said)
    if form not in FORMATS:
        raise Misconfigured(
            f'input "{ref.name}": {name} does not say its format', hint=f"add `format`: {', '.join(FORMATS)}"
        )
    return form


def _store(path: str) -> tuple[S3Store, str]:
    """The bucket, and the key or prefix in it."""
    from shared.aws.s3 import S3Store

    bucket, _, key = path.removeprefix("s3://").partition("/")
    return S3Store(bucket, clock=SystemClock()), key


def _digest(file: Path) -> str:
    with file.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()
