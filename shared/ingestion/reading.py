"""Reading a source from its folder: `source.yml`, the contracts that it names, its checks, and its `hooks.py`.

The one place of this room that reads files of the repository.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from shared.common.documents import Document, read_yaml
from shared.common.errors import Misconfigured, unknown
from shared.common.places import Problems
from shared.common.redaction import looks_secret
from shared.contracts.contract import Contract
from shared.ingestion.agreement import check_agreement, place_in
from shared.ingestion.source import Source
from shared.ingestion.spec import SourceSpec, Stream
from shared.ingestion.sql_spec import SqlSpec

if TYPE_CHECKING:
    from shared.contracts.columns import ColumnType
    from shared.contracts.expectation import Expectation

CHECKS = "checks"
"""The folder of `<stream>.yml` files with checks, beside `source.yml`."""

_SETTING = re.compile(r"\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^}]*))?\}")


def load_source(
    file: Path, *, settings: Mapping[str, str] | None = None, changes: Mapping[str, str] | None = None
) -> Source:
    """Read a `source.yml` and what it names.

    `settings` fills `${NAME}` and `${NAME:-default}` in text values; `changes` replaces values by dotted path, as
    `--set` on the command line does. Raises `Misconfigured` with all faults of the file.
    """
    try:
        text = file.read_bytes()
    except OSError as error:
        raise Misconfigured(
            f"cannot read {file}: {error.strerror}", hint="sluice sources lists the known ones"
        ) from None
    document = read_yaml(text, file=str(file))
    data = _filled(document.data, settings or {}, document)
    # What is no mapping is told as that: nobody who says `--set` is at fault there.
    changes = changes or {} if isinstance(data, dict) else {}
    for path, value in changes.items():
        data = _changed(_spelled_out(data, path.split(".")), path.split("."), value, path)
    spec, sql = _parsed(Document(data, document.positions, document.file))
    contracts = {
        name: c
        for name, s in spec.streams.items()
        if (c := _contract(name, s, spec, file, document)) is not None
    }
    source = Source(spec, str(file), contracts, _hooks(spec, file, document), sql)
    check_agreement(source, document)
    return replace(source, checks=_checks(source, file, document))


def _filled(value: Any, settings: Mapping[str, str], document: Document, path: tuple[Any, ...] = ()) -> Any:
    """The value with the settings put in for `${…}`."""
    match value:
        case dict():
            return {k: _filled(v, settings, document, (*path, k)) for k, v in value.items()}
        case list():
            return [_filled(v, settings, document, (*path, i)) for i, v in enumerate(value)]
        case str():

            def setting(match: re.Match[str]) -> str:
                if looks_secret(match["name"]):
                    # Parameters and bodies are part of a commit's `resume`; a secret must never be in a file.
                    raise document.error(
                        f"{match['name']} looks like a secret, which cannot be put into a text",
                        *path,
                        hint="name it in `auth` (api_key goes into a header or the query), where it is never written",
                    )
                found = settings.get(match["name"]) or match["default"]
                if found is None:
                    raise document.error(
                        f"the setting {match['name']} is not set", *path, hint="set it in the environment"
                    )
                return found

            return _SETTING.sub(setting, value)
        case _:
            return value


def _spelled_out(data: Any, path: list[str]) -> Any:
    """With a stream's inherited value written under the stream, so that a change inside it keeps the rest of it."""
    match path:
        case ["streams", stream, key, _, *_]:
            own = data.get("streams", {}).get(stream) if isinstance(data, dict) else None
            inherited = data.get("defaults", {}).get(key) if isinstance(data, dict) else None
            if isinstance(own, dict) and key not in own and isinstance(inherited, dict):
                return {**data, "streams": {**data["streams"], stream: {**own, key: inherited}}}
    return data


def _changed(data: Any, path: list[str], value: str, whole: str) -> Any:
    """A copy of the data with the value at a dotted path replaced; the text is read as YAML (`5`, `true`, `[a]`)."""
    name, *rest = path
    if data is None:
        data = {}
    if not isinstance(data, dict):
        raise Misconfigured(
            f'--set {whole}: nothing can be set below "{name}"',
            hint="give the path as streams.NAME.key=value",
        )
    new = (
        read_yaml(value, file=f"--set {whole}").data
        if not rest
        else _changed(data.get(name, {}), rest, value, whole)
    )
    return {**data, name: new}


def _parsed(document: Document) -> tuple[SourceSpec, SqlSpec | None]:
    """The document by its `type`: an API, unless it says otherwise."""
    kind = document.data.get("type", "rest") if isinstance(document.data, dict) else "rest"
    match kind:
        case "rest":
            return document.parse(SourceSpec), None
        case "sql":
            sql = document.parse(SqlSpec)
            return sql.plain(), sql
    raise unknown("type of source", str(kind), ("rest", "sql"), file=document.where("type"))


