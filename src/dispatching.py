"""The dispatcher of this program: the kinds that it knows, and what they need from the floors above theirs."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from shared.common.errors import Misconfigured, unknown

if TYPE_CHECKING:
    from shared.landing.log import CommitLog
    from shared.orchestrator.configuration import Kinds
    from shared.orchestrator.inputs.landing import Commits
    from shared.orchestrator.journal import Store
    from shared.orchestrator.settings import Surroundings
    from src.workplace import Workplace

JOURNAL = "sqlite:///.sluice/dispatch.db"


def kinds() -> Kinds:
    """Every kind of input and process."""
    from shared.orchestrator.configuration import Kinds
    from shared.orchestrator.inputs.call import CallInput
    from shared.orchestrator.inputs.landing import LandingInput
    from shared.orchestrator.inputs.objects import ObjectsInput
    from shared.orchestrator.inputs.postgres import PostgresInput
    from shared.orchestrator.inputs.queue import QueueInput
    from shared.orchestrator.inputs.schedule import ScheduleInput
    from shared.orchestrator.inputs.webhook import WebhookInput
    from shared.orchestrator.processes.call import CallProcess
    from shared.orchestrator.processes.command import CommandProcess
    from shared.orchestrator.processes.container import ContainerProcess
    from shared.orchestrator.processes.execution import ExecutionProcess
    from shared.orchestrator.processes.lambda_function import LambdaProcess
    from shared.orchestrator.processes.product import IngestProcess, LoadProcess, PipelineProcess
    from shared.orchestrator.processes.task import TaskProcess
    from shared.orchestrator.processes.webhook import HookProcess

    return Kinds(
        [PostgresInput, WebhookInput, ScheduleInput, ObjectsInput, LandingInput, QueueInput, CallInput],
        [
            *(ContainerProcess, HookProcess, CommandProcess, CallProcess),
            *(LambdaProcess, TaskProcess, ExecutionProcess),
            *(IngestProcess, LoadProcess, PipelineProcess),
        ],
    )


class Words(Mapping[str, str]):
    """What `${NAME}` stands for: the environment, settings that are no secrets, and secrets, wherever they lie."""

    def __init__(self, place: Workplace) -> None:
        self._plain = place.words()
        self._secrets = place.configuration.secrets

    def __getitem__(self, name: str) -> str:
        if name in self._plain:
            return self._plain[name]
        try:
            return self._secrets.get(name)
        except Misconfigured:
            raise KeyError(name) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._plain)

    def __len__(self) -> int:
        return len(self._plain)


def surroundings(place: Workplace) -> Surroundings:
    from shared.orchestrator.settings import Surroundings
    from src.wiring import open_store

    return Surroundings(
        words=Words(place),
        clock=place.clock,
        doors={
            "objects": lambda url: open_store(url, clock=place.clock),
            "landing": lambda name: streams(place, name),
            "aws": aws_client,
            "product": product,
        },
    )


def aws_client(service: str) -> Any:
    """Functions of Lambda may take 15 minutes to answer; everything else answers in seconds."""
    from shared.aws.clients import client

    return client(service, read_timeout=910 if service == "lambda" else 60, attempts=1)


def product(words: Sequence[str]) -> tuple[Sequence[str], Mapping[str, str]]:
    """The command line of this program in a process of its own, with the settings of this one."""
    return [sys.executable, "-m", "src.cli", *words], dict(os.environ)


def open_journal(url: str, *, new: bool = False) -> Store:
    """`sqlite:///file`, `sqlite:////absolute/file`, or a `postgresql://` URL. Raises `Misconfigured`.

    Only with `new` one is made that is not there: a look must not leave anything behind.
    """
    parts = urlsplit(url)
    match parts.scheme:
        case "sqlite":
            from shared.orchestrator.sqlite_journal import SqliteJournal

            return SqliteJournal(Path(unquote(parts.path).removeprefix("/")), existing=not new)
        case "postgresql" | "postgres":
            from shared.orchestrator.postgres_journal import PostgresJournal

            return PostgresJournal(url, existing=not new)
    raise unknown("kind of journal", parts.scheme, ["sqlite", "postgresql"])


@dataclass(frozen=True, slots=True)
class LandedCommits:
    """The log of a stream as the input `landing` reads it."""

    log: CommitLog

    def since(self, sequence: int) -> Iterator[tuple[int, Mapping[str, Any]]]:
        for commit in self.log.since(sequence):
            draft = commit.draft
            yield (
                commit.sequence,
                {
                    "source": commit.source,
                    "stream": commit.stream,
                    "run": draft.run,
                    "kind": draft.kind,
                    "rows": draft.rows,
                    "rejected": draft.rejected,
                    "cursor": draft.cursor,
                    "done": draft.resume is None,
                },
            )


def streams(place: Workplace, name: str) -> Mapping[str, Commits]:
    """The logs of `source` or `source.stream`, by `source.stream`."""
    from shared.landing.log import CommitLog
    from shared.landing.streams import landed_streams

    source, _, stream = name.partition(".")
    found = [stream] if stream else landed_streams(place.store, source)
    return {
        f"{source}.{one}": LandedCommits(CommitLog(place.store, source, one, place.clock)) for one in found
    }
