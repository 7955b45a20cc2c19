"""Every function out of its built zips, with its sample events: a simulated API, S3 by moto, and a real PostgreSQL."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from uuid import uuid4

import boto3
import psycopg
import pytest

from shared.common.documents import read_json_document
from src.demo.site import Site
from src.packaging.build import ROOT
from src.sandbox import Report, Sandbox
from tests.layers.conftest import Built
from tests.servers.databases import Missing, postgres
from tests.shared.aws.servers import CREDENTIALS, moto_server, s3_client

pytestmark = pytest.mark.heavy

EVENTS = sorted((ROOT / "events").glob("*.json"))
LINE = b'{"id": 1, "email": "a@example.com", "signed_up_at": "2026-11-20T10:00:00Z", "plan": null}\n'
BUCKET = "acme-data"
"""The one that the sample events name."""


def event(name: str) -> Any:
    path = ROOT / "events" / f"{name}.json"
    return read_json_document(path.read_bytes(), file=str(path)).data


@dataclass
class World:
    """The functions of one Python over one bucket and one database; cold once, warm after that."""

    built: Built
    stack: ExitStack
    environ: dict[str, str]
    s3: Any
    lines: list[str] = field(default_factory=list)
    sandboxes: dict[str, Sandbox] = field(default_factory=dict)

    def invoke(self, app: str, what: Any) -> tuple[Any, Report]:
        if app not in self.sandboxes:
            sandbox = Sandbox(
                self.built.room(app), app, self.environ, self.lines.append, timeout_s=60, memory_mb=512
            )
            self.sandboxes[app] = self.stack.enter_context(sandbox)
        done, report = self.sandboxes[app].invoke(what)

        assert done.error is None, "\n".join([json.dumps(done.error), *self.lines[-20:]])
        return done.result, report

    def commits(self, source: str, stream: str) -> int:
        listed = self.s3.list_objects_v2(Bucket=BUCKET, Prefix=f"landing/{source}/{stream}/log/")
        return int(listed["KeyCount"])


@pytest.fixture(scope="module")
def servers() -> Iterator[dict[str, str]]:
    """What stands around the functions: settings that lead to it."""
    with ExitStack() as stack:
        try:
            database = stack.enter_context(postgres())
        except Missing as error:
            pytest.skip(str(error))
        site = stack.enter_context(Site(seed=7, scale=0.05))
        yield {
            **CREDENTIALS,
            "AWS_ENDPOINT_URL": stack.enter_context(moto_server()),
            "AWS_DEFAULT_REGION": "eu-central-1",
            "ENVIRONMENT": "local",
            "SOURCE": "recurly",
            "API_ENDPOINT": site.url,
            "API_KEY": site.api_key,
            "NO_PROXY": "127.0.0.1",
            "LANDING_URL": f"s3://{BUCKET}",
            "WAREHOUSE_URL": database,
        }


@pytest.fixture(scope="module")
def world(built: Built, servers: dict[str, str]) -> Iterator[World]:
    client = s3_client(servers["AWS_ENDPOINT_URL"])
    _emptied(client)
    with psycopg.connect(servers["WAREHOUSE_URL"], autocommit=True) as connection:
        for schema in ("_sluice", "recurly", "files"):
            connection.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE")
    with ExitStack() as stack:
        yield World(built, stack, servers, client)
    client.close()


def _emptied(client: Any) -> None:
    """The bucket as new: the next Python begins at the beginning."""
    names = [one["Name"] for one in client.list_buckets()["Buckets"]]
    if BUCKET in names:
        for page in client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET):
            for one in page.get("Contents", []):
                client.delete_object(Bucket=BUCKET, Key=one["Key"])
    else:
        client.create_bucket(Bucket=BUCKET)


def test_an_order_lands_its_streams_in_s3(world: World) -> None:
    answer, report = world.invoke("ingest", event("ingest"))

    assert answer["done"]
    assert {"accounts", "subscriptions"} == set(answer["streams"])
    assert world.commits("recurly", "accounts")
    assert report.init_s is not None
    assert 0 < report.peak_mb < 512


def test_a_continuation_goes_on_and_is_warm(world: World) -> None:
    answer, report = world.invoke("ingest", event("ingest_continue"))

    assert answer["done"]
    assert report.init_s is None


def test_a_window_of_a_back_fill_lands_in_a_log_of_its_own(world: World) -> None:
    answer, _ = world.invoke("ingest", event("ingest_backfill"))

    assert answer["done"]


def test_a_plan_is_what_a_state_machine_maps_over(world: World) -> None:
    answer, _ = world.invoke("ingest", event("ingest_plan"))

    assert answer


def test_a_schedule_names_no_source_and_lands_all_that_is_in_season(world: World) -> None:
    scheduled = event("ingest_scheduled")
    answer, _ = world.invoke(
        "ingest", {**scheduled, "detail": {"source": "recurly", "streams": ["plans", "items"]}}
    )

    assert "recurly" == answer["source"]
    assert world.commits("recurly", "plans")


@pytest.mark.parametrize("sample", ["drop", "drop_eventbridge"])
def test_a_dropped_file_lands_once(world: World, sample: str) -> None:
    world.s3.put_object(Bucket=BUCKET, Key="drop/signups/2026-11-20 morning.jsonl", Body=LINE)
    answer, _ = world.invoke("drop", event(sample))

    assert answer["done"]
    assert 1 == world.commits("files", "signups")


@pytest.mark.parametrize("sample", ["load_direct", "load_eventbridge", "load_sqs", "load_source"])
def test_what_landed_is_loaded_into_postgresql(world: World, sample: str) -> None:
    answer, _ = world.invoke("load", event(sample))

    assert {"batchItemFailures": []} == answer if sample == "load_sqs" else answer["done"]
    loaded = [json.loads(line) for line in world.lines if '"message":"loaded"' in line]
    assert {"accounts"} <= {one["stream"] for one in loaded}


WEAVE = """
repositories:
  - host: github
    repository: acme/flows
    api_url: {url}
    credential: GITHUB_TOKEN
    webhook_secrets: [WEBHOOK_SECRET]
