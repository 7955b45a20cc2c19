"""The web page: one HTML file and what it loads, all from here. It holds no data; that it gets from the API."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from shared.orchestrator.http_door import Request, Response
from src.dispatch.answers import GUARDS

FOLDER = Path(__file__).parent / "static"
KINDS = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Nothing from elsewhere, and no script or style inside the page: what an event holds can never become code."""


class Page:
    """`/` and `/page/NAME`, from memory."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self._files: Mapping[str, bytes] = {
            one.name: one.read_bytes() for one in sorted(folder.iterdir()) if one.suffix in KINDS
        }

    def __call__(self, request: Request) -> Response:
        name = "index.html" if request.path == "/" else request.path.removeprefix("/page/")
        if name not in self._files:
            return Response(404, b"nothing is here\n", GUARDS)
        if request.method not in ("GET", "HEAD"):
            return Response(405, b"", {**GUARDS, "Allow": "GET, HEAD"})
        body = self._files[name]
        headers = {
            **GUARDS,
            "Content-Security-Policy": POLICY,
            "Content-Type": KINDS[Path(name).suffix],
            "Cache-Control": "no-cache",
            "ETag": f'"{hashlib.sha256(body).hexdigest()[:20]}"',
        }
        if request.headers.get("if-none-match") == headers["ETag"]:
            return Response(304, b"", headers)
        return Response(200, body, headers)
