"""A small Slack: chat.postMessage over real HTTP, with faults that a test lines up."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal

Fault = tuple[int, dict[str, str], bytes] | Literal["reset"]


@dataclass
class Slack:
    """What was posted, by whom, and what goes wrong next; the first of `faults` is used up by the next call."""

    url: str = ""
    messages: list[dict[str, Any]] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    calls: int = 0


def _answer(slack: Slack, token: str, message: dict[str, Any]) -> dict[str, Any]:
    if not token.startswith("xoxb-"):
        return {"ok": False, "error": "invalid_auth"}
    if not message.get("channel"):
        return {"ok": False, "error": "channel_not_found"}
    slack.tokens.append(token)
    slack.messages.append(message)
    return {"ok": True, "channel": message["channel"], "ts": f"{len(slack.messages)}.000001"}


@contextmanager
def slack_server() -> Iterator[Slack]:
    """A server on a free port of this machine; `Slack.url` is its API."""
    slack = Slack()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            slack.calls += 1
            fault = slack.faults.pop(0) if slack.faults else None
            if fault == "reset":
                self.close_connection = True
                return
            token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
            status, headers, answer = fault or (
                200,
                {},
                json.dumps(_answer(slack, token, json.loads(body))).encode(),
            )
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", **headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    slack.url = f"http://127.0.0.1:{server.server_address[1]}/api/"
    try:
        yield slack
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
