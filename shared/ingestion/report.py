"""Reports: files that an API makes by itself or when asked, landed byte for byte as they come.

Two kinds. *Dated files* are published per day, each for a stream of its own; one that fails does not stop the others.
A *job* is created, polled and downloaded; its id is in the commit, so polling goes on in a later invocation.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

import orjson

from shared.common.errors import Refused, SluiceError, Superseded, Transient, Violation
from shared.common.instants import format_instant, parse_instant
from shared.common.ports import Clock, Deadline
from shared.ingestion.plan import Ask
from shared.ingestion.request import absolute
from shared.ingestion.spec import DatedFiles, Job, SourceSpec
from shared.ingestion.stream_report import StreamReport, last_words
from shared.ingestion.template import lookup
from shared.ingestion.window import TimeFormat
from shared.landing.commit import Commit, Draft, Part
from shared.landing.log import CommitLog
from shared.rest.client import Client
from shared.rest.message import Request

NOT_READY = 900.0
"""Seconds after which it makes sense to look again for files that were not ready."""

Fetch = Callable[[Request, str, str | None, str], Part]
"""Downloads a request into a part of the stream: (request, stream, md5, format)."""


@dataclass(frozen=True, slots=True)
class Desk:
    """What a report works with: the source's client, the logs, and `fetch`, which lands one download as a part."""

    spec: SourceSpec
    client: Client
    log: Callable[[str], CommitLog]
    fetch: Fetch
    clock: Clock
    deadline: Deadline
    run: str
    code_version: str
    stop: Callable[[], bool]

    def get(self, path: str) -> Any:
        """The JSON answer to a path of the API. Raises `Transient` when the body is no JSON."""
        response = self.client.send(Request(absolute(self.spec, path)))
        return _json(response.body, path)

    def draft(self, **more: Any) -> Draft:
        return Draft(run=self.run, attempt=1, code_version=self.code_version, **more)


@dataclass(frozen=True, slots=True)
class File:
    """A file that the API offers for a day."""

    day: date
    name: str
    href: str
    md5: str | None
    stream: str


def run_dated_files(desk: Desk, name: str, report: DatedFiles, ask: Ask) -> list[StreamReport]:
    """Land the files of the days up to the one asked for that have not landed yet; one report per stream.

    When the day that was asked for has no files yet the report is `unfinished` with `retry_after`: that is no failure.
    A run that asks for no day takes what there is.
    """
    overall = StreamReport(name)
    found: dict[str, StreamReport] = {}
    last = (ask.until or desk.clock.now()).date()
    first = ask.since.date() if ask.since else last - timedelta(days=report.days - 1)
    try:
        days = _days(desk, report, first, last)
        if last not in days and ask.until is not None:
            _not_ready(overall, last)
        for day in days:
            files = _files(desk, report, day)
            if files is None and day == last and ask.until is not None:
                _not_ready(overall, day)
            for file in files or ():
                if desk.stop():
                    overall.status = "unfinished"
                    return [overall, *found.values()]
                one = found.setdefault(file.stream, StreamReport(file.stream))
                _land(desk, file, one, again=ask.full_refresh)
    except SluiceError as error:
        overall.status, overall.error = "failed", error.at(stream=name)
    return [overall, *found.values()]


def _days(desk: Desk, report: DatedFiles, first: date, last: date) -> list[date]:
    """The days that have files, ascending, within the range."""
    if report.dates_path is None:
        return [first + timedelta(days=i) for i in range((last - first).days + 1)]
    listed = lookup(desk.get(report.dates_path), report.dates)
    if not isinstance(listed, list):
        raise Transient(
            f'the answer of {report.dates_path} has no list "{report.dates}"', source=desk.spec.source
        )
    return sorted(day for text in listed if first <= (day := parse_instant(str(text)).date()) <= last)


