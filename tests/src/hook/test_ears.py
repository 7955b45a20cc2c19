"""The server for deliveries without AWS: what it refuses, and that nobody can hold it."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from shared.gitops.configuration import Weaving
from src.hook.ears import Ears

HOSTED = {
    "repositories": [
        {
            "host": "github", "repository": "acme/flows", "credential": "TOKEN", "webhook_secrets": ["HOOK"],
            "definitions": ["flows/*.yml"], "deliver": {"to": "commit", "folder": "made"},
        }
    ]
}  # fmt: skip


@pytest.fixture
def port() -> Iterator[int]:
    lines: list[str] = []
    with Ears("127.0.0.1", 0, lines.append) as ears:
        ears.listen_for(Weaving.model_validate(HOSTED))
        yield int(lines[0].rpartition(":")[2].removesuffix("/webhook"))


def ask(port: int, text: str) -> str:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as one:
        one.sendall(text.encode())
        found = b""
        while part := one.recv(65536):
            found += part
    return found.decode()


@pytest.mark.parametrize(
    ("line", "status", "allowed"),
    [
        ("GET /webhook", 405, "POST"),
        ("PUT /webhook", 405, "POST"),
        ("HEAD /webhook", 405, "POST"),
        ("TRACE /health", 405, "GET"),
        ("POST /docs", 405, "GET"),
        ("PUT /admin", 404, ""),
        ("GET /admin", 404, ""),
    ],
)
def test_what_it_does_not_take_is_refused_in_one_form(
    port: int, line: str, status: int, allowed: str
) -> None:
    answer = ask(port, f"{line} HTTP/1.1\r\nHost: h\r\n\r\n")

    assert f"HTTP/1.0 {status}" == answer[:12]
    assert bool(allowed) == (f"Allow: {allowed}\r\n" in answer)
    assert "<" not in answer


def test_half_sent_bodies_do_not_keep_others_out(port: int) -> None:
    start = b"POST /webhook HTTP/1.1\r\nContent-Length: 100\r\n\r\n{"
    half = [socket.create_connection(("127.0.0.1", port), timeout=10) for _ in range(200)]
    for one in half:
        one.sendall(start)
    answer = ask(port, "GET /health HTTP/1.1\r\n\r\n")
    for one in half:
        one.close()

    assert "200" == answer[9:12]
