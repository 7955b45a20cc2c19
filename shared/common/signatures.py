"""Signatures of webhooks: what a sender with the secret would have signed, and comparison in constant time.

Sources: https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries,
https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterable

TOLERANCE = 300.0
"""Seconds that the time of a signed delivery may be off, each way (Standard Webhooks)."""


def hub_signature(secret: str, body: bytes) -> str:
    """The HMAC of a body in hex, as GitHub and Bitbucket send it behind `sha256=`."""
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def standard_signature(key: bytes, name: str, stamp: str, body: bytes) -> str:
    """The HMAC of `id.timestamp.body` in base64, as Standard Webhooks has it behind `v1,`."""
    return base64.b64encode(hmac.digest(key, f"{name}.{stamp}.".encode() + body, "sha256")).decode()


def standard_key(text: str) -> bytes:
    """The key that a secret of Standard Webhooks spells in base64, with or without `whsec_`; padding may lack.

    Raises `binascii.Error` (a ValueError) for what is no base64.
    """
    bare = text.removeprefix("whsec_")
    return base64.b64decode(bare + "=" * (-len(bare) % 4), validate=True)


def seconds_of(stamp: str) -> int | None:
    """A time in whole seconds since 1970; None for text that is none, as one of thousands of digits."""
    return int(stamp) if stamp.isascii() and stamp.isdecimal() and len(stamp) < 20 else None


def is_one_of(given: str, wanted: Iterable[str]) -> bool:
    """Whether one is the same. Each is compared, also behind a match: how long it takes must not tell which it was.

    As bytes, for `compare_digest` refuses text that is not ASCII.
    """
    found = False
    for one in wanted:
        found |= hmac.compare_digest(given.encode("utf-8", "surrogateescape"), one.encode())
    return found