def _files(desk: Desk, report: DatedFiles, day: date) -> list[File] | None:
    """The files of a day; None when they are not ready."""
    path = report.files_path.replace("{date}", day.isoformat())
    try:
        answer = desk.get(path)
    except Refused as error:
        if error.status in report.not_ready:
            return None
        raise
    listed = lookup(answer, report.files)
    if not isinstance(listed, list):
        raise Transient(f'the answer of {path} has no list "{report.files}"', source=desk.spec.source)
    files = []
    for item in listed:
        name, href = str(lookup(item, report.name) or ""), str(lookup(item, report.href) or "")
        match = re.search(report.stream, name)
        if match is None or not href:
            raise Violation(
                f'the file "{name}" of {day} cannot be assigned to a stream',
                hint=f"its name must match {report.stream} and it must have a {report.href}",
                source=desk.spec.source,
            )
        md5 = lookup(item, report.md5) if report.md5 else None
        files.append(
            File(day, name, href, None if md5 is None else str(md5), report.prefix + match["stream"])
        )
    return files


def _land(desk: Desk, file: File, report: StreamReport, *, again: bool) -> None:
    """Land one file, unless its stream has it; an error ends up in the stream's report and the next file goes on."""
    began = desk.clock.monotonic()
    try:
        log = desk.log(file.stream)
        head = log.latest()
        if again or not _landed(head, file):
            part = desk.fetch(Request(file.href), file.stream, file.md5, _format(file.name))
            draft = desk.draft(
                parts=(part,),
                cursor=_cursor(head, file),
                window={"date": file.day.isoformat(), "file": file.name},
                format=_format(file.name),
            )
            commit = log.append(draft, after=head)
            report.rows += part.rows
            report.bytes += part.bytes
            report.parts += 1
            report.commits += 1
            report.cursor = commit.draft.cursor["date"]
    except Superseded as error:
        report.status, report.error = "superseded", error
    except Exception as error:  # noqa: BLE001  (one failing file must not stop the others)
        report.status = "failed"
        report.error = last_words(error).at(stream=file.stream, file=file.name, day=file.day.isoformat())
    report.seconds += desk.clock.monotonic() - began


def _landed(head: Commit | None, file: File) -> bool:
    """Whether the log has this file, in this version, already."""
    if head is None or not isinstance(head.draft.cursor, dict):
        return False
    return bool(head.draft.cursor["files"].get(f"{file.day.isoformat()}/{file.name}") == (file.md5 or ""))


def _cursor(head: Commit | None, file: File) -> dict[str, Any]:
    """The newest day, and the digests of the files of the last weeks: a file that is published anew is landed anew."""
    before: dict[str, Any] = {"date": "", "files": {}}
    if head is not None and isinstance(head.draft.cursor, dict):
        before = head.draft.cursor
    files = {**before["files"], f"{file.day.isoformat()}/{file.name}": file.md5 or ""}
    newest = max(before["date"], file.day.isoformat())
    oldest = (date.fromisoformat(newest) - timedelta(days=62)).isoformat()
    return {"date": newest, "files": {name: md5 for name, md5 in sorted(files.items()) if name >= oldest}}


def _not_ready(report: StreamReport, day: date) -> None:
    report.status, report.retry_after = "unfinished", NOT_READY
    report.warnings.append(f"the files of {day} are not ready yet")


def _format(name: str) -> str:
    kind = "jsonl" if re.search(r"\.(jsonl|ndjson|json)(\.gz)?$", name) else "csv"
    return f"{kind}.gz" if name.endswith(".gz") else kind


def run_job(desk: Desk, name: str, report: Job, ask: Ask) -> list[StreamReport]:
    """Create the report, wait for it and land it; unfinished when the deadline comes first."""
    done = StreamReport(name)
    began = desk.clock.monotonic()
    try:
        _job(desk, name, report, ask, done)
    except Superseded as error:
        done.status, done.error = "superseded", error
    except SluiceError as error:
        if isinstance(error, Transient) and desk.stop():
            done.status = "unfinished"
        else:
            done.status, done.error = "failed", error.at(stream=name)
    done.seconds = desk.clock.monotonic() - began
    return [done]


