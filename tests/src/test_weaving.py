"""`sluice weave serve`: webhook, queue and worker in one process, with real git, and whatever kills it."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.error import HTTPError

import pytest
from click.testing import CliRunner, Result

from shared.gitops.fake import FakeRepository
from shared.telemetry.alerting import Alert
from src.cli.app import sluice
from src.weave.queue import FileQueue
from src.weave.work import Bench
from src.weaving import Serving
from src.workplace import Workplace
from tests.shared.gitops.remote import Person

ROOT = Path(__file__).parents[2]
SECRET = "a secret of the webhook"
STEP = "pipeline:\n  name: {}\n  steps:\n    - {{name: a, type: wait, duration: 1s}}\n"
PLAIN = """
repositories:
  - host: git
    repository: flows
    url: {url}
    poll: 1
    definitions: ["flows/*.yml"]
    deliver: {{to: commit, folder: made}}
"""
HOSTED = """
repositories:
  - host: github
    repository: acme/flows
    credential: TOKEN
    webhook_secrets: [HOOK]
    definitions: ["flows/*.yml"]
    deliver: {to: commit, folder: made}
"""


def step(name: str) -> bytes:
    return STEP.format(name).encode()


def invoke(*words: str) -> Result:
    return CliRunner().invoke(sluice, ["weave", *words])


def until(true: Callable[[], object], seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ENVIRONMENT", "local")
    monkeypatch.setenv("HOOK", SECRET)
    monkeypatch.delenv("WEAVE_FILE", raising=False)
    return tmp_path


@pytest.fixture
def ada(here: Path) -> Person:
    person = Person.of(here)
    (here / "weave.yml").write_text(PLAIN.format(url=person.bare))
    return person


class Ears(list[Alert]):
    """Alerts, kept."""

    def send(self, alert: Alert) -> bool:
        self.append(alert)
        return True


class Hosted:
    """A process in a thread: GitHub with a repository in memory behind it."""

    def __init__(self, repository: FakeRepository, *, waits: str = "listening") -> None:
        self.waits = waits
        place = Workplace.open()
        bench = Bench.of(place)
        self.bench = Bench(place, bench.weaving, lambda place, woven: repository)
        self.ended = threading.Event()
        self.lines: list[str] = []
        self.alerts = Ears()
        self.serving = Serving(place, self.bench, self.alerts, self.lines.append, self.ended.is_set, port=0)
        self.thread = threading.Thread(target=self.serving.serve)

    def __enter__(self) -> Hosted:
        self.thread.start()
        until(lambda: any(self.waits in line for line in self.lines))
        return self

    def __exit__(self, *error: object) -> None:
        self.ended.set()
        self.thread.join()

    @property
    def url(self) -> str:
        line = next(line for line in self.lines if "listening" in line)
        return line.removeprefix("listening at ")

    def deliver(
        self, identity: str, *, secret: str = SECRET, event: str = "push", branch: str = "main"
    ) -> int:
        document = {"ref": f"refs/heads/{branch}", "repository": {"full_name": "acme/flows"}}
        body = json.dumps(document).encode()
        signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
        headers = {
            "X-GitHub-Event": event,
            "X-GitHub-Delivery": identity,
            "X-Hub-Signature-256": f"sha256={signature}",
            "Content-Type": "application/json",
        }
        return answered(urllib.request.Request(self.url, body, headers))


def answered(request: urllib.request.Request | str) -> int:
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return int(answer.status)
    except HTTPError as error:
        error.close()
        return error.code


@pytest.fixture
def hosted(here: Path) -> Iterator[tuple[Hosted, FakeRepository]]:
    (here / "weave.yml").write_text(HOSTED)
    repository = FakeRepository()
    repository.push("main", {"flows/a.yml": step("a")})
    with Hosted(repository) as process:
        yield process, repository


def test_a_delivery_becomes_artifacts_and_counts_once(hosted: tuple[Hosted, FakeRepository]) -> None:
    process, repository = hosted
    until(lambda: "made/dags/a.py" in repository.commits[repository.branches["main"]].tree)
    repository.push("main", {"flows/b.yml": step("b")})

    statuses = [process.deliver("1"), process.deliver("1"), process.deliver("2", secret="another secret")]
    statuses += [process.deliver("3", event="ping"), answered(process.url.replace("webhook", "health"))]
    statuses += [answered(process.url.replace("webhook", "admin"))]

    assert [202, 204, 401, 204, 200, 404] == statuses
    until(lambda: "made/dags/b.py" in repository.commits[repository.branches["main"]].tree)
    assert any("regenerate 1 artifact of 1 definition" in line for line in process.lines)


# Powertools leaves the files of its page to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_its_api_is_shown_on_a_page(hosted: tuple[Hosted, FakeRepository]) -> None:
    process, _ = hosted

    with urllib.request.urlopen(process.url.replace("webhook", "docs"), timeout=20) as answer:
        page = (answer.headers["Content-Type"], b"swagger" in answer.read().lower())
    with urllib.request.urlopen(process.url.replace("webhook", "openapi.json"), timeout=20) as answer:
        document = json.loads(answer.read())

    assert (("text/html", True), ["/webhook", "/health"]) == (page, list(document["paths"]))


def test_why_a_push_was_not_woven_is_shown(hosted: tuple[Hosted, FakeRepository]) -> None:
    process, repository = hosted
    repository.push("main", {"flows/bad.yml": b"pipeline: 1\n"})
    assert [401, 204, 202] == [
        process.deliver("1", secret="another secret"),
        process.deliver("2", branch="other"),
        process.deliver("3"),
    ]
    until(lambda: any("failed: flows/bad.yml" in line for line in process.lines))
    until(lambda: "failed: flows/bad.yml" in invoke("status").stdout)

    shown = invoke("status").stdout
    told = json.loads(invoke("status", "--json").stdout)["turned_away"]

    assert "flows/bad.yml:1:11" in shown
    assert [
        (401, "github push 1: the signature is wrong"),
        (204, "github push 2: nobody weaves this branch"),
    ] == [(one["status"], one["said"]) for one in told]
    assert shown.index("401") < shown.index("nobody weaves this branch")


def test_what_is_woven_may_change_while_it_is_served(
    here: Path, hosted: tuple[Hosted, FakeRepository]
) -> None:
    process, repository = hosted
    repository.push("next", {"flows/n.yml": step("n")})
    file = here / "weave.yml"

    file.write_text("repositories: []")
    until(lambda: any("what is woven stays as it was" in line for line in process.lines))
    assert 202 == process.deliver("1")
    entry = HOSTED.partition("repositories:\n")[2]
    file.write_text(HOSTED + entry.replace("credential:", "branch: next\n    credential:"))
    until(lambda: "made/dags/n.py" in repository.commits[repository.branches["next"]].tree)

    assert 202 == process.deliver("2", branch="next")
    # Other files are definitions from now on: nobody has to push anything.
    repository.push("main", {"more/m.yml": step("m")})
    assert 202 == process.deliver("3")
    file.write_text(HOSTED.replace("flows/*.yml", "more/*.yml"))
    until(lambda: "made/dags/m.py" in repository.commits[repository.branches["main"]].tree)
    assert "made/dags/a.py" not in repository.commits[repository.branches["main"]].tree
    assert 1 == sum("stays as it was" in line for line in process.lines)


def test_a_host_that_is_woven_from_now_on_is_listened_to(here: Path, ada: Person) -> None:
    repository = FakeRepository()
    repository.push("main", {"flows/a.yml": step("a")})
    with Hosted(repository, waits="polling") as process:
        until(lambda: "made/dags/a.py" in repository.commits[repository.branches["main"]].tree)
        (here / "weave.yml").write_text(HOSTED)
        until(lambda: any("listening" in line for line in process.lines))

        assert 202 == process.deliver("1")


def test_what_is_larger_than_any_host_sends_is_not_read(hosted: tuple[Hosted, FakeRepository]) -> None:
    process, _ = hosted
    request = urllib.request.Request(process.url, b"x", {"Content-Length": "30000000"}, method="POST")

    assert 413 == answered(request)


def test_one_branch_that_cannot_be_woven_is_told_and_laid_aside(
    here: Path, hosted: tuple[Hosted, FakeRepository]
) -> None:
    process, repository = hosted
    until(lambda: "made/dags/a.py" in repository.commits[repository.branches["main"]].tree)
    repository.push("main", {"made/.sluice.json": b"no manifest", "flows/c.yml": step("c")})
    process.deliver("1")
    until(lambda: process.alerts)

    shown = json.loads(invoke("status", "--json").stdout)

    assert "the manifest cannot be read" in process.alerts[0].message
    assert (True, 1, "dead") == (shown["served"], shown["counts"]["dead"], shown["branches"][0]["state"])
    assert "laid aside" in invoke("status").stdout
    repository.push("main", {"made/.sluice.json": None})
    assert 0 == invoke("retry").exit_code
    until(lambda: "made/dags/c.py" in repository.commits[repository.branches["main"]].tree)


def test_once_brings_every_branch_up_to_date(ada: Person) -> None:
    ada.push({"flows/a.yml": step("a"), "flows/bad.yml": b"pipeline: 1\n"})

    some = invoke("serve", "--once")
    ada.push({"flows/bad.yml": None})
    done = invoke("serve", "--once")

    assert (1, 0) == (some.exit_code, done.exit_code)
    assert "made/dags/a.py" in ada.tree()
    assert "failed: flows/bad.yml:1:11" in some.stdout
    assert "nothing to deliver" in invoke("serve", "--once").stdout


def test_once_fails_where_a_remote_is_away(here: Path) -> None:
    (here / "weave.yml").write_text(PLAIN.format(url=here / "nowhere"))

    done = invoke("serve", "--once")

    assert 1 == done.exit_code
    assert "given up: git fetch" in done.stdout
    assert "nobody serves here; 0 wait, 0 at work, 1 laid aside" in invoke("status").stdout


def test_nothing_was_served_where_there_is_no_queue(here: Path) -> None:
    done = invoke("status")

    assert (2, True) == (done.exit_code, "nothing was ever served here" in done.stderr)


def served(here: Path, *, slow: bool = False) -> subprocess.Popen[bytes]:
    """The command as a process; `slow`: git waits before each push, so that it can be killed there."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    if slow:
        program = here / "bin" / "git"
        program.parent.mkdir(exist_ok=True)
        real = subprocess.run(["which", "git"], capture_output=True, text=True, check=True).stdout.strip()
        program.write_text(
            f'#!/bin/sh\ncase " $* " in *" push "*) touch {here}/pushing; sleep 5; exit 1;; esac\nexec {real} "$@"\n'
        )
        program.chmod(0o755)
        environment["PATH"] = f"{program.parent}:{environment['PATH']}"
    with open(here / "log", "ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "src.cli", "weave", "serve"],
            cwd=here,
            env=environment,
            stdout=log,
            stderr=log,
        )


