"""The files of `layers/`: what goes into which layer, and which layers a function stands on."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, model_validator

from shared.common.documents import read_yaml
from shared.common.errors import Misconfigured, unknown

FUNCTIONS = "functions.yml"
MOST_LAYERS = 5
"""Lambda's limit: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html"""


class LayerSpec(BaseModel):
    """One layer: packages of the lock, or files of the repository."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    description: str
    packages: tuple[str, ...] = ()
    """Names of packages, with extras in brackets; what they require comes along."""
    above: str | None = None
    """The layer whose packages are left out here, because it lies below."""
    files: tuple[str, ...] = ()
    """Patterns of files, relative to the repository."""
    folders_with: str | None = None
    """The name of a file: all folders of `src/` that have it, whole."""
    without: tuple[str, ...] = ()
    """Patterns of what is left out; `**` stands for any folders."""
    keep: tuple[str, ...] = ()
    """Patterns of what stays although `without` names it."""

    @model_validator(mode="after")
    def _has_content(self) -> LayerSpec:
        if bool(self.packages) == bool(self.files or self.folders_with):
            raise ValueError("a layer has either packages, or files or folders_with")
        return self

    def holds(self, path: str) -> bool:
        """Whether a file belongs in, as far as `without` and `keep` say."""
        return not _any(self.without, path) or _any(self.keep, path)


class FunctionSpec(BaseModel):
    """What lies below a function."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    layers: tuple[str, ...] = Field(max_length=MOST_LAYERS)
    also: tuple[str, ...] = ()
    """Further folders of `src/` in its zip, which its own code imports."""


class _Functions(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    functions: dict[str, FunctionSpec]


@dataclass(frozen=True, slots=True)
class Recipe:
    """All layers and functions by name."""

    layers: dict[str, LayerSpec]
    functions: dict[str, FunctionSpec]

    @classmethod
    def read(cls, folder: Path) -> Recipe:
        """Raises `Misconfigured` with file:line of what is wrong."""
        paths = sorted(folder.glob("*.yml"))
        layers = {
            path.stem: read_yaml(path.read_bytes(), file=str(path)).parse(LayerSpec)
            for path in paths
            if path.name != FUNCTIONS
        }
        file = folder / FUNCTIONS
        if not file.is_file():
            raise Misconfigured(f"{file} is not there", hint="it says which functions there are")
        document = read_yaml(file.read_bytes(), file=str(file))
        functions = document.parse(_Functions).functions
        for name, function in functions.items():
            for at, layer in enumerate(function.layers):
                if layer not in layers:
                    place = document.where("functions", name, "layers", at)
                    raise unknown("layer", layer, layers, file=place)
        for name, spec in layers.items():
            if spec.above is not None and spec.above not in layers:
                raise unknown("layer", spec.above, layers, file=str(folder / f"{name}.yml"))
        return cls(layers, functions)

    def function(self, name: str) -> FunctionSpec:
        """Raises `Misconfigured` listing the functions that there are."""
        if name not in self.functions:
            raise unknown("function", name, self.functions, file=f"layers/{FUNCTIONS}")
        return self.functions[name]


def _any(patterns: tuple[str, ...], path: str) -> bool:
    return any(_compiled(pattern).fullmatch(path) for pattern in patterns)


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    """A pattern as pathlib's glob reads it: `*` within a name, `**` for any folders, at the end for all files."""
    words = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*"}
    parts = re.split(r"(\*\*/|\*\*|\*)", pattern)
    return re.compile("".join(words.get(part) or re.escape(part) for part in parts))
