"""Containers on a real engine, through its own API: what they are given, what they may not, and that none is left."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import docker
import pytest

from shared.common.errors import Misconfigured, Transient
from shared.orchestrator.configuration import Limits
from shared.orchestrator.doors import Run
from shared.orchestrator.event import Event, Operation
from shared.orchestrator.faults import NonZeroExit, TimedOut
from shared.orchestrator.journal import Phase, Standing
from shared.orchestrator.orchestrator import Orchestrator
from shared.orchestrator.policy import Policy, Retry
from shared.orchestrator.processes.container import ContainerProcess
from shared.orchestrator.settings import Surroundings
from shared.orchestrator.sqlite_journal import MEMORY, SqliteJournal
from shared.orchestrator.status import Status
from tests.sam.engine import IMAGE, Engine
from tests.shared.orchestrator.running import until

EVENT = Event("the ether", Operation.DELETE, "é", "tests")
ROOT = Path(__file__).parents[2]


@pytest.fixture
def api(containers: Engine) -> Iterator[docker.DockerClient]:
    """The engine's API. After each test no container is left."""
    with_socket = docker.DockerClient(base_url=f"unix://{containers.socket}")
    yield with_socket
    left = [one.name for one in with_socket.containers.list(all=True)]
    with_socket.close()

    assert [] == left


Open = Callable[..., Any]


@pytest.fixture
def opened(api: docker.DockerClient, containers: Engine, monkeypatch: pytest.MonkeyPatch) -> Open:
    """A process as a document has it; it finds the engine by DOCKER_HOST."""
    monkeypatch.setenv("DOCKER_HOST", containers.environ["DOCKER_HOST"])

    def make(code: str = "", **context: Any) -> Any:
        context = {"image": IMAGE, "command": ["/bin/sh", "-c", code], "pull": "never", **context}
        one = ContainerProcess.model_validate(
            {"name": "p", "type": "container", "execution_context": context}
        )
        return one.open(Surroundings(words={"SECRET": "hunter22"}))

    return make


def run(process: Any, *, timeout: float = 30.0, **more: Any) -> Status:
    status: Status = process.execute(EVENT, Run("p", "the-key", timeout=timeout, **more))
    return status


def test_it_hears_the_event_and_its_settings(opened: Open) -> None:
    code = 'echo "$PIPELINE_EVENT" | base64 -d; echo; echo "$PIPELINE_KEY $A"; echo loud >&2'
    status = run(opened(code, env="A=${SECRET}"))

    assert {EVENT.to_json(), "the-key hunter22", "loud", ""} == set(status.logs.split("\n"))


@pytest.mark.parametrize("size", [90_000, 200_000, 3_000_000])
def test_an_event_of_any_size_reaches_it(opened: Open, api: docker.DockerClient, size: int) -> None:
    """A root that is read only holds no file of ours: it lies in a volume, which goes with the container."""
    code = (
        'if [ -n "$PIPELINE_EVENT_FILE" ]; then cat "$PIPELINE_EVENT_FILE"; '
        'else echo "$PIPELINE_EVENT" | base64 -d; fi | sha256sum; touch /here 2>&1; ls -l /pipeline 2>&1; true'
    )
    event = Event("the ether", Operation.DELETE, "x" * size, "tests")
    for more in ({}, {"read_only": False, "network": "none"}):
        status = opened(code, **more).execute(event, Run("p", "the-key", timeout=30))

        assert hashlib.sha256(event.to_json().encode()).hexdigest() == status.logs.split()[0]
        assert ("event.json" in status.logs) is (size > 98_000)
    assert [] == api.volumes.list()


