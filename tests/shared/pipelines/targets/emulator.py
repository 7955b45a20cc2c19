"""`workflows-emulator`, made by people who do not know us, in an environment of its own, and executor functions for it.

python -m tests.shared.pipelines.targets.emulator     installs it into .cache/workflows
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[4]
FOLDER = ROOT / ".cache" / "workflows"
PYTHON = FOLDER / "bin" / "python"
PACKAGE = "workflows-emulator==1.10.0"
WORKER = Path(__file__).with_name("emulator_worker.py")
IDENTITY = {
    "GOOGLE_CLOUD_PROJECT_ID": "p",
    "GOOGLE_CLOUD_LOCATION": "r",
    "GOOGLE_CLOUD_WORKFLOW_ID": "w",
    "GOOGLE_CLOUD_WORKFLOW_EXECUTION_ID": "this",
}
Function = Callable[[Any], Any]


def install() -> str:
    """Install the emulator unless it is there; returns why it could not be, or nothing."""
    if (FOLDER / "ready").exists():
        return ""
    FOLDER.parent.mkdir(parents=True, exist_ok=True)
    (FOLDER.parent / ".gitignore").write_text("*\n")
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(FOLDER)], check=True, capture_output=True)
    command = [str(PYTHON), "-m", "pip", "install", "-q", "--disable-pip-version-check", PACKAGE]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode:
        return f"pip could not install {PACKAGE}: {done.stderr.strip()[-300:]}"
    (FOLDER / "ready").write_text("")
    return ""


@dataclass
class Emulator:
    """Executes workflows; `functions` answer calls by the last part of their path, or `host` answers all of them."""

    process: Any
    base: str
    functions: dict[str, Function] = field(default_factory=dict)
    calls: list[tuple[str, Any]] = field(default_factory=list)
    headers: list[Mapping[str, str]] = field(default_factory=list)
    host: Callable[[str, Any, Mapping[str, str]], Any] | None = None

    def run(self, workflow: Any, args: Any = None) -> dict[str, Any]:
        """`result` or `error` of an execution, and the seconds that it `waited`."""
        self.calls.clear()
        self.headers.clear()
        order = {"workflow": workflow, "args": args or {}, "base": self.base}
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, self.process.stderr.read()[-2000:]
        found: dict[str, Any] = json.loads(line)
        return found


@contextmanager
def emulator() -> Iterator[Emulator]:
    """The emulator and a host with functions, until the end of the block."""
    made = Emulator(None, "")

    class Host(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            payload = json.loads(body) if body else None
            name = self.path.partition("?")[0].rpartition("/")[2]
            made.calls.append((name, payload))
            made.headers.append(dict(self.headers))
            status, answer = 200, None
            try:
                if made.host:
                    answer = made.host(self.path, payload, dict(self.headers))
                else:
                    answer = made.functions[name](payload)
            except Exception as error:  # noqa: BLE001 - as a function answers
                status, answer = 500, {"error": str(error)}
            data = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            with suppress(BrokenPipeError, ConnectionResetError):  # who asked has given up
                self.wfile.write(data)

        do_GET = do_POST  # noqa: N815 - the library's name

        def log_message(self, *args: Any) -> None:
            """Nothing: a test says what it saw."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Host)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    made.base = f"http://127.0.0.1:{server.server_port}"
    with subprocess.Popen(
        [str(PYTHON), str(WORKER)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **IDENTITY},
    ) as process:
        made.process = process
        yield made
        assert process.stdin
        process.stdin.close()
        process.terminate()
    server.shutdown()
    server.server_close()


if __name__ == "__main__":
    sys.exit(install())
