"""`sluice sweep`: what it says, and what is gone afterwards."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from click.testing import Result

ORPHAN = "landing/shop/customers/data/dt=2025-01-31/20250131T000000Z-dead/a001-w00000-part-00000.jsonl.gz"


def files(place: Path) -> set[str]:
    zone = place / ".sluice" / "landing"
    return {path.relative_to(zone).as_posix() for path in zone.rglob("landing/**/*") if path.is_file()}


def test_what_a_killed_run_left_is_shown_and_then_deleted(
    place: Path, call: Callable[..., Result], last_line: Callable[[str], Any]
) -> None:
    call("run", "shop", "--no-load")
    landed = files(place)
    left = place / ".sluice" / "landing" / ORPHAN
    left.parent.mkdir(parents=True)
    left.write_bytes(b"x" * 9)
    os.utime(left, (0, 0))
    shown = call("sweep", "shop", "--dry-run", "--json")

    assert landed
    assert 0 == shown.exit_code
    assert f"would delete {ORPHAN}" in shown.stderr
    assert [("customers", 1, 9)] == [
        (one["stream"], one["files"], one["bytes"])
        for one in last_line(shown.stdout)["streams"]
        if one["files"]
    ]
    assert landed | {ORPHAN} == files(place)

    done = call("sweep", "shop")

    assert 0 == done.exit_code
    assert "customers" in done.stdout
    assert landed == files(place)
    assert "no old file is without a commit" in call("sweep", "shop").stdout


def test_too_young_an_age_and_an_empty_zone_are_told(call: Callable[..., Result]) -> None:
    assert "nothing has landed" in call("sweep", "shop").stdout

    call("run", "shop", "--no-load")
    refused = call("sweep", "shop", "--older-than", "1h")

    assert 2 == refused.exit_code
    assert "may belong to a run that still works" in refused.stderr
