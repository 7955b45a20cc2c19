"""`sluice dispatch serve` and who may use its page and its API: a process of its own, with and without a token."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from shared.common.errors import Misconfigured
from src.dispatch.gate import Gate
from src.dispatch.serving import check_open, gate_for

ROOT = Path(__file__).parents[3]
TOKEN = "0123456789abcdef-of-a-test"


def get(url: str, token: str = "") -> tuple[int, bytes]:
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"} if token else {})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


@contextmanager
def serving(folder: Path, *options: str, token: str = "", terminal: bool = False) -> Iterator[list[str]]:
    """The lines that `serve` says before it works, in a folder with a document without a webhook."""
    (folder / "dispatch.yml").write_text(
        "http: {port: 0}\nprocess: [{name: p, type: subprocess, execution_context: {command: ['true']}}]\n"
    )
    env = {name: value for name, value in os.environ.items() if name != "DISPATCH_TOKEN"}
    env |= {"ENVIRONMENT": "local", "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    env |= {"DISPATCH_TOKEN": token} if token else {}
    command = [sys.executable, "-m", "src.cli", "dispatch", "serve", "dispatch.yml", *options]
    ours, theirs = pty.openpty() if terminal else os.pipe()
    with (
        os.fdopen(ours, "rb", buffering=0) as reading,
        subprocess.Popen(command, cwd=folder, env=env, stdout=theirs, stderr=subprocess.DEVNULL) as child,
    ):
        os.close(theirs)
        lines = [reading.readline().decode().strip()]
        while "page" not in lines[-1]:
            assert lines[-1], child.wait(timeout=10)
            lines.append(reading.readline().decode().strip())
        try:
            yield lines
        finally:
            child.send_signal(signal.SIGTERM)
            assert 0 == child.wait(timeout=30)


def test_the_token_of_the_settings_opens_page_and_api(tmp_path: Path) -> None:
    with serving(tmp_path, token=TOKEN) as lines:
        url = lines[1].removeprefix("listening at ")
        answers = [get(f"{url}/api/graph", token)[0] for token in (TOKEN, "", TOKEN + "x")]
        page = get(url)
        asked = {"Authorization": f"Bearer {TOKEN}", "Accept": "application/yaml"}
        with urllib.request.urlopen(
            urllib.request.Request(f"{url}/api/document", headers=asked), timeout=10
        ) as answer:
            document = answer.read()

    assert (tmp_path / "dispatch.yml").read_bytes() == document
    assert f"page: {url}/ with the token in DISPATCH_TOKEN" == lines[2]
    assert [200, 401, 401] == answers
    assert (200, True) == (page[0], b"<title>Sluice dispatch</title>" in page[1])


def test_a_terminal_is_shown_a_fresh_token_and_a_file_is_not(tmp_path: Path) -> None:
    with serving(tmp_path) as hidden:
        pass
    with serving(tmp_path, terminal=True) as lines:
        found = re.fullmatch(r"page: (http://127\.0\.0\.1:\d+)/#token=([0-9a-f]{32})", lines[-1])
        assert found
        status = get(f"{found[1]}/api/graph", found[2])[0]

    assert "no page and no API: set DISPATCH_TOKEN for that" == hidden[-1]
    assert 200 == status


def test_who_gets_in_is_decided_by_settings() -> None:
    assert Gate(TOKEN) == gate_for({"DISPATCH_TOKEN": TOKEN}, without_token=False, fresh=lambda: "never")
    assert Gate() == gate_for({"DISPATCH_TOKEN": TOKEN}, without_token=True, fresh=None)
    assert gate_for({}, without_token=False, fresh=None) is None
    with pytest.raises(Misconfigured, match="no token of 16 ASCII characters"):
        gate_for({"DISPATCH_TOKEN": "short"}, without_token=False, fresh=None)
    for host in ("0.0.0.0", "10.0.0.1", "example.org", ""):
        with pytest.raises(Misconfigured, match="without a token the API cannot be served at"):
            check_open(Gate(), host)
    for host in ("127.0.0.1", "::1", "localhost"):
        check_open(Gate(), host)


def logged(folder: Path, *options: str) -> tuple[str, str]:
    """What `serve --json` writes while a process fails over several lines, until SIGTERM: its stdout and stderr."""
    (folder / "dispatch.yml").write_text(
        "http: {port: 0}\n"
        "input: [{name: at, type: schedule, connection_string: rate(1 second)}]\n"
        "process: [{name: sh, type: subprocess, retry: {attempts: 1},\n"
        "  execution_context: {command: [sh, -c, 'echo one; echo two; exit 3']}}]\n"
        "links: [{from: at, to: sh}]\n"
    )
    env = {**os.environ, "ENVIRONMENT": "local", "PYTHONPATH": str(ROOT), "DISPATCH_TOKEN": TOKEN}
    command = [sys.executable, "-m", "src.cli", "dispatch", "serve", "dispatch.yml", "--json", *options]
    with subprocess.Popen(
        command, cwd=folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        assert child.stderr is not None
        head = ""
        while "sh, event" not in head:
            line = child.stderr.readline()
            assert line, head
            head += line
        child.send_signal(signal.SIGTERM)
        out, rest = child.communicate(timeout=30)
        assert 0 == child.returncode
    return out, head + rest


def test_where_nobody_looks_each_line_of_stderr_is_one_record(tmp_path: Path) -> None:
    out, err = logged(tmp_path)
    records = [json.loads(line) for line in err.splitlines()]
    failed = next(one for one in records if one["level"] == "WARNING")

    assert {"version": 1, "drained": True} == json.loads(out)
    assert ("sh", 1) == (failed["process"], failed["attempt"])
    assert isinstance(failed["event"], int)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+\+00:00", failed["timestamp"])
    assert "SIGTERM: finishing what runs" in [one["message"] for one in records]


def test_lines_to_read_have_the_date_where_nobody_looks(tmp_path: Path) -> None:
    _, err = logged(tmp_path, "--log-format", "text")

    assert re.search(r"^\d{4}-\d\d-\d\dT[0-9:.]+\+00:00 WARNING  sh, event \d+", err, re.MULTILINE)


def test_a_fault_before_the_start_is_a_record_too(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "src.cli", "dispatch", "serve", "dispatch.yml", "--log-format", "json"]
    (tmp_path / "dispatch.yml").write_text("links: [{from: a, to: b}]\n")
    env = {**os.environ, "ENVIRONMENT": "local", "PYTHONPATH": str(ROOT)}
    ended = subprocess.run(
        command, check=False, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60
    )
    records = [json.loads(line) for line in ended.stderr.splitlines()]

    assert [("ERROR", True)] == [(one["level"], "dispatch.yml:1:" in one["message"]) for one in records]
