"""An operation of the API as a value: its path, what it takes and answers; the server and OpenAPI read the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote

from shared.common.errors import unknown
from shared.orchestrator.http_door import Request, Response
from src.dispatch.answers import Problem, problem_of


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of the query. With `most` it is a whole number up to that; with `choices` one of these."""

    name: str
    about: str
    most: int = 0
    least: int = 1
    choices: tuple[str, ...] = ()
    default: str = ""
    required: bool = False

    def read(self, text: str) -> str:
        """Raises `Problem`."""
        if self.choices and text and text not in self.choices:
            error = unknown(self.name, text, self.choices)
            raise problem_of(error, 400)
        if self.most and not (
            text.isascii() and text.isdecimal() and len(text) < 18 and self.least <= int(text) <= self.most
        ):
            raise Problem(
                400,
                f"{self.name} is no whole number from {self.least} to {self.most}",
                hint=f"for example {self.name}={self.default or self.least}",
            )
        return text


@dataclass(frozen=True, slots=True)
class Call:
    """A request that was let in: `path` and `query` hold what the operation declares."""

    request: Request
    path: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)

    def number(self, name: str) -> int:
        return int(self.query[name])

    def after(self) -> int | None:
        """The version that this change was made on (`If-Match`). Raises `Problem`."""
        given = self.request.headers.get("if-match", "").strip()
        if given in ("", "*"):
            return None
        text = given.strip('"')
        if not (text.isascii() and text.isdecimal() and given == f'"{text}"' and len(text) < 18):
            raise Problem(400, f"If-Match: {given[:40]} is no version", hint='send it as the ETag was: "17"')
        return int(text)


@dataclass(frozen=True, slots=True)
class Operation:
    """`body` and `answer` are names of schemas (`schemas.py`); `text` is plain text."""

    method: str
    path: str
    handler: Callable[[Any, Call], Response]
    about: str
    answer: str
    parameters: tuple[Parameter, ...] = ()
    body: str = ""
    status: int = 200
    versioned: bool = False
    """Whether it changes the document: it takes If-Match then, and answers with an ETag."""
    problems: tuple[int, ...] = ()

    def match(self, path: str) -> dict[str, str] | None:
        """The parts of the path that have names, when the path is this operation's."""
        own, given = self.path.split("/"), path.split("/")
        if len(own) != len(given):
            return None
        found = {}
        for mine, part in zip(own, given, strict=True):
            if mine.startswith("{"):
                if not part:
                    return None
                found[mine[1:-1]] = unquote(part)
            elif mine != part:
                return None
        return found

    def read(self, request: Request, path: Mapping[str, str]) -> Call:
        """Raises `Problem` for a query that is not as declared; unknown names are told with the known ones."""
        known = {one.name: one for one in self.parameters}
        query = {one.name: one.default for one in self.parameters}
        for name, value in parse_qsl(request.query, keep_blank_values=True):
            if name not in known:
                raise problem_of(unknown("parameter", name, known), 400)
            query[name] = known[name].read(value)
        if lacking := [one.name for one in self.parameters if one.required and not query[one.name]]:
            raise Problem(400, f"the query lacks {', '.join(lacking)}")
        return Call(request, path, query)
