"""AWS' own SAM CLI: the template is valid, builds, and every function answers its sample events in a container."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import psycopg
import pytest

from shared.common.errors import Misconfigured
from src.delivery.local import write_local
from src.delivery.template import read_template
from src.demo.site import Site
from src.deploying.template import TEMPLATE
from src.packaging.build import ROOT
from src.packaging.interpreter import find_interpreter
from src.packaging.target import DEPLOYED, machine_arch
from tests.sam.engine import IMAGE, Engine
from tests.sam.relay import relays
from tests.servers.databases import Missing, postgres
from tests.shared.aws.servers import CREDENTIALS, moto_server

BUCKET = "acme-data"
"""The one that the sample events name."""
LINE = b'{"id": 1, "email": "a@example.com", "signed_up_at": "2026-11-20T10:00:00Z", "plan": null}\n'
REGION = "eu-central-1"

FUNCTIONS = {
    name: one["Properties"]["Handler"].split(".")[1]
    for name, one in read_template(ROOT / TEMPLATE)["Resources"].items()
    if one["Type"] == "AWS::Serverless::Function"
}
ORDER = ("ingest", "drop", "load", "step", "dispatch", "hook")
"""What lands comes before what loads it. An app that is not here has no world here: weave
speaks to git hosts by https only."""
SAMPLES = [
    (name, path.stem)
    for name, app in sorted(FUNCTIONS.items(), key=lambda one: ORDER.index(one[1]) if one[1] in ORDER else 9)
    for path in sorted((ROOT / "events").glob("*.json"))
    if re.fullmatch(rf"{app}(_.*)?", path.stem)
]


@dataclass
class Local:
    """SAM over one build of the template."""

    sam: Path
    folder: Path
    containers: Engine
    variables: dict[str, dict[str, str]]
    s3: Any
    database: str
    said: str = field(default="", init=False)

    def run(self, *words: str, timeout: float = 300) -> str:
        """What SAM writes to stdout; what it and the function log is in `said`."""
        done = subprocess.run(
            [str(self.sam), *words],
            env=sam_environ() | self.containers.environ,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        self.said = done.stderr

        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout

    def invoke(self, name: str, sample: str) -> Any:
        (self.folder / "env.json").write_text(json.dumps(self.variables))
        event = json.loads((ROOT / "events" / f"{sample}.json").read_text())
        if sample == "ingest_scheduled":
            # Not all streams: files of exports are links to 127.0.0.1, which rightly nobody may follow from elsewhere.
            event["detail"] = {"source": "recurly", "streams": ["plans", "items"]}
        (self.folder / "event.json").write_text(json.dumps(event))
        answer = self.run(
            *("local", "invoke", name, "--template", "built/template.yaml", "--env-vars", "env.json"),
            *("--event", "event.json", "--skip-pull-image", "--invoke-image", IMAGE),
        )
        return json.loads(answer.strip().splitlines()[-1])


def sam_environ() -> dict[str, str]:
    interpreter = find_interpreter(DEPLOYED)
    first = str(Path(interpreter.path).parent) if interpreter else ""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PYTHON"))}
    return {
        **kept,
        **CREDENTIALS,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_REGION": REGION,
        "PATH": os.pathsep.join([first, kept["PATH"]]),
        "SAM_CLI_TELEMETRY": "0",
    }


@pytest.fixture(scope="module")
def local(sam: Path, containers: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Local]:
    with ExitStack() as stack:
        try:
            database = stack.enter_context(postgres())
        except Missing as error:
            pytest.skip(str(error))
        site = stack.enter_context(Site(seed=7, scale=0.05))
        account = stack.enter_context(moto_server())
        urls = [site.url, account, database]
        stack.enter_context(relays(containers.gateway, [urlsplit(url).port or 0 for url in urls]))
        api, endpoint, warehouse = (url.replace("127.0.0.1", containers.gateway) for url in urls)
        folder = tmp_path_factory.mktemp("local")
        try:
            variables = {"AWS_ENDPOINT_URL": endpoint}
            write_local(ROOT / TEMPLATE, folder / "sam", arch=machine_arch(), variables=variables)
        except Misconfigured as error:
            pytest.fail(f"{error}")
        config = folder / "sam" / "layers" / f"config-{machine_arch()}" / "python"
        (config / "weave.yml").write_text(WEAVE)
        (config / "dispatch.yml").write_text(DISPATCH)
        s3, queue = fill(account, site.api_key)
        every = {"ENVIRONMENT": "dev", "BUCKET_NAME": BUCKET, "API_ENDPOINT": api, "WAREHOUSE_URL": warehouse}
        # The secret of each function; the names are those that the template gives them in the cloud.
        secrets = {
            name: {"SECRET_ID": f"sluice/dev/{'recurly' if app == 'ingest' else app}"}
            for name, app in FUNCTIONS.items()
        }
        # What leads to the queue and the table, where a function has these variables.
        every |= {
            "WEAVE_QUEUE_URL": queue.replace("127.0.0.1", containers.gateway),
            "WEAVE_TABLE": "deliveries",
            "DISPATCH_QUEUE_URL": f"{endpoint}/111122223333/sluice-dev-dispatch",
            "DISPATCH_TABLE": "dispatched",
        }
        named = {name: every | secrets[name] | {"LOG_LEVEL": "INFO"} for name in FUNCTIONS}
        yield Local(sam, folder, containers, named, s3, database)


def fill(account: str, api_key: str) -> tuple[Any, str]:
    """The bucket with a dropped file, the secrets, a table and a queue: a client for the bucket, the queue's URL."""
    session = boto3.Session("testing", "testing", region_name=REGION)
    s3, secrets, sqs, dynamodb = (
        session.client(kind, endpoint_url=account) for kind in ("s3", "secretsmanager", "sqs", "dynamodb")
    )
    git = {"GITHUB_TOKEN": "a token of the test", "WEBHOOK_SECRET": "It's a Secret to Everybody"}
    for app, said in {
        "recurly": {"API_KEY": api_key},
        "hook": git,
        "weave": git,
        "load": {},
        "drop": {},
        "step": {},
        "dispatch": {},
    }.items():
        secrets.create_secret(Name=f"sluice/dev/{app}", SecretString=json.dumps(said))
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_object(Bucket=BUCKET, Key="drop/signups/2026-11-20 morning.jsonl", Body=LINE)
    for table in ("deliveries", "dispatched"):
        dynamodb.create_table(
            TableName=table,
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
    made = sqs.create_queue(QueueName="weave.fifo", Attributes={"FifoQueue": "true"})
    return s3, made["QueueUrl"]


WEAVE = """
repositories:
  - host: github
    repository: acme/flows
    credential: GITHUB_TOKEN
    webhook_secrets: [WEBHOOK_SECRET]
"""


DISPATCH = """
input:
  - {name: orders, type: sqs, connection_string: "https://sqs.eu-central-1.amazonaws.com/111122223333/sluice-dispatch"}
  - {name: plans, type: landing, connection_string: recurly.plans}
process:
  - {name: note, type: python, execution_context: {callable: "logging:captureWarnings"}}
links: [{from: [orders, plans], to: note}]
"""


def test_the_template_is_valid(sam: Path) -> None:
    """SAM's own check and cfn-lint's, as SAM brings it."""
    command = [str(sam), "validate", "--lint", "--template", str(ROOT / TEMPLATE)]
    done = subprocess.run(
        command, env=sam_environ(), capture_output=True, text=True, timeout=300, check=False
    )

    assert 0 == done.returncode, done.stdout + done.stderr
    assert "is a valid SAM Template" in done.stdout


def test_sam_builds_every_function(local: Local) -> None:
    local.run("build", "--template", "sam/template.json", "--build-dir", "built")
    built = read_template(local.folder / "built" / "template.yaml")["Resources"]

    assert FUNCTIONS.keys() == {name for name in FUNCTIONS if (local.folder / "built" / name).is_dir()}
    assert {"python3.13"} == {
        read_template(local.folder / "built" / "template.yaml")["Globals"]["Function"]["Runtime"]
    }
    assert FUNCTIONS.keys() <= built.keys()


@pytest.mark.parametrize(("name", "sample"), SAMPLES, ids=[f"{name}-{sample}" for name, sample in SAMPLES])
def test_a_function_answers_its_sample_event_in_a_container(local: Local, name: str, sample: str) -> None:
    if FUNCTIONS[name] not in ORDER:
        pytest.skip(f"{FUNCTIONS[name]} has no world here; tests/layers runs it out of its zips")
    if not (local.folder / "built").is_dir():
        pytest.fail("nothing was built")
    answer = local.invoke(name, sample)

    assert isinstance(answer, dict), answer
    assert "errorType" not in answer, f"{answer}\n{local.said[-3000:]}"
    if sample == "load_sqs" or FUNCTIONS[name] == "dispatch":
        assert {"batchItemFailures": []} == answer
    elif sample == "step":
        assert {"passed": True, "failed": 0} == answer
    elif sample == "hook":
        assert 202 == answer["statusCode"]
    elif sample == "ingest_plan":
        assert {"accounts", "subscriptions"} == {name for task in answer["tasks"] for name in task["streams"]}
    else:
        assert answer["done"], answer


def test_what_was_invoked_is_in_the_landing_zone_and_in_the_tables(local: Local) -> None:
    """Three containers and nothing of this process: S3 by moto, the rows in PostgreSQL."""
    with psycopg.connect(local.database) as connection:
        [[rows]] = connection.execute("SELECT count(*) FROM recurly.accounts").fetchall()
    landed = {
        table: local.s3.list_objects_v2(Bucket=BUCKET, Prefix=f"landing/{table}/log/")["KeyCount"]
        for table in ("recurly/accounts", "recurly/plans", "files/signups")
    }

    assert rows > 0
    assert all(landed.values()), landed
    assert 1 == landed["files/signups"]  # the file was told of twice
