"""An AWS account in this process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from moto import mock_aws

from shared.aws.clients import _make


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Credentials that nobody has, and clients that are made inside the mock."""
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    with mock_aws():
        _make.cache_clear()
        yield
    _make.cache_clear()
