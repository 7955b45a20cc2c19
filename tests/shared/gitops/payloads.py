"""Deliveries in the shapes that the three hosts send: every key of a recorded delivery that may mislead a reader.

The shapes are those of deliveries that others recorded and of the hosts' documentation; the names in them are made up.
What only repeats (addresses of the API for each object) is left out.
"""

from __future__ import annotations

from typing import Any

OLD, NEW, ZEROS = (
    "6dcb09b5b57875f334f61aebed695e2e4193db5e",
    "95790bf891e76fee5e1747ab589903a6a1f80f22",
    "0" * 40,
)
WHEN = "2026-11-20T09:58:00+00:00"
PERSON = {"name": "Ada", "email": "ada@example.org"}

Delivery = tuple[str, dict[str, Any]]
"""The name of the event, and the body."""


def github_push(
    name: str, branch: str, *, forced: bool = False, deleted: bool = False, tag: bool = False
) -> Delivery:
    commit = {
        "id": NEW, "tree_id": OLD, "distinct": True, "message": "work", "timestamp": WHEN,
        "author": {**PERSON, "username": "ada"}, "committer": {**PERSON, "username": "ada"},
        "added": [], "removed": [], "modified": ["a file that is none of ours.yml"],
    }  # fmt: skip
    return "push", {
        "ref": f"refs/{'tags' if tag else 'heads'}/{branch}",
        "before": OLD, "after": ZEROS if deleted else NEW, "base_ref": None,
        "created": False, "deleted": deleted, "forced": forced,
        "compare": f"https://github.com/{name}/compare/{OLD[:12]}...{NEW[:12]}",
        "commits": [] if deleted else [commit], "head_commit": None if deleted else commit,
        "repository": _github_repository(name, owner="name"), "pusher": PERSON, "sender": _github_user("ada"),
    }  # fmt: skip


def github_pull(name: str, number: int, action: str, *, fork: bool = False) -> Delivery:
    side = {"label": "acme:main", "ref": "main", "sha": OLD, "user": _github_user("acme")}
    theirs = f"somebody/{name.partition('/')[2]}"
    pull = {
        "id": 279147437, "number": number, "state": "closed" if action == "closed" else "open", "draft": False,
        "title": "a change", "body": None, "user": _github_user("ada"), "merged": False, "mergeable": None,
        "merge_commit_sha": NEW, "commits": 1, "changed_files": 5000,
        "base": {**side, "repo": _github_repository(name)},
        "head": {**side, "ref": "work", "sha": NEW, "repo": _github_repository(theirs if fork else name)},
    }  # fmt: skip
    more = {"before": OLD, "after": NEW} if action == "synchronize" else {}
    document = {"action": action, "number": number, "pull_request": pull, **more}
    return "pull_request", {**document, "repository": _github_repository(name), "sender": _github_user("ada")}


def _github_user(login: str) -> dict[str, Any]:
    return {"login": login, "id": 21031067, "type": "User", "site_admin": False}


def _github_repository(name: str, *, owner: str = "") -> dict[str, Any]:
    login, _, short = name.partition("/")
    # The owner of a push has a name beside its login, that of a pull request has none.
    whose = {**_github_user(login), **({"name": login, "email": None} if owner else {})}
    return {
        "id": 186853002,
        "name": short,
        "full_name": name,
        "private": True,
        "owner": whose,
        "fork": False,
        "default_branch": "trunk",
    }


def gitlab_push(
    name: str, branch: str, *, forced: bool = False, deleted: bool = False, tag: bool = False
) -> Delivery:
    del forced  # GitLab does not say so.
    kind = "tag_push" if tag else "push"
    commit = {
        "id": NEW, "message": "work\n", "title": "work", "timestamp": WHEN, "author": PERSON,
        "url": f"https://gitlab.com/{name}/-/commit/{NEW}", "added": [], "removed": [],
        "modified": ["a file that is none of ours.yml"],
    }  # fmt: skip
    # At most 20 commits are told, whatever their count.
    return "Tag Push Hook" if tag else "Push Hook", {
        "object_kind": kind, "event_name": kind, "before": OLD, "after": ZEROS if deleted else NEW,
        "ref": f"refs/{'tags' if tag else 'heads'}/{branch}", "ref_protected": True,
        "checkout_sha": None if deleted else NEW, "message": None, "user_id": 2, "user_name": "Ada",
        "user_username": "ada", "user_email": "", "project_id": 15, "project": _gitlab_project(name),
        "commits": [] if deleted else [commit] * 20, "total_commits_count": 0 if deleted else 400,
        "push_options": {}, "repository": {"name": "flows", "url": f"git@gitlab.com:{name}.git"},
    }  # fmt: skip


