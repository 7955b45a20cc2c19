"""Calls and jobs over HTTP: one request, or the protocol by which executor functions start jobs and tell their
state.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

from shared.common.errors import Misconfigured, Refused, Transient
from shared.common.types import JSON
from shared.pipelines.platform import Platform
from shared.pipelines.runner.executor import Task
from shared.pipelines.values import as_text
from shared.pipelines.work import (
    LONGEST_POLL_SECONDS,
    RUNNING_STATES,
    SUCCEEDED_STATES,
    Call,
    Job,
    JobService,
)

_CALL_SECONDS = 60.0
_MOST_BYTES = 10_000_000
_REDIRECTS = range(300, 400)


def call(task: Task) -> JSON:
    """Do a call step. Raises `Refused` or `Transient` for a status that is not expected."""
    work = task.step.work
    assert isinstance(work, Call)
    body = None if work.body is None else task.value(work.body)
    headers = {name: as_text(value) for name, value in task.value(work.headers).items()}
    data: bytes | None = None
    if body is not None:
        data = body.encode() if isinstance(body, str) else json.dumps(body, ensure_ascii=False).encode()
        if not isinstance(body, str) and not any(name.lower() == "content-type" for name in headers):
            headers["Content-Type"] = "application/json"
    query = {name: as_text(value) for name, value in task.value(work.query).items()}
    url = task.url(work.url)
    status, answer = request(
        work.method, url, headers=headers, query=query, data=data, seconds=_seconds(task)
    )
    if not (status in work.expect if work.expect else 200 <= status < 300):
        raise _bad(status, url, answer)
    return {"status": status, "body": answer}


def request(
    method: str,
    url: str,
    *,
    seconds: float,
    headers: Mapping[str, str] | None = None,
    query: Mapping[str, str] | None = None,
    data: bytes | None = None,
) -> tuple[int, JSON]:
    """Status and body of an answer; redirects are not followed, since they would carry credentials elsewhere.

    Raises `Transient` where nobody answers in time, `Misconfigured` for what is no URL.
    """
    import requests

    try:
        with requests.request(
            method, url, headers=dict(headers or {}), params=dict(query or {}), data=data,
            timeout=(min(10.0, seconds), seconds), allow_redirects=False, stream=True,
        ) as response:  # fmt: skip
            content = response.raw.read(_MOST_BYTES + 1, decode_content=True)
            kind = response.headers.get("Content-Type", "")
            status = int(response.status_code)
    except (
        requests.exceptions.InvalidURL,
        requests.exceptions.MissingSchema,
        requests.exceptions.InvalidSchema,
    ):
        raise Misconfigured(f'"{_bare(url)}" is no URL', hint="such as https://api.example.com/v1") from None
    except (requests.exceptions.RequestException, OSError) as error:
        raise Transient(f"no answer from {_bare(url)}: {type(error).__name__}") from error
    if len(content) > _MOST_BYTES:
        raise Transient(f"the answer of {_bare(url)} is longer than {_MOST_BYTES:,} bytes")
    text = content.decode("utf-8", "replace")
    if "json" in kind:
        try:
            answer: JSON = json.loads(text)
        except ValueError:
            raise Transient(f"the answer of {_bare(url)} says that it is JSON and is none") from None
        return status, answer
    return status, text


@dataclass(frozen=True, slots=True)
class Functions:
    """Executor functions: those with a URL are called as they are, names are found on the platform.

    On a platform, calls go to its intermediate function, which passes them on. `headers` sign them in.
    """

    platform: Platform = field(default_factory=Platform)
    base_url: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)

    def job(self, task: Task) -> JSON:
        """Do a job step: start it, ask for its state until it ends. Raises `Refused` for a state of failure."""
        work = task.step.work
        assert isinstance(work, Job)
        if work.service is not JobService.FUNCTION:
            raise Misconfigured(
                f"a job of {work.service} is not run here", hint="compile it, or use an executor function",
                step=task.step.name, at=task.step.place,
            )  # fmt: skip
        answer = self._ask(task, work, work.start, "get_id")
        if work.status is None:
            return answer
        job = _field(answer, "async_job_id", "id", "job_id")
        limit = work.poll_timeout_seconds or LONGEST_POLL_SECONDS
        waited = 0.0
        while True:
            if not task.rest(min(work.poll_seconds, max(0.0, limit - waited))):
                raise Transient(f"job {job} was left while it was running", step=task.step.name)
            waited += work.poll_seconds
            state = _field(self._ask(task, work, work.status, "get_status", job), "state", "status")
            if state in SUCCEEDED_STATES:
                return {"id": job, "state": state}
            if state not in RUNNING_STATES:
                raise Refused(f"job {job} ended in state {state[:200]}", kind=state[:80], step=task.step.name)
            if waited >= limit:
                raise Transient(f"job {job} was still {state} after {limit:g} s", step=task.step.name)

    def _ask(self, task: Task, work: Job, function: str, call_type: str, job: str | None = None) -> JSON:
        where = function if "://" in function else self._base() + quote(function, safe="")
        parameters = dict(task.parameters)
        body: dict[str, JSON] = {
            "call_type": call_type,
            "workflow_name": task.facts.pipeline,
            "execution_id": task.facts.id,
            "job_name": work.job_name or task.step.name,
            "function_url_to_call": where,
            "query_variables": {
                name: parameters.get(name) or task.facts.date for name in ("start_date", "end_date")
            },
            "workflow_properties": parameters.get("workflow_properties") or {},
            "step_properties": json.dumps(task.value(work.properties), ensure_ascii=False),
        }
        if work.input is not None:
            body["input"] = task.value(work.input)
        if job is not None:
            body["async_job_id"] = job
        url = self._base() + self.platform.intermediate if self.platform.intermediate else where
        status, answer = request(
            "POST", url, headers={"Content-Type": "application/json", **self.headers},
            data=json.dumps(body, ensure_ascii=False).encode(), seconds=work.call_timeout_seconds or _seconds(task),
        )  # fmt: skip
        if not 200 <= status < 300:
            raise _bad(status, url, answer)
        return answer

    def _base(self) -> str:
        if self.base_url:
            return self.base_url.rstrip("/") + "/"
        if self.platform.project and self.platform.region:
            return self.platform.functions_url
        raise Misconfigured(
            "nobody knows where executor functions are",
            hint="give --functions URL, or --parameters FILE of the platform",
        )


def _field(answer: JSON, *names: str) -> str:
    """An id or a state: the answer itself, or a field of it."""
    if isinstance(answer, dict):
        answer = next((answer[name] for name in names if answer.get(name) is not None), None)
    if not isinstance(answer, str | int) or isinstance(answer, bool) or answer == "":
        raise Transient(f"an executor function answered neither {' nor '.join(names)}")
    return str(answer).strip().strip('"')


def _seconds(task: Task) -> float:
    return min(task.step.timeout_seconds or _CALL_SECONDS, 1800.0)


def _bad(status: int, url: str, answer: JSON) -> Exception:
    text = as_text(answer)[:300]
    if status == 429 or status >= 500:
        return Transient(f"{_bare(url)} answered {status}: {text}")
    return Refused(f"{_bare(url)} answered {status}: {text}", status=status)


def _bare(url: str) -> str:
    """A URL without what may be secret in it."""
    head = url.partition("?")[0]
    scheme, mark, rest = head.partition("://")
    return f"{scheme}{mark}{rest.rpartition('@')[2]}"
