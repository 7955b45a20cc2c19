"""Deliveries of three hosts become news, whatever else is in them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.common.errors import Misconfigured
from shared.gitops.delivery import Delivery, host_of, read
from shared.gitops.news import Action, BranchMoved, Host, News, PullChanged, news_of
from tests.shared.gitops.payloads import ACTIONS, PULL, PUSH

ZEROS = "0" * 40
REPO = {"full_name": "acme/flows", "name": "flows", "owner": {"login": "acme"}}
PROJECT = {"path_with_namespace": "acme/data/flows"}


def github(event: str, payload: Any) -> Delivery:
    headers = {"x-github-event": event, "x-github-delivery": "72d3162e", "content-type": "application/json"}
    return read(host_of(headers), headers, json.dumps(payload).encode())


def gitlab(event: str, payload: Any, **headers: str) -> Delivery:
    named = {"x-gitlab-event": event, **{name.replace("_", "-"): value for name, value in headers.items()}}
    return read(host_of(named), named, json.dumps(payload).encode())


def bitbucket(event: str, payload: Any) -> Delivery:
    headers = {"x-event-key": event, "x-request-uuid": "{5b1a}"}
    return read(host_of(headers), headers, json.dumps(payload).encode())


def told(host: str, event: str, payload: Any) -> Delivery:
    return {"github": github, "gitlab": gitlab, "bitbucket": bitbucket}[host](event, payload)


@pytest.mark.parametrize(
    "payload",
    [
        {"ref": "refs/heads/main", "repository": REPO, "commits": [{"added": ["a.yml"]}]},
        {"ref": "refs/heads/main", "repository": {"name": "flows", "owner": {"login": "acme"}}},
        {"ref": "refs/heads/main", "repository": REPO, "deleted": True, "after": ZEROS, "head_commit": None},
        {"ref": "refs/heads/main", "repository": REPO, "forced": True, "commits": []},
    ],
)
def test_a_push_to_github_says_which_branch_has_moved(payload: dict[str, Any]) -> None:
    assert Delivery("72d3162e", (BranchMoved(Host.GITHUB, "acme/flows", "main"),)) == github("push", payload)


def test_the_recorded_push_of_github_is_read() -> None:
    sample = Path(__file__).parents[4] / "shared" / "data" / "events" / "github_push_payload.json"
    payload = {
        "ref": "refs/heads/main",
        "repository": {"name": "data-pipelines", "owner": {"login": "example-org"}},
    }
    body = sample.read_bytes() if sample.exists() else json.dumps(payload).encode()

    found = read(Host.GITHUB, {"x-github-event": "push"}, body)

    assert (BranchMoved(Host.GITHUB, "example-org/data-pipelines", "main"),) == found.news


@pytest.mark.parametrize("host", list(PUSH))
@pytest.mark.parametrize("how", ["forced", "deleted", ""])
def test_a_push_in_the_shape_of_the_host_moves_its_branch(host: str, how: str) -> None:
    event, payload = PUSH[host]("acme/flows", "feature/a", **({how: True} if how else {}))

    assert (BranchMoved(Host(host), "acme/flows", "feature/a"),) == told(host, event, payload).news


@pytest.mark.parametrize("host", list(PUSH))
def test_a_tag_in_the_shape_of_the_host_moves_no_branch(host: str) -> None:
    event, payload = PUSH[host]("acme/flows", "v1", tag=True)

    assert () == told(host, event, payload).news


@pytest.mark.parametrize("fork", [False, True])
@pytest.mark.parametrize("host", list(PULL))
def test_a_pull_request_in_the_shape_of_the_host_is_that_of_its_base(host: str, fork: bool) -> None:
    wanted = [Action.CHANGED, Action.CHANGED, Action.CLOSED]

    for name, action in zip(ACTIONS[host], wanted, strict=True):
        event, payload = PULL[host]("acme/flows", 7, name, fork=fork)

        assert (PullChanged(Host(host), "acme/flows", 7, action),) == told(host, event, payload).news


def test_github_may_send_a_form() -> None:
    body = "payload=" + quote_plus(json.dumps({"ref": "refs/heads/a/b+c", "repository": REPO}))
    headers = {"x-github-event": "push", "content-type": "application/x-www-form-urlencoded; charset=utf-8"}

    assert (BranchMoved(Host.GITHUB, "acme/flows", "a/b+c"),) == read(
        Host.GITHUB, headers, body.encode()
    ).news


@pytest.mark.parametrize(
    ("action", "wanted"),
    [
        ("opened", Action.CHANGED),
        ("reopened", Action.CHANGED),
        ("synchronize", Action.CHANGED),
        ("ready_for_review", Action.CHANGED),
        ("edited", Action.CHANGED),
        ("closed", Action.CLOSED),
        ("labeled", None),
    ],
)
def test_a_pull_request_of_github(action: str, wanted: Action | None) -> None:
    found = github("pull_request", {"action": action, "repository": REPO, "pull_request": {"number": 7}})

    assert ((PullChanged(Host.GITHUB, "acme/flows", 7, wanted),) if wanted else ()) == found.news
    assert bool(wanted) != bool(found.ignored)


@pytest.mark.parametrize(
    ("event", "payload"),
    [
        ("ping", {"zen": "x"}),
        ("issues", {}),
        ("push", {"ref": "refs/tags/v1", "repository": REPO}),
    ],
)
def test_what_nobody_waits_for_is_ignored_with_a_reason(event: str, payload: dict[str, Any]) -> None:
    found = github(event, payload)

    assert () == found.news
    assert found.ignored


@pytest.mark.parametrize("name", ["webhook_id", "idempotency_key", "x_gitlab_event_uuid"])
def test_a_push_to_gitlab_and_its_identity(name: str) -> None:
    payload = {"ref": "refs/heads/main", "project": PROJECT, "checkout_sha": None, "total_commits_count": 400}

    found = gitlab("Push Hook", payload, **{name: "d1"})

    assert Delivery("d1", (BranchMoved(Host.GITLAB, "acme/data/flows", "main"),)) == found


@pytest.mark.parametrize(
    ("action", "wanted"),
    [
        ("open", Action.CHANGED),
        ("reopen", Action.CHANGED),
        ("update", Action.CHANGED),
        ("merge", Action.CLOSED),
        ("close", Action.CLOSED),
        ("approved", None),
    ],
)
def test_a_merge_request_of_gitlab(action: str, wanted: Action | None) -> None:
    payload = {"project": PROJECT, "object_attributes": {"iid": 3, "action": action}}

    found = gitlab("Merge Request Hook", payload)

    assert ((PullChanged(Host.GITLAB, "acme/data/flows", 3, wanted),) if wanted else ()) == found.news


def test_a_push_to_bitbucket_may_move_several_branches() -> None:
    changes = [
        {"old": None, "new": {"type": "branch", "name": "made"}, "truncated": True},
        {"old": {"type": "branch", "name": "gone"}, "new": None},
        {"old": None, "new": {"type": "tag", "name": "v1"}},
        {
            "old": {"type": "branch", "name": "made"},
            "new": {"type": "branch", "name": "made"},
            "forced": True,
        },
    ]

    found = bitbucket("repo:push", {"repository": REPO, "push": {"changes": changes}})

    assert "{5b1a}" == found.identity
    assert tuple(BranchMoved(Host.BITBUCKET, "acme/flows", name) for name in ("made", "gone")) == found.news
    assert 1 == len(found.ignored)


@pytest.mark.parametrize(
    ("event", "wanted"),
    [
        ("pullrequest:created", Action.CHANGED),
        ("pullrequest:updated", Action.CHANGED),
        ("pullrequest:fulfilled", Action.CLOSED),
        ("pullrequest:rejected", Action.CLOSED),
    ],
)
def test_a_pull_request_of_bitbucket(event: str, wanted: Action) -> None:
    found = bitbucket(event, {"repository": REPO, "pullrequest": {"id": 12}})

    assert (PullChanged(Host.BITBUCKET, "acme/flows", 12, wanted),) == found.news


def test_headers_of_no_host_are_refused() -> None:
    with pytest.raises(Misconfigured, match="X-GitHub-Event"):
        host_of({"content-type": "application/json"})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["ref", "repository", "action", "pull_request", "push", "number"]), inner
        )
    ),
    max_leaves=8,
)


@given(st.sampled_from(["push", "pull_request", "ping"]), JSON.map(json.dumps).map(str.encode) | st.binary())
def test_any_body_is_read_or_refused(event: str, body: bytes) -> None:
    try:
        found = read(Host.GITHUB, {"x-github-event": event}, body)
    except Misconfigured:
        return

    assert bool(found.news) != bool(found.ignored)


NEWS = st.builds(BranchMoved, st.sampled_from(Host), st.text(), st.text()) | st.builds(
    PullChanged, st.sampled_from(Host), st.text(), st.integers(1), st.sampled_from(Action)
)


@given(NEWS)
def test_news_survive_the_queue(news: News) -> None:
    assert news == news_of(json.loads(json.dumps(news.to_json())))


@pytest.mark.parametrize(
    "document", [{}, {"kind": "branch"}, {"kind": "pull", "host": "x", "repository": "a", "number": 1}]
)
def test_a_message_that_is_no_news_is_refused(document: dict[str, Any]) -> None:
    with pytest.raises(Misconfigured, match="no news"):
        news_of(document)
