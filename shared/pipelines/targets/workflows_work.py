"""What each kind of step calls in Google Cloud Workflows: executor functions by the protocol, HTTP, other workflows."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from math import ceil
from typing import Any, assert_never
from urllib.parse import quote

from shared.common.errors import Misconfigured
from shared.pipelines.plan import Plan
from shared.pipelines.step import ForEach, Method, Step, Target, work_references
from shared.pipelines.targets.target import Options
from shared.pipelines.targets.workflows_values import Steps, Values
from shared.pipelines.values import Reference, Root, references, resolve
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

LONGEST_CALL = 1800.0
"""Seconds that an HTTP call may take."""
_EXECUTOR = {
    JobService.DATAFLOW: "dataflow-executor",
    JobService.DATAPROC: "dataproc-executor",
    JobService.DATAFORM: "dataform-executor",
    JobService.BIGQUERY: "bigquery-executor",
}


@dataclass(slots=True)
class Works:
    """Makes calls of steps; the library that they use goes into `used`."""

    plan: Plan
    options: Options
    used: set[str]

    def call(self, step: Step, values: Values) -> dict[str, Any]:
        """The call of an attempt. Raises `Misconfigured` for what Cloud Workflows cannot do."""
        match step.work:
            case Job() as job:
                return self._job(step, job, values)
            case Call() as call:
                return self._http(step, call, values)
            case SubPipeline() as sub:
                return self._workflow(step, sub, values)
            case Ingest() | Load() | Transform() | Check():
                return self._product(step, values)
            case Lambda(function):
                raise Misconfigured(
                    f"{step.at('function')} Cloud Workflows cannot invoke {function}, a function of AWS Lambda; give "
                    "it a URL and use type call, or compile for stepfunctions or airflow"
                )
            case Container(image):
                raise Misconfigured(
                    f"{step.at('image')} Cloud Workflows runs no images; let an executor function start {image}, "
                    "as a job"
                )
            case Wait() | Branch() | ForEach():
                raise AssertionError("the writer does these itself")
            case never:
                assert_never(never)

    def _job(self, step: Step, job: Job, values: Values) -> dict[str, Any]:
        start, status = job.start, job.status
        if job.service is not JobService.FUNCTION:
            if job.service in (JobService.GLUE, JobService.ECS):
                raise Misconfigured(
                    f"{step.at('service')} Cloud Workflows cannot run a job of {job.service}; compile for stepfunctions"
                )
            start = status = job.executor or _EXECUTOR[job.service]
        body: dict[str, Any] = {"job_name": values.literal(job.job_name or step.name)}
        if any(True for _ in references(job.properties)):
            given = values.assign(values.value(job.properties))
            body["step_properties"] = f"${{json.encode_to_string({given}, false)}}"
        else:
            body["step_properties"] = values.literal(
                json.dumps(resolve(job.properties, _none), ensure_ascii=False)
            )
        if job.input is not None:
            body["input"] = values.value(job.input)
        limit = job.poll_timeout_seconds or LONGEST_POLL_SECONDS
        if step.timeout_seconds is not None:
            limit = min(limit, step.timeout_seconds)
        poll = max(1, min(ceil(job.poll_seconds), ceil(limit)))
        timeout = _timeout(step, job.call_timeout_seconds)
        return self._run(
            step, start, status or "", body, values, timeout=timeout, poll=poll, limit=ceil(limit)
        )

    def _run(
        self,
        step: Step,
        start: str,
        status: str,
        body: dict[str, Any],
        values: Values,
        *,
        timeout: int,
        poll: int = 30,
        limit: int = 0,
    ) -> dict[str, Any]:
        name = f"run_job_{timeout}"
        self.used |= {name, "named"}
        request = values.assign(body)
        platform = self.options.platform
        through = platform.functions_url + platform.intermediate if platform.intermediate else ""
        url = through or self._url(step, start)
        if status not in ("", start) and not through:
            raise Misconfigured(
                f"{step.at('function')} {start} and {status} are two functions, which only a platform with an "
                "intermediate function can call; give --parameters with pFunctionIntermediateName"
            )
        args = {
            "url": values.literal(url),
            "body": f"${{map.merge(request, {request})}}",
            "start": values.literal(self._url(step, start)),
            "status": values.literal(self._url(step, status)) if status else "",
            "poll": poll,
            "limit": limit,
        }
        return {"call": name, "args": args, "result": f"{values.label}_result"}

    def _url(self, step: Step, function: str) -> str:
        if "://" in function:
            return function
        platform = self.options.platform
        if not platform.project or not platform.region:
            raise Misconfigured(
                f"{step.at('function')} nobody knows where the function {function} is; give --parameters with "
                "pProjectID and pRegion, or name functions by their URLs"
            )
        return platform.functions_url + quote(function, safe="")

    def _product(self, step: Step, values: Values) -> dict[str, Any]:
        """The function of this product that does any step, called as an executor function that needs one call."""
        body: dict[str, Any] = {
            "job_name": values.literal(step.name),
            "step": values.literal(step_document(step)),
        }
        params: dict[str, Any] = {}
        outputs: dict[str, Any] = {}
        for reference in work_references(step.work):
            whole = Reference(reference.root, reference.name)
            match reference.root:
                case Root.PARAMETER:
                    params[values.key(reference.name)] = values.value(whole)
                case Root.STEP:
                    outputs[values.key(reference.name)] = values.value(whole)
                case Root.ITEM:
                    body["item"] = values.value(whole)
                case Root.RUN | Root.SECRET:
                    pass
        run = {name: f"${{run_{name}}}" for name in ("id", "date", "time")}
        body |= {"pipeline": self.plan.name, "run": run, "params": params, "outputs": outputs}
        body["step_properties"] = "{}"
        return self._run(
            step, f"{self.options.app}-step", "", body, values, timeout=_timeout(step, None)
        )  # fmt: skip

    def _http(self, step: Step, call: Call, values: Values) -> dict[str, Any]:
        self.used.add("check_answer")
        name = values.label
        asked = replace(
            values, label=f"{name}_url", steps=[], number=0
        )  # what fails in it is an attempt that fails
        args: dict[str, Any] = {
            "method": call.method,
            "url": asked.url(call.url),
            "timeout": _timeout(step, 60.0 if step.timeout_seconds is None else None),
        }
        if call.headers.items:
            args["headers"] = values.value(call.headers)
        if call.query.items:
            args["query"] = values.value(call.query)
        if call.body is not None:
            args["body"] = f"${{{values.assign(values.value(call.body))}}}"
        answer = f"{name}_answer"
        kept = [{f"{name}_keep": {"assign": [{answer: f"${{{name}_refusal}}"}]}}]
        send = {
            "try": {"call": "http.request", "args": args, "result": answer},
            "except": {"as": f"{name}_refusal", "steps": kept},
        }
        told = {"answer": f"${{{answer}}}", "expect": list(call.expect)}
        check = {"call": "check_answer", "args": told, "result": f"{name}_result"}
        return {"steps": [*asked.steps, {f"{name}_send": send}, {f"{name}_check": check}]}

    def _workflow(self, step: Step, sub: SubPipeline, values: Values) -> dict[str, Any]:
        args: dict[str, Any] = {
            "workflow_id": values.literal(workflow_name(sub.pipeline)),
            "argument": {
                "params": values.value(sub.parameters),
                "time": "${run_time}",
                "date": "${run_date}",
            },
        }
        if not sub.wait:
            raise Misconfigured(
                f"{step.at('wait')} Cloud Workflows waits for what it runs; take out `wait: false`"
            )
        self.used.add("run_workflow")
        return {"call": "run_workflow", "args": args, "result": f"{values.label}_result"}

    def tell(self, label: str, told: tuple[Target, ...], step: Step | None, *, well: bool) -> Steps:
        """Steps that tell people; what goes wrong then is logged and changes nothing."""
        made: Steps = []
        what = f'step "{step.name}" of {self.plan.name}' if step else self.plan.name
        text = f"{what} {'succeeded' if well else 'failed'}"
        place = (step or self.plan).at("notifications")
        for number, target in enumerate(told, start=1):
            if target.method is not Method.WEBHOOK:
                raise Misconfigured(
                    f"{place} Cloud Workflows cannot notify by {target.method}; use a webhook, such as one of Slack"
                )
            for part, url in enumerate(target.recipients, start=1):
                name = f"{label}_{number}_{part}"
                values = Values(name, place, {}, {}, "", self.used)
                args = {"url": values.literal(url), "body": {"text": values.literal(text)}, "timeout": 10}
                log = {
                    "call": "sys.log",
                    "args": {"text": "a notification was not taken", "severity": "WARNING"},
                }
                caught = {"as": f"{name}_e", "steps": [{f"{name}_log": log}]}
                sent = {"try": {"call": "http.post", "args": args}, "except": caught}
                made += [*values.steps, {f"{name}_send": sent}]
        return made


def workflow_name(pipeline: str) -> str:
    """The id of a workflow: 64 letters, digits, underscores and hyphens, a letter first, and no mark at the end.

    Source: `workflowId` of projects.locations.workflows.create.

    >>> workflow_name("orders_daily"), workflow_name("2024-04_orders"), workflow_name("orders.daily")
    ('orders_daily', 'w_2024-04_orders_1bc1f8', 'orders_daily_b5d473')
    """
    from shared.pipelines.names import identifiers

    name = identifiers([pipeline], allowed="A-Za-z0-9_-", longest=200, first="A-Za-z", prefix="w_")[pipeline]
    if name == pipeline and len(name) <= 64 and name[-1].isalnum():
        return name
    return f"{name[:57]}_{hashlib.sha256(pipeline.encode()).hexdigest()[:6]}"  # no other pipeline's


def _none(reference: Reference) -> None:
    """There are no references where this is asked."""


def _timeout(step: Step, own: float | None) -> int:
    given = [seconds for seconds in (own, step.timeout_seconds) if seconds is not None]
    seconds = min(given) if given else LONGEST_CALL
    return max(1, min(ceil(seconds), int(LONGEST_CALL)))
