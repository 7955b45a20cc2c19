"""Dispatch in an account: from a webhook, an object, a commit or a time to what follows, and what roles let it do."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import boto3
import pytest

import src.dispatch.app
from shared.aws.s3 import S3Store
from shared.common.clock import SystemClock
from shared.landing.commit import Draft
from shared.landing.log import CommitLog
from src.deploying.dispatched import deployed_dispatch
from src.deploying.sources import deployed_sources
from src.deploying.template import generated
from src.workplace import Workplace
from tests.deploy.infra.account import Account, account, boundary
from tests.deploy.infra.policy import Call, allowed, listed, statements
from tests.deploy.infra.recorder import ON_BEHALF, recorded
from tests.deploy.infra.test_stack import linted

SECRET = "what webhooks are signed with"
DOCUMENT = """
input:
  - {name: hooks, type: webhook, connection_string: /hooks/orders, secret: "${HOOK_SECRET}"}
  - {name: lake, type: objects, connection_string: "s3://acme-lake/in", prefix: orders/}
  - {name: plans, type: landing, connection_string: recurly.plans}
  - {name: nightly, type: schedule, connection_string: cron(0 3 13 * FRI), timezone: Europe/Vienna}
  - {name: bought, type: sqs, connection_string: "https://sqs.us-east-1.amazonaws.com/123456789012/bought"}
process:
  - {name: score, type: lambda, execution_context: {function: "${SCORE_FUNCTION}"}}
  - name: report
    type: stepfunctions
    execution_context: {machine: "arn:aws:states:us-east-1:123456789012:stateMachine:report", poll: 0.01}
  - name: train
    type: ecs
    execution_context: {cluster: ml, task_definition: train, container: main}
links:
  - {from: [hooks, lake, plans, nightly, bought], to: score}
  - {from: [score], to: report}
  - {from: bought, to: train, location: never}
