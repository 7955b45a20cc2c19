"""`sluice pipeline run` from a definition to rows: SQL in DuckDB, resumed, stopped, pipelines inside pipelines."""

# ruff: noqa: E501 - a definition is a line

from __future__ import annotations

import fcntl
import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest
from click.testing import CliRunner, Result

from src.cli.app import sluice
from tests.servers.databases import Missing, mariadb, postgres
from tests.servers.mail import Mailbox, mail_server
from tests.src.pipeline.test_http import serving

ROOT = Path(__file__).parents[3]
SHOPS = """
pipeline:
  name: shops
  parameters: {below: 3, shops: [de, fr]}
  steps:
    - name: fill
      type: transformation
      transformation_query: "select 1 as id, 'de' as shop union all select 2, 'fr' union all select 3, '50%'"
      outputs: [{name: o, type: duckdb, table_name: raw.shops}]
    - name: count
      type: transformation
      depends_on: [fill]
      inputs: [{name: s, type: duckdb, table: raw.shops}]
      transformation_query: "select count(*) as n from s where id < ${params.below}"
      outputs: [{name: o, type: duckdb, table_name: raw.counts}]
    - {name: right, type: check, depends_on: [count], query: "select n from raw.counts where n <> 2"}
    - name: each
      type: foreach
      items: ${params.shops}
      depends_on: [right]
      steps: [{name: known, type: check, query: "select 1 where ${item} not in (select shop from raw.shops)"}]
    - {name: enough, type: branch, condition: steps.fill.output.rows >= 3, then: [go], else: [stay]}
    - {name: go, type: wait, duration: 1ms}
    - {name: stay, type: wait, duration: 1ms}
"""


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    for name in ("ENVIRONMENT", "LANDING_URL", "WAREHOUSE_URL", "BUCKET_NAME", "SECRET_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return lambda *words: CliRunner().invoke(sluice, ["pipeline", "run", *map(str, words)])


def write(name: str, text: str) -> Path:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def states(done: Result) -> dict[str, str]:
    answer = json.loads(done.stdout.splitlines()[-1])
    return {key: one["state"] for key, one in answer["steps"].items()}


def test_a_definition_ends_with_rows_in_tables(call: Callable[..., Result]) -> None:
    done = call(write("shops.yaml", SHOPS), "--json")

    assert 0 == done.exit_code, done.output
    assert {"fill", "count", "right", "each", "each[0]/known", "each[1]/known", "enough", "go"} == {
        key for key, state in states(done).items() if state == "succeeded"
    }
    assert "unreached" == states(done)["stay"]


def test_a_table_is_replaced_or_added_to_and_untouched_by_what_fails(call: Callable[..., Result]) -> None:
    text = 'pipeline:\n  name: w\n  steps:\n    - {name: a, type: transformation, transformation_query: "QUERY", write: WRITE, outputs: [{name: o, type: duckdb, table: t}]}'
    for query, how, code in (("select 1 as x", "replace", 0), ("select 2", "append", 0), ("select 3", "replace", 0), ("select 4 from nowhere", "replace", 1), ("select 5", "append", 0)):  # fmt: skip
        done = call(write("w.yaml", text.replace("QUERY", query).replace("WRITE", how)))

        assert code == done.exit_code, done.output
    assert (
        "a: failed"
        in call(write("w.yaml", text.replace("QUERY", "select a, 6").replace("WRITE", "append"))).stderr
    )
    assert [(3,), (5,)] == duckdb_rows("select x from t order by x")


def duckdb_rows(sql: str) -> list[Any]:
    files = list(Path().rglob("*.duckdb"))
    assert 1 == len(files)
    with duckdb.connect(str(files[0]), read_only=True) as connection:
        return connection.execute(sql).fetchall()


def test_values_of_a_run_are_bound_and_never_become_sql(call: Callable[..., Result]) -> None:
    text = "pipeline:\n  name: p\n  parameters: {x: a}\n  steps:\n    - {name: a, type: transformation, transformation_query: \"select ${params.x} as x, '50%' as y\", outputs: [{name: o, type: duckdb, table: 'odd.na\"me'}]}"
    evil = "x'; drop table t; --"

    done = call(write("p.yaml", text), "--param", f"x={evil}")

    assert 0 == done.exit_code, done.output
    assert [(evil, "50%")] == duckdb_rows('select x, y from odd."na""me"')


def test_a_failed_run_goes_on_where_it_failed(call: Callable[..., Result]) -> None:
    broken = write("shops.yaml", SHOPS.replace("n <> 2", "n <> 9"))
    failed = call(broken, "--json")
    write("shops.yaml", SHOPS)
    again = call(broken, "--resume", "--json")
    from_count = call(broken, "--from", "count")

    assert (1, 0, 0) == (failed.exit_code, again.exit_code, from_count.exit_code)
    assert {"right": "failed", "each": "blocked"} == {
        k: s for k, s in states(failed).items() if k in ("right", "each")
    }
    assert "the check found 1 rows: 2" in failed.output
    assert "go on when that is mended: sluice pipeline run shops.yaml --resume" in failed.output
    began = [
        line.partition(":")[0]
        for line in again.stderr.splitlines()
        if line.endswith((": check", ": transformation"))
    ]
    assert ["each[0]/known", "each[1]/known", "right"] == sorted(began)
    assert json.loads(failed.stdout)["run"] == json.loads(again.stdout.splitlines()[-1])["run"]
    assert "fill   " in from_count.stdout
    assert "fill: transformation" not in from_count.stdout
    assert "count: transformation" in from_count.stdout


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["--resume"], "there is no earlier run to go on with"),
        (["--param", "nothing"], "has no = in it"),
        (["--param", "belwo=3"], 'unknown parameter "belwo"'),
        (["--param", "below={"], "is no JSON"),
        (["--date", "soon"], '"soon" is not a time'),
        (["--parameters", "nowhere.json"], "nowhere.json cannot be read"),
    ],
)
def test_what_cannot_go_well_is_refused_before_anything_runs(
    call: Callable[..., Result], words: list[str], problem: str
) -> None:
    done = call(write("shops.yaml", SHOPS), *words)

    assert 2 == done.exit_code, done.output
    assert problem in done.output
    assert not list(Path().rglob("*.duckdb"))


