"""What the worker does with one piece of news, wherever it comes from: SQS in AWS, the queue of a file here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from shared.common.ports import ObjectStore
from shared.gitops.configuration import Weaving, Woven
from shared.gitops.lease import Lease, leased
from shared.gitops.news import BranchMoved, News, PullChanged
from shared.gitops.repository import Repository, Verdict
from shared.gitops.weave import Delivery, Outcome, weave
from src.weave.compiling import PipelineCompiler
from src.weave.place import delivery, holder, repository, weaving
from src.workplace import Workplace

SECONDS = 900.0
"""How long a worker holds a branch at most: as long as a function of Lambda may live."""


@dataclass(frozen=True, slots=True)
class Bench:
    """What the worker has at hand; tests put a repository in memory here.

    `leases`: who holds a branch is kept there, and not in the landing zone.
    """

    place: Workplace
    weaving: Weaving
    open_repository: Callable[[Workplace, Woven], Repository] = repository
    open_delivery: Callable[[Woven, Repository, Lease], Delivery] = delivery
    leases: ObjectStore | None = None

    @classmethod
    def of(cls, place: Workplace) -> Bench:
        return cls(place, weaving(place))


def work(bench: Bench, news: News) -> Iterator[Outcome]:
    """Do what the news call for, entry by entry. Raises `Transient` when somebody else is at it."""
    for woven in bench.weaving.about(news):
        match news:
            case BranchMoved():
                yield _weave(bench, woven)
            case PullChanged():
                _preview(bench, woven, news)


def _weave(bench: Bench, woven: Woven) -> Outcome:
    place, name = bench.place, f"weave/{woven.host.value}/{woven.repository}/{woven.branch}"
    with leased(bench.leases or place.store, place.clock, name, holder=holder(), seconds=SECONDS) as lease:
        found = bench.open_repository(place, woven)
        outcome = weave(
            found,
            woven.scope,
            compiler=PipelineCompiler(woven, app=place.settings.app_name),
            delivery=bench.open_delivery(woven, found, lease),
        )
        if outcome.head and (outcome.compiled or outcome.failed):
            verdict = Verdict.FAILURE if outcome.failed else Verdict.SUCCESS
            told = next(iter(outcome.failed.values()), outcome.title)
            found.status(outcome.head, verdict, context=woven.status, description=told.partition("\n")[0])
    return outcome


def _preview(bench: Bench, woven: Woven, news: PullChanged) -> None:
    """Show at a pull request what it would change."""
    from src.weave.preview import preview

    preview(bench.place, woven, bench.open_repository(bench.place, woven), news)
