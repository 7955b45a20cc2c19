"""Steps as tasks of a generated file of Airflow: their settings, when they run, and what waits for what."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import quote

from shared.pipelines.plan import Plan
from shared.pipelines.step import Edge, ForEach, Notifications, Step
from shared.pipelines.targets.airflow_text import Raw, call, python, quoted
from shared.pipelines.targets.airflow_works import Writing, expression
from shared.pipelines.targets.target import Options
from shared.pipelines.work import Container, SubPipeline


def span(seconds: float) -> Raw:
    """A length of time.

    >>> span(5400), span(86400), span(0.5)
    ('timedelta(minutes=90)', 'timedelta(days=1)', 'timedelta(seconds=0.5)')
    """
    for unit, size in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds and seconds % size == 0:
            return Raw(f"timedelta({unit}={int(seconds // size)})")
    return Raw(f"timedelta(seconds={int(seconds) if seconds % 1 == 0 else seconds})")


def asset(event: str, options: Options) -> Raw:
    """The asset (in Airflow 2 the dataset) whose update an event is."""
    kind = "Dataset" if options.engine_version == 2 else "Asset"
    return Raw(f"{kind}({quoted(asset_url(event))})")


def asset_url(event: str) -> str:
    """The URL of an asset: of an object its own, of all else one of this product's.

    >>> asset_url("s3://lake/new files/"), asset_url("pipeline:orders"), asset_url("ready!")
    ('s3://lake/new%20files/', 'sluice://pipelines/orders', 'sluice://events/ready%21')
    """
    if event.startswith("s3://"):
        return quote(event, safe=":/-_.~")
    sort, name = ("pipelines", event[9:]) if event.startswith("pipeline:") else ("events", event)
    return f"sluice://{sort}/" + quote(name, safe="-_.~")


def last_of_all(plan: Plan, behind: frozenset[str]) -> str:
    """The step whose success is that of the run; empty where there is none, or a failure may stop nothing."""
    last = plan.last()
    tolerant = behind or any(step.continue_if_fail or step.condition is not None for step in plan.steps)
    return last[0].name if len(last) == 1 and not tolerant else ""


def gated(steps: Sequence[Step]) -> frozenset[str]:
    """The steps that have to decide by themselves whether they run; for all others Airflow's own rule is right.

    That is so for a step behind one that may be skipped, or may fail without stopping it, or chooses a side.
    """
    found: set[str] = set()
    known = {step.name: step for step in steps}
    for step in steps:
        before = [known[edge.source] for edge in step.needs]
        open_ended = any(
            one.continue_if_fail or one.condition is not None or one.name in found for one in before
        )
        if open_ended or any(edge.side is not None for edge in step.needs):
            found.add(step.name)
    return frozenset(found)


def tasks(steps: Sequence[Step], writing: Writing, indent: int) -> Iterator[str]:
    """The text of all tasks, each with an empty line behind it."""
    for step in steps:
        match step.work:
            case ForEach():
                yield from _foreach(step, step.work, writing, indent)
            case SubPipeline():
                yield _triggered(step, step.work, writing, indent)
            case Container() if not writing.options.local:
                yield _pod(step, step.work, writing, indent)
            case _:
                yield _task(step, writing, indent)


def _task(step: Step, writing: Writing, indent: int) -> str:
    writing.use("step")
    pad = " " * indent
    options = _common(step, writing) | _waits(step, writing) | _attempts(step)
    if writing.inside:
        options["item"] = Raw("item")
    if writing.plan.max_parallel is not None:
        options["defers"] = False  # a task that rests without a worker is none that is at work for Airflow
    head = call("@step", [writing.tasks[step.name]], {**options, **writing.limit}, indent=indent)
    body = expression(step, writing, indent + 4)
    return f"{pad}{head}\n{pad}def {writing.variables[step.name]}(run):\n{pad}    return {body}\n\n"


def _common(step: Step, writing: Writing) -> dict[str, Any]:
    """What every task may have."""
    options: dict[str, Any] = {"doc_md": step.description} if step.description else {}
    if step.name == writing.last:
        options["outlets"] = [asset(f"pipeline:{writing.plan.name}", writing.options)]
    if step.pool:
        options["pool"] = pool_name(writing, step.pool)
    for event, word in (("on_success", "succeeded"), ("on_failure", "failed")):
        told = getattr(step.notifications, event)
        if told:
            message = f'step "{step.name}" of {writing.plan.name} {word}'
            options[f"{event}_callback"] = callbacks(step.notifications, event, message, writing)
    return options


def callbacks(told: Notifications, event: str, message: str, writing: Writing) -> list[Raw]:
    """A call back for everybody who is told."""
    writing.use("tell")
    return [
        Raw(call("tell", [one.method.value, list(one.recipients), one.channel, message], indent=-10_000))
        for one in getattr(told, event)
    ]


def _waits(step: Step, writing: Writing) -> dict[str, Any]:
    """When a step runs: by Airflow's rule (all succeeded), or by its own decision when all have ended."""
    options: dict[str, Any] = {}
    if step.name in writing.gated:
        options["trigger_rule"] = "all_done"
        options["needs"] = tuple(_after(edge, writing) for edge in step.needs)
    if step.condition is not None:
        options["condition"] = Raw(f"lambda run: {writing.condition(step.condition)}")
    if options:
        writing.use("decide")
    return options


