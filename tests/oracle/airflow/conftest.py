"""The oracle: generated files loaded and run by Airflow 3 and 2, each in one process of its environment.

Runs with `make test-airflow`, and nowhere else.
"""

from __future__ import annotations

import json
import os
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
VERSIONS = (3, 2)

# Airflow has environments of its own, and loading it takes longer than all else that is tested.
collect_ignore_glob = [] if os.environ.get("SLUICE_TEST_AIRFLOW") else ["test_*.py"]


@dataclass
class World:
    """What steps call: answers by the path, with what was asked and when. `/job/…` are executor functions."""

    url: str = ""
    asked: list[tuple[float, str]] = field(default_factory=list)
    polls: dict[str, int] = field(default_factory=dict)

    def answer(self, path: str, body: bytes) -> tuple[int, Any]:
        self.asked.append((time.monotonic(), path))
        name = path.strip("/").partition("?")[0]
        if name.startswith("job"):
            return self._job(name, json.loads(body))
        if name == "slow":
            time.sleep(4)
        wrong = "bad" in name or path == "/inner?item=1"
        return (500 if wrong else 200), {"rows": 3, "path": path, "sent": body.decode() or None}

    def _job(self, name: str, order: dict[str, Any]) -> tuple[int, Any]:
        if order["call_type"] == "get_id":
            return 200, f"{name}-{order['execution_id']}-{order['job_name']}"
        job = order["async_job_id"]
        self.polls[job] = self.polls.get(job, 0) + 1
        over = self.polls[job] >= 2 and not name.endswith("stuck")
        return 200, {"state": ("CANCELLED" if name.endswith("lost") else "DONE") if over else "RUNNING"}


@pytest.fixture(scope="session")
def world() -> Iterator[World]:
    found = World()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, answer = found.answer(self.path, body)
            data = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST  # noqa: N815 - the name that the server looks for

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield found
    server.shutdown()
    server.server_close()
    thread.join()


@dataclass(frozen=True)
class Airflow:
    """An environment with Airflow and a home of its own, which has a database."""

    version: int
    home: Path

    @property
    def python(self) -> Path:
        return ROOT / f".venv-airflow{self.version}" / "bin" / "python"

    def environment(self, dags: Path, **more: str) -> dict[str, str]:
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "PYTHON"))
        }
        return {
            **kept,
            "PATH": f"{self.python.parent}:{kept['PATH']}",
            "AIRFLOW_HOME": str(self.home),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
            "NO_PROXY": "127.0.0.1",
            "no_proxy": "127.0.0.1",
            **more,
        }

    def migrate(self) -> None:
        """Make the database. Raises `CalledProcessError` with what was said."""
        words = [str(self.python.parent / "airflow"), "db", "migrate"]
        env = self.environment(self.home)
        subprocess.run(words, env=env, check=True, capture_output=True, timeout=300)

    def ask(self, order: dict[str, Any], dags: Path, **more: str) -> dict[str, Any]:
        """What `inside.py` answers."""
        done = subprocess.run(
            [self.python, ROOT / "tests/oracle/airflow/inside.py"], env=self.environment(dags, **more),
            input=json.dumps(order), capture_output=True, text=True, timeout=400, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-3000:]
        found: dict[str, Any] = json.loads(done.stdout)
        return found


@pytest.fixture(scope="session", params=VERSIONS, ids=lambda version: f"airflow{version}")
def airflow(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Airflow:
    found = Airflow(request.param, tmp_path_factory.mktemp(f"airflow{request.param}"))
    found.migrate()
    return found
