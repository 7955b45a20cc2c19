"""Managed secrets against a Secrets Manager over HTTP with the real boto3, and its failures by name."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError
from moto.server import ThreadedMotoServer

from shared.aws.secrets import STALE_GRACE, TIME_TO_LIVE, ManagedSecrets
from shared.common.errors import Misconfigured, Refused, SluiceError, Transient
from shared.common.fakes import FakeClock


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def client(server: str) -> Iterator[Any]:
    client = boto3.session.Session(
        aws_access_key_id="test", aws_secret_access_key="test", region_name="us-east-1"
    ).client("secretsmanager", endpoint_url=server, config=Config(retries={"total_max_attempts": 1}))
    yield client
    for secret in client.list_secrets()["SecretList"]:
        client.delete_secret(SecretId=secret["Name"], ForceDeleteWithoutRecovery=True)
    client.close()


def managed(client: Any, value: str | None, *, clock: FakeClock | None = None) -> ManagedSecrets:
    if value is not None:
        client.create_secret(Name="sluice/dev", SecretString=value)
    return ManagedSecrets("sluice/dev", clock=clock or FakeClock(), client=client)


class BrokenClient:
    """Answers with `values`, or raises the next of `errors` when there is one."""

    def __init__(self, *errors: Exception | None) -> None:
        self.errors = list(errors)
        self.calls = 0

    def get_secret_value(self, **arguments: str) -> dict[str, Any]:
        self.calls += 1
        failure = self.errors.pop(0) if self.errors else None
        if failure:
            raise failure
        return {"SecretString": '{"A": "1"}'}


def aws_error(code: str, status: int = 400) -> ClientError:
    answer = {"Error": {"Code": code, "Message": "m"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, "GetSecretValue")  # type: ignore[arg-type,unused-ignore]


class TestOverHttp:
    def test_reads_names_and_values(self, client: Any) -> None:
        secrets = managed(
            client, json.dumps({"API_KEY": "k", "PORT": 5, "ON": True, "EMPTY": "", "NONE": None})
        )

        assert dict(secrets.values()) == {"API_KEY": "k", "PORT": "5", "ON": "true"}
        assert secrets.get("API_KEY") == "k"

    def test_a_binary_secret_is_read_as_well(self, client: Any) -> None:
        client.create_secret(Name="sluice/dev", SecretBinary=b'{"API_KEY": "k"}')

        assert managed(client, None).get("API_KEY") == "k"

    def test_an_unknown_name_lists_the_known_ones_and_no_value(self, client: Any) -> None:
        with pytest.raises(Misconfigured, match='did you mean "API_KEY"') as caught:
            managed(client, '{"API_KEY": "hunter22"}').get("API_KEI")

        assert "hunter22" not in str(caught.value)

    @pytest.mark.parametrize("value", ["hunter22", '["hunter22"]', '"hunter22"', '{"a": {"b": "hunter22"}}'])
    def test_a_secret_that_is_no_flat_object_is_refused_without_showing_it(
        self, client: Any, value: str
    ) -> None:
        with pytest.raises(Misconfigured) as caught:
            managed(client, value).values()

        assert "hunter22" not in str(caught.value)

    def test_no_such_secret(self, client: Any) -> None:
        with pytest.raises(
            Misconfigured, match='secret "sluice/dev" cannot be read: ResourceNotFoundException'
        ):
            managed(client, None).values()

    def test_reads_the_current_version_after_a_rotation_by_stage(self, client: Any) -> None:
        """The server of this test answers with the old version unless the stage is named."""
        secrets = managed(client, '{"A": "old"}')
        old = client.describe_secret(SecretId="sluice/dev")["VersionIdsToStages"]
        new = client.put_secret_value(
            SecretId="sluice/dev", SecretString='{"A": "new"}', VersionStages=["AWSPENDING"]
        )["VersionId"]
        client.update_secret_version_stage(
            SecretId="sluice/dev",
            VersionStage="AWSCURRENT",
            MoveToVersionId=new,
            RemoveFromVersionId=next(iter(old)),
        )

        assert secrets.get("A") == "new"

    def test_finds_its_server_by_the_environment(
        self, client: Any, server: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        client.create_secret(Name="sluice/dev", SecretString='{"A": "1"}')
        for name, value in {
            "AWS_ENDPOINT_URL": server,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
        }.items():
            monkeypatch.setenv(name, value)

        assert ManagedSecrets("sluice/dev", clock=FakeClock(), region="us-east-1").get("A") == "1"


class TestCache:
    def test_asks_once_per_time_to_live(self) -> None:
        clock, client = FakeClock(), BrokenClient()
        secrets = managed(client, None, clock=clock)
        for _ in range(3):
            secrets.get("A")
        assert client.calls == 1

        clock.advance(TIME_TO_LIVE)
        secrets.get("A")

        assert client.calls == 2

    def test_known_values_stay_in_use_while_the_manager_is_down(self) -> None:
        clock = FakeClock()
        client = BrokenClient(None, aws_error("InternalServiceError", 500))
        secrets = managed(client, None, clock=clock)
        secrets.get("A")
        clock.advance(TIME_TO_LIVE)

        assert secrets.get("A") == "1"
        assert secrets.get("A") == "1"
        assert client.calls == 2

        clock.advance(STALE_GRACE)
        secrets.get("A")

        assert client.calls == 3

    def test_a_refresh_fetches_anew_and_says_whether_something_changed(self, client: Any) -> None:
        clock = FakeClock()
        secrets = managed(client, '{"A": "old"}', clock=clock)
        secrets.get("A")
        client.put_secret_value(SecretId="sluice/dev", SecretString='{"A": "new"}')

        assert secrets.get("A") == "old"
        assert secrets.refresh() is True
        assert secrets.get("A") == "new"

    def test_refreshes_at_most_once_per_time_to_live(self) -> None:
        clock, client = FakeClock(), BrokenClient()
        secrets = managed(client, None, clock=clock)
        secrets.get("A")

        assert [secrets.refresh(), secrets.refresh(), client.calls] == [False, False, 2]

        clock.advance(TIME_TO_LIVE)
        secrets.refresh()

        assert client.calls == 3


@pytest.mark.parametrize(
    ("failure", "kind", "text"),
    [
        (aws_error("AccessDeniedException"), Refused, "may not be read: AccessDeniedException"),
        (aws_error("DecryptionFailure"), Refused, "kms:Decrypt"),
        (aws_error("ExpiredTokenException"), Refused, "ExpiredTokenException"),
        (aws_error("InvalidRequestException"), Misconfigured, "set SECRET_ID to"),
        (aws_error("ThrottlingException"), Transient, "ThrottlingException"),
        (aws_error("InternalServiceError", 500), Transient, "InternalServiceError"),
        (EndpointConnectionError(endpoint_url="http://x"), Transient, "EndpointConnectionError"),
        (NoCredentialsError(), Misconfigured, "Unable to locate credentials"),
    ],
)
def test_failures_are_named_by_who_must_act(failure: Exception, kind: type[SluiceError], text: str) -> None:
    with pytest.raises(kind) as caught:
        managed(BrokenClient(failure), None).values()

    assert text in str(caught.value)