def _contract(name: str, stream: Stream, spec: SourceSpec, file: Path, document: Document) -> Contract | None:
    """The contract of a stream: `columns`, `contract` (inline or a file), or the file of its name in `contracts`."""
    subject = f"{spec.source}.{name}"
    if stream.columns is not None:
        return _columns(name, stream.columns, subject, document)
    if isinstance(stream.contract, dict):
        try:
            return Contract.from_schema(stream.contract, name=subject)
        except Misconfigured as error:
            place = document.where("streams", name, "contract")
            raise error.at(file=place) from None
    if stream.contract is not None:
        path = file.parent / stream.contract
        if not path.is_file():
            raise document.error(f"there is no file {stream.contract}", "streams", name, "contract")
        return _read_contract(path, subject)
    if spec.contracts is None:
        return None
    path = file.parent / spec.contracts / f"{name}.json"
    return _read_contract(path, subject) if path.is_file() else None


def _columns(stream: str, columns: dict[str, Any], subject: str, document: Document) -> Contract:
    """The contract of the shorthand; what is wrong with a column is told with its line."""
    try:
        return Contract.from_columns(columns, name=subject)
    except Misconfigured as error:
        whole = error
    problems = Problems(document.file)
    for column, written in columns.items():
        try:
            Contract.from_columns({column: written})
        except Misconfigured as error:
            at = place_in(document, stream, "columns", column)
            for line in error.message.splitlines():
                problems.add(at, f"streams.{stream}.{line}")
    problems.check()
    raise whole.at(file=document.where("streams", stream, "columns"))


def _read_contract(path: Path, subject: str) -> Contract:
    return Contract.from_text(path.read_bytes(), file=str(path), name=subject)


def _checks(source: Source, file: Path, document: Document) -> dict[str, tuple[Expectation, ...]]:
    """The checks of each stream that has any; what reads them is imported only then, for it is not light."""
    files = {path.stem: path for path in sorted((file.parent / CHECKS).glob("*.yml"))}
    spec = source.spec
    strangers = [name for name in files if name not in spec.streams] if not spec.reports else []
    if strangers:
        raise unknown("stream", strangers[0], spec.streams, file=files[strangers[0]])
    checked = dict.fromkeys([*(n for n, s in spec.streams.items() if s.checks), *files])
    if not checked:
        return {}
    from shared.contracts.check_files import ANY, read_check_file, read_checks

    found: dict[str, tuple[Expectation, ...]] = {}
    tables: dict[str, Collection[str] | None] = {
        f"{spec.source}.{name}": _columns_with_types(source, name) for name in spec.streams
    }
    if spec.reports:  # they make streams of their own, whose names nobody knows here
        tables[f"{spec.source}.{ANY}"] = None
    for name in checked:
        known = _columns_with_types(source, name)
        inline = spec.streams[name].checks if name in spec.streams else ()
        checks = read_checks(document, inline, ("streams", name, CHECKS), columns=known, tables=tables)
        if name in files:
            text = files[name].read_bytes()
            checks += read_check_file(read_yaml(text, file=str(files[name])), columns=known, tables=tables)
        found[name] = checks
    return found


def _columns_with_types(source: Source, name: str) -> dict[str, ColumnType] | None:
    columns = source.columns(name) if name in source.spec.streams else None
    return None if columns is None else {column.name: column.type for column in columns}


def _hooks(spec: SourceSpec, file: Path, document: Document) -> dict[str, Callable[..., Any]]:
    """The functions of the source's `hooks` file that its streams name in `map`."""
    wanted = {stream.map: name for name, stream in spec.streams.items() if stream.map is not None}
    if not wanted:
        return {}
    module = _module(file.parent / (spec.hooks or "hooks.py"), spec.source, document)
    found = {}
    for function, stream in wanted.items():
        hook = getattr(module, str(function), None)
        if not callable(hook):
            known = [n for n, v in vars(module).items() if callable(v) and not n.startswith("_")]
            raise unknown("hook", str(function), known, file=document.where("streams", stream, "map"))
        found[str(function)] = hook
    return found


def _module(path: Path, source: str, document: Document) -> ModuleType:
    description = importlib.util.spec_from_file_location(f"sluice_hooks_{source}", path)
    if not path.is_file() or description is None or description.loader is None:
        raise document.error(f"a stream names a `map` function but there is no {path.name}", "streams")
    module = importlib.util.module_from_spec(description)
    description.loader.exec_module(module)
    return module
