"""Compiles definitions for the engines that an entry of weave.yml names."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cached_property
from posixpath import dirname, join, normpath

from shared.common.documents import Document
from shared.common.errors import Misconfigured
from shared.gitops.change import Side
from shared.gitops.compiling import Compiled
from shared.gitops.configuration import Woven
from shared.pipelines.defaults import read_defaults
from shared.pipelines.defaults_place import candidates
from shared.pipelines.facts import needs
from shared.pipelines.plan import Plan
from shared.pipelines.platform import read_platform
from shared.pipelines.read import read_definition
from shared.pipelines.starts import check_starts
from shared.pipelines.targets.catalogue import target
from shared.pipelines.targets.target import Options, Target


class PipelineCompiler:
    """With one target, artifacts lie at the top of their folder; with several, in one folder for each."""

    def __init__(self, woven: Woven, *, app: str = "sluice") -> None:
        self._woven = woven
        self._plans: dict[str, Plan] = {}
        self._options = Options(engine_version=int(woven.engine_version), layout=woven.layout, app=app)

    @cached_property
    def targets(self) -> tuple[Target, ...]:
        return tuple(target(name) for name in self._woven.targets)

    @property
    def version(self) -> str:
        """What artifacts depend on besides the definitions, and which files these are."""
        made = ",".join(f"{one.name.value}:{one.version}" for one in self.targets)
        which = " ".join(self._woven.definitions)
        parameters = f", with {self._woven.parameters}" if self._woven.parameters else ""
        return f"layout {self._options.layout}, engine {self._options.engine_version}, {made}, of {which}{parameters}"

    def compile(self, path: str, content: bytes, read: Callable[[str], bytes]) -> Compiled:
        """The artifacts of one definition. Raises `Misconfigured` with all faults, each with its line; of pipelines
        that wait for each other the last one fails.
        """
        side = self.inspect(path, content, read)
        self._plans.pop(path, None)
        if side.plan and needs(side.plan).pipelines:
            self._plans[path] = side.plan
            check_starts(side.plan, self._plans.values())
        name, digest = (side.plan.name, side.plan.digest()) if side.plan else ("", "")
        return Compiled(side.artifacts, name=name, digest=digest)

    def inspect(self, path: str, content: bytes, read: Callable[[str], bytes]) -> Side:
        """The plan and the artifacts of one definition. Raises as `compile` does."""
        plan = read_definition(
            content,
            file=path,
            read_file=lambda name: _beside(path, name, read),
            defaults=lambda: list(_defaults(path, read)),
        )
        options = self._options
        if file := self._woven.parameters:
            options = replace(options, platform=read_platform(_text(file, read), file=file))
        made: dict[str, bytes] = {}
        for one in self.targets:
            folder = f"{one.name.value}/" if len(self.targets) > 1 else ""
            made |= {f"{folder}{name}": body for name, body in one.compile(plan, options).items()}
        return Side(path, plan, made)


def _defaults(definition: str, read: Callable[[str], bytes]) -> Iterator[Document]:
    """The shared defaults of a definition, the nearest first."""
    for name in candidates(definition):
        try:
            content = read(name)
        except KeyError:
            continue
        yield read_defaults(content, file=name)


def _beside(definition: str, name: str, read: Callable[[str], bytes]) -> str:
    """A file that a definition names, beside or below it; what leaves its folder is not there."""
    folder = dirname(definition)
    path = normpath(join(folder, name))
    if path.startswith(("/", "..")) or (folder and not path.startswith(f"{folder}/")):
        raise FileNotFoundError(name)
    try:
        return read(path).decode()
    except KeyError:
        raise FileNotFoundError(name) from None
    except UnicodeDecodeError as error:
        raise Misconfigured(f"it is no UTF-8 text: {error}", file=path) from None


def _text(file: str, read: Callable[[str], bytes]) -> str:
    try:
        return read(file).decode()
    except KeyError:
        raise Misconfigured("there is no file of parameters in the repository", file=file) from None
    except UnicodeDecodeError as error:
        raise Misconfigured(f"it is no UTF-8 text: {error}", file=file) from None
