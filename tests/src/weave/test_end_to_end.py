"""From the delivery of a git host to artifacts and comments there, with the hosts' APIs over HTTP between."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from shared.gitops.comment import version
from shared.gitops.fake import FakeRepository
from shared.gitops.preview import plan
from shared.gitops.remark import HTML, Marker
from shared.gitops.repository import Verdict
from src.weave.compiling import PipelineCompiler
from src.weave.place import delivery, repository, weaving
from src.weave.work import SECONDS, Bench
from src.workplace import Workplace
from tests.shared.gitops.hosts.bitbucket import BitbucketDialect
from tests.shared.gitops.hosts.host import Fault, HostServer, Reply
from tests.shared.gitops.hosts.site import HOSTS
from tests.src.weave.yard import ENVIRONMENT, Asleep, Yard, definition

COMMIT, PULL = "{to: commit}", "{to: pull_request}"
STATUS = "sluice/pipelines"


def test_a_push_becomes_a_pull_request_with_its_artifacts(yard: Yard) -> None:
    sha = yard.push({"pipelines/orders.yml": definition("orders"), "README.md": b"r"})

    assert ["orders.asl.json"] == yard.names
    assert [("main", "sluice/generated", True)] == [
        (p.base, p.head, p.open) for p in yard.model.pulls.values()
    ]
    assert "`pipelines/orders.yml`" in yard.model.bodies[1]
    assert Verdict.SUCCESS == yard.model.statuses[sha, STATUS][0]


def test_a_delivery_that_comes_again_ends_in_the_same_state(yard: Yard) -> None:
    yard.push({"pipelines/orders.yml": definition("orders")})
    before = yard.made()

    assert 204 == yard.pushed(again=True)
    assert [] == yard.line.messages
    written, commits = len(yard.server.writes), len(yard.model.commits)
    # And so does one that the queue gives twice, or the host sends under another name: nothing is written.
    for _ in range(2):
        assert 202 == yard.pushed()
    assert 0 == yard.work()

    assert (before, 1) == (yard.made(), len(yard.model.pulls))
    assert (written, commits) == (len(yard.server.writes), len(yard.model.commits))


@pytest.mark.parametrize("deliver", [PULL, COMMIT])
def test_news_of_what_is_known_write_nothing_at_the_host(
    open_yard: Callable[..., Yard], host: str, deliver: str
) -> None:
    """Before the merge of the proposal, with a definition that fails, after the merge, and for a pull request."""
    yard = open_yard(host, deliver=deliver)
    bad = definition("bad").replace(b"type: ingestion", b"type: ingest")
    yard.push({"pipelines/orders.yml": definition("orders"), "pipelines/bad.yml": bad})
    number = pull(yard, {"pipelines/orders.yml": definition("orders", "new")})

    def again() -> list[str]:
        """What news of the same state write. Its next runs are others by then."""
        yard.clock.sleep(90_000.0)
        before = len(yard.server.writes)
        yard.pushed()
        yard.pull_changed(number)
        assert 0 == yard.work()
        return yard.server.writes[before:]

    if "pull_request" in deliver:
        assert [] == again()
        yard.model.merge(1)
    # A merge is news, and so is a commit of ours, which has no status yet.
    assert again()
    assert [] == again()


@pytest.mark.parametrize(
    "meddle",
    [
        {"generated/orders.asl.json": b"by hand"},
        {"generated/orders.asl.json": None},
        {"README.md": b"by hand"},
        {"generated/.sluice.json": b"by hand"},
    ],
)
def test_a_proposal_that_somebody_meddled_with_is_made_anew(
    yard: Yard, meddle: dict[str, bytes | None]
) -> None:
    yard.push({"pipelines/orders.yml": definition("orders"), "README.md": b"r"})
    before = yard.model.commits[yard.model.branches["sluice/generated"]].tree
    yard.model.push("sluice/generated", meddle)

    yard.pushed()
    assert 0 == yard.work()

    assert before == yard.model.commits[yard.model.branches["sluice/generated"]].tree
    assert [True] == [one.open for one in yard.model.pulls.values()]


def test_a_merge_ends_the_proposal_and_our_own_branch_is_nobodys_business(yard: Yard) -> None:
    yard.push({"pipelines/orders.yml": definition("orders")})
    assert 204 == yard.pushed("sluice/generated")
    yard.model.merge(1)
    yard.pushed()

    assert 0 == yard.work()

    assert ["main"] == list(yard.model.branches)
    assert "orders.asl.json" in yard.made("main")
    # A definition that goes takes its artifacts along.
    yard.push({"pipelines/orders.yml": None})
    assert {} == yard.made()


def test_our_own_commit_makes_no_further_one(open_yard: Callable[..., Yard]) -> None:
    yard = open_yard("gitlab", deliver=COMMIT)
    sha = yard.push({"pipelines/orders.yml": definition("orders")})
    head = yard.model.branches["main"]

    assert 202 == yard.pushed()
    assert 0 == yard.work()

    assert sha != head == yard.model.branches["main"]
    assert "orders.asl.json" in yard.made("main")


def test_one_bad_file_fails_alone_and_is_told_with_its_line(yard: Yard) -> None:
    bad = definition("bad").replace(b"type: ingestion", b"type: ingest")
    sha = yard.push({"pipelines/bad.yml": bad, "pipelines/good.yml": definition("good")})

    assert ["good.asl.json"] == yard.names
    verdict, told = yard.model.statuses[sha, STATUS]
    assert (Verdict.FAILURE, True) == (verdict, told.startswith("pipelines/bad.yml:6:"))
    assert "pipelines/bad.yml:6:" in yard.model.bodies[1]


def test_a_branch_that_is_deleted_takes_nothing_along(yard: Yard) -> None:
    yard.push({"pipelines/orders.yml": definition("orders")})
    before = yard.made()
    del yard.model.branches["main"]
    yard.pushed()

    assert 0 == yard.work()

    assert before == yard.made()


def test_two_workers_at_once_take_turns(yard: Yard) -> None:
    yard.model.push("main", {"pipelines/a.yml": definition("a")})
    yard.pushed()
    second = list[int]()

    def bench(place: Workplace) -> Bench:
        def busy(place: Workplace, woven: Any) -> Any:
            if not second:
                mine, yard.line.messages = yard.line.messages, []
                yard.model.push("main", {"pipelines/b.yml": definition("b")})
                yard.pushed()
                second.append(yard.work())
                later, yard.line.messages = yard.line.messages, mine
                second.append(len(later))
                waiting.extend(later)
            return repository(place, woven)

        return Bench(place, Bench.of(place).weaving, busy)

    waiting = list[tuple[str, str]]()
    assert 0 == yard.work(bench=bench)
    yard.line.messages = waiting

    assert [1, 1] == second
    assert 0 == yard.work()
    assert (["a.asl.json", "b.asl.json"], 1, []) == (yard.names, len(yard.model.pulls), yard.place.alerts)


@pytest.mark.parametrize("deliver", [PULL, COMMIT])
def test_a_worker_whose_lease_ran_out_writes_nothing(
    open_yard: Callable[..., Yard], host: str, deliver: str
) -> None:
    yard = open_yard(host, deliver=deliver)
    yard.push({"pipelines/a.yml": definition("a")})
    yard.model.push("main", {"pipelines/b.yml": definition("b")})
    yard.pushed()
    after = list[object]()

    def meanwhile() -> None:
        mine, yard.line.messages = yard.line.messages, []
        yard.clock.sleep(SECONDS + 1)
        yard.push({"pipelines/b.yml": None, "pipelines/c.yml": definition("c")})
        yard.line.messages = mine
        after.extend([dict(yard.model.branches), len(yard.server.writes)])

    def asleep(place: Workplace) -> Bench:
        return Bench(place, weaving(place), open_delivery=lambda *its: Asleep(delivery(*its), meanwhile))

    assert 0 == yard.work(bench=asleep)

    assert after == [yard.model.branches, len(yard.server.writes)]
    made = yard.made("main" if deliver == COMMIT else "sluice/generated")
    assert ["a.asl.json", "c.asl.json"] == sorted(name for name in made if name.endswith(".asl.json"))


def test_a_force_push_and_a_squash_merge_end_as_the_head_is(yard: Yard) -> None:
    first = yard.push({"pipelines/a.yml": definition("a")})
    yard.push({"pipelines/a.yml": definition("a", "other"), "pipelines/b.yml": definition("b")})
    yard.push({"pipelines/c.yml": definition("c")}, parent=first)

    assert ["a.asl.json", "c.asl.json"] == yard.names
    assert not any(b"example/other" in body for body in yard.made().values())

    yard.model.push("work", {"pipelines/d.yml": definition("d")}, parent=yard.model.branches["main"])
    yard.model.push("work", {"pipelines/c.yml": None})
    yard.model.merge(yard.model.open_pull("work"), squash=True)
    yard.pushed()
    assert 0 == yard.work()

    assert ["a.asl.json", "d.asl.json"] == yard.names
    assert 1 == sum(one.open for one in yard.model.pulls.values())


def test_a_host_that_stays_away_is_told_to_people_once(yard: Yard) -> None:
    yard.model.push("main", {"pipelines/a.yml": definition("a")})
    yard.pushed()
    yard.server.faults = [Fault("", Reply(503), times=999)]

    assert [1, 1, 1, 1] == [yard.work(count=count) for count in (1, 2, 3, 4)]

    assert 1 == len(yard.place.alerts)


def test_the_limit_of_the_host_in_the_middle_is_waited_for(yard: Yard) -> None:
    yard.model.push("main", {"pipelines/a.yml": definition("a")})
    yard.pushed()
    slow = Reply(429, {"message": "slow down"}, {"Retry-After": "9"})
    yard.server.faults = [Fault("^GET", slow, times=2), Fault("^POST", slow, times=2)]

    assert 0 == yard.work()

    assert ["a.asl.json"] == yard.names
    assert sum(yard.clock.slept) >= 9


def small(name: str, path: str) -> bytes:
    step = f"{{name: tell, type: call, method: POST, url: 'https://a.example/{path}'}}"
    return f"pipeline: {{name: {name}, steps: [{step}]}}".encode()


@pytest.fixture(scope="module")
def woven(tmp_path_factory: pytest.TempPathFactory) -> FakeRepository:
    """A repository of 55 definitions whose artifacts are on its branch."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("woven")
        patch.chdir(folder)
        for name, value in ENVIRONMENT.items():
            patch.setenv(name, value)
        with HostServer(HOSTS["github"][0](FakeRepository())) as server:
            yard = Yard(server, folder, deliver=COMMIT)
            yard.push({f"pipelines/p{n}.yml": small(f"p{n}", "old") for n in range(55)})
            return yard.model


