"""The application's own template goes through package, change set and execution; its roles let that happen, no more."""

from __future__ import annotations

import io
import json
import re
import shutil
import zipfile
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
from moto import mock_aws
from samtranslator.translator.transform import transform

from shared.aws.clients import _make, client
from shared.aws.s3 import S3Store
from shared.aws.stacks import Rollout, Stacks
from shared.common.fakes import FakeClock
from src.delivery.package import package
from src.delivery.rollout import PARAMETERS, read_inputs
from src.delivery.template import local_files, read_template, text_of

ROOT = Path(__file__).parents[3]
TEMPLATE = ROOT / "deploy" / "infra" / "template.yml"
GIVEN = {"AppName": "sluice", "Environment": "dev"}


class Managed:
    """No policy of AWS' own is used."""

    def load(self) -> dict[str, str]:
        return {}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The template with something for each zip that it names; the real ones are run by other tests."""
    root = tmp_path_factory.mktemp("built")
    shutil.copytree(TEMPLATE.parent, root / "deploy" / "infra")
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("app.py", "def handler(event, context): ...\n")
    for zip_file in set(re.findall(r"\.\./\.\./(build/\S+\.zip)", TEMPLATE.read_text())):
        path = root / zip_file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(archive.getvalue())
    return root / "deploy" / "infra" / "template.yml"


@pytest.fixture(autouse=True)
def region(monkeypatch: pytest.MonkeyPatch) -> None:
    """The transform asks where it is, too."""
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.setenv(name, "us-east-1")


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Any:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        _make.cache_clear()
        yield
    _make.cache_clear()


def expanded(template: dict[str, Any]) -> dict[str, Any]:
    """What CloudFormation makes of it first: the SAM transform, as AWS publishes it."""
    defaults = {n: one["Default"] for n, one in template["Parameters"].items() if "Default" in one}
    found: dict[str, Any] = transform(json.loads(text_of(template)), {**defaults, **GIVEN}, Managed())
    return found


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")
@pytest.mark.usefixtures("aws")
def test_the_packaged_template_becomes_a_stack_by_a_change_set(built: Path) -> None:
    client("s3").create_bucket(Bucket="packages")
    store = S3Store("packages", "here", clock=FakeClock())
    template = package(built, store, version="abc123")
    stacks = Stacks(FakeClock())
    proposal = stacks.propose("sluice-dev", Rollout(text_of(expanded(template)), GIVEN), name="one")
    assert proposal is not None
    stacks.execute(proposal)
    functions = {one["FunctionName"] for one in client("lambda").list_functions()["Functions"]}

    assert [] == list(local_files(template, built.parent))
    assert {"sluice-dev-load", "sluice-dev-drop", "sluice-dev-recurly-ingest"} <= functions
    assert "abc123" == template["Parameters"]["Version"]["Default"]
    assert stacks.outputs("sluice-dev") is not None


@pytest.mark.parametrize("environment", ["dev", "prod"])
def test_the_parameters_of_an_environment_fit_the_template(environment: str) -> None:
    known = read_template(TEMPLATE)["Parameters"]
    inputs = read_inputs(PARAMETERS / f"{environment}.json", known, {})

    assert {n for n, one in known.items() if "Default" not in one} <= inputs.parameters.keys()
    assert environment == inputs.parameters["Environment"] == inputs.tags["environment"]


#: What making one asks for, its ARN, and the property with its name.
MADE = {
    "AWS::CloudWatch::Alarm": ("cloudwatch:PutMetricAlarm", "cloudwatch:R:A:alarm:{}", "AlarmName"),
    "AWS::CloudWatch::Dashboard": ("cloudwatch:PutDashboard", "cloudwatch::A:dashboard/{}", "DashboardName"),
    "AWS::DynamoDB::Table": ("dynamodb:CreateTable", "dynamodb:R:A:table/{}", "TableName"),
    "AWS::Events::Rule": ("events:PutRule", "events:R:A:rule/{}", "Name"),
    "AWS::IAM::Role": ("iam:CreateRole", "iam::A:role/{}", "RoleName"),
    "AWS::KMS::Alias": ("kms:CreateAlias", "kms:R:A:{}", "AliasName"),
    "AWS::Lambda::Function": ("lambda:CreateFunction", "lambda:R:A:function:{}", "FunctionName"),
    "AWS::Lambda::LayerVersion": ("lambda:PublishLayerVersion", "lambda:R:A:layer:{}", "LayerName"),
    "AWS::Logs::LogGroup": ("logs:CreateLogGroup", "logs:R:A:log-group:{}", "LogGroupName"),
    "AWS::S3::Bucket": ("s3:CreateBucket", "s3:::{}", "BucketName"),
    "AWS::SNS::Topic": ("sns:CreateTopic", "sns:R:A:{}", "TopicName"),
    "AWS::SQS::Queue": ("sqs:CreateQueue", "sqs:R:A:{}", "QueueName"),
    "AWS::Scheduler::Schedule": ("scheduler:CreateSchedule", "scheduler:R:A:schedule/default/{}", "Name"),
    "AWS::SecretsManager::Secret": ("secretsmanager:CreateSecret", "secretsmanager:R:A:secret:{}-x", "Name"),
    "AWS::StepFunctions::StateMachine": (
        "states:CreateStateMachine",
        "states:R:A:stateMachine:{}",
        "StateMachineName",
    ),
}
#: Made by an action of what they belong to, or by a key's own ARN.
WITHOUT_NAME = {
    "AWS::KMS::Key": "kms:CreateKey",
    "AWS::Lambda::EventSourceMapping": "lambda:CreateEventSourceMapping",
    "AWS::Lambda::Permission": "lambda:AddPermission",
    "AWS::Lambda::Url": "lambda:CreateFunctionUrlConfig",
    "AWS::Lambda::EventInvokeConfig": "lambda:PutFunctionEventInvokeConfig",
    "AWS::S3::BucketPolicy": "s3:PutBucketPolicy",
    "AWS::SNS::Subscription": "sns:Subscribe",
    "AWS::SNS::TopicPolicy": "sns:SetTopicAttributes",
    "AWS::SQS::QueuePolicy": "sqs:SetQueueAttributes",
}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_role_of_cloudformation_may_make_each_resource_under_its_name(built: Path) -> None:
    """Else the pipeline's first deployment stops in the middle."""
    template = json.loads(text_of(read_template(built)))
    for resource in template["Resources"].values():
        for key in ("CodeUri", "ContentUri", "DefinitionUri"):
            if key in resource.get("Properties", {}):
                resource["Properties"][key] = "s3://packages/x"
    role = read_template(ROOT / "deploy" / "cicd" / "target.yml")["Resources"]["CloudFormationRole"][
        "Properties"
    ]
    allowed = [
        (action, filled(resource))
        for policy in role["Policies"]
        for one in policy["PolicyDocument"]["Statement"]
        for action in many(one["Action"])
        for resource in many(one["Resource"])
    ]
    refused = []
    for name, resource in expanded(template)["Resources"].items():
        kind = resource["Type"]
        if kind in WITHOUT_NAME:
            if not any(fnmatchcase(WITHOUT_NAME[kind], action) for action, _ in allowed):
                refused.append((name, WITHOUT_NAME[kind]))
            continue
        action, arn, key = MADE[kind]
        full = "arn:aws:" + arn.format(filled(resource["Properties"][key])).replace(
            ":R:", ":us-east-1:"
        ).replace(":A:", ":123456789012:")
        if not any(fnmatchcase(action, a) and fnmatchcase(full, r) for a, r in allowed):
            refused.append((name, f"{action} {full}"))

    assert [] == refused


def many(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def filled(text: Any) -> str:
    """A name or ARN with its parameters filled in."""
    if isinstance(text, dict):
        text = text.get("Fn::Sub", "*")
    values = {**GIVEN, "AWS::Partition": "aws", "AWS::AccountId": "123456789012", "AWS::Region": "us-east-1"}
    return re.sub(r"\$\{([\w:]+)\}", lambda found: values.get(found[1], found[1]), str(text))
