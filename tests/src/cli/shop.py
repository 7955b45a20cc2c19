"""A small API over HTTP for the tests of the command line: two lists, a key, and faults when asked for.

Run as a script it serves in a process of its own: `python shop.py` prints its address.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

KEY = "sh0p-key-b7Yw4"
PAGE = 50
SOURCE = """\
source: shop
base_url: {url}
auth: {{type: bearer, token: SHOP_TOKEN}}
retry: {{attempts: 2, base: 10ms, budget: 5s}}
defaults:
  primary_key: id
  cursor_field: updated_at
  pagination: {{type: cursor, param: after, path: next}}
  incremental: {{since: since, start: 2024-01-01}}
  columns: {{id: string, name: string, updated_at: timestamp}}
streams:
  customers: {{path: /customers}}
  orders: {{path: /orders, max_rejected: 0}}
"""


class Shop:
    """The server; `faults` maps a path to what is wrong with it: a status, `broken` records, `html`, or `busy` once.

    With `filters` nothing is newer than what was asked for since: lists are empty where `since` lies behind them.
    """

    def __init__(self, *, rows: int = 120, delay: float = 0.0) -> None:
        self.rows, self.delay = rows, delay
        self.faults: dict[str, int | str] = {}
        self.filters = False
        self.asked: list[str] = []
        handler = type("Handler", (_Handler,), {"shop": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Shop:
        threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        ).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    shop: Shop
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""

    def do_GET(self) -> None:
        shop, url = self.shop, urlsplit(self.path)
        shop.asked.append(self.path)
        time.sleep(shop.delay)
        fault = shop.faults.get(url.path)
        if self.headers.get("Authorization") != f"Bearer {KEY}":
            self._answer(
                401,
                {
                    "error": {
                        "type": "unauthorized",
                        "message": f"no such key: {self.headers['Authorization']}",
                    }
                },
            )
        elif isinstance(fault, int):
            self._answer(fault, {"error": {"type": "fault", "message": "as asked for"}})
        elif fault == "busy":
            del shop.faults[url.path]
            self._answer(429, {"error": {"type": "busy", "message": "slow down"}})
        elif fault == "html":
            self._answer(200, "<html>maintenance</html>")
        else:
            self._answer(200, self._page(url.path, parse_qs(url.query), broken=fault == "broken"))

    def _page(self, path: str, query: dict[str, list[str]], *, broken: bool) -> dict[str, Any]:
        start = int(query.get("after", ["0"])[0])
        end = min(self.shop.rows, start + PAGE)
        if self.shop.filters and query.get("since", [""])[0] > "2024-03-02":
            return {"data": [], "next": None}
        data = [
            {
                "id": f"{path[1]}{i}",
                "name": None if broken else f"n{i}",
                "updated_at": f"2024-03-01T10:00:{i % 60:02d}Z",
            }
            for i in range(start, end)
        ]
        return {"data": data, "next": str(end) if end < self.shop.rows else None}

    def _answer(self, status: int, document: Any) -> None:
        body = document.encode() if isinstance(document, str) else json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        if status == 429:
            self.send_header("Retry-After", "0")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    with Shop(rows=int(sys.argv[1]), delay=float(sys.argv[2])) as shop:
        sys.stdout.write(shop.url + "\n")
        sys.stdout.flush()
        threading.Event().wait()
