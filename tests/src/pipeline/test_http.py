"""Calls and jobs against a server on this machine: the protocol of executor functions, states, faults."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from shared.common.errors import Misconfigured, Refused, SluiceError, Transient
from shared.common.fakes import DictSecrets
from shared.pipelines.platform import Platform
from shared.pipelines.read import read_definition
from shared.pipelines.runner.executor import Task
from shared.pipelines.runner.orders import Ticket
from shared.pipelines.runner.scope import RunFacts, Scope, looker
from src.pipeline.http import Functions, call, request

Answer = Callable[[dict[str, Any]], tuple[int, Any]]
FACTS = RunFacts("run-1", "demo", "2026-11-20", "2026-11-20T10:15:00Z")


@contextmanager
def serving(
    answer: Answer, headers: dict[str, str] | None = None
) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """A server that answers every request with what `answer` makes of it; the requests are kept."""
    asked: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            heard = {
                "path": self.path,
                "body": json.loads(body) if body else None,
                "auth": self.headers["Authorization"],
            }
            asked.append(heard)
            status, found = answer(heard)
            content = found if isinstance(found, bytes) else json.dumps(found).encode()
            self.send_response(status)
            self.send_header("Content-Type", "text/plain" if isinstance(found, bytes) else "application/json")
            self.send_header("Content-Length", str(len(content)))
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST  # noqa: N815 - the library's name

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/", asked
    finally:
        server.shutdown()
        server.server_close()


def task(step: str, **parameters: Any) -> Task:
    text = f"pipeline:\n  name: demo\n  parameters: {{n: 3, base: null, x: null}}\n  steps:\n    - {{{step}}}"
    found = read_definition(text, file="p.yaml").steps[0]
    known = {"n": 3, **parameters}
    look_up = looker(Scope("", ()), FACTS, known)
    secrets = DictSecrets({"TOKEN": "t0p"})
    return Task(found, Ticket("j", 1), FACTS, known, look_up, secrets, threading.Event())


JOB = "name: j, type: job, service: function, function: starter, status_function: asker, poll: 10ms, poll_timeout: {most}, config: {{a: ['${{params.n}}']}}, input: '${{run.date}}'"  # fmt: skip  # noqa: E501


def job(states: list[Any], most: str = "1s", **platform: str) -> tuple[Any, list[dict[str, Any]]]:
    left = list(states)
    with serving(
        lambda heard: (200, {"id": 17} if heard["body"]["call_type"] == "get_id" else left.pop(0))
    ) as (url, asked):
        functions = Functions(Platform(**platform), url, {"Authorization": "Bearer o"})
        return functions.job(task(JOB.format(most=most), start_date="2026-01-01")), asked


def test_a_value_in_a_url_stays_in_its_place() -> None:
    step = "name: c, type: call, url: '${params.base}/of/${params.x}/end?q=${params.x}'"
    with serving(lambda heard: (200, {})) as (url, asked):
        given = {"base": f"{url}v1", "x": "../../x?y=1#é"}
        call(task(step, **given))
        with pytest.raises(Misconfigured, match="another path"):
            call(task(step, **{**given, "x": ".."}))

    piece = "..%2F..%2Fx%3Fy%3D1%23%C3%A9"
    assert [f"/v1/of/{piece}/end?q={piece}"] == [one["path"] for one in asked]


@pytest.mark.parametrize("last", ["DONE", "SUCCESS", "SUCCEEDED", "JOB_STATE_DONE", "success"])
def test_a_job_is_polled_until_it_succeeds(last: str) -> None:
    found, asked = job(["PENDING", {"state": "RUNNING"}, "JOB_STATE_QUEUED", last])

    assert {"id": "17", "state": last} == found
    assert ["/starter", *["/asker"] * 4] == [one["path"] for one in asked]


def test_the_protocol_says_who_asks_for_what() -> None:
    _, asked = job(["DONE"], intermediate="between")

    body = asked[1]["body"]
    assert ["/between", "/between"] == [one["path"] for one in asked]
    assert "Bearer o" == asked[0]["auth"]
    assert asked[0]["body"] == {k: v for k, v in body.items() if k != "async_job_id"} | {
        "call_type": "get_id",
        "function_url_to_call": body["function_url_to_call"].replace("asker", "starter"),
    }
    assert {
        "call_type": "get_status",
        "workflow_name": "demo",
        "execution_id": "run-1",
        "job_name": "j",
        "query_variables": {"start_date": "2026-01-01", "end_date": "2026-11-20"},
        "workflow_properties": {},
        "step_properties": '{"a": [3]}',
        "input": "2026-11-20",
        "async_job_id": "17",
    } == {name: value for name, value in body.items() if name != "function_url_to_call"}


@pytest.mark.parametrize("state", ["FAILED", "CANCELLED", "done", "load_error_log", "JOB_STATE_FAILED"])
def test_any_other_state_is_a_failure_and_ends_the_polling(state: str) -> None:
    with pytest.raises(Refused, match=f"job 17 ended in state {state}"):
        job(["RUNNING", state])


def test_polling_ends_when_its_time_is_over() -> None:
    with pytest.raises(Transient, match=r"was still RUNNING after 0\.03 s"):
        job(["RUNNING"] * 50, most="30ms")


@pytest.mark.parametrize("answer", [{"stat": "x"}, None, True, "", {"state": {}}])
def test_an_answer_without_a_state_is_a_failure(answer: Any) -> None:
    with pytest.raises(Transient, match="answered neither state nor status"):
        job([answer])


def test_one_call_is_the_whole_of_a_sync_job() -> None:
    with serving(lambda heard: (200, {"rows": 3})) as (url, asked):
        found = Functions(base_url=url).job(
            task("name: j, type: job, service: function, function: once, sync: true")
        )

    assert {"rows": 3} == found
    assert 1 == len(asked)


def test_without_a_place_for_functions_nothing_is_called() -> None:
    with pytest.raises(Misconfigured, match="nobody knows where executor functions are"):
        Functions().job(task("name: j, type: job, service: function, function: f"))
    with pytest.raises(Misconfigured, match="a job of glue is not run here"):
        Functions().job(task("name: j, type: job, service: glue, job: f"))


def test_a_call_sends_what_it_says_and_gives_status_and_body() -> None:
    with serving(
        lambda heard: (201, {"got": heard["body"], "auth": heard["auth"], "path": heard["path"]})
    ) as (url, _):
        step = "name: c, type: call, method: POST, url: '{url}x', headers: {{Authorization: 'Bearer ${{secrets.TOKEN}}'}}, query: {{q: '${{params.n}}'}}, body: {{n: '${{params.n}}', t: 'é ${{run.id}}'}}"  # fmt: skip  # noqa: E501
        found = call(task(step.format(url=url)))

    assert {
        "status": 201,
        "body": {"got": {"n": 3, "t": "é run-1"}, "auth": "Bearer t0p", "path": "/x?q=3"},
    } == found


@pytest.mark.parametrize(
    ("status", "error"), [(404, Refused), (301, Refused), (503, Transient), (429, Transient)]
)
def test_an_unexpected_status_is_a_failure_without_the_query_in_its_message(
    status: int, error: type[SluiceError]
) -> None:
    with serving(lambda heard: (status, b"why")) as (url, _):
        with pytest.raises(error, match=rf"/x answered {status}: why$"):
            call(task(f"name: c, type: call, url: '{url}x?token=abc'"))
        assert {"status": status, "body": "why"} == call(
            task(f"name: c, type: call, url: '{url}x', expect: [{status}]")
        )


def test_nobody_there_may_pass_and_no_url_may_not() -> None:
    with pytest.raises(Transient, match=r"no answer from http://127\.0\.0\.1:9/a: ConnectionError"):
        request("GET", "http://u:p@127.0.0.1:9/a?b", seconds=1)
    with pytest.raises(Misconfigured, match="is no URL"):
        request("GET", "nothing", seconds=1)
