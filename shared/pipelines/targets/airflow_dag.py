"""The pipeline as a whole in a generated file of Airflow: head of the file, arguments of the DAG, end of a run."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from shared.pipelines.plan import Plan
from shared.pipelines.schedule import Cron, Event, Once, Rate, Schedule
from shared.pipelines.targets.airflow_tasks import asset, callbacks, span
from shared.pipelines.targets.airflow_text import Raw, call, quoted
from shared.pipelines.targets.airflow_works import Writing
from shared.pipelines.targets.target import Options

_EPOCH = Raw("datetime(2020, 1, 1, tzinfo=timezone.utc)")
"""A start for schedules that have none: in the past and the same for all, so that a file never changes by itself."""

_MODULES = {2: "from airflow.models.dag import DAG", 3: "from airflow.sdk import DAG"}
_PARAM = {2: "from airflow.models.param import Param", 3: "from airflow.sdk import Param"}
_ASSET = {2: "from airflow.datasets import Dataset", 3: "from airflow.sdk import Asset"}
_TIMETABLES = {2: "from airflow.timetables.trigger import ", 3: "from airflow.sdk import "}
_TIMETABLE_NAMES = ("CronTriggerTimetable", "DeltaTriggerTimetable")
_ALWAYS = "from datetime import datetime, timedelta, timezone"

LINES = (
    _ALWAYS,
    *(line for lines in (_MODULES, _PARAM, _ASSET) for line in lines.values()),
    *(f"{lines}{name}" for lines in _TIMETABLES.values() for name in _TIMETABLE_NAMES),
)
"""All that a file may import besides what its pieces need."""


def header(plan: Plan, options: Options) -> str:
    """The first lines. A name in them is a literal, and never in the first two, where Python looks for a coding."""
    version = f"version {quoted(plan.version)}, " if plan.version else ""
    return (
        "# Made by Sluice from a definition. Change that and not this file: it is written anew.\n"
        "# What its parts mean: docs/decisions/0007-plan.md of Sluice.\n"
        f"# pipeline {quoted(plan.name)}, {version}of {quoted(plan.file_name)}\n"
        f"# digest {plan.digest()}, for Airflow {options.engine_version}, layout {options.layout}\n"
    )


def start_of_file(version: int, imports: Iterable[str], text: str) -> str:
    """The imports of the pieces and those that the text of the pipeline needs, in the order of the standard tools."""
    lines = {_MODULES[version], _ALWAYS, *imports}
    for name, line in (("Param", _PARAM), ("Dataset" if version == 2 else "Asset", _ASSET)):
        if f"{name}(" in text and re.search(rf"\b{name}\(", text):
            lines.add(line[version])
    for name in _TIMETABLE_NAMES:
        if f"schedule={name}(" in text:
            lines.add(_TIMETABLES[version] + name)
    known = [_merged(line, lines) for line in sorted(lines)]
    merged = list(dict.fromkeys(known))
    own = [line for line in merged if _is_standard(line)]
    third = [line for line in merged if not _is_standard(line)]
    key = lambda line: (line.startswith("from "), line.split()[1])  # noqa: E731 - the order of isort
    return "\n".join(
        ["from __future__ import annotations", "", *sorted(own, key=key), "", *sorted(third, key=key), ""]
    )


def _merged(line: str, lines: set[str]) -> str:
    """A line for all that is imported from the same module."""
    if not line.startswith("from ") or " as " in line:
        return line
    module = line.partition(" import ")[0]
    names = {
        name.strip()
        for other in lines
        if other.partition(" import ")[0] == module and " as " not in other
        for name in other.partition(" import ")[2].split(",")
    }
    order = sorted(names, key=lambda name: (not name.isupper(), not name[0].isupper(), name))
    return f"{module} import {', '.join(order)}"


def names_of(line: str) -> list[str]:
    """The names that an import brings.

    >>> names_of("from datetime import datetime, timezone"), names_of("import urllib.parse")
    (['datetime', 'timezone'], ['urllib'])
    """
    what = line.partition(" import ")[2] or line.removeprefix("import ")
    return [one.split()[-1].partition(".")[0] for one in what.split(",")]


def _is_standard(line: str) -> bool:
    return not line.split()[1].startswith(("airflow", "kubernetes"))


def dag_head(plan: Plan, writing: Writing) -> str:
    """`with DAG(…) as dag:`, and an empty line."""
    schedule = plan.schedule
    options: dict[str, Any] = {"dag_id": plan.name}
    if plan.description:
        options["description"] = plan.description
    options["schedule"] = _schedule(schedule, writing)
    options["start_date"] = _instant(schedule.start) if schedule and schedule.start else _start(schedule)
    if schedule and schedule.end:
        options["end_date"] = _instant(schedule.end)
    options["catchup"] = bool(schedule and schedule.catch_up)
    if plan.max_runs is not None:
        options["max_active_runs"] = plan.max_runs
    if plan.max_parallel is not None:
        options["max_active_tasks"] = plan.max_parallel
    if plan.deadline_seconds is not None:
        options["dagrun_timeout"] = span(plan.deadline_seconds)
    if plan.owners:
        options["default_args"] = {"owner": ", ".join(owner.name for owner in plan.owners)}
    if plan.parameters:
        writing.use("any")
        options["params"] = {one.name: _parameter(one.default) for one in plan.parameters}
    options["tags"] = [tag[:100] for tag in ("sluice", plan.domain) if tag]
    options["doc_md"] = about(plan)
    for event, word in (("on_success", "succeeded"), ("on_failure", "failed")):
        if getattr(plan.notifications, event):
            message = f"pipeline {plan.name} {word}"
            options[f"{event}_callback"] = callbacks(plan.notifications, event, message, writing)
    return f"with {call('DAG', [], options)} as dag:\n\n"


def _parameter(default: Any) -> Raw:
    return Raw(call("Param", [default], {"type": Raw("ANY")}, indent=-10_000))


def _start(schedule: Schedule | None) -> Raw:
    if schedule and isinstance(schedule.trigger, Once):
        return _instant(schedule.trigger.at)
    return _EPOCH


def _instant(at: Any) -> Raw:
    numbers = [at.year, at.month, at.day, at.hour, at.minute, at.second, at.microsecond]
    while len(numbers) > 3 and numbers[-1] == 0:
        numbers.pop()
    return Raw(f"datetime({', '.join(map(str, numbers))}, tzinfo=timezone.utc)")


def _schedule(schedule: Schedule | None, writing: Writing) -> Any:
    if schedule is None:
        return None
    match schedule.trigger:
        case Cron(expression):
            options = {"timezone": schedule.timezone}
            return Raw(call("CronTriggerTimetable", [expression], options, indent=-10_000))
        case Rate(seconds):
            return Raw(f"DeltaTriggerTimetable({span(seconds)})")
        case Once():
            return "@once"
        case Event(name):
            return [asset(name, writing.options)]


def about(plan: Plan) -> str:
    """What people read above the graph; it ends in a line's end, so that Airflow takes it for no name of a file."""
    lines = [plan.description] if plan.description else []
    people = ", ".join(f"{one.name} <{one.email}>" if one.email else one.name for one in plan.owners)
    facts = {
        "pipeline": plan.name,
        "version": plan.version,
        "domain": plan.domain,
        "owners": people,
        "runs on": plan.resources.compute_cluster,
        "stores in": plan.resources.storage_location,
        "definition": plan.file_name,
    }
    lines.append("\n".join(f"* {name}: {value}" for name, value in facts.items() if value))
    return "\n\n".join(lines) + "\n"


def end_of_run(plan: Plan, writing: Writing) -> str:
    """A last task, which says how the run ended: it fails when a step failed whose failure stopped nothing behind it.

    Empty where the last of all steps does as well.
    """
    if writing.last:
        return ""
    variable, task = writing.variables["run\0ended"], writing.tasks["run\0ended"]
    names = [writing.tasks[step.name] for step in plan.steps]
    last = [writing.variables[step.name] for step in plan.last()]
    writing.use("report", "step")
    options = {"trigger_rule": "all_done", "outlets": [asset(f"pipeline:{plan.name}", writing.options)]}
    head = call("@step", [task], options, indent=4)
    body = call("report", [Raw("run"), names], indent=8)
    before = last[0] if len(last) == 1 else f"[{', '.join(last)}]"
    return f"    {head}\n    def {variable}(run):\n        return {body}\n\n    {before} >> {variable}\n"