def test_it_is_nobody_and_may_nothing(opened: Open) -> None:
    """No root, no capability, no new privileges, a root that is read only, a /tmp that is not, and only its network."""
    code = (
        "id -u; id -g; grep -E 'Cap(Eff|Bnd)|NoNewPrivs' /proc/self/status; touch /here 2>&1; "
        "touch /tmp/here && echo written; head -c 100000000 /dev/zero >/tmp/much 2>/dev/null || echo full; "
        "while read name rest; do case $name in *:) echo $name;; esac; done </proc/net/dev"
    )
    told = run(opened(code)).logs
    lines = told.splitlines()
    alone = run(opened(code, network="none")).logs.splitlines()
    free = run(opened("id -u; touch /etc/here && echo written", user="", read_only=False)).logs.splitlines()

    assert ["65534", "65534"] == lines[:2]
    assert {"CapEff:\t0000000000000000", "CapBnd:\t0000000000000000", "NoNewPrivs:\t1"} <= set(lines)
    assert "Read-only file system" in told
    assert {"written", "full"} <= set(lines)
    assert (["eth0:", "lo:"], ["lo:"]) == tuple(
        sorted(set(some) & {"lo:", "eth0:"}) for some in (lines, alone)
    )
    assert ["0", "written"] == free


def test_its_limits_are_kept(opened: Open, api: docker.DockerClient) -> None:
    """Too much memory is the end of it (137), too many processes are refused; the engine was asked for all of it."""
    with pytest.raises(NonZeroExit, match="process exited with code 137"):
        run(opened("head -c 200000000 /dev/zero | tail", memory="64m"))
    with pytest.raises(NonZeroExit) as many:
        run(opened("i=0; while [ $i -lt 30 ]; do sleep 3 & i=$((i+1)); done", pids=12))
    stop, asked = threading.Event(), dict[str, Any]()

    def look() -> None:
        until(lambda: api.containers.list(filters={"status": "running"}), what="a container")
        (one,) = api.containers.list()
        asked.update(one.attrs["HostConfig"], **one.labels)
        stop.set()

    looker = threading.Thread(target=look)
    looker.start()
    with pytest.raises(TimedOut):
        run(opened("sleep 60", memory="64m", cpus=0.5, pids=12), cancelled=stop)
    looker.join()

    assert "Cannot fork" in many.value.logs
    assert (67_108_864, 500_000_000, 12) == (asked["Memory"], asked["NanoCpus"], asked["PidsLimit"])
    assert ("p", "the-key") == (asked["sluice.process"], asked["sluice.key"])


def test_another_exit_code_is_a_failure_with_its_logs(opened: Open) -> None:
    with pytest.raises(NonZeroExit, match="process exited with code 7") as raised:
        run(opened("echo why; exit 7"))

    assert "why\n" == raised.value.logs


def test_what_takes_too_long_is_killed(opened: Open) -> None:
    with pytest.raises(TimedOut, match=r"longer than 1\.5 s") as raised:
        run(opened("echo begun; sleep 60"), timeout=1.5)

    assert "begun\n" == raised.value.logs


def test_an_image_is_what_its_digest_says(opened: Open, api: docker.DockerClient) -> None:
    (pinned,) = api.images.get(IMAGE).attrs["RepoDigests"]
    other = f"{pinned.partition('@')[0]}@sha256:{'0' * 64}"

    assert "pinned\n" == run(opened("echo pinned", image=pinned)).logs
    for pull in ("never", "missing"):
        with pytest.raises(Misconfigured, match=r"there is no image .*@sha256:0000") as raised:
            run(opened("echo other", image=other, pull=pull))
        assert "no such image" in str(raised.value.hint).lower()


@pytest.mark.parametrize(
    ("context", "message"),
    [
        ({"image": "localhost/no/such:1"}, "there is no image localhost/no/such:1"),
        ({"image": "Not an image"}, "the engine answered: .*invalid reference format"),
        ({"command": ["/bin/no-such-program"]}, "the engine answered: .*no-such-program"),
        ({"memory": "1k"}, "the engine answered: .*memory limit"),
        ({"network": "no-such-network"}, "the engine answered: .*no-such-network"),
    ],
)
def test_the_engines_own_errors_are_told(opened: Open, context: dict[str, Any], message: str) -> None:
    """Podman answers 500 to most of what is wrong with the question, so these are tried again; Docker answers 400."""
    with pytest.raises((Misconfigured, Transient), match=message):
        run(opened("echo", **context))


