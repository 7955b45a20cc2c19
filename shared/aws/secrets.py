"""Secrets of one AWS Secrets Manager secret whose value is a JSON object, cached with a time to live."""

from __future__ import annotations

import json
from collections.abc import Mapping
from threading import Lock
from typing import Any, NoReturn

from shared.aws.clients import client as aws_client
from shared.common.errors import Misconfigured, Refused, SluiceError, Transient, unknown
from shared.common.ports import Clock

TIME_TO_LIVE = 300.0
STALE_GRACE = 30.0

_MISSING = {
    "ResourceNotFoundException",
    "InvalidRequestException",
    "InvalidParameterException",
    "ValidationException",
}
_DENIED = {"AccessDeniedException", "DecryptionFailure", "UnrecognizedClientException", "InvalidClientTokenId",
           "ExpiredTokenException", "InvalidSignatureException", "SignatureDoesNotMatch"}  # fmt: skip


class ManagedSecrets:
    """The names and values of the secret `secret_id` (a name or an ARN).

    The secret is fetched when it is first asked for and again after `ttl` seconds. When Secrets Manager does not
    answer by then, the values that are known stay in use and it is asked again after `STALE_GRACE` seconds: a run that
    works is not stopped by it. `client` is a boto3 client, for tests.
    """

    def __init__(
        self,
        secret_id: str,
        *,
        clock: Clock,
        region: str | None = None,
        ttl: float = TIME_TO_LIVE,
        client: Any = None,
    ) -> None:
        self.secret_id = secret_id
        self._clock = clock
        self._region = region
        self._ttl = ttl
        self._client = client
        self._lock = Lock()
        self._values: dict[str, str] | None = None
        self._expires = 0.0
        self._refreshed: float | None = None

    def values(self) -> Mapping[str, str]:
        """All names with their values.

        Raises `Misconfigured` when there is no such secret or it is no JSON object, `Refused` when we may not read it,
        `Transient` when Secrets Manager did not answer and nothing is known yet.
        """
        with self._lock:
            if self._values is None:
                self._fetch()
            elif self._clock.monotonic() >= self._expires:
                try:
                    self._fetch()
                except Transient:
                    self._expires = self._clock.monotonic() + STALE_GRACE
            return self._values or {}

    def get(self, name: str, *, hidden: bool = True) -> str:
        """The secret called `name`. Raises `Misconfigured` when the JSON has no such name, and as `values` does."""
        values = self.values()
        if name not in values:
            raise unknown("secret", name, values, searched=f'secret "{self.secret_id}" of Secrets Manager')
        return values[name]

    def refresh(self) -> bool:
        """Fetch anew, at most once per time to live; True when a value is another one now. Raises as `values` does."""
        with self._lock:
            now = self._clock.monotonic()
            if self._refreshed is not None and now - self._refreshed < self._ttl:
                return False
            before = self._values
            self._fetch()
            self._refreshed = now
            return self._values != before

    def _fetch(self) -> None:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            if self._client is None:
                self._client = aws_client(
                    "secretsmanager", region=self._region, read_timeout=10.0, attempts=4
                )
            # The stage is the default, but some servers answer with an older version unless it is named.
            answer = self._client.get_secret_value(SecretId=self.secret_id, VersionStage="AWSCURRENT")
        except (ClientError, BotoCoreError) as error:
            self._give_up(error)
        self._values = _parsed(answer.get("SecretString") or answer.get("SecretBinary", b""), self.secret_id)
        self._expires = self._clock.monotonic() + self._ttl

    def _give_up(self, error: Exception) -> NoReturn:
        secret = f'secret "{self.secret_id}"'
        code = getattr(error, "response", {}).get("Error", {}).get("Code", type(error).__name__)
        status = getattr(error, "response", {}).get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        failure: SluiceError
        if code in _MISSING:
            failure = Misconfigured(
                f"{secret} cannot be read: {code}",
                hint="set SECRET_ID to a secret of this account and region, or create it",
                region=self._region,
            )
        elif code in _DENIED:
            failure = Refused(
                f"{secret} may not be read: {code}",
                hint="the role needs secretsmanager:GetSecretValue on it, and kms:Decrypt on its key",
                status=status or 403,
                kind=code,
            )
        elif code in ("NoCredentialsError", "PartialCredentialsError", "NoRegionError", "ProfileNotFound",
                      "InvalidRegionError", "TokenRetrievalError", "SSOTokenLoadError"):  # fmt: skip
            failure = Misconfigured(
                f"{secret} cannot be read: {error}",
                hint="set AWS credentials and AWS_REGION, or ENVIRONMENT=local to go without Secrets Manager",
            )
        else:
            failure = Transient(
                f"Secrets Manager did not give {secret}: {code}", hint="it is asked again by the next run"
            )
        raise failure from error


def _parsed(text: str | bytes, secret_id: str) -> dict[str, str]:
    """The secret's names and values as text; empty ones count as not set."""
    try:
        document = json.loads(text)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise Misconfigured(
            f'secret "{secret_id}" is not a JSON object', hint='its value must look like {"API_KEY": "…"}'
        )
    nested = sorted(name for name, value in document.items() if isinstance(value, dict | list))
    if nested:
        raise Misconfigured(
            f'secret "{secret_id}" holds lists or objects under {", ".join(nested)}',
            hint="every value must be text",
        )
    return {name: value if isinstance(value, str) else json.dumps(value)
            for name, value in document.items() if value not in ("", None)}  # fmt: skip
