"""Commands, HTTP targets and containers: what counts as success, what they hear, and that none outlives its time."""

from __future__ import annotations

import base64
import hashlib
import json
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shared.common.errors import Misconfigured, SluiceError, Transient
from shared.orchestrator.doors import Run
from shared.orchestrator.event import Event, Operation
from shared.orchestrator.faults import Failed, NonZeroExit, TimedOut
from shared.orchestrator.http_door import Request, Response, Routes
from shared.orchestrator.http_server import HttpServer
from shared.orchestrator.orchestrator import Orchestrator
from shared.orchestrator.policy import Policy, Retry
from shared.orchestrator.processes.command import CommandProcess
from shared.orchestrator.processes.container import ContainerProcess
from shared.orchestrator.processes.webhook import HookProcess
from shared.orchestrator.settings import Surroundings
from shared.orchestrator.sqlite_journal import SqliteJournal

EVENT = Event("the ether", Operation.DELETE, "an-id", "tests")
AROUND = Surroundings(words={"SECRET": "hunter22"})


def command(code: str, *, env: Any = None, **run: Any) -> Any:
    context = {"command": [sys.executable, "-c", code], "env": env or {}}
    one = CommandProcess(name="p", type="subprocess", execution_context=context)
    return one.open(AROUND).execute(EVENT, Run("p", "the-key", **run))


def test_a_command_is_told_the_event() -> None:
    code = (
        "import base64, os, sys; print(base64.b64decode(os.environ['PIPELINE_EVENT']).decode()); "
        "print(os.environ['PIPELINE_KEY'], os.environ['A'], 'USER' in os.environ, file=sys.stderr); "
        "sys.stdout.flush(); print(sys.stdin.read())"
    )
    status = command(code, env="A=${SECRET},B=2")

    assert {EVENT.to_json(), "the-key hunter22 False"} == set(status.logs.split("\n")) - {""}


def test_another_exit_code_is_a_failure() -> None:
    with pytest.raises(NonZeroExit, match=r"^process exited with code 7$") as raised:
        command("import sys; print('why'); sys.exit(7)")

    assert "why\n" == raised.value.logs


def test_a_command_that_is_not_there_is_misconfigured() -> None:
    one = CommandProcess.model_validate(
        {"name": "p", "type": "subprocess", "execution_context": {"command": ["/nowhere/at-all"]}}
    )
    with pytest.raises(Misconfigured, match="cannot be started"):
        one.open(AROUND).execute(EVENT, Run("p", "k"))


def test_no_process_of_a_command_outlives_its_time(tmp_path: Path) -> None:
    """Neither it nor a child that it leaves behind."""
    alive = tmp_path / "alive"
    child = f"import time; time.sleep(0.8); open({str(alive)!r}, 'w')"
    code = f"import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', {child!r}]); print('x', flush=True); time.sleep(9)"  # noqa: E501
    with pytest.raises(TimedOut, match=r"longer than 0\.4 s") as raised:
        command(code, timeout=0.4)
    time.sleep(0.9)

    assert "x\n" == raised.value.logs
    assert not alive.exists()


def large(size: int) -> Event:
    """An event of so many bytes."""
    short = Event("the ether", Operation.DELETE, "", "tests")
    event = Event("the ether", Operation.DELETE, "x" * (size - len(short.to_json())), "tests")

    assert size == len(event.to_json())
    return event


LONGEST = (131_072 - len("PIPELINE_EVENT=") - 1) // 4 * 3
"""Bytes of an event whose base64 is as long as a variable may be."""


@pytest.mark.parametrize(
    ("size", "names"),
    [(100, "['PIPELINE_EVENT']"), (LONGEST, "['PIPELINE_EVENT']"), (LONGEST + 1, "['PIPELINE_EVENT_FILE']"),
     (2_000_000, "['PIPELINE_EVENT_FILE']")],
)  # fmt: skip
def test_an_event_of_any_size_reaches_a_command(size: int, names: str) -> None:
    """What a variable cannot hold is in a file; the standard input has it in any case."""
    code = (
        "import base64, hashlib, os, sys; names = [n for n in os.environ if n.startswith('PIPELINE_EVENT')]; "
        "digest = lambda raw: print(len(raw), hashlib.sha256(raw).hexdigest()); print(names); "
        "digest(open(os.environ[names[0]], 'rb').read() if names[0].endswith('FILE') "
        "else base64.b64decode(os.environ[names[0]])); digest(sys.stdin.buffer.read())"
    )
    context = {"command": [sys.executable, "-c", code]}
    one = CommandProcess(name="p", type="subprocess", execution_context=context)
    event = large(size)
    status = one.open(AROUND).execute(event, Run("p", "the-key", timeout=30))
    assert status is not None
    said = f"{size} {hashlib.sha256(event.to_json().encode()).hexdigest()}"

    assert [names, said, said] == status.logs.splitlines()


