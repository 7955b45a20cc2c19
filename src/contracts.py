"""The contracts of the repository's sources: which there are, where their versions lie, and whether they may follow."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shared.common.documents import Document, read_json_document, read_yaml
from shared.common.errors import Misconfigured, SluiceError, unknown
from shared.contracts.compatibility.keywords import draft_of
from shared.contracts.compatibility.verdict import Mode
from shared.contracts.contract import DIALECTS, Contract
from shared.contracts.registry import Registry, Version, refusal
from shared.contracts.schema_faults import check_schema, check_schema_text, invalid
from shared.contracts.shelves import FolderShelf, StoreShelf
from shared.contracts.validate import Validator
from shared.ingestion.evolution import SUFFIX
from src.workplace import FILES, source_files

DRAFT_7 = "http://json-schema.org/draft-07/schema#"

if TYPE_CHECKING:
    from shared.ingestion.source import Source
    from src.workplace import Workplace


class State(StrEnum):
    """How a contract stands to its registered versions."""

    CURRENT = "current"
    UNREGISTERED = "unregistered"
    """No version yet, so nothing is promised."""
    CHANGED = "changed"
    """It may follow, and has to be registered."""
    BROKEN = "broken"
    """It may not follow, or the versions are not what they were."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A stream's contract with the rules for its successors; `home` is the folder of the source's versions.

    `file` holds the contract, where it has a file of its own.
    """

    contract: Contract
    mode: Mode
    lenient: bool
    home: Path
    file: Path | None = None

    @property
    def name(self) -> str:
        return self.contract.name

    @property
    def registry(self) -> Registry:
        """The versions that its authors keep in git."""
        return Registry(FolderShelf(self.home))


@dataclass(frozen=True, slots=True)
class Standing:
    """What is to be said of a subject; `error` says what is wrong and what would be right."""

    subject: str
    state: State
    versions: int
    error: SluiceError | None = None


def subjects(place: Workplace, names: Iterable[str] = ()) -> list[Subject]:
    """The subjects of these names (`SOURCE` or `SOURCE.STREAM`), or of all sources.

    Raises `Misconfigured` for an unknown name, and for a stream that has no contract.
    """
    wanted = list(names) or list(source_files())
    found: list[Subject] = []
    for name in wanted:
        source_name, _, stream = name.partition(".")
        source = place.source(source_name)
        if stream and stream not in source.contracts:
            source.stream(stream)
            raise unknown("subject", name, [f"{source_name}.{known}" for known in source.contracts])
        found += (_subject(source, one) for one in ([stream] if stream else source.contracts))
    return found


def versions_folder(source: Source) -> Path:
    """Where the authors of a source keep the versions of its contracts."""
    return Path(source.file).parent / (source.spec.contracts or "contracts") / "versions"


def standing(subject: Subject) -> Standing:
    """Whether a subject's contract is valid, and is or may follow its last version."""
    versions: tuple[Version, ...] = ()
    try:
        _valid(subject)
        versions = subject.registry.versions(subject.name)
        if not versions:
            return Standing(subject.name, State.UNREGISTERED, 0)
        if versions[-1].digest == subject.contract.digest:
            return Standing(subject.name, State.CURRENT, len(versions))
        verdict = subject.registry.check(subject.contract, subject.mode, lenient=subject.lenient)
        if not verdict.compatible:
            raise refusal(subject.name, versions[-1].number, subject.mode, verdict)
        if any(one.digest == subject.contract.digest for one in versions):  # gone back, and lawfully
            return Standing(subject.name, State.CURRENT, len(versions))
    except SluiceError as error:
        return Standing(subject.name, State.BROKEN, len(versions), error)
    changed = Misconfigured(
        f"the contract of {subject.name} is not version {versions[-1].number} any more, and may follow it",
        hint=f"sluice contract register {subject.name}",
    )
    return Standing(subject.name, State.CHANGED, len(versions), changed)


