"""What the API answers: JSON, and problems as RFC 9457 has them, with headers that let a browser do nothing else."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from shared.common.errors import SluiceError
from shared.orchestrator.http_door import Response

GUARDS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
"""Headers of every answer; there are none that let other origins in."""
PRIVATE = {**GUARDS, "Cache-Control": "no-store", "Content-Security-Policy": "default-src 'none'"}
TITLES = {
    400: "The request cannot be read",
    401: "A token is needed",
    403: "Not from here",
    404: "Not found",
    405: "Not this method",
    409: "Already there",
    412: "Changed in the meantime",
    413: "Too long",
    415: "Not this kind of text",
    422: "The document has faults",
    428: "Say which version is changed",
    503: "Not now",
}
_PLACED = re.compile(r"^document:(\d+):(\d+) (.*)$")


class Problem(Exception):
    """An answer that is not what was asked for; `detail` says what happened, `hint` what would be right."""

    def __init__(
        self, status: int, detail: str, *, hint: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.hint = hint
        self.headers = dict(headers or {})

    def to_response(self, mask: Callable[[str], str] = str) -> Response:
        lines = self.detail.splitlines()
        found = [_PLACED.match(line) for line in lines]
        plain: dict[str, Any] = {
            "type": "about:blank",
            "title": TITLES.get(self.status, "Something went wrong"),
            "status": self.status,
            "detail": mask(self.detail),
        }
        if self.hint:
            plain["hint"] = mask(self.hint)
        if any(found):
            plain["errors"] = [
                {"line": int(one[1]), "column": int(one[2]), "message": mask(one[3])}
                if one
                else {"message": mask(line)}
                for one, line in zip(found, lines, strict=True)
            ]
        body = json.dumps(plain, ensure_ascii=False).encode()
        return Response(
            self.status, body, {**PRIVATE, "Content-Type": "application/problem+json", **self.headers}
        )


def problem_of(error: SluiceError, status: int) -> Problem:
    return Problem(status, error.message, hint=error.hint)


def answered(plain: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    body = json.dumps(plain, ensure_ascii=False).encode("utf-8", "replace")
    return Response(
        status, body, {**PRIVATE, "Content-Type": "application/json; charset=utf-8", **(headers or {})}
    )


def told(text: str, *, kind: str = "text/plain; charset=utf-8") -> Response:
    return Response(200, text.encode("utf-8", "replace"), {**PRIVATE, "Content-Type": kind})
