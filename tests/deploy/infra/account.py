"""An AWS account in this process: moto with what it lacks, our template in it, and our handlers behind its functions.

moto skips some types of resources, reads no definition of a state machine from S3, runs no code of functions without a
container and really waits between retries. Each of these is one class or function below.
"""

from __future__ import annotations

import ast
import json
import logging
import os
import re
import shutil
import threading
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from unittest import mock

import boto3
import yaml
from moto import mock_aws
from moto.cloudformation.parsing import get_model_map
from moto.core.common_models import CloudFormationModel
from samtranslator.translator.transform import transform

from shared.aws.clients import _make
from shared.aws.s3 import S3Store
from shared.common.clock import SystemClock
from shared.common.ports import Clock
from src.delivery.package import package
from src.delivery.template import local_files, read_template
from src.invoke import LocalContext, call
from src.workplace import Workplace
from tests.shared.aws.servers import CREDENTIALS

ROOT = Path(__file__).parents[3]
INFRA = ROOT / "deploy" / "infra"
ACCOUNT = "123456789012"
REGION = "us-east-1"
STACK = "sluice-dev"
Handler = Callable[[Any, Any], Any]


class Remembered(CloudFormationModel):
    """A resource of a type that moto skips: it is there, with its properties resolved, and does nothing."""

    KINDS = (
        "AWS::CloudWatch::Alarm",
        "AWS::Lambda::Permission",
        "AWS::Lambda::Url",
        "AWS::S3::BucketPolicy",
        "AWS::Scheduler::Schedule",
        "AWS::SNS::Subscription",
        "AWS::SNS::TopicPolicy",
        "AWS::SQS::QueuePolicy",
    )

    def __init__(self, name: str, properties: dict[str, Any]) -> None:
        self.physical_resource_id = name
        self.properties = properties

    @staticmethod
    def cloudformation_name_type() -> str:
        return ""

    @staticmethod
    def cloudformation_type() -> str:
        return "Sluice::Test::Remembered"

    @classmethod
    def create_from_cloudformation_json(
        cls, resource_name: str, cloudformation_json: Any, account_id: str, region_name: str, **_: Any
    ) -> Remembered:
        return cls(resource_name, cloudformation_json["Properties"])

    def delete(self, account_id: str, region_name: str) -> None:
        """Nothing was made."""

    def get_cfn_attribute(self, name: str) -> str:
        return f"{self.physical_resource_id}.{name}"


class Secret(Remembered):
    """A secret is made, so that functions can read it."""

    @classmethod
    def create_from_cloudformation_json(
        cls, resource_name: str, cloudformation_json: Any, account_id: str, region_name: str, **_: Any
    ) -> Secret:
        properties = cloudformation_json["Properties"]
        made = boto3.client("secretsmanager").create_secret(
            Name=properties["Name"], SecretString=properties["SecretString"], KmsKeyId=properties["KmsKeyId"]
        )
        return cls(made["ARN"], properties)


