"""JSON with expressions of Jinja in it: how tasks of dag-factory get what only a run knows."""

from __future__ import annotations

import json
import re
from dataclasses import replace

from shared.pipelines.step import Step, work_references
from shared.pipelines.targets.airflow_works import Writing, function_url
from shared.pipelines.values import ListOf, Literal, MapOf, Reference, Root, Template, Value
from shared.pipelines.work import Job, SubPipeline, Wait
from shared.pipelines.write import step_document

_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_UNSAFE = re.compile(r"[^A-Za-z0-9_. /:-]")
_AT = "(logical_date or dag_run.run_after).astimezone(macros.dateutil.tz.gettz({}))"


def literal(data: object) -> str:
    r"""JSON in which no text begins anything of Jinja.

    >>> print(literal({"a": "{{ x }}"}))
    {"a": "\u007b\u007b x }}"}
    """
    text = _STRING.sub(lambda found: found[0].replace("{", "\\u007b"), json.dumps(data, ensure_ascii=True))
    # A brace behind a brace is one of Jinja's too, and only at the beginning of an empty object in an object.
    return text.replace("{{", "{ {")


def name(text: str) -> str:
    """Text inside of an expression: what is no letter of ASCII is an escape."""
    return '"' + _UNSAFE.sub(lambda found: f"\\U{ord(found[0]):08x}", text) + '"'


def expression(reference: Reference, writing: Writing) -> str:
    """The expression for a reference without a path, which gives JSON."""
    match reference.root:
        case Root.PARAMETER:
            return f"{{{{ params[{name(reference.name)}] | tojson }}}}"
        case Root.STEP:
            return _output(reference.name, writing)
    zone = writing.plan.schedule.timezone if writing.plan.schedule else "UTC"
    match reference.name:
        case "id":
            return "{{ run_id | tojson }}"
        case "date":
            return f"{{{{ {_AT.format(name(zone))}.date().isoformat() | tojson }}}}"
        case "time":
            utc = _AT.format(name("UTC"))
            return f'{{{{ {utc}.isoformat().replace({name("+00:00")}, "Z") | tojson }}}}'
    return literal(writing.plan.name)


def _output(step: str, writing: Writing) -> str:
    """What a step left, by what its operator pushes: the text of an answer, or the last line of a command."""
    task = name(writing.tasks[step])
    match writing.plan.step(step).work:
        case SubPipeline():
            return f'{{"run_id": {{{{ ti.xcom_pull(task_ids={task}, key="trigger_run_id") | tojson }}}}}}'
        case Wait():
            return "null"
    if writing.options.local:
        return f'{{{{ macros.json.loads(ti.xcom_pull(task_ids={task}) or "null")["output"] | tojson }}}}'
    return f'{{{{ ti.xcom_pull(task_ids={task}) or "null" }}}}'


def jinja_json(value: Value, writing: Writing) -> str:
    """A value as JSON with expressions. Text with references in it, and paths, are none that this can say."""
    match value:
        case Literal(data):
            return literal(data)
        case Reference():
            return expression(value, writing)
        case ListOf(items):
            return "[" + ", ".join(jinja_json(item, writing) for item in items) + "]"
        case MapOf(pairs):
            inner = ", ".join(f"{literal(key)}: {jinja_json(item, writing)}" for key, item in pairs)
            return f"{{ {inner} }}" if inner else "{}"
        case Template():
            raise TypeError("a template is refused before")


def document_of(step: Step, writing: Writing) -> str:
    """What `sluice pipeline step` takes, as JSON with expressions for what the step refers to."""
    if isinstance(step.work, Job):
        work = step.work
        start = function_url(work.start, writing.options)
        status = None if work.status is None else function_url(work.status, writing.options)
        step = replace(step, work=replace(work, start=start, status=status))
    given = step_document(step)
    given.pop("timeout", None)  # the task has it
    params: dict[str, str] = {}
    outputs: dict[str, str] = {}
    for reference in work_references(step.work):
        found = {Root.PARAMETER: params, Root.STEP: outputs}.get(reference.root)
        if found is not None:
            found[reference.name] = expression(Reference(reference.root, reference.name), writing)
    run = {key: expression(Reference(Root.RUN, key), writing) for key in ("id", "date", "time")}
    parts = {
        "step": literal(given),
        "pipeline": literal(writing.plan.name),
        "run": _object(run),
        "params": _object(params),
        "outputs": _object(outputs),
    }
    return _object(parts)


def _object(parts: dict[str, str]) -> str:
    """An object of texts that are JSON already; with spaces, since two braces are one of Jinja's."""
    inner = ", ".join(f"{literal(key)}: {text}" for key, text in parts.items())
    return f"{{ {inner} }}" if inner else "{}"
