"""What a plan needs of the world around it, for those who have to grant it: secrets, hosts, functions, images, …"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from shared.pipelines.plan import Plan
from shared.pipelines.step import Method, Notifications, Step
from shared.pipelines.values import Literal, Root, Template
from shared.pipelines.work import (
    Call,
    Container,
    Ingest,
    Job,
    JobService,
    Lambda,
    Load,
    Ref,
    SubPipeline,
    Transform,
)


@dataclass(frozen=True, slots=True)
class Needs:
    """Names, each sorted and once. A host that is known only in a run is the text of its reference.

    `tables` are those that are written, `channels` those that are told how a run ended, by Slack or e-mail.
    """

    secrets: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    functions: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    pipelines: tuple[str, ...] = ()
    jobs: tuple[str, ...] = ()
    tables: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()

    def beyond(self, other: Needs) -> dict[str, tuple[str, ...]]:
        """What is needed here and not there, by its kind."""
        found = {
            name: tuple(sorted({*getattr(self, name)} - {*getattr(other, name)})) for name in self.__slots__
        }
        return {name: values for name, values in found.items() if values}


def needs(plan: Plan) -> Needs:
    """What the plan needs, wherever in it."""
    found: dict[str, set[str]] = {name: set() for name in Needs.__slots__}
    for kind, name in [
        *_told(plan.notifications),
        *(pair for step in plan.all_steps() for pair in _of(step)),
    ]:
        found[kind].add(name)
    return Needs(**{kind: tuple(sorted(names)) for kind, names in found.items()})


def _of(step: Step) -> Iterator[tuple[str, str]]:
    yield from _told(step.notifications)
    for reference in step.references():
        if reference.root is Root.SECRET:
            yield "secrets", reference.name
    match step.work:
        case Call(url=url):
            yield "hosts", _host(url)
        case Lambda(function=function):
            yield "functions", function
        case Container(image=image):
            yield "images", image
        case Job(service=JobService.FUNCTION, start=start, status=status):
            yield from (("functions", name) for name in (start, status) if name)
        case Job(service=service, start=start):
            yield "jobs", f"{service.value}: {start}"
        case SubPipeline(pipeline=pipeline):
            yield "pipelines", pipeline
        case Ingest(source=source) | Load(source=source) if source:
            yield "sources", source
    if isinstance(step.work, Ingest | Transform):
        yield from _places(step.work.inputs, step.work.outputs)


def _places(inputs: tuple[Ref, ...], outputs: tuple[Ref, ...]) -> Iterator[tuple[str, str]]:
    yield from (("tables", ref.table) for ref in outputs if ref.table)
    for ref in (*inputs, *outputs):
        if ref.secret:
            yield "secrets", ref.secret
        if host := ref.host or urlsplit(ref.url).hostname or ref.account:
            yield "hosts", host


def _told(notifications: Notifications) -> Iterator[tuple[str, str]]:
    for target in (*notifications.on_success, *notifications.on_failure):
        match target.method:
            case Method.WEBHOOK:
                yield from (("hosts", urlsplit(url).hostname or url) for url in target.recipients)
            case Method.SLACK if target.channel:
                yield "channels", f"slack: {target.channel}"
            case Method.SLACK | Method.EMAIL:
                yield from (("channels", f"{target.method}: {name}") for name in target.recipients)


def _host(url: Any) -> str:
    """The host of a URL that may hold references: where the host itself is one, that reference."""
    match url:
        case Literal(value=str(text)):
            return urlsplit(text).hostname or text
        case Template(parts=parts):
            text = "".join(part if isinstance(part, str) else f"${{{part}}}" for part in parts)
            return text.partition("://")[2].partition("/")[0] or text
    return f"${{{url}}}"
