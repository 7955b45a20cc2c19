"""The template in an account: every resource stands there, held to the rules of the house, and can be deleted again."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import yaml

from src.delivery.template import read_template
from tests.deploy.infra.account import ACCOUNT, INFRA, REGION, Account, account, substituted

TEMPLATE = INFRA / "template.yml"
DATA = {"AWS::KMS::Key", "AWS::Logs::LogGroup", "AWS::S3::Bucket", "AWS::SecretsManager::Secret"}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    with account(tmp_path_factory.mktemp("stack")) as made:
        made.paused = {"ingest", "load", "drop", "step"}
        made.create(Environment="dev")
        yield made


@pytest.fixture(scope="module")
def expanded(stack: Account) -> dict[str, Any]:
    """The resources as CloudFormation gets them."""
    found: dict[str, Any] = stack.template["Resources"]
    return found


def linted(path: Path) -> str:
    """What cfn-lint says of a template, notes and warnings too."""
    linter = Path(sys.executable).parent / "cfn-lint"
    done = subprocess.run([linter, path], capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def of_type(resources: dict[str, Any], kind: str) -> dict[str, Any]:
    return {name: one["Properties"] for name, one in resources.items() if one["Type"] == kind}


def test_the_linter_of_cloudformation_has_nothing_to_say() -> None:
    assert "" == linted(TEMPLATE)


@pytest.mark.parametrize("file", ["run", "backfill"])
def test_the_linter_has_nothing_to_say_about_a_machine(tmp_path: Path, file: str) -> None:
    """Definitions in files of their own are not looked at otherwise."""
    names = {
        "Partition": "aws",
        "AppName": "sluice-dev",
        "Source": "recurly",
        "IngestLogs": "/sluice/dev/recurly",
    }
    arns = {
        n: f"arn:aws:lambda:us-east-1:123456789012:function:{n}" for n in ("IngestFunction", "LoadFunction")
    }
    topic = {"AlertTopic": "arn:aws:sns:us-east-1:123456789012:alerts"}
    text = substituted((INFRA / f"{file}.asl.yml").read_text(), {**names, **arns, **topic})
    role = "arn:aws:iam::123456789012:role/machine"
    machine = {
        "Type": "AWS::StepFunctions::StateMachine",
        "Properties": {"RoleArn": role, "DefinitionString": json.dumps(yaml.safe_load(text))},
    }
    path = tmp_path / "template.json"
    path.write_text(json.dumps({"AWSTemplateFormatVersion": "2010-09-09", "Resources": {"Machine": machine}}))

    assert "" == linted(path)


def test_every_resource_of_the_template_is_made(stack: Account, expanded: dict[str, Any]) -> None:
    assert {name for name, one in expanded.items() if "Condition" not in one} == set(stack.resources())
    assert len(expanded) < 100


def test_every_source_has_its_outputs(stack: Account) -> None:
    assert {"RecurlyMachine", "RecurlyBackfill", "RecurlySecret", "BucketName"} <= set(stack.outputs())


def test_what_holds_data_stays_when_the_stack_goes(expanded: dict[str, Any]) -> None:
    kept = {
        n
        for n, one in expanded.items()
        if one.get("DeletionPolicy") == "Retain" == one.get("UpdateReplacePolicy")
    }

    assert {name for name, one in expanded.items() if one["Type"] in DATA} <= kept


def test_every_role_has_the_boundary(expanded: dict[str, Any]) -> None:
    boundary = {"Fn::If": ["HasBoundary", {"Ref": "PermissionsBoundaryArn"}, {"Ref": "AWS::NoValue"}]}
    roles = of_type(expanded, "AWS::IAM::Role")

    assert {} == {name: one for name, one in roles.items() if one.get("PermissionsBoundary") != boundary}
    assert {} == {name: one for name, one in roles.items() if "ManagedPolicyArns" in one}


def test_every_function_runs_alike(expanded: dict[str, Any]) -> None:
    for name, function in of_type(expanded, "AWS::Lambda::Function").items():
        assert ("python3.13", ["arm64"], {"Mode": "Active"}) == (
            function["Runtime"],
            function["Architectures"],
            function["TracingConfig"],
        ), name
        assert "JSON" == function["LoggingConfig"]["LogFormat"]
        assert "LogGroup" in function["LoggingConfig"]
        assert len(function["Layers"]) <= 5


def test_what_rests_is_encrypted_with_our_key(expanded: dict[str, Any]) -> None:
    for kind, key in (
        ("AWS::Logs::LogGroup", "KmsKeyId"),
        ("AWS::SecretsManager::Secret", "KmsKeyId"),
        ("AWS::SNS::Topic", "KmsMasterKeyId"),
        ("AWS::SQS::Queue", "KmsMasterKeyId"),
    ):
        found = of_type(expanded, kind)
        assert found
        assert [] == [name for name, one in found.items() if "Key" not in json.dumps(one.get(key))]
    (rule,) = expanded["Bucket"]["Properties"]["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    by_default = rule["ServerSideEncryptionByDefault"]

    assert {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": {"Fn::GetAtt": ["Key", "Arn"]}} == by_default
    assert rule["BucketKeyEnabled"] is True


def test_every_log_group_may_use_the_key(stack: Account) -> None:
    """CloudWatch refuses to make a group whose key does not let it in."""
    names = [one["logGroupName"] for one in stack.client("logs").describe_log_groups()["logGroups"]]
    (statement,) = [
        one
        for one in stack.template["Resources"]["Key"]["Properties"]["KeyPolicy"]["Statement"]
        if one["Sid"] == "LogGroups"
    ]
    (patterns,) = statement["Condition"]["ArnLike"].values()
    filled = {"AWS::Partition": "aws", "AWS::Region": REGION, "AWS::AccountId": ACCOUNT}
    filled |= {"AppName": "sluice", "Environment": "dev"}
    arns = [f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{name}" for name in names]

    assert arns
    assert [] == [
        arn for arn in arns if not any(fnmatch(arn, substituted(p["Fn::Sub"], filled)) for p in patterns)
    ]


@pytest.mark.parametrize("kind", ["Bucket", "AccessLogs"])
def test_nobody_from_outside_gets_into_a_bucket(expanded: dict[str, Any], kind: str) -> None:
    bucket = expanded[kind]["Properties"]

    assert {True} == set(bucket["PublicAccessBlockConfiguration"].values())
    assert [{"ObjectOwnership": "BucketOwnerEnforced"}] == bucket["OwnershipControls"]["Rules"]


def test_lambda_has_six_times_its_timeout_to_work_on_a_message(expanded: dict[str, Any]) -> None:
    functions = of_type(expanded, "AWS::Lambda::Function")
    queues = of_type(expanded, "AWS::SQS::Queue")
    for mapping in of_type(expanded, "AWS::Lambda::EventSourceMapping").values():
        queue = queues[mapping["EventSourceArn"]["Fn::GetAtt"][0]]
        timeout = functions[mapping["FunctionName"]["Ref"]]["Timeout"]

        assert queue["VisibilityTimeout"] >= 6 * timeout
        assert ["ReportBatchItemFailures"] == mapping["FunctionResponseTypes"]
        own = {"WeaveQueue": "WeaveDeadLetters", "DispatchQueue": "DispatchDeadLetters"}
        letters = own.get(mapping["EventSourceArn"]["Fn::GetAtt"][0], "DeadLetters")
        assert {"Fn::GetAtt": [letters, "Arn"]} == queue["RedrivePolicy"]["deadLetterTargetArn"]


def test_a_commit_finds_its_way_to_the_load_function(stack: Account) -> None:
    """S3 -> EventBridge -> the queue -> the function; other objects do not."""
    bucket = stack.outputs()["BucketName"]
    stack.listen()
    stack.calls.clear()
    for key in ("landing/recurly/plans/data/dt=2026-11-20/r/a001-w00000-part-00000.jsonl.gz",
                "landing/recurly/plans/log/00000000000000000001.json", "drop/signups/a.jsonl"):  # fmt: skip
        stack.client("s3").put_object(Bucket=bucket, Key=key, Body=b"x")
    created = [
        (kind, json.loads(event["Records"][0]["body"])["detail"]["object"]["key"])
        for kind, event in stack.calls
        if json.loads(event["Records"][0]["body"])["detail-type"] == "Object Created"
    ]

    assert [
        ("load", "landing/recurly/plans/log/00000000000000000001.json"),
        ("drop", "drop/signups/a.jsonl"),
    ] == created


def test_the_dashboard_shows_every_source(stack: Account) -> None:
    dashboard = stack.client("cloudwatch").get_dashboard(DashboardName="sluice-dev")
    widgets = json.loads(dashboard["DashboardBody"])["widgets"]
    titles = [one["properties"]["title"] for one in widgets]

    assert {f"recurly: {what}" for what in ("rows landed", "rows rejected", "lag")} <= set(titles)
    assert "Steps of pipelines" in titles
    assert any("cost" in title for title in titles)
    assert "${" not in dashboard["DashboardBody"]


def test_a_setting_of_a_source_reaches_its_function_the_load_and_steps(stack: Account) -> None:
    names = ("recurly-ingest", "load", "step")
    found = [stack.environment(f"sluice-dev-{name}")["API_ENDPOINT"] for name in names]

    assert ["https://v3.recurly.com"] * 3 == found


def test_what_sam_makes_of_the_template_has_no_surprise(expanded: dict[str, Any]) -> None:
    """Everything is named by us, but for what connects a queue to its function, the schedule, and the webhook's URL."""
    ours = set(read_template(TEMPLATE)["Resources"])
    layers = {name for name, one in expanded.items() if one["Type"] == "AWS::Lambda::LayerVersion"}

    events = {"LoadFunctionCommits", "DropFunctionFiles", "WeaveFunctionNews", "RecurlyMachineSchedule"}
    events.add("DispatchFunctionEvents")
    url = {"HookFunctionUrl", "HookFunctionUrlPublicPermissions", "HookFunctionURLInvokeAllowPublicAccess"}
    assert events | url == set(expanded) - ours - layers


def test_every_alarm_says_where_its_remedy_stands_and_it_stands_there(expanded: dict[str, Any]) -> None:
    text = (INFRA.parents[1] / "docs" / "operate.md").read_text()
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    anchors = {heading.lower().replace(" ", "-") for heading in headings}
    told = [one["AlarmDescription"] for one in of_type(expanded, "AWS::CloudWatch::Alarm").values()]
    named = [re.search(r"\(docs/operate\.md#([a-z-]+)\)$", text) for text in told]

    assert len(told) >= 9
    assert [] == [
        text for text, match in zip(told, named, strict=True) if match is None or match[1] not in anchors
    ]
