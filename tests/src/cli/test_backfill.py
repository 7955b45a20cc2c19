"""`sluice backfill`: processes work off windows; what is killed goes on, what fails is named, nothing lands twice."""

from __future__ import annotations

import gzip
import json
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from shared.common.fakes import FakeClock
from shared.ingestion.backfill import Filled
from shared.landing.folder import FolderStore
from shared.landing.log import CommitLog

Call = Callable[..., Result]
Start = Callable[..., "subprocess.Popen[str]"]
MINUTE = ("--since", "2024-03-01T10:00:00Z", "--until", "2024-03-01T10:01:00Z", "--window", "10s")


def log(place: Path, stream: str) -> CommitLog:
    return CommitLog(FolderStore(place / ".sluice" / "landing"), "shop", stream, FakeClock())


def ids(place: Path, stream: str) -> Counter[str]:
    """How often each record has landed, by what the commits name."""
    parts = [part.key for commit in log(place, stream).since(0) for part in commit.draft.parts]
    bodies = [gzip.decompress((place / ".sluice" / "landing" / key).read_bytes()) for key in parts]
    return Counter(json.loads(line)["id"] for body in bodies for line in body.splitlines())


def once(letter: str, rows: int = 120) -> dict[str, int]:
    return {f"{letter}{i}": 1 for i in range(rows)}


def test_windows_land_once_and_are_loaded_and_a_second_start_does_nothing(
    call: Call, place: Path, shop: Any, last_line: Callable[[str], Any]
) -> None:
    first = call("backfill", "shop", *MINUTE, "--concurrency", "2", "--json")
    asked = len(shop.asked)
    second = call("backfill", "shop", *MINUTE, "--concurrency", "2", "--no-load")
    told = last_line(first.stdout)

    assert (0, 0) == (first.exit_code, second.exit_code), first.output + second.output
    assert {"total": 6, "done": 6, "failed": 0} == told["windows"]
    assert (240, 120) == (told["rows"], told["loads"]["orders"]["rows"])
    assert asked == len(shop.asked)
    assert 0 == call("reconcile", "shop").exit_code
    assert "all windows are done in 2 streams" in second.output
    assert once("o") == ids(place, "orders")


def test_killed_in_the_middle_the_next_start_goes_on_and_every_row_is_there_once(
    start: Start, call: Call, place: Path, shop: Any
) -> None:
    """The command dies by kill -9 and its processes with it; windows that were done are not asked for again."""
    shop.delay = 0.1
    running = start("backfill", "shop", *MINUTE, "--concurrency", "2", "--no-load")
    patience = time.monotonic() + 60
    while not (before := _whole(place)) and time.monotonic() < patience:
        time.sleep(0.02)
    running.send_signal(signal.SIGKILL)
    running.communicate()
    shop.delay = 0.0
    again = call("backfill", "shop", *MINUTE, "--no-load")

    assert before
    assert 0 == again.exit_code, again.output
    assert "[6/6]" not in again.output
    assert (once("o"), once("c")) == (ids(place, "orders"), ids(place, "customers"))


def _whole(place: Path) -> set[Any]:
    """The windows that are done in both streams: only those are not asked for again."""
    orders, customers = (
        Filled.of(log(place, name).latest(), "backfill").done for name in ("orders", "customers")
    )
    return set(orders) & set(customers)


def test_a_process_that_dies_loses_its_window_only(
    start: Start, call: Call, place: Path, shop: Any, last_line: Callable[[str], Any]
) -> None:
    """Memory ran out there; the others go on, and the next start lands what is missing."""
    shop.delay = 0.1
    running = start(
        "backfill", "shop", *MINUTE, "--concurrency", "2", "--streams", "orders", "--no-load", "--json"
    )
    patience = time.monotonic() + 60
    while not shop.asked and time.monotonic() < patience:
        time.sleep(0.02)
    victim = min(_children(running.pid))
    subprocess.run(["kill", "-9", str(victim)], check=True)
    said, heard = running.communicate(timeout=120)
    told = last_line(said)
    again = call("backfill", "shop", *MINUTE, "--no-load")

    assert (1, 1, 5) == (running.returncode, told["windows"]["failed"], told["windows"]["done"]), heard
    assert "killed by signal 9" in heard
    assert (0, once("o")) == (again.exit_code, ids(place, "orders")), again.output


def test_a_stream_that_fails_does_not_stop_the_others_and_is_named(
    call: Call, place: Path, shop: Any, last_line: Callable[[str], Any]
) -> None:
    shop.faults["/orders"] = 403
    result = call("backfill", "shop", *MINUTE, "--no-load", "--json")
    told = last_line(result.stdout)

    assert 3 == result.exit_code
    assert ["orders"] * 6 == [one["stream"] for one in told["failed"]]
    assert "orders 2024-03-01T10:00:00Z … 2024-03-01T10:00:10Z" in result.stderr
    assert once("c") == ids(place, "customers")


def test_ctrl_c_commits_what_is_whole_and_the_next_start_goes_on(
    start: Start, call: Call, place: Path, shop: Any
) -> None:
    shop.delay = 0.15
    running = start("backfill", "shop", *MINUTE, "--concurrency", "2", "--no-load")
    patience = time.monotonic() + 60
    while not shop.asked and time.monotonic() < patience:
        time.sleep(0.02)
    running.send_signal(signal.SIGINT)
    said, heard = running.communicate(timeout=60)
    shop.delay = 0.0

    assert 130 == running.returncode, said + heard
    assert "start the same command again" in said
    assert 0 == call("backfill", "shop", *MINUTE, "--no-load").exit_code
    assert (once("o"), once("c")) == (ids(place, "orders"), ids(place, "customers"))


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (("--since", "2024-03-02", "--until", "2024-03-01"), "the range is empty"),
        (("--since", "2024-03-02", "--until", "2999-01-01"), "is not over for"),
        ((*MINUTE[:4], "--window", "0s"), "no time at all"),
        ((*MINUTE, "--name", "a b"), "cannot be the name of a back-fill"),
        ((*MINUTE, "--streams", "ordres"), 'unknown stream "ordres"'),
        (
            (*MINUTE, "--set", "streams.orders.write_disposition=replace", "--streams", "orders"),
            "replaces its table",
        ),
        ((*MINUTE, "--execution", "sluice-prod"), "no ARN of a state machine"),
    ],
)
def test_what_cannot_go_well_is_refused_before_anything_is_fetched(
    call: Call, shop: Any, arguments: tuple[str, ...], what: str
) -> None:
    result = call("backfill", "shop", *arguments)

    assert (2, []) == (result.exit_code, shop.asked), result.output
    assert what in result.stderr


def _children(process: int) -> list[int]:
    found = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(process)], capture_output=True, text=True, check=True
    )
    return [int(line) for line in found.stdout.split()]