def test_a_pipeline_inside_a_pipeline_gets_its_parameters_and_fails_its_step(
    call: Callable[..., Result],
) -> None:
    write(
        "defs/inner.yaml",
        "pipeline:\n  name: inner\n  parameters: {x: 1}\n  steps:\n    - {name: a, type: check, query: 'select 1 where ${params.x} > 5'}",
    )
    outer = write(
        "defs/outer.yaml",
        "pipeline:\n  name: outer\n  parameters: {y: 2}\n  steps:\n    - {name: p, type: pipeline, pipeline: inner, parameters: {x: '${params.y}'}}",
    )
    step = "pipeline:\n  name: %s\n  steps:\n    - {name: p, type: pipeline, pipeline: %s}"
    write("defs/pong.yaml", step % ("pong", "ping"))
    loop = write("defs/ping.yaml", step % ("ping", "pong"))

    good, bad, endless = call(outer, "--json"), call(outer, "--param", "y=6"), call(loop)

    assert (0, 1) == (good.exit_code, bad.exit_code), good.output
    assert "p: failed" in bad.output
    assert "pipeline inner failed in a" in bad.output
    assert 1 == endless.exit_code
    assert "pipeline pong failed in p" in endless.output


def test_a_pipeline_that_nobody_waits_for_is_refused_here(call: Callable[..., Result]) -> None:
    write(
        "defs/inner.yaml",
        "pipeline:\n  name: inner\n  steps:\n    - {name: a, type: check, query: 'select 1 where 1 = 2'}",
    )
    outer = write(
        "defs/outer.yaml",
        "pipeline:\n  name: outer\n  steps:\n    - {name: p, type: pipeline, pipeline: inner, wait: false}",
    )

    done = call(outer)

    assert 0 != done.exit_code
    assert "leaves no pipeline behind" in done.output


def test_a_level_file_runs_against_executor_functions(call: Callable[..., Result]) -> None:
    steps = [
        {
            "JOB_ID": str(n),
            "JOB_NAME": f"job-{n}",
            "TYPE": "async",
            "FUNCTION_ID_NAME": "f",
            "WAIT_TIME_SECONDS": "0.01",
        }
        for n in range(3)
    ]
    definition = [
        {
            "LEVEL_ID": "1",
            "THREADS": [{"THREAD_ID": "1", "STEPS": steps[:1]}, {"THREAD_ID": "2", "STEPS": steps[1:2]}],
        },
        {"LEVEL_ID": "2", "THREADS": [{"THREAD_ID": "3", "STEPS": steps[2:]}]},
    ]
    file = write("flow.json", json.dumps({"engine": "cloud_workflows", "definition": definition}))

    with serving(lambda heard: (200, "DONE")) as (url, asked):
        done = call(file, "--functions", url, "--param", "start_date=2026-01-02")

    assert 0 == done.exit_code, done.output
    assert ["job-2", "job-2"] == [one["body"]["job_name"] for one in asked][-2:]
    assert {"2026-01-02"} == {one["body"]["query_variables"]["start_date"] for one in asked}


