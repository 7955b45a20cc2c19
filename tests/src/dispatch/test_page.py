"""The web page in a real Chromium, as a person uses it: by clicking, and with keys alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from shared.orchestrator.journal import Standing, Written
from src.dispatch.page import FOLDER, KINDS
from tests.servers.browser import browser
from tests.servers.databases import Missing
from tests.shared.orchestrator.running import until
from tests.src.dispatch.house import BROKEN, DOCUMENT, TOKEN, Client, serving

Done = Callable[[str, Client], Any]
SCRIPT = Path(__file__).with_name("page.mjs")


@pytest.fixture(scope="module")
def browse() -> Iterator[Callable[..., Any]]:
    try:
        with browser(SCRIPT) as doing:
            yield doing
    except Missing as reason:
        pytest.skip(str(reason))


@pytest.fixture
def done(browse: Callable[..., Any], tmp_path: Path) -> Done:
    """Do a thing; what came of it. The page had no fault, and asked nobody else for anything."""

    def do(what: str, client: Client) -> Any:
        found = browse(what, url=client.url, token=TOKEN, picture=str(tmp_path / f"{what}.png"))

        assert ([], []) == (found.pop("faults"), found.pop("strangers"))
        return found

    return do


def test_a_node_is_paused_and_resumed_by_clicking(done: Done, tmp_path: Path) -> None:
    with serving(tmp_path) as (dispatcher, client):
        BROKEN.clear()
        found = done("pauseAndResume", client)
        notes = [one.note for one in dispatcher.journal.versions()]

    assert "cleanse, python, paused, 0 done, 1 waiting" == found["resting"]
    assert found["chip"] in ("idle", "running")
    assert ["from orders", "to enrich only create", "to report"] == found["links"]
    assert ["resume cleanse", "pause cleanse", "from the file"] == notes


def test_dead_letters_are_retried_and_dropped_by_clicking(done: Done, tmp_path: Path) -> None:
    with serving(tmp_path) as (dispatcher, client):
        for number in (1, 2, 3):
            client.order(number)
        until(lambda: dispatcher.journal.counts()[Standing.DEAD] == 3)
        BROKEN.clear()
        found = done("decide", client)
        until(lambda: dispatcher.journal.counts()[Standing.DONE] == 3)
        ends = [one.to_plain()["journey"][-1]["phase"] for one in dispatcher.journal.events()]

    assert {"badge": "3", "why": "the report of order-key has no total", "question": "Really drop?"} == found
    assert ["done", "dropped", "done"] == ends


def test_a_document_in_toml_is_edited_as_toml(done: Done, tmp_path: Path) -> None:
    toml = "# why\n[[process]]\nname = 'p'\ntype = 'python'\nexecution_context = {callable = 'json:dumps'}\n"
    with serving(tmp_path) as (dispatcher, client):
        client("PUT", "/api/document", toml.encode(), If_Match='"1"', Content_Type="application/toml")
        found = done("toml", client)
        written = dispatcher.document().written

    assert toml == found["before"]
    assert "Line 4, column 8" in found["fault"]
    assert Written("application/toml", toml.replace("why", "why not")) == written


def test_numbers_keep_their_digits(done: Done, tmp_path: Path) -> None:
    payload = b'{"total": 12345678901234567890, "ratio": 0.12345678901234567890, "small": 7}'
    with serving(tmp_path) as (_, client):
        event = b'{"location": "l", "operation": "create", "id": "a", "payload": ' + payload + b"}"
        assert 202 == client("POST", "/hooks/orders", event, Authorization="").status
        found = done("digits", client)

    assert ["12345678901234567890", "7"] == [
        line.split()[-1].strip(",")
        for line in found["payload"].splitlines()
        if "ratio" not in line and ":" in line
    ]


def test_older_dead_letters_and_runs_are_shown_when_asked_for(done: Done, tmp_path: Path) -> None:
    with serving(tmp_path) as (dispatcher, client):
        for number in range(120):
            client.order(number)
        until(lambda: dispatcher.journal.counts()[Standing.DEAD] == 120)
        found = done("older", client)

    assert {"these": "Retry these 100", "all": "Retry all 120"} == found


def test_the_document_is_changed_in_the_editor(done: Done, tmp_path: Path) -> None:
    with serving(tmp_path) as (dispatcher, client):
        found = done("change", client)
        versions = dispatcher.journal.versions()

    assert found["told"].startswith("Line ")
    assert 'process[4].type: unknown value "pythn"; did you mean "python"?' in found["told"]
    assert ('"pythn"', 4) == (found["at"], found["nodes"])
    assert ["back to version 1", "one more", "from the file"] == [one.note for one in versions]
    assert [4, 5, 4] == [len(one.document["process"]) for one in versions]
    assert DOCUMENT == versions[0].document


def test_keys_are_enough_and_what_an_event_holds_is_only_text(done: Done, tmp_path: Path) -> None:
    hostile = '<img src="/api/graph" onerror="document.title=1">'
    with serving(tmp_path) as (_, client):
        BROKEN.clear()
        client("POST", "/hooks/orders", {"location": hostile, "operation": "create", "id": "1"})
        found = done("onlyKeys", client)

    assert ["cleanse", "enrich", "report"] == found["way"]
    assert ("report", f"create {hostile}", 0) == (found["back"], found["shown"], found["images"])
    assert f"{client.url}/#events" == found["address"]


def test_the_page_loads_nothing_from_elsewhere() -> None:
    texts = [one.read_text(encoding="utf-8") for one in FOLDER.iterdir() if one.suffix in KINDS]

    assert [] == [text for text in texts if "https://" in text or "innerHTML" in text]
