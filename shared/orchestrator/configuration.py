"""The document of a dispatcher: its inputs, its processes, the links between them, and limits for all of it.

A kind of input or process is a class with a `type: Literal["…"]`; `Kinds` puts the classes that a program knows into
one model, so that a document is validated as a whole and a fault is told with its line.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, Union, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, create_model

from shared.common.complaints import complaints
from shared.common.documents import Document, read_json_document, read_yaml
from shared.common.errors import Misconfigured, unknown
from shared.common.places import Problems
from shared.orchestrator.filters import Filter
from shared.orchestrator.graph import Graph, InputNode, Link, ProcessNode
from shared.orchestrator.settings import InputSettings, ProcessSettings
from shared.orchestrator.soundness import look_for_faults
from shared.orchestrator.toml_text import read_toml

Names = Annotated[
    tuple[str, ...], BeforeValidator(lambda value: [value] if isinstance(value, str) else value)
]


class LinkSettings(Filter):
    """From each of `from` to each of `to`; `operation`, `location` and `where` say which events go this way."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    source: Names = Field(alias="from", min_length=1)
    target: Names = Field(alias="to", min_length=1)


class Limits(BaseModel):
    """Limits for the whole dispatcher."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    concurrency: int = Field(16, ge=1, le=1000)
    """Processes that run at once, all together."""
    window: int = Field(10_000, ge=1)
    """Events that are kept in memory; what comes beyond that waits in the journal."""
    max_open: int = Field(1_000_000, ge=1)
    """Events that may be under way; inputs are held back beyond that."""
    grace: float = Field(30.0, ge=0)
    """Seconds that running processes get when the dispatcher shall end."""
    keep_events: int = Field(100_000, ge=0)
    """Finished events that are kept to be looked at and to recognize what comes twice; the oldest go first."""


class Http(BaseModel):
    """Where webhooks and the API listen."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = "127.0.0.1"
    port: int = Field(8080, ge=0, le=65535)
    """0 takes a free one."""


class Configuration(BaseModel):
    """A whole document. Its lists hold the classes of the kinds that the program knows (see `Kinds.model`)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    input: tuple[InputSettings, ...] = ()
    process: tuple[ProcessSettings, ...] = ()
    links: tuple[LinkSettings, ...] = ()
    dispatcher: Limits = Limits()
    http: Http = Http()

    def graph(self) -> Graph:
        """Raises `Misconfigured` without places; `Kinds.parse` has looked for the faults with theirs."""
        return Graph.build(
            [InputNode(one.name, one, one.open, one.paused, _mark(one)) for one in self.input],
            [ProcessNode(one.name, one, one.open, one.paused, _mark(one)) for one in self.process],
            [Link(s, t, link) for link in self.links for s in link.source for t in link.target],
        )


def _mark(settings: BaseModel) -> str:
    """What tells whether a node has to be opened anew after a change."""
    return settings.model_dump_json(exclude={"paused"})


@dataclass(frozen=True)
class Kinds:
    """The kinds of inputs and processes that a program knows."""

    inputs: Sequence[type[InputSettings]]
    processes: Sequence[type[ProcessSettings]]

    @cached_property
    def model(self) -> type[Configuration]:
        return create_model(
            "Configuration",
            __base__=Configuration,
            input=(tuple[_one_of(self.inputs), ...], ()),  # type: ignore[arg-type, misc]
            process=(tuple[_one_of(self.processes), ...], ()),  # type: ignore[arg-type, misc]
        )

    def parse(self, document: Document) -> Configuration:
        """The document as a configuration whose graph is sound.

        Raises `Misconfigured`: one line per fault with file, line and column; unknown names list the known ones.
        """
        if document.data is None:
            return document.parse(self.model)
        problems = Problems(document.file)
        types = {"input": {*map(type_of, self.inputs)}, "process": {*map(type_of, self.processes)}}
        look_for_faults(document, types, problems)
        try:
            found = self.model.model_validate(document.data)
        except ValidationError as error:
            for path, key, text in complaints(error, self.model, document.data):
                problems.add(document.positions.find(path, key=key), text)
            raise problems.error() from None
        problems.check()
        try:
            found.graph()
        except Misconfigured as error:
            raise document.error(error.message, "links", hint=error.hint) from None
        return found


def read_configuration(text: str | bytes, *, file: str) -> Document:
    """TOML, JSON or YAML by the ending of the file's name."""
    match file.rpartition(".")[2].lower():
        case "toml":
            return read_toml(text, file=file)
        case "json":
            return read_json_document(text, file=file)
        case "yml" | "yaml":
            return read_yaml(text, file=file)
    raise unknown("kind of file", file.rpartition(".")[2], ["toml", "yml", "yaml", "json"], file=file)


def _one_of(kinds: Sequence[type[BaseModel]]) -> Any:
    if len(kinds) == 1:
        return kinds[0]
    return Annotated[Union[tuple(kinds)], Field(discriminator="type")]  # noqa: UP007 - the kinds are known at run time


def type_of(kind: type[BaseModel]) -> str:
    """The name under which a document asks for a kind."""
    annotation = kind.model_fields["type"].annotation
    return str(get_args(annotation)[0]) if get_args(annotation) else ""
