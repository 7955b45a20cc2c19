"""Kinds that work in AWS: what they send, what they make of the answer, and what a second attempt does."""

from __future__ import annotations

import base64
import io
import json
import sys
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import boto3
import pytest
from moto import mock_aws

from shared.common.errors import Misconfigured, Refused, Transient
from shared.common.fakes import FakeClock
from shared.orchestrator.doors import Run
from shared.orchestrator.event import Event, Operation
from shared.orchestrator.faults import Declined, Failed, NonZeroExit, TimedOut
from shared.orchestrator.inputs.queue import Receiver
from shared.orchestrator.policy import hopeless
from shared.orchestrator.processes.execution import Execution
from shared.orchestrator.processes.lambda_function import Function
from shared.orchestrator.processes.product import IngestProcess, LoadProcess, PipelineProcess
from shared.orchestrator.processes.task import Task, TaskContext
from shared.orchestrator.settings import Surroundings

EVENT = Event("public.orders", Operation.CREATE, "7", "writes", {"total": 3})


class Answered(Exception):
    """An error as boto3 raises it."""

    def __init__(self, code: str, text: str = "") -> None:
        super().__init__(f"{code} {text}")
        self.response = {"Error": {"Code": code, "Message": text}}


def run(attempt: int = 1, timeout: float = 60.0) -> Run:
    return Run("p", "key-of-the-pair", attempt, timeout)


class Lambda:
    def __init__(
        self, *, body: str = '{"ok": true}', failed: bool = False, error: Exception | None = None
    ) -> None:
        self.body, self.failed, self.error = body, failed, error
        self.asked: list[dict[str, Any]] = []

    def invoke(self, **asked: Any) -> dict[str, Any]:
        self.asked.append(asked)
        if self.error:
            raise self.error
        more = {"FunctionError": "Unhandled"} if self.failed else {}
        log = base64.b64encode(b"START END").decode()
        return {"Payload": io.BytesIO(self.body.encode()), "LogResult": log, **more}


def test_a_function_gets_the_event_and_the_key_and_its_answer_is_the_log() -> None:
    api = Lambda()

    status = Function("p", "count", "live", lambda service: api).execute(EVENT, run())

    assert {**EVENT.to_plain(), "key": "key-of-the-pair"} == json.loads(api.asked[0]["Payload"])
    assert ("count", "live") == (api.asked[0]["FunctionName"], api.asked[0]["Qualifier"])
    assert 'START END\n{"ok": true}' == status.logs


def test_a_function_that_raises_has_failed_in_its_own_words() -> None:
    api = Lambda(body='{"errorType": "ValueError", "errorMessage": "no total"}', failed=True)

    with pytest.raises(Failed, match="ValueError: no total"):
        Function("p", "count", "", lambda service: api).execute(EVENT, run())


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (Answered("AccessDeniedException"), Refused),
        (Answered("ResourceNotFoundException", "no such function"), Misconfigured),
        (Answered("TooManyRequestsException"), Transient),
        (OSError("reset"), Transient),
    ],
)
def test_what_aws_refuses_is_told_by_who_must_act(error: Exception, kind: type[Exception]) -> None:
    with pytest.raises(kind, match="not invoked"):
        Function("p", "count", "", lambda service: Lambda(error=error)).execute(EVENT, run())


ROLE = "arn:aws:iam::123456789012:role/r"