def test_people_are_told_where_asked_and_a_notification_that_fails_changes_nothing(
    call: Callable[..., Result],
) -> None:
    with serving(lambda heard: (200 if "good" in heard["path"] else 500, {})) as (url, asked):
        text = f"pipeline:\n  name: p\n  notifications: {{on_failure: [{{method: webhook, recipients: ['{url}good']}}]}}\n  steps:\n    - {{name: a, type: check, query: 'select 1', notifications: {{on_failure: [{{method: webhook, recipients: ['{url}bad']}}, {{method: email, recipients: [a@example.com]}}]}}}}"
        quiet, loud = call(write("p.yaml", text)), call(write("p.yaml", text), "--notify")

    assert (1, 1) == (quiet.exit_code, loud.exit_code)
    assert ["/bad", "/good"] == [one["path"] for one in asked]
    assert "a failed: the check found 1 rows" in asked[0]["body"]["text"]
    assert "nobody was told: no e-mail can be sent to a@example.com" in loud.stderr
    assert "a notification was not taken: status 500" in loud.stderr


def test_a_query_that_takes_too_long_is_interrupted_and_lets_the_next_one_in(
    call: Callable[..., Result],
) -> None:
    text = "pipeline:\n  name: p\n  steps:\n    - {name: slow, type: check, timeout: 1s, retries: {count: 1, delay: 1ms}, query: 'select 1 from range(900000000000) t(i) where i < 0'}\n    - {name: next, type: check, query: 'select 1 where 1 = 2', condition: 'params.x'}"
    done = call(write("p.yaml", text.replace("  steps:", "  parameters: {x: true}\n  steps:")), "--json")

    assert {"slow": "failed", "next": "succeeded"} == states(done)
    assert "slow: attempt 1 failed: took longer than 1 s\n" in done.stderr
    assert "slow: failed" in done.stderr
    assert "did not end" not in done.stderr


