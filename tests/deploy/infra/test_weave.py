"""Hook and weave in an account: from a delivery at the URL to a commit, and what their roles let them do."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import src.hook.app
import src.weave.app
from shared.gitops.fake import FakeRepository
from src.weave.work import Bench
from src.workplace import Workplace
from tests.deploy.infra.account import Account, account
from tests.deploy.infra.policy import Call, allowed, listed, statements
from tests.deploy.infra.recorder import ON_BEHALF, recorded

SECRET = "what github signs with"
WEAVE = """
repositories:
  - host: github
    repository: acme/flows
    credential: GITHUB_TOKEN
    webhook_secrets: [HOOK_SECRET]
    definitions: ["flows/*.yml"]
    deliver: {to: commit, folder: made}
  - host: github
    repository: acme/flows
    branch: live
    credential: GITHUB_TOKEN
    webhook_secrets: [HOOK_SECRET]
    definitions: ["flows/*.yml"]
    deliver: {to: bucket, url: "s3://acme-mwaa/dags"}
"""
STEP = b"pipeline:\n  name: orders\n  steps:\n    - {name: a, type: wait, duration: 1s}\n"
BUCKET = "arn:aws:s3:::sluice-dev-landing-123456789012-us-east-1"
SAFE = {"aws:SecureTransport": "true", "s3:TlsVersion": "1.3"}
ROLES = {"hook": "sluice-dev-hook", "weave": "sluice-dev-weave"}

#: What a role may do although no call of the code was seen doing it.
REASONS = {
    **ON_BEHALF,
    "s3:ListBucket arn:aws:s3:::acme-mwaa": "without it S3 does not say that an object is not there",
    "dynamodb:DeleteItem": "what could not be queued is not remembered (Powertools takes its mark away)",
}


@pytest.fixture(scope="module")
def repository() -> FakeRepository:
    return FakeRepository()


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory, repository: FakeRepository) -> Iterator[Account]:
    folder = tmp_path_factory.mktemp("weave")
    (folder / "weave.yml").write_text(WEAVE)
    with account(folder) as made:
        made.client("s3").create_bucket(Bucket="acme-mwaa")
        made.create(Environment="dev", Weave="enabled", ArtifactBucket="acme-mwaa", LogLevel="CRITICAL")
        for name, value in (("hook", {"HOOK_SECRET": SECRET}), ("weave", {"GITHUB_TOKEN": "t-1234"})):
            made.client("secretsmanager").put_secret_value(
                SecretId=f"sluice/dev/{name}", SecretString=json.dumps(value)
            )
        # No function is called by its queue: each runs when it is told to, so that every call is its own.
        made.paused = {"ingest", "load", "drop", "hook", "weave"}

        def bench(place: Workplace) -> Bench:
            return replace(Bench.of(place), open_repository=lambda place, woven: repository)

        def layered(place: Any) -> Any:
            """The file of the layer with the configuration stands elsewhere here."""

            def opened() -> Workplace:
                found: Workplace = place()
                settings = found.settings.model_copy(update={"weave_file": str(folder / "weave.yml")})
                return replace(found, configuration=replace(found.configuration, settings=settings))

            return opened

        made.open(
            "hook",
            ROLES["hook"],
            lambda place, _: src.hook.app.handler_of(layered(place), src.hook.app.open_desk),
        )
        made.open("weave", ROLES["weave"], lambda place, _: src.weave.app.handler_of(layered(place), bench))
        yield made


def delivery(branch: str, *, secret: str = SECRET) -> dict[str, Any]:
    """A push at GitHub, as the Function URL hands it over."""
    body = json.dumps({"ref": f"refs/heads/{branch}", "repository": {"full_name": "acme/flows"}})
    event: dict[str, Any] = json.loads(Path("events/hook.json").read_text())
    signature = hmac.new(secret.encode(), body.encode(), hashlib.sha256).hexdigest()
    headers = {"x-github-delivery": f"d-{branch}", "x-hub-signature-256": f"sha256={signature}"}
    return {**event, "body": body, "headers": {**event["headers"], **headers}}


@contextmanager
def running(here: Account, kind: str) -> Iterator[tuple[Callable[[Any], Any], list[Call]]]:
    """Run one function by hand; its clients tell what they do for as long as the block lasts."""
    key = f"arn:aws:kms:us-east-1:123456789012:key/{here.physical('Key')}"

    def invoke(event: Any) -> Any:
        answer, errored = here.invoke(ROLES[kind], event)
        assert not errored, answer
        return json.loads(answer)

    with recorded(key) as calls:
        here.paused.discard(kind)
        yield invoke, calls
        here.paused.add(kind)


@pytest.fixture(scope="module")
def seen(here: Account, repository: FakeRepository) -> dict[str, list[Call]]:
    """Two pushes on their way: deliveries twice, what is queued, and the worker's part, which comes twice, too."""
    for branch in ("main", "live"):
        repository.push(branch, {"flows/orders.yml": STEP})
    events = [delivery("main"), delivery("main"), delivery("live"), delivery("main", secret="a wrong secret")]
    with running(here, "hook") as (invoke, of_hook):
        assert [202, 204, 202, 401] == [invoke(event)["statusCode"] for event in events]
    batches = [event["Records"] for kind, event in here.calls if kind == "weave"]
    assert batches
    with running(here, "weave") as (invoke, of_weave):
        for batch in batches:
            assert {"batchItemFailures": []} == invoke({"Records": batch})
        moved = {"flows/orders.yml": None, "flows/x.yml": STEP.replace(b"orders", b"returns")}
        repository.push("live", moved)
        for batch in batches:
            assert {"batchItemFailures": []} == invoke({"Records": batch})
    return {"hook": of_hook, "weave": of_weave}


