"""The export files of Recurly, from the simulated site into the landing zone."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, date, datetime
from itertools import count
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from shared.common.fakes import DictSecrets, FakeClock, FixedDeadline, MemoryStore
from shared.ingestion.plan import Ask
from shared.ingestion.reading import load_source
from shared.ingestion.run import RunReport, ingest
from shared.ingestion.session import Tools
from shared.recurly.simulator.api import Options
from shared.recurly.simulator.server import Simulator
from shared.recurly.simulator.world import World

FILE = Path(__file__).parents[3] / "src/recurly/source.yml"
DAY = datetime(2025, 6, 29, 12, tzinfo=UTC)
NAMES = {"export_accounts", "export_subscriptions", "export_invoices", "export_transactions"}


class Night:
    """A site with its landing zone, and runs of its export report."""

    def __init__(self, site: Simulator) -> None:
        self.site, self.store, self._tokens = site, MemoryStore(), count()

    def run(self) -> RunReport:
        source = load_source(FILE, changes={"base_url": self.site.url})
        tools = Tools(
            store=self.store,
            clock=FakeClock(DAY),
            deadline=FixedDeadline(),
            secrets=DictSecrets({"API_KEY": "simulated"}),
            token=lambda: f"{next(self._tokens):08x}",
        )
        return ingest(source, tools, streams=["exports"], ask=Ask(until=DAY))

    def fault(self, **fault: Any) -> None:
        body = json.dumps(fault).encode()
        with urlopen(Request(f"{self.site.url}/_simulator/faults", body), timeout=10) as answer:
            assert answer.status == 200

    def bodies(self) -> list[bytes]:
        return [self.store.get(info.key) for info in self.store.list("") if "/data/" in info.key]


def landed(report: RunReport) -> int:
    return sum(stream.parts for stream in report.streams.values())


@pytest.fixture
def night() -> Iterator[Callable[..., Night]]:
    with ExitStack() as stack:

        def start(**options: Any) -> Night:
            world = World(seed=5, scale=0.1, today=date(2025, 6, 30))
            return Night(stack.enter_context(Simulator(world, Options(**options))))

        yield start


def test_the_files_of_the_week_land_byte_for_byte_and_the_key_stays_at_home(
    night: Callable[..., Night],
) -> None:
    here = night()
    report = here.run()
    published = [export.body for files in here.site.world.exports.values() for export in files]

    assert {} == report.failed
    assert NAMES | {"exports"} == report.streams.keys()
    assert set(published) == set(here.bodies())
    assert 28 == landed(report)
    assert here.site.leaks == 0


def test_files_that_are_not_ready_are_no_failure(night: Callable[..., Night]) -> None:
    """They are asked for again later, and land then; what has landed is not fetched again."""
    here = night(exports_late=1)
    early, later = here.run(), here.run()

    assert {} == {**early.failed, **later.failed}
    assert ("unfinished", "done") == (early.streams["exports"].status, later.streams["exports"].status)
    assert (24, 4) == (landed(early), landed(later))


def test_one_corrupt_file_fails_alone_and_is_told_by_name(night: Callable[..., Night]) -> None:
    here = night()
    here.fault(kind="corrupt", path="/exports/2025-06-27/invoices", times=100)
    report = here.run()

    assert {"export_invoices"} == report.failed.keys()
    assert "invoices_2025-06-27.csv.gz" in str(report.failed["export_invoices"])
    assert landed(report) == 27


def test_a_link_that_is_too_old_fails_its_file_alone(night: Callable[..., Night]) -> None:
    here = night()
    here.fault(kind="expired_link", path="/exports/2025-06-27/accounts", times=100)

    assert {"export_accounts"} == here.run().failed.keys()
