"""What the dispatch function may do: what the processes of its document need, by their names, and no more."""

from __future__ import annotations

import re
from typing import Any

from shared.orchestrator.inputs.landing import LandingInput
from shared.orchestrator.inputs.queue import QueueInput
from shared.orchestrator.processes.execution import ExecutionProcess
from shared.orchestrator.processes.lambda_function import LambdaProcess
from shared.orchestrator.processes.task import TaskProcess
from src.deploying.dispatched import QUEUE, Dispatched
from src.deploying.roles import allow
from src.deploying.source import setting_name
from src.deploying.text import Noted, Tag, sub

Document = dict[str, Any]

_ACCOUNT = "${AWS::Region}:${AWS::AccountId}"
_NAME = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


def statements(dispatched: Dispatched) -> list[Document]:
    """The statements of the role that follow from the document."""
    document = dispatched.document
    functions = [one for one in document.process if isinstance(one, LambdaProcess)]
    machines = [one for one in document.process if isinstance(one, ExecutionProcess)]
    tasks = [one for one in document.process if isinstance(one, TaskProcess)]
    logs = [one.connection_string for one in document.input if isinstance(one, LandingInput)]
    queues = [queue_arn(one) for one in document.input if isinstance(one, QueueInput)]
    found: list[Document] = []
    if functions:
        found.append(allow("CallFunctions", "lambda:InvokeFunction", _distinct(map(_function, functions))))
    if machines:
        found.append(allow("StartMachines", "states:StartExecution", _distinct(map(_machine, machines))))
        found.append(
            allow("FollowWhatItStarted", "states:DescribeExecution", _distinct(map(_executions, machines)))
        )
    if tasks:
        found += _of_tasks(tasks)
    if logs:
        found += _of_logs(logs)
    if queues:
        take = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"]
        found.append(allow("TakeMessagesOfItsInputs", take, queues))
    return found


def queue_arn(one: QueueInput) -> Tag:
    """The ARN of the queue of an input, by its URL."""
    parts = QUEUE.fullmatch(one.connection_string)
    assert parts is not None
    return sub(f"arn:${{AWS::Partition}}:sqs:{parts['region']}:{parts['account']}:{parts['name']}")


def filled(text: str) -> str:
    """The text of a document as that of `!Sub`: `${NAME}` is a parameter of the template.

    >>> filled("${STAGE}-orders costs 3 $$")
    '${SettingStage}-orders costs 3 $'
    """
    return _NAME.sub(lambda name: f"${{{setting_name(name[1])}}}", text).replace("$$", "$")


def _function(one: LambdaProcess) -> Tag:
    context = one.execution_context
    name = filled(context.function)
    arn = name if name.startswith("arn:") else f"arn:${{AWS::Partition}}:lambda:{_ACCOUNT}:function:{name}"
    return sub(f"{arn}:{context.qualifier}" if context.qualifier else arn)


def _machine(one: ExecutionProcess) -> Tag:
    return sub(filled(one.execution_context.machine))


def _executions(one: ExecutionProcess) -> Any:
    """The names of executions are made of the events' keys."""
    machine = _machine(one)
    if "${" not in machine.value:
        return Noted(
            sub(f"{machine.value.replace(':stateMachine:', ':execution:')}:*"), "names follow from events"
        )
    parts = {"Fn::Split": [":stateMachine:", {"Fn::Sub": machine.value}]}
    return {"Fn::Join": ["", [{"Fn::Join": [":execution:", parts]}, Noted(":*", "names follow from events")]]}


def _of_tasks(tasks: list[TaskProcess]) -> list[Document]:
    definitions, clusters = [], []
    for one in tasks:
        name, cluster = one.execution_context.task_definition, one.execution_context.cluster
        family = name.rpartition("/")[2]
        arn = (
            name
            if name.startswith("arn:")
            else f"arn:${{AWS::Partition}}:ecs:{_ACCOUNT}:task-definition/{name}"
        )
        whole = ":" in family
        definitions.append(sub(arn) if whole else Noted(sub(f"{arn}:*"), "its newest revision"))
        clusters.append(f"arn:${{AWS::Partition}}:ecs:{_ACCOUNT}:task/{cluster.rpartition('/')[2]}/*")
    roles = sub("arn:${AWS::Partition}:iam::${AWS::AccountId}:role/${AppName}-${Environment}-*")
    return [
        allow("RunTasks", "ecs:RunTask", _distinct(definitions)),
        allow(
            "FollowAndStopTasks",
            ["ecs:DescribeTasks", "ecs:StopTask"],
            _distinct(Noted(sub(one), "ECS names tasks") for one in clusters),
        ),
        allow(
            "HandOverRolesOfTasks",
            "iam:PassRole",
            Noted(roles, "of this installation; only ECS may take them by this"),
            Condition={"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}},
        ),
    ]


def _of_logs(names: list[str]) -> list[Document]:
    """A commit is read to tell what is in it."""
    logs = sorted({_log(name) for name in names})
    return [
        allow(
            "ReadCommits",
            "s3:GetObject",
            [Noted(sub(f"${{Bucket.Arn}}/{log}*"), "the commits of a log") for log in logs],
        ),
        allow(
            "FindCommits",
            "s3:ListBucket",
            Tag("GetAtt", "Bucket.Arn"),
            Condition={"StringLike": {"s3:prefix": [f"{log}*" for log in logs]}},
        ),
    ]


def _log(name: str) -> str:
    source, _, stream = name.partition(".")
    return f"landing/{source}/{stream or '*'}/log/"


def _distinct(found: Any) -> list[Any]:
    """Each once, in order."""
    return list({repr(one): one for one in found}.values())
