"""A YAML definition becomes a plan: names resolved, references read, edges drawn; all faults of the file at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from shared.common.documents import Document
from shared.common.errors import Misconfigured, unknown
from shared.common.places import Key, Position, Problems
from shared.pipelines.conditions import condition_references, parse_condition
from shared.pipelines.kinds import Fields, work_of
from shared.pipelines.link import Use, Uses, linked
from shared.pipelines.outputs import output_faults
from shared.pipelines.plan import Form, Owner, Parameter, Plan, Pool, Resources
from shared.pipelines.spec import DefinitionSpec
from shared.pipelines.sql_text import misplaced
from shared.pipelines.starts import own_starts
from shared.pipelines.step import Edge, ForEach, Method, Notifications, Place, Retry, Step, Target, Work
from shared.pipelines.step_specs import (
    Attempted,
    BranchSpec,
    Conditional,
    ForEachSpec,
    NotificationSpec,
    RetrySpec,
    StepSpec,
    Tolerable,
)
from shared.pipelines.urls import url_fault
from shared.pipelines.values import (
    ListOf,
    Literal,
    MapOf,
    Reference,
    Root,
    Template,
    Value,
    parse_text,
    references,
)
from shared.pipelines.work import Call, Check, Ingest, Transform

Path: TypeAlias = tuple[Key, ...]
ReadFile: TypeAlias = Callable[[str], str]
"""Reads a text file beside the definition by its relative path. Raises `FileNotFoundError`."""

STEPS: Path = ("pipeline", "steps")


def compose(spec: DefinitionSpec, document: Document, problems: Problems, *, read_file: ReadFile) -> Plan:
    """The plan of a definition. What is wrong goes into `problems`; the plan is whole only if nothing was added."""
    composer = _Composer(document, problems, read_file)
    pipeline = spec.pipeline
    composer.names(pipeline.steps)
    steps = composer.steps(pipeline.steps, STEPS)
    composer.pools(list(pipeline.pools))
    for place, text in own_starts(pipeline.name, tuple(steps)):
        problems.add((place.line, place.column), text)
    uses = Uses(composer.uses, list(pipeline.parameters), problems.add)
    return Plan(
        name=pipeline.name,
        steps=linked(steps, uses),
        place=_place(document, ("pipeline",)),
        form=Form.YAML,
        version=pipeline.version,
        domain=pipeline.domain,
        description=pipeline.description,
        owners=tuple(Owner(one.name, one.email) for one in pipeline.owners),
        schedule=pipeline.schedule.schedule() if pipeline.schedule else None,
        parameters=tuple(Parameter(name, value) for name, value in pipeline.parameters.items()),
        notifications=_notifications(pipeline.notifications),
        pools=tuple(Pool(name, slots) for name, slots in pipeline.pools.items()),
        max_parallel=pipeline.max_parallel,
        max_runs=pipeline.max_runs,
        deadline_seconds=pipeline.deadline,
        resources=Resources(spec.resources.compute_cluster, spec.resources.storage_location),
    )


@dataclass(slots=True)
class _Composer:
    """Collects what steps refer to while they are made; complains with places."""

    document: Document
    problems: Problems
    read_file: ReadFile
    uses: dict[str, list[Use]] = field(default_factory=dict)
    used_pools: list[tuple[str, Position]] = field(default_factory=list)
    known: dict[str, Path] = field(default_factory=dict)  # every step's path by its name

    def complain(self, path: Path, text: str) -> None:
        self.problems.add(self.document.position(*path), text)

    def names(self, specs: Sequence[StepSpec], path: Path = STEPS) -> None:
        """Learn all names first, so that steps may refer to what stands below them."""
        for index, spec in enumerate(specs):
            here = (*path, index)
            if spec.name in self.known:
                line = self.document.position(*self.known[spec.name], "name")[0]
                self.complain(
                    (*here, "name"), f'step "{spec.name}" is here twice; the first is in line {line}'
                )
            else:
                self.known[spec.name] = here
            if isinstance(spec, ForEachSpec):
                self.names(spec.steps, (*here, "steps"))

    def steps(self, specs: Sequence[StepSpec], path: Path) -> list[Step]:
        scope = {spec.name: (*path, index) for index, spec in reversed(list(enumerate(specs)))}
        sides = dict(self.sides(specs, path, scope))
        found = []
        for index, spec in enumerate(specs):
            here = (*path, index)
            uses = self.uses.get(spec.name)
            step = self.step(spec, here, scope, sides.get(spec.name, []))
            if self.known[spec.name] == here:
                found.append(step)
            elif uses is not None:  # a second step of this name: it was looked at for its own faults only
                self.uses[spec.name] = uses
        return found

    def sides(
        self, specs: Sequence[StepSpec], path: Path, scope: Mapping[str, Path]
    ) -> Iterator[tuple[str, list[Edge]]]:
        """For each step that a branch names, its edges from branches."""
        found: dict[str, dict[str, Edge]] = {}
        for index, spec in enumerate(specs):
            if not isinstance(spec, BranchSpec):
                continue
            for key, names, side in (("then", spec.then, True), ("else", spec.else_, False)):
                for position, name in enumerate(names):
                    place = (*path, index, key, position)
                    if not self.is_known(name, scope, place):
                        continue
                    edges = found.setdefault(name, {})
                    if spec.name in edges and edges[spec.name].side is not side:
                        self.complain(
                            place, f'step "{name}" is on both sides of the branch; let it depend on it'
                        )
                    edges[spec.name] = Edge(spec.name, side)
        yield from ((name, list(edges.values())) for name, edges in found.items())

    def is_known(self, name: str, scope: Mapping[str, Path], place: Path) -> bool:
        if name in scope:
            return True
        if name in self.known:
            inside = (
                "inside a foreach" if len(self.known[name]) > len(place) - 2 else "outside of this foreach"
            )
            self.complain(place, f'step "{name}" lies {inside}; edges stay among the steps of one list')
        else:
            error = unknown("step", name, scope)
            self.complain(place, f"{error.message}; {error.hint}")
        return False

    def step(self, spec: StepSpec, path: Path, scope: Mapping[str, Path], sides: list[Edge]) -> Step:
        self.uses[spec.name] = []
        needs = self.needs(spec, path, scope, sides)
        work = (
            self.each(spec, path)
            if isinstance(spec, ForEachSpec)
            else work_of(spec, self.fields(spec.name, path), self.sql_file(path))
        )
        self.written_well(work, path)
        step = Step(
            spec.name,
            work,
            _place(self.document, path),
            needs,
            spec.description,
            notifications=_notifications(spec.notifications),
        )
        if isinstance(spec, Conditional) and spec.condition is not None:
            step = replace(step, condition=self.condition(spec.name, spec.condition, (*path, "condition")))
        if isinstance(spec, BranchSpec):
            self.condition(spec.name, spec.condition, (*path, "condition"))
        if isinstance(spec, Tolerable):
            step = replace(step, continue_if_fail=spec.continue_if_fail)
        if isinstance(spec, Attempted):
            if spec.pool:
                self.used_pools.append((spec.pool, self.document.position(*path, "pool")))
            step = replace(step, retry=_retry(spec.retries), timeout_seconds=spec.timeout, pool=spec.pool)
        return step

    def written_well(self, work: Work, path: Path) -> None:
        """Faults of texts that are values and something else too: URLs and SQL; and of outputs."""
        match work:
            case Call(url=url) if fault := url_fault(url):
                self.complain((*path, "url"), fault)
            case Transform(sql=Template(parts), file=file):
                self.sql(parts, (*path, "transformation_file" if file else "transformation_query"))
            case Check(sql=Template(parts), file=file):
                self.sql(parts, (*path, "query_file" if file else "query"))
        for inner, fault in output_faults(work) if isinstance(work, Ingest | Transform) else ():
            self.complain((*path, *inner), fault)

    def sql(self, parts: Sequence[str | Reference], path: Path) -> None:
        for reference, what in misplaced(parts):
            self.complain(
                path,
                f"${{{reference}}} stands inside {what} of SQL, where no value can be bound; write it without quotes",
            )

    def needs(
        self, spec: StepSpec, path: Path, scope: Mapping[str, Path], sides: list[Edge]
    ) -> tuple[Edge, ...]:
        branches = {edge.source for edge in sides}
        found: dict[str, Edge] = {}
        for index, name in enumerate(spec.depends_on):
            place = (*path, "depends_on", index)
            if name == spec.name:
                self.complain(place, f'step "{name}" depends on itself')
            elif name in found:
                self.complain(place, f'"{name}" is here twice')
            elif self.is_known(name, scope, place) and name not in branches:
                found[name] = Edge(name, passive=bool(sides))
        return (*sides, *found.values())

    def each(self, spec: ForEachSpec, path: Path) -> ForEach:
        items = self.fields(spec.name, path)(spec.items, "items")
        if isinstance(spec.items, str) and isinstance(items, Literal):
            self.complain((*path, "items"), "is text and no list; refer to one: ${steps.NAME.output}")
        return ForEach(items, tuple(self.steps(spec.steps, (*path, "steps"))), spec.max_parallel)

    def condition(self, step: str, text: str, path: Path) -> Any:
        condition = parse_condition(text)
        for reference in condition_references(condition):
            if reference.root is Root.SECRET:
                self.complain(path, "a condition cannot look at a secret")
            self.use(step, reference, path)
        return condition

    def use(self, step: str, reference: Any, path: Path) -> None:
        at = self.document.position(*path)
        if reference.root is Root.STEP and reference.name not in self.known:
            error = unknown("step", reference.name, self.known)
            self.problems.add(at, f"{error.message}; {error.hint}")
            return
        self.uses[step].append(Use(reference, at))

    def fields(self, step: str, path: Path) -> Fields:
        """A function that reads the value of a field of this step, with its references."""

        def read(data: Any, *inner: Key, secrets: bool = False) -> Value:
            value = self.value(data, (*path, *inner))
            self.used(step, data, value, (*path, *inner), secrets=secrets)
            return value

        return read

    def value(self, data: Any, path: Path) -> Value:
        match data:
            case str():
                try:
                    return parse_text(data)
                except Misconfigured as error:
                    self.complain(path, f"{error.message}; {error.hint}")
                    return Literal(data)
            case list() | tuple():
                return ListOf(tuple(self.value(item, (*path, index)) for index, item in enumerate(data)))
            case dict():
                return MapOf(tuple((name, self.value(item, (*path, name))) for name, item in data.items()))
        return Literal(data)

    def used(self, step: str, data: Any, value: Value, path: Path, *, secrets: bool) -> None:
        match value:
            case MapOf(pairs):
                for name, item in pairs:
                    self.used(step, data[name], item, (*path, name), secrets=secrets)
            case ListOf(items):
                for index, item in enumerate(items):
                    self.used(step, data[index], item, (*path, index), secrets=secrets)
            case _:
                for reference in references(value):
                    if reference.root is Root.SECRET and not secrets:
                        self.complain(
                            path, "only a call's headers, query and body and an environment take secrets"
                        )
                    self.use(step, reference, path)

    def sql_file(self, path: Path) -> Callable[[str, str], str]:
        def read(name: str, key: str) -> str:
            parts = name.split("/")
            if name.startswith("/") or "\\" in name or ".." in parts or ":" in name:
                self.complain((*path, key), f'"{name}" does not lie beside or below the definition')
                return ""
            try:
                return self.read_file(name)
            except (OSError, UnicodeError, ValueError) as error:
                reason = (
                    "is not there" if isinstance(error, FileNotFoundError) else "cannot be read as UTF-8 text"
                )
                self.complain((*path, key), f"file {name} {reason}")
                return ""

        return read

    def pools(self, known: Sequence[str]) -> None:
        for name, at in self.used_pools:
            if name not in known:
                error = unknown("pool", name, known)
                self.problems.add(at, f"{error.message}; {error.hint}, in `pools` of the pipeline")


def _place(document: Document, path: Path) -> Place:
    return Place(document.file, *document.position(*path), document.positions.inside(path))


def _retry(retries: int | RetrySpec) -> Retry:
    if isinstance(retries, int):
        return Retry(retries)
    return Retry(retries.count, retries.delay, retries.backoff, retries.max_delay)


def _notifications(spec: NotificationSpec) -> Notifications:
    success, failure = (
        tuple(Target(Method(one.method), one.recipients, one.channel) for one in targets)
        for targets in (spec.on_success, spec.on_failure)
    )
    return Notifications(success, failure)
