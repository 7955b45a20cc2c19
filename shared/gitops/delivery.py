"""From a webhook's headers and body to news: which repository, which branch or pull request; whose delivery it is.

Only names are read. Lists of files and commits are never: hosts cut them (GitHub at 2,048 commits, GitLab at 20,
Bitbucket at 5) or leave them out, and a force push makes them meaningless.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from shared.common.errors import Misconfigured
from shared.gitops.news import Action, BranchMoved, Host, News, NoNews, PullChanged

LARGEST = 25 * 1024 * 1024
"""Bytes of the largest delivery: GitHub sends no larger one."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """What one delivery says. `identity` is the host's own, the same when it is sent again; may be empty."""

    identity: str
    news: tuple[News, ...]
    ignored: tuple[str, ...] = ()


EVENT = {Host.GITHUB: "x-github-event", Host.GITLAB: "x-gitlab-event", Host.BITBUCKET: "x-event-key"}
"""The header that names the event, by host."""

IDENTITY = {
    Host.GITHUB: ("x-github-delivery",),
    Host.GITLAB: ("webhook-id", "idempotency-key", "x-gitlab-event-uuid"),
    Host.BITBUCKET: ("x-request-uuid",),
}
"""The headers that tell one delivery from another, the best first, by host."""


def host_of(headers: Mapping[str, str]) -> Host:
    """The host that sent these headers (lower-case names). Raises `Misconfigured` when none is told by them."""
    for host, name in EVENT.items():
        if headers.get(name):
            return host
    raise Misconfigured(
        "no header names an event",
        hint="a delivery has X-GitHub-Event, X-Gitlab-Event or X-Event-Key",
    )


def read(host: Host, headers: Mapping[str, str], body: bytes) -> Delivery:
    """Read a delivery whose signature is right. Raises `Misconfigured` for a body that is none of this host."""
    event = headers.get(EVENT[host], "")
    identity = next((headers[name] for name in IDENTITY[host] if headers.get(name)), "")
    found = _READERS[host].get(event)
    if found is None:
        return Delivery(identity, (), (f"the event {event[:100]!r} is not waited for",))
    payload = _payload(headers, body)
    try:
        told = list(found(payload))
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise Misconfigured(
            f"the body is no {event!r} of {host.value}: {_said(error)}", host=host.value
        ) from None
    news = dict.fromkeys(one for one in told if not isinstance(one, NoNews))
    return Delivery(identity, tuple(news), tuple(one.reason for one in told if isinstance(one, NoNews)))


def _payload(headers: Mapping[str, str], body: bytes) -> Any:
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    try:
        if kind == "application/x-www-form-urlencoded":
            fields = parse_qs(body.decode("ascii"), strict_parsing=True, max_num_fields=10)
            return json.loads(fields["payload"][0])
        return json.loads(body)
    except (ValueError, KeyError, RecursionError):
        raise Misconfigured("the body is no JSON document") from None


def _said(error: Exception) -> str:
    return f"it has no {error}" if isinstance(error, KeyError) else str(error)


def _branch(ref: Any) -> str | None:
    """The branch of a full name of a reference; None for a tag.

    >>> _branch("refs/heads/feature/a")
    'feature/a'
    """
    return ref.removeprefix("refs/heads/") if ref.startswith("refs/heads/") else None


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise TypeError("a name in it is empty or no text")
    return value


def _whole(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise TypeError("the number of the pull request is none")
    return value


# GitHub: https://docs.github.com/en/webhooks/webhook-events-and-payloads


def _github_name(repository: Mapping[str, Any]) -> str:
    full = repository.get("full_name")
    return _text(full) if full else f"{_text(repository['owner']['login'])}/{_text(repository['name'])}"


def _github_push(payload: Any) -> Iterator[News | NoNews]:
    branch, name = _branch(_text(payload["ref"])), _github_name(payload["repository"])
    yield BranchMoved(Host.GITHUB, name, branch) if branch else NoNews("a push of a tag")


_GITHUB_CHANGED = frozenset({"opened", "reopened", "synchronize", "ready_for_review", "edited"})


def _github_pull(payload: Any) -> Iterator[News | NoNews]:
    action, name = _text(payload["action"]), _github_name(payload["repository"])
    number = _whole(payload["pull_request"]["number"])
    if action in _GITHUB_CHANGED:
        yield PullChanged(Host.GITHUB, name, number, Action.CHANGED)
    elif action == "closed":
        yield PullChanged(Host.GITHUB, name, number, Action.CLOSED)
    else:
        yield NoNews(f"a pull request was {action[:50]}")


# GitLab: https://docs.gitlab.com/user/project/integrations/webhook_events/


def _gitlab_push(payload: Any) -> Iterator[News | NoNews]:
    branch, name = _branch(_text(payload["ref"])), _text(payload["project"]["path_with_namespace"])
    yield BranchMoved(Host.GITLAB, name, branch) if branch else NoNews("a push of a tag")


def _gitlab_merge(payload: Any) -> Iterator[News | NoNews]:
    name, asked = _text(payload["project"]["path_with_namespace"]), payload["object_attributes"]
    number, action = _whole(asked["iid"]), asked.get("action") or "changed"
    if action in ("close", "merge"):
        yield PullChanged(Host.GITLAB, name, number, Action.CLOSED)
    elif action in ("open", "reopen", "update", "changed"):
        yield PullChanged(Host.GITLAB, name, number, Action.CHANGED)
    else:
        yield NoNews(f"a merge request: {str(action)[:50]}")


# Bitbucket Cloud: https://support.atlassian.com/bitbucket-cloud/docs/event-payloads/


def _bitbucket_push(payload: Any) -> Iterator[News | NoNews]:
    name = _text(payload["repository"]["full_name"])
    for change in payload["push"]["changes"]:
        # A branch that is gone has no `new`, one that is made no `old`.
        ref = change.get("new") or change["old"]
        branch = ref["type"] == "branch"
        yield BranchMoved(Host.BITBUCKET, name, _text(ref["name"])) if branch else NoNews("a push of a tag")


def _bitbucket_pull(action: Action) -> Callable[[Any], Iterator[News | NoNews]]:
    def pull(payload: Any) -> Iterator[News | NoNews]:
        number = _whole(payload["pullrequest"]["id"])
        yield PullChanged(Host.BITBUCKET, _text(payload["repository"]["full_name"]), number, action)

    return pull


_Reader = Callable[[Any], Iterator[News | NoNews]]
_READERS: dict[Host, dict[str, _Reader]] = {
    Host.GITHUB: {"push": _github_push, "pull_request": _github_pull},
    Host.GITLAB: {"Push Hook": _gitlab_push, "Merge Request Hook": _gitlab_merge},
    Host.BITBUCKET: {
        "repo:push": _bitbucket_push,
        "pullrequest:created": _bitbucket_pull(Action.CHANGED),
        "pullrequest:updated": _bitbucket_pull(Action.CHANGED),
        "pullrequest:fulfilled": _bitbucket_pull(Action.CLOSED),
        "pullrequest:rejected": _bitbucket_pull(Action.CLOSED),
    },
}
