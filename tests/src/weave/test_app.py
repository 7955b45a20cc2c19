"""The worker's messages, and what it does when it cannot."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from shared.common.errors import Misconfigured, Superseded, Transient
from shared.gitops.delivery_git import Committed, Proposed
from shared.gitops.delivery_shelf import Shelved
from shared.gitops.fake import FakeRepository
from shared.gitops.lease import Lease
from shared.gitops.news import BranchMoved, Host
from shared.gitops.repository import Pull, Repository, Verdict
from src.weave.app import handler_of
from src.weave.place import delivery, weaving
from src.weave.work import Bench
from src.workplace import Workplace
from tests.shared.gitops.hosts.github import GitHubDialect
from tests.shared.gitops.hosts.host import HostServer
from tests.src.weave.yard import ENVIRONMENT, Yard, context, definition

NEWS = BranchMoved(Host.GITHUB, "acme/flows", "main").to_json()


@pytest.fixture
def open_yard(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[..., Yard]]:
    monkeypatch.chdir(tmp_path)
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    with HostServer(GitHubDialect(FakeRepository())) as server:
        yield lambda **how: Yard(server, tmp_path, **how)


@pytest.fixture
def yard(open_yard: Callable[..., Yard]) -> Yard:
    return open_yard()


def bench(repository: Repository) -> Callable[[Workplace], Bench]:
    return lambda place: Bench(place, weaving(place), lambda place, woven: repository)


def run(yard: Yard, event: Any, repository: Repository | None = None) -> Any:
    return handler_of(lambda: yard.place, bench(repository or yard.model))(event, context("weave"))


def record(body: Any, *, group: str = "g", name: str = "m", count: int = 1) -> dict[str, Any]:
    attributes = {"MessageGroupId": group, "ApproximateReceiveCount": str(count)}
    return {
        "messageId": name,
        "body": body if isinstance(body, str) else json.dumps(body),
        "attributes": attributes,
    }


def test_news_may_be_given_without_a_queue(yard: Yard) -> None:
    yard.model.push("main", {"pipelines/a.yml": definition("a")})

    assert {"done": True} == run(yard, NEWS)
    assert ["a.asl.json"] == yard.names
    with pytest.raises(Misconfigured, match="no news"):
        run(yard, {"kind": "weather"})


@pytest.mark.parametrize("body", ["", "{", "[]", '{"kind": "branch"}'])
def test_a_message_that_is_no_news_fails_at_once_and_is_told_once(yard: Yard, body: str) -> None:
    for count in (1, 2, 3):
        answer = run(yard, {"Records": [record(body, count=count)]})

        assert ["m"] == [one["itemIdentifier"] for one in answer["batchItemFailures"]]
    assert 1 == len(yard.place.alerts)


def test_messages_behind_a_failed_one_of_their_group_wait_for_it(yard: Yard) -> None:
    yard.model.push("main", {"pipelines/a.yml": definition("a")})
    records = [record("{", name="1"), record(NEWS, name="2"), record(NEWS, name="3", group="other")]

    answer = run(yard, {"Records": records})

    assert ["1", "2"] == [one["itemIdentifier"] for one in answer["batchItemFailures"]]


class Odd(FakeRepository):
    """A repository in memory whose `head` does what a test wants."""

    act: Callable[[], None] = staticmethod(lambda: None)

    def head(self, branch: str) -> str | None:
        self.act()
        return super().head(branch)


def test_who_is_superseded_has_nothing_left_to_do(yard: Yard) -> None:
    def taken() -> None:
        raise Superseded("the lease went to another worker")

    odd = Odd()
    odd.act = taken

    assert {"batchItemFailures": []} == run(yard, {"Records": [record(NEWS)]}, odd)
    assert [] == yard.place.alerts


def test_a_pull_request_that_moves_all_the_time_is_left_to_the_next_news(yard: Yard) -> None:
    class Moving(FakeRepository):
        def pull(self, number: int) -> Pull:
            self.push("work", {f"{len(self.commits)}.md": b""})
            return super().pull(number)

    moving = Moving()
    first = moving.push("main", {"pipelines/a.yml": definition("a")})
    moving.push("work", {"pipelines/a.yml": definition("a", "new")}, parent=first)
    number = moving.open_pull("work")
    news = {
        "kind": "pull",
        "host": "github",
        "repository": "acme/flows",
        "number": number,
        "action": "changed",
    }

    assert {"done": True} == run(yard, news, moving)
    assert ({}, {}) == (moving.comments, moving.statuses)


def test_a_plan_that_cannot_be_made_is_told_at_the_commit(yard: Yard) -> None:
    yard.model.push("main", {"pipelines/a.yml": definition("a")})
    head = yard.model.push("orphan", {"pipelines/a.yml": definition("a", "new")}, parent=None)
    yard.model.commits[head] = yard.model.commits[head].__class__(
        head, (), yard.model.commits[head].tree, "m"
    )
    number = yard.model.open_pull("orphan")
    news = {
        "kind": "pull",
        "host": "github",
        "repository": "acme/flows",
        "number": number,
        "action": "changed",
    }

    answer = run(yard, {"Records": [record(news)]})

    assert 1 == len(answer["batchItemFailures"])
    assert (Verdict.ERROR, "the branch and its base have no commit in common") == yard.model.statuses[
        head, "sluice/pipelines"
    ]


@pytest.mark.parametrize(
    ("deliver", "kind"),
    [
        ("{to: pull_request}", Proposed),
        ("{to: commit}", Committed),
        ("{to: folder, path: dags}", Shelved),
        ("{to: bucket, url: 's3://acme-dags/dags'}", Shelved),
    ],
)
def test_artifacts_go_where_the_entry_says(
    open_yard: Callable[..., Yard], monkeypatch: pytest.MonkeyPatch, deliver: str, kind: type
) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    yard = open_yard(deliver=deliver)
    (woven,) = weaving(yard.place).repositories
    lease = Lease(yard.place.store, yard.clock, "leases/x", "me", 9)

    assert isinstance(delivery(woven, yard.model, lease), kind)


def test_a_folder_is_filled_and_swept(open_yard: Callable[..., Yard], tmp_path: Path) -> None:
    yard = open_yard(deliver="{to: folder, path: dags}")
    yard.model.push("main", {"pipelines/a.yml": definition("a"), "pipelines/b.yml": definition("b")})
    run(yard, NEWS)
    yard.model.push("main", {"pipelines/a.yml": None})

    run(yard, NEWS)

    made = {".sluice.json", "b.asl.json", "b.template.json"}
    assert made == {path.name for path in (tmp_path / "dags").iterdir()}


def test_a_worker_that_holds_the_branch_is_waited_for(yard: Yard) -> None:
    yard.model.push("main", {"pipelines/a.yml": definition("a")})
    Lease(yard.place.store, yard.clock, "leases/weave/github/acme/flows/main", "other", 900)._take(0)

    with pytest.raises(Transient, match="another worker is at it") as caught:
        run(yard, NEWS)

    assert 900 == caught.value.retry_after
    yard.clock.advance(901)
    assert {"done": True} == run(yard, NEWS)


def test_a_list_of_repositories_that_is_not_there_is_told(yard: Yard, tmp_path: Path) -> None:
    (tmp_path / "weave.yml").unlink()

    with pytest.raises(Misconfigured, match="no list of repositories"):
        run(yard, NEWS)
