"""Turns an answer that is no success into the error that names who must act, in the API's own words.

>>> answer = Response(
...     403, body=b'{"error": {"type": "invalid_api_key", "message": "No such key"}}', url="https://a.test/x"
... )
>>> print(refused(answer))
the API refused the request: No such key (invalid_api_key) [status 403, url https://a.test/x]
  the credential may not do this: check its permissions
"""

from __future__ import annotations

from typing import Any, Protocol

import msgspec

from shared.common.errors import Refused
from shared.common.redaction import Redactor
from shared.rest.body import head_of
from shared.rest.message import Response

_HINTS = {
    400: "the request is not what the API wants: compare path and parameters with its documentation",
    401: "the credential is wrong or expired",
    402: "the account must be paid first",
    403: "the credential may not do this: check its permissions",
    404: "nothing is there: check the path, and whether the API's feature is switched on",
    406: "the API does not speak this version or format: check the `Accept` header",
    410: "it is gone, as a cursor that expired",
    422: "the API does not accept a value: compare the parameters with its documentation",
}


class Unsuccessful(Exception):
    """An answer that is no success, on its way to the decision about it; never leaves this room."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.status)
        self.response = response


class ErrorPaths(Protocol):
    """Where the API's error body holds the error's name and its message (dotted paths)."""

    @property
    def type(self) -> str: ...

    @property
    def message(self) -> str: ...


class Paths:
    """The places where most APIs put them."""

    type = "error.type"
    message = "error.message"


def refused(
    response: Response, *, errors: ErrorPaths | None = None, redactor: Redactor | None = None
) -> Refused:
    """The error for an answer that is final: status, the API's name for the error and its message."""
    redactor = redactor or Redactor()
    kind, message = explanation(response, errors=errors)
    said = redactor.text(message[:500]) if message else f"it said {head_of(response.body, redactor)}"
    request_id = response.headers.get("x-request-id", "")
    error = Refused(
        f"the API refused the request: {said}" + (f" ({kind})" if kind else ""),
        hint=_HINTS.get(response.status, ""),
        status=response.status,
        kind=kind,
        url=redactor.url(response.url),
        request_id=request_id[:100],
    )
    error.at(status=response.status)
    return error


def explanation(response: Response, *, errors: ErrorPaths | None = None) -> tuple[str, str]:
    """The API's name for the error and its message, "" where the body does not say.

    Where the configured path holds nothing, the usual places are tried: `error`, `type`, `code`, `message`,
    `error_description` and `detail`.
    """
    errors = errors or Paths
    try:
        document = msgspec.json.decode(response.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return "", ""
    kind = _text(document, errors.type, "type", "code", "error")
    return kind[:100], _text(
        document, errors.message, "message", "error_description", "detail", "error.message"
    )


def _text(document: Any, *paths: str) -> str:
    for path in paths:
        value = document
        for part in path.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        if isinstance(value, str | int) and value not in ("", True, False):
            return str(value)
    return ""
