"""Least privilege: what a function really does, held against its role. Nothing missing, nothing more."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

import pytest
import yaml

import src.drop.app
import src.ingest.app
import src.load.app
import src.step.app
from shared.recurly.simulator.api import Options
from shared.recurly.simulator.server import Simulator
from shared.recurly.simulator.world import World
from src.drop.app import _open_bucket
from tests.deploy.infra.account import INFRA, Account, account, substituted
from tests.deploy.infra.policy import Call, allowed, denied, fits, listed, statements
from tests.deploy.infra.recorder import recorded

KEY = "permissions-key-9f2"
BUCKET = "arn:aws:s3:::sluice-dev-landing-123456789012-us-east-1"
SECRETS = "arn:aws:secretsmanager:us-east-1:123456789012:secret"
ROLES = {
    "ingest": "sluice-dev-recurly-ingest",
    "load": "sluice-dev-load",
    "drop": "sluice-dev-drop",
    "step": "sluice-dev-step",
}

#: What a role may do although no call of the code was seen doing it.
REASONS = {
    "logs:CreateLogStream": "Lambda writes the log on behalf of the function",
    "logs:PutLogEvents": "Lambda writes the log on behalf of the function",
    "xray:PutTraceSegments": "Lambda sends the traces on behalf of the function",
    "xray:PutTelemetryRecords": "Lambda sends the traces on behalf of the function",
    "sqs:ReceiveMessage": "Lambda takes the messages on behalf of the function",
    "sqs:DeleteMessage": "Lambda takes the messages on behalf of the function",
    "sqs:GetQueueAttributes": "Lambda looks at the queue on behalf of the function",
    "ingest s3:GetObject contracts/recurly/*": "a stream whose contract evolves (shared/ingestion/evolution.py)",
    "ingest s3:PutObject contracts/recurly/*": "the same; Recurly's own are frozen",
    "load s3:DeleteObject": "what a load that died had set aside is taken away (shared/warehouse/aside.py)",
    "load s3:PutObject": "verdicts, and rows set aside: Recurly has no checks here (shared/warehouse)",
    "load kms:GenerateDataKey": "what those objects are encrypted with",
    "step s3:GetObject contracts/*": "a stream whose contract evolves, and tables of a database: as ingest",
    "step s3:PutObject contracts/*": "the same",
    "step s3:DeleteObject": "what a load that died had set aside is taken away, as load does",
    "drop s3:DeleteObject": "the mark of a file that lands once more is put anew (shared/ingestion/files_seen.py)",
}


#: Steps that Step Functions and Airflow leave to the step function: what is no plain ingest or load.
STEPS: list[dict[str, Any]] = [
    {
        "type": "ingestion",
        "source": "recurly",
        "streams": ["items"],
        "config": {"defaults.params.limit": 50},
    },
    {"type": "load", "source": "recurly", "streams": ["items", "plans"]},
    {"type": "transformation", "transformation_query": "SELECT id FROM recurly.items",
     "outputs": [{"name": "ids", "type": "duckdb", "table": "marts.ids"}]},
    {"type": "check", "query": "SELECT id FROM marts.ids WHERE id IS NULL"},
]  # fmt: skip


def step(work: dict[str, Any]) -> dict[str, Any]:
    return {
        "pipeline": "p",
        "run": {"id": "r", "date": "2026-11-20", "time": "2026-11-20T03:00:00Z"},
        "step": {"name": work["type"], **work},
    }


@dataclass
class Seen:
    account: Account
    calls: dict[str, list[Call]]

    def policies(self, role: str) -> list[dict[str, Any]]:
        return self.account.policies(role)

    @property
    def bucket_policy(self) -> dict[str, Any]:
        found: dict[str, Any] = self.account.properties("BucketPolicy")["PolicyDocument"]
        return found


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    """Each function runs alone, so that every call is its own."""
    folder = tmp_path_factory.mktemp("permissions")
    world = World(seed=5, scale=0.02, today=date(2025, 6, 30))
    with Simulator(world, Options(api_key=KEY)) as site, account(folder) as here:
        url = f"duckdb:///{folder}/warehouse.duckdb"
        here.create(Environment="dev", SettingApiEndpoint=site.url, WarehouseUrl=url, LogLevel="CRITICAL")
        secret = json.dumps({"API_KEY": KEY})
        for name in ("recurly", "step"):
            here.client("secretsmanager").put_secret_value(SecretId=f"sluice/dev/{name}", SecretString=secret)
        here.paused = {"ingest", "load", "drop", "step"}
        here.open("ingest", ROLES["ingest"], src.ingest.app.handler_of)
        here.open("load", ROLES["load"], src.load.app.handler_of)
        here.open("drop", ROLES["drop"], lambda place, environ: src.drop.app.handler_of(place, _open_bucket))
        here.open("step", ROLES["step"], lambda place, environ: src.step.app.handler_of(place))
        line = {"id": 1, "email": "ada@example.org", "signed_up_at": "2026-11-20T10:00:00Z", "plan": None}
        dropped = {"Bucket": BUCKET.rpartition(":")[2], "Key": "drop/signups/today.jsonl"}
        here.client("s3").put_object(**dropped, Body=json.dumps(line).encode())
        tomorrow = {**dropped, "Key": "drop/signups/tomorrow.jsonl"}
        here.client("s3").put_object(**tomorrow, Body=json.dumps({**line, "id": 2}).encode())
        drop = {"bucket": dropped["Bucket"], "key": dropped["Key"]}
        events: dict[str, list[Any]] = {
            "ingest": [
                {"action": "plan"},
                {
                    "streams": [
                        "accounts",
                        "coupons",
                        "invoices",
                        "plans",
                        "shipping_addresses",
                        "sites",
                        "exports",
                    ]
                },
                {"streams": ["accounts", "sites"]},
                {"streams": ["plans"], "full_refresh": True},
            ],
            "drop": [drop, drop, {**drop, "key": "drop/signups/tomorrow.jsonl"}],
            "step": [step(one) for one in STEPS],
            "load": [{"source": "recurly"}, {"source": "recurly", "stream": "plans"}, {"source": "files"}],
        }
        calls = {kind: _calls(here, kind, found) for kind, found in events.items()}
        yield Seen(here, calls)


def _calls(here: Account, kind: str, events: list[Any]) -> list[Call]:
    with recorded(_key(here)) as calls:
        here.paused.discard(kind)
        for event in events:
            answer, errored = here.invoke(ROLES[kind], event)
            assert not errored, answer
        here.paused.add(kind)
    assert calls
    return calls


def _key(here: Account) -> str:
    return f"arn:aws:kms:us-east-1:123456789012:key/{here.physical('Key')}"


@pytest.mark.parametrize("kind", ROLES)
def test_every_call_of_a_function_is_allowed_by_its_role(seen: Seen, kind: str) -> None:
    policies = seen.policies(ROLES[kind])

    assert [] == [call for call in seen.calls[kind] if not allowed(call, *policies)]
    assert [] == [call for call in seen.calls[kind] if denied(call, seen.bucket_policy)]


@pytest.mark.parametrize("kind", ROLES)
def test_a_role_allows_nothing_that_its_function_does_not_do(seen: Seen, kind: str) -> None:
    """Action by action and resource by resource, but for what has its reason above."""
    idle = []
    for statement in statements(seen.policies(ROLES[kind])):
        for action in listed(statement["Action"]):
            for resource in listed(statement["Resource"]):
                one = {**statement, "Action": action, "Resource": resource}
                if not excused(kind, action, resource) and not any(
                    fits(one, call) for call in seen.calls[kind]
                ):
                    idle.append(f"{action} on {resource}")

    assert [] == idle


def excused(kind: str, action: str, resource: str) -> str | None:
    """The reason for what was not seen, as it stands in `REASONS`."""
    names = (action, f"{kind} {action}", f"{kind} {action} {resource.removeprefix(BUCKET + '/')}")
    return next((name for name in names if name in REASONS), None)


def test_every_reason_is_about_something_that_a_role_has(seen: Seen) -> None:
    used = {
        excused(kind, action, resource)
        for kind, role in ROLES.items()
        for statement in statements(seen.policies(role))
        for action in listed(statement["Action"])
        for resource in listed(statement["Resource"])
    }

    assert set(REASONS) == used - {None}


@pytest.mark.parametrize(
    ("kind", "action", "resource"),
    [
        ("ingest", "s3:GetObject", f"{BUCKET}/landing/shop/orders/log/00000000000000000001.json"),
        ("ingest", "s3:PutObject", f"{BUCKET}/landing/recurly2/accounts/data/x"),
        ("ingest", "s3:PutObject", f"{BUCKET}/contracts/shop/orders/1.json"),
        ("ingest", "s3:DeleteObject", f"{BUCKET}/landing/recurly/accounts/data/x"),
        ("ingest", "secretsmanager:GetSecretValue", f"{SECRETS}:sluice/dev/warehouse-x"),
        ("ingest", "kms:Decrypt", "arn:aws:kms:us-east-1:123456789012:key/another"),
        ("step", "s3:DeleteObject", f"{BUCKET}/landing/recurly/accounts/data/x"),
        ("step", "s3:GetObject", f"{BUCKET}/drop/signups/today.jsonl"),
        ("step", "secretsmanager:GetSecretValue", f"{SECRETS}:sluice/dev/recurly-x"),
        ("load", "s3:PutObject", f"{BUCKET}/landing/recurly/accounts/log/00000000000000000009.json"),
        ("load", "s3:DeleteObject", f"{BUCKET}/landing/recurly/accounts/data/x"),
        ("load", "s3:GetObject", f"{BUCKET}/drop/signups/today.jsonl"),
        ("drop", "s3:GetObject", f"{BUCKET}/landing/recurly/accounts/data/x"),
        ("drop", "s3:PutObject", f"{BUCKET}/drop/signups/today.jsonl"),
    ],
)  # fmt: skip
def test_what_belongs_to_others_is_out_of_reach(seen: Seen, kind: str, action: str, resource: str) -> None:
    assert not allowed(Call(action, resource), *seen.policies(ROLES[kind]))


@pytest.mark.parametrize("prefix", ["", "landing/", "landing/shop/", "contracts/shop/"])
def test_an_ingest_function_lists_its_own_prefix_only(seen: Seen, prefix: str) -> None:
    assert not allowed(Call("s3:ListBucket", BUCKET, {"s3:prefix": prefix}), *seen.policies(ROLES["ingest"]))


@pytest.mark.parametrize(
    ("action", "key", "context", "refused"),
    [
        ("s3:PutObject", "landing/recurly/plans/log/00000000000000000001.json", {}, True),
        (
            "s3:PutObject",
            "landing/recurly/plans/log/00000000000000000001.json",
            {"s3:if-none-match": "*"},
            False,
        ),
        ("s3:PutObject", "landing/recurly/plans/data/x", {}, False),
        ("s3:GetObject", "landing/recurly/plans/data/x", {"aws:SecureTransport": "false"}, True),
        ("s3:GetObject", "landing/recurly/plans/data/x", {"s3:TlsVersion": "1.1"}, True),
    ],
)
def test_the_bucket_itself_refuses(
    seen: Seen, action: str, key: str, context: dict[str, str], refused: bool
) -> None:
    """Whoever it is and whatever he may: a commit is never overwritten, and nothing travels in the clear."""
    call = Call(action, f"{BUCKET}/{key}", {"aws:SecureTransport": "true", "s3:TlsVersion": "1.3", **context})

    assert refused == denied(call, seen.bucket_policy)


@pytest.mark.parametrize(
    ("file", "role"), [("run", "sluice-dev-recurly"), ("backfill", "sluice-dev-recurly-backfill")]
)
def test_a_machine_may_do_what_its_definition_asks_for_and_nothing_else(
    seen: Seen, file: str, role: str
) -> None:
    """By its tasks; what Step Functions itself needs is for its log, its traces and the children of a map."""
    needed = {
        "events:putEvents": "events:PutEvents",
        "lambda:invoke": "lambda:InvokeFunction",
        "sns:publish": "sns:Publish",
        "states:startExecution": "states:StartExecution",
    }
    text = (INFRA / f"{file}.asl.yml").read_text()
    definition = yaml.safe_load(substituted(text, _Names()))
    tasks = {needed[one.rpartition(":::")[2]] for one in _resources(definition)}
    by_service = {"kms:Decrypt", "kms:GenerateDataKey", "xray:PutTraceSegments", "xray:PutTelemetryRecords"}
    if file == "backfill":
        tasks.add("states:StartExecution")
        by_service |= {"states:DescribeExecution", "states:StopExecution", "states:RedriveExecution"}
    actions = {a for one in statements(seen.policies(role)) for a in listed(one["Action"])}

    assert tasks == {one for one in actions - by_service if not one.startswith("logs:")}


class _Names(dict[str, str]):
    """Every substitution is its own name."""

    def __missing__(self, name: str) -> str:
        return name


def _resources(document: Any) -> list[str]:
    match document:
        case dict():
            own = [document["Resource"]] if document.get("Type") == "Task" else []
            return own + [found for value in document.values() for found in _resources(value)]
        case list():
            return [found for value in document for found in _resources(value)]
    return []


def test_no_star_stands_in_the_template_without_its_reason() -> None:
    """In an action, a resource or a principal: the reason is the comment behind it, or behind the key of its list."""
    silent, key = list[str](), ""
    for number, line in enumerate((INFRA / "template.yml").read_text().splitlines(), 1):
        code, _, note = line.partition(" #")
        if found := re.match(r"\s*(?:- )?(Action|Resource|Principal|NotAction|NotResource)\b", line):
            key = line
        elif not re.match(r"\s*(- |arn:)", line):
            key = ""
        starred = "*" in code and (found or key)
        if starred and not note and " #" not in key:
            silent.append(f"{number}: {line.strip()}")

    assert [] == silent
