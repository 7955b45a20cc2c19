"""From what a step of a YAML definition says to what it does, kind by kind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from shared.common.places import Key
from shared.pipelines.conditions import parse_condition
from shared.pipelines.step import Work
from shared.pipelines.step_specs import (
    BranchSpec,
    CallSpec,
    CheckSpec,
    ContainerSpec,
    IngestionSpec,
    JobSpec,
    LambdaSpec,
    LoadSpec,
    PipelineStepSpec,
    RefSpec,
    TransformationSpec,
    WaitSpec,
)
from shared.pipelines.values import ListOf, MapOf, Value
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

V = TypeVar("V", MapOf, ListOf)


class Fields(Protocol):
    """Reads a field's value; the keys are its path in the step. `secrets`: it may refer to secrets."""

    def __call__(self, data: Any, /, *path: Key, secrets: bool = False) -> Value: ...


ReadSql = Callable[[str, str], str]
"""The content of a file, given its name and the key that named it."""

LeafSpec = (
    IngestionSpec
    | LoadSpec
    | TransformationSpec
    | CheckSpec
    | CallSpec
    | LambdaSpec
    | ContainerSpec
    | JobSpec
    | WaitSpec
    | BranchSpec
    | PipelineStepSpec
)


def work_of(spec: LeafSpec, read: Fields, sql_file: ReadSql) -> Work:
    """What a step does. Faults in values and files are complained about by `read` and `sql_file`."""
    match spec:
        case IngestionSpec():
            return Ingest(
                spec.source,
                spec.streams,
                spec.full_refresh,
                spec.load,
                _refs(spec.inputs),
                _refs(spec.outputs),
                _map(read(spec.config, "config")),
            )
        case LoadSpec():
            return Load(spec.source, spec.streams, _map(read(spec.config, "config")))
        case TransformationSpec():
            return _transform(spec, read, sql_file)
        case CheckSpec():
            return _check(spec, read, sql_file)
        case CallSpec():
            return _call(spec, read)
        case LambdaSpec():
            return Lambda(spec.function, read(spec.payload, "payload"))
        case ContainerSpec():
            environment = _map(read(spec.environment, "environment", secrets=True))
            return Container(
                spec.image, _list(read(spec.command, "command")), environment, spec.cpu, spec.memory
            )
        case JobSpec():
            return _job(spec, read)
        case WaitSpec():
            return Wait(spec.duration, None if spec.until is None else read(spec.until, "until"))
        case BranchSpec():
            return Branch(parse_condition(spec.condition))
        case PipelineStepSpec():
            return SubPipeline(spec.pipeline, _map(read(spec.parameters, "parameters")), spec.wait)


def _transform(spec: TransformationSpec, read: Fields, sql_file: ReadSql) -> Transform:
    file, key = spec.transformation_file or "", "transformation_file"
    if file:
        sql = read(sql_file(file, key), key)
    else:
        sql = read(spec.transformation_query, "transformation_query")
    config = _map(read(spec.config, "config"))
    return Transform(sql, file, spec.write, _refs(spec.inputs), _refs(spec.outputs), config)


def _check(spec: CheckSpec, read: Fields, sql_file: ReadSql) -> Check:
    if spec.query_file:
        sql = read(sql_file(spec.query_file, "query_file"), "query_file")
        return Check(sql=sql, file=spec.query_file)
    if spec.query is not None:
        return Check(sql=read(spec.query, "query"))
    return Check(spec.source, spec.streams)


def _call(spec: CallSpec, read: Fields) -> Call:
    return Call(
        spec.method,
        read(spec.url, "url"),
        _map(read(spec.headers, "headers", secrets=True)),
        _map(read(spec.query, "query", secrets=True)),
        None if spec.body is None else read(spec.body, "body", secrets=True),
        spec.expect,
    )


def _job(spec: JobSpec, read: Fields) -> Job:
    function = spec.service is JobService.FUNCTION
    status = (spec.status_function or spec.function) if function and not spec.sync else None
    return Job(
        spec.service,
        spec.function if function else spec.job,
        status,
        properties=_map(read(spec.config, "config")),
        input=None if spec.input is None else read(spec.input, "input"),
        poll_seconds=spec.poll,
        poll_timeout_seconds=spec.poll_timeout,
        call_timeout_seconds=spec.call_timeout,
    )


def _map(value: Value) -> MapOf:
    assert isinstance(value, MapOf)
    return value


def _list(value: Value) -> ListOf:
    assert isinstance(value, ListOf)
    return value


def _refs(specs: tuple[RefSpec, ...]) -> tuple[Ref, ...]:
    return tuple(
        Ref(
            name=one.name,
            store=one.type,
            path=one.path,
            url=one.url,
            host=one.host,
            port=one.port,
            database=one.database,
            schema=one.schema_,
            table=one.table_name or one.table,
            query=one.query,
            stream=one.stream,
            secret=one.secret,
            format=one.format,
            warehouse=one.warehouse,
            role=one.role,
            account=one.account,
            region=one.region,
            primary_key=one.primary_key,
            cursor_field=one.cursor_field,
        )
        for one in specs
    )
