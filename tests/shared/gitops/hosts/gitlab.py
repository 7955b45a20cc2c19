"""GitLab as its documentation and its own sources (lib/api) have it: https://docs.gitlab.com/api/rest/."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any
from urllib.parse import quote, urlencode

from graphql import build_schema, graphql_sync

from shared.gitops.fake import FakeRepository
from shared.gitops.repository import ChangeKind, Verdict
from tests.shared.gitops.hosts.host import Call, Declined, Dialect, Reply, Route, as_text, blob_name

SCHEMA = build_schema(
    """
    scalar BigInt
    type Query { project(fullPath: ID!): Project }
    type Project { repository: Repository }
    type Repository { blobs(ref: String, paths: [String!]!): RepositoryBlobConnection }
    type RepositoryBlobConnection { nodes: [RepositoryBlob] }
    type RepositoryBlob { id: ID! path: String! size: BigInt rawBlob: String }
    """
)
STATES = {
    "pending": Verdict.PENDING,
    "running": Verdict.PENDING,
    "success": Verdict.SUCCESS,
    "failed": Verdict.FAILURE,
    "canceled": Verdict.ERROR,
}


class GitLabDialect(Dialect):
    """`files`: how many a comparison shows before it says that it timed out."""

    prefix = "/api/v4"

    def __init__(self, model: FakeRepository) -> None:
        super().__init__(model)
        self.files = 1000
        self.together = 100

    def declined(self, error: Declined) -> Reply:
        return Reply(error.status, {"message": str(error)})

    def headers(self) -> dict[str, str]:
        return {"RateLimit-Limit": "2000", "RateLimit-Remaining": "1900", "RateLimit-Reset": "1795169760"}

    def routes(self) -> list[Route]:
        at = f"/api/v4/projects/{quote(self.model.name, safe='')}"
        return [
            ("GET", at, lambda call: Reply(200, {"path_with_namespace": self.model.name})),
            ("GET", f"{at}/repository/branches/([^/]+)", self._branch),
            ("DELETE", f"{at}/repository/branches/([^/]+)", self._drop_branch),
            ("GET", f"{at}/repository/compare", self._compare),
            ("GET", f"{at}/repository/tree", self._tree),
            ("GET", f"{at}/repository/files/([^/]+)/raw", self._raw),
            ("GET", f"{at}/repository/merge_base", self._merge_base),
            ("POST", f"{at}/repository/commits", self._commit),
            ("GET", f"{at}/merge_requests", self._merges),
            ("POST", f"{at}/merge_requests", self._make_merge),
            ("GET", f"{at}/merge_requests/(\\d+)", lambda call, number: Reply(200, self._merge(int(number)))),
            ("PUT", f"{at}/merge_requests/(\\d+)", self._edit_merge),
            ("GET", f"{at}/merge_requests/(\\d+)/notes", self._notes),
            ("POST", f"{at}/merge_requests/(\\d+)/notes", self._note),
            ("PUT", f"{at}/merge_requests/\\d+/notes/(\\d+)", self._edit_note),
            ("DELETE", f"{at}/merge_requests/\\d+/notes/(\\d+)", self._drop_note),
            ("POST", f"{at}/statuses/([0-9a-f]+)", self._status),
            ("GET", f"{at}/repository/commits/([0-9a-f]+)/statuses", self._statuses),
            ("POST", "/api/graphql", self._graphql),
        ]

    def _branch(self, call: Call, name: str) -> Reply:
        if name not in self.model.branches:
            raise Declined(404, "404 Branch Not Found")
        sha = self.model.branches[name]
        return Reply(200, {"name": name, "commit": {"id": sha, "parent_ids": list(self.commit(sha).parents)}})

    def _drop_branch(self, call: Call, name: str) -> Reply:
        # A merge request stays open without its branch.
        if self.model.branches.pop(name, None) is None:
            raise Declined(404, "404 Branch Not Found")
        return Reply(204)

    def _compare(self, call: Call) -> Reply:
        old, new = call.get("from"), call.get("to")
        if old not in self.model.commits or new not in self.model.commits:
            raise Declined(404, "404 Ref Not Found")
        base = old if call.get("straight") == "true" else self.base_of(old, new) or ""
        found = self.differ(base, new)
        diffs = [
            {
                "old_path": one.was or one.path,
                "new_path": one.path,
                "new_file": one.kind is ChangeKind.ADDED and not one.was,
                "deleted_file": one.kind is ChangeKind.REMOVED,
                "renamed_file": bool(one.was),
                "diff": "",
            }
            for one in found
        ]
        cut = len(diffs) > self.files
        return Reply(
            200, {"diffs": diffs[: self.files], "compare_timeout": cut, "compare_same_ref": old == new}
        )

    def _tree(self, call: Call) -> Reply:
        tree = self.commit(call.get("ref")).tree
        found = [{"path": path, "type": "blob", "id": blob_name(content)} for path, content in tree.items()]
        folders = {"/".join(path.split("/")[:n]) for path in tree for n in range(1, path.count("/") + 1)}
        found += [{"path": path, "type": "tree", "id": blob_name(path.encode())} for path in folders]
        if call.get("recursive") != "true" or call.get("pagination") != "keyset":
            raise Declined(400, "this fake has keyset pagination of recursive trees only")
        found.sort(key=lambda one: one["path"])
        per = min(int(call.get("per_page", "20")), self.largest)
        token = call.get("page_token")
        # What a token looks like is GitLab's own business; ids would not do, for files may be equal.
        place = next(n + 1 for n, one in enumerate(found) if one["path"] == token) if token else 0
        some = found[place : place + per]
        if place + per >= len(found):
            return Reply(200, some)
        rest = [pair for pair in call.query if pair[0] != "page_token"]
        link = f"{self.url}{call.path}?{urlencode([*rest, ('page_token', some[-1]['path'])])}"
        return Reply(200, some, {"Link": f'<{link}>; rel="next"'})

    def _raw(self, call: Call, path: str) -> Reply:
        tree = self.commit(call.get("ref")).tree
        if path not in tree:
            raise Declined(404, "404 File Not Found")
        return Reply(200, headers={"Content-Type": "text/plain; charset=utf-8"}, body=tree[path])

    def _merge_base(self, call: Call) -> Reply:
        refs = [value for name, value in call.query if name == "refs[]"]
        lost = [sha for sha in refs if sha not in self.model.commits]
        if lost or len(refs) < 2:
            raise Declined(400, f"Could not find ref: {', '.join(lost)}")
        if (found := self.base_of(*refs)) is None:
            raise Declined(404, "404 Merge Base Not Found")
        return Reply(200, {"id": found})

    def _commit(self, call: Call) -> Reply:
        """As Commits::CreateService and Files::MultiService check it."""
        said, branches = call.json, self.model.branches
        name, start = said["branch"], said.get("start_sha")
        if not said["commit_message"]:
            raise Declined(400, "commit_message is empty")
        if start and start not in self.model.commits:
            raise Declined(400, f"Cannot find start_sha '{start}'")
        if start and name in branches and said.get("force") is not True:
            raise Declined(400, f"A branch called '{name}' already exists. Switch to that branch")
        if not start and name not in branches:
            raise Declined(400, "You can only create or edit files when you are on a branch")
        parent = start or branches[name]
        tree = dict(self.commit(parent).tree)
        for one in said["actions"]:
            path, content = one["file_path"], one.get("content", "")
            if one["action"] == "create" and path in tree:
                raise Declined(400, "A file with this name already exists")
            if one["action"] in ("update", "delete") and path not in tree:
                raise Declined(400, "A file with this name doesn't exist")
            if one["action"] == "delete":
                del tree[path]
            else:
                tree[path] = (
                    base64.b64decode(content) if one.get("encoding") == "base64" else content.encode()
                )
        branches[name] = sha = self.store((parent,), tree, said["commit_message"])
        return Reply(201, {"id": sha, "parent_ids": [parent]})

    def _graphql(self, call: Call) -> Reply:
        def project(info: Any, fullPath: str) -> Any:  # noqa: N803  (the name is GitLab's)
            return {"repository": {"blobs": self._blobs}} if fullPath == self.model.name else None

        asked = call.json
        found = graphql_sync(SCHEMA, asked["query"], {"project": project}, variable_values=asked["variables"])
        errors = {"errors": [{"message": error.message} for error in found.errors]} if found.errors else {}
        return Reply(200, {"data": found.data, **errors})

    def _blobs(self, info: Any, paths: list[str], ref: str) -> Any:
        if len(paths) > self.together:
            raise ValueError(f"Query has complexity of {len(paths)}, which exceeds max complexity")
        tree = self.model.commits[ref].tree if ref in self.model.commits else {}
        # Sizes beyond what an Int holds are texts; BigInt is one always.
        return {
            "nodes": [
                {"path": path, "size": str(len(tree[path])), "rawBlob": as_text(tree[path])}
                for path in paths
                if path in tree
            ]
        }

    def _merge(self, number: int) -> dict[str, Any]:
        if number not in self.model.pulls:
            raise Declined(404, "404 Not found")
        pull = self.model._current(number)
        return {
            "iid": number,
            "title": pull.title,
            "description": self.model.bodies.get(number),
            "state": "opened" if pull.open else "closed",
            "source_branch": pull.head,
            "target_branch": pull.base,
            "source_project_id": 2 if pull.fork else 1,
            "target_project_id": 1,
            "sha": pull.head_sha,
            "diff_refs": {"base_sha": pull.base_sha, "head_sha": pull.head_sha, "start_sha": pull.base_sha},
            "web_url": f"https://gitlab.com/{self.model.name}/-/merge_requests/{number}",
        }

    def _merges(self, call: Call) -> Reply:
        head, state = call.get("source_branch"), call.get("state", "all")
        pulls = self.model.pulls.items()
        kept = [n for n, p in pulls if p.head == head and (state == "all" or p.open == (state == "opened"))]
        return self.linked(call, [self._merge(number) for number in kept])

    def _make_merge(self, call: Call) -> Reply:
        said = call.json
        if said["source_branch"] not in self.model.branches:
            raise Declined(400, "source_branch does not exist")
        if any(p.open and not p.fork and p.head == said["source_branch"] for p in self.model.pulls.values()):
            raise Declined(409, "Another open merge request already exists for this source branch: !1")
        number = self.model.open_pull(said["source_branch"], base=said["target_branch"], title=said["title"])
        self.model.bodies[number] = said["description"]
        return Reply(201, self._merge(number))

    def _edit_merge(self, call: Call, name: str) -> Reply:
        number, said = int(name), call.json
        pull = self.model._current(number)
        if said.get("state_event") == "close":
            self.model.pulls[number] = replace(pull, open=False)
        else:
            self.model.pulls[number] = replace(pull, title=said["title"], base=said["target_branch"])
            self.model.bodies[number] = said["description"]
        return Reply(200, self._merge(number))

    def _notes(self, call: Call, number: str) -> Reply:
        found = sorted(self.remarks.get(int(number), {}).items(), reverse=call.get("sort", "desc") == "desc")
        return self.linked(call, [{"id": name, "body": text, "system": False} for name, text in found])

    def _note(self, call: Call, number: str) -> Reply:
        if len(call.json["body"]) > 1_000_000:
            raise Declined(400, "Note is too long")
        return Reply(201, {"id": self.remark(int(number), call.json["body"])})

    def _edit_note(self, call: Call, name: str) -> Reply:
        self.remark_of(int(name))[int(name)] = call.json["body"]
        return Reply(200, {"id": int(name)})

    def _drop_note(self, call: Call, name: str) -> Reply:
        del self.remark_of(int(name))[int(name)]
        return Reply(204)

    def _statuses(self, call: Call, sha: str) -> Reply:
        self.commit(sha)
        told = {verdict: name for name, verdict in STATES.items() if name not in ("running", "failed")}
        told |= {Verdict.FAILURE: "failed"}
        found = [
            {"status": told[verdict], "name": name, "description": text, "target_url": None}
            for (at, name), (verdict, text) in self.model.statuses.items()
            if at == sha and name == call.get("name", name)
        ]
        return self.linked(call, found)

    def _status(self, call: Call, sha: str) -> Reply:
        said = call.json
        self.commit(sha)
        if not any(sha in self.model._past(head) for head in self._own_heads()):
            raise Declined(404, "404 References for commit Not Found")
        key, verdict = (sha, said["name"]), STATES[said["state"]]
        if key in self.model.statuses and self.model.statuses[key][0] is verdict is Verdict.PENDING:
            raise Declined(400, "Cannot transition status via :enqueue from :pending (Reason(s): ...)")
        if len(said["description"]) > 255:
            raise Declined(400, "description is too long (maximum is 255 characters)")
        self.model.statuses[key] = (verdict, said["description"])
        return Reply(201, said)

    def _own_heads(self) -> list[str]:
        """What our branches point to; those of forks are in no branch of the project."""
        forks = {pull.head for pull in self.model.pulls.values() if pull.fork}
        return [sha for name, sha in self.model.branches.items() if name not in forks]
