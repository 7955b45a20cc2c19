"""Lambda functions behind a server of ours, and containers by an engine on the path."""

from __future__ import annotations

import re
import threading
from pathlib import Path
from typing import Any

import pytest

from shared.common.errors import Misconfigured, Refused, Transient
from src.pipeline.outside import container, invoke
from tests.src.pipeline.test_http import serving, task

STEP = "name: c, type: container, image: 'tool:1', command: [say, '${params.n}'], environment: {TOKEN: '${secrets.TOKEN}'}, cpu: 0.5, memory: 64"  # fmt: skip  # noqa: E501


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A podman that writes down what it is asked and ends as `script` says."""
    file = tmp_path / "podman"
    file.write_text(f'#!/bin/sh\necho "$@ ($TOKEN)" > {tmp_path}/asked\n. {tmp_path}/script\n')
    file.chmod(0o755)
    (tmp_path / "script").write_text("exit 0")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return tmp_path


def test_a_container_gets_its_command_and_secrets_stay_out_of_the_command_line(engine: Path) -> None:
    assert {"exit_code": 0} == container(task(STEP))
    asked = re.sub("sluice-[0-9a-z]+", "NAME", (engine / "asked").read_text())

    assert "run --rm --name NAME --env TOKEN --cpus 0.5 --memory 64m tool:1 say 3 (t0p)\n" == asked


def test_a_container_that_fails_says_its_last_words(engine: Path) -> None:
    (engine / "script").write_text("echo it broke; exit 7")

    with pytest.raises(Refused, match="ended with exit code 7: it broke"):
        container(task(STEP))


def test_a_container_ends_when_it_is_told_to(engine: Path) -> None:
    """With what it has started, whoever waits for whom; and the container, whose client is gone."""
    (engine / "script").write_text(f'[ "$1" = rm ] || {{ sleep 60 & echo $! > {engine}/child; wait; }}')
    ended = task(STEP)
    threading.Timer(0.5, ended.ending.set).start()

    with pytest.raises(Transient, match="was told to end"):
        container(ended)
    child = int((engine / "child").read_text())

    assert not Path(f"/proc/{child}").exists() or "Z" in Path(f"/proc/{child}/stat").read_text().split()[2]
    assert (engine / "asked").read_text().startswith("rm --force sluice-")


def test_without_an_engine_there_are_no_containers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(Misconfigured, match="need podman or docker"):
        container(task(STEP))


@pytest.mark.parametrize("error", ["", "Unhandled"])
def test_a_function_answers_or_fails(error: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (
        ("AWS_ACCESS_KEY_ID", "a"),
        ("AWS_SECRET_ACCESS_KEY", "b"),
        ("AWS_DEFAULT_REGION", "eu-west-1"),
    ):
        monkeypatch.setenv(name, value)
    step = "name: l, type: lambda, function: shrink, payload: {n: '${params.n}'}"

    def answer(heard: dict[str, Any]) -> tuple[int, Any]:
        return 200, {"path": heard["path"], "got": heard["body"]}

    with serving(answer, headers={"X-Amz-Function-Error": error} if error else {}) as (url, _):
        monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", url)
        if error:
            with pytest.raises(Refused, match=r"function shrink failed: .*got"):
                invoke(task(step))
        else:
            assert {"path": "/2015-03-31/functions/shrink/invocations", "got": {"n": 3}} == invoke(task(step))
