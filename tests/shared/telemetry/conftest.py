"""What the tests of this room share: a Slack of their own and a log that can be read."""

from __future__ import annotations

import importlib.util
import io
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aws_lambda_powertools import Logger

from shared.common.redaction import Redactor
from shared.telemetry.logging import open_log


def _slack_server() -> Any:
    """The module beside this file: test folders are no packages."""
    name = "tests_telemetry_slack_server"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name("slack_server.py"))
        assert spec is not None
        assert spec.loader is not None
        module = sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return sys.modules[name]


@pytest.fixture
def slack() -> Iterator[Any]:
    with _slack_server().slack_server() as slack:
        yield slack


@dataclass
class Recorded:
    """A log with all that it wrote."""

    redactor: Redactor
    stream: io.StringIO = field(default_factory=io.StringIO)
    log: Logger = field(init=False)

    def __post_init__(self) -> None:
        self.log = open_log("sluice-tests", redactor=self.redactor, level="DEBUG", stream=self.stream)
        self.log.structure_logs()

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.stream.getvalue().splitlines()]


@pytest.fixture
def record() -> Callable[..., Recorded]:
    def make(*secrets: str) -> Recorded:
        return Recorded(Redactor(secrets))

    return make