def test_an_environment_that_is_too_large_is_misconfigured() -> None:
    with pytest.raises(Misconfigured, match="Argument list too long"):
        command("pass", env={"A": "x" * 200_000})


def test_what_the_document_took_from_elsewhere_is_not_kept_in_logs(tmp_path: Path) -> None:
    """In whatever spelling it comes out, and whether it went well or not."""
    around = Surroundings(
        words={"HOOK_SECRET": "whsec_a/b+c", "ZONE": "eu-1", "PIN": "4711", "API_KEY": "k3y9"}
    )
    code = "import base64, os, sys; print(dict(os.environ), base64.b64encode(os.environ['HOOK'].encode())); sys.exit(int(sys.argv[1]))"  # noqa: E501
    journal = SqliteJournal(tmp_path / "j.db")
    with Orchestrator(journal, around=around) as dispatcher:
        dispatcher.add_input("i", lambda outlet: outlet.emit([EVENT]))
        for name, code_of_exit in (("well", "0"), ("ill", "1")):
            env = {"HOOK": "${HOOK_SECRET}", "WHERE": "${ZONE}, ${PIN}", "KEY2": "${API_KEY}"}
            context = {"command": [sys.executable, "-c", code, code_of_exit], "env": env}
            one = CommandProcess(name=name, type="subprocess", execution_context=context)
            dispatcher.add_process(name, one.open(around), policy=Policy(retry=Retry(attempts=1)))
            dispatcher.link("i", name)
        dispatcher.run(timeout=30)
        logs = [journal.runs(name)[0].logs for name in ("well", "ill")]
    files = b"".join(file.read_bytes() for file in tmp_path.iterdir())

    assert 2 == sum("'HOOK': '***'" in text for text in logs)
    assert 2 == sum("'WHERE': 'eu-1, 4711'" in text for text in logs)
    for secret in ("whsec_a/b+c", base64.b64encode(b"whsec_a/b+c").decode(), "k3y9"):
        assert secret.encode() not in files


def test_a_command_that_is_cancelled_ends() -> None:
    stop = threading.Event()
    threading.Timer(0.2, stop.set).start()
    with pytest.raises(TimedOut):
        command("import time; time.sleep(9)", cancelled=stop)


@pytest.fixture
def target() -> Iterator[tuple[str, list[Request], list[Response]]]:
    """A server that answers what it is told to; its URL, what it was asked, and the answers."""
    asked: list[Request] = []
    answers: list[Response] = []

    def answer(request: Request) -> Response:
        asked.append(request)
        return answers.pop(0)

    routes = Routes()
    routes.mount("/", answer, below=True)
    server = HttpServer(routes).begin()
    yield server.url, asked, answers
    server.close()


def hook(url: str, **more: Any) -> Any:
    one = HookProcess.model_validate(
        {"name": "p", "type": "webhook", "execution_context": {"url": f"{url}/x", **more}}
    )
    return one.open(AROUND)


def test_a_target_is_sent_the_event(target: tuple[str, list[Request], list[Response]]) -> None:
    url, asked, answers = target
    answers += [Response(204), Response(200, b"thanks")]
    process = hook(url, headers={"Authorization": "Bearer ${SECRET}"})
    statuses = [process.execute(EVENT, Run("p", "the-key", timeout=5)) for _ in range(2)]

    assert ["", "thanks"] == [status.logs for status in statuses]
    assert {("POST", "/x", EVENT.to_json(), "the-key", "Bearer hunter22")} == {
        (r.method, r.path, r.body.decode(), r.headers["idempotency-key"], r.headers["authorization"])
        for r in asked
    }


@pytest.mark.parametrize(
    ("answer", "line", "pause"),
    [
        (Response(500, b"why"), "500 Internal Server Error", None),
        (Response(429, b"why", {"Retry-After": "9"}), "429 Too Many Requests", 9.0),
        (Response(302, b"why", {"Location": "/"}), "302 Found", None),
    ],
)
def test_another_status_fails_with_the_status_line(
    target: tuple[str, list[Request], list[Response]], answer: Response, line: str, pause: float | None
) -> None:
    url, _, answers = target
    answers.append(answer)
    with pytest.raises(Failed) as raised:
        hook(url).execute(EVENT, Run("p", "k", timeout=5))

    assert (line, "why", pause) == (raised.value.message, raised.value.logs, raised.value.retry_after)


def test_a_target_that_nobody_answers_for_is_transient() -> None:
    with pytest.raises(Transient, match="no answer: ConnectionError"):
        hook("http://127.0.0.1:1").execute(EVENT, Run("p", "k", timeout=5))


