"""The pipelines hold to their bars: no polling, no long-lived key, no "*" actions, a person before prod, a way back."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from moto import mock_aws

from src.delivery.template import read_template

ROOT = Path(__file__).parents[3]
CICD = ROOT / "deploy" / "cicd"
TEMPLATES = {
    path.stem: read_template(path)
    for path in (CICD / f"{n}.yml" for n in ("artifacts", "pipeline", "target"))
}
PIPELINES = {"dev": "DevPipeline", "prod": "ProdPipeline"}

#: What a role's own policies may have together, and a managed policy, in characters without blanks
#: (docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html).
INLINE, MANAGED = 10_240, 6_144


def resources(kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for template in TEMPLATES.values():
        for name, resource in template["Resources"].items():
            if resource["Type"] == kind:
                yield name, resource.get("Properties", {})


def statements(node: Any) -> Iterator[dict[str, Any]]:
    """All statements of all policies, wherever they stand."""
    if isinstance(node, dict):
        if "Effect" in node and "Action" in node:
            yield node
        for value in node.values():
            yield from statements(value)
    elif isinstance(node, list):
        for value in node:
            yield from statements(value)


def many(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def stages(environment: str) -> dict[str, Any]:
    pipeline = TEMPLATES["pipeline"]["Resources"][PIPELINES[environment]]["Properties"]
    return {stage["Name"]: stage for stage in pipeline["Stages"]}


def actions(environment: str, stage: str) -> dict[str, Any]:
    return {one["Name"]: one for one in stages(environment)[stage]["Actions"]}


@pytest.mark.parametrize("name", sorted(TEMPLATES))
def test_cfn_lint_is_silent(name: str) -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("cfn-lint"), CICD / f"{name}.yml"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (0, "") == (done.returncode, done.stdout)


@pytest.mark.parametrize("environment", sorted(PIPELINES))
def test_a_push_to_its_branch_starts_it_and_pushes_wait_for_each_other(environment: str) -> None:
    """Nothing polls: the connection tells."""
    pipeline = TEMPLATES["pipeline"]["Resources"][PIPELINES[environment]]["Properties"]
    source = actions(environment, "Source")["Source"]
    (trigger,) = pipeline["Triggers"]
    branch = {"Ref": f"{environment.capitalize()}Branch"}

    assert ("V2", "QUEUED") == (pipeline["PipelineType"], pipeline["ExecutionMode"])
    assert "CodeStarSourceConnection" == source["ActionTypeId"]["Provider"] == trigger["ProviderType"]
    assert branch == source["Configuration"]["BranchName"]
    assert "false" == source["Configuration"]["DetectChanges"]
    assert [{"Branches": {"Includes": [branch]}}] == trigger["GitConfiguration"]["Push"]


def test_nothing_polls_and_no_key_lives_long() -> None:
    texts = {path.name: path.read_text() for path in CICD.rglob("*.*")}
    kinds = {
        resource["Type"] for template in TEMPLATES.values() for resource in template["Resources"].values()
    }

    assert not {"AWS::IAM::AccessKey", "AWS::IAM::User"} & kinds
    for name, text in texts.items():
        found = re.findall(
            r"PollForSourceChanges|OAuthToken|AKIA[A-Z0-9]{16}|AWS_SECRET_ACCESS_KEY|AWS_ACCESS_KEY_ID", text
        )
        assert [] == found, name


def test_no_policy_allows_every_action() -> None:
    """Of one service only where the policy says why: the owner of a key, and a denial."""
    whole = [
        one
        for t in TEMPLATES.values()
        for one in statements(t)
        for action in many(one["Action"])
        if action == "*"
    ]
    services = {
        (one.get("Sid"), action)
        for template in TEMPLATES.values()
        for one in statements(template)
        for action in many(one["Action"])
        if action.endswith(":*") and one["Effect"] == "Allow"
    }

    assert [] == whole
    assert {("Owner", "kms:*")} == services


@pytest.mark.parametrize("environment", sorted(PIPELINES))
def test_a_change_set_is_reviewed_and_executed_in_the_target_account(environment: str) -> None:
    review, deploy = actions(environment, "Review"), actions(environment, "Deploy")
    account = f"${{{environment.capitalize()}AccountId}}"
    modes = [one["Configuration"].get("ActionMode") for one in (*review.values(), *deploy.values())]
    roles = [
        role["Fn::Sub"]
        for one in (*review.values(), *deploy.values())
        for role in (one.get("RoleArn"), one["Configuration"].get("RoleArn"))
        if role
    ]

    assert [m for m in modes if m] == ["CHANGE_SET_REPLACE", "CHANGE_SET_REPLACE", "CHANGE_SET_EXECUTE"]
    assert roles
    assert all(account in role for role in roles)
    assert ["Source", "Build", "Review", "Deploy"] == list(stages(environment))


def test_a_person_is_asked_before_prod_and_only_there() -> None:
    kinds = {
        environment: [one["ActionTypeId"]["Category"] for one in actions(environment, "Review").values()]
        for environment in PIPELINES
    }

    assert {"dev": ["Deploy"], "prod": ["Deploy", "Approval"]} == kinds


@pytest.mark.parametrize("environment", sorted(PIPELINES))
def test_an_alarm_after_the_deployment_rolls_it_back(environment: str) -> None:
    """The alarm is one that the target account has before the first deployment, and its role may look at it."""
    stage = stages(environment)["Deploy"]
    ((condition,),) = (stage["OnSuccess"]["Conditions"],)
    (rule,) = condition["Rules"]
    alarm = rule["Configuration"]["AlarmName"]["Fn::Sub"]
    theirs = TEMPLATES["target"]["Resources"]["AfterDeploy"]["Properties"]["AlarmName"]["Fn::Sub"]

    assert ("ROLLBACK", "ROLLBACK") == (stage["OnFailure"]["Result"], condition["Result"])
    assert alarm == theirs.replace("${Environment}", environment)


@pytest.mark.parametrize("environment", sorted(PIPELINES))
def test_the_two_sides_of_the_border_name_the_same_roles(environment: str) -> None:
    """Key policy, bucket policy and the pipeline's role name the roles that target.yml makes, and they trust it."""
    made = {
        role["RoleName"]["Fn::Sub"].replace("${Environment}", environment)
        for _, role in resources("AWS::IAM::Role")
        if "${Environment}" in role["RoleName"]["Fn::Sub"]
    }
    text = json.dumps(TEMPLATES["pipeline"])
    trust = json.dumps(
        TEMPLATES["target"]["Resources"]["DeployRole"]["Properties"]["AssumeRolePolicyDocument"]
    )
    own = TEMPLATES["pipeline"]["Resources"]["PipelineRole"]["Properties"]["RoleName"]["Fn::Sub"]

    assert {"${AppName}-%s-deploy" % environment, "${AppName}-%s-cloudformation" % environment} == made  # noqa: UP031
    assert all(text.count(f":role/{name}") >= 3 for name in made)
    assert f"role/{own}" in trust


