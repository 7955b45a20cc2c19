"""What stands around the containers: an engine of our own, with one small image."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine.image import lay_out_image
from tests.sam.engine import Engine, engine

collect_ignore_glob = [] if os.environ.get("SLUICE_TEST_ENGINE") else ["*.py"]
"""`make test-engine` sets it. Without it nothing of this folder is collected."""


@pytest.fixture(scope="session")
def containers() -> Iterator[Engine]:
    with tempfile.TemporaryDirectory(prefix="sluice-engine-", ignore_cleanup_errors=True) as folder:
        image = lay_out_image(Path(folder) / "image")
        state = Path(folder) / "engine"
        state.mkdir()
        with engine(state, image) as found:
            yield found
