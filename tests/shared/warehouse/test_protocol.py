"""Whatever is landed, in whatever order, and wherever a loader dies: any warehouse holds what the model says."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.common.errors import Transient
from shared.common.fakes import START, FakeClock, MemoryStore
from shared.landing.commit import Draft
from shared.warehouse.dml import BEGINNING
from shared.warehouse.duckdb_file import DuckDB
from shared.warehouse.ports import Step, TableSpec
from tests.shared.warehouse.house import House
from tests.shared.warehouse.model import Landed, expected, moments, versions
from tests.shared.warehouse.stream import Stream
from tests.shared.warehouse.zygote import Zygote, deletes, kinds_of

# `moments` is scd2 by whole snapshots, `scd2` by a cursor.
WAYS = ["append", "merge", "replace", "scd2", "moments"]
SNAPSHOTS = ("replace", "moments")
COLUMNS = ("id", "v", "c", "_sluice_run", "_sluice_commit")
VERSION = ("valid_from", "valid_to", "is_current")
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)

rows = st.lists(
    st.fixed_dictionaries(
        {
            "id": st.sampled_from("abcd"),
            "v": st.integers(0, 9),
            "c": st.none() | st.integers(0, 5),
            "gone": st.sampled_from([None, False, False, True]),
        }
    ),
    max_size=6,
)
landings = st.tuples(st.just("land"), rows, st.booleans())
moves = st.tuples(st.just("rewind"), st.none(), st.none())
loads = st.tuples(st.just("load"), st.sampled_from([None, *Step]), st.sampled_from([1, 150, 1 << 20]))


class Died(BaseException):
    """A loader that dies, as far as its own code can tell."""


@dataclass
class History:
    """Lands as told, and remembers what it landed."""

    house: House
    stream: Stream
    way: str
    landed: list[Landed] = field(default_factory=list)
    run: int = 0

    @property
    def spec(self) -> TableSpec:
        disposition = "scd2" if self.way == "moments" else self.way
        kinds = kinds_of(self.way)
        return self.stream.spec(
            disposition, columns=kinds, primary_key=("id",), cursor_field="c", deleted_field=deletes(self.way)
        )

    def land(self, records: list[dict[str, Any]], *, whole: bool) -> None:
        run = f"r{self.run}"
        self.stream.clock.sleep(60)
        written = [{**record, "c": self._cursor(record["c"])} for record in records]
        parts = [self.stream.part(some, run=run) for some in (written[:2], written[2:]) if some]
        snapshot = self.way in SNAPSHOTS
        draft = Draft(
            run=run, attempt=1, parts=tuple(parts), snapshot=snapshot, resume=None if whole else {"page": 2}
        )
        commit = self.stream.append(draft)
        at = round(self.stream.clock.monotonic() / 60)
        self.landed.append(Landed(commit.sequence, run, tuple(records), whole, at))
        self.run += whole

    def rewind(self) -> None:
        self.stream.append(Draft(run=f"cli{self.run}", attempt=1, kind="rewind"))
        self.run += 1

    def check(self) -> None:
        """Load to the end; the table is the model's, and nothing is left lying about."""
        self.stream.load(self.spec)
        match self.way:
            case "scd2":
                want = versions(self.landed)
                found = [self._plain(row) for row in self.house.rows(self.stream, *COLUMNS, *VERSION)]
            case "moments":
                want = moments(self.landed)
                found = [self._plain(row) for row in self.house.rows(self.stream, *COLUMNS, *VERSION)]
            case _:
                want, found = expected(self.landed, self.way), self.house.rows(self.stream, *COLUMNS)

        assert want == sorted(found, key=repr)
        assert [] == self.house.left_stages(self.stream)

    def _cursor(self, value: int | None) -> Any:
        return value if value is None or self.way != "scd2" else f"2026-01-01T00:{value:02d}:00Z"

    def _plain(self, row: tuple[Any, ...]) -> tuple[Any, ...]:
        """A row of versions with its times as the numbers of the model."""
        base = EPOCH if self.way == "scd2" else START

        def number(value: Any) -> Any:
            if value == BEGINNING:
                return -1
            return round((value - base).total_seconds() / 60) if isinstance(value, datetime) else value

        return tuple(map(number, row))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(WAYS), st.lists(landings | moves | loads, max_size=10))
def test_any_history_ends_in_the_table_of_the_model(way: str, story: list[Any]) -> None:
    warehouse = DuckDB(":memory:", clock=FakeClock(), threads=1)
    told(House(warehouse, ""), way, story)
    warehouse.close()


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.sampled_from(WAYS), st.lists(landings | moves | loads, max_size=10))
def test_any_history_ends_in_the_table_of_the_model_on_servers_too(
    server: House, way: str, story: list[Any]
) -> None:
    told(House(server.warehouse, server.url, quote=server.quote), way, story)


def told(house: House, way: str, story: list[Any]) -> None:
    history = History(house, house.stream(MemoryStore()), way)
    for verb, what, how in story:
        match verb:
            case "land":
                history.land(what, whole=how)
            case "rewind":
                history.rewind()
            case _:
                load_until(history, what, batch_bytes=how)

    history.check()


def load_until(history: History, last: Step | None, *, batch_bytes: int) -> None:
    """Load, and die behind the step `last`."""

    def die(step: Step) -> None:
        if step is last:
            raise Died

    try:
        history.stream.load(history.spec, batch_bytes=batch_bytes, on_step=die)
    except Died:
        return


def load_cut_off(history: History, step: Step) -> None:
    """Load, and lose the connection behind a step, once."""
    house, left = history.house, [step]

    def cut(now: Step) -> None:
        if now in left and house.cut is not None:
            left.clear()
            house.cut()

    try:
        history.stream.load(history.spec, batch_bytes=800, on_step=cut)
    except Transient:
        return


@pytest.fixture(scope="module")
def zygote() -> Any:
    with Zygote() as zygote:
        yield zygote


def a_few(chance: random.Random) -> list[dict[str, Any]]:
    some = range(chance.randrange(1, 40))
    return [
        {
            "id": f"k{chance.randrange(20)}",
            "v": n,
            "c": chance.choice([None, *range(9)]),
            "gone": chance.random() < 0.1,
        }
        for n in some
    ]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("step", [step.name for step in Step])
def test_kill_9_behind_every_step(
    step: str, way: str, any_house: House, tmp_path: Path, zygote: Zygote
) -> None:
    """Killed, then killed or cut off behind the same step (perhaps one load later), then a clean load."""
    chance = random.Random(f"{step}{way}")
    history = History(any_house, any_house.stream(tmp_path / "landing"), way)
    for _ in range(chance.randrange(2, 5)):
        history.land(a_few(chance), whole=True)

    assert zygote.killed(history, step=step, at=1)

    history.land(a_few(chance), whole=False)
    history.land(a_few(chance), whole=True)
    if any_house.cut is not None and chance.random() < 0.7:
        load_cut_off(history, Step[step])
    else:
        zygote.killed(history, step=step, at=chance.randrange(1, 3))
    history.check()


@pytest.mark.parametrize("seed", range(8))
def test_kill_at_any_moment(seed: int, any_house: House, tmp_path: Path, zygote: Zygote) -> None:
    chance = random.Random(seed)
    history = History(any_house, any_house.stream(tmp_path / "landing"), chance.choice(WAYS))
    for _ in range(3):
        history.land(a_few(chance), whole=True)
        zygote.killed(history, after=chance.uniform(0.002, 0.15))

    history.check()
