"""The roles that a machine of Step Functions needs: what its own states ask for, and who starts it. No more.

Which calls a service integration makes: https://docs.aws.amazon.com/step-functions/latest/dg/service-integration-iam-templates.html
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from shared.pipelines.plan import Plan
from shared.pipelines.targets.stepfunctions_flow import State
from shared.pipelines.targets.stepfunctions_work import machine_name
from shared.pipelines.work import SubPipeline

_ACCOUNT = "${AWS::Region}:${AWS::AccountId}"
_INTEGRATION = "arn:aws:states:::"


Tasks = dict[str, list[State]]
"""Tasks of a machine by what they call, such as `lambda:invoke`."""


def machine_role(plan: Plan, name: str, tasks: Tasks) -> dict[str, Any]:
    """The role of the machine `name`: it may call what the tasks of its definition call."""
    statements = [_ALLOW[kind](found, plan, name) for kind, found in sorted(tasks.items())]
    flat = [one for group in statements for one in group]
    policies = [_policy("run", flat)] if flat else []
    return _role(f"Runs {name}", "states", policies)


def start_role(service: str) -> dict[str, Any]:
    """The role of whoever starts the machine at its times or by its events: `scheduler` or `events`."""
    return _role(
        "Starts the machine",
        service,
        [_policy("start", [_allow("StartIt", "states:StartExecution", {"Ref": "Machine"})])],
    )


def tasks_of(machine: State) -> Tasks:
    """All tasks of a machine; how the engine waits for one (`.sync`) does not matter here."""
    found: Tasks = {}
    for state in _states(machine):
        if state["Type"] == "Task":
            kind = str(state["Resource"]).removeprefix(_INTEGRATION).partition(".")[0]
            found.setdefault(kind, []).append(state)
    return found


def _states(machine: State) -> Iterator[State]:
    for state in machine["States"].values():
        yield state
        inner = [state["ItemProcessor"]] if "ItemProcessor" in state else state.get("Branches", [])
        for one in inner:
            yield from _states(one)


def _functions(tasks: list[State], plan: Plan, name: str) -> list[dict[str, Any]]:
    named = {str(task["Parameters"]["FunctionName"]) for task in tasks}
    arns = [_arn(f"lambda:{_ACCOUNT}:function:{_plain(one)}", given=one) for one in sorted(named)]
    return [_allow("CallFunctions", "lambda:InvokeFunction", arns)]


def _executions(tasks: list[State], plan: Plan, name: str) -> list[dict[str, Any]]:
    """Machines of other pipelines; those that are waited for are followed by a rule that the service makes."""
    steps = [step.work for step in plan.all_steps() if isinstance(step.work, SubPipeline)]
    started = sorted({machine_name(one.pipeline) for one in steps})
    followed = sorted({machine_name(one.pipeline) for one in steps if one.wait})
    machines = [_arn(f"states:{_ACCOUNT}:stateMachine:{one}") for one in started]
    found = [_allow("StartPipelines", "states:StartExecution", machines)]
    if followed:
        runs = [_arn(f"states:{_ACCOUNT}:execution:{one}:*") for one in followed]
        follow = ["states:DescribeExecution", "states:StopExecution"]
        found.append(_allow("FollowPipelines", follow, runs))
        found.append(_rule("FollowTheirEnd", "StepFunctionsGetEventsForStepFunctionsExecutionRule"))
    return found


def _queue(tasks: list[State], plan: Plan, name: str) -> list[dict[str, Any]]:
    return [
        _allow("SeeOtherRuns", "states:ListExecutions", _arn(f"states:{_ACCOUNT}:stateMachine:{name}")),
    ]


def _mails(tasks: list[State], plan: Plan, name: str) -> list[dict[str, Any]]:
    """From one address; whether the address or its domain is the identity is the account's own matter."""
    senders = sorted({str(task["Parameters"]["FromEmailAddress"]) for task in tasks})
    condition = {"StringEquals": {"ses:FromAddress": senders}}
    identities = _arn(f"ses:{_ACCOUNT}:identity/*")
    return [{**_allow("SendMail", "ses:SendEmail", identities), "Condition": condition}]


