"""Whether a delivery comes from the host: its signature over the bytes as received, in constant time.

| host | header | what it holds |
|---|---|---|
| GitHub | `X-Hub-Signature-256` | `sha256=` and the HMAC of the body in hex |
| Bitbucket Cloud | `X-Hub-Signature` | the same; GitHub has its old SHA-1 under this name, which is not looked at |
| GitLab | `webhook-signature` | Standard Webhooks: `v1,` and the HMAC of `id.timestamp.body` in base64 |
| GitLab | `X-Gitlab-Token` | the secret itself, where no signing token is set |

Several secrets may be valid at once, so that one can be exchanged without losing a delivery.

Sources: https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries,
https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from shared.common.errors import Misconfigured, Refused
from shared.common.signatures import (
    TOLERANCE,
    hub_signature,
    is_one_of,
    seconds_of,
    standard_key,
    standard_signature,
)
from shared.gitops.news import Host

SHORTEST = 8
"""Characters of the shortest secret: one that can be guessed is as good as none, and an empty one lets everybody in."""


def verify(
    host: Host, headers: Mapping[str, str], body: bytes, *, secrets: Sequence[str], now: float
) -> None:
    """Raise `Refused` (401) unless one of `secrets` signed the delivery.

    `headers` have lower-case names; `now` is in seconds since 1970. The error names the reason for the log; the
    sender is told nothing but the status. Raises `Misconfigured` where no usable secret is set.
    """
    usable = [secret for secret in secrets if len(secret) >= SHORTEST]
    if not usable or len(usable) < len(secrets):
        raise Misconfigured(
            f"the secret of the webhook is missing or shorter than {SHORTEST} characters",
            hint="set a long random one here and at the host",
            host=host.value,
        )
    if host is Host.GITHUB:
        reason = _hub(headers.get("x-hub-signature-256"), body, usable)
    elif host is Host.BITBUCKET:
        reason = _hub(headers.get("x-hub-signature"), body, usable)
    elif "webhook-signature" in headers:
        reason = _standard(headers, body, usable, now=now)
    else:
        reason = _token(headers.get("x-gitlab-token"), usable)
    if reason:
        raise Refused(reason, status=401, host=host.value)


def _hub(given: str | None, body: bytes, secrets: Sequence[str]) -> str:
    if not given:
        return "the delivery is not signed"
    scheme, _, digest = given.partition("=")
    if scheme.lower() != "sha256":
        return f"the signature is of another kind: {scheme[:20]!r}"
    wanted = [hub_signature(secret, body) for secret in secrets]
    return "" if is_one_of(digest.strip().lower(), wanted) else "the signature is wrong"


def _token(given: str | None, secrets: Sequence[str]) -> str:
    if not given:
        return "the delivery has no token"
    return "" if is_one_of(given, secrets) else "the token is wrong"


def _standard(headers: Mapping[str, str], body: bytes, secrets: Sequence[str], *, now: float) -> str:
    name, stamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    seconds = seconds_of(stamp)
    if not name or seconds is None:
        return "the delivery has no webhook-id, or no webhook-timestamp in seconds"
    if abs(now - seconds) > TOLERANCE:
        return "the delivery is too old, or from the future"
    wanted = [standard_signature(key, name, stamp, body) for key in _keys(secrets)]
    given = [one.split(",", 1) for one in headers["webhook-signature"].split() if "," in one]
    found = [is_one_of(value, wanted) for version, value in given if version == "v1"]
    return "" if any(found) else "the signature is wrong"


def _keys(secrets: Sequence[str]) -> list[bytes]:
    """The keys of Standard Webhooks: base64 behind `whsec_`, with or without its padding; else the text itself."""
    return [_decoded(secret) if secret.startswith("whsec_") else secret.encode() for secret in secrets]


def _decoded(secret: str) -> bytes:
    try:
        return standard_key(secret.rstrip("="))
    except ValueError:
        raise Misconfigured(
            "the signing secret of the webhook begins with whsec_ and is no base64", hint="copy it again"
        ) from None