@pytest.mark.parametrize(
    ("host", "deliver", "calls"),
    [
        ("github", PULL, 17),
        ("gitlab", PULL, 16),
        ("bitbucket", PULL, 15),
        ("github", COMMIT, 14),
        ("gitlab", COMMIT, 15),
        ("bitbucket", COMMIT, 12),
    ],
)
def test_fifty_changed_definitions_take_few_calls(
    open_yard: Callable[..., Yard], woven: FakeRepository, host: str, deliver: str, calls: int
) -> None:
    yard = open_yard(host, deliver=deliver, model=copy.deepcopy(woven))
    yard.model.push("main", {f"pipelines/p{n}.yml": small(f"p{n}", "new") for n in range(50)})
    yard.pushed()

    assert 0 == yard.work()

    made = yard.made("main" if deliver == COMMIT else "sluice/generated")
    assert (50, 5) == tuple(
        sum(url in body for body in made.values()) for url in (b"example/new", b"example/old")
    )
    assert calls == len(yard.server.calls) <= 5 + 50


# Pull requests


def pull(yard: Yard, files: dict[str, bytes | None], *, branch: str = "work", fork: bool = False) -> int:
    """A pull request that changes main, told and worked on."""
    yard.model.push(branch, files, parent=yard.model.branches["main"])
    number = yard.model.open_pull(branch, fork=fork)
    assert 202 == yard.pull_changed(number)
    assert 0 == yard.work()
    return number