def test_people_get_an_e_mail_where_a_mail_server_is_set(
    call: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "pipeline:\n  name: p\n  notifications: {on_failure: [{method: email, recipients: [a@example.com]}]}\n  steps: [{name: a, type: check, query: 'select 7'}]"
    with mail_server(Mailbox()) as box:
        monkeypatch.setenv("SMTP_URL", f"smtp://127.0.0.1:{box.port}")
        monkeypatch.setenv("SMTP_FROM", "sluice@example.com")
        done = call(write("p.yaml", text), "--notify", "--json")
    ((to, message, _),) = box.taken

    assert (1, ["a@example.com"]) == (done.exit_code, to)
    assert message["Subject"].startswith("pipeline p failed")
    assert "a: the check found 1 rows: 7" in message.get_content()


@pytest.mark.heavy
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -9)], ids=["Ctrl-C", "kill -9"]
)
def test_a_run_that_is_stopped_or_killed_goes_on_with_resume(
    call: Callable[..., Result], tmp_path: Path, number: int, code: int
) -> None:
    import os

    text = "pipeline:\n  name: slow\n  steps:\n    - {name: a, type: check, query: 'select 1 where 1 = 2'}\n    - {name: b, type: wait, duration: 60s, depends_on: [a]}"
    file = write("slow.yaml", text)
    words = [sys.executable, "-m", "src.cli", "pipeline", "run", str(file)]
    process = subprocess.Popen(
        words,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("a: succeeded"):
            break
    time.sleep(0.1)
    process.send_signal(number)
    out, _ = process.communicate(timeout=60)
    file.write_text(text.replace("60s", "1ms"))

    assert code == process.returncode
    assert 0o600 == (tmp_path / ".sluice/pipelines/slow.json").stat().st_mode & 0o777
    assert (number == signal.SIGINT) == ("slow.yaml --resume" in out)
    assert {"a": "succeeded", "b": "succeeded"} == states(call(file, "--resume", "--json"))


@pytest.mark.heavy
def test_inputs_and_outputs_bring_tables_of_postgres_into_a_table(
    call: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    psycopg = pytest.importorskip("psycopg")
    try:
        with postgres() as url:
            _copy(call, url, psycopg, monkeypatch)
    except Missing as reason:
        pytest.skip(str(reason))


def _copy(call: Callable[..., Result], url: str, psycopg: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP TABLE IF EXISTS user_subscriptions")
        connection.execute("CREATE TABLE user_subscriptions (id int primary key, plan text)")
        connection.execute("INSERT INTO user_subscriptions SELECT i, 'p' FROM generate_series(1, 25) i")
    monkeypatch.setenv("DB_USER", "sluice")
    monkeypatch.setenv("DB_PASSWORD", "x")
    text = f"""
pipeline:
  name: copy
  steps:
    - name: extract-and-load
      type: ingestion
      inputs: [{{name: postgres-source, type: postgres, url: "{url.replace("sluice@", "")}", table: user_subscriptions, secret: DB}}]
      outputs: [{{name: dest, type: duckdb, table_name: analytics.subscriptions}}]
      config: {{batch_size: 10}}
"""
    done = call(write("copy.yaml", text), "--json")
    answer = json.loads(done.stdout.splitlines()[-1])

    assert 0 == done.exit_code, done.output
    assert (25, 25) == tuple(
        answer["steps"]["extract-and-load"]["output"][name] for name in ("rows", "loaded")
    )
    assert [(25,)] == duckdb_rows("select count(*) from analytics.subscriptions")

    _into_files(call, text, url, monkeypatch)


def _into_files(call: Callable[..., Result], text: str, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A table of the database becomes files, by an ingestion and by a query of a warehouse that is no DuckDB."""
    into = "{name: dest, type: file, path: lake/, format: parquet}"
    landed = call(
        write(
            "copy.yaml", text.replace("{name: dest, type: duckdb, table_name: analytics.subscriptions}", into)
        ),
        "--json",
    )
    monkeypatch.setenv("WAREHOUSE_URL", url)
    steps = [
        f"{{name: {form}, type: transformation, transformation_query: 'select id, 1.50::numeric as price, null as no, timestamp ''2026-01-02 03:04:05'' as at from user_subscriptions', outputs: [{{name: o, type: file, path: out/o.{form}}}]}}"
        for form in ("csv", "jsonl", "parquet")
    ]
    done = call(
        write("out.yaml", "pipeline:\n  name: out\n  steps:\n" + "".join(f"    - {one}\n" for one in steps)),
        "--json",
    )

    assert (0, 0) == (landed.exit_code, done.exit_code), done.output
    with duckdb.connect() as connection:
        assert (25, 25) == connection.execute(
            "select count(*), count(distinct id) from 'lake/*.parquet'"
        ).fetchone()
        assert (25, 1.5) == connection.execute("select count(*), max(price) from 'out/o.parquet'").fetchone()
    assert (
        '{"id":1,"price":1.50,"no":null,"at":"2026-01-02T03:04:05"}'
        == Path("out/o.jsonl").read_text().splitlines()[0]
    )
    assert ["id,price,no,at", "1,1.50,,2026-01-02 03:04:05"] == Path("out/o.csv").read_text().splitlines()[:2]
    _ends_in_time(call, "select 1 from pg_sleep(60)")


def _ends_in_time(call: Callable[..., Result], slow: str) -> None:
    """The query is cancelled in the database, and not only left alone."""
    text = f"pipeline:\n  name: late\n  steps: [{{name: a, type: check, query: '{slow}', timeout: 1s}}]"
    late = call(write("late.yaml", text))

    assert 1 == late.exit_code
    assert "a: failed" in late.stderr
    assert "took longer than 1 s" in late.stderr
    assert "did not end" not in late.stderr


@pytest.mark.heavy
def test_a_query_of_mariadb_is_cancelled_at_its_timeout(
    call: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    try:
        with mariadb() as url:
            monkeypatch.setenv("WAREHOUSE_URL", url)
            _ends_in_time(call, "select sleep(60) as s")
    except Missing as reason:
        pytest.skip(str(reason))


def test_a_run_waits_for_the_one_that_is_at_work_when_it_is_told_to(call: Callable[..., Result]) -> None:
    text = "pipeline:\n  name: one\n  steps:\n    - {name: a, type: wait, duration: 1s}"
    file = write("one.yaml", text)
    Path(".sluice/pipelines").mkdir(parents=True)
    with Path(".sluice/pipelines/one.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        refused = call(file)
        release = threading.Timer(0.5, lambda: fcntl.flock(lock, fcntl.LOCK_UN))
        release.start()
        waited = call(file, "--wait", "--json")
        release.join()

    assert (2, True) == (refused.exit_code, "pipeline one is running already" in refused.stderr)
    assert {"a": "succeeded"} == states(waited)