def read_schema(place: Workplace, name: str) -> dict[str, Any]:
    """The schema in a file (JSON or YAML; a version's, too), or of a subject: `SOURCE.STREAM`, `SOURCE.STREAM@2`.

    What the source does not have itself is looked for among the versions in the landing zone: the last one of a subject
    that only runs know, such as `SOURCE.STREAM__evolved` (docs/drift.md), or the numbered one.

    Raises `Misconfigured` when there is neither, and when it is not a valid schema.
    """
    path = Path(name)
    if path.is_file():
        document, schema = _schema_in(path)
        return _checked(schema, name, document)
    subject, at, number = name.partition("@")
    source_name, _, stream = subject.partition(".")
    in_git = source_name in source_files()
    if not stream or not (in_git or source_name == FILES):
        raise Misconfigured(
            f"{name} is no file and no subject", hint="name a file, SOURCE.STREAM or SOURCE.STREAM@2"
        )
    source, landed = place.source(source_name), Registry(StoreShelf(place.store))
    if not at:
        if stream in source.contracts or not (versions := landed.versions(subject)):
            return dict(subjects(place, [subject])[0].contract.schema)
        return dict(versions[-1].schema)
    if not number.isdecimal():
        raise Misconfigured(f'"{number}" is no version', hint=f"write {subject}@2")
    here = Registry(FolderShelf(versions_folder(source))) if in_git else landed
    try:
        return dict(here.version(subject, int(number)).schema)
    except Misconfigured:
        if all(one.number != int(number) for one in landed.versions(subject)):
            raise
    return dict(landed.version(subject, int(number)).schema)


def landed_subjects(place: Workplace, names: Iterable[str]) -> tuple[list[Subject], list[str]]:
    """The subjects of these names (or of all sources), and what else of theirs has versions in the landing zone.

    Raises `Misconfigured` for a name that is neither.
    """
    known, found, others = StoreShelf(place.store).subjects(), list[Subject](), dict[str, None]()
    for name in list(names) or [*source_files(), FILES]:
        theirs = [one for one in known if one in (name, name + SUFFIX) or one.startswith(f"{name}.")]
        try:
            found += subjects(place, [name])
        except Misconfigured:
            if not theirs and name != FILES:
                raise
        others |= dict.fromkeys(theirs)
    own = {subject.name for subject in found}
    return found, [name for name in others if name not in own]


def read_contract(place: Workplace, name: str) -> Contract:
    """The same as a contract, for records: its root is an object."""
    return Contract.from_document(read_schema(place, name), name=name, file=name)


def _schema_in(path: Path) -> tuple[Document | None, Any]:
    """The schema in a file, and the document where it is written as it is, for the places of its faults."""
    try:
        text = path.read_bytes()
    except OSError as error:
        raise Misconfigured(f"cannot read {path}: {error.strerror}") from None
    yaml = path.suffix in (".yml", ".yaml")
    document = (read_yaml if yaml else read_json_document)(text, file=str(path))
    data = document.data
    if isinstance(data, dict) and {"subject", "version", "digest", "schema"} <= data.keys():
        return None, data["schema"]
    if isinstance(data, dict) and "columns" in data and "properties" not in data:
        return None, dict(Contract.from_document(data, file=str(path)).schema)
    return document, data


def _checked(schema: Any, name: str, document: Document | None) -> dict[str, Any]:
    if not isinstance(schema, dict):
        raise Misconfigured("a schema is an object", hint="write a JSON Schema or columns:", file=name)
    if "$schema" not in schema and draft_of(schema) == "draft-07":  # lists of items are valid there only
        schema = {"$schema": DRAFT_7, **schema}
    dialect = str(schema.get("$schema", DIALECTS[0]))
    if dialect.rstrip("#") not in DIALECTS:
        raise unknown("JSON Schema dialect", dialect, DIALECTS, file=name)
    if document is not None:
        check_schema(document, schema)
    elif wrong := invalid(schema, contract=name):
        raise wrong
    return schema


def _valid(subject: Subject) -> None:
    """Raises `Misconfigured` when the contract cannot be compiled: with the line, where it has a file of its own."""
    try:
        Validator.for_contract(subject.contract)
    except Misconfigured:
        if subject.file is not None:
            check_schema_text(subject.file.read_bytes(), file=str(subject.file))
        raise


def _file_of(source: Source, stream: str) -> Path | None:
    spec, folder = source.spec.streams[stream], source.spec.contracts
    name = spec.contract
    if name is None and spec.columns is None and folder is not None:
        name = f"{folder}/{stream}.json"
    path = None if not isinstance(name, str) else Path(source.file).parent / name
    return path if path is not None and path.is_file() else None


def _subject(source: Source, stream: str) -> Subject:
    spec = source.spec.streams[stream]
    lenient = spec.compatibility_policy == "lenient"
    return Subject(
        source.contracts[stream],
        Mode(spec.compatibility),
        lenient,
        versions_folder(source),
        _file_of(source, stream),
    )


def standings(found: Iterable[Subject]) -> Iterator[Standing]:
    return map(standing, found)
