"""Puts what a template names into a bucket, each file under its digest, and the addresses into the template."""

from __future__ import annotations

import copy
import hashlib
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from shared.common.ports import ObjectStore
from src.delivery.template import LocalFile, local_files, read_template, text_of


def package(
    path: Path, store: ObjectStore, *, version: str = "", say: Callable[[str], None] = lambda text: None
) -> dict[str, Any]:
    """Upload the files of the template at `path` and return it with their addresses.

    A file that is there already is not sent again. `version` becomes the default of the parameter `Version`.
    """
    template = copy.deepcopy(read_template(path))
    for file in local_files(template, path.parent):
        file.place[file.key] = store.url(_upload(file, store, say))
    parameters = template.get("Parameters", {})
    if version and "Version" in parameters:
        parameters["Version"]["Default"] = version
    return template


def put_template(template: dict[str, Any], store: ObjectStore) -> str:
    """Upload the template itself, which may be too long to be sent along; its key."""
    body = text_of(template).encode()
    key = f"{hashlib.sha256(body).hexdigest()}.template.json"
    if store.head(key) is None:
        store.put_new(key, body)
    return key


def _upload(file: LocalFile, store: ObjectStore, say: Callable[[str], None]) -> str:
    with file.path.open("rb") as body:
        digest = hashlib.file_digest(body, "sha256").hexdigest()
    key = f"{digest}{''.join(file.path.suffixes)}"
    size = file.path.stat().st_size
    if store.head(key) is not None:
        say(f"{file.name}: {file.path.name} is there already")
        return key
    with tempfile.TemporaryDirectory() as folder:
        # A store may move the file away: the build stays as it is.
        copied = Path(shutil.copy(file.path, folder))
        store.put_file(key, copied, sha256=digest)
    say(f"{file.name}: {file.path.name}, {size / 1e6:.1f} MB")
    return key