@pytest.fixture
def states(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws(config={"stepfunctions": {"execute_state_machine": True}}):
        yield boto3.client("stepfunctions", region_name="eu-west-1")


def machine(api: Any, name: str, **state: Any) -> str:
    definition = {"StartAt": "A", "States": {"A": state}}
    made = api.create_state_machine(name=name, definition=json.dumps(definition), roleArn=ROLE)
    return str(made["stateMachineArn"])


def execution(api: Any, arn: str) -> Execution:
    return Execution("p", arn, 0.1, lambda service: api, FakeClock())


def test_an_execution_gets_the_event_and_a_second_attempt_finds_it(states: Any) -> None:
    arn = machine(states, "well", Type="Pass", End=True)

    first = execution(states, arn).execute(EVENT, run())
    again = execution(states, arn).execute(EVENT, run(attempt=2))

    assert first.logs == again.logs
    (one,) = states.list_executions(stateMachineArn=arn)["executions"]
    found = json.loads(states.describe_execution(executionArn=one["executionArn"])["input"])
    assert {**EVENT.to_plain(), "key": "key-of-the-pair"} == found


def test_an_execution_that_failed_is_followed_by_another_one(states: Any) -> None:
    arn = machine(states, "ill", Type="Fail", Error="NoTotal", Cause="it has none")

    for attempt in (1, 2):
        with pytest.raises(Failed, match="NoTotal it has none"):
            execution(states, arn).execute(EVENT, run(attempt=attempt))

    assert 2 == len(states.list_executions(stateMachineArn=arn)["executions"])


def test_what_comes_back_from_the_dead_letters_begins_a_new_execution(states: Any) -> None:
    """Its attempts begin at 1 again, and the names of those are taken by executions that failed."""
    arn = machine(states, "sick", Type="Fail", Error="NoTotal", Cause="it has none")

    for _ in range(3):
        with pytest.raises(Failed, match="NoTotal"):
            execution(states, arn).execute(EVENT, run(attempt=1))

    assert 3 == len(states.list_executions(stateMachineArn=arn)["executions"])


def test_an_execution_that_takes_too_long_goes_on_and_the_attempt_ends(states: Any) -> None:
    class Slow:
        def describe_execution(self, **_: Any) -> dict[str, Any]:
            return {"status": "RUNNING"}

    with pytest.raises(TimedOut):
        execution(Slow(), "arn:aws:states:eu-west-1:1:stateMachine:m").execute(EVENT, run(timeout=5))


class Ecs:
    """A task that is seen `PENDING` once and then has stopped with `code`."""

    def __init__(self, code: int | None = 0, *, slow: bool = False, failures: bool = False) -> None:
        self.code, self.slow, self.failures = code, slow, failures
        self.looks = 0
        self.asked: dict[str, Any] = {}
        self.stopped = ""

    def run_task(self, **asked: Any) -> dict[str, Any]:
        self.asked = asked
        if self.failures:
            return {"tasks": [], "failures": [{"reason": "RESOURCE:MEMORY"}]}
        return {"tasks": [{"taskArn": "arn:task/1"}]}

    def describe_tasks(self, **_: Any) -> dict[str, Any]:
        self.looks += 1
        ours = {"name": "main", **({} if self.code is None else {"exitCode": self.code})}
        state = "RUNNING" if self.slow or self.looks == 1 else "STOPPED"
        return {
            "tasks": [
                {"lastStatus": state, "stoppedReason": "Essential container exited", "containers": [ours]}
            ]
        }

    def stop_task(self, *, task: str, **_: Any) -> None:
        self.stopped = task


def task(api: Ecs) -> Task:
    context = TaskContext(cluster="c", task_definition="d:3", container="main", subnets=("s-1",))
    return Task("p", context, {"TARGET": "t"}, lambda service: api, FakeClock())


def test_a_task_finds_the_event_in_its_environment() -> None:
    api = Ecs()

    status = task(api).execute(EVENT, run())

    (override,) = api.asked["overrides"]["containerOverrides"]
    env = {one["name"]: one["value"] for one in override["environment"]}
    assert EVENT.to_json() == base64.b64decode(env["PIPELINE_EVENT"]).decode()
    assert ("key-of-the-pair", "t") == (env["PIPELINE_KEY"], env["TARGET"])
    assert 36 >= len(api.asked["startedBy"])
    assert "arn:task/1" in status.logs


def test_the_token_of_an_attempt_is_its_own_and_always_the_same() -> None:
    tokens = []
    for attempt in (1, 1, 2):
        api = Ecs()
        task(api).execute(EVENT, run(attempt=attempt))
        tokens.append(api.asked["clientToken"])

    assert tokens[0] == tokens[1] != tokens[2]


def test_what_comes_back_from_the_dead_letters_begins_a_new_task() -> None:
    """For a day ECS answers to the token of an attempt with the task that it began then."""
    asked: list[str] = []
    clock = FakeClock()

    class Remembering(Ecs):
        def run_task(self, **words: Any) -> dict[str, Any]:
            asked.append(words["clientToken"])
            return {"tasks": [{"taskArn": f"arn:task/{len(asked)}"}]}

        def describe_tasks(self, **words: Any) -> dict[str, Any]:
            tasks = words["tasks"]
            stopped = clock.now() - timedelta(hours=1 if tasks == ["arn:task/1"] else 0)
            ours = {"name": "main", "exitCode": 3 if tasks == ["arn:task/1"] else 0}
            return {"tasks": [{"lastStatus": "STOPPED", "stoppedAt": stopped, "containers": [ours]}]}

    context = TaskContext(cluster="c", task_definition="d:3", container="main", subnets=("s-1",))
    status = Task("p", context, {}, lambda service: Remembering(), clock).execute(EVENT, run())

    assert "arn:task/2" in status.logs
    assert 2 == len(set(asked))


def test_a_task_that_ends_badly_does_not_start_or_takes_too_long_has_failed() -> None:
    with pytest.raises(NonZeroExit, match="process exited with code 3"):
        task(Ecs(3)).execute(EVENT, run())
    with pytest.raises(Failed, match="did not run"):
        task(Ecs(None)).execute(EVENT, run())
    with pytest.raises(Failed, match="RESOURCE:MEMORY"):
        task(Ecs(failures=True)).execute(EVENT, run())
    slow = Ecs(slow=True)
    with pytest.raises(TimedOut):
        task(slow).execute(EVENT, run(timeout=12))
    assert "arn:task/1" == slow.stopped


def test_a_task_goes_on_when_the_dispatcher_ends_and_is_found_by_its_token() -> None:
    """The attempt that is given back is made again under the same number, so ECS answers with the same task."""
    slow, stopped = Ecs(slow=True), run(timeout=3600)
    stopped.cancelled.set()
    with pytest.raises(TimedOut):
        task(slow).execute(EVENT, stopped)
    again = Ecs()
    task(again).execute(EVENT, run())

    assert "" == slow.stopped
    assert slow.asked["clientToken"] == again.asked["clientToken"]


class Outlet:
    """Takes events until a number of them has come; `full` has it raise once."""

    name = "q"
    clock = FakeClock()

    def __init__(self, number: int, *, full: bool = False) -> None:
        self.number, self.full = number, full
        self.events: list[tuple[str, Event]] = []

    def emit(self, events: Any, *, keys: Any = None, bookmark: Any = None, patience: Any = None) -> int:
        del bookmark, patience
        if self.full:
            self.full = False
            raise Transient("there is no room")
        self.events += zip(keys, events, strict=True)
        return len(events)

    def bookmark(self) -> str:
        return ""

    def wait(self, seconds: float) -> bool:
        return self.stopping()

    def stopping(self) -> bool:
        return len(self.events) >= self.number


@pytest.fixture
def queue(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Any, str]]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        api = boto3.client("sqs", region_name="eu-west-1")
        yield api, api.create_queue(QueueName="q", Attributes={"VisibilityTimeout": "0"})["QueueUrl"]


