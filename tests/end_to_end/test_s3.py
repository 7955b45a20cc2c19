"""The same source into an S3-compatible server over HTTP, with the real boto3 and with failures of S3 on the way."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from shared.aws.s3 import S3Store
from shared.common.clock import SystemClock
from tests.end_to_end.house import House
from tests.end_to_end.shop import Open, shop
from tests.shared.aws.servers import CREDENTIALS, Fault, FaultProxy, fault_proxy, moto_server, s3_client

INTERNAL = ("status", 500, "InternalError")
SLOW_DOWN = ("status", 503, "SlowDown")
CONFLICT = ("status", 409, "ConditionalRequestConflict")
LOST = ("lost", 0, "")
RESET = ("reset", 0, "")
CUT = ("cut", 0, "")


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    with moto_server() as url:
        yield url


@pytest.fixture(scope="module")
def proxy(moto: str) -> Iterator[FaultProxy]:
    with fault_proxy(moto) as made:
        yield made


@pytest.fixture(scope="module")
def api() -> Iterator[Open]:
    with shop() as opened:
        yield opened


@pytest.fixture
def house(tmp_path: Path, moto: str, proxy: FaultProxy, api: Open) -> Iterator[House]:
    """A house whose landing zone lies behind the proxy, and that is looked at without it."""
    client = s3_client(moto)
    bucket = f"b-{uuid4().hex}"
    client.create_bucket(Bucket=bucket)
    settings = {**CREDENTIALS, "AWS_ENDPOINT_URL": proxy.url, "LANDING_URL": f"s3://{bucket}/some/prefix"}
    store = S3Store(bucket, "some/prefix", clock=SystemClock(), client=client)
    yield House(tmp_path, api, settings=settings, store=store)
    client.close()


def played(method: str, *kinds: tuple[str, int, str], part: str = "") -> list[Fault]:
    return [Fault(method, kind, status, code, part) for kind, status, code in kinds]


def test_a_bucket_is_a_landing_zone(house: House, proxy: FaultProxy) -> None:
    proxy.play()
    ended = house.run_from_a_shell()

    assert ended.code == 0, ended.err
    house.prove()
    assert (
        sum(line.startswith("PUT") for line in proxy.seen) >= ended.answer["parts"] + ended.answer["commits"]
    )


def test_nothing_is_lost_when_s3_fails_now_and_then(house: House, proxy: FaultProxy) -> None:
    """Before and behind the point where the object is there, at parts and at commits, and while parts are read."""
    parts = played("PUT", INTERNAL, SLOW_DOWN, CONFLICT, LOST, RESET, part="/data/")
    commits = played("PUT", SLOW_DOWN, LOST, INTERNAL, CONFLICT, RESET, LOST, part="/log/")
    proxy.play(*played("GET", INTERNAL, SLOW_DOWN), *parts, *commits)
    landing = house.run("--no-load")
    unplayed = len(proxy.faults)
    proxy.play(*played("GET", SLOW_DOWN, CUT, RESET, INTERNAL, CUT, part="/data/"))
    loading = house.load()

    assert landing.code == 0, landing.err
    assert loading.code == 0, loading.err
    assert (unplayed, len(proxy.faults)) == (0, 0)
    house.prove()


def test_a_bucket_that_refuses_is_told_and_costs_nothing(house: House, proxy: FaultProxy) -> None:
    """The permission to write is missing for a while: some stream fails, and the next run completes it."""
    denied: tuple[str, int, str] = ("status", 403, "AccessDenied")
    proxy.play(*played("PUT", denied, part="/log/"))
    ended = house.run("--streams", "orders,products")
    proxy.play()
    again = house.run()

    assert ended.code == 1
    assert "s3:PutObject" in ended.err
    failed = [name for name, one in ended.answer["streams"].items() if one["status"] == "failed"]
    assert len(failed) == 1
    assert again.code == 0, again.err
    house.prove()


def test_two_runs_at_once_into_one_bucket(house: House, proxy: FaultProxy) -> None:
    proxy.play()
    two = "--streams", "events,products"
    ended: list[Any] = [running.ended() for running in (house.start(*two), house.start(*two))]
    last = house.run(*two)

    assert [run.code for run in ended] == [0, 0], [run.err for run in ended]
    assert last.code == 0, last.err
    house.prove(only=("events", "products"))
