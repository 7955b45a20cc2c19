"""What is no test here."""

from __future__ import annotations

# It is run by another environment, which has the emulator.
collect_ignore = ["emulator_worker.py", "emulator_branches.py"]
