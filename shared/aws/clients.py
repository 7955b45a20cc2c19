"""AWS clients, made once per process: boto3 is imported when the first one is asked for, not before."""

from __future__ import annotations

import functools
import os
import threading
from typing import Any

_making = threading.Lock()


def client(
    service: str,
    *,
    region: str | None = None,
    connect_timeout: float = 5.0,
    read_timeout: float = 60.0,
    max_pool_connections: int = 10,
    attempts: int = 3,
) -> Any:
    """The client for `service`, shared by all who ask for the same settings; safe to use from several threads.

    Timeouts are in seconds. `attempts` is how often botocore itself tries (1: never again, for callers that retry
    on their own clock). boto3 finds credentials, and `AWS_ENDPOINT_URL` points it to another server; servers other
    than AWS get the bucket in the path, as they seldom have a name for each bucket.
    """
    endpoint = os.environ.get(f"AWS_ENDPOINT_URL_{service.upper()}") or os.environ.get("AWS_ENDPOINT_URL", "")
    where = region or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    with _making:  # sessions are not safe to share while a client is made
        return _make(service, where, endpoint, connect_timeout, read_timeout, max_pool_connections, attempts)


@functools.cache
def _make(
    service: str, region: str | None, endpoint: str, connect: float, read: float, pool: int, attempts: int
) -> Any:
    import boto3
    from botocore.config import Config

    config = Config(
        connect_timeout=connect,
        read_timeout=read,
        max_pool_connections=pool,
        retries={"total_max_attempts": attempts, "mode": "standard"},
        s3={"addressing_style": "path"} if endpoint else {},
        tcp_keepalive=True,
    )
    return boto3.session.Session().client(service, region_name=region, config=config)