def remarks(yard: Yard, number: int) -> dict[int, str]:
    return dict(yard.server.dialect.remarks.get(number, {}))


def test_a_pull_request_has_one_comment_and_a_status_from_its_opening_to_its_end(yard: Yard) -> None:
    yard.model.push("main", {"pipelines/orders.yml": definition("orders")})
    number = pull(
        yard, {"pipelines/orders.yml": definition("orders", "new"), "pipelines/b.yml": definition("b")}
    )
    first = remarks(yard, number)
    head = yard.model.branches["work"]

    assert (1, True) == (len(first), "1 created, 1 changed" in next(iter(first.values())))
    assert (Verdict.SUCCESS, "1 created, 1 changed") == yard.model.statuses[head, STATUS]

    bad = definition("orders").replace(b"type: call", b"type: coll")
    head = yard.model.push("work", {"pipelines/orders.yml": bad})
    yard.pull_changed(number)
    assert 0 == yard.work()
    second = remarks(yard, number)

    assert (first.keys(), True) == (second.keys(), "pipelines/orders.yml:7:" in next(iter(second.values())))
    assert (Verdict.FAILURE, "1 broken, 1 created") == yard.model.statuses[head, STATUS]

    yard.server.dialect.model.pulls[number] = yard.model.pulls[number]
    yard.model.merge(number)
    yard.pull_changed(number, closed=True)
    assert (0, second) == (yard.work(), remarks(yard, number))


def test_shared_defaults_are_planned_and_woven_for_all_below_them(yard: Yard) -> None:
    there = {f"pipelines/{name}.yml": definition(name.replace("/", "_")) for name in ("a", "x/b", "x/y/c")}
    yard.push({**there})
    before = yard.made()

    number = pull(yard, {"pipelines/x/_defaults.yml": b"steps: {retries: 4}\n"})

    assert "Pipelines: 2 changed" in "".join(remarks(yard, number).values())
    yard.model.merge(number)
    yard.pushed()
    assert 0 == yard.work()
    changed = {name for name, body in yard.made().items() if body != before[name]}
    assert {"x_b.asl.json", "x_y_c.asl.json"} == {name for name in changed if name.endswith(".asl.json")}

    head = yard.push({"pipelines/x/_defaults.yml": b"steps: {retries: many}\n"})
    verdict, told = yard.model.statuses[head, STATUS]
    assert (Verdict.FAILURE, "pipelines/x/_defaults.yml:1:18") == (verdict, told[:30])


