"""`kill -9` at any moment: afterwards every record is there exactly once, and hardly anything was fetched twice."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from urllib.parse import parse_qs, urlsplit

import orjson

from tests.end_to_end.house import PART, House
from tests.end_to_end.shop import DAYS, PAGE, TIMES, Open, Row, shop

TRIALS = 50
KILLS = 2
LANES = {"orders": 3}
AHEAD = {"notes": 3}
"""Requests under way while a page is written: 1, but the lists of 3 products."""


def pages_of(rows: Sequence[Row]) -> list[int]:
    """The bytes of each page of a list, as they land."""
    sizes = [len(orjson.dumps(row)) + 1 for row in rows]
    return [sum(sizes[first : first + PAGE]) for first in range(0, len(sizes), PAGE)] or [0]


def most_pages_in_a_part(pages: Sequence[int]) -> int:
    """The greatest number of pages that follow one another before a part is full, wherever it begins."""
    most = 0
    for first in range(len(pages)):
        size = taken = 0
        while size < PART and first + taken < len(pages):
            size += pages[first + taken]
            taken += 1
        most = max(most, taken)
    return most


def bounds_of(rows: dict[str, list[Row]]) -> dict[str, int]:
    """How many requests of a list one kill may repeat at most: for each lane a part, and what was fetched ahead."""
    pages: dict[str, list[int]] = defaultdict(list)
    for name, time_field in TIMES.items():
        days: dict[str, list[Row]] = defaultdict(list)
        for number, row in enumerate(rows[name]):
            days[str(number // (len(rows[name]) // DAYS))].append(row)
        for day in days.values():
            # The row on the boundary to the next day comes along, on a page of its own, and is dropped.
            pages[name] += [*pages_of(day), *([0] if time_field == "at" else [])]
        pages[name].append(0)  # from the end of the shop's history until now
    for product in rows["products"]:
        pages["notes"] += pages_of([row for row in rows["notes"] if row["product_id"] == product["id"]])
    return {
        name: LANES.get(name, 1) * (most_pages_in_a_part(found) + AHEAD.get(name, 1))
        for name, found in pages.items()
    }


def requests_since(shop: Open) -> dict[str, Counter[str]]:
    """What was asked of each list since this was called last; the end of the last window moves with the clock."""
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for entry in shop.log():
        parts = urlsplit(entry["path"])
        asked = parse_qs(parts.query)
        name = parts.path.strip("/").split("/")[-1]
        found[name]["|".join((parts.path, *asked.get("from", ""), *asked.get("cursor", "")))] += 1
    shop.obey({"latency": 0.003})
    return found


@dataclass
class Trial:
    """One house whose runs are killed at moments that follow from `seed`."""

    house: House
    seed: int
    usual: float
    kills: int = 0
    repeated: Counter[str] = field(default_factory=Counter)
    _asked: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))

    def play(self) -> None:
        random = Random(self.seed)
        for attempt in range(5):
            if attempt >= KILLS and self.kills:
                break
            unfinished = self._unfinished()
            # A moment behind the end of the run kills nothing: a machine is not always equally fast.
            killed = self.house.start().killed(random.uniform(0, self.usual * 0.9**attempt))
            self.kills += killed
            self._count(unfinished)
        unfinished = self._unfinished()
        ended = self.house.run()
        assert ended.code == 0, (self.seed, ended.err)
        self._count(unfinished)

    def _unfinished(self) -> set[str]:
        heads = {name: self.house.log(name).latest() for name in ("orders", "events", "notes")}
        return {name for name, head in heads.items() if head is None or head.draft.resume is not None}

    def _count(self, unfinished: set[str]) -> None:
        """Note what the last run asked for a second time, of the lists that it went on with."""
        for name, asked in requests_since(self.house.shop).items():
            if name in unfinished:
                again = sum(times for key, times in asked.items() if key in self._asked[name])
                self.repeated[name] = max(self.repeated[name], again)
                self._asked[name] |= asked.keys()
            else:
                self._asked[name] = set()


def usual_time(house: House) -> float:
    """Seconds that a run takes which nobody disturbs."""
    began = time.monotonic()
    ended = house.run()

    assert ended.code == 0, ended.err
    return time.monotonic() - began


def test_runs_that_are_killed_at_any_moment_lose_nothing_and_double_nothing(tmp_path: Path) -> None:
    """Two kills per trial at seeded moments of fetching, writing, committing and loading, then a clean run."""

    def worker(number: int) -> list[Trial]:
        trials: list[Trial] = []
        with shop(plan={"latency": 0.003}) as api:
            truth = api.rows()
            bounds = bounds_of(truth)
            usual = min(usual_time(House(tmp_path / f"usual-{number}-{n}", api)) for n in range(2))
            for seed in range(number, TRIALS, 2):
                requests_since(api)
                trial = Trial(House(tmp_path / f"trial-{seed}", api), seed, usual)
                trial.play()
                trial.house.prove(truth)
                assert all(times <= bounds[name] for name, times in trial.repeated.items()), (
                    seed,
                    trial.repeated,
                )
                trials.append(trial)
        return trials

    with ThreadPoolExecutor(2) as pool:
        trials = [trial for found in pool.map(worker, range(2)) for trial in found]

    assert len(trials) == TRIALS
    assert all(trial.kills for trial in trials)
