"""One step, invoked as Lambda would: its output, or an error that the engine sees."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from shared.common.clock import SystemClock
from shared.common.documents import read_json_document
from shared.common.errors import Misconfigured, Transient, Violation
from src.invoke import LocalContext
from src.step.app import handler_of
from src.workplace import Workplace
from tests.servers.mail import Mailbox, mail_server

CONTEXT: Any = LocalContext("step", "r-1", 512, 60, SystemClock())
SAMPLE = Path(__file__).parents[3] / "events" / "step.json"


@pytest.fixture
def invoke(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    for name in ("BUCKET_NAME", "SECRET_ID", "WAREHOUSE_URL", "LANDING_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ENVIRONMENT", "local")
    monkeypatch.chdir(tmp_path)
    handler = handler_of(Workplace.open)
    return lambda event: handler(event, CONTEXT)


def sample(**step: Any) -> dict[str, Any]:
    document = read_json_document(SAMPLE.read_bytes(), file=SAMPLE.name).data
    return {**document, "step": {**document["step"], **step}}


def test_the_sample_step_answers_its_output(invoke: Any) -> None:
    assert {"passed": True, "failed": 0} == invoke(sample())


def test_a_transformation_fills_its_table_and_tells_how_many_rows(invoke: Any) -> None:
    step = {
        "name": "sums",
        "type": "transformation",
        "transformation_query": "SELECT ${params.n} AS n UNION ALL SELECT 2",
        "outputs": [{"name": "sums", "type": "duckdb", "table": "marts.sums"}],
    }

    assert {"rows": 2} == invoke({**sample(), "step": step, "params": {"n": 1}})


def test_a_step_that_fails_raises_for_the_engine(invoke: Any) -> None:
    with pytest.raises(Violation, match="found 1 rows"):
        invoke(sample(query="SELECT 1"))


def test_a_step_that_takes_longer_than_the_function_says_so_before_lambda_ends_it(invoke: Any) -> None:
    """`invoke` has made the place; a function that has six seconds has one, and five to say what was wrong."""
    short: Any = LocalContext("step", "r-2", 512, 6, SystemClock())
    handler = handler_of(Workplace.open)
    with pytest.raises(
        Transient, match="takes longer than this function may: the query was told to end"
    ) as caught:
        handler(sample(query="SELECT 1 FROM range(900000000000) t(i) WHERE i < 0"), short)

    assert "sluice generate airflow --local" in caught.value.hint


@pytest.mark.parametrize("event", [[], None, "x", {"step": {"name": "a", "type": "nothing"}}, {"stpe": {}}])
def test_what_is_no_step_is_refused(invoke: Any, event: Any) -> None:
    with pytest.raises(Misconfigured):
        invoke(event)


def test_the_local_day_is_text(invoke: Any) -> None:
    assert "2026-11-20" == invoke({"day": {"time": "2026-11-21T03:30:00Z", "timezone": "America/New_York"}})


def test_people_are_told_where_a_webhook_says(invoke: Any) -> None:
    heard: list[Any] = []

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: Any) -> None:
            """Nothing on the screen."""

    with HTTPServer(("127.0.0.1", 0), Hook) as server:
        thread = Thread(target=server.handle_request)
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}/x"
        answer = invoke(
            {"tell": {"method": "webhook", "recipients": [url]}, "text": "orders failed", "execution": "e-1"}
        )
        thread.join()

    assert ({"told": True}, [{"text": "orders failed\ne-1"}]) == (answer, heard)


def test_people_are_told_by_e_mail(invoke: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    told = {"method": "email", "recipients": ["a@example.com"]}
    with pytest.raises(Misconfigured, match="set SMTP_URL"):
        invoke({"tell": told, "text": "orders failed"})
    with mail_server(Mailbox()) as box:
        monkeypatch.setenv("SMTP_URL", f"smtp://127.0.0.1:{box.port}")
        monkeypatch.setenv("SMTP_FROM", "sluice@example.com")
        answer = handler_of(Workplace.open)(
            {"tell": told, "text": "orders failed", "execution": "e-1"}, CONTEXT
        )

    ((to, message, _),) = box.taken
    assert ({"told": True}, ["a@example.com"]) == (answer, to)
    assert ("orders failed", "orders failed\ne-1\n") == (message["Subject"], message.get_content())


def test_a_way_of_telling_that_nobody_knows_is_refused(invoke: Any) -> None:
    with pytest.raises(Misconfigured, match="pigeon"):
        invoke({"tell": {"method": "pigeon", "recipients": []}, "text": "x"})
