"""Puts the API, the metrics and the page onto the routes of a dispatcher, and decides who may use them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from shared.common.errors import Misconfigured
from shared.orchestrator.dispatcher import Dispatcher
from shared.orchestrator.http_door import Request, Response
from src.dispatch.answers import GUARDS
from src.dispatch.api import ROOT, Api
from src.dispatch.gate import Gate, is_loopback
from src.dispatch.house import House
from src.dispatch.metrics import Metrics
from src.dispatch.page import Page

TOKEN = "DISPATCH_TOKEN"  # noqa: S105 - the name of a setting


def mount(dispatcher: Dispatcher, gate: Gate, *, mask: Callable[[str], str] = str) -> House:
    """Serve `/`, `/page/…`, `/api/…`, `/metrics` and `/health` where the dispatcher listens for webhooks.

    Before `Dispatcher.start`, so that an input that wants one of these paths hears that it is taken.
    """
    house, routes, page = House(dispatcher, mask), dispatcher.around.routes, Page()
    routes.mount(f"{ROOT}/", Api(house, gate), below=True)
    routes.mount("/metrics", Metrics(house, gate))
    routes.mount("/health", lambda request: health(dispatcher, request))
    routes.mount("/", page)
    routes.mount("/page/", page, below=True)
    return house


def health(dispatcher: Dispatcher, request: Request) -> Response:
    """For load balancers, without a token: 200 while events are worked on, 503 with the reason while they are not."""
    supervisor = dispatcher.supervisor
    with supervisor.lock:
        reason = (
            "draining"
            if supervisor.draining
            else "the journal cannot be written"
            if supervisor.trouble
            else ""
        )
    headers = {**GUARDS, "Content-Type": "text/plain; charset=utf-8", "Cache-Control": "no-store"}
    if reason:
        headers["Retry-After"] = "5"
    return Response(503 if reason else 200, f"{reason or 'ok'}\n".encode(), headers)


def gate_for(
    words: Mapping[str, str], *, without_token: bool, fresh: Callable[[], str] | None
) -> Gate | None:
    """The gate of this start: none where that was asked for, the token of the settings, or a fresh one.

    None where there is no token and nobody to tell a fresh one to: then nothing is served. Raises `Misconfigured`.
    """
    if without_token:
        return Gate()
    if token := words.get(TOKEN, ""):
        return Gate(token)
    return Gate(fresh(), is_fresh=True) if fresh is not None else None


def check_open(gate: Gate, host: str) -> None:
    """Raises `Misconfigured` where everybody on the network could do everything."""
    if not gate.token and not is_loopback(host):
        raise Misconfigured(
            f"without a token the API cannot be served at {host}",
            hint=f'set {TOKEN}, or http.host = "127.0.0.1"',
        )