def gitlab_merge(name: str, number: int, action: str, *, fork: bool = False) -> Delivery:
    theirs = f"somebody/{name.rpartition('/')[2]}"
    asked = {
        "id": 134400602, "iid": number, "author_id": 2, "title": "a change", "description": "", "state": "opened",
        "source_branch": "work", "target_branch": "main", "source_project_id": 16 if fork else 15,
        "target_project_id": 15, "merge_status": "unchecked", "merge_commit_sha": None, "action": action,
        "source": _gitlab_project(theirs if fork else name), "target": _gitlab_project(name),
        "last_commit": {"id": NEW, "message": "work", "title": "work", "timestamp": WHEN, "author": PERSON},
        **({"oldrev": OLD} if action == "update" else {}),
    }  # fmt: skip
    user = {"id": 2, "name": "Ada", "username": "ada", "email": "[REDACTED]"}
    return "Merge Request Hook", {
        "object_kind": "merge_request", "event_type": "merge_request", "user": user,
        "project": _gitlab_project(name), "object_attributes": asked, "labels": [], "changes": {},
        "repository": {"name": "flows", "url": f"git@gitlab.com:{name}.git"}, "assignees": [user],
    }  # fmt: skip


def _gitlab_project(name: str) -> dict[str, Any]:
    return {
        "id": 15, "name": "Flows", "description": "", "namespace": "Acme", "path_with_namespace": name,
        "default_branch": "trunk", "visibility_level": 0, "ci_config_path": None,
        "web_url": f"https://gitlab.com/{name}",
    }  # fmt: skip


def bitbucket_push(
    name: str, branch: str, *, forced: bool = False, deleted: bool = False, tag: bool = False
) -> Delivery:
    def ref(sha: str) -> dict[str, Any]:
        target = {
            "type": "commit", "hash": sha, "date": WHEN, "message": "work\n", "parents": [],
            "author": {"type": "author", "raw": "Ada <ada@example.org>"},
        }  # fmt: skip
        return {"name": branch, "type": "tag" if tag else "branch", "target": target}

    change = {
        "old": ref(OLD), "new": None if deleted else ref(NEW), "created": False, "forced": forced,
        "closed": deleted, "truncated": not deleted, "commits": [ref(NEW)["target"]] * (0 if deleted else 5),
    }  # fmt: skip
    document = {"actor": _bitbucket_user(), "repository": _bitbucket_repository(name)}
    return "repo:push", {**document, "push": {"changes": [change]}}


def bitbucket_pull(name: str, number: int, action: str, *, fork: bool = False) -> Delivery:
    def side(branch: str, sha: str, whose: str) -> dict[str, Any]:
        repository = {"type": "repository", "full_name": whose, "name": "Flows"}
        return {
            "branch": {"name": branch},
            "commit": {"type": "commit", "hash": sha[:12]},
            "repository": repository,
        }

    theirs = f"somebody/{name.partition('/')[2]}"
    pull = {
        "type": "pullrequest", "id": number, "title": "a change", "description": "", "draft": False,
        "state": "OPEN", "merge_commit": None, "close_source_branch": False, "author": _bitbucket_user(),
        "source": side("work", NEW, theirs if fork else name), "destination": side("main", OLD, name),
    }  # fmt: skip
    document = {"actor": _bitbucket_user(), "repository": _bitbucket_repository(name)}
    return f"pullrequest:{action}", {**document, "pullrequest": pull}


def _bitbucket_user() -> dict[str, Any]:
    uuid = "{c5a0d676-fd27-4bd4-ac69-a7540d7b495b}"
    return {
        "type": "user",
        "display_name": "Ada",
        "nickname": "ada",
        "uuid": uuid,
        "account_id": "5cf8e3a9678ca90f8e7cc8a8",
    }


def _bitbucket_repository(name: str) -> dict[str, Any]:
    slug = name.partition("/")[0]
    return {
        "type": "repository", "full_name": name, "name": "Flows", "scm": "git", "website": None,
        "is_private": True, "owner": _bitbucket_user(), "uuid": "{898477b2-a080-4089-b385-597a783db392}",
        "workspace": {"type": "workspace", "slug": slug, "name": "Acme"},
        "project": {"type": "project", "key": "DATA", "name": "Data"},
    }  # fmt: skip


PUSH = {"github": github_push, "gitlab": gitlab_push, "bitbucket": bitbucket_push}
PULL = {"github": github_pull, "gitlab": gitlab_merge, "bitbucket": bitbucket_pull}
ACTIONS = {
    "github": ("opened", "synchronize", "closed"),
    "gitlab": ("open", "update", "close"),
    "bitbucket": ("created", "updated", "rejected"),
}
"""What a host calls a pull request that is new, that was pushed to, and that is closed."""
