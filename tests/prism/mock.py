"""Prism, a mock server made from Recurly's OpenAPI file by people who do not know us, and the proxy that it needs.

python -m tests.prism.mock     installs it into .cache/prism (Node and npm must be there)
"""

from __future__ import annotations

import http.client
import json
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / ".cache/prism"
PROGRAM = FOLDER / "node_modules/.bin/prism"
PACKAGE = "@stoplight/prism-cli@5.16.0"
OPENAPI = ROOT.parent / "shared/data/recurly-openapi-v2021-02-25.yaml"
VENDOR = "application/vnd.recurly.v2021-02-25"
DROPPED = {"host", "connection", "accept-encoding", "content-length", "transfer-encoding"}


def install() -> str:
    """Install Prism unless it is there; returns why it could not be, or nothing."""
    if PROGRAM.exists():
        return ""
    if shutil.which("node") is None or shutil.which("npm") is None:
        return "Prism needs Node and npm, which are not here"
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER.parent / ".gitignore").write_text("*\n")
    command = [
        "npm",
        "install",
        "--no-audit",
        "--no-fund",
        "--ignore-scripts",
        "--no-save",
        "--prefix",
        str(FOLDER),
        PACKAGE,
    ]
    done = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, timeout=300, check=False)
    return "" if PROGRAM.exists() else f"npm could not install {PACKAGE}: {done.stderr.strip()[-300:]}"


@contextmanager
def prism(openapi: Path) -> Iterator[int]:
    """A running Prism; yields its port. Requests that the file does not allow are answered with 4xx."""
    port = _free_port()
    command = [
        "node",
        str(PROGRAM.resolve()),
        "mock",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        str(openapi),
    ]
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=FOLDER
    ) as process:
        try:
            _wait_for(port, process)
            yield port
        finally:
            process.terminate()
            process.wait(timeout=20)


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
    return port


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        if process.poll() is not None:
            raise RuntimeError(f"Prism ended with exit code {process.returncode}")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise RuntimeError("Prism does not listen after a minute")


class Proxy(BaseHTTPRequestHandler):
    """Makes of Prism what a client of the API expects, and nothing else.

    Prism answers 406 to the vendor's media type, so it is asked for JSON. Its lists never end (`has_more` is always
    true, `next` is the word "string"), so each page is the last one. All requests and statuses are noted.
    """

    prism_port: int
    seen: list[tuple[str, str, int]]
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet: requests are noted in `seen`."""

    def do_GET(self) -> None:
        self._pass_on()

    def do_HEAD(self) -> None:
        self._pass_on()

    def _pass_on(self) -> None:
        headers = {n.lower(): value for n, value in self.headers.items() if n.lower() not in DROPPED}
        if headers.get("accept", "").startswith(VENDOR):
            headers["accept"] = "application/json"
        connection = http.client.HTTPConnection("127.0.0.1", self.prism_port, timeout=60)
        try:
            connection.request(self.command, self.path, headers=headers)
            answer = connection.getresponse()
            body = answer.read()
        finally:
            connection.close()
        self.seen.append((self.command, self.path, answer.status))
        if answer.status == 200 and body:
            body = _last_page(body)
        self.send_response(answer.status)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Recurly-Version", "recurly.v2021-02-25")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def _last_page(body: bytes) -> bytes:
    document = json.loads(body)
    if isinstance(document, dict) and "has_more" in document:
        document.update(has_more=False, next=None)
    return json.dumps(document).encode()


@contextmanager
def proxy(prism_port: int) -> Iterator[tuple[str, list[tuple[str, str, int]]]]:
    """The proxy in front of a Prism; yields its URL and the list that notes method, path and status of each request."""
    seen: list[tuple[str, str, int]] = []
    handler = type("Handler", (Proxy,), {"prism_port": prism_port, "seen": seen})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", seen
        finally:
            server.shutdown()
            thread.join()


if __name__ == "__main__":
    problem = install()
    sys.stdout.write(f"{problem or f'{PACKAGE} is in {FOLDER.relative_to(ROOT)}'}\n")
    raise SystemExit(1 if problem else 0)
