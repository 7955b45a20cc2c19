"""Configuration: where a setting comes from, what is allowed, and what an error says (never a secret)."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from dotenv import dotenv_values

from shared.common.errors import Misconfigured
from shared.common.ports import Clock
from src.config import Configuration, Environment, Settings, configure, env_example

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _empty_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A process of its own: no setting in the environment, no .env in the current directory."""
    before = dict(os.environ)
    for name in list(os.environ):
        if name.lower() in Settings.model_fields or name.startswith("AWS_"):
            del os.environ[name]
    monkeypatch.chdir(tmp_path)
    yield
    os.environ.clear()
    os.environ.update(before)


class FakeManager:
    def __init__(self, values: Mapping[str, str]) -> None:
        self.secret_id = "sluice/dev"
        self.known = values
        self.opened: list[tuple[str, str | None]] = []

    def open(self, secret_id: str, region: str | None, clock: Clock) -> FakeManager:
        self.opened.append((secret_id, region))
        return self

    def values(self) -> Mapping[str, str]:
        return self.known

    def refresh(self) -> bool:
        return False


def with_manager(values: Mapping[str, str], **environ: str) -> tuple[Configuration, FakeManager]:
    manager = FakeManager(values)
    os.environ.update(environ)
    return configure(open_manager=manager.open), manager


def error(**environ: str) -> str:
    os.environ.update(environ)
    with pytest.raises(Misconfigured) as caught:
        configure()
    return caught.value.message


class TestDefaults:
    def test_nothing_has_to_be_set_on_a_laptop(self, tmp_path: Path) -> None:
        settings = configure().settings

        assert settings.environment is Environment.LOCAL
        assert settings.log_level == "INFO"
        assert settings.landing_url == f"file://{tmp_path}/.sluice/landing"
        assert settings.warehouse_url == f"duckdb:///{tmp_path}/.sluice/warehouse.duckdb"

    def test_a_bucket_is_the_landing_zone(self) -> None:
        os.environ["BUCKET_NAME"] = "my-bucket"

        assert configure().settings.landing_url == "s3://my-bucket"

    def test_a_landing_url_goes_before_the_bucket(self) -> None:
        os.environ.update(BUCKET_NAME="my-bucket", LANDING_URL="s3://other/prefix/")

        assert configure().settings.landing_url == "s3://other/prefix"


class TestOrder:
    def test_environment_before_dotenv_before_secrets_manager_before_defaults(self, tmp_path: Path) -> None:
        (tmp_path / ".env").write_text("APP_NAME=dotenv\nSLACK_CHANNEL=dotenv\nSECRET_ID=sluice/dev\n")
        managed = {
            "APP_NAME": "managed",
            "SLACK_CHANNEL": "managed",
            "API_ENDPOINT": "https://m.test/",
            "X": "y",
        }

        configuration, manager = with_manager(
            managed, ENVIRONMENT="dev", APP_NAME="environ", AWS_REGION="eu-west-1"
        )

        settings = configuration.settings
        assert manager.opened == [("sluice/dev", "eu-west-1")]
        assert [settings.app_name, settings.slack_channel, settings.api_endpoint, settings.log_level] == [
            "environ",
            "dotenv",
            "https://m.test/",
            "INFO",
        ]
        assert configuration.secrets.get("X") == "y"

    def test_secrets_manager_is_not_asked_locally(self) -> None:
        _, manager = with_manager({}, ENVIRONMENT="local", SECRET_ID="sluice/dev")

        assert manager.opened == []

    def test_an_empty_value_counts_as_not_set(self, tmp_path: Path) -> None:
        (tmp_path / ".env").write_text("APP_NAME=dotenv\nSLACK_TOKEN=\n")
        os.environ.update(APP_NAME="", LOG_LEVEL="", LANDING_URL="")

        settings = configure().settings

        assert (settings.app_name, settings.log_level, settings.slack_token) == ("dotenv", "INFO", None)

    def test_aws_names_of_dotenv_reach_boto3(self, tmp_path: Path) -> None:
        (tmp_path / ".env").write_text("AWS_ENDPOINT_URL=http://127.0.0.1:9\nAWS_PROFILE=mine\n")
        os.environ["AWS_PROFILE"] = "yours"
        configure()

        assert (os.environ["AWS_ENDPOINT_URL"], os.environ["AWS_PROFILE"]) == ("http://127.0.0.1:9", "yours")

    def test_any_name_of_dotenv_is_a_secret_that_a_source_may_ask_for(self, tmp_path: Path) -> None:
        (tmp_path / ".env").write_text("SHOP_TOKEN='s p a c e'\n")

        assert configure().secrets.get("SHOP_TOKEN") == "s p a c e"

    def test_words_may_be_written_in_any_case(self) -> None:
        os.environ.update(ENVIRONMENT="Dev", LOG_LEVEL="warn")
        settings = configure().settings

        assert (settings.environment, settings.log_level) == ("dev", "WARNING")


