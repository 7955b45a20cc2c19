"""The wiring: settings become adapters, and only the chosen one is imported."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from shared.common.errors import Misconfigured
from shared.warehouse.ports import Disposition, TableSpec
from src.wiring import open_store, open_warehouse

ROOT = Path(__file__).parents[2]


def test_a_file_url_opens_a_folder(tmp_path: Path) -> None:
    store = open_store((tmp_path / "a folder").as_uri())
    store.put_new("x/y", b"z")

    assert (tmp_path / "a folder" / "x" / "y").read_bytes() == b"z"


def test_an_s3_url_opens_a_bucket_without_asking_it() -> None:
    assert open_store("s3://bucket/some/prefix").url("key") == "s3://bucket/some/prefix/key"


def test_any_other_url_is_refused() -> None:
    with pytest.raises(Misconfigured, match='unknown kind of landing zone "gs"'):
        open_store("gs://bucket")


def test_a_duckdb_url_opens_a_file_relative_to_here_or_absolute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    table = TableSpec("s", "t", disposition=Disposition.APPEND)
    for url in ("duckdb:///here/a.duckdb", f"duckdb:///{tmp_path}/there/b.duckdb"):
        with open_warehouse(url).session(table) as session:
            assert session.query("SELECT 1") == [(1,)]

    assert sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*.duckdb")) == [
        "here/a.duckdb",
        "there/b.duckdb",
    ]


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("oracle://u:hunter22@h/d", 'unknown kind of warehouse "oracle"'),
        ("postgresql+asyncpg://u:hunter22@h/d", 'unknown kind of warehouse "postgresql.asyncpg"'),
        ("postgresql://u:hunter22@h:port/d", "the database's URL cannot be read"),
        ("duckdb://", "the DuckDB URL names no file"),
        ("duckdb:///", "the DuckDB URL names no file"),
    ],
)
def test_any_other_warehouse_is_refused_without_showing_its_url(url: str, message: str) -> None:
    with pytest.raises(Misconfigured, match=message) as caught:
        open_warehouse(url)

    assert "hunter22" not in str(caught.value)


def test_wiring_and_telemetry_load_nothing_heavy() -> None:
    heavy = ["boto3", "duckdb", "pydantic_settings", "slack_sdk", "snowflake", "sqlalchemy", "yaml"]
    code = (
        f"import sys, src.wiring, shared.telemetry.handler; print([m for m in {heavy} if m in sys.modules])"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True
    )

    assert answer.stdout == "[]\n"


def test_a_folder_needs_no_boto3() -> None:
    code = "import sys; from src.wiring import open_store; open_store('file:///x'); print('boto3' in sys.modules)"

    assert (
        subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
        == "False\n"
    )


TELL = """
import logging, os
from src.config import configure
from src.wiring import open_telemetry
from shared.common.redaction import Redactor
from shared.telemetry.alerting import Alert, Severity
from shared.telemetry.metrics import Figures
redactor = Redactor()
telemetry = open_telemetry(configure(learn=redactor.learn).settings, redactor=redactor)
telemetry.metrics.add("recurly", "accounts", Figures(rows=1))
telemetry.log.info("done " + os.environ["API_KEY"])
logging.getLogger("urllib3").warning("library")
telemetry.metrics.flush()
print(type(telemetry.alerts).__name__)
"""


def told(tmp_path: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    environ = {"PYTHONPATH": str(ROOT), "API_KEY": "hunter22", "APP_NAME": "sluice", **environ}
    command = [sys.executable, "-c", TELL]
    return subprocess.run(command, cwd=tmp_path, env=environ, check=True, capture_output=True, text=True)


def test_in_lambda_logs_and_metrics_are_json_on_stdout(tmp_path: Path) -> None:
    out = told(tmp_path, AWS_LAMBDA_FUNCTION_NAME="ingest").stdout.splitlines()

    lines = [json.loads(line) for line in out[:-1]]
    assert sorted(str(line.get("message", line.get("rows"))) for line in lines) == [
        "[1.0]",
        "done ***",
        "library",
    ]
    assert out[-1] == "LogAlerts"


def test_elsewhere_logs_are_readable_on_stderr_and_stdout_is_the_results(tmp_path: Path) -> None:
    answer = told(tmp_path, SLACK_TOKEN="xoxb-1", SLACK_CHANNEL="#data")

    assert answer.stdout == "SlackAlerts\n"
    assert answer.stderr.splitlines()[0].endswith("INFO     done ***")