def _after(edge: Edge, writing: Writing) -> Raw:
    options: dict[str, Any] = {} if edge.side is None else {"side": edge.side}
    options |= {"passive": True} if edge.passive else {}
    options |= {"tolerated": True} if writing.plan.step(edge.source).continue_if_fail else {}
    return Raw(call("After", [writing.tasks[edge.source]], options, indent=-10_000))


def _attempts(step: Step) -> dict[str, Any]:
    """Retries and timeout of a task of this product's own operator."""
    options: dict[str, Any] = {}
    retry = step.retry
    if retry.count:
        first = retry.delay_after(1)
        options |= {"retries": retry.count, "retry_delay": span(first)}
        if retry.count > 1 and retry.delay_after(retry.count) != first:
            options |= {"backoff": retry.backoff, "max_delay": retry.max_delay_seconds}
    if step.timeout_seconds is not None:
        options["timeout"] = step.timeout_seconds
    return options


def _native(step: Step, writing: Writing) -> dict[str, Any]:
    """Retries and timeout of a provider's operator: by Airflow's own means."""
    options = _common(step, writing)
    if step.retry.count:
        options |= {"retries": step.retry.count, "retry_delay": span(step.retry.delay_after(1))}
        if step.retry.count > 1 and step.retry.backoff != 1:
            factor: Any = True if writing.options.engine_version == 2 else step.retry.backoff
            options["retry_exponential_backoff"] = factor
            options["max_retry_delay"] = span(step.retry.max_delay_seconds)
    if step.timeout_seconds is not None:
        options["execution_timeout"] = span(step.timeout_seconds)
    waits = _waits(step, writing)
    needs, condition = waits.pop("needs", ()), waits.pop("condition", None)
    return options | waits | {"needs": needs, "condition": condition}


def _before(options: dict[str, Any], values: dict[str, Any], writing: Writing, indent: int) -> dict[str, Any]:
    writing.use("before")
    needs, condition = options.pop("needs"), options.pop("condition")
    found = Raw("lambda run: " + python(values, indent + 8))
    return options | {"pre_execute": Raw(call("before", [needs, condition, found], indent=indent + 4))}


def _triggered(step: Step, work: SubPipeline, writing: Writing, indent: int) -> str:
    writing.use("trigger")
    options = _before(_native(step, writing), {"conf": writing.data(work.parameters)}, writing, indent)
    given: dict[str, Any] = {"task_id": writing.tasks[step.name], "trigger_dag_id": work.pipeline}
    given |= (
        {"wait_for_completion": True, "deferrable": writing.plan.max_parallel is None} if work.wait else {}
    )
    text = call("TriggerDagRunOperator", [], given | options, indent=indent)
    return f"{' ' * indent}{writing.variables[step.name]} = {text}\n\n"


