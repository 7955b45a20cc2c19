"""Remembers in a DynamoDB table what was done, by Powertools' idempotency: twice asked, done once.

https://docs.aws.amazon.com/powertools/python/latest/utilities/idempotency/ The table has the key `id` and the time to
live `expiration`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from shared.aws.clients import client as aws_client
from shared.common.errors import Transient

DAYS = 3
"""How long a delivery is remembered: GitHub lets people send one again for that long."""


class _Life:
    """How long Powertools takes one who runs it for alive."""

    def __init__(self, seconds: int) -> None:
        self._seconds = seconds

    def get_remaining_time_in_millis(self) -> int:
        return self._seconds * 1000


class Remembered:
    """The table of that name. After `seconds` one who runs it is taken for dead, and another may: as long as an
    invocation lives. `client` is for tests.
    """

    def __init__(self, table: str, *, seconds: int = 30, client: Any = None) -> None:
        self._table = table
        self._seconds = seconds
        self._client = client

    def once(self, identity: str, act: Callable[[], None]) -> bool:
        """Run `act` unless it has run for this identity; whether it ran now. What raises has not run.

        Raises `Transient` when the table cannot be had, or somebody is running it at this moment.
        """
        from aws_lambda_powertools.utilities.idempotency import (
            DynamoDBPersistenceLayer,
            IdempotencyConfig,
            idempotent_function,
        )
        from aws_lambda_powertools.utilities.idempotency.exceptions import BaseError

        ran: list[bool] = []

        def run(*, identity: str) -> bool:
            del identity
            ran.append(True)
            act()
            return True

        table = DynamoDBPersistenceLayer(
            self._table,
            boto3_client=self._client
            or aws_client("dynamodb", connect_timeout=2, read_timeout=3, attempts=2),
        )
        config = IdempotencyConfig(expires_after_seconds=DAYS * 86_400, hash_function="sha256")
        config.register_lambda_context(_Life(self._seconds))  # type: ignore[arg-type]
        guarded = idempotent_function(
            run, data_keyword_argument="identity", persistence_store=table, config=config, key_prefix="hook"
        )
        try:
            guarded(identity=identity)
        except BaseError as error:
            raise Transient(f"the table of what was done: {error}", table=self._table) from error
        return bool(ran)
