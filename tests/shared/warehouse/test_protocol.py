"""Whatever is landed, in whatever order, and wherever a loader dies: the table is what the model says."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.common.fakes import FakeClock, MemoryStore
from shared.landing.commit import Draft
from shared.warehouse.duckdb_file import DuckDB
from shared.warehouse.ports import Disposition, Step, TableSpec
from tests.shared.warehouse.model import Landed, expected
from tests.shared.warehouse.stream import Stream, columns
from tests.shared.warehouse.zygote import Zygote

DISPOSITIONS = [disposition.value for disposition in Disposition]

rows = st.lists(
    st.fixed_dictionaries(
        {"id": st.sampled_from("abcd"), "v": st.integers(0, 9), "c": st.none() | st.integers(0, 5)}
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

    stream: Stream
    disposition: str
    landed: list[Landed] = field(default_factory=list)
    run: int = 0

    @property
    def spec(self) -> TableSpec:
        kinds = columns(id="string", v="integer", c="integer")
        return self.stream.spec(self.disposition, columns=kinds, primary_key=("id",), cursor_field="c")

    def land(self, records: list[dict[str, Any]], *, whole: bool) -> None:
        run = f"r{self.run}"
        parts = [self.stream.part(some, run=run) for some in (records[:2], records[2:]) if some]
        snapshot = self.disposition == "replace"
        draft = Draft(
            run=run, attempt=1, parts=tuple(parts), snapshot=snapshot, resume=None if whole else {"page": 2}
        )
        commit = self.stream.append(draft)
        self.landed.append(Landed(commit.sequence, run, tuple(records), whole))
        self.run += whole

    def rewind(self) -> None:
        self.stream.append(Draft(run=f"cli{self.run}", attempt=1, kind="rewind"))
        self.run += 1

    def check(self) -> None:
        self.stream.load(self.spec)
        want = expected(self.landed, self.disposition)
        with self.stream.warehouse.session(self.spec) as session:
            if session.query("SELECT 1 FROM duckdb_tables() WHERE table_name = 'accounts'"):
                names = "id, v, c, _sluice_run, _sluice_commit"
                found = session.query(f"SELECT {names} FROM recurly.accounts")
            else:
                found = []
            left = session.query(
                "SELECT table_name FROM duckdb_tables() WHERE starts_with(table_name, 'stage:')"
            )

        assert want == sorted(found, key=repr)
        assert [] == left


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(DISPOSITIONS), st.lists(landings | moves | loads, max_size=10))
def test_any_history_ends_in_the_table_of_the_model(disposition: str, story: list[Any]) -> None:
    warehouse = DuckDB(":memory:", clock=FakeClock(), threads=1)
    history = History(Stream(MemoryStore(), warehouse), disposition)
    for verb, what, how in story:
        match verb:
            case "land":
                history.land(what, whole=how)
            case "rewind":
                history.rewind()
            case _:
                load_until(history, what, batch_bytes=how)

    history.check()
    warehouse.close()


def load_until(history: History, last: Step | None, *, batch_bytes: int) -> None:
    """Load, and die behind the step `last`."""

    def die(step: Step) -> None:
        if step is last:
            raise Died

    try:
        history.stream.load(history.spec, batch_bytes=batch_bytes, on_step=die)
    except Died:
        return


@pytest.fixture(scope="module")
def zygote() -> Any:
    with Zygote() as zygote:
        yield zygote


def a_few(chance: random.Random) -> list[dict[str, Any]]:
    some = range(chance.randrange(1, 40))
    return [{"id": f"k{chance.randrange(20)}", "v": n, "c": chance.choice([None, *range(9)])} for n in some]


@pytest.mark.parametrize("disposition", DISPOSITIONS)
@pytest.mark.parametrize("step", [step.name for step in Step])
def test_kill_9_behind_every_step(step: str, disposition: str, stream: Stream, zygote: Zygote) -> None:
    """Twice behind the same step (the second time one load later), then a clean load."""
    chance = random.Random(f"{step}{disposition}")
    history = History(stream, disposition)
    for _ in range(chance.randrange(2, 5)):
        history.land(a_few(chance), whole=True)

    assert zygote.killed(history, step=step, at=1)

    history.land(a_few(chance), whole=False)
    history.land(a_few(chance), whole=True)
    zygote.killed(history, step=step, at=chance.randrange(1, 3))
    history.check()


@pytest.mark.parametrize("seed", range(12))
def test_kill_at_any_moment(seed: int, stream: Stream, zygote: Zygote) -> None:
    chance = random.Random(seed)
    history = History(stream, chance.choice(DISPOSITIONS))
    for _ in range(3):
        history.land(a_few(chance), whole=True)
        zygote.killed(history, after=chance.uniform(0.002, 0.15))

    history.check()