def _pod(step: Step, work: Container, writing: Writing, indent: int) -> str:
    writing.use("pod")
    size = {} if work.cpu is None else {"cpu": f"{work.cpu:g}"}
    size |= {} if work.memory is None else {"memory": f"{work.memory}Mi"}
    values: dict[str, Any] = {
        "image": work.image,
        "arguments": Raw(f"[text(word) for word in {python(writing.data(work.command), -10_000)}]"),
        "env_vars": Raw(f"environment({python(writing.data(work.environment), -10_000)})"),
    }
    options = _before(_native(step, writing), values, writing, indent)
    given: dict[str, Any] = {"task_id": writing.tasks[step.name], "name": "sluice-step"}
    given |= {"deferrable": writing.plan.max_parallel is None}
    if size:
        given["container_resources"] = Raw(f"k8s.V1ResourceRequirements(requests={python(size, -10_000)})")
    text = call("KubernetesPodOperator", [], given | options, indent=indent)
    return f"{' ' * indent}{writing.variables[step.name]} = {text}\n\n"


def _foreach(step: Step, work: ForEach, writing: Writing, indent: int) -> Iterator[str]:
    """Three pieces: a task that finds the items, a group that is mapped over them, and a task that ends it."""
    writing.use("gather", "step")
    pad = " " * indent
    task, variable = writing.tasks[step.name], writing.variables[step.name]
    items, each = (writing.variables[f"{step.name}\0{word}"] for word in ("items", "each"))
    items_task, each_task = (writing.tasks[f"{step.name}\0{word}"] for word in ("items", "each"))
    options = _waits(step, writing)
    if writing.plan.max_parallel is not None:
        options["defers"] = False
    head = call("@step", [items_task], options, indent=indent)
    body = call("listed", [writing.data(work.items)], indent=indent + 4)
    yield f"{pad}{head}\n{pad}def {items}(run):\n{pad}    return {body}\n\n"
    inner = Writing(
        writing.plan, writing.options, writing.tasks, writing.variables, gated(work.steps), writing.parts,
        frozenset(one.name for one in work.steps), _limit(step, work, writing),
    )  # fmt: skip
    group = call("@task_group", [], {"group_id": each_task, "prefix_group_id": False}, indent=indent)
    yield f"{pad}{group}\n{pad}def {each}(item):\n"
    yield from tasks(work.steps, inner, indent + 4)
    lines = [f"{pad}    {line}\n" for line in edges(work.steps, inner)]
    yield "".join(lines) + ("\n" if lines else "")
    last = [writing.tasks[one.name] for one in work.steps]
    options = {"trigger_rule": "all_done"} | _common(step, writing)
    head = call("@step", [task], options, indent=indent)
    body = call("gather", [Raw("run"), items_task, last], indent=indent + 4)
    yield f"{pad}{head}\n{pad}def {variable}(run):\n{pad}    return {body}\n\n"
    yield f"{pad}{items} >> {each}.expand(item={items}.output) >> {variable}\n\n"


def _limit(step: Step, work: ForEach, writing: Writing) -> dict[str, Any]:
    """At most so many items at once: of one step by a setting of its task, of several by a pool."""
    if work.max_parallel is None:
        return {}
    if len(work.steps) == 1:
        return {"max_active_tis_per_dagrun": work.max_parallel, "defers": False}
    return {"pool": pool_name(writing, step.name)}


def pool_name(writing: Writing, name: str) -> str:
    """The pool of Airflow for a pool of a plan, or for the items of a foreach."""
    return f"{writing.plan.name}.{writing.tasks.get(name, name)}"


def edges(steps: Sequence[Step], writing: Writing) -> Iterator[str]:
    """One line for what waits for each step."""
    behind: dict[str, list[str]] = {step.name: [] for step in steps}
    for step in steps:
        for source in {edge.source: None for edge in step.needs}:
            behind[source].append(_entry(step, writing))
    for step in steps:
        if after := behind[step.name]:
            goal = after[0] if len(after) == 1 else f"[{', '.join(after)}]"
            yield f"{writing.variables[step.name]} >> {goal}"


def _entry(step: Step, writing: Writing) -> str:
    return writing.variables[f"{step.name}\0items" if isinstance(step.work, ForEach) else step.name]
