"""A step of a plan as a document again, for engines that hand single steps to this product: `sluice pipeline step`.

What an engine does by itself is not in it: edges, conditions, retries, pools, notifications. `read_step` reads it
back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, assert_never

from shared.common.documents import Document
from shared.common.errors import Misconfigured
from shared.common.places import Key, Spot
from shared.common.types import JSON
from shared.pipelines.kinds import work_of
from shared.pipelines.step import ForEach, Place, Step
from shared.pipelines.step_specs import BranchSpec, ForEachSpec, StepSpec, WaitSpec
from shared.pipelines.values import Value, parse_value, plain
from shared.pipelines.work import (
    Branch,
    Call,
    Check,
    Container,
    Ingest,
    Job,
    JobService,
    Lambda,
    Load,
    Ref,
    SubPipeline,
    Transform,
    Wait,
)
from shared.pipelines.written import Written

_WORDS = {"store": "type", "table": "table_name"}


def step_document(step: Step) -> dict[str, JSON]:
    """The step as the YAML form would have it, alone: `read_step(step_document(step)).work` does the same.

    Raises `Misconfigured` for what only an engine can do: wait, branch, foreach.
    """
    document: dict[str, JSON] = {"name": step.name, "type": str(step.kind)}
    if step.timeout_seconds is not None:
        document["timeout"] = step.timeout_seconds
    return document | {name: value for name, value in _work(step).items() if value not in (None, "", [], {})}


class _Alone(Written):
    step: StepSpec


def read_step(document: Mapping[str, Any]) -> Step:
    """The step that a document says, with references to whatever is given when it runs. Raises `Misconfigured`."""
    spec: Any = Document({"step": dict(document)}, Spot((1, 1)), "(step)").parse(_Alone).step
    if isinstance(spec, WaitSpec | BranchSpec | ForEachSpec):
        raise _engines_own(str(spec.name), spec.type)

    def read(data: Any, /, *path: Key, secrets: bool = False) -> Value:
        return parse_value(list(data) if isinstance(data, tuple) else data)

    def no_file(name: str, key: str) -> str:
        raise Misconfigured(f"{key} {name} cannot be read here", hint="put the SQL itself into the step")

    work = work_of(spec, read, no_file)
    return Step(spec.name, work, Place("(step)", 1, 1), timeout_seconds=spec.timeout)


def _work(step: Step) -> dict[str, JSON]:
    match step.work:
        case Ingest() as work:
            return {
                "source": work.source,
                "streams": list(work.streams),
                "full_refresh": work.full_refresh or None,
                "load": None if work.load else False,
                "inputs": [_ref(ref) for ref in work.inputs],
                "outputs": [_ref(ref) for ref in work.outputs],
                "config": plain(work.config),
            }
        case Load(source, streams, config):
            return {"source": source, "streams": list(streams), "config": plain(config)}
        case Transform() as work:
            return {
                "transformation_query": plain(work.sql),
                "write": str(work.write),
                "inputs": [_ref(ref) for ref in work.inputs],
                "outputs": [_ref(ref) for ref in work.outputs],
                "config": plain(work.config),
            }
        case Check(source, streams, sql):
            return {"source": source, "streams": list(streams), "query": None if sql is None else plain(sql)}
        case Call() as work:
            return {
                "method": work.method,
                "url": plain(work.url),
                "headers": plain(work.headers),
                "query": plain(work.query),
                "body": None if work.body is None else plain(work.body),
                "expect": list(work.expect),
            }
        case Lambda(function, payload):
            return {"function": function, "payload": plain(payload)}
        case Container(image, command, environment, cpu, memory):
            return {
                "image": image, "command": plain(command), "environment": plain(environment), "cpu": cpu,
                "memory": memory,
            }  # fmt: skip
        case Job() as work:
            return _job(work)
        case SubPipeline(pipeline, parameters, wait):
            return {"pipeline": pipeline, "parameters": plain(parameters), "wait": None if wait else False}
        case Wait() | Branch() | ForEach():
            raise _engines_own(step.name, step.kind)
        case never:
            assert_never(never)


def _job(work: Job) -> dict[str, JSON]:
    function = work.service is JobService.FUNCTION
    return {
        "service": str(work.service),
        "job": None if function else work.start,
        "function": work.start if function else None,
        "status_function": work.status if function and work.status != work.start else None,
        "sync": True if function and work.status is None else None,
        "config": plain(work.properties),
        "input": None if work.input is None else plain(work.input),
        "poll": work.poll_seconds,
        "poll_timeout": work.poll_timeout_seconds,
        "call_timeout": work.call_timeout_seconds,
    }


def _ref(ref: Ref) -> dict[str, JSON]:
    found: dict[str, JSON] = {}
    for one in fields(ref):
        value = getattr(ref, one.name)
        if value not in (None, "", ()):
            found[_WORDS.get(one.name, one.name)] = list(value) if isinstance(value, tuple) else value
    return found


def _engines_own(name: str, kind: str) -> Misconfigured:
    return Misconfigured(f'step "{name}" is a {kind}, which the engine does by itself')
