"""What stands around the functions: an engine, the template for this machine, an account, an API and a database."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from src.packaging.interpreter import find_interpreter
from src.packaging.target import DEPLOYED, Target, machine_arch
from tests.sam.engine import Engine, engine
from tests.sam.image import lay_out_image

SAM = os.environ.get("SAM", "")
"""SAM's program; `make test-sam` names it. Without it nothing of this folder is collected."""

collect_ignore_glob = [] if SAM else ["*.py"]


@pytest.fixture(scope="session")
def sam() -> Path:
    return Path(SAM).absolute()


@pytest.fixture(scope="session")
def containers() -> Iterator[Engine]:
    interpreter = find_interpreter(DEPLOYED)
    if interpreter is None:
        pytest.skip(f"this machine has no Python {DEPLOYED} to make the image of")
    with tempfile.TemporaryDirectory(prefix="sluice-sam-", ignore_cleanup_errors=True) as folder:
        image = lay_out_image(Target(DEPLOYED, machine_arch()), interpreter, Path(folder) / "image")
        state = Path(folder) / "engine"
        state.mkdir()
        with engine(state, image) as found:
            yield found