def test_a_delivery_ends_as_a_commit_and_as_objects(
    here: Account, repository: FakeRepository, seen: dict[str, list[Call]]
) -> None:
    objects = here.client("s3").list_objects_v2(Bucket="acme-mwaa")["Contents"]

    assert "made/dags/orders.py" in repository.commits[repository.branches["main"]].tree
    assert ["dags/.sluice.json", "dags/dags/returns.py"] == [one["Key"] for one in objects]


@pytest.mark.parametrize("kind", ROLES)
def test_a_function_may_do_what_it_does(here: Account, seen: dict[str, list[Call]], kind: str) -> None:
    policies = here.policies(ROLES[kind])

    assert [] == [call for call in seen[kind] if not allowed(call, *policies)]


@pytest.mark.parametrize("kind", ROLES)
def test_a_function_may_do_nothing_that_it_does_not_do(
    here: Account, seen: dict[str, list[Call]], kind: str
) -> None:
    unused = []
    for statement in statements(here.policies(ROLES[kind])):
        for action in listed(statement["Action"]):
            one = [{"Statement": [{**statement, "Action": action}]}]
            reasons = {action, *(f"{action} {resource}" for resource in listed(statement["Resource"]))}
            if not reasons & REASONS.keys() and not any(allowed(call, *one) for call in seen[kind]):
                unused.append(f"{action} {statement['Resource']}")

    assert [] == unused


def test_the_worker_cannot_touch_what_has_landed(here: Account) -> None:
    policies = here.policies(ROLES["weave"])
    key = f"{BUCKET}/landing/recurly/plans/log/00000000000000000001.json"

    assert not any(allowed(Call(action, key), *policies) for action in ("s3:GetObject", "s3:PutObject"))
    assert allowed(
        Call("s3:PutObject", f"{BUCKET}/leases/weave/github/acme/flows/main/1.json", SAFE), *policies
    )


def test_the_table_forgets_and_the_queue_keeps_the_order(here: Account, seen: dict[str, list[Call]]) -> None:
    table = here.template["Resources"]["DeliveriesTable"]["Properties"]
    attributes = here.client("sqs").get_queue_attributes(
        QueueUrl=here.physical("WeaveQueue"), AttributeNames=["All"]
    )["Attributes"]

    assert {"AttributeName": "expiration", "Enabled": True} == table["TimeToLiveSpecification"]
    assert {"Fn::GetAtt": ["Key", "Arn"]} == table["SSESpecification"]["KMSMasterKeyId"]
    assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert "true" == attributes["FifoQueue"]
    assert 5 == json.loads(attributes["RedrivePolicy"])["maxReceiveCount"]
    assert here.outputs()["WebhookUrl"].endswith("webhook")


def test_without_the_parameter_nothing_of_it_is_there(here: Account) -> None:
    resources = here.template["Resources"]
    ours = {name for name, one in resources.items() if one.get("Condition") == "HasWeave"}
    named = {name for name in resources if name.startswith(("Hook", "Weave", "Deliver"))}

    assert named == ours
    assert {"HookFunctionUrl", "WeaveFunctionNews", "DeliveriesTable"} <= ours
