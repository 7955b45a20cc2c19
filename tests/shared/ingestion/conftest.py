"""The bench of this room's tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.shared.ingestion.acme import Bench


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)