def test_of_much_that_it_says_the_end_is_kept(opened: Open) -> None:
    line = "a line that is one of many lines of logs"
    code = f"i=0; while [ $i -lt 9000 ]; do echo {line} $i; i=$((i+1)); done; printf end"
    logs = run(opened(code)).logs

    assert logs.endswith("lines of logs 8999\nend")
    assert 200_000 < len(logs) < 400_000


def test_what_a_killed_dispatcher_left_is_removed_by_the_next(
    opened: Open, api: docker.DockerClient, containers: Engine
) -> None:
    """And what belongs to a program that lives is left alone."""
    alive = api.containers.create(
        IMAGE, command=["sleep", "300"], labels={"sluice.process": "p", "sluice.program": "elsewhere 1 1"}
    )
    command = [sys.executable, "-m", "tests.engine.abandoned", f"unix://{containers.socket}", IMAGE]
    with subprocess.Popen(command, cwd=ROOT) as child:
        until(lambda: api.containers.list(filters={"status": "running"}), what="a container")
        child.kill()
    left = [one.id for one in api.containers.list()]
    run(opened("echo"))
    kept = [one.id for one in api.containers.list(all=True)]
    alive.remove(force=True)

    assert 1 == len(left)
    assert [alive.id] == kept


def test_what_the_end_of_the_dispatcher_ends_is_given_back(
    opened: Open, api: docker.DockerClient, tmp_path: Path
) -> None:
    """The container is gone within grace, its only attempt is not used up, and the next start runs it."""
    for code, grace in (("echo begun; sleep 300", 4), ("echo again", 20)):
        with Orchestrator(SqliteJournal(tmp_path / "j.db")) as one:
            one.add_input("i", lambda outlet: outlet.emit([Event("x", Operation.CREATE, "1")], keys=["1"]))
            one.add_process("p", opened(code), policy=Policy(retry=Retry(attempts=1)))
            one.link("i", "p")
            if grace == 20:
                one.run(timeout=30)
            else:
                one.start()
                until(lambda: api.containers.list(filters={"status": "running"}), what="a container")
            quiet = one.stop(grace)
        (run_,) = SqliteJournal(tmp_path / "j.db").runs("p")

        assert quiet
        assert ((Phase.DONE, 1, "again\n") if grace == 20 else (Phase.RETRY, 0, "begun\n")) == (
            run_.phase, run_.attempt, run_.logs,
        )  # fmt: skip
        assert [] == api.containers.list(all=True)


def test_events_flow_through_containers(opened: Open) -> None:
    """Three at once through a journal; one fails twice and is a dead letter with its logs."""
    code = 'case "$(echo "$PIPELINE_EVENT" | base64 -d)" in *bad*) echo no; exit 3;; esac; echo well'
    journal = SqliteJournal(MEMORY)
    with Orchestrator(journal, limits=Limits(concurrency=3)) as dispatcher:
        ids = ["good", "bad", "better"]
        dispatcher.add_input(
            "i", lambda outlet: outlet.emit([Event("x", Operation.CREATE, one) for one in ids])
        )
        retry = {"attempts": 2, "backoff": 0.01}
        dispatcher.add_process("p", opened(code), policy=Policy.model_validate({"retry": retry}))
        dispatcher.link("i", "p")
        dispatcher.run(timeout=60)
        dead = journal.dead()
        counts = journal.counts()

    assert {Standing.DONE: 2, Standing.DEAD: 1, Standing.OPEN: 0} == counts
    assert [("bad", "process exited with code 3", "no\n", 2)] == [
        (one.event.id, o.error, o.logs, o.attempt) for one in dead for o in one.outcomes
    ]