def _glue(tasks: list[State], plan: Plan, name: str) -> list[dict[str, Any]]:
    jobs = sorted({str(task["Parameters"]["JobName"]) for task in tasks})
    actions = ["glue:StartJobRun", "glue:GetJobRun", "glue:GetJobRuns", "glue:BatchStopJobRun"]
    return [_allow("RunJobs", actions, [_arn(f"glue:{_ACCOUNT}:job/{_plain(one)}") for one in jobs])]


def _ecs(tasks: list[State], plan: Plan, name: str) -> list[dict[str, Any]]:
    """Of a task definition that is named without a revision any; the roles that tasks take are a parameter."""
    wanted = [(str(t["Parameters"]["TaskDefinition"]), str(t["Parameters"]["Cluster"])) for t in tasks]
    definitions = [
        _arn(f"ecs:{_ACCOUNT}:task-definition/{_plain(one)}{'' if ':' in one else ':*'}", given=one)
        for one in sorted({one for one, _ in wanted})
    ]
    clusters = sorted({cluster.rpartition("/")[2] for _, cluster in wanted})
    running = [_arn(f"ecs:{_ACCOUNT}:task/{_plain(one)}/*") for one in clusters]
    handed = {"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}}
    return [
        _allow("RunTasks", "ecs:RunTask", definitions),
        _allow("FollowTasks", ["ecs:DescribeTasks", "ecs:StopTask"], running),
        {**_allow("HandOverRoles", "iam:PassRole", {"Ref": "TaskRoles"}), "Condition": handed},
        _rule("FollowTheirEndInEcs", "StepFunctionsGetEventsForECSTaskRule"),
    ]


_ALLOW = {
    "lambda:invoke": _functions,
    "states:startExecution": _executions,
    "aws-sdk:sfn:listExecutions": _queue,
    "aws-sdk:sesv2:sendEmail": _mails,
    "glue:startJobRun": _glue,
    "ecs:runTask": _ecs,
}


def _allow(sid: str, action: str | list[str], resource: Any) -> dict[str, Any]:
    return {"Sid": sid, "Effect": "Allow", "Action": action, "Resource": resource}


def _rule(sid: str, rule: str) -> dict[str, Any]:
    """The rule by which Step Functions hears of the end of what it waits for, one for the account."""
    actions = ["events:PutTargets", "events:PutRule", "events:DescribeRule"]
    return _allow(sid, actions, _arn(f"events:{_ACCOUNT}:rule/{rule}"))


def _arn(rest: str, *, given: str = "") -> Any:
    """The ARN of something in this account; `given` is what a definition says, which may be one already."""
    return given if given.startswith("arn:") else {"Fn::Sub": f"arn:${{AWS::Partition}}:{rest}"}


def _plain(text: str) -> str:
    """As text of `Fn::Sub`, so that nothing of it is taken for a name."""
    return text.replace("${", "${!")


def _policy(name: str, statements: list[dict[str, Any]]) -> dict[str, Any]:
    return {"PolicyName": name, "PolicyDocument": {"Version": "2012-10-17", "Statement": statements}}


def _role(description: str, service: str, policies: list[dict[str, Any]]) -> dict[str, Any]:
    trust = {
        "Effect": "Allow",
        "Principal": {"Service": f"{service}.amazonaws.com"},
        "Action": "sts:AssumeRole",
        "Condition": {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}},
    }
    boundary = {"Fn::If": ["HasBoundary", {"Ref": "PermissionsBoundary"}, {"Ref": "AWS::NoValue"}]}
    return {
        "Type": "AWS::IAM::Role",
        "Properties": {
            "Description": description,
            "PermissionsBoundary": boundary,
            "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [trust]},
            **({"Policies": policies} if policies else {}),
        },
    }
