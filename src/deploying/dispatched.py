"""The document of the dispatcher as its deployment sees it: `dispatch.yml`, and what of it a function can do."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from shared.common.documents import Document, read_yaml
from shared.common.errors import Misconfigured
from shared.orchestrator.configuration import Configuration
from shared.orchestrator.inputs.call import CallInput
from shared.orchestrator.inputs.landing import LandingInput
from shared.orchestrator.inputs.objects import ObjectsInput
from shared.orchestrator.inputs.postgres import PostgresInput
from shared.orchestrator.inputs.queue import QueueInput
from shared.orchestrator.inputs.schedule import ScheduleInput
from shared.orchestrator.inputs.webhook import WebhookInput
from shared.orchestrator.processes.command import CommandProcess
from shared.orchestrator.processes.container import ContainerProcess
from shared.orchestrator.processes.execution import ExecutionProcess
from shared.orchestrator.processes.lambda_function import LambdaProcess
from shared.orchestrator.processes.product import IngestProcess, LoadProcess, PipelineProcess
from shared.orchestrator.processes.task import TaskProcess
from shared.orchestrator.settings import InputSettings, ProcessSettings
from src.deploying.sources import camel

FILE = Path("dispatch.yml")
"""Where the layer with the configuration takes it from (layers/config.yml)."""
QUEUE = re.compile(
    r"https://sqs\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(\.cn)?/(?P<account>[0-9]{12})/(?P<name>[\w-]+(\.fifo)?)"
)
BUCKET = re.compile(r"s3://(?P<bucket>[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(/(?P<prefix>[^$]*))?")
_SETTING = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_TOGETHER = {"breaker", "concurrency", "order_by", "rate"}
"""What a process is promised of all its attempts together."""
_SERVE = "let `sluice dispatch serve` run this document in a container"


@dataclass(frozen=True)
class Dispatched:
    """A document that a function can work by."""

    document: Configuration

    @cached_property
    def titles(self) -> dict[str, str]:
        """Of each input the beginning of its logical ids."""
        return {one.name: title(one.name) for one in self.document.input}

    @property
    def settings(self) -> tuple[str, ...]:
        """Names of `${NAME}` by which rights are given, so that the template has to know them."""
        texts = [
            one.execution_context.function
            if isinstance(one, LambdaProcess)
            else one.execution_context.machine
            for one in self.document.process
            if isinstance(one, LambdaProcess | ExecutionProcess)
        ]
        return tuple(sorted({name for text in texts for name in _SETTING.findall(text)}))

    @property
    def webhooks(self) -> list[WebhookInput]:
        return [one for one in self.document.input if isinstance(one, WebhookInput)]

    @property
    def schedules(self) -> list[ScheduleInput]:
        return [one for one in self.document.input if isinstance(one, ScheduleInput)]


def title(name: str) -> str:
    """The name of an input within logical ids.

    >>> title("raw-writes.eu")
    'RawWritesEu'
    """
    return camel(re.sub(r"[^A-Za-z0-9]+", "_", name))


def deployed_dispatch(file: Path = FILE) -> Dispatched | None:
    """The document of the repository. Raises `Misconfigured`: its own faults, and what no function can do."""
    from src.dispatching import kinds

    if not file.exists():
        return None
    document = read_yaml(file.read_bytes(), file=str(file))
    found = kinds().parse(document)
    lines = [line for number, one in enumerate(found.input) for line in _of_input(document, number, one)]
    lines += [line for number, one in enumerate(found.process) for line in _of_process(document, number, one)]
    titles: dict[str, str] = {}
    for number, one in enumerate(found.input):
        other = titles.setdefault(title(one.name), one.name)
        if other != one.name:
            where = document.where("input", number, "name")
            lines.append(
                f'{where} "{other}" and "{one.name}" would be one name in the template; rename one of them'
            )
    if lines:
        raise Misconfigured("\n".join(lines))
    return Dispatched(found)


def _of_input(document: Document, number: int, one: InputSettings) -> list[str]:
    """What a function cannot be told of, each with its place."""
    fault, key = "", "connection_string"
    match one:
        case PostgresInput() | CallInput():
            fault, key = f"a function cannot wait for {one.type}; {_SERVE}", "type"
        case WebhookInput(secret=()):
            fault, key = "anybody could raise events at a public URL; give the webhook a secret", "name"
        case QueueInput() if not QUEUE.fullmatch(one.connection_string):
            fault = (
                "a queue whose messages call a function is named by its URL, "
                "such as https://sqs.eu-central-1.amazonaws.com/123456789012/orders"
            )
        case ObjectsInput() if not BUCKET.fullmatch(one.connection_string):
            fault = "a function hears of objects of a bucket that is named: s3://bucket/prefix"
        case ScheduleInput():
            fault = _of_schedule(one)
        case LandingInput() | _:
            pass
    return [f"{document.where('input', number, key)} {fault}"] if fault else []


def _of_schedule(one: ScheduleInput) -> str:
    try:
        expressions(one)
    except Misconfigured as error:
        return f"{error.message}; {error.hint}" if error.hint else error.message
    return ""


def expressions(one: ScheduleInput) -> tuple[str, ...]:
    """Those of EventBridge that together are this schedule. Raises `Misconfigured`."""
    from shared.common.cron import schedule_expressions

    text = one.connection_string.strip()
    if not text.startswith("rate("):
        return schedule_expressions(text.removeprefix("cron(").removesuffix(")").strip())
    count, _, unit = text.removeprefix("rate(").removesuffix(")").strip().partition(" ")
    if not unit.strip().startswith("second"):
        return schedule_expressions(text)
    if int(count) % 60:
        raise Misconfigured(f"{text} is no whole number of minutes, and EventBridge counts in minutes")
    return schedule_expressions(f"rate({int(count) // 60} minutes)")


def _of_process(document: Document, number: int, one: ProcessSettings) -> list[str]:
    fault, key = "", "type"
    match one:
        case ContainerProcess():
            fault = "a function starts no containers; make it a task: type ecs"
        case IngestProcess() | LoadProcess() | PipelineProcess():
            fault = (
                f"a function has no command line for {one.type}; start the state machine that does it: "
                "type stepfunctions"
            )
        case CommandProcess():
            fault = f"a function has no programs; make it a function of its own (type lambda), or {_SERVE}"
        case TaskProcess(execution_context=context) if "$" in context.cluster + context.task_definition:
            fault, key = (
                "cluster and task_definition stand there in words, as rights are given by them",
                "name",
            )
        case _:
            pass
    found = [f"{document.where('process', number, key)} {fault}"] if fault else []
    return found + [
        f"{document.where('process', number, name)} functions run side by side and know nothing of each other, so "
        f"{name} would not hold; leave it out, or {_SERVE}"
        for name in sorted(_TOGETHER & one.model_fields_set)
    ]
