"""The webhook behind a Function URL (or an API Gateway HTTP API): check, queue, answer. The work is weave's.

POST /webhook takes deliveries of GitHub, GitLab and Bitbucket; GET /docs shows the API, GET /openapi.json is its
document, GET /health says that it is up.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.event_handler import LambdaFunctionUrlResolver, Response

from shared.telemetry.handler import Handler, Telemetry, handled
from src.hook.receive import Answer
from src.workplace import Workplace

if TYPE_CHECKING:
    from src.hook.receive import Desk

PAGE, DOCUMENT = "/docs", "/openapi.json"
TITLE = "Sluice webhook"
DESCRIPTION = "Takes deliveries of git hosts, checks who sent them, and hands them on."

_RESPONSES: dict[int, Any] = {
    202: {"description": "There are news, and they are queued."},
    204: {"description": "Nobody waits for this event, repository or branch; or it was taken in before."},
    400: {"description": "The body or the headers are none of a git host."},
    401: {"description": "The signature is wrong."},
    413: {"description": "The body is larger than any host sends."},
    503: {"description": "Not now: send it again."},
}


def api(
    receive: Callable[[dict[str, str], bytes], Answer], *, page: bool = True
) -> LambdaFunctionUrlResolver:
    """The routes, with `receive` behind them; `page`: also the page that shows them, which is slow to import."""
    app = LambdaFunctionUrlResolver()
    if page:
        app.enable_swagger(path=PAGE, title=TITLE, version="1", description=DESCRIPTION)

        @app.get(DOCUMENT, include_in_schema=False)
        def document() -> dict[str, Any]:
            found = app.get_openapi_json_schema(title=TITLE, version="1", description=DESCRIPTION)
            return {**json.loads(found), "servers": [{"url": "/"}]}

    @app.post(
        "/webhook",
        summary="A delivery of a git host",
        description="The body is the host's own event, as it is signed.",
        operation_id="deliver",
        responses=_RESPONSES,
    )
    def webhook() -> Response[str]:
        event = app.current_event
        answer = receive(dict(event.headers), _body(event.raw_event))
        kind = {"Cache-Control": "no-store"}
        content_type = "application/json" if answer.document else None
        return Response(answer.status, content_type=content_type, body=answer.body, headers=kind)

    @app.get("/health", summary="Is it up?", operation_id="health")
    def health() -> dict[str, str]:
        return {"status": "up"}

    return app


def handler_of(open_place: Callable[[], Workplace], open_desk: Callable[[Workplace], Desk]) -> Handler:
    """A handler of its own: for Lambda the one below, for tests one with a workplace and a desk of theirs."""
    place = cache(open_place)
    desk = cache(lambda: open_desk(place()))

    @handled("hook", lambda: place().telemetry())
    def handler(event: Any, context: Any, telemetry: Telemetry) -> dict[str, Any]:
        def receive(headers: dict[str, str], body: bytes) -> Answer:
            answer = desk().receive(headers, body)
            write = telemetry.log.info if answer.status < 300 else telemetry.log.warning
            write("delivery", extra={"status": answer.status, "reason": answer.reason, **answer.document})
            return answer

        # A stage of an API Gateway stands before the path.
        page = str(event.get("rawPath", "")).endswith((PAGE, DOCUMENT))
        return api(receive, page=page).resolve(event, context)

    return handler


def _body(event: dict[str, Any]) -> bytes:
    """The bytes as they were sent: the signature is over them."""
    body = event.get("body") or ""
    return base64.b64decode(body) if event.get("isBase64Encoded") else body.encode()


def open_desk(place: Workplace) -> Desk:
    """The desk of this process: FIFO queue and table of AWS."""
    from src.hook.place import aws_desk

    return aws_desk(place)


handler = handler_of(Workplace.open, open_desk)
