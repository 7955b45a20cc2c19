"""A document that runs and is changed while it does: versions, refusals, what the file says, and the picture of it."""

from __future__ import annotations

import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shared.common.documents import Document
from shared.common.errors import Misconfigured, Superseded
from shared.orchestrator import change
from shared.orchestrator.configuration import Kinds, read_configuration
from shared.orchestrator.dispatcher import Dispatcher
from shared.orchestrator.event import Event
from shared.orchestrator.http_door import Response
from shared.orchestrator.inputs.call import CallInput
from shared.orchestrator.inputs.webhook import WebhookInput
from shared.orchestrator.journal import Standing
from shared.orchestrator.picture import picture, runs
from shared.orchestrator.processes.call import CallProcess
from shared.orchestrator.processes.command import CommandProcess
from shared.orchestrator.settings import Surroundings
from shared.orchestrator.sqlite_journal import SqliteJournal
from tests.shared.orchestrator.running import until

KINDS = Kinds([WebhookInput, CallInput], [CallProcess, CommandProcess])
TEXT = """\
http: { port: 0 }
input:
  - { name: hook, type: webhook, connection_string: /hook }
process:
  - { name: keep, type: python, execution_context: { callable: "tests.shared.orchestrator.test_dispatcher:keep" } }
links:
  - { from: hook, to: keep }
"""
KEPT: list[str] = []
BEGAN, END = threading.Semaphore(0), threading.Event()
EVENT = b'{"location": "a", "operation": "create", "id": "%d"}'


def keep(event: Event) -> None:
    KEPT.append(event.id)


def held(event: Event) -> None:
    BEGAN.release()
    END.wait(30)


def document(text: str = TEXT) -> Document:
    return read_configuration(text, file="dispatch.yml")


def post(dispatcher: Dispatcher, number: int, path: str = "/hook") -> int:
    assert dispatcher.http is not None
    try:
        with urllib.request.urlopen(dispatcher.http.url + path, EVENT % number, timeout=5) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


@pytest.fixture
def dispatcher(tmp_path: Path) -> Iterator[Dispatcher]:
    KEPT.clear()
    one = Dispatcher(KINDS, SqliteJournal(tmp_path / "j.db"), Surroundings(words={"CALL": "json:dumps"}))
    one.start(document())
    until(lambda: post(one, 0) == 202)
    yield one
    one.stop(5)


def test_the_document_is_what_was_given(dispatcher: Dispatcher) -> None:
    assert (1, document().data) == (dispatcher.document().number, dispatcher.document().document)


def test_a_change_holds_at_once_and_after_a_restart(dispatcher: Dispatcher, tmp_path: Path) -> None:
    """A second path, the first one replaced; what comes back is what was given."""
    added = {"name": "more", "type": "webhook", "connection_string": "/more"}
    dispatcher.edit(lambda known: change.put_node(known, "input", added))
    dispatcher.edit(lambda known: change.put_link(known, {"from": "more", "to": ["keep"]}))
    until(lambda: post(dispatcher, 1, "/more") == 202)
    version = dispatcher.edit(lambda known: change.remove_node(known, "hook"), after=3, note="by hand")
    gone = post(dispatcher, 2)
    until(lambda: "1" in KEPT)
    dispatcher.stop(5)
    again = Dispatcher(KINDS, SqliteJournal(tmp_path / "j.db"), Surroundings())
    kept = again.start(document())
    again.stop(5)

    assert 404 == gone
    assert (4, "by hand") == (version.number, version.note)
    assert [added] == version.document["input"]
    assert [{"from": "more", "to": ["keep"]}] == version.document["links"]
    assert kept == version


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda known: change.remove_node(known, "keeep"), 'unknown process "keeep"'),
        (lambda known: change.put_link(known, {"from": "hook", "to": "other"}), 'unknown process "other"'),
        (lambda known: change.remove_link(known, "keep", "hook"), "no link from keep to hook"),
        (lambda known: {**known, "more": 1}, 'unknown key "more"'),
        (
            lambda known: change.put_node(
                known, "process", {"name": "x", "type": "python", "execution_context": {"callable": "no:no"}}
            ),
            "cannot be imported",
        ),
    ],
)
def test_a_change_with_a_fault_changes_nothing(dispatcher: Dispatcher, edit: Any, message: str) -> None:
    with pytest.raises(Misconfigured, match=message):
        dispatcher.edit(edit)

    assert (1, 202) == (dispatcher.document().number, post(dispatcher, 5))


def test_of_two_changes_on_the_same_version_one_is_refused(dispatcher: Dispatcher) -> None:
    data = dispatcher.document().document
    dispatcher.replace(data, after=1)
    with pytest.raises(Superseded, match="at version 2, and this change was made on version 1"):
        dispatcher.replace(data, after=1)


