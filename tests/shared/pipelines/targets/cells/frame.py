"""Examples of what a pipeline says of itself: whom it tells, how much runs at once, when it runs, whose it is."""

from __future__ import annotations

from shared.pipelines.targets.target import Feature
from tests.shared.pipelines.targets.cells.example import Broken, Example

_ONE = "{name: a, type: check, query: one}"
_FOUR = "\n".join(f"{{name: {name}, type: check, query: one}}" for name in "abcd")


def told(method: str) -> Example:
    """A step that succeeds, one that fails, and so the run: each of them is told."""
    to = f"[{{method: {method}}}]"
    return Example(
        f"""
        {{name: a, type: check, query: one, notifications: {{on_success: {to}, on_failure: {to}}}}}
        {{name: b, type: check, query: one, notifications: {{on_success: {to}, on_failure: {to}}}, depends_on: [a]}}
        """,
        head=f"""
        owners: [{{name: data, email: data(at)example.com}}]
        notifications: {{on_success: {to}, on_failure: {to}}}
        """,
        answers={"b": [Broken("it is so")]},
        order="a b",
        ends="failed",
        told=['step "a" of PIPELINE succeeded', 'step "b" of PIPELINE failed', "PIPELINE failed"],
        picture=f"tells {method.partition(',')[0]}",
    )


def scheduled(kind: str, expression: str, more: str = "", picture: str = "") -> Example:
    return Example(
        _ONE,
        head=f'schedule: {{type: {kind}, expression: "{expression}"{more}}}',
        order="a",
        picture=picture,
    )


FRAME: dict[Feature, Example] = {
    Feature.NOTIFY_SLACK: told('slack, channel: "#data"'),
    Feature.NOTIFY_EMAIL: told("email, recipients: [oncall(at)example.com]"),
    Feature.NOTIFY_WEBHOOK: told('webhook, recipients: ["@/hook"]'),
    Feature.POOLS: Example(
        """
        {name: a, type: check, query: one, pool: db}
        {name: b, type: check, query: one, pool: db}
        {name: c, type: check, query: one, pool: db}
        {name: d, type: check, query: one}
        """,
        head="pools: {db: 2}",
        ran="a b c d",
        hold=0.1,
        together="a b c",
        most=2,
        picture="pool db, of 2",
    ),
    Feature.MAX_PARALLEL: Example(
        _FOUR,
        head="max_parallel: 2",
        ran="a b c d",
        hold=0.1,
        most=2,
        picture="at most 2 steps at once",
    ),
    Feature.MAX_RUNS: Example(_ONE, head="max_runs: 3", order="a", picture="at most 3 runs at once"),
    Feature.CRON: scheduled("cron", "30 2 * * 1-5", picture="p: cron 30 2 * * 1-5 UTC"),
    Feature.RATE: scheduled("rate", "90 minutes", picture="p: every 90 minutes"),
    Feature.ONCE: scheduled("once", "2031-01-01T06:00:00Z", picture="p: once at 2031-01-01T06:00:00+00:00"),
    Feature.EVENT: scheduled("event", "pipeline:orders", picture="p: on pipeline:orders"),
    Feature.TIME_ZONE: scheduled(
        "cron", "30 2 * * *", ", timezone: Europe/Berlin", "p: cron 30 2 * * * Europe/Berlin"
    ),
    Feature.CATCH_UP: scheduled(
        "cron",
        "30 2 * * *",
        ", catch_up: true, start: 2026-01-01",
        "missed runs since 2026-01-01T00:00:00Z are made up for",
    ),
    Feature.BOUNDS: scheduled(
        "cron",
        "30 2 * * *",
        ', start: 2031-01-01, end: "2031-01-02T12:00:00Z"',
        "from 2031-01-01T00:00:00Z to 2031-01-02T12:00:00Z",
    ),
    Feature.DEADLINE: Example(
        """
        {name: a, type: check, query: one}
        {name: pause, type: wait, duration: 3s, depends_on: [a]}
        {name: after, type: check, query: two, depends_on: [pause]}
        """,
        head="deadline: 2s",
        real=True,
        order="a",
        ends="failed",
        picture="a run at most 2 s",
    ),
    Feature.OWNERS: Example(
        _ONE,
        head="""
        version: "1.2.3"
        domain: sales
        description: "Orders of the day"
        owners: [{name: data-platform, email: data(at)example.com}]
        """,
        order="a",
        picture="owner data-platform <data(at)example.com>".replace("(at)", "@"),
    ),
    Feature.RESOURCES: Example(
        text="pipeline:\n  name: p\n  steps:\n    - "
        + _ONE
        + "\nresources: {compute_cluster: blue, storage_location: 's3://lake/x/'}\n",
        order="a",
        picture="runs on blue, stores in s3://lake/x/",
    ),
}