"""
ROLES = {"dispatch": "sluice-dev-dispatch", "door": "sluice-dev-dispatch-door"}
ACCOUNT = "us-east-1:123456789012"
BUCKET = "arn:aws:s3:::sluice-dev-landing-123456789012-us-east-1"

#: What a role may do although no call of the code was seen doing it.
REASONS = {
    **ON_BEHALF,
    "dispatch kms:GenerateDataKey": "DynamoDB asks for it on behalf of who writes into a table with such a key",
    "ecs:RunTask": "moto runs no task; tests/shared/orchestrator/test_cloud_kinds.py runs them against a fake",
    "ecs:DescribeTasks": "the same",
    "ecs:StopTask": "the same",
    "iam:PassRole": "the same",
}


@dataclass
class Dispatcher:
    account: Account
    scored: list[Any] = field(default_factory=list)
    broken: bool = False

    def score(self, event: Any, context: Any) -> Any:
        if self.broken:
            raise RuntimeError("no score today")
        self.scored.append(event)
        return {"score": 1}

    def batches(self) -> list[dict[str, Any]]:
        """What the queue has handed to the function since it was asked last."""
        found = [event for kind, event in self.account.calls if kind == "dispatch"]
        self.account.calls.clear()
        return found

    @contextmanager
    def running(self, kind: str) -> Iterator[tuple[Callable[[Any], Any], list[Call]]]:
        """Run one function by hand; its clients tell what they do for as long as the block lasts."""
        key = f"arn:aws:kms:{ACCOUNT}:key/{self.account.physical('Key')}"

        def invoke(event: Any) -> Any:
            answer, errored = self.account.invoke(ROLES[kind], event)
            assert not errored, answer
            return json.loads(answer)

        with recorded(key) as calls:
            self.account.paused.discard(kind)
            yield invoke, calls
            self.account.paused.add(kind)


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dispatcher]:
    folder = tmp_path_factory.mktemp("dispatch")
    (folder / "dispatch.yml").write_text(DOCUMENT)
    dispatched = deployed_dispatch(folder / "dispatch.yml")
    with account(folder, lambda text: generated(text, deployed_sources(), dispatched=dispatched)) as made:
        for bucket in ("acme-lake", "acme-mwaa"):
            made.client("s3").create_bucket(Bucket=bucket)
        made.client("s3").put_bucket_notification_configuration(
            Bucket="acme-lake", NotificationConfiguration={"EventBridgeConfiguration": {}}
        )
        made.client("sqs").create_queue(QueueName="bought")
        made.create(
            Environment="dev", Dispatch="enabled", Schedules="enabled", SettingScoreFunction="score",
            Weave="enabled", ArtifactBucket="acme-mwaa", LogLevel="CRITICAL",
        )  # fmt: skip
        made.listen()
        made.client("secretsmanager").put_secret_value(
            SecretId="sluice/dev/dispatch-door", SecretString=json.dumps({"HOOK_SECRET": SECRET})
        )
        machine = {"StartAt": "Done", "States": {"Done": {"Type": "Succeed"}}}
        arn = f"arn:aws:iam::{ACCOUNT.rpartition(':')[2]}:role/sluice-dev-recurly"
        made.client("stepfunctions").create_state_machine(
            name="report", definition=json.dumps(machine), roleArn=arn
        )
        made.client("lambda").create_function(
            FunctionName="score", Role=arn, Runtime="python3.13", Handler="x",
            Code={"ZipFile": b"PK\x05\x06" + b"\0" * 18},
        )  # fmt: skip
        # Functions run when they are told to, so that every call is their own.
        made.paused = {"ingest", "load", "drop", "dispatch", "door"}

        def layered(place: Callable[[], Workplace]) -> Callable[[], Workplace]:
            """The file of the layer with the configuration stands elsewhere here."""

            def opened() -> Workplace:
                found = place()
                settings = found.settings.model_copy(update={"dispatch_file": str(folder / "dispatch.yml")})
                return replace(found, configuration=replace(found.configuration, settings=settings))

            return opened

        for kind, function in ROLES.items():
            made.open(
                kind,
                function,
                lambda place, _: src.dispatch.app.handler_of(layered(place), src.dispatch.app.open_station),
            )
        found = Dispatcher(made)
        made.handlers["score"] = found.score
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("SCORE_FUNCTION", made.environment(ROLES["dispatch"])["SCORE_FUNCTION"])
            yield found


def delivery(identity: str, *, secret: str = SECRET) -> dict[str, Any]:
    """An event at the Function URL."""
    body = json.dumps({"location": "shop", "operation": "create", "id": identity})
    signature = hmac.new(secret.encode(), body.encode(), hashlib.sha256).hexdigest()
    headers = {"X-GitHub-Delivery": f"d-{identity}", "X-Hub-Signature-256": f"sha256={signature}"}
    http = {"method": "POST", "path": "/hooks/orders"}
    return {"requestContext": {"http": http}, "headers": headers, "body": body}


@pytest.fixture(scope="module")
def seen(here: Dispatcher) -> dict[str, list[Call]]:
    """Something of each input on its way, twice."""
    made = here.account
    store = S3Store(made.outputs()["BucketName"], clock=SystemClock())
    with here.running("door") as (invoke, of_door):
        events = [delivery("1"), delivery("1"), delivery("2", secret="another one")]
        assert [202, 202, 401] == [invoke(event)["statusCode"] for event in events]
    made.client("s3").put_object(Bucket="acme-lake", Key="in/orders/a.json", Body=b"x")
    made.client("s3").put_object(Bucket="acme-lake", Key="in/other.json", Body=b"x")
    CommitLog(store, "recurly", "plans", SystemClock()).append(Draft(run="r", attempt=1), after=None)
    schedule = json.loads(made.properties("DispatchNightlySchedule")["Target"]["Input"])
    made.client("sqs").send_message(
        QueueUrl=made.physical("DispatchQueue"),
        MessageBody=json.dumps({**schedule, "id": "2026-11-20T02:00:00Z"}),
    )
    bought = {"location": "shop", "operation": "update", "id": "9"}
    made.client("sqs").send_message(
        QueueUrl=made.client("sqs").get_queue_url(QueueName="bought")["QueueUrl"],
        MessageBody=json.dumps(bought),
    )
    batches = here.batches()
    with here.running("dispatch") as (invoke, of_dispatch):
        for event in [*batches, *batches]:
            assert {"batchItemFailures": []} == invoke(event)
        here.broken = True
        again = json.loads(json.dumps(batches[0]))
        again["Records"][0]["messageAttributes"]["identity"]["stringValue"] = "another"
        failed = invoke({"Records": [*again["Records"], *batches[0]["Records"]]})
        here.broken = False
    assert [{"itemIdentifier": again["Records"][0]["messageId"]}] == failed["batchItemFailures"]
    return {"dispatch": of_dispatch, "door": of_door}


def test_what_happens_anywhere_is_followed_once(here: Dispatcher, seen: dict[str, list[Call]]) -> None:
    """Each came twice: the webhook as two messages, all from the queue; and one once more, beside one that failed."""
    report = f"arn:aws:states:{ACCOUNT}:stateMachine:report"
    executions = here.account.client("stepfunctions").list_executions(stateMachineArn=report)["executions"]

    assert [
        ("bought", "update", "9"),
        ("hooks", "create", "1"),
        ("lake", "create", "orders/a.json"),
        ("nightly", "read", "2026-11-20T02:00:00+00:00"),
        ("plans", "create", "1"),
    ] == sorted((one["trigger"], one["operation"], one["id"]) for one in here.scored)
    assert ["SUCCEEDED"] * 5 == [one["status"] for one in executions]


@pytest.mark.parametrize("kind", ROLES)
def test_a_function_may_do_what_it_does(here: Dispatcher, seen: dict[str, list[Call]], kind: str) -> None:
    policies = here.account.policies(ROLES[kind])

    assert seen[kind]
    assert [] == [call for call in seen[kind] if not allowed(call, *policies)]


@pytest.mark.parametrize("kind", ROLES)
def test_a_function_may_do_nothing_that_it_does_not_do(
    here: Dispatcher, seen: dict[str, list[Call]], kind: str
) -> None:
    unused = []
    for statement in statements(here.account.policies(ROLES[kind])):
        for action in listed(statement["Action"]):
            one = [{"Statement": [{**statement, "Action": action}]}]
            if not {action, f"{kind} {action}"} & REASONS.keys() and not any(
                allowed(call, *one) for call in seen[kind]
            ):
                unused.append(f"{action} {statement['Resource']}")

    assert [] == unused


@pytest.mark.parametrize(
    ("kind", "action", "resource"),
    [
        ("dispatch", "lambda:InvokeFunction", f"arn:aws:lambda:{ACCOUNT}:function:sluice-dev-load"),
        ("dispatch", "states:StartExecution", f"arn:aws:states:{ACCOUNT}:stateMachine:sluice-dev-recurly"),
        ("dispatch", "ecs:RunTask", f"arn:aws:ecs:{ACCOUNT}:task-definition/other:1"),
        ("dispatch", "s3:GetObject", f"{BUCKET}/landing/recurly/plans/data/x"),
        ("dispatch", "s3:GetObject", f"{BUCKET}/landing/recurly/accounts/log/1.json"),
        ("door", "lambda:InvokeFunction", f"arn:aws:lambda:{ACCOUNT}:function:score"),
        ("door", "dynamodb:PutItem", f"arn:aws:dynamodb:{ACCOUNT}:table/sluice-dev-dispatched"),
        ("door", "sqs:ReceiveMessage", f"arn:aws:sqs:{ACCOUNT}:sluice-dev-dispatch"),
        ("door", "secretsmanager:GetSecretValue", "arn:aws:secretsmanager:x:secret:sluice/dev/dispatch-x"),
    ],
)  # fmt: skip
def test_what_the_document_does_not_name_is_out_of_reach(
    here: Dispatcher, kind: str, action: str, resource: str
) -> None:
    assert not allowed(Call(action, resource), *here.account.policies(ROLES[kind]))


def test_roles_of_tasks_are_handed_to_ecs_only(here: Dispatcher) -> None:
    policies = here.account.policies(ROLES["dispatch"])
    role = "arn:aws:iam::123456789012:role/sluice-dev-train"
    to = {name: {"iam:PassedToService": f"{name}.amazonaws.com"} for name in ("ecs-tasks", "lambda")}

    assert allowed(Call("iam:PassRole", role, to["ecs-tasks"]), *policies)
    assert not allowed(Call("iam:PassRole", role, to["lambda"]), *policies)


def test_the_boundary_of_the_account_lets_every_role_of_the_stack_do_what_it_may(here: Dispatcher) -> None:
    """`deploy/cicd/target.yml`: what it cuts off would fail in production only, as only there are roles bounded."""
    bounded = boundary("acme-mwaa")
    context = {"iam:PassedToService": "ecs-tasks.amazonaws.com"}
    cut = {
        f"{action} {resource}"
        for role in here.account.client("iam").list_roles()["Roles"]
        for statement in statements(here.account.policies(role["RoleName"]))
        for action in listed(statement["Action"])
        for resource in listed(statement["Resource"])
        if not allowed(Call(action, resource.replace("*", "x"), context), bounded)
    }

    assert set() == cut
    assert not allowed(Call("s3:PutObject", "arn:aws:s3:::acme-mwaa/x"), boundary("another"))


def test_rules_may_send_and_times_are_those_of_the_document(here: Dispatcher) -> None:
    policy = here.account.properties("DispatchQueuePolicy")["PolicyDocument"]
    arns = {one["Arn"] for one in boto3.client("events").list_rules()["Rules"] if "-dispatch-" in one["Name"]}
    queue = f"arn:aws:sqs:{ACCOUNT}:sluice-dev-dispatch"
    schedules = [here.account.properties(f"DispatchNightlySchedule{n}") for n in ("", "1")]

    assert 2 == len(arns)
    assert all(allowed(Call("sqs:SendMessage", queue, {"aws:SourceArn": arn}), policy) for arn in arns)
    assert not allowed(
        Call("sqs:SendMessage", queue, {"aws:SourceArn": f"arn:aws:events:{ACCOUNT}:rule/x"}), policy
    )
    assert ["cron(0 3 13 * ? *)", "cron(0 3 ? * FRI *)"] == [one["ScheduleExpression"] for one in schedules]
    assert {("ENABLED", "Europe/Vienna")} == {
        (one["State"], one["ScheduleExpressionTimezone"]) for one in schedules
    }


def test_the_table_forgets_and_rests_encrypted(here: Dispatcher) -> None:
    table = here.account.template["Resources"]["DispatchTable"]["Properties"]

    assert {"AttributeName": "expiration", "Enabled": True} == table["TimeToLiveSpecification"]
    assert {"Fn::GetAtt": ["Key", "Arn"]} == table["SSESpecification"]["KMSMasterKeyId"]
    assert {"PointInTimeRecoveryEnabled": True} == table["PointInTimeRecoverySpecification"]


def test_without_the_parameter_nothing_of_it_is_there(here: Dispatcher) -> None:
    resources = here.account.template["Resources"]
    named = {name for name in resources if name.startswith(("Dispatch", "EventsWait"))}

    assert {"DispatchDoorFunctionUrl", "DispatchFunctionFromBought", "DispatchLakeRule"} <= named
    assert {"HasDispatch"} == {resources[name].get("Condition") for name in named}


def test_the_linter_of_cloudformation_has_nothing_to_say(here: Dispatcher, tmp_path: Path) -> None:
    text = tmp_path / "template.yml"
    dispatched = deployed_dispatch(_document(tmp_path))
    made = generated(
        Path("deploy/infra/template.yml").read_text("utf-8"), deployed_sources(), dispatched=dispatched
    )
    text.write_text(made, "utf-8")

    assert "" == linted(text)


def _document(folder: Path) -> Path:
    (folder / "dispatch.yml").write_text(DOCUMENT)
    return folder / "dispatch.yml"
