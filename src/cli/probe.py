"""What `sluice check` does: a small request to the source's API, and the reason in plain words when it fails."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec

from shared.common.errors import Misconfigured, Refused, SluiceError, Transient, unknown
from shared.rest.body import IncompleteBody
from src.preflight import secret_names

if TYPE_CHECKING:
    from shared.common.ports import Clock
    from shared.ingestion.source import Source
    from shared.rest.client import Client
    from shared.rest.message import Request
    from src.workplace import Workplace

PATIENCE = 15.0
"""Seconds that the API may ask to wait; else nothing is tried again: whoever waits wants to know now."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check saw: the URL, the status, and for a stream how many records, how many of them broke the contract."""

    url: str
    status: int
    seconds: float
    stream: str = ""
    records: int | None = None
    rejected: int = 0
    reason: str = ""


def probe(place: Workplace, source: Source) -> Finding:
    """Ask once: the source's `check` path, else the first page of its first stream that needs no parent.

    That stream is asked for its last day, and where nothing is there, for everything. Raises the error with a hint that
    says what to look at.
    """
    from shared.rest.client import connect
    from shared.rest.transport import Timeout

    spec = source.spec
    stream, request = _question(place, source, narrow=True)
    client = connect(
        spec.base_url,
        clock=place.clock,
        secrets=place.configuration.secrets,
        auth=spec.auth,
        retry=spec.retry.model_copy(update={"attempts": 1}),
        limit=spec.rate_limit,
        errors=spec.errors,
        headers=tuple(spec.headers.items()),
        timeout=Timeout(connect=5.0, read=20.0, total=30.0),
        redactor=place.redactor,
    )
    try:
        seen = _patiently(place.clock, lambda: _ask(client, source, stream, request))
        if seen.records == 0:
            _, request = _question(place, source, narrow=False)
            seen = _patiently(place.clock, lambda: _ask(client, source, stream, request))
        return seen
    except SluiceError as error:
        error.at(source=source.name, stream=stream, url=place.redactor.url(request.full_url()))
        raise explained(error, source, stream) from error
    finally:
        client.close()


def _patiently(clock: Clock, ask: Callable[[], Finding]) -> Finding:
    """Ask; an API that says when to come again (a 429) is asked once more then."""
    try:
        return ask()
    except Transient as error:
        if error.retry_after is None or error.retry_after > PATIENCE:
            raise
        clock.sleep(error.retry_after)
    return ask()


def _question(place: Workplace, source: Source, *, narrow: bool) -> tuple[str, Request]:
    from shared.ingestion.request import absolute, first_request
    from shared.ingestion.spec import DatedFiles
    from shared.ingestion.window import Window
    from shared.rest.message import split_url

    spec = source.spec
    if spec.check is not None:
        return "", split_url(absolute(spec, spec.check))
    for name, stream in spec.streams.items():
        if stream.parent is None:
            until = stream.incremental.format.floor(place.clock.now()) if stream.incremental else None
            since = stream.incremental.start if stream.incremental else None
            if narrow and until:
                since = until - timedelta(days=1)
            return name, first_request(spec, stream, window=Window(since, until), name=name)
    for report in spec.reports.values():
        if isinstance(report, DatedFiles) and report.dates_path:
            return "", split_url(absolute(spec, report.dates_path))
    raise Misconfigured(
        "nothing can be asked without side effects",
        hint="add `check: /path` to the source.yml",
        source=source.name,
    )


def _ask(client: Client, source: Source, stream: str, request: Request) -> Finding:
    response = client.send(request)
    seen = Finding(client.redactor.url(request.full_url()), response.status, response.seconds, stream)
    if not stream:
        return seen
    spec = source.spec.streams[stream]
    shape = spec.pagination.shape(spec.records, single=spec.single)
    page = shape.parse(request, response, redactor=client.redactor)
    records: list[bytes] = [bytes(record) for record in page.records]
    if spec.map is not None:
        from shared.ingestion.sieve import hook

        mapped = map(hook(source.hooks[spec.map]), records)
        records = [record for record in mapped if record is not None]
    _compare(source, stream, records)
    rejected, reason = 0, ""
    if (contract := source.contracts.get(stream)) is not None:
        from shared.contracts.validate import Validator

        validator = Validator.for_contract(contract)
        faults = [found for record in records if (found := validator.check(record))]
        rejected = len(faults)
        reason = f"{faults[0][0].pointer}: {faults[0][0].message}" if faults else ""
    return replace(seen, records=len(page.records), rejected=rejected, reason=reason)


def _compare(source: Source, stream: str, texts: list[bytes]) -> None:
    """Raises `Misconfigured` for a key or cursor that no record has: it is misspelt, whatever the contract says."""
    spec = source.spec.streams[stream]
    records = [record for text in texts if isinstance(record := msgspec.json.decode(text), dict)]
    known = {name for record in records for name in record}
    for role, fields in (("primary_key", spec.primary_key), ("cursor_field", (spec.cursor_field,))):
        for field in fields:
            if field and known and field.partition(".")[0] not in known:
                error = unknown("field", field, known)
                error.message = f'{role}: no record on the page has the field "{field}"'
                raise error


def explained(error: SluiceError, source: Source, stream: str) -> SluiceError:
    """The same error with a hint that names what to look at in this source."""
    spec = source.spec
    host = urlsplit(spec.base_url).hostname or spec.base_url
    secrets = ", ".join(secret_names(source)) or "`auth`, which the source does not have"
    causes = list(_causes(error))
    match error:
        case Refused(status=401):
            error.hint = f"the API does not know this credential: look at {secrets}"
        case Refused(status=403):
            error.hint = f"the credential is known but may not read this: look at {secrets}"
        case Refused(status=404):
            error.hint = (
                f"nothing is at this path; base_url is {spec.base_url}: compare both with its documentation"
            )
        case IncompleteBody():
            records = spec.streams[stream].records if stream else ""
            error.hint = f'{error.hint}\nrecords: "{records}" and what pagination names must be in the answer'
        case _ if any(isinstance(cause, socket.gaierror) for cause in causes):
            error.message = f"the name {host} is not known (DNS)"
            error.hint = "is base_url spelled right? is there a network, a VPN, a proxy (HTTPS_PROXY)?"
        case _ if any(isinstance(cause, ConnectionRefusedError) for cause in causes):
            error.message = f"nothing listens at {host} (connection refused)"
            error.hint = "compare host and port of base_url"
        case _ if not error.hint and any(isinstance(cause, ssl.SSLError) for cause in causes):
            error.message = f"TLS failed with {host}: {error.message}"
            error.hint = (
                "does base_url begin with the right one of http:// and https://, and is the port right?"
            )
        case _ if "no connection came about" in error.message or "no answer came" in error.message:
            error.hint = f"{host} does not answer: a firewall, a VPN, or a wrong port?"
    return error


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Everything that led to an error; what requests and urllib3 wrap is among the arguments."""
    waiting, seen = [error], set[int]()
    while waiting:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        inside = [one.__cause__, one.__context__, getattr(one, "reason", None), *one.args]
        waiting.extend(cause for cause in inside if isinstance(cause, BaseException))