def test_a_node_rests_and_goes_on(dispatcher: Dispatcher) -> None:
    dispatcher.pause("keep")
    statuses = [post(dispatcher, number) for number in (7, 8)]
    time.sleep(0.1)
    resting = list(KEPT)
    shown = picture(dispatcher.supervisor)
    dispatcher.resume("keep")
    until(lambda: len(KEPT) == 3)

    assert ([202, 202], ["0"]) == (statuses, resting)
    assert [("paused", 2)] == [(one["state"], one["pending"]) for one in shown["processes"]]
    assert dispatcher.document().document == document().data


def test_what_another_replica_changed_is_taken_over(dispatcher: Dispatcher) -> None:
    """The second change cannot be put into effect here: what runs goes on."""
    data = dispatcher.document().document
    before = dispatcher.follow()
    dispatcher.journal.put_document(change.pause(data, "keep", paused=True), after=1, at=0.0)
    taken = [dispatcher.follow(), dispatcher.follow()]
    state = picture(dispatcher.supervisor)["processes"][0]["state"]
    dispatcher.journal.put_document({**data, "process": [{"name": "keep", "type": "gone"}]}, after=2, at=0.0)
    refused = [dispatcher.follow(), dispatcher.follow()]
    resumed = dispatcher.replace(data, after=3)

    assert (False, [True, False], "paused", [False, False]) == (before, taken, state, refused)
    assert (4, 4, "idle") == (
        resumed.number, dispatcher.version, picture(dispatcher.supervisor)["processes"][0]["state"]
    )  # fmt: skip


def test_the_picture_tells_what_happened(dispatcher: Dispatcher) -> None:
    until(lambda: dispatcher.journal.counts()[Standing.DONE] == 1)
    shown = picture(dispatcher.supervisor)

    assert [("hook", "running", 1)] == [(one["name"], one["state"], one["events"]) for one in shown["inputs"]]
    assert [("keep", "idle", 1, 0, 0)] == [
        (one["name"], one["state"], one["done"], one["failed"], one["pending"]) for one in shown["processes"]
    ]
    assert [("hook", "keep")] == [(link["from"], link["to"]) for link in shown["links"]]
    assert [(1, "done")] == [(run["event"], run["phase"]) for run in runs(dispatcher.supervisor, "keep")]


def test_a_file_that_changed_holds_unless_the_document_changed_too(tmp_path: Path) -> None:
    changed = TEXT.replace("from: hook", "from: [hook]")

    def begun(text: str, **options: Any) -> int:
        one = Dispatcher(KINDS, SqliteJournal(tmp_path / "j.db"), Surroundings())
        try:
            return one.start(document(text), **options).number
        finally:
            one.stop(5)

    first = [begun(TEXT), begun(TEXT), begun(changed)]
    one = Dispatcher(KINDS, SqliteJournal(tmp_path / "j.db"), Surroundings())
    one.start(document(changed))
    one.pause("hook")
    one.stop(5)
    with pytest.raises(
        Misconfigured, match=r"dispatch\.yml has changed, and so has the document at run time"
    ):
        begun(TEXT)

    assert [1, 1, 2] == first
    assert [3, 4] == [begun(changed), begun(TEXT, replace=True)]


def test_what_changes_nothing_makes_no_version(dispatcher: Dispatcher) -> None:
    made = [dispatcher.pause("keep").number for _ in range(2)]
    made += [dispatcher.edit(lambda known: change.pause(known, "keep", paused=True), after=2).number]
    with pytest.raises(Superseded):
        dispatcher.edit(lambda known: change.pause(known, "keep", paused=True), after=1)

    assert [2, 2, 2] == made


def test_while_it_drains_the_port_says_so_and_takes_nothing_in(tmp_path: Path) -> None:
    dispatcher = Dispatcher(KINDS, SqliteJournal(tmp_path / "j.db"), Surroundings())
    dispatcher.around.routes.mount("/look", lambda request: Response(200, b"seen"))
    dispatcher.start(document(TEXT.replace(":keep", ":held")))
    until(lambda: post(dispatcher, 1) == 202)
    assert BEGAN.acquire(timeout=10)
    stopping = threading.Thread(target=dispatcher.stop)
    stopping.start()
    until(lambda: post(dispatcher, 2) == 503)
    assert dispatcher.http is not None
    with urllib.request.urlopen(f"{dispatcher.http.url}/look", timeout=5) as answer:
        look = answer.status
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"{dispatcher.http.url}/hook", EVENT % 3, timeout=5)
    with refused.value as problem:
        again = problem.headers["Retry-After"]
    END.set()
    stopping.join(30)
    with pytest.raises(urllib.error.URLError, match="refused"):
        post(dispatcher, 4)

    assert (200, "5") == (look, again)


def test_a_port_that_is_taken_is_told_before_anything_is_stored_or_begun(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        dispatcher = Dispatcher(KINDS, SqliteJournal(tmp_path / "j.db"), Surroundings())
        with pytest.raises(Misconfigured, match="cannot be listened at"):
            dispatcher.start(document(TEXT.replace("port: 0", f"port: {taken.getsockname()[1]}")))

    assert 0 == SqliteJournal(tmp_path / "j.db").document().number
    assert not dispatcher.supervisor.intake.sources
