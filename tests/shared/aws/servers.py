"""An S3 server of its own process (moto), and a proxy in front of it that fails on the wire as it is told."""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
}


@contextmanager
def moto_server() -> Iterator[str]:
    """The URL of a moto server that runs in another process."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-W", "ignore", "-m", "moto.server", "-p", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(300):
            if process.poll() is not None:
                raise RuntimeError(f"moto ended with {process.returncode}")
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


@dataclass
class Fault:
    """What happens instead of a good answer to the next request with this method (and `part` in its path).

    kind: `status` answers without asking moto; `lost` lets moto do it and breaks the connection instead of answering;
    `hang` lets moto do it and answers too late; `reset` breaks the connection before; `cut` sends half of the body.
    """

    method: str
    kind: str
    status: int = 500
    code: str = "InternalError"
    part: str = ""


@dataclass
class FaultProxy:
    """A proxy that plays `faults` in order and notes each request as `METHOD path?query` in `seen`.

    It lets one PUT through at a time: moto looks whether a key is taken and writes it in two steps, S3 in one.
    """

    target: str
    faults: list[Fault] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)
    heard: list[dict[str, str]] = field(default_factory=list)
    url: str = ""
    hang: float = 1.5
    putting: threading.Lock = field(default_factory=threading.Lock)

    def play(self, *faults: Fault) -> None:
        self.faults[:] = faults
        self.seen.clear()
        self.heard.clear()

    def next_fault(self, method: str, path: str) -> Fault | None:
        if self.faults and self.faults[0].method == method and self.faults[0].part in path:
            return self.faults.pop(0)
        return None


def _handler(proxy: FaultProxy) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def log_message(self, *_: Any) -> None:
            pass

        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            proxy.seen.append(f"{self.command} {self.path}")
            proxy.heard.append(dict(self.headers))
            fault = proxy.next_fault(self.command, self.path)
            if fault and fault.kind == "reset":
                self._break()
                return
            if fault and fault.kind == "status":
                text = f"<Error><Code>{fault.code}</Code><Message>injected</Message></Error>"
                self._answer(fault.status, {"Content-Type": "application/xml"}, text.encode())
                return
            upstream = http.client.HTTPConnection(urlsplit(proxy.target).netloc, timeout=20)
            with proxy.putting if self.command == "PUT" else nullcontext():
                upstream.request(self.command, self.path, body, dict(self.headers))
                answer = upstream.getresponse()
                data = answer.read()
            upstream.close()
            if fault and fault.kind in ("lost", "hang"):
                time.sleep(proxy.hang if fault.kind == "hang" else 0)
                self._break()
                return
            self._answer(answer.status, dict(answer.getheaders()), data, cut=bool(fault))

        def _answer(self, status: int, headers: dict[str, str], data: bytes, *, cut: bool = False) -> None:
            self.send_response(status)
            for name, value in headers.items():
                if name.lower() not in (
                    "connection",
                    "content-length",
                    "transfer-encoding",
                    "server",
                    "date",
                ):
                    self.send_header(name, value)
            length = next((v for n, v in headers.items() if n.lower() == "content-length"), str(len(data)))
            self.send_header("Content-Length", length)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(data[: len(data) // 2] if cut else data)
            if cut:
                self._break()

        def _break(self) -> None:
            self.close_connection = True
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_RDWR)

        do_GET = do_PUT = do_HEAD = do_DELETE = do_POST = _serve  # noqa: N815

    return Handler


@contextmanager
def fault_proxy(target: str) -> Iterator[FaultProxy]:
    proxy = FaultProxy(target)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(proxy))
    server.daemon_threads = True
    proxy.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def s3_client(url: str, **settings: Any) -> Any:
    """A boto3 client for a server of this file, without retries of its own."""
    import boto3
    from botocore.config import Config

    settings = {"retries": {"total_max_attempts": 1}, "s3": {"addressing_style": "path"}, **settings}
    return boto3.client(
        "s3",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
        config=Config(**settings),
    )
