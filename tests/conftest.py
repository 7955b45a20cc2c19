"""What all tests share: one hypothesis profile, and what is known of modules that they share."""

from __future__ import annotations

import pytest
from hypothesis import settings

# Other rooms use it too, and it has to be known before the first of them does.
pytest.register_assert_rewrite("tests.shared.pipelines.targets.cells.example")

# A machine under load must not fail an example that is right; speed is measured in benchmarks/.
settings.register_profile("sluice", deadline=None)
settings.load_profile("sluice")
