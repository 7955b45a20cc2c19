"""Who may use the API: whoever has the token, which is sent in a header and nowhere else.

No cookie is ever set, so a browser sends nothing along by itself. Without a token the API answers on this machine only,
and not to pages of other origins: changes need a content type that such pages may not send, even without a body, and
the `Host` has to be this machine's. With a token a change without a body needs none: no page can send the token.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

from shared.common.errors import Misconfigured
from shared.orchestrator.http_door import Request
from src.dispatch.answers import Problem

SHORTEST = 16
"""Characters of a token."""
KINDS = ("application/json", "application/yaml", "application/toml")
"""What a change may be written in; forms and plain text, which any page may send, are not among it."""


CHANGING = ("POST", "PUT", "PATCH", "DELETE")


@dataclass(frozen=True, repr=False)
class Gate:
    """`token` is empty where everybody on this machine may do everything."""

    token: str = ""
    is_fresh: bool = False
    """Whether the token was made for this start."""

    def __post_init__(self) -> None:
        if self.token and (len(self.token) < SHORTEST or not self.token.isascii()):
            raise Misconfigured(
                f"DISPATCH_TOKEN is no token of {SHORTEST} ASCII characters or more",
                hint="openssl rand -hex 32 makes one",
            )

    def check(self, request: Request) -> None:
        """Raises `Problem`."""
        if self.token:
            self._check_token(request.headers.get("authorization", ""))
        elif not is_loopback(urlsplit(f"//{request.headers.get('host', '')}").hostname or ""):
            raise Problem(
                403,
                "without a token this answers on this machine only",
                hint="ask for 127.0.0.1 or localhost",
            )
        if request.method in CHANGING:
            _check_origin(request)
            self._check_kind(request)

    def _check_token(self, given: str) -> None:
        scheme, _, token = given.partition(" ")
        right = hmac.compare_digest(token.strip().encode(), self.token.encode())
        if scheme.lower() != "bearer" or not right:
            raise Problem(
                401,
                "the token is not right" if given else "there is no token",
                hint="send Authorization: Bearer TOKEN",
                headers={"WWW-Authenticate": 'Bearer realm="sluice dispatch"'},
            )

    def _check_kind(self, request: Request) -> None:
        given = request.headers.get("content-type")
        if given is None and not request.body and self.token:
            return
        kind = (given or "").partition(";")[0].strip().lower()
        if kind not in KINDS:
            raise Problem(415, f'"{kind}" is not taken' if kind else "there is no content type",
                          hint=f"send Content-Type: {', '.join(KINDS)}")  # fmt: skip


def _check_origin(request: Request) -> None:
    headers = request.headers
    origin = headers.get("origin")
    if (origin is not None and urlsplit(origin).netloc != headers.get("host")) or headers.get(
        "sec-fetch-site", "same-origin"
    ) not in ("same-origin", "none"):
        raise Problem(403, "changes are not taken from pages of another origin")


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, by its name.

    >>> [is_loopback(one) for one in ("127.0.0.1", "localhost", "::1", "0.0.0.0", "example.org")]
    [True, True, True, False, False]
    """
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
