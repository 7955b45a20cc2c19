"""Ingestion, load and check steps by this product's own use cases: what `sluice run`, `load` and `checks run` do."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shared.common.errors import Misconfigured, SluiceError, Transient, Violation
from shared.common.types import JSON
from shared.pipelines.runner.executor import Task
from shared.pipelines.step import Step
from shared.pipelines.values import as_text
from shared.pipelines.work import Check, Ingest, Load, Ref, Store
from src.pipeline.objects import PLACES
from src.pipeline.streams import check_earlier, own_stream, slug

if TYPE_CHECKING:
    from shared.ingestion.source import Source
    from src.pipeline.sql import Database
    from src.workplace import Workplace

_DIALECTS = {
    Store.POSTGRES: ("postgresql", 5432),
    Store.MYSQL: ("mysql", 3306),
    Store.MARIADB: ("mysql", 3306),
}

_INSTEAD = {
    Store.REST: "write a source (sluice new source NAME) and name it: `source: NAME`",
    Store.GCS: "copy the files to S3 or into a folder first, or name a job that reads them",
    Store.BIGQUERY: "export it by a job, and read the files",
    Store.SNOWFLAKE: "what is in the warehouse already is read by a transformation",
    Store.DUCKDB: "what is in the warehouse already is read by a transformation",
}


def ingest(place: Workplace, database: Database, task: Task) -> JSON:
    """Do an ingestion step. Raises the gravest error of its streams."""
    from shared.ingestion.plan import Ask
    from shared.ingestion.run import ingest as run
    from src.pipeline.export import check_folder

    work = task.step.work
    assert isinstance(work, Ingest)
    config: Mapping[str, Any] = task.value(work.config)
    for ref in work.outputs:
        if not ref.table:
            check_folder(ref, task.step)
    if any(ref.store in PLACES for ref in work.inputs):
        return _ingest_files(place, database, work, task, config)
    source = source_of(place, work, task.step, config)
    tools = place.tools(stop=task.cancelled)
    report = run(source, tools, streams=list(work.streams) or None, ask=Ask(full_refresh=work.full_refresh))
    _raise(report.failed, task)
    if not report.done or task.cancelled():
        raise Transient(
            "the ingestion was stopped before its end; what is whole is committed", step=task.step.name
        )
    answer: dict[str, Any] = report.to_json()
    # A stream that another run committed first has landed all the same.
    if work.load and _warehouse_is_goal(work):
        loaded = _load(place, database, source, list(report.streams), task, tables=_tables(work, source))
        answer["loaded"] = sum(loaded.values())
    return answer | _written(place, source.name, list(report.streams), work, task)


def _ingest_files(
    place: Workplace, database: Database, work: Ingest, task: Task, config: Mapping[str, Any]
) -> JSON:
    """Files land in the source `files`: in the stream of their table, or where they go into folders only, in one of
    their own.
    """
    from shared.ingestion.files_spec import SOURCE
    from src.pipeline.files import land

    tables = [f"{ref.schema}.{ref.table}" if ref.schema else ref.table for ref in work.outputs if ref.table]
    if any(ref.store not in PLACES for ref in work.inputs) or len(tables) not in (0, 1, len(work.inputs)):
        raise Misconfigured(
            "an ingestion of files has files only as inputs, and one table for all of them or one for each",
            hint="make several steps of it",
            step=task.step.name,
            at=task.step.place,
        )
    goals = tables * len(work.inputs) if len(tables) == 1 else tables or [""] * len(work.inputs)
    only_folders = bool(work.outputs) and not tables
    if only_folders:
        check_earlier(place, work, task)
    rows: dict[str, int] = {}
    into: dict[str, str] = {}
    for ref, goal in zip(work.inputs, goals, strict=True):
        name = own_stream(ref, task) if only_folders else slug(goal or ref.table or ref.name)
        rows[name] = rows.get(name, 0) + sum(land(place, ref, name, task, config).values())
        into |= {name: goal} if goal else {}
    if task.cancelled():
        raise Transient(
            "the ingestion was stopped before its end; what is whole is committed", step=task.step.name
        )
    answer: dict[str, JSON] = {
        "source": SOURCE, "run": task.facts.id, "done": True, "rows": sum(rows.values()),
        "streams": {name: {"rows": many, "status": "done"} for name, many in rows.items()},
    }  # fmt: skip
    if work.load and _warehouse_is_goal(work):
        loaded = _load(place, database, place.source(SOURCE), list(rows), task, tables=into)
        answer["loaded"] = sum(loaded.values())
    return answer | _written(place, SOURCE, list(rows), work, task)


def _written(place: Workplace, source: str, streams: list[str], work: Ingest, task: Task) -> dict[str, JSON]:
    """Files that outputs ask for, `{"files": number}`; nothing where none does."""
    from src.pipeline.export import landed

    goals = [ref for ref in work.outputs if not ref.table]
    if not goals:
        return {}
    return {"files": sum(landed(place, source, streams, ref, task) for ref in goals)}


def load(place: Workplace, database: Database, task: Task) -> JSON:
    """Do a load step."""
    from shared.landing.streams import landed_streams

    work = task.step.work
    assert isinstance(work, Load)
    source = place.source(work.source, changes=_changes(task.value(work.config)))
    names = list(work.streams) or sorted(landed_streams(place.store, source.name))
    loaded = _load(place, database, source, names, task, tables={})
    return {
        "source": source.name,
        "rows": sum(loaded.values()),
        "streams": {name: {"rows": rows} for name, rows in loaded.items()},
    }


def check(place: Workplace, database: Database, task: Task) -> JSON:
    """Do the checks of a source on its tables. Raises `Violation` when one does not hold."""
    from src.checking import check_table

    work = task.step.work
    assert isinstance(work, Check)
    source = place.source(work.source)
    names = work.streams or tuple(name for name, checks in source.checks.items() if checks)
    if not names:
        raise Misconfigured(
            f"source {source.name} has no checks", hint="docs/checks.md says how to write some"
        )
    made = 0
    for name in names:
        with database.alone(task):
            verdict = check_table(place, source, name)
        made += len(verdict.results)
        broken = [one for one in verdict.results if not one.holds]
        if not verdict.passed:
            raise Violation(
                f"{len(broken)} checks of {source.name}.{name} do not hold",
                hint=f"look at them: sluice checks run {source.name}.{name}",
                step=task.step.name,
            )
    return {"passed": True, "failed": 0, "checks": made}


def source_of(place: Workplace, work: Ingest, step: Step, config: Mapping[str, Any]) -> Source:
    """The source of an ingestion: the one it names, or one made of its inputs. Raises `Misconfigured`."""
    if work.source:
        return place.source(work.source, changes=_changes(config))
    from shared.ingestion.reading import load_source
    from shared.ingestion.sql_known import known

    with tempfile.TemporaryDirectory(prefix="sluice-step-") as folder:
        file = Path(folder) / "source.yml"
        file.write_text(as_text(document_of(work, step, config)), encoding="utf-8")
        return known(load_source(file, settings=place.words()), place.store, clock=place.clock)


def document_of(work: Ingest, step: Step, config: Mapping[str, Any]) -> dict[str, JSON]:
    """What a source.yml would say of the inputs of a step: tables of one database. Raises `Misconfigured`.

    User and password are the secrets `<SECRET>_USER` and `<SECRET>_PASSWORD`; without `secret` there are none.
    `batch_size` of the config is the `chunk_size` of its streams; other keys are those of a stream
    (docs/sql-sources.md).
    """
    first = work.inputs[0]
    if first.store not in _DIALECTS or any(_home(ref) != _home(first) for ref in work.inputs):
        raise Misconfigured(
            f'step "{step.name}" reads {first.store}: inputs are tables of one postgres, mysql or mariadb, or files',
            hint=_INSTEAD.get(first.store, "inputs of another database need a step of their own"),
            at=step.place,
        )
    stream: dict[str, JSON] = {
        "chunk_size" if name == "batch_size" else name: value for name, value in config.items()
    }
    streams: dict[str, JSON] = {}
    for ref in work.inputs:
        if not ref.table:
            raise Misconfigured(f'input "{ref.name}" names no table', at=step.place, step=step.name)
        own: dict[str, JSON] = {"table": f"{ref.schema}.{ref.table}" if ref.schema else ref.table}
        if ref.cursor_field:
            own["cursor_field"] = ref.cursor_field
        if ref.primary_key:
            own["primary_key"] = list(ref.primary_key)
        streams[slug(ref.table.rpartition(".")[2])] = {**stream, **own}
    document: dict[str, JSON] = {
        "type": "sql",
        "source": slug(first.name),
        "url": _url(first),
        "streams": streams,
    }
    if first.secret:
        document["auth"] = {"username": f"{first.secret}_USER", "password": f"{first.secret}_PASSWORD"}
    return document


def _load(
    place: Workplace,
    database: Database,
    source: Source,
    names: list[str],
    task: Task,
    *,
    tables: Mapping[str, str],
) -> dict[str, int]:
    """Load streams into their tables, or into those of `tables`; rows by stream. Raises the gravest error."""
    from src.loading import load_stream

    loaded: dict[str, int] = {}
    failed: dict[str, SluiceError] = {}
    with database.alone(task), place.warehouse.held():
        for name in names:
            try:
                report = load_stream(place, source, name, stop=task.cancelled, into=tables.get(name, ""))
            except SluiceError as error:
                failed[name] = error
            else:
                loaded[name] = report.rows
    _raise(failed, task)
    return loaded


def _raise(failed: Mapping[str, SluiceError], task: Task) -> None:
    for kind in (Violation, SluiceError):
        for name, error in failed.items():
            if isinstance(error, kind):
                raise error.at(stream=name, step=task.step.name)


def _warehouse_is_goal(work: Ingest) -> bool:
    return not work.outputs or any(ref.table for ref in work.outputs)


def _tables(work: Ingest, source: Source) -> dict[str, str]:
    """Where the outputs say the streams go, as `schema.table`: one output for one stream. Raises `Misconfigured`."""
    goals = [f"{ref.schema}.{ref.table}" if ref.schema else ref.table for ref in work.outputs if ref.table]
    names = list(work.streams or source.spec.streams)
    if not goals:
        return {}
    if len(goals) != len(names):
        raise Misconfigured(
            f"{len(names)} streams cannot go into {len(goals)} tables", hint="give each stream an output"
        )
    return dict(zip(names, goals, strict=True))


def _changes(config: Mapping[str, Any]) -> dict[str, str]:
    return {name: as_text(value) for name, value in config.items()}


def _home(ref: Ref) -> tuple[object, ...]:
    return ref.store, ref.url, ref.host, ref.port, ref.database, ref.secret


def _url(ref: Ref) -> str:
    if ref.url:
        return ref.url
    scheme, port = _DIALECTS[ref.store]
    return f"{scheme}://{ref.host}:{ref.port or port}/{ref.database}"
