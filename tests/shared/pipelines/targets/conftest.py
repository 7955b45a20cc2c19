"""What is no test here."""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite("tests.shared.pipelines.targets.cells.example")

# It is run by another environment, which has the emulator.
collect_ignore = ["emulator_worker.py", "emulator_branches.py"]
