"""The engines that definitions are run by: Step Functions of moto, Cloud Workflows of the emulator."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.shared.pipelines.targets.emulator import Emulator, emulator, install
from tests.shared.pipelines.targets.machines import Machines, machines

# It is run by another environment, which has the emulator.
collect_ignore = ["emulator_worker.py", "emulator_branches.py"]


@pytest.fixture(scope="module")
def aws() -> Iterator[Machines]:
    with machines() as made:
        yield made


@pytest.fixture(scope="module")
def google() -> Iterator[Emulator]:
    if problem := install():
        pytest.skip(problem)
    with emulator() as made:
        yield made
