"""Examples of what a step can do: each is done, and what it leaves is read by a step behind it."""

# ruff: noqa: E501 - a step of a definition is one line

from __future__ import annotations

from typing import Any

from shared.pipelines.targets.target import Feature, TargetName
from tests.shared.pipelines.targets.cells.example import Example

_BY_LAMBDA = dict.fromkeys(
    (TargetName.STEPFUNCTIONS, TargetName.AIRFLOW), "ingest ingest load-acme load-acme after-land"
)


def _streams(rows: int) -> dict[str, Any]:
    return {"plans": {"rows": rows}, "shops": {"rows": 1}}


def look(step: str, path: str) -> str:
    """A step that reads what another one left."""
    return f'{{name: after-{step}, type: check, query: "${{steps.{step}.output.{path}}}"}}'


def job(service: str, *, overrides: bool = False) -> Example:
    """A job of a service, with what it is told; its state is read behind it."""
    config = "{TaskRoleArn: 'd ${run.date}'}"
    line = f"{{name: {service}, type: job, service: {service}, job: {service}, config: %s, poll: 1s}}"
    return Example(
        f"{line % (f'{{Overrides: {config}}}' if overrides else config)}\n{look(service, 'state')}",
        answers={f"{service}?": ["RUNNING", {"state": "SUCCEEDED"}]},
        order=f"{service} {service}? {service}? after-{service}",
        orders={TargetName.STEPFUNCTIONS: f"{service} after-{service}"},
        said={f"after-{service}": "SUCCEEDED", service: {"TaskRoleArn": "d 2026-11-20"}},
        picture=f'["{service}<br/>job"]',
    )


