"""`airflow dags test` of a pipeline that really ingests: from the demo site into tables of DuckDB."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import duckdb

from shared.pipelines.read import read_definition
from shared.pipelines.targets.airflow import AIRFLOW
from shared.pipelines.targets.target import Options
from src.demo.site import Site
from tests.oracle.airflow.conftest import ROOT, Airflow

STEPS = [
    {
        "name": "extract-and-load",
        "type": "ingestion",
        "source": "recurly",
        "streams": ["accounts", "plans"],
        "config": {"reports": "{}", "defaults.incremental.lag": "1s"},
    },
    {
        "name": "sum up",
        "type": "transformation",
        "depends_on": ["extract-and-load"],
        "transformation_query": 'select ${params.say} as said, ${steps["extract-and-load"].output.rows} as rows',
        "outputs": [{"name": "out", "type": "duckdb", "table_name": "analytics.sums"}],
    },
    {
        "name": "is right",
        "type": "check",
        "query": "select 1 from analytics.sums where rows < 1",
        "depends_on": ["sum up"],
    },
]


def test_rows_of_the_demo_site_are_in_duckdb(airflow: Airflow, tmp_path: Path) -> None:
    document = {"pipeline": {"name": "demo", "parameters": {"say": "it's {{ 1 }}"}, "steps": STEPS}}
    plan = read_definition(json.dumps(document), file="demo.yaml")
    (made,) = AIRFLOW.compile(plan, Options(engine_version=airflow.version, local=True)).items()
    file = tmp_path / made[0]
    file.parent.mkdir()
    file.write_bytes(made[1])
    warehouse = tmp_path / "warehouse.duckdb"
    with Site(seed=7, scale=0.02) as site:
        env = airflow.environment(
            file.parent,
            SLUICE_COMMAND=f"{ROOT}/.venv/bin/python -m src.cli",
            SLUICE_HOME=str(ROOT),
            ENVIRONMENT="local",
            API_ENDPOINT=site.url,
            API_KEY=site.api_key,
            LANDING_URL=(tmp_path / "landing").as_uri(),
            WAREHOUSE_URL=f"duckdb:///{warehouse}",
        )
        words = [str(airflow.python.parent / "airflow"), "dags", "test", "demo", "2026-11-01"]
        done = subprocess.run(words, env=env, capture_output=True, text=True, timeout=200, check=False)
        given = site.report()["totals"]

    assert 0 == done.returncode, (done.stdout + done.stderr)[-3000:]
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        tables = {
            name: schema
            for schema, name in connection.execute(
                "select table_schema, table_name from information_schema.tables"
            ).fetchall()
        }
        rows = {
            name: connection.execute(f'select count(*) from "{tables[name]}"."{name}"').fetchone()
            for name in ("accounts", "plans")
        }
        sums = connection.execute("select said, rows from analytics.sums").fetchall()

    assert {name: (given[name],) for name in rows} == rows
    assert [("it's {{ 1 }}", given["accounts"] + given["plans"])] == sums