def counts(here: Path) -> dict[str, int]:
    queue = FileQueue(here / ".sluice/weave/queue.db", Workplace.open().clock)
    try:
        return dict(queue.counts())
    finally:
        queue.close()


def test_a_kill_in_the_middle_loses_nothing_and_sigterm_drains(here: Path, ada: Person) -> None:
    ada.push({"flows/a.yml": step("a")})
    first = served(here, slow=True)
    until((here / "pushing").exists)
    first.kill()
    first.wait()
    assert (1, False) == (counts(here)["working"], "made/dags/a.py" in ada.tree())

    second = served(here)
    try:
        until(lambda: "made/dags/a.py" in ada.tree())
        ada.push({"flows/b.yml": step("b"), "flows/a.yml": None})
        until(lambda: "made/dags/b.py" in ada.tree())
        again = invoke("serve", "--once")
        second.send_signal(signal.SIGTERM)
        code = second.wait(timeout=20)
    finally:
        second.kill()
        second.wait()
    log = (here / "log").read_text()

    assert {"flows/b.yml", "made/.sluice.json", "made/dags/b.py"} == set(ada.tree())
    assert (2, True) == (again.exit_code, "another sluice weave serve works here" in again.stderr)
    assert 0 == code, log
    assert "at work when the last process ended; once more" in log
    assert "drained; " in log  # it may have noticed its own commit by then, which waits for the next start
