"""Two seconds an invocation: answers fed back as events reach the end, with the same bytes as one long run."""

from __future__ import annotations

import itertools
import os
from pathlib import Path
from typing import Any

import pytest

from shared.common.clock import SystemClock
from shared.landing.reader import read_part
from src.ingest.app import handler_of
from src.invoke import Invocation, LocalContext, call
from src.workplace import Workplace
from tests.end_to_end.house import SOURCE, House
from tests.end_to_end.shop import shop

SECONDS = 2.0
ONE_LANE = SOURCE.replace("concurrency: 3", "concurrency: 1")
LATENCY = 0.12


def landed_bytes(house: House, stream: str) -> bytes:
    """What the commits of a stream name, part after part, decompressed."""
    found = []
    for commit in house.commits(stream):
        for part in commit.draft.parts:
            with read_part(house.store, part) as lines:
                found.append(lines.read())
    return b"".join(found)


def invocations(event: dict[str, Any]) -> list[Invocation]:
    """Invoke the handler until it is done, each time with its last answer; one that is too late is invoked again."""
    handler = handler_of(Workplace.open, os.environ)
    found: list[Invocation] = []
    for number in range(40):
        context = LocalContext("ingest", f"request-{number}", 512, SECONDS, SystemClock())
        found.append(call(handler, event, context))
        if found[-1].error is None:
            event = found[-1].result
            if event["done"]:
                break
        else:
            # What Lambda itself does with an asynchronous event when the function ran into its timeout.
            assert found[-1].payload["errorType"] == "Sandbox.Timedout", found[-1].payload
    return found


def test_short_invocations_land_the_bytes_of_one_long_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with shop() as api:
        long = House(tmp_path / "long", api, ONE_LANE)
        assert long.run().code == 0
        api.obey({"latency": LATENCY})
        short = House(tmp_path / "short", api, ONE_LANE)
        for name, value in short.environ.items():
            monkeypatch.setenv(name, value)
        monkeypatch.chdir(short.folder)
        found = invocations({"source": "shop"})
        api.obey({})

        in_time = [one.result["done"] for one in found if one.error is None]
        assert in_time[-1] is True
        assert not any(in_time[:-1])
        assert len(in_time) > 2
        assert found[-1].result["streams"]["orders"]["rows"] == len(api.rows()["orders"])
        for stream in api.rows():
            assert landed_bytes(long, stream) == landed_bytes(short, stream), stream
        # The same run, in as many attempts as there were invocations.
        orders = [commit.draft for commit in short.commits("orders")]
        assert len({draft.run for draft in orders}) == 1
        assert all(a.attempt <= b.attempt for a, b in itertools.pairwise(orders))
        assert orders[-1].attempt > 2
        assert short.load().code == 0
        short.prove()