WORK: dict[Feature, Example] = {
    Feature.INGESTION: Example(
        f"""
        {{name: land, type: ingestion, source: acme, streams: [plans, shops]}}
        {look("land", "rows")}
        """,
        answers={
            "ingest": [
                {"source": "acme", "run": "r", "done": done, "streams": _streams(rows)}
                for done, rows in ((False, 1), (True, 2))
            ]
        },
        order="land after-land",
        orders=_BY_LAMBDA,
        said={"after-land": 3},
        picture='["land<br/>ingestion"]',
    ),
    Feature.INGESTION_REFS: Example(
        f"""
        {{name: copy, type: ingestion, inputs: [{{name: a, type: postgres, host: db, table: shops, secret: DB}}], outputs: [{{name: b, type: duckdb, table: raw.shops}}]}}
        {look("copy", "rows")}
        """,
        order="copy after-copy",
        said={
            "copy": {
                "inputs": [
                    {"name": "a", "type": "postgres", "host": "db", "table_name": "shops", "secret": "DB"}
                ],
                "outputs": [{"name": "b", "type": "duckdb", "table_name": "raw.shops"}],
            },
            "after-copy": 3,
        },
        picture='["copy<br/>ingestion"]',
    ),
    Feature.LOAD: Example(
        f"""
        {{name: load-shop, type: load, source: shop}}
        {look("load-shop", "rows")}
        """,
        order="load-shop after-load-shop",
        said={"after-load-shop": 3},
        picture='["load-shop<br/>load"]',
    ),
    Feature.TRANSFORMATION: Example(
        f"""
        {{name: sums, type: transformation, transformation_query: "select ${{params.n}}", outputs: [{{name: o, type: duckdb, table: sums}}]}}
        {look("sums", "rows")}
        """,
        head="parameters: {n: 5}",
        order="sums after-sums",
        said={"sums": "select 5", "after-sums": 3},
        picture='["sums<br/>transformation"]',
    ),
    Feature.CHECK: Example(
        """
        {name: is-right, type: check, query: "select 1 where false"}
        {name: all-of-it, type: check, source: acme, streams: [plans], depends_on: [is-right]}
        """,
        order="is-right all-of-it",
        picture='["is-right<br/>check"]',
    ),
    Feature.CALL: Example(
        f"""
        {{name: ask, type: call, method: POST, url: "@/ask", body: {{day: "${{run.date}}", n: 5}}}}
        {look("ask", "body.rows")}
        """,
        order="ask after-ask",
        said={"ask": {"day": "2026-11-20", "n": 5}, "after-ask": 3},
        picture='["ask<br/>call"]',
    ),
    Feature.LAMBDA: Example(
        f"""
        {{name: shrink, type: lambda, function: shrink, payload: {{n: "${{params.n}}"}}}}
        {look("shrink", "rows")}
        """,
        head="parameters: {n: 5}",
        order="shrink after-shrink",
        said={"shrink": {"n": 5}, "after-shrink": 3},
        picture='["shrink<br/>lambda"]',
    ),
    Feature.CONTAINER: Example(
        f"""
        {{name: train, type: container, image: "acme/train:1", command: [train, "${{run.date}}"], environment: {{DAY: "d ${{run.date}}"}}, cpu: 0.5, memory: 512}}
        {look("train", "exit_code")}
        """,
        answers={"train": [{"exit_code": 0}]},
        order="train after-train",
        said={"after-train": 0},
        picture='["train<br/>container"]',
    ),
    Feature.JOB_FUNCTION: Example(
        f"""
        {{name: flow, type: job, service: function, function: "@starter", config: {{n: "${{params.n}}"}}, poll: 1s, poll_timeout: 1m}}
        {look("flow", "state")}
        """,
        head="parameters: {n: 5}",
        answers={"flow?": ["RUNNING", {"state": "DONE"}]},
        order="flow flow? flow? after-flow",
        orders={TargetName.DAGFACTORY: "flow after-flow"},
        said={"after-flow": "DONE"},
        waited=[1, 1],
        picture='["flow<br/>job"]',
    ),
    Feature.JOB_DATAFLOW: job("dataflow"),
    Feature.JOB_DATAPROC: job("dataproc"),
    Feature.JOB_DATAFORM: job("dataform"),
    Feature.JOB_BIGQUERY: job("bigquery"),
    Feature.JOB_GLUE: job("glue"),
    Feature.JOB_ECS: job("ecs", overrides=True),
    Feature.WAIT: Example(
        """
        {name: before-pause, type: check, query: one}
        {name: pause, type: wait, duration: 1s, depends_on: [before-pause]}
        {name: after-pause, type: check, query: "${steps.pause.output}", depends_on: [pause]}
        """,
        order="before-pause after-pause",
        said={"after-pause": None},
        waited=[1],
        picture='["pause<br/>wait"]',
    ),
    Feature.WAIT_UNTIL: Example(
        """
        {name: before-not-yet, type: check, query: one}
        {name: long-ago, type: wait, until: "2026-01-01T00:00:00Z", depends_on: [before-not-yet]}
        {name: not-yet, type: wait, until: "${params.at}", depends_on: [long-ago]}
        {name: after-not-yet, type: check, query: two, depends_on: [not-yet]}
        """,
        head="parameters: {at: null}",
        given={"at": "SOON"},
        order="before-not-yet after-not-yet",
        picture='["not-yet<br/>wait"]',
    ),
    Feature.SUBPIPELINE: Example(
        """
        {name: next, type: pipeline, pipeline: other, parameters: {day: "${run.date}", n: "${params.n}"}}
        {name: after-next, type: check, query: two, depends_on: [next]}
        """,
        head="parameters: {n: 5}",
        order="other after-next",
        said={"other": {"day": "2026-11-20", "n": 5}},
        picture='["next<br/>pipeline"]',
    ),
    Feature.ONLY_STARTED: Example(
        """
        {name: only, type: pipeline, pipeline: other, parameters: {n: "${params.n}"}, wait: false}
        {name: after-only, type: check, query: two, depends_on: [only]}
        """,
        head="parameters: {n: 5}",
        ran="after-only",
        picture="other, only started",
    ),
}
"""`other` is a pipeline with one step of that name, which says the parameters that it was started with."""
