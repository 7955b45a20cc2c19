"""Two runs of the same streams at once: one may be superseded, and nothing is lost or doubled by that."""

from __future__ import annotations

import time
from pathlib import Path
from random import Random

import pytest

from tests.end_to_end.house import House
from tests.end_to_end.shop import shop

FASTER = "another run was faster"


@pytest.mark.parametrize("seed", range(4))
def test_two_runs_at_once_leave_every_record_once(tmp_path: Path, seed: int) -> None:
    """The second one begins a seeded moment later, as its own run or as the next attempt of the first one's."""
    random = Random(seed)
    with shop(seed, plan={"latency": 0.003}) as api:
        house = House(tmp_path, api)
        one = house.start()
        time.sleep(random.uniform(0, 0.5))
        other = house.start()
        ended = [one.ended(), other.ended()]
        last = house.run()

        assert [0, 0] == [run.code for run in ended], [run.err for run in ended]
        assert last.code == 0, last.err
        house.prove()


def test_a_run_that_was_superseded_says_so_and_is_no_failure(tmp_path: Path) -> None:
    """The first run waits in mid-stream while the second one goes past it."""
    slow = {"kind": "hang", "seconds": 1.5}
    with shop(plan={"routes": {"/products": [slow]}}) as api:
        house = House(tmp_path, api)
        one = house.start("--streams", "products")
        while not api.log():
            time.sleep(0.01)
        other = house.run("--streams", "products")
        ended = one.ended()

        assert other.answer["streams"]["products"]["status"] == "done"
        assert ended.code == 0
        assert ended.answer["streams"]["products"]["status"] == "superseded"
        assert FASTER in ended.err
        assert house.run().code == 0
        house.prove()