@dataclass
class Account:
    """The account with our stack in it. `handlers` run the functions, by the end of their names."""

    template: dict[str, Any]
    handlers: dict[str, Handler] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    paused: set[str] = field(default_factory=set)
    clock: Clock = field(default_factory=SystemClock)
    calls: list[tuple[str, Any]] = field(default_factory=list)
    logs: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def client(self, service: str) -> Any:
        return boto3.client(service)

    def create(self, **parameters: str) -> None:
        self._stack(STACK, self.template, parameters)

    def deploy(self, stack: str, path: Path, **parameters: str) -> None:
        """Make a stack of a template that names local files, beside ours."""
        made = package(path, S3Store("packages", clock=SystemClock()))
        self._stack(stack, transformed(made, **parameters), parameters)

    def _stack(self, name: str, template: dict[str, Any], parameters: Mapping[str, str]) -> None:
        given = [{"ParameterKey": k, "ParameterValue": v} for k, v in parameters.items()]
        self.client("s3").put_object(Bucket="packages", Key=f"{name}.json", Body=json.dumps(template))
        self.client("cloudformation").create_stack(
            StackName=name,
            TemplateURL=f"https://packages.s3.amazonaws.com/{name}.json",
            Parameters=given,
            Capabilities=["CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"],
            Tags=[{"Key": "app", "Value": "sluice"}],
        )

    def listen(self) -> None:
        """Let the bucket tell EventBridge of its objects, as the template says; moto leaves that out."""
        said = self.template["Resources"]["Bucket"]["Properties"]["NotificationConfiguration"]
        assert {"EventBridgeConfiguration": {"EventBridgeEnabled": True}} == said
        self.client("s3").put_bucket_notification_configuration(
            Bucket=self.outputs()["BucketName"], NotificationConfiguration={"EventBridgeConfiguration": {}}
        )

    def resources(self, stack: str = STACK) -> dict[str, Any]:
        """What stands there, by logical id."""
        found = self.client("cloudformation").describe_stack_resources(StackName=stack)["StackResources"]
        return {one["LogicalResourceId"]: one for one in found if "LogicalResourceId" in one}

    def outputs(self) -> dict[str, str]:
        (stack,) = self.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"]
        return {one["OutputKey"]: one["OutputValue"] for one in stack["Outputs"]}

    def physical(self, logical: str, stack: str = STACK) -> str:
        return str(self.resources(stack)[logical]["PhysicalResourceId"])

    def properties(self, logical: str) -> dict[str, Any]:
        """The resolved properties of a resource that moto only remembers."""
        from moto.cloudformation.models import cloudformation_backends

        (stack,) = [s for s in cloudformation_backends[ACCOUNT][REGION].stacks.values() if s.name == STACK]
        resource: Any = stack.resource_map[logical]
        found: dict[str, Any] = resource.properties
        return found

    def environment(self, function: str) -> dict[str, str]:
        """What a function finds in its environment, as the template says it."""
        said = self.client("lambda").get_function(FunctionName=function)["Configuration"]
        return dict(said["Environment"]["Variables"])

    def open(self, kind: str, function: str, module: Any, *, clock: Clock | None = None) -> None:
        """Put the real handler behind a function, with the settings and secrets that its environment leads to."""
        environ = self.environment(function)

        def place() -> Workplace:
            with mock.patch.dict(os.environ, environ):
                found = Workplace.open()
            return replace(found, clock=clock) if clock else found

        self.handlers[kind] = module(place, environ)

    def invoke(self, function: str, event: Any) -> tuple[str, bool]:
        """Run the handler behind a function as Lambda does: the answer as JSON, and whether it is an error."""
        kind = function.rsplit("-", 1)[-1]
        with self._lock:
            self.calls.append((kind, event))
        if kind in self.paused:
            return json.dumps({"batchItemFailures": []}), False
        context = LocalContext(
            function, f"r-{len(self.calls)}", 512, self.seconds.get(kind, 900.0), self.clock
        )
        answer = call(self.handlers[kind], event, context)
        return json.dumps(answer.payload), answer.error is not None

    def run(self, machine: str, event: Any, *, name: str) -> dict[str, Any]:
        """Execute a state machine to its end."""
        states = self.client("stepfunctions")
        started = states.start_execution(stateMachineArn=machine, name=name, input=json.dumps(event))
        return self.ended(started["executionArn"])

    def ended(self, execution: str, *, patience: float = 60.0) -> dict[str, Any]:
        states = self.client("stepfunctions")
        until = time.monotonic() + patience
        while time.monotonic() < until:
            found: dict[str, Any] = states.describe_execution(executionArn=execution)
            if found["status"] != "RUNNING":
                return found
            time.sleep(0.02)
        raise AssertionError(f"{execution} did not end")

    def visited(self, execution: str) -> list[str]:
        """The states that an execution entered, in order."""
        pages = self.client("stepfunctions").get_execution_history(executionArn=execution, maxResults=1000)
        entered = [event.get("stateEnteredEventDetails") for event in pages["events"]]
        return [one["name"] for one in entered if one]

    def policies(self, role: str) -> list[dict[str, Any]]:
        """The policies of a role as they stand in IAM, with everything filled in."""
        iam = self.client("iam")
        names = iam.list_role_policies(RoleName=role)["PolicyNames"]
        found = [iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"] for name in names]
        return [ast.literal_eval(one) if isinstance(one, str) else one for one in found]  # as moto keeps them

    def told(self) -> list[dict[str, Any]]:
        """The messages that the alert topic has got."""
        from moto.sns.models import sns_backends

        topic = sns_backends[ACCOUNT][REGION].topics[self.physical("Alerts")]
        return [{"Subject": one[2], "Message": json.loads(one[1])} for one in topic.sent_notifications]


def packaged(folder: Path, change: Callable[[str], str] = str) -> dict[str, Any]:
    """The template as `sluice deploy package` makes it, with small files in the place of the built zips."""
    here = folder / "deploy" / "infra"
    shutil.copytree(INFRA, here)
    text = (here / "template.yml").read_text("utf-8")
    (here / "template.yml").write_text(change(text), "utf-8")
    for resource in read_template(here / "template.yml")["Resources"].values():
        for key in ("CodeUri", "ContentUri"):
            uri = resource.get("Properties", {}).get(key)
            if uri:
                path = here / uri
                path.parent.mkdir(parents=True, exist_ok=True)
                with zipfile.ZipFile(path, "w") as made:
                    made.writestr("src/app.py", "")
    assert list(local_files(read_template(here / "template.yml"), here))
    return package(here / "template.yml", S3Store("packages", clock=SystemClock()), version="test")


class Policies:
    """What the SAM translator asks for managed policies; we name none."""

    def load(self) -> dict[str, str]:
        return {}


def transformed(template: dict[str, Any], **parameters: str) -> dict[str, Any]:
    """The template as CloudFormation expands it."""
    with mock.patch.dict(os.environ, CREDENTIALS):
        found: dict[str, Any] = transform(template, parameters, Policies())
    return found


@contextmanager
def account(folder: Path, change: Callable[[str], str] = str) -> Iterator[Account]:
    """Moto with our packaged template, transformed; nothing is created yet. `change` is what a project makes of it."""
    os.environ.update({k: v for k, v in CREDENTIALS.items() if k not in os.environ})
    with mock.patch.dict(os.environ, CREDENTIALS), mock_aws(config=_CONFIG):
        _make.cache_clear()
        boto3.client("s3").create_bucket(Bucket="packages")
        made = Account(transformed(packaged(folder, change), Environment="dev", AppName="sluice"))
        chatter = logging.getLogger("moto")
        level = chatter.level
        chatter.setLevel(
            logging.CRITICAL
        )  # it logs every state, and every path of a Choice that is not there
        with _completed(made):
            yield made
        chatter.setLevel(level)
        _make.cache_clear()


_CONFIG: Any = {"stepfunctions": {"execute_state_machine": True}}


@contextmanager
def _completed(made: Account) -> Iterator[None]:
    """Moto with what it lacks, until the end of the block."""
    import moto.awslambda.models as functions
    import moto.stepfunctions.models as machines
    from moto.stepfunctions.parser.asl.component.common.retry import retrier_decl
    from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service_aws_sdk import (
        StateTaskServiceAwsSdk,
    )
    from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service_sfn import (
        StateTaskServiceSfn,
    )
    from moto.stepfunctions.parser.models import stepfunctions_parser_backends

    start = StateTaskServiceSfn._eval_service_task

    def start_execution(
        self: Any, env: Any, resource_runtime_part: Any, normalised_parameters: Any, **more: Any
    ) -> None:
        """The API's names begin with a small letter, those of a definition do not; times are text in a state."""
        named = {name[0].lower() + name[1:]: value for name, value in normalised_parameters.items()}
        start(self, env, resource_runtime_part, named, **more)
        answer = env.stack.pop()
        env.stack.append(
            {"ExecutionArn": answer["executionArn"], "StartDate": answer["startDate"].isoformat()}
        )

    def list_executions(
        self: Any, env: Any, resource_runtime_part: Any, normalised_parameters: Any, **more: Any
    ) -> None:
        """The only call of an SDK in our machines; the newest first, as AWS has it."""
        assert "listExecutions" == self.resource.api_action
        given = {name[0].lower() + name[1:]: value for name, value in normalised_parameters.items()}
        found = made.client("stepfunctions").list_executions(**given)["executions"]
        newest = sorted(found, key=lambda one: one["startDate"], reverse=True)
        env.stack.append({"Executions": [{"ExecutionArn": one["executionArn"]} for one in newest]})

    models = dict.fromkeys(Remembered.KINDS, Remembered) | {"AWS::SecretsManager::Secret": Secret}

    def run_function(self: Any, event: Any = None) -> tuple[str, bool, str]:
        answer, errored = made.invoke(
            self.function_name, json.loads(event) if isinstance(event, str) else event
        )
        return answer, errored, ""

    def take_message(self: Any, function_arn: str, message: Any, queue_arn: str) -> bool:
        """A message as Lambda hands it over; moto leaves its attributes out."""
        own = {"ApproximateReceiveCount": "1", "ApproximateFirstReceiveTimestamp": "1545082649185"}
        if queue_arn.endswith(".fifo"):
            own |= {"MessageGroupId": message.group_id, "MessageDeduplicationId": message.deduplication_id}
        given = {
            name: {"stringValue": one["StringValue"], "dataType": one["DataType"]}
            for name, one in message.message_attributes.items()
        }
        record = {
            "messageId": message.id, "receiptHandle": message.receipt_handle, "body": message.body,
            "attributes": own, "messageAttributes": given,
            "eventSource": "aws:sqs", "eventSourceARN": queue_arn, "awsRegion": REGION,
        }  # fmt: skip
        answer: dict[str, Any] = {}
        body = json.dumps({"Records": [record]})
        self.invoke(function_arn, None, body=body, headers={}, response_headers=answer)
        return "x-amz-function-error" not in answer

    def create_machine(name: str, json_: Any, account_id: str, region: str, **_: Any) -> Any:
        properties = json_["Properties"]
        backend = stepfunctions_parser_backends[account_id][region]
        return backend.create_state_machine(
            properties["StateMachineName"], _definition(properties), properties["RoleArn"]
        )

    with (
        mock.patch.dict(get_model_map(), models),
        mock.patch.object(functions.LambdaFunction, "_invoke_lambda", run_function),
        mock.patch.object(functions.LambdaBackend, "_send_sqs_message", take_message),
        mock.patch("moto.sqs.models._filter_message_attributes", return_value=None),
        mock.patch.object(machines, "stepfunctions_backends", stepfunctions_parser_backends),
        mock.patch.object(
            machines.StateMachine, "create_from_cloudformation_json", staticmethod(create_machine)
        ),
        mock.patch.object(StateTaskServiceSfn, "_eval_service_task", start_execution),
        mock.patch.object(StateTaskServiceAwsSdk, "_eval_service_task", list_executions),
        mock.patch.object(retrier_decl, "time", mock.Mock(sleep=lambda seconds: None)),
    ):
        yield


def _definition(properties: Mapping[str, Any]) -> str:
    """The definition that CloudFormation reads from S3, with its substitutions."""
    place = properties["DefinitionS3Location"]
    body = boto3.client("s3").get_object(Bucket=place["Bucket"], Key=place["Key"])["Body"].read().decode()
    text = json.dumps(yaml.safe_load(substituted(body, properties.get("DefinitionSubstitutions", {}))))
    return text.replace(
        '"ToleratedFailurePercentage": 100,', '"ToleratedFailurePercentage": 100.0,'
    )  # else a syntax error


def substituted(body: str, values: Mapping[str, str]) -> str:
    """Every ${Name} replaced; one that has no value is an error, as it is in CloudFormation."""
    return re.sub(r"\$\{([A-Za-z:]+)\}", lambda match: str(values[match[1]]), body)


def boundary(bucket: str = "acme-mwaa") -> dict[str, Any]:
    """The policy that bounds every role of the account (deploy/cicd/target.yml)."""
    document = read_template(INFRA.parent / "cicd" / "target.yml")["Resources"]["Boundary"]["Properties"]
    named = {"AWS::Partition": "aws", "AWS::AccountId": ACCOUNT, "AppName": "sluice", "Environment": "dev"}
    found: dict[str, Any] = _resolved(document["PolicyDocument"], {**named, "DeliveryBucket": bucket})
    return found


def _resolved(node: Any, names: Mapping[str, str]) -> Any:
    """The functions of CloudFormation that target.yml uses, with all conditions true."""
    match node:
        case {"Fn::Sub": str(text)}:
            return substituted(text, names)
        case {"Fn::If": [_, then, _]}:
            return _resolved(then, names)
        case dict():
            return {key: _resolved(value, names) for key, value in node.items()}
        case list():
            return [_resolved(one, names) for one in node]
    return node
