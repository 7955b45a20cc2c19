"""GitHub as its documentation has it: https://docs.github.com/en/rest and https://docs.github.com/en/graphql."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import replace
from typing import Any

from graphql import build_schema, graphql_sync

from shared.gitops.fake import FakeRepository
from shared.gitops.repository import ChangeKind, Pull, Verdict
from tests.shared.gitops.hosts.host import Call, Declined, Dialect, Reply, Route, as_text, blob_name

SCHEMA = build_schema(
    """
    type Query { repository(owner: String!, name: String!): Repository }
    type Repository { object(expression: String): GitObject }
    interface GitObject { oid: String! }
    type Blob implements GitObject { oid: String! byteSize: Int! text: String isBinary: Boolean isTruncated: Boolean! }
    type Tree implements GitObject { oid: String! }
    """
)
SHOWN = 512_000
"""Bytes of a file that a query shows."""


class GitHubDialect(Dialect):
    """`entries`: how many of them a recursive tree shows. `moved`: branches that were renamed, by their old name.

    `points`: what is left for queries, which are counted for themselves.
    """

    def __init__(self, model: FakeRepository) -> None:
        super().__init__(model)
        self.entries = 100_000
        self.moved: dict[str, str] = {}
        self.gone_forks: set[int] = set()
        self.points = 4900
        self.trees: dict[str, dict[str, bytes]] = {}
        self.blobs: dict[str, bytes] = {}

    def headers(self) -> dict[str, str]:
        return {
            "X-RateLimit-Limit": "5000",
            "X-RateLimit-Remaining": "4900",
            "X-RateLimit-Reset": "1795169760",
        }

    def declined(self, error: Declined) -> Reply:
        return Reply(
            error.status, {"message": str(error), "documentation_url": "https://docs.github.com/rest"}
        )

    def routes(self) -> list[Route]:
        at = f"/repos/{self.model.name}"
        return [
            ("GET", at, lambda call: Reply(200, {"full_name": self.model.name})),
            ("GET", f"{at}/branches/([^/]+)", self._branch),
            ("GET", f"{at}/compare/([0-9a-f]+)\\.\\.\\.([0-9a-f]+)", self._compare),
            ("GET", f"{at}/git/trees/([0-9a-f]+)", self._tree),
            ("POST", f"{at}/git/trees", self._make_tree),
            ("POST", f"{at}/git/blobs", self._make_blob),
            ("GET", f"{at}/git/commits/([0-9a-f]+)", lambda call, sha: Reply(200, self._git_commit(sha))),
            ("POST", f"{at}/git/commits", self._make_commit),
            ("POST", f"{at}/git/refs", self._make_ref),
            ("PATCH", f"{at}/git/refs/heads/(.+)", self._move_ref),
            ("DELETE", f"{at}/git/refs/heads/(.+)", self._drop_ref),
            ("GET", f"{at}/contents/(.+)", self._contents),
            ("POST", "/graphql", self._graphql),
            ("GET", f"{at}/pulls", self._pulls),
            ("POST", f"{at}/pulls", self._make_pull),
            ("GET", f"{at}/pulls/(\\d+)", lambda call, number: Reply(200, self._pull(int(number)))),
            ("PATCH", f"{at}/pulls/(\\d+)", self._edit_pull),
            ("GET", f"{at}/issues/(\\d+)/comments", self._comments),
            ("POST", f"{at}/issues/(\\d+)/comments", self._comment),
            ("PATCH", f"{at}/issues/comments/(\\d+)", self._edit_comment),
            ("DELETE", f"{at}/issues/comments/(\\d+)", self._drop_comment),
            ("POST", f"{at}/statuses/([0-9a-f]+)", self._status),
            ("GET", f"{at}/commits/([0-9a-f]+)/statuses", self._statuses),
        ]

    # Objects

    def _named(self, tree: dict[str, bytes]) -> str:
        name = hashlib.sha1(repr(sorted(tree.items())).encode(), usedforsecurity=False).hexdigest()
        self.trees[name] = tree
        return name

    def _git_commit(self, sha: str) -> dict[str, Any]:
        commit = self.commit(sha)
        return {
            "sha": sha,
            "message": commit.message,
            "tree": {"sha": self._named(dict(commit.tree))},
            "parents": [{"sha": parent} for parent in commit.parents],
        }

    def _repo_commit(self, sha: str) -> dict[str, Any]:
        found = self._git_commit(sha)
        return {"sha": sha, "commit": {"message": found["message"], "tree": found["tree"]}}

    def _branch(self, call: Call, name: str) -> Reply:
        if name in self.moved:
            target = f"{self.url}/repos/{self.model.name}/branches/{self.moved[name]}"
            return Reply(301, {"message": "Moved Permanently", "url": target}, {"Location": target})
        if name not in self.model.branches:
            raise Declined(404, "Branch not found")
        return Reply(200, {"name": name, "commit": self._repo_commit(self.model.branches[name])})

    def _compare(self, call: Call, base: str, head: str) -> Reply:
        self.commit(base), self.commit(head)
        common = self.base_of(base, head)
        if common is None:
            raise Declined(404, f"No common ancestor between {base} and {head}.")
        status = {(True, True): "identical", (True, False): "ahead", (False, True): "behind"}.get(
            (common == base, common == head), "diverged"
        )
        past = set(self.model._past(base))
        ahead = [self._repo_commit(sha) for sha in reversed(self.model._past(head)) if sha not in past]
        some, more = self.slice(call, ahead, size="per_page", default=250)
        # Files come with the first page only, whatever its size, and never more than 300.
        files = [self._file(one.path, one.kind, one.was) for one in self.differ(common, head)][:300]
        document = {
            "status": status,
            "merge_base_commit": self._repo_commit(common),
            "commits": some,
            **({"files": files} if call.get("page", "1") == "1" else {}),
        }
        return Reply(200, document, {"Link": f'<{more}>; rel="next"'} if more else {})

    def _file(self, path: str, kind: ChangeKind, was: str) -> dict[str, Any]:
        if was:
            return {"filename": path, "status": "renamed", "previous_filename": was, "sha": "0" * 40}
        return {"filename": path, "status": kind.value, "sha": "0" * 40}

    def _tree(self, call: Call, name: str) -> Reply:
        tree = dict(self.model.commits[name].tree) if name in self.model.commits else self.trees.get(name)
        if tree is None:
            raise Declined(404, "Not Found")
        folders: dict[str, dict[str, bytes]] = {}
        for path, content in tree.items():
            parts = path.split("/")
            for depth in range(1, len(parts)):
                inner = folders.setdefault("/".join(parts[:depth]), {})
                inner["/".join(parts[depth:])] = content
        recursive = "recursive" in dict(call.query)
        found = [{"path": p, "type": "tree", "sha": self._named(inner)} for p, inner in folders.items()]
        found += [{"path": p, "type": "blob", "sha": blob_name(content)} for p, content in tree.items()]
        found = sorted(
            (one for one in found if recursive or "/" not in one["path"]), key=lambda one: one["path"]
        )
        cut = recursive and len(found) > self.entries
        return Reply(200, {"sha": name, "tree": found[: self.entries] if cut else found, "truncated": cut})

    def _make_blob(self, call: Call) -> Reply:
        said = call.json
        content = (
            base64.b64decode(said["content"])
            if said.get("encoding") == "base64"
            else said["content"].encode()
        )
        self.blobs[blob_name(content)] = content
        return Reply(201, {"sha": blob_name(content)})

    def _make_tree(self, call: Call) -> Reply:
        base = call.json.get("base_tree")
        if base and base not in self.trees:
            raise Declined(422, "base_tree is not a valid tree oid")
        if not call.json["tree"]:
            raise Declined(422, "Invalid tree info")
        tree = dict(self.trees[base]) if base else {}
        for one in call.json["tree"]:
            if one["mode"] != "100644" or one["type"] != "blob" or one["path"].startswith("/"):
                raise Declined(422, "tree.path contains a malformed path component")
            if "content" in one:
                tree[one["path"]] = one["content"].encode()
            elif one["sha"] is not None:
                tree[one["path"]] = self.blobs[one["sha"]]
            elif tree.pop(one["path"], None) is None:
                raise Declined(422, "GitRPC::BadObjectState")
        return Reply(201, {"sha": self._named(tree)})

    def _make_commit(self, call: Call) -> Reply:
        said = call.json
        if said["tree"] not in self.trees:
            raise Declined(422, "Tree SHA does not exist")
        sha = self.store(tuple(said["parents"]), self.trees[said["tree"]], said["message"])
        return Reply(201, self._git_commit(sha))

    # References

    def _make_ref(self, call: Call) -> Reply:
        name = call.json["ref"].removeprefix("refs/heads/")
        if name == call.json["ref"] or name in self.model.branches:
            raise Declined(422, "Reference already exists")
        self.model.branches[name] = call.json["sha"]
        return Reply(201, {"ref": call.json["ref"]})

    def _move_ref(self, call: Call, name: str) -> Reply:
        if name not in self.model.branches:
            raise Declined(422, "Reference does not exist")
        sha = call.json["sha"]
        if call.json.get("force") is not True and self.model.branches[name] not in self.model._past(sha):
            raise Declined(422, "Update is not a fast forward")
        self.model.branches[name] = sha
        return Reply(200, {"ref": f"refs/heads/{name}"})

    def _drop_ref(self, call: Call, name: str) -> Reply:
        if self.model.branches.pop(name, None) is None:
            raise Declined(422, "Reference does not exist")
        for number, pull in self.model.pulls.items():
            if pull.head == name and not pull.fork:
                self.model.pulls[number] = replace(pull, open=False)
        return Reply(204)

    # Files

    def _contents(self, call: Call, path: str) -> Reply:
        tree = self.commit(call.get("ref")).tree
        if any(name.startswith(f"{path}/") for name in tree):
            return Reply(
                200, [{"path": name, "type": "file"} for name in tree if name.startswith(f"{path}/")]
            )
        if path not in tree:
            raise Declined(404, "Not Found")
        raw = "raw" in call.headers.get("accept", "")
        if not raw:
            return Reply(200, {"content": base64.b64encode(tree[path]).decode()})
        return Reply(200, headers={"Content-Type": "application/vnd.github.raw+json"}, body=tree[path])

    def _graphql(self, call: Call) -> Reply:
        def repository(info: Any, owner: str, name: str) -> Any:
            return {"object": self._object} if f"{owner}/{name}" == self.model.name else None

        asked = call.json
        found = graphql_sync(
            SCHEMA, asked["query"], {"repository": repository}, variable_values=asked["variables"]
        )
        answer: dict[str, Any] = {"data": found.data}
        if found.errors:
            answer["errors"] = [{"message": error.message} for error in found.errors]
        elif found.data and found.data["repository"] is None:
            answer["errors"] = [{"type": "NOT_FOUND", "message": "Could not resolve to a Repository"}]
        return Reply(200, answer, {**self.headers(), "X-RateLimit-Remaining": str(self.points)})

    def _object(self, info: Any, expression: str) -> Any:
        sha, _, path = expression.partition(":")
        tree = self.model.commits[sha].tree if sha in self.model.commits else {}
        if path in tree:
            text, size = as_text(tree[path]), len(tree[path])
            shown = {"text": text and text[:SHOWN], "byteSize": size, "isTruncated": size > SHOWN}
            return {"__typename": "Blob", "oid": blob_name(tree[path]), **shown}
        folder = any(name.startswith(f"{path}/") for name in tree)
        return {"__typename": "Tree", "oid": "0" * 40} if folder else None

    # Pull requests

    def _pull(self, number: int) -> dict[str, Any]:
        if number not in self.model.pulls:
            raise Declined(404, "Not Found")
        pull, first = self.model._current(number), self.model.pulls[number]
        theirs = None if number in self.gone_forks else {"full_name": "somebody/flows"}
        return {
            "number": number,
            "title": pull.title,
            "state": "open" if pull.open else "closed",
            "body": self.model.bodies.get(number),
            "html_url": f"https://github.com/{self.model.name}/pull/{number}",
            # The base is as it was when the pull request was pushed to, and not as it is now.
            "base": {"ref": pull.base, "sha": first.base_sha, "repo": {"full_name": self.model.name}},
            "head": {
                "ref": pull.head,
                "sha": pull.head_sha,
                "repo": theirs if pull.fork else {"full_name": self.model.name},
            },
        }

    def _pulls(self, call: Call) -> Reply:
        owner, _, head = call.get("head").partition(":")
        if owner != self.model.name.partition("/")[0]:
            return Reply(200, [])
        state = call.get("state", "open")
        found = [
            self._pull(n)
            for n, pull in self.model.pulls.items()
            if pull.head == head and not pull.fork and (state == "all" or pull.open == (state == "open"))
        ]
        return self.linked(call, found)

    def _make_pull(self, call: Call) -> Reply:
        said = call.json
        if said["head"] not in self.model.branches:
            raise Declined(422, "Validation Failed")
        if any(
            p.open and not p.fork and p.head == said["head"] and p.base == said["base"]
            for p in self.model.pulls.values()
        ):
            raise Declined(422, "Validation Failed")
        number = self.model.open_pull(said["head"], base=said["base"], title=said["title"])
        self.model.bodies[number] = said["body"]
        return Reply(201, self._pull(number))

    def _edit_pull(self, call: Call, name: str) -> Reply:
        number, said = int(name), call.json
        pull: Pull = self.model._current(number)
        self.model.pulls[number] = replace(pull, title=said["title"], base=said["base"])
        self.model.bodies[number] = said["body"]
        return Reply(200, self._pull(number))

    def _comments(self, call: Call, number: str) -> Reply:
        found = self.remarks.get(int(number), {})
        return self.linked(call, [{"id": name, "body": text} for name, text in sorted(found.items())])

    def _comment(self, call: Call, number: str) -> Reply:
        if len(call.json["body"]) > 65_536:
            raise Declined(422, "Validation Failed")
        return Reply(201, {"id": self.remark(int(number), call.json["body"])})

    def _edit_comment(self, call: Call, name: str) -> Reply:
        self.remark_of(int(name))[int(name)] = call.json["body"]
        return Reply(200, {"id": int(name)})

    def _drop_comment(self, call: Call, name: str) -> Reply:
        del self.remark_of(int(name))[int(name)]
        return Reply(204)

    def _statuses(self, call: Call, sha: str) -> Reply:
        self.commit(sha)
        found = [
            {"state": str(verdict), "context": context, "description": told, "target_url": None}
            for (at, context), (verdict, told) in reversed(self.model.statuses.items())
            if at == sha
        ]
        return self.linked(call, found)

    def _status(self, call: Call, sha: str) -> Reply:
        said = call.json
        if sha not in self.model.commits:
            raise Declined(422, f"No commit found for SHA: {sha}")
        if len(said["description"]) > 140 or said["state"] not in set(Verdict):
            raise Declined(422, "Validation Failed")
        self.model.statuses[sha, said["context"]] = (Verdict(said["state"]), said["description"])
        return Reply(201, said)
