"""Where a redirect leads, and what may go there. Pure."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import urljoin

from shared.common.errors import Misconfigured
from shared.rest.message import Request, Response

MAX_REDIRECTS = 5

_NEUTRAL = frozenset(("accept", "accept-encoding", "content-type", "if-range", "range", "user-agent"))
"""The only headers that go to another host: any other may hold a credential."""


def neutral(request: Request) -> Request:
    """The request without any header that may hold a credential."""
    kept = tuple(pair for pair in request.headers if pair[0].lower() in _NEUTRAL)
    return request if kept == request.headers else replace(request, headers=kept)


def redirected(request: Request, response: Response) -> Request | None:
    """The request that a redirect asks for; None when the answer is none, or the method may not simply be repeated."""
    location = response.headers.get("location", "")
    if response.status not in (301, 302, 303, 307, 308) or not location:
        return None
    if request.method not in ("GET", "HEAD") and response.status not in (307, 308):
        return None
    try:
        target = urljoin(request.full_url(), location).partition("#")[0]
    except ValueError as error:
        raise Misconfigured(f"the API redirects to what is no URL: {error}") from None
    return replace(request, url=target, params=())
