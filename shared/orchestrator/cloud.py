"""AWS as the dispatcher sees it: clients that the program brings along, and their errors in our words.

No client library is imported here. What boto3 raises has a `response` with a code when AWS has answered, and none when
it could not be reached.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

from shared.common.errors import Misconfigured, Refused, SluiceError, Transient

Clients = Callable[[str], Any]
"""The client of a service by its name (`lambda`, `ecs`, …): what the door `aws` has to be."""

_DENIED = ("AccessDenied", "UnrecognizedClient", "ExpiredToken", "InvalidSignature")
_WRONG = (
    "ResourceNotFound",
    "NotFound",
    "DoesNotExist",
    "NonExistent",
    "Validation",
    "InvalidParameter",
    "InvalidArn",
    "InvalidName",
)


def in_our_words(error: Exception, what: str, **where: object) -> SluiceError:
    """The error for a call of AWS that raised `error`; its class says who must act."""
    return _named(error, what).at(**where)


def _named(error: Exception, what: str) -> SluiceError:
    answer = getattr(error, "response", None)
    if not isinstance(answer, dict):
        return Transient(f"{what}: {type(error).__name__}: {error}")
    said = answer.get("Error", {})
    code, text = str(said.get("Code", "")), str(said.get("Message", ""))
    told = f"{what}: {code}: {text}".rstrip(": ")
    if any(word in code for word in _DENIED):
        return Refused(told, hint="the role or the credentials need the permission", kind=code)
    if any(word in code for word in _WRONG):
        return Misconfigured(told, hint="compare the name with what there is in this account and region")
    return Transient(told)


def token(key: str, length: int = 64) -> str:
    """A name that AWS takes as an idempotency token: the same for the same key."""
    return hashlib.sha256(key.encode()).hexdigest()[:length]