def test_messages_become_events_and_are_deleted_when_those_are_journaled(queue: tuple[Any, str]) -> None:
    api, url = queue
    for body in (EVENT.to_json(), '{"order": 5}', "plain"):
        api.send_message(QueueUrl=url, MessageBody=body)
    outlet = Outlet(3)

    Receiver("q", url, 0, 1.0, lambda service: api).run(outlet)

    events = [event for _, event in outlet.events]
    assert [EVENT, {"order": 5}, {"text": "plain"}] == [events[0], *(event.payload for event in events[1:])]
    assert (
        "0"
        == api.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"][
            "ApproximateNumberOfMessages"
        ]
    )


def test_messages_that_find_no_room_stay_in_the_queue(queue: tuple[Any, str]) -> None:
    api, url = queue
    api.send_message(QueueUrl=url, MessageBody="plain")
    outlet = Outlet(1, full=True)
    receiver = Receiver("q", url, 0, 1.0, lambda service: api)

    with pytest.raises(Transient, match="no room"):
        receiver.run(outlet)
    receiver.run(outlet)

    assert 1 == len(outlet.events)


def test_a_queue_that_is_not_there_is_named(queue: tuple[Any, str]) -> None:
    api, url = queue

    with pytest.raises(Misconfigured, match="cannot be read"):
        Receiver("q", url + "x", 0, 1.0, lambda service: api).run(Outlet(1))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (
            IngestProcess(name="a", type="ingest", execution_context={"source": "shop"}),
            ["run", "shop"],
        ),
        (
            LoadProcess(name="a", type="load", execution_context={"source": "shop", "streams": ["a", "b"]}),
            ["load", "shop", "--streams", "a,b"],
        ),
        (
            PipelineProcess(
                name="a",
                type="pipeline",
                execution_context={"definition": "p.yml", "parameters": {"day": "${DAY}"}},
            ),
            ["pipeline", "run", "p.yml", "--wait", "--param", "day=2026-11-20"],
        ),
    ],
)
def test_work_of_this_product_is_a_command(settings: Any, words: list[str]) -> None:
    around = Surroundings(
        words={"DAY": "2026-11-20"}, doors={"product": lambda given: (["sluice", *given], {"A": "1"})}
    )

    command = settings.open(around).command
    assert (("sluice", *words), {"A": "1"}) == (command.command, command.env)


def test_pipelines_run_one_at_a_time_unless_it_is_said() -> None:
    context = {"definition": "p.yml"}

    assert 1 == PipelineProcess(name="a", type="pipeline", execution_context=context).concurrency
    assert (
        3 == PipelineProcess(name="a", type="pipeline", execution_context=context, concurrency=3).concurrency
    )


@pytest.mark.parametrize("code", [1, 2, 3, 4])
def test_the_exit_code_of_this_product_says_who_must_act(code: int) -> None:
    script = f"import sys; print('error: no such source'); sys.exit({code})"
    around = Surroundings(doors={"product": lambda given: ([sys.executable, "-c", script], {})})
    process = LoadProcess(name="a", type="load", execution_context={"source": "shop"}).open(around)

    with pytest.raises(NonZeroExit if code == 1 else Declined) as raised:
        process.execute(EVENT, run(timeout=20))
    assert isinstance(raised.value, NonZeroExit | Declined)
    assert "error: no such source" in raised.value.logs
    assert ("process exited with code 1" if code == 1 else "no such source") == str(raised.value)
    assert hopeless(raised.value) == (code != 1)
