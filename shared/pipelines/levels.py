"""A LEVEL / THREAD / STEP definition becomes a plan: jumps and barriers as edges; all faults of the file at once."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal as OneOf

from shared.common.documents import Document
from shared.common.errors import Misconfigured, unknown
from shared.common.places import Key, Position, Problems
from shared.common.types import JSON
from shared.pipelines.conditions import Condition, is_yes
from shared.pipelines.jumps import Exit, Jump, exits_of
from shared.pipelines.level_specs import EXECUTORS, LevelSpec, LevelsSpec, LevelStepSpec, StepType
from shared.pipelines.link import Use, Uses, linked
from shared.pipelines.plan import Engine, Form, Level, Parameter, Plan, Thread
from shared.pipelines.starts import own_starts
from shared.pipelines.step import Edge, Place, Step, Work
from shared.pipelines.values import ListOf, Literal, MapOf, Reference, Root, Value
from shared.pipelines.work import Branch, Job, JobService, SubPipeline
from shared.pipelines.written import pipeline_name

SameNames = OneOf["levels", "refuse", "qualify"]
"""What becomes of a JOB_NAME that is used twice. qualify: the JOB_ID goes behind it; refuse: it is an error; levels:
the one in different levels, the other within a level (decision 7 says why)."""

RUN_PARAMETERS = ("start_date", "end_date", "workflow_properties")
"""What the execution argument of such a pipeline holds (FORMATS: `query_variables` and `workflow_properties`)."""


def compose_levels(
    spec: LevelsSpec,
    document: Document,
    problems: Problems,
    *,
    same_names: SameNames,
    broken: Collection[tuple[Key, ...]] = (),
) -> Plan:
    """The plan of a definition. What is wrong goes into `problems`; the plan is whole only if nothing was added.

    `broken` are the paths of steps of which something could not be read.
    """
    composer = _Levels(spec.definition, spec.engine, document, problems, same_names, broken)
    composer.check_ids()
    steps = composer.steps()
    uses = Uses(composer.uses, RUN_PARAMETERS, problems.add)
    name = _name(document, problems)
    for place, text in own_starts(name, tuple(steps)):
        problems.add((place.line, place.column), text)
    return Plan(
        name=name,
        steps=() if problems.found else linked(steps, uses),
        place=composer.place(),
        form=Form.LEVELS,
        engine=spec.engine,
        levels=composer.levels(),
        parameters=(
            Parameter("start_date"),
            Parameter("end_date"),
            Parameter("workflow_properties", {}),
        ),
        max_runs=None,
    )


def _name(document: Document, problems: Problems) -> str:
    """The file's name is the pipeline's, as the program that these files come from had it."""
    stem = re.split(r"[/\\]", document.file)[-1].removesuffix(".json")
    try:
        return pipeline_name(stem)
    except Misconfigured as error:
        problems.add((1, 1), f"the file's name is the pipeline's: {error.message}; {error.hint}")
        return "unnamed"


@dataclass(frozen=True, slots=True)
class _At:
    """A step where it stands: its indices in levels, threads and steps, and its name in the plan."""

    level: int
    thread: int
    index: int
    spec: LevelStepSpec
    name: str

    def path(self, *keys: Key) -> tuple[Key, ...]:
        return ("definition", self.level, "THREADS", self.thread, "STEPS", self.index, *keys)


@dataclass(slots=True)
class _Levels:
    """Makes steps out of levels; complains with places."""

    written: Sequence[LevelSpec]
    engine: Engine
    document: Document
    problems: Problems
    same_names: SameNames
    broken: Collection[tuple[Key, ...]] = ()
    uses: dict[str, list[Use]] = field(default_factory=dict)
    at: list[_At] = field(default_factory=list)
    threads: dict[tuple[int, int], list[_At]] = field(default_factory=dict)
    known: dict[str, tuple[int, int]] = field(default_factory=dict)  # every JOB_ID's level and thread

    def place(self, *path: Key) -> Place:
        return Place(self.document.file, *self.position(*path))

    def position(self, *path: Key) -> Position:
        return self.document.position(*path)

    def complain(self, path: Sequence[Key], text: str) -> None:
        self.problems.add(self.position(*path), text)

    def check_ids(self) -> None:
        """Levels, threads, steps and jobs have names of their own, and levels stand in the order of their numbers."""
        seen: dict[tuple[str, str], Position] = {}
        number = -1
        for level, one in enumerate(self.written):
            path: tuple[Key, ...] = ("definition", level)
            self.once(seen, "LEVEL_ID", one.LEVEL_ID, path)
            if one.LEVEL_ID.isascii() and one.LEVEL_ID.isdigit():
                if int(one.LEVEL_ID) < number:
                    self.complain(
                        (*path, "LEVEL_ID"),
                        f"level {one.LEVEL_ID} stands behind level {number}; the order of the file counts",
                    )
                number = int(one.LEVEL_ID)
            for thread, its in enumerate(one.THREADS):
                self.once(seen, f"THREAD_ID of level {level}", its.THREAD_ID, (*path, "THREADS", thread))
        counts = Counter(s.JOB_NAME for one in self.written for t in one.THREADS for s in t.STEPS)
        for place in self.walk(counts):
            self.once(seen, "JOB_ID", place.spec.JOB_ID, place.path())
            for key, text in place.spec.misfits(is_whole=place.path() not in self.broken):
                self.complain(place.path(key), text)
            if self.same_names != "qualify":
                scope = "" if self.same_names == "refuse" else f" of level {place.level}"
                self.once(seen, f"JOB_NAME{scope}", place.spec.JOB_NAME, place.path())
            if self.same_names != "refuse" and ("", place.name) in seen:
                self.complain(place.path("JOB_NAME"), f'"{place.name}" is the name of another step too')
            seen["", place.name] = self.position(*place.path())
            self.at.append(place)
            self.threads.setdefault((place.level, place.thread), []).append(place)
            self.known[place.spec.JOB_ID] = (place.level, place.thread)

    def walk(self, counts: Mapping[str, int]) -> Iterator[_At]:
        for level, one in enumerate(self.written):
            for thread, its in enumerate(one.THREADS):
                for index, spec in enumerate(its.STEPS):
                    # Also where it is refused: so that no other fault follows from it.
                    name = f"{spec.JOB_NAME}_{spec.JOB_ID}" if counts[spec.JOB_NAME] > 1 else spec.JOB_NAME
                    yield _At(level, thread, index, spec, name)

    def once(
        self, seen: dict[tuple[str, str], Position], key: str, value: str, path: tuple[Key, ...]
    ) -> None:
        word = key.partition(" ")[0]
        at = self.position(*path, word)
        if (key, value) in seen:
            hint = ""
            if word == "JOB_NAME":
                hint = "; each step has a name of its own"
                hint += f"{'' if key == word else ' in its level'} (see --same-names)"
            self.problems.add(
                at, f'{word} "{value}" is here twice; the first is in line {seen[key, value][0]}{hint}'
            )
        else:
            seen[key, value] = at

    def levels(self) -> tuple[Level, ...]:
        return tuple(
            Level(
                one.LEVEL_ID,
                tuple(
                    Thread(
                        its.THREAD_ID,
                        tuple(s.name for s in self.threads[level, thread]),
                        self.place("definition", level, "THREADS", thread),
                    )
                    for thread, its in enumerate(one.THREADS)
                ),
                self.place("definition", level),
            )
            for level, one in enumerate(self.written)
        )

    def steps(self) -> list[Step]:
        """All steps with their edges: jumps inside of threads, and from level to level."""
        found: list[Step] = []
        barrier: tuple[Edge, ...] = ()
        for level, one in enumerate(self.written):
            ends: list[Edge] = []
            more = level + 1 < len(self.written)
            for thread in range(len(one.THREADS)):
                steps = self.threads[level, thread]
                exits = exits_of([self.jump(s) for s in steps], complain=self.complain)
                found += self.thread(steps, exits, barrier)
                ends += _leaving(steps, exits)
                closing = next((s for s in steps if s.spec.ends), None)
                if closing is not None and more and len(one.THREADS) > 1:
                    self.complain(
                        closing.path("JOB_ID"),
                        f'job "{closing.name}" ends the pipeline while other threads of its level are at work; '
                        "put it in a level of its own",
                    )
            if more and not ends:
                self.complain(
                    ("definition", level + 1, "LEVEL_ID"),
                    f"level {self.written[level + 1].LEVEL_ID} is never reached: the level before ends the pipeline",
                )
            barrier = tuple(ends)
        return found

    def jump(self, at: _At) -> Jump:
        spec = at.spec
        return Jump(
            spec.JOB_ID,
            spec.NEXT,
            spec.TRUE_JOB,
            spec.FALSE_JOB,
            is_branch=spec.TYPE is StepType.BOOLEAN_CHOICE,
            ends=spec.ends and not spec.NEXT and spec.TYPE is not StepType.BOOLEAN_CHOICE,
            path=at.path(),
            known=self.known,
        )

    def thread(
        self, steps: Sequence[_At], exits: Sequence[Sequence[Exit]], barrier: tuple[Edge, ...]
    ) -> list[Step]:
        into: list[list[Edge]] = [[] for _ in steps]
        for index, ways in enumerate(exits):
            for way in ways:
                if way.to is not None:
                    into[way.to].append(Edge(steps[index].name, way.side))
        for index, edges in enumerate(into):
            if index and not edges:
                self.complain(steps[index].path("JOB_ID"), f'nothing leads to job "{steps[index].name}"')
        into[0] = [*barrier]
        return [self.step(at, tuple(edges)) for at, edges in zip(steps, into, strict=True)]

    def step(self, at: _At, needs: tuple[Edge, ...]) -> Step:
        spec = at.spec
        work = self.work(at)
        timeout = None if isinstance(work, Job) else spec.TIMEOUT_SECONDS
        return Step(
            at.name,
            work,
            self.place(*at.path()),
            needs,
            timeout_seconds=timeout,
            continue_if_fail=spec.CONTINUE_IF_FAIL,
            job_id=spec.JOB_ID,
        )

    def work(self, at: _At) -> Work:
        spec = at.spec
        given = self.reads(at)
        match spec.TYPE:
            case StepType.BOOLEAN_CHOICE:
                return Branch(self.choice(at, given))
            case StepType.WORKFLOWS:
                properties = _map(spec.STEP_PROPERTIES or {})
                extra = () if given is None else (("input", given),)
                name = spec.workflows_NAME or spec.workflows_name or ""
                return SubPipeline(name, MapOf((*properties.items, *extra)))
        if self.engine is Engine.COMPOSER and not spec.COMPOSER_STEP:
            self.complain(
                at.path("TYPE"),
                f"engine composer needs a COMPOSER_STEP; known: {', '.join(sorted(EXECUTORS))}",
            )
        return self.job(at, given)

    def job(self, at: _At, given: Value | None) -> Job:
        spec = at.spec
        sync = spec.TYPE is StepType.SYNC
        start = spec.FUNCTION_NAME if sync else spec.FUNCTION_ID_NAME
        service = (
            JobService.FUNCTION if start else EXECUTORS.get(spec.COMPOSER_STEP or "", JobService.FUNCTION)
        )
        minutes = spec.ASYNC_TIMEOUT_LOOP_IN_MINUTES
        return Job(
            service,
            start or spec.JOB_NAME,
            (spec.FUNCTION_STATUS_NAME or start) if start and not sync else None,
            spec.COMPOSER_STEP or "",
            _map(spec.STEP_PROPERTIES or {}),
            given,
            spec.WAIT_TIME_SECONDS or 30.0,
            None if minutes is None else minutes * 60,
            spec.TIMEOUT_SECONDS,
            spec.JOB_NAME,
        )

    def reads(self, at: _At) -> Reference | None:
        """What READ_INPUT_FROM refers to: a RESULT_VARIABLE_NAME, a JOB_NAME or a JOB_ID of an earlier step."""
        wanted = at.spec.READ_INPUT_FROM
        self.uses[at.name] = []
        if wanted is None:
            return None
        earlier = [s for s in self.at if _is_before(s, at)]
        for names in ("RESULT_VARIABLE_NAME", "JOB_NAME", "JOB_ID"):
            for one in reversed(earlier):
                if getattr(one.spec, names) == wanted:
                    reference = Reference(Root.STEP, one.name)
                    self.uses[at.name].append(Use(reference, self.position(*at.path("READ_INPUT_FROM"))))
                    return reference
        known = {s.spec.RESULT_VARIABLE_NAME or s.spec.JOB_NAME for s in earlier}
        error = unknown("result of an earlier step of this thread or level", wanted, known)
        self.complain(at.path("READ_INPUT_FROM"), f"{error.message}; {error.hint}")
        return None

    def choice(self, at: _At, given: Reference | None) -> Condition:
        """A choice is on what it reads, else on the answer of the step before it in its thread."""
        if given is None and at.spec.READ_INPUT_FROM is None and at.index == 0:
            self.complain(at.path("TYPE"), "a boolean_choice without a step before it needs READ_INPUT_FROM")
        before = next((s for s in self.at if _is_before(s, at) and s.index == at.index - 1), at)
        return is_yes(given or Reference(Root.STEP, before.name))


def _is_before(one: _At, other: _At) -> bool:
    """Whether one step has ended when the other begins, by where they stand."""
    if one.level != other.level:
        return one.level < other.level
    return one.thread == other.thread and one.index < other.index


def _leaving(steps: Sequence[_At], exits: Sequence[Sequence[Exit]]) -> Iterator[Edge]:
    for at, ways in zip(steps, exits, strict=True):
        yield from (Edge(at.name, way.side) for way in ways if way.to is None)


def _map(data: Mapping[str, JSON]) -> MapOf:
    """Data as a value without references: what looks like one is text here."""
    return MapOf(tuple((name, _literal(item)) for name, item in data.items()))


def _literal(data: JSON) -> Value:
    match data:
        case dict():
            return _map(data)
        case list():
            return ListOf(tuple(_literal(item) for item in data))
    return Literal(data)
