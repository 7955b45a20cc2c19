"""What goes wrong between a git host and its worker: each case at each host, from the delivery to the artifacts."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from tests.shared.gitops.hosts.host import Fault, Reply
from tests.src.weave.yard import Yard, definition

TWO = {"pipelines/a.yml": definition("a"), "pipelines/b.yml": definition("b")}


def a_push(yard: Yard) -> list[str]:
    yard.push({**TWO})
    return ["a", "b"]


def pages_of_two(yard: Yard) -> list[str]:
    yard.server.dialect.largest = 2
    yard.push({f"pipelines/{n}/p{n}.yml": definition(f"p{n}") for n in range(5)})
    yard.push(
        {"pipelines/0/p0.yml": None, "pipelines/0/q.sql": b"", "pipelines/1/p1.yml": definition("p1", "y")}
    )
    return ["p1", "p2", "p3", "p4"]


def four_hundred_files(yard: Yard) -> list[str]:
    yard.push({**TWO})
    files: dict[str, bytes | None] = {f"data/{n}.csv": b"1" for n in range(398)}
    yard.push(files | {"pipelines/a.yml": None, "pipelines/c.yml": definition("c")})
    return ["b", "c"]


def every_call_fails_once(reply: Reply) -> Callable[[Yard], list[str]]:
    def case(yard: Yard) -> list[str]:
        yard.push({**TWO})
        again = set(yard.server.calls)
        yard.server.faults = [Fault(f"^{re.escape(call)}$", reply) for call in sorted(again)]
        yard.push({"pipelines/a.yml": None, "pipelines/c.yml": definition("c")})
        assert any(fault.times == 0 for fault in yard.server.faults)
        return ["b", "c"]

    return case


def the_branch_is_deleted_and_made_again(yard: Yard) -> list[str]:
    yard.push({**TWO})
    head = yard.model.branches.pop("main")
    assert 202 == yard.pushed(deleted=True)
    assert 0 == yard.work()
    yard.model.branches["main"] = head
    yard.push({"pipelines/a.yml": None})
    return ["b"]


def a_redelivery(yard: Yard) -> list[str]:
    yard.push({**TWO})
    writes = len(yard.server.writes)
    assert 204 == yard.pushed(again=True)
    assert 202 == yard.pushed()
    assert 0 == yard.work()
    assert writes == len(yard.server.writes)
    return ["a", "b"]


def the_wrong_order(yard: Yard) -> list[str]:
    yard.model.push("main", {**TWO})
    yard.pushed()
    yard.model.push("main", {"pipelines/a.yml": None})
    yard.pushed()
    assert 0 == yard.work(backwards=True)
    return ["b"]


def a_force_push(yard: Yard) -> list[str]:
    first = yard.push({**TWO})
    yard.push({"pipelines/c.yml": definition("c")})
    yard.model.push("main", {"pipelines/d.yml": definition("d"), "pipelines/a.yml": None}, parent=first)
    assert 202 == yard.pushed(forced=True)
    assert 0 == yard.work()
    return ["b", "d"]


def a_crash_between_commit_and_pull_request(yard: Yard) -> list[str]:
    yard.model.push("main", {**TWO})
    yard.pushed()
    yard.server.faults = [Fault("^POST .*/(pulls|merge_requests|pullrequests)$", Reply(503), times=99)]
    assert 1 == yard.work()
    assert {} == yard.model.pulls
    yard.server.faults = []
    assert 0 == yard.work(count=2)
    return ["a", "b"]


def a_tag(yard: Yard) -> list[str]:
    yard.push({**TWO})
    calls = len(yard.server.calls)
    assert 204 == yard.pushed("main", tag=True)
    assert (0, calls) == (yard.work(), len(yard.server.calls))
    return ["a", "b"]


CASES: dict[str, Callable[[Yard], list[str]]] = {
    "a push": a_push,
    "pages of two": pages_of_two,
    "400 files": four_hundred_files,
    "5xx at every call": every_call_fails_once(Reply(502, {"message": "Bad Gateway"})),
    "rate limit at every call": every_call_fails_once(
        Reply(429, {"message": "slow down"}, {"Retry-After": "3"})
    ),
    "branch deleted": the_branch_is_deleted_and_made_again,
    "redelivery": a_redelivery,
    "wrong order": the_wrong_order,
    "force push": a_force_push,
    "crash between commit and pull request": a_crash_between_commit_and_pull_request,
    "tag": a_tag,
}


@pytest.mark.parametrize("name", CASES)
def test_it_ends_in_the_state_of_the_head(yard: Yard, name: str) -> None:
    wanted = CASES[name](yard)

    assert [f"{one}.asl.json" for one in wanted] == yard.names
    assert [True] == [pull.open for pull in yard.model.pulls.values()]
    assert [] == yard.place.alerts
