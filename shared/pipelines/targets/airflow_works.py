"""What a step does, as an expression of Python in a generated file of Airflow: one function per kind of work."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from shared.pipelines.plan import Plan
from shared.pipelines.step import ForEach, Step, work_references
from shared.pipelines.targets.airflow_text import Raw, call, condition, quoted, value
from shared.pipelines.targets.target import Options
from shared.pipelines.urls import Where, url_parts
from shared.pipelines.values import Literal, MapOf, Reference, Root, Template, Value
from shared.pipelines.work import (
    LONGEST_POLL_SECONDS,
    Branch,
    Call,
    Check,
    Container,
    Ingest,
    Job,
    JobService,
    Lambda,
    Load,
    SubPipeline,
    Transform,
    Wait,
)
from shared.pipelines.write import step_document

CALL_SECONDS = 60.0


@dataclass(slots=True)
class Writing:
    """A file while it is written: how its names are spelled, and the pieces that it turned out to need."""

    plan: Plan
    options: Options
    tasks: Mapping[str, str]
    variables: Mapping[str, str]
    gated: frozenset[str]
    parts: set[str] = field(default_factory=set)
    inside: frozenset[str] = frozenset()
    limit: Mapping[str, Any] = field(default_factory=dict)
    last: str = ""

    def use(self, *parts: str) -> None:
        self.parts.update(parts)

    def refer(self, reference: Reference) -> str:
        """The expression for what a reference refers to."""
        path = "".join(f", {quoted(key) if isinstance(key, str) else key}" for key in reference.path)
        match reference.root:
            case Root.STEP:
                return self._output(reference, path)
            case Root.PARAMETER:
                return f"run.param({quoted(reference.name)}{path})"
            case Root.ITEM:
                return f"follow(run.item, ({path[2:]},))" if path else "run.item"
            case Root.RUN:
                return f"run.{reference.name}"
            case Root.SECRET:
                self.use("secret")
                return f"secret(run, {quoted(reference.name)})"

    def _output(self, reference: Reference, path: str) -> str:
        task = quoted(self.tasks[reference.name])
        if reference.name in self.inside:
            return f"run.sibling({task}{path})"
        own = self.native(self.plan.step(reference.name))
        if own:
            self.use("left")
            return f"left(run, {task}, ({path[2:]}{',' if path else ''}), {own})"
        return f"run.output({task}{path})"

    def native(self, step: Step) -> str:
        """For a step that a task of a provider does: what `left` is told of it. Empty for all others."""
        match step.work:
            case SubPipeline():
                return '"trigger_run_id", "run_id"'
            case Container() if not self.options.local:
                return '"", "exit_code", 0'
        return ""

    def data(self, what: Value) -> Any:
        """A value for `python`; notes what it needs."""
        if any(isinstance(part, Template) for part in _all(what)):
            self.use("text")
        return value(what, self.refer)

    def url(self, what: Value) -> Any:
        """A URL for `python`: what it refers to stays a piece of its path and query."""
        if not isinstance(what, Template):
            return self.data(what)
        self.use("text")
        parts = []
        for part, where in url_parts(what):
            text = quoted(part) if isinstance(part, str) else self.refer(part)
            if isinstance(part, Reference) and where is not Where.BEFORE:
                self.use("piece")
                text = f"piece({text}, {where is Where.PATH})"
            parts.append(text)
        return Raw(f"text({', '.join(parts)})")

    def condition(self, what: Any) -> str:
        text = condition(what, self.refer)
        if "compare(" in text:
            self.use("compare")
        return text


def _all(what: Value) -> Iterator[Value]:
    yield what
    match what:
        case MapOf(pairs):
            for _, item in pairs:
                yield from _all(item)
        case Literal() | Reference() | Template():
            return
        case _:
            for item in what.items:
                yield from _all(item)


def expression(step: Step, writing: Writing, indent: int) -> str:
    """What the function of a step returns."""
    match step.work:
        case Ingest() | Load() | Transform() | Check():
            return _own(step, writing, indent)
        case Call():
            return _call(step, step.work, writing, indent)
        case Lambda(function, payload):
            writing.use("invoke")
            return call("invoke", [function, writing.data(payload)], indent=indent)
        case Container():
            return _container(step.work, writing, indent)
        case Job():
            return _job(step, step.work, writing, indent)
        case Wait(seconds, until):
            writing.use("wait")
            if until is None:
                return call("wait", [Raw("run"), seconds], indent=indent)
            return call("wait_until", [Raw("run"), writing.data(until)], indent=indent)
        case Branch(what):
            return writing.condition(what)
        case ForEach() | SubPipeline():
            raise TypeError(f"{step.kind} is no function")


def _own(step: Step, writing: Writing, indent: int) -> str:
    """Work of this product: by its Lambda functions, or by its command line where the worker is."""
    local, app = writing.options.local, writing.options.app
    match step.work:
        case Ingest(source=source, inputs=(), outputs=(), config=MapOf(())) as work if source and not local:
            writing.use("ingest")
            order: dict[str, Any] = {
                "source": source,
                "streams": list(work.streams),
                "full_refresh": work.full_refresh,
            }
            given = {name: item for name, item in order.items() if item}
            return call("ingest", [Raw("run"), app, given], {"load": work.load}, indent=indent)
        case Load(source, streams, MapOf(())) if not local:
            writing.use("load_landed")
            return call("load_landed", [Raw("run"), app, source, list(streams)], indent=indent)
    params: dict[str, Raw] = {}
    outputs: dict[str, Raw] = {}
    for reference in work_references(step.work):
        found = {Root.PARAMETER: params, Root.STEP: outputs}.get(reference.root)
        if found is not None:
            found[reference.name] = Raw(writing.refer(Reference(reference.root, reference.name)))
    given = step_document(step)
    given.pop("timeout", None)  # the task has it
    name, more = ("do_here", []) if local else ("do", [app])
    writing.use(name)
    return call(name, [Raw("run"), *more, given, params, outputs], indent=indent)


def _call(step: Step, work: Call, writing: Writing, indent: int) -> str:
    writing.use("call")
    given = {
        "headers": writing.data(work.headers),
        "query": writing.data(work.query),
        "body": None if work.body is None else writing.data(work.body),
        "expect": list(work.expect),
        "seconds": min(step.timeout_seconds or CALL_SECONDS, 1800.0),
    }
    return call("call", [work.method, writing.url(work.url)], given, indent=indent)


def _container(work: Container, writing: Writing, indent: int) -> str:
    writing.use("container")
    options = [] if work.cpu is None else ["--cpus", f"{work.cpu:g}"]
    options += [] if work.memory is None else ["--memory", f"{work.memory}m"]
    given = [work.image, writing.data(work.command), writing.data(work.environment), options]
    return call("container", given, indent=indent)


def _job(step: Step, work: Job, writing: Writing, indent: int) -> str:
    times = {"every": work.poll_seconds, "longest": work.poll_timeout_seconds or LONGEST_POLL_SECONDS}
    properties = writing.data(work.properties)
    if work.service in (JobService.GLUE, JobService.ECS) and not work.executor:
        name = "glue_job" if work.service is JobService.GLUE else "ecs_job"
        writing.use(name)
        if work.service is JobService.ECS:
            properties = {"Cluster": writing.plan.resources.compute_cluster or "default", **properties}
        return call(name, [Raw("run"), work.start, properties], times, indent=indent)
    writing.use("ask")
    platform = writing.options.platform
    job = {
        "name": work.job_name or step.name,
        "properties": properties,
        "by_way_of": platform.functions_url + platform.intermediate if platform.intermediate else "",
        "seconds": work.call_timeout_seconds or min(step.timeout_seconds or CALL_SECONDS, 1800.0),
    }
    if work.input is not None:
        job["input"] = writing.data(work.input)
    start = function_url(called(work), writing.options)
    if is_one_call(work):
        return call("ask", [Raw("run"), "get_id", start, job], indent=indent)
    status = start if work.executor else function_url(work.status or work.start, writing.options)
    return call("function_job", [Raw("run"), start, status], {**times, "job": job}, indent=indent)


def is_one_call(work: Job) -> bool:
    """Whether the one call of an executor function is the whole job."""
    return work.service is JobService.FUNCTION and work.status is None


def called(work: Job) -> str:
    """The function that starts a job: the executor that its author chose for Airflow, else the one it names."""
    return work.start if is_one_call(work) else work.executor or work.start


def function_url(name: str, options: Options) -> str:
    """Where an executor function is; empty where nobody says."""
    if "://" in name:
        return name
    platform = options.platform
    return platform.functions_url + name if platform.project and platform.region else ""