def test_policies_fit_into_what_iam_takes() -> None:
    def size(document: Any) -> int:
        text = re.sub(r"\$\{(AppName|Environment)\}", "sluice-prod", json.dumps(document))
        text = re.sub(r"\$\{[^}]*AccountId\}", "1" * 12, text).replace("${AWS::Partition}", "aws")
        return len(re.sub(r'\s|\{"Fn::Sub":', "", text))

    inline = {
        name: sum(size(p["PolicyDocument"]) for p in role["Policies"])
        for name, role in resources("AWS::IAM::Role")
    }
    managed = {name: size(policy["PolicyDocument"]) for name, policy in resources("AWS::IAM::ManagedPolicy")}

    assert all(length <= INLINE for length in inline.values()), inline
    assert all(length <= MANAGED for length in managed.values()), managed


def test_roles_are_made_inside_the_boundary_only() -> None:
    made = [
        one
        for one in statements(TEMPLATES["target"]["Resources"]["CloudFormationRole"])
        if {"iam:CreateRole", "iam:PutRolePolicy", "iam:AttachRolePolicy"} & set(many(one["Action"]))
    ]

    assert made
    assert all(
        {"Ref": "Boundary"} == one["Condition"]["ArnEquals"]["iam:PermissionsBoundary"] for one in made
    )
    bounded = statements(TEMPLATES["target"]["Resources"]["Boundary"])
    found = [
        (a, one.get("Condition")) for one in bounded for a in many(one["Action"]) if a.startswith("iam:")
    ]
    to_tasks = {"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}}

    assert [("iam:PassRole", to_tasks)] == found


def test_buckets_and_keys_stay_when_the_stack_goes() -> None:
    for template in TEMPLATES.values():
        for name, resource in template["Resources"].items():
            if resource["Type"] in ("AWS::S3::Bucket", "AWS::KMS::Key"):
                kept = {resource.get("DeletionPolicy"), resource.get("UpdateReplacePolicy")}
                assert kept == {"Retain"}, name


@pytest.mark.parametrize("name", ["buildspec", "testspec"])
def test_commands_of_the_builds_are_verbs_that_exist(name: str) -> None:
    spec = yaml.safe_load((CICD / f"{name}.yml").read_text())
    known = set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE))
    commands = [command for phase in spec["phases"].values() for command in phase["commands"]]
    verbs = {verb for command in commands for verb in re.findall(r"\bmake ([a-z-]+)", command)}

    assert verbs <= known
    assert {"buildspec": {"setup", "lint", "layers", "package"}, "testspec": {"setup", "test"}}[name] == verbs
    assert spec["reports"]
    assert spec["cache"]["paths"]