class TestErrors:
    def test_a_bad_value_is_shown_with_its_place_and_what_is_allowed(self, tmp_path: Path) -> None:
        (tmp_path / ".env").write_text("LOG_LEVEL=loud\nLANDING_URL=gs://x\n")

        assert error(ENVIRONMENT="stage", BUCKET_NAME="s3://b").splitlines() == [
            "ENVIRONMENT is \"stage\" (environment): expected 'local', 'dev' or 'prod'",
            "LOG_LEVEL is \"LOUD\" (.env): expected 'DEBUG', 'INFO', 'WARNING', 'ERROR' or 'CRITICAL'",
            'BUCKET_NAME is "s3://b" (environment): expected the bare name of a bucket: 3 to 63 of a-z, 0-9, . and -',
            'LANDING_URL is "gs://x" (.env): expected file:///folder or s3://bucket/prefix',
        ]

    def test_a_bad_value_of_the_managed_secret_says_so(self) -> None:
        with pytest.raises(Misconfigured, match=r'LOG_LEVEL is "X" \(Secrets Manager\)'):
            with_manager({"LOG_LEVEL": "x"}, ENVIRONMENT="prod", SECRET_ID="s")

    def test_credentials_in_urls_are_never_shown(self) -> None:
        message = error(API_ENDPOINT="https://me:hunter22@api.test/", WAREHOUSE_URL="pg/me:hunter22@h")

        assert "hunter22" not in message
        assert "WAREHOUSE_URL (environment): expected duckdb:///file" in message

    def test_a_dotenv_that_is_no_text_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / ".env").write_bytes(b"A=\xff\n")

        assert error() == ".env is not UTF-8 text"

    def test_a_missing_secret_id_is_named_when_a_secret_is_missed(self) -> None:
        os.environ["ENVIRONMENT"] = "dev"

        with pytest.raises(Misconfigured, match="because SECRET_ID is not set"):
            configure().secrets.get("API_KEY")


class TestSecrecy:
    def test_secrets_are_masked_and_learned(self) -> None:
        learned: list[str] = []
        os.environ.update(API_KEY="key-123", SLACK_TOKEN="xoxb-1")

        settings = configure(learn=learned.append).settings

        assert learned == ["key-123", "xoxb-1"]
        assert "key-123" not in repr(settings) + str(settings)
        assert settings.api_key is not None
        assert settings.api_key.get_secret_value() == "key-123"

    def test_the_password_of_a_warehouse_is_learned_and_not_in_the_repr(self) -> None:
        learned: list[str] = []
        os.environ["WAREHOUSE_URL"] = "postgresql://u:p%20w@h/d"

        assert "p%20w" not in repr(configure(learn=learned.append).settings)
        assert learned == ["p w"]


class TestEnvExample:
    def test_the_file_is_what_the_settings_say(self) -> None:
        assert (ROOT / "env.example").read_text(encoding="utf-8") == env_example()

    def test_the_command_writes_it(self) -> None:
        command = [sys.executable, "-m", "src.config"]

        assert (
            subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout.decode()
            == env_example()
        )

    def test_a_copy_of_it_changes_nothing(self, tmp_path: Path) -> None:
        before = configure().settings
        (tmp_path / ".env").write_text(env_example())

        assert configure().settings == before
        assert set(dotenv_values(tmp_path / ".env")) == {name.upper() for name in Settings.model_fields}


def test_a_default_that_follows_from_what_is_wrong_is_no_fault_of_its_own(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ENVIRONMENT", "nowhere")
    monkeypatch.delenv("LANDING_URL", raising=False)

    with pytest.raises(Misconfigured) as caught:
        configure(dotenv=tmp_path / ".env")

    assert ["ENVIRONMENT"] == [line.split()[0] for line in caught.value.message.splitlines()]
