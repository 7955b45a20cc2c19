"""What all tests share: one hypothesis profile."""

from __future__ import annotations

from hypothesis import settings

# A machine under load must not fail an example that is right; speed is measured in benchmarks/.
settings.register_profile("sluice", deadline=None)
settings.load_profile("sluice")