def test_reports_are_written_where_the_builds_look_for_them() -> None:
    spec = yaml.safe_load((CICD / "testspec.yml").read_text())
    command = " ".join(spec["phases"]["build"]["commands"])
    files = [file for report in spec["reports"].values() for file in report["files"]]

    assert all(file in command for file in files)
    assert {"JUNITXML", "COBERTURAXML"} == {report["file-format"] for report in spec["reports"].values()}
    assert "make test" in command
    assert "make test " in (ROOT / "README.md").read_text()


def test_the_build_hands_on_what_the_pipeline_deploys() -> None:
    spec = yaml.safe_load((CICD / "buildspec.yml").read_text())
    files = spec["artifacts"]["files"]
    wanted = {
        one["Configuration"][key].removeprefix("Built::")
        for environment in PIPELINES
        for stage in ("Review", "Deploy")
        for one in actions(environment, stage).values()
        for key in ("TemplatePath", "TemplateConfiguration")
        if key in one["Configuration"]
    }

    assert wanted == {
        "build/packaged.json",
        "deploy/cicd/parameters/dev.json",
        "deploy/cicd/parameters/prod.json",
    }
    assert {"build/packaged.json", "deploy/cicd/parameters/*.json"} <= set(files)
    assert all((ROOT / path).is_file() for path in wanted if path.startswith("deploy"))


@pytest.mark.filterwarnings("ignore::UserWarning")
@mock_aws
def test_the_roles_of_a_target_account_can_be_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """Moto knows roles and policies; alarms and pipelines it steps over."""
    import boto3

    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    cloud = boto3.client("cloudformation", region_name="us-east-1")
    given = {
        "Environment": "prod",
        "ToolsAccountId": "111111111111",
        "ArtifactBucket": "b",
        "ArtifactKey": "arn:aws:kms:us-east-1:111111111111:key/k",
    }
    cloud.create_stack(
        StackName="target",
        TemplateBody=json.dumps(TEMPLATES["target"]),
        Parameters=[{"ParameterKey": k, "ParameterValue": v} for k, v in given.items()],
        Capabilities=["CAPABILITY_NAMED_IAM"],
    )
    roles = {one["RoleName"] for one in boto3.client("iam").list_roles()["Roles"]}
    outputs = {o["OutputKey"] for o in cloud.describe_stacks(StackName="target")["Stacks"][0]["Outputs"]}

    assert {"sluice-prod-deploy", "sluice-prod-cloudformation"} == roles
    assert {"DeployRole", "CloudFormationRole", "Boundary"} == outputs