class Engine:
    """What the Docker Engine API answers, by method and the end of the path, as its documentation has it."""

    def __init__(self, **answers: tuple[int, Any]) -> None:
        self.answers = answers
        self.asked: list[tuple[str, str, Any]] = []

    def __call__(self, request: Request) -> Response:
        name = request.path.rpartition("/")[2] if not request.path.endswith("/json") else "json"
        name = "list" if request.path.endswith("/containers/json") else name
        name = "inspect" if name == "json" and "/containers/" in request.path else name
        name = "image" if "/images/" in request.path and name == "json" else name
        name = "remove" if request.method == "DELETE" else name
        self.asked.append((request.method, name, json.loads(request.body) if request.body else None))
        status, body = self.answers.get(name, (200, [] if name == "list" else {}))
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return Response(status, raw, {"Content-Type": "application/json"})


def container(engine: Engine, **context: Any) -> Any:
    import docker

    routes = Routes()
    routes.mount("/", engine, below=True)
    server = HttpServer(routes).begin()
    connect = lambda: docker.DockerClient(base_url=server.url.replace("http", "tcp"), version="1.41")  # noqa: E731
    try:
        one = ContainerProcess.model_validate(
            {"name": "p", "type": "container", "execution_context": {"image": "an/image", **context}}
        )
        around = Surroundings(words=AROUND.words, doors={"container": connect})
        return one.open(around).execute(EVENT, Run("p", "the-key", timeout=0.3))
    finally:
        server.close()


def ended(code: int, **state: Any) -> dict[str, tuple[int, Any]]:
    logs = b"\x01\x00\x00\x00\x00\x00\x00\x04out\n\x02\x00\x00\x00\x00\x00\x00\x04err\n"
    return {
        "image": (200, {"Id": "sha256:1", "RepoTags": []}),
        "create": (201, {"Id": "c1"}),
        "start": (204, b""),
        "inspect": (
            200,
            {"Id": "c1", "State": {"Status": "exited", "ExitCode": code, **state}, "Config": {"Tty": False}},
        ),
        "logs": (200, logs),
        "remove": (204, b""),
    }


def test_a_container_is_confined_and_removed() -> None:
    engine = Engine(**ended(0))
    status = container(engine, env="A=${SECRET}", cpus=0.5)
    made = next(body for _, name, body in engine.asked if name == "create")

    assert "out\nerr\n" == status.logs
    assert "A=hunter22" in made["Env"]
    assert "PIPELINE_KEY=the-key" in made["Env"]
    assert ("65534:65534", True, ["ALL"], ["no-new-privileges"], 256, 536870912, 500000000, "bridge") == (
        made["User"], made["HostConfig"]["ReadonlyRootfs"], made["HostConfig"]["CapDrop"],
        made["HostConfig"]["SecurityOpt"], made["HostConfig"]["PidsLimit"], made["HostConfig"]["Memory"],
        made["HostConfig"]["NanoCpus"], made["HostConfig"]["NetworkMode"],
    )  # fmt: skip
    assert "remove" == engine.asked[-1][1]


RUNNING = {
    **ended(0),
    "inspect": (200, {"Id": "c1", "State": {"Status": "running"}, "Config": {"Tty": False}}),
}


@pytest.mark.parametrize(
    ("answers", "error", "message"),
    [
        (ended(9), NonZeroExit, "process exited with code 9$"),
        (ended(137, OOMKilled=True), NonZeroExit, "process exited with code 137: it needed more memory than 512m"),
        (RUNNING, TimedOut, "0.3 s"),
        ({**ended(0), "create": (400, {"message": "bad parameter"})}, Misconfigured, "the engine answered: bad param"),
        ({**ended(0), "create": (500, {"message": "server error"})}, Transient, "the engine answered: server error"),
        ({**ended(0), "start": (404, {"message": "No such image"})}, Misconfigured, "No such image|there is no image"),
        ({**ended(0), "image": (404, {"message": "No such image: an/image"}),
          "create": (404, {"message": "pull access denied"})}, Misconfigured, "there is no image|pull access denied"),
    ],
)  # fmt: skip
def test_what_goes_wrong_with_a_container(
    answers: dict[str, tuple[int, Any]], error: type[SluiceError], message: str
) -> None:
    with pytest.raises(error, match=message):
        container(Engine(**answers))


def test_an_engine_that_is_not_there_is_transient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    one = ContainerProcess.model_validate(
        {"name": "p", "type": "container", "execution_context": {"image": "an/image"}}
    )
    with pytest.raises(Transient, match="the container engine cannot be reached"):
        one.open(Surroundings()).execute(EVENT, Run("p", "k"))