def test_a_pull_request_that_changes_no_pipeline_is_not_talked_about(yard: Yard) -> None:
    yard.model.push("main", {"pipelines/orders.yml": definition("orders")})

    number = pull(yard, {"README.md": b"r"})

    assert {} == remarks(yard, number)
    head = yard.model.branches["work"]
    assert (Verdict.SUCCESS, "no pipeline changes") == yard.model.statuses[head, STATUS]


def test_a_comment_that_somebody_wrote_in_our_stead_does_not_keep_ours_away(yard: Yard) -> None:
    """What the plan will say can be known before; the version of our comment cannot."""
    yard.model.push("main", {"pipelines/orders.yml": definition("orders")})
    number = pull(yard, {"README.md": b"r"})
    base, head = yard.model.branches["main"], yard.model.push("work", {"pipelines/b.yml": definition("b")})
    woven = weaving(yard.place).repositories[0]
    found = plan(yard.model, woven.scope, base=base, head=head, inspector=PipelineCompiler(woven))
    form = "[//]: # ({})\n\n" if yard.host == "bitbucket" else HTML
    sign = Marker("sluice-plan main", version(found, key="")).line(form)
    dialect = yard.server.dialect
    dialect.foreign.add(dialect.remark(number, f"{sign}## ✅ nothing changes"))

    yard.pull_changed(number)
    assert 0 == yard.work()

    theirs, ours = remarks(yard, number).values()
    assert ("nothing changes" in theirs, "1 created" in ours) == (True, True)


def test_a_fork_is_planned_from_what_it_says_and_told_at_the_pull_request(yard: Yard) -> None:
    yard.model.push("main", {"pipelines/orders.yml": definition("orders")})
    hostile = {"pipelines/orders.yml": definition("orders", "new"), "weave.yml": b"repositories: []"}

    number = pull(yard, {**hostile}, branch="sluice/generated", fork=True)

    assert "1 changed" in "".join(remarks(yard, number).values())
    assert all(
        call.startswith("GET")
        or "/pull" in call
        or "/merge_" in call
        or "statuses" in call
        or "/issues/" in call
        or "graphql" in call
        for call in yard.server.calls
    )


def test_a_fork_whose_commits_are_not_here_is_told_so(open_yard: Callable[..., Yard]) -> None:
    yard = open_yard("bitbucket")
    first = yard.model.push("main", {"pipelines/orders.yml": definition("orders")})
    assert isinstance(yard.server.dialect, BitbucketDialect)
    yard.server.dialect.hidden.add(yard.model.push("theirs", {"pipelines/orders.yml": b"x"}, parent=first))
    number = yard.model.open_pull("theirs", fork=True)

    yard.pull_changed(number)

    assert (0, []) == (yard.work(), yard.place.alerts)
    assert "not planned" in "".join(remarks(yard, number).values())


def test_our_own_pull_request_is_not_planned(yard: Yard) -> None:
    yard.push({"pipelines/orders.yml": definition("orders")})

    yard.pull_changed(1)

    assert (0, {}) == (yard.work(), remarks(yard, 1))


def test_a_pull_request_that_is_gone_or_goes_elsewhere_is_left_alone(yard: Yard) -> None:
    yard.model.push("main", {"pipelines/orders.yml": definition("orders")})
    yard.model.push("release", {}, parent=yard.model.branches["main"])
    yard.model.push("work", {"pipelines/b.yml": definition("b")}, parent=yard.model.branches["main"])
    number = yard.model.open_pull("work", base="release")
    yard.pull_changed(number)
    yard.pull_changed(99)

    assert 0 == yard.work()

    assert ({}, {}) == (remarks(yard, number), yard.model.statuses)


def test_a_pull_request_whose_base_moved_is_planned_against_the_base_of_now(yard: Yard) -> None:
    yard.model.push("main", {"pipelines/orders.yml": definition("orders")})
    number = pull(yard, {"pipelines/orders.yml": definition("orders", "new")})
    yard.model.push("main", {"pipelines/orders.yml": definition("orders", "other")})

    yard.pull_changed(number)
    assert 0 == yard.work()

    assert "stale" in "".join(remarks(yard, number).values()).lower()
    head = yard.model.branches["work"]
    assert Verdict.FAILURE == yard.model.statuses[head, STATUS][0]