def _job(desk: Desk, name: str, report: Job, ask: Ask, done: StreamReport) -> None:
    log = desk.log(name)
    head = log.latest()
    pending = None if head is None or ask.anything else head.draft.resume
    if pending is None:
        pending = _create(desk, report, ask, None if head is None else head.draft.cursor)
        # The id is committed before the first poll: a run that dies while it waits finds its job again.
        head = log.append(
            desk.draft(
                cursor=None if head is None else head.draft.cursor, resume=pending, format=f"{report.format}"
            ),
            after=head,
        )
        done.commits += 1
    try:
        answer = _await(desk, report, pending)
    except (Refused, Violation, _Late) as error:
        # This job will never be done: the next run creates another one instead of asking for it for ever.
        note = f"report {pending['job']} was given up: {error.message}"
        log.append(desk.draft(cursor=None if head is None else head.draft.cursor, note=note), after=head)
        raise
    if answer is None:
        done.status, done.retry_after = "unfinished", report.every.total_seconds()
        return
    href = lookup(answer, report.result) if report.result else _path(report.result_path or "", pending)
    if not isinstance(href, str) or not href:
        raise Violation(f'the finished report has no link "{report.result}"', source=desk.spec.source)
    part = desk.fetch(Request(absolute(desk.spec, href)), name, None, report.format)
    log.append(replace(desk.draft(parts=(part,), cursor=pending["until"]), format=report.format), after=head)
    done.rows, done.bytes, done.parts, done.cursor = part.rows, part.bytes, 1, pending["until"]
    done.commits += 1


def _create(desk: Desk, report: Job, ask: Ask, cursor: Any) -> dict[str, Any]:
    """Ask for the report; `{since}`, `{until}` in its request are the range from the cursor to now."""
    until = ask.until or TimeFormat.SECONDS.floor(desk.clock.now())
    since = ask.since or (parse_instant(cursor) if cursor and not ask.full_refresh else None) or report.start
    values = {"until": format_instant(until), "since": "" if since is None else format_instant(since)}
    asked = _filled(dict(report.create), values)
    request = Request(
        absolute(desk.spec, asked["path"]),
        method=asked.get("method", "POST"),
        params=tuple((k, str(v)) for k, v in asked.get("params", {}).items()),
        json=asked.get("json"),
    )
    answer = _json(desk.client.send(request).body, asked["path"])
    identity = lookup(answer, report.id)
    if identity in (None, ""):
        raise Violation(f'the answer to the created report has no "{report.id}"', source=desk.spec.source)
    return {"job": str(identity), "created": format_instant(desk.clock.now()), **values}


def _await(desk: Desk, report: Job, pending: dict[str, Any]) -> Any:
    """Poll until the report is done; None when the deadline comes first. Any unknown state is a failure."""
    created: datetime = parse_instant(pending["created"])
    every = report.every.total_seconds()
    while True:
        answer = desk.get(_path(report.poll_path, pending))
        state = str(lookup(answer, report.state))
        if state in report.done:
            return answer
        if state not in report.running:
            raise Violation(
                f'the report {pending["job"]} ended as "{state}"',
                hint=f"done means {', '.join(report.done)}; still running means {', '.join(report.running)}",
                source=desk.spec.source,
            )
        if desk.clock.now() - created > report.give_up:
            raise _Late(
                f"the report {pending['job']} is not done after {report.give_up}",
                hint="raise give_up, or ask for less",
            )
        if desk.stop() or desk.deadline.remaining() < every + 5.0:
            return None
        desk.clock.sleep(every)


class _Late(Transient):
    """A report that is still running when its time is over."""


def _path(path: str, pending: dict[str, Any]) -> str:
    return path.replace("{id}", pending["job"])


def _filled(value: Any, values: dict[str, str]) -> Any:
    match value:
        case dict():
            return {k: _filled(v, values) for k, v in value.items()}
        case list():
            return [_filled(v, values) for v in value]
        case str():
            return value.replace("{since}", values["since"]).replace("{until}", values["until"])
        case _:
            return value


def _json(body: bytes, path: str) -> Any:
    try:
        return orjson.loads(body)
    except ValueError:
        raise Transient(f"the answer of {path} is not JSON", hint="see the API's status page") from None


def streams_of(report: DatedFiles, names: Iterator[str]) -> list[str]:
    """The streams of the landing zone that belong to a report."""
    return [name for name in names if name.startswith(report.prefix)]
