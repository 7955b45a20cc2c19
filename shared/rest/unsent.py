"""What an error of urllib3 means: who must act, without the URL that its own texts hold."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NoReturn

import requests
import urllib3

from shared.common.errors import Misconfigured, Transient

_HEADER_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")


def explain(error: Exception, headers: Mapping[str, str]) -> NoReturn:
    """Raise the error of ours that says who must act. urllib3's own texts hold the URL, so they are not repeated."""
    if isinstance(error, urllib3.exceptions.SSLError) and "CERTIFICATE_VERIFY" in str(error):
        raise Misconfigured(
            f"the server's certificate is not trusted: {cause_of(error)}",
            hint="set REQUESTS_CA_BUNDLE to your organisation's certificates, or correct the host name",
        ) from error
    if isinstance(error, urllib3.exceptions.NewConnectionError):  # urllib3 counts it among the timeouts
        raise Transient(f"the connection failed: {cause_of(error)}") from error
    if isinstance(error, urllib3.exceptions.ConnectTimeoutError):
        raise Transient("no connection came about in time") from error
    if isinstance(error, urllib3.exceptions.TimeoutError | TimeoutError):
        raise Transient("no answer came in time") from error
    if isinstance(error, ValueError) and (name := _unsendable(headers)) is not None:
        raise Misconfigured(
            f'the header "{name}" cannot be sent',
            hint="its name or value holds a line break, another control character or one beyond Latin-1;"
            " a secret that was read from a file may end in a line break",
        ) from None
    if isinstance(error, urllib3.exceptions.LocationValueError | ValueError):
        raise Misconfigured(f"the request cannot be sent: {type(error).__name__}") from error
    raise Transient(f"the connection failed: {cause_of(error)}") from error


def _unsendable(headers: Mapping[str, str]) -> str | None:
    """The name of the first header that HTTP cannot carry (RFC 9110, 5.1 and 5.5)."""
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name) or not _HEADER_VALUE.fullmatch(value):
            return name
    return None


def cause_of(error: BaseException) -> str:
    """The innermost cause in one word or sentence, without a URL in it."""
    inner: BaseException = error
    for _ in range(8):
        reason = getattr(inner, "reason", None)
        nested = reason if isinstance(reason, BaseException) else inner.__cause__ or inner.__context__
        if nested is None:
            break
        inner = nested
    text = (
        str(inner) if isinstance(inner, OSError) and not isinstance(inner, requests.RequestException) else ""
    )
    return f"{type(inner).__name__} {text}".strip()
