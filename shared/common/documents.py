r"""Documents that people write: read with the place of every value, validated with all errors at once.

>>> from pydantic import BaseModel
>>> class Plan(BaseModel, extra="forbid"):
...     name: str
...     steps: int = 1
>>> read_yaml("name: a\nsteps: 2", file="plan.yml").parse(Plan)
Plan(name='a', steps=2)
>>> read_yaml("nmae: a", file="plan.yml").parse(Plan)
Traceback (most recent call last):
shared.common.errors.Misconfigured: plan.yml:1:1 "name" is missing
plan.yml:1:1 unknown key "nmae"; did you mean "name"? known: name, steps
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from shared.common.complaints import complaints
from shared.common.errors import Misconfigured
from shared.common.json_text import load_json
from shared.common.places import Key, Position, Problems, Spot
from shared.common.yaml_text import load_yaml

M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Document:
    """Plain data (dict, list, str, int, float, bool, None), the place of each value, and the name of its file."""

    data: Any
    positions: Spot
    file: str

    def parse(self, model: type[M], *, context: Mapping[str, Any] | None = None) -> M:
        """The document as a `model`.

        Raises `Misconfigured` with one line per error, `file:line:column path: what is wrong; what is known`.
        Validators of the model may raise `ValueError` or `Misconfigured`.
        """
        problems = Problems(self.file)
        if self.data is None:
            raise problems.fatal((1, 1), "is empty")
        try:
            return model.model_validate(self.data, context=dict(context) if context else None)
        except ValidationError as error:
            for path, key, text in complaints(error, model, self.data):
                problems.add(self.positions.find(path, key=key), text)
        raise problems.error()

    def position(self, *path: Key) -> Position:
        """Line and column of the value at `path`, or of the nearest thing around it."""
        return self.positions.find(path)

    def where(self, *path: Key) -> str:
        """`file:line:column` of the value at `path`, for the messages of later checks."""
        line, column = self.position(*path)
        return f"{self.file}:{line}:{column}"

    def error(self, message: str, *path: Key, hint: str = "") -> Misconfigured:
        """The error for a value whose fault only a later check can see."""
        return Misconfigured(f"{self.where(*path)} {message}", hint=hint)


def read_yaml(text: str | bytes, *, file: str) -> Document:
    """Read YAML text; `file` is its name for messages. Raises `Misconfigured` (see `yaml_text` for what is refused)."""
    data, positions = load_yaml(text, file)
    return Document(data, positions, file)


def read_json_document(text: str | bytes, *, file: str) -> Document:
    """Read JSON text; `file` is its name for messages. Raises `Misconfigured` (see `json_text` for what is refused)."""
    data, positions = load_json(text, file)
    return Document(data, positions, file)
