"""Reads a definition in any of its forms: text in, a plan or all that is wrong with the file out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path, PurePath
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from shared.common.complaints import complaints
from shared.common.documents import Document, read_json_document, read_yaml
from shared.common.errors import Misconfigured
from shared.common.places import Key, Problems, Spot
from shared.pipelines.compose import ReadFile, compose
from shared.pipelines.defaults import files_above, read_defaults, refuse_defaults, under
from shared.pipelines.level_salvage import salvaged_levels
from shared.pipelines.level_specs import LevelsSpec
from shared.pipelines.levels import SameNames, compose_levels
from shared.pipelines.plan import Plan
from shared.pipelines.salvage import salvaged
from shared.pipelines.spec import DefinitionSpec

M = TypeVar("M", bound=BaseModel)


def read_definition(
    text: str | bytes,
    *,
    file: str,
    read_file: ReadFile | None = None,
    same_names: SameNames = "levels",
    defaults: Callable[[], Sequence[Document]] = tuple,
) -> Plan:
    """The plan of the definition in `text`.

    `file` is its name: for messages, to tell JSON from YAML, and because the name of a LEVEL file is its pipeline's.
    `read_file` reads the files that a definition names, relative to it. `same_names`: what becomes of a JOB_NAME that
    is used twice in a LEVEL file. `defaults` gives shared ones, the nearest first; LEVEL files have none. Raises
    `Misconfigured` with one line per fault, `file:line:column path: what is wrong; what is known`.
    """
    refuse_defaults(file)
    document = read_json_document(text, file=file) if file.endswith(".json") else read_yaml(text, file=file)
    if isinstance(document.data, list) or (isinstance(document.data, dict) and "definition" in document.data):
        return _from_levels(document, same_names)
    return _from_yaml(under(document, defaults()), read_file or no_files)


def read_plan(path: Path, *, name: str = "", same_names: SameNames = "levels") -> Plan:
    """The plan of the definition in a file, which may name files beside and below it, and has the shared defaults of
    its folder and of those above. Raises `Misconfigured`.
    """
    try:
        text = path.read_bytes()
    except OSError as error:
        raise Misconfigured(f"{path} cannot be read: {error.strerror}") from None
    return read_definition(
        text,
        file=name or str(path),
        read_file=files_beside(path),
        same_names=same_names,
        defaults=partial(defaults_above, path),
    )


def defaults_above(path: Path) -> list[Document]:
    """The shared defaults of a definition, the nearest first. Raises `Misconfigured`."""
    found = []
    for file in files_above(path):
        try:
            found.append(read_defaults(file.read_bytes(), file=str(file)))
        except OSError as error:
            raise Misconfigured(f"{file} cannot be read: {error.strerror}") from None
    return found


def files_beside(path: Path) -> ReadFile:
    """Reads files relative to the folder of a definition; what leaves that folder, links too, is not there."""
    folder = path.parent.resolve()

    def read(name: str) -> str:
        found = (folder / PurePath(name)).resolve()
        if not found.is_relative_to(folder):
            raise FileNotFoundError(name)
        return found.read_text(encoding="utf-8")

    return read


def no_files(name: str) -> str:
    """For definitions that stand alone."""
    raise FileNotFoundError(name)


def _from_yaml(document: Document, read_file: ReadFile) -> Plan:
    problems = Problems(document.file)
    if document.data is None:
        raise problems.fatal((1, 1), "is empty")
    spec = _validated(DefinitionSpec, document.data, document, problems)
    readable = spec or salvaged(document.data)
    if readable is None:
        raise problems.error()
    plan = compose(readable, document, problems, read_file=read_file)
    problems.check()
    return plan


def _from_levels(document: Document, same_names: SameNames) -> Plan:
    problems = Problems(document.file)
    if isinstance(document.data, list):
        positions = Spot(document.positions.at, children={"definition": document.positions})
        document = Document({"definition": document.data}, positions, document.file)
    spec = _validated(LevelsSpec, document.data, document, problems)
    found = (spec, frozenset[tuple[Key, ...]]()) if spec else salvaged_levels(document.data)
    if found is None:
        raise problems.error()
    readable, broken = found
    plan = compose_levels(readable, document, problems, same_names=same_names, broken=broken)
    problems.check()
    return plan


def _validated(model: type[M], data: Any, document: Document, problems: Problems) -> M | None:
    try:
        return model.model_validate(data)
    except ValidationError as error:
        for path, key, text in complaints(error, model, data):
            problems.add(document.positions.find(path, key=key), text)
    return None
