"""What LEVEL files can say, executed on Step Functions and on Cloud Workflows; the local runner has the same examples
in tests/src/pipeline/test_levels.py.
"""

from __future__ import annotations

import pytest

from shared.pipelines.targets.target import TargetName
from tests.shared.pipelines.targets.cells.engines import step_functions, workflows
from tests.shared.pipelines.targets.cells.example import Example, check, level_file
from tests.shared.pipelines.targets.cells.flow import once
from tests.shared.pipelines.targets.cells.levels import LEVEL_FILES
from tests.shared.pipelines.targets.cells.world import World
from tests.shared.pipelines.targets.emulator import Emulator
from tests.shared.pipelines.targets.machines import Machines

SHAPES = [(a, b, c) for a in (1, 2, 3) for b in (1, 2, 3) for c in (1, 2, 3)]


@pytest.mark.parametrize("name", LEVEL_FILES)
def test_step_functions_does_what_a_level_file_says(aws: Machines, name: str) -> None:
    check(
        LEVEL_FILES[name],
        step_functions(LEVEL_FILES[name], aws, World()),
        TargetName.STEPFUNCTIONS,
    )


@pytest.mark.parametrize("name", LEVEL_FILES)
def test_workflows_does_what_a_level_file_says(google: Emulator, name: str) -> None:
    check(LEVEL_FILES[name], workflows(LEVEL_FILES[name], google, World()), TargetName.WORKFLOWS)


def shaped(levels: int, threads: int, steps: int) -> tuple[Example, list[list[list[str]]]]:
    names = [[[f"l{a}t{b}s{c}" for c in range(steps)] for b in range(threads)] for a in range(levels)]
    text = level_file(*[[[once(name) for name in thread] for thread in level] for level in names])
    return Example(text=text, file="p.json"), names


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_step_functions_runs_every_shape_in_its_order(aws: Machines, shape: tuple[int, int, int]) -> None:
    """LEVEL x THREAD x STEP; Cloud Workflows has the same in test_workflows.py."""
    example, names = shaped(*shape)
    seen = step_functions(example, aws, World())
    order = seen.names()

    assert "succeeded" == seen.ended, seen.reason
    assert sorted(order) == sorted(name for level in names for thread in level for name in thread)
    assert [name[1] for name in order] == sorted(name[1] for name in order)
    for thread in (thread for level in names for thread in level):
        assert thread == [name for name in order if name in thread]
