"""Deploying without the pipeline: upload, change set, look, execute, against an account in this process."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from shared.aws.clients import client
from shared.aws.stacks import Proposal, Rollout, Stacks
from shared.common.errors import Misconfigured, Refused, Transient
from shared.common.fakes import FakeClock, MemoryStore
from src.cli.app import sluice
from src.delivery.package import package
from src.delivery.rollout import shown
from src.delivery.template import local_files, read_template, text_of

# moto makes what it knows, and warns of the rest.
pytestmark = pytest.mark.filterwarnings("ignore:Tried to parse:UserWarning")

TOY = """\
AWSTemplateFormatVersion: "2010-09-09"
Parameters:
  AppName: { Type: String, Default: toy }
  Environment: { Type: String, AllowedValues: [dev, prod] }
  Version: { Type: String, Default: unknown }
Resources:
  Queue:
    Type: AWS::SQS::Queue
    Properties: { QueueName: !Sub "${AppName}-${Environment}-one" }
  Layer:
    Type: AWS::Serverless::LayerVersion
    Properties: { ContentUri: build/layer.zip }
Outputs:
  Url: { Value: !Ref Queue }
"""


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    (tmp_path / "build").mkdir()
    (tmp_path / "build" / "layer.zip").write_bytes(b"a layer")
    (tmp_path / "dev.json").write_text('{"Parameters": {"Environment": "dev"}, "Tags": {"app": "toy"}}')
    path = tmp_path / "template.yml"
    path.write_text(TOY)
    return path


def call(toy: Path, *arguments: str, answer: str | None = None) -> Result:
    words = ["deploy", "stack", "dev", "--template", str(toy), "--parameters", str(toy.with_name("dev.json"))]
    return CliRunner().invoke(sluice, [*words, *arguments], input=answer, prog_name="sluice")


def queues() -> list[str]:
    return [url.rpartition("/")[2] for url in client("sqs").list_queues().get("QueueUrls", [])]


@pytest.mark.usefixtures("aws")
def test_a_first_deployment_makes_the_bucket_shows_the_changes_and_asks(toy: Path) -> None:
    asked = call(toy, answer="n\n")
    none = queues()
    done = call(toy, "--yes", "--json")
    told = json.loads(done.stdout.splitlines()[-1])

    assert ("nothing was changed" in asked.output, []) == (True, none), asked.output
    assert "+ Queue  AWS::SQS::Queue" in asked.output
    assert (0, True, ["toy-dev-one"]) == (done.exit_code, told["executed"], queues()), done.output
    tags = client("cloudformation").describe_stacks(StackName="toy-dev")["Stacks"][0]["Tags"]
    assert {"Key": "app", "Value": "toy"} in tags


@pytest.mark.usefixtures("aws")
def test_zips_lie_under_their_digest_and_go_up_once(toy: Path) -> None:
    call(toy, "--yes")
    again = call(toy, "--yes", "--set", "Version=two")
    bucket = "toy-packages-123456789012-us-east-1"
    keys = [one["Key"] for one in client("s3").list_objects_v2(Bucket=bucket)["Contents"]]

    assert f"packages/{hashlib.sha256(b'a layer').hexdigest()}.zip" in keys
    assert "layer.zip is there already" in again.output


@pytest.mark.usefixtures("aws")
def test_a_change_that_waits_is_left_for_somebody_else(toy: Path) -> None:
    left = call(toy, "--no-execute")
    found = client("cloudformation").list_change_sets(StackName="toy-dev")["Summaries"]
    summaries = [one for one in found if one["StackName"] == "toy-dev"]  # moto lists those of all stacks

    assert (0, 1, []) == (left.exit_code, len(summaries), queues()), left.output


@pytest.mark.usefixtures("aws")
def test_who_is_not_signed_in_is_told_how(toy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    result = call(toy, "--yes")

    assert (3, True) == (result.exit_code, "aws sso login" in result.output), result.output


@pytest.mark.usefixtures("aws")
def test_what_is_wrong_is_told_before_anything_is_made(toy: Path) -> None:
    unknown = call(toy, "--set", "Enviroment=dev")
    (toy.parent / "build" / "layer.zip").unlink()
    missing = call(toy)
    nowhere = CliRunner().invoke(sluice, ["deploy", "stack", "staging"], prog_name="sluice")

    assert (2, 2, 2) == (unknown.exit_code, missing.exit_code, nowhere.exit_code)
    assert 'did you mean "Environment"?' in unknown.output
    assert "Layer (layer.zip)" in missing.output
    assert "make layers package" in missing.output
    assert [] == client("cloudformation").describe_stacks()["Stacks"]


def test_a_packaged_template_has_addresses_and_the_version(toy: Path) -> None:
    store = MemoryStore()
    document = package(toy, store, version="abc123")
    digest = hashlib.sha256(b"a layer").hexdigest()

    assert store.url(f"{digest}.zip") == document["Resources"]["Layer"]["Properties"]["ContentUri"]
    assert "abc123" == document["Parameters"]["Version"]["Default"]
    assert b"a layer" == (toy.parent / "build" / "layer.zip").read_bytes()
    assert text_of(document) == text_of(package(toy, store, version="abc123"))
    assert [] == list(local_files(json.loads(text_of({"Resources": {}})), toy.parent))


def test_short_forms_and_dates_become_what_cloudformation_reads(tmp_path: Path) -> None:
    path = tmp_path / "t.yml"
    path.write_text(
        "Resources:\n  A:\n    B: !GetAtt C.D.E\n    F: !If [G, !Ref H, !Sub ['${I}', {I: 1}]]\n    V: 2012-10-17\n"
    )

    expected = {
        "B": {"Fn::GetAtt": ["C", "D.E"]},
        "F": {"Fn::If": ["G", {"Ref": "H"}, {"Fn::Sub": ["${I}", {"I": 1}]}]},
        "V": "2012-10-17",
    }
    assert expected == read_template(path)["Resources"]["A"]


@pytest.mark.parametrize("text", ["[]", "a: !!python/object:os.system {}", "Resources: 3", "a: [", "x"])
def test_what_is_no_template_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "t.yml"
    path.write_text(text)

    with pytest.raises(Misconfigured, match=r"template"):
        read_template(path)


class Cloud:
    """CloudFormation with one stack that answers as a test wants."""

    def __init__(
        self, *, status: str = "", ends: str = "UPDATE_COMPLETE", reason: str = "", fault: str = ""
    ) -> None:
        self.status, self.ends, self.reason, self.fault = status, ends, reason, fault
        self.made: dict[str, Any] = {}
        self.dropped: list[str] = []

    def describe_stacks(self, **_: Any) -> Any:
        if self.fault:
            raise fault(self.fault)
        if not self.status:
            raise fault("ValidationError", "Stack with id x does not exist")
        return {"Stacks": [{"StackStatus": self.status, "Outputs": []}]}

    def create_change_set(self, **how: Any) -> Any:
        self.made = how
        return {"Id": "set"}

    def describe_change_set(self, **how: Any) -> Any:
        if self.reason:
            return {"Status": "FAILED", "StatusReason": self.reason}
        if "NextToken" in how:
            return {"Changes": [changed("Table", "Modify", "True")]}
        return {"Status": "CREATE_COMPLETE", "Changes": [changed("Queue", "Add")], "NextToken": "more"}

    def describe_stack_events(self, **_: Any) -> Any:
        return {"StackEvents": [*self.events(), {"EventId": "old", "ResourceStatus": "CREATE_FAILED"}]}

    def events(self) -> list[dict[str, str]]:
        if self.status != self.ends:
            return []
        failed = {
            "LogicalResourceId": "Queue",
            "ResourceType": "AWS::SQS::Queue",
            "ResourceStatusReason": "no",
        }
        return [{"EventId": "new", "ResourceStatus": "CREATE_FAILED", **failed}]

    def execute_change_set(self, **_: Any) -> None:
        self.status = self.ends

    def delete_change_set(self, **_: Any) -> None:
        self.dropped.append("set")

    def delete_stack(self, **_: Any) -> None:
        self.dropped.append("stack")


def fault(code: str, message: str = "no") -> Exception:
    from botocore.exceptions import ClientError

    return ClientError({"Error": {"Code": code, "Message": message}}, "Call")


def changed(name: str, action: str, replacement: str = "False") -> dict[str, Any]:
    one = {
        "Action": action,
        "ResourceType": f"AWS::X::{name}",
        "LogicalResourceId": name,
        "Replacement": replacement,
    }
    return {"ResourceChange": one}


def stacks(api: Cloud) -> Stacks:
    return Stacks(FakeClock(), api=api)


def test_all_pages_of_changes_are_shown_and_replacements_first() -> None:
    api = Cloud(status="UPDATE_COMPLETE")
    proposal = stacks(api).propose("toy", Rollout("{}", alarms=["arn"], watch=5, role="role"), name="n")

    assert proposal is not None
    assert ["~ Table  AWS::X::Table  REPLACED", "+ Queue  AWS::X::Queue"] == shown(proposal)
    assert ("UPDATE", "role", 5) == (
        api.made["ChangeSetType"],
        api.made["RoleARN"],
        api.made["RollbackConfiguration"]["MonitoringTimeInMinutes"],
    )


def test_no_changes_are_no_proposal_and_leave_nothing_behind() -> None:
    api = Cloud(status="UPDATE_COMPLETE", reason="The submitted information didn't contain changes.")

    assert (None, ["set"]) == (stacks(api).propose("toy", Rollout("{}"), name="n"), api.dropped)


@pytest.mark.parametrize(
    ("api", "kind", "what"),
    [
        (Cloud(status="ROLLBACK_COMPLETE"), Misconfigured, "delete-stack"),
        (Cloud(status="UPDATE_IN_PROGRESS"), Misconfigured, "wait until"),
        (Cloud(status="CREATE_COMPLETE", reason="Template error: x"), Misconfigured, "Template error"),
        (Cloud(fault="AccessDenied"), Refused, "refuses describe_stacks"),
        (Cloud(fault="Throttling"), Transient, "Throttling"),
    ],
)
def test_a_stack_that_cannot_be_changed_says_who_must_act(
    api: Cloud, kind: type[Exception], what: str
) -> None:
    with pytest.raises(kind) as caught:
        stacks(api).propose("toy", Rollout("{}"), name="n")

    assert what in str(caught.value)


def test_a_change_that_is_rolled_back_names_what_failed_this_time() -> None:
    """Events of earlier changes are not told."""
    api = Cloud(status="UPDATE_COMPLETE", ends="UPDATE_ROLLBACK_COMPLETE")
    with pytest.raises(Misconfigured, match=r"Queue \(AWS::SQS::Queue\): no") as caught:
        stacks(api).execute(Proposal("toy", "set", creates=False))

    assert 1 == caught.value.message.count("\n")