"""


@pytest.fixture
def woven(world: World, tmp_path: Path) -> Iterator[Any]:
    """A queue, a table, and a host whose repository has lost its branch; what is in the queue."""
    asked: list[str] = []

    class Host(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            there = self.path == "/repos/acme/flows"
            self.send_response(200 if there else 404)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *args: Any) -> None:
            """Nothing on the screen."""

    session = boto3.Session("testing", "testing", region_name=world.environ["AWS_REGION"])
    endpoint = world.environ["AWS_ENDPOINT_URL"]
    sqs, dynamodb = (session.client(kind, endpoint_url=endpoint) for kind in ("sqs", "dynamodb"))
    name = f"weave-{uuid4().hex[:8]}"
    queue = sqs.create_queue(QueueName=f"{name}.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
    dynamodb.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    with ThreadingHTTPServer(("127.0.0.1", 0), Host) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        (tmp_path / "weave.yml").write_text(WEAVE.format(url=f"http://127.0.0.1:{server.server_port}"))
        world.environ |= {
            "WEAVE_FILE": str(tmp_path / "weave.yml"),
            "WEAVE_QUEUE_URL": queue,
            "WEAVE_TABLE": name,
            "GITHUB_TOKEN": "a token of the test",
            "WEBHOOK_SECRET": "It's a Secret to Everybody",
        }

        def queued() -> list[str]:
            return [one["Body"] for one in sqs.receive_message(QueueUrl=queue).get("Messages", [])]

        yield queued, asked
        server.shutdown()


def test_a_delivery_is_queued_and_what_it_says_is_looked_up(world: World, woven: Any) -> None:
    queued, asked = woven
    answer, _ = world.invoke("hook", event("hook"))

    assert 202 == answer["statusCode"]
    assert [{"kind": "branch", "host": "github", "repository": "acme/flows", "branch": "main"}] == [
        json.loads(message) for message in queued()
    ]

    answer, _ = world.invoke("weave", event("weave"))

    assert {"batchItemFailures": []} == answer
    assert "/repos/acme/flows/branches/main" == asked[0]


def test_a_step_of_a_pipeline_runs_in_the_warehouse(world: World) -> None:
    answer, _ = world.invoke("step", event("step"))

    assert {"passed": True, "failed": 0} == answer


DISPATCH = """
input: [{name: orders, type: sqs, connection_string: "https://sqs.eu-central-1.amazonaws.com/1/sluice-dispatch"}]
process: [{name: note, type: subprocess, execution_context: {command: ["true"]}}]
links: [{from: orders, to: note}]
"""


def test_an_event_goes_its_way_once(world: World, woven: Any, tmp_path: Path) -> None:
    (tmp_path / "dispatch.yml").write_text(DISPATCH)
    table = world.environ["WEAVE_TABLE"]  # the two remember in the same way
    world.environ |= {"DISPATCH_FILE": str(tmp_path / "dispatch.yml"), "DISPATCH_TABLE": table}

    for sample in ("dispatch", "dispatch", "dispatch_rule"):
        answer, _ = world.invoke("dispatch", event(sample))
        assert {"batchItemFailures": []} == answer

    said = [json.loads(line) for line in world.lines if '"app":"dispatch"' in line]
    assert [["note"], [], ["note"]] == [one["ran"] for one in said if one["message"] == "event"]


def test_no_sample_is_left_out() -> None:
    """A new app comes with its event, and its event with a test here."""
    text = Path(__file__).read_text()

    assert [] == [path.stem for path in EVENTS if f'"{path.stem}"' not in text]


def test_logs_are_json_lines_with_the_request(world: World) -> None:
    said = [json.loads(line) for line in world.lines if line.startswith("{")]
    runs = [one for one in said if one.get("app") == "ingest"]

    assert runs
    assert all(one["function_request_id"] for one in runs)


def test_a_laptops_warehouse_is_refused_with_a_reason(any_built: Built, tmp_path: Path) -> None:
    """DuckDB is in no layer."""
    environ = {
        "ENVIRONMENT": "local",
        "LANDING_URL": tmp_path.as_uri(),
        "WAREHOUSE_URL": "duckdb:///x.duckdb",
    }
    with Sandbox(any_built.room("load"), "load", environ, lambda line: None, timeout_s=30) as sandbox:
        done, _ = sandbox.invoke({"source": "recurly", "stream": "accounts"})

    assert done.error is not None
    assert "Misconfigured" == done.error["errorType"]
    assert "the package duckdb is not installed" in done.error["errorMessage"]
