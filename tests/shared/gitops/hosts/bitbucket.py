"""Bitbucket Cloud as its documentation has it: https://developer.atlassian.com/cloud/bitbucket/rest/."""

from __future__ import annotations

import difflib
import re
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl

from shared.gitops.fake import FakeRepository
from shared.gitops.repository import ChangeKind, Verdict
from tests.shared.gitops.hosts.host import Call, Declined, Dialect, Reply, Route, blob_name

STATES = {
    "INPROGRESS": Verdict.PENDING,
    "SUCCESSFUL": Verdict.SUCCESS,
    "FAILED": Verdict.FAILURE,
    "STOPPED": Verdict.ERROR,
}
META = ("message", "author", "parents", "files", "branch")


class BitbucketDialect(Dialect):
    """`hidden`: commits of forks, which this repository does not have. `lost`: pull requests whose fork is gone.

    `locates`: whether a new commit is named. `declines`: whether a pull request ends with its branch; the documentation
    does not say, so both must do.
    """

    prefix = "/2.0"

    def __init__(self, model: FakeRepository) -> None:
        super().__init__(model)
        self.hidden: set[str] = set()
        self.builds: dict[tuple[str, str], dict[str, str]] = {}
        self.locates = True
        self.declines = False
        self.lost: set[int] = set()

    def declined(self, error: Declined) -> Reply:
        return Reply(error.status, {"type": "error", "error": {"message": str(error)}})

    def routes(self) -> list[Route]:
        at = f"/2.0/repositories/{self.model.name}"
        return [
            ("GET", at, lambda call: Reply(200, {"full_name": self.model.name})),
            ("GET", f"{at}/refs/branches/([^/]+)", self._branch),
            ("DELETE", f"{at}/refs/branches/([^/]+)", self._drop_branch),
            ("GET", f"{at}/diffstat/([0-9a-f]+)\\.\\.([0-9a-f]+)", self._diffstat),
            ("GET", f"{at}/diff/([0-9a-f]+)\\.\\.([0-9a-f]+)", self._diff),
            ("GET", f"{at}/merge-base/([0-9a-f]+)\\.\\.([0-9a-f]+)", self._merge_base),
            ("GET", f"{at}/commit/([0-9a-f]+)", self._commit),
            ("POST", f"{at}/src", self._write),
            ("GET", f"{at}/src/([0-9a-f]+)/(.*)", self._source),
            ("GET", f"{at}/pullrequests", self._pulls),
            ("POST", f"{at}/pullrequests", self._make_pull),
            ("GET", f"{at}/pullrequests/(\\d+)", lambda call, number: Reply(200, self._pull(int(number)))),
            ("PUT", f"{at}/pullrequests/(\\d+)", self._edit_pull),
            ("POST", f"{at}/pullrequests/(\\d+)/decline", self._decline),
            ("GET", f"{at}/pullrequests/(\\d+)/comments", self._comments),
            ("POST", f"{at}/pullrequests/(\\d+)/comments", self._comment),
            ("PUT", f"{at}/pullrequests/\\d+/comments/(\\d+)", self._edit_comment),
            ("DELETE", f"{at}/pullrequests/(\\d+)/comments/(\\d+)", self._drop_comment),
            ("POST", f"{at}/commit/([0-9a-f]+)/statuses/build", self._status),
            ("GET", f"{at}/commit/([0-9a-f]+)/statuses/build/([^/]+)", self._status_of),
        ]

    def most(self, call: Call) -> int:
        if "/diffstat/" in call.path:
            return 500
        return 50 if call.path.endswith("/pullrequests") else 100

    def commit(self, sha: str) -> Any:
        if sha in self.hidden:
            raise Declined(404, f"Commit not found: {sha}")
        return super().commit(sha)

    def _page(self, call: Call, found: list[Any]) -> Reply:
        some, more = self.slice(call, found, size="pagelen", default=10)
        document = {"pagelen": int(call.get("pagelen", "10")), "values": some}
        return Reply(200, {**document, **({"next": more} if more else {})})

    def _branch(self, call: Call, name: str) -> Reply:
        if name not in self.model.branches:
            raise Declined(404, f'Branch "{name}" not found')
        return Reply(200, {"type": "branch", "name": name, "target": {"hash": self.model.branches[name]}})

    def _drop_branch(self, call: Call, name: str) -> Reply:
        if self.model.branches.pop(name, None) is None:
            raise Declined(404, f'Branch "{name}" not found')
        for number, pull in self.model.pulls.items() if self.declines else ():
            self.model.pulls[number] = replace(pull, open=pull.open and pull.head != name)
        return Reply(204)

    def _spec(self, call: Call, source: str, target: str) -> tuple[str, str]:
        """The two commits that a diff is of, the older one first: the spec has the newer one first.

        With `topic`, which is the default, it begins where the two parted.
        """
        self.commit(source), self.commit(target)
        if call.get("topic", "true") == "true":
            return self.base_of(source, target) or "", source
        return target, source

    def _diffstat(self, call: Call, source: str, target: str) -> Reply:
        found = []
        for one in self.differ(*self._spec(call, source, target)):
            old = {"path": one.was or one.path} if one.kind is not ChangeKind.ADDED or one.was else None
            new = {"path": one.path} if one.kind is not ChangeKind.REMOVED else None
            status = "renamed" if one.was else one.kind.value
            found.append({"type": "diffstat", "status": status, "old": old, "new": new})
        return self._page(call, found)

    def _diff(self, call: Call, source: str, target: str) -> Reply:
        if call.get("renames") != "false":
            raise Declined(400, "this fake shows no renames")
        old, new = (self.commit(sha).tree for sha in self._spec(call, source, target))
        context = int(call.get("context", "3"))
        parts = [
            _diff(p, old.get(p), new.get(p), context)
            for p in sorted({*old, *new})
            if old.get(p) != new.get(p)
        ]
        return Reply(200, headers={"Content-Type": "text/plain"}, body=b"".join(parts))

    def _merge_base(self, call: Call, one: str, other: str) -> Reply:
        self.commit(one), self.commit(other)
        if (found := self.base_of(one, other)) is None:
            raise Declined(404, "No common ancestor")
        return Reply(200, {"type": "commit", "hash": found})

    def _commit(self, call: Call, name: str) -> Reply:
        sha = next((sha for sha in self.model.commits if sha.startswith(name)), name)
        return Reply(200, {"type": "commit", "hash": self.commit(sha).sha})

    def _write(self, call: Call) -> Reply:
        if not call.headers["content-type"].startswith("application/x-www-form-urlencoded"):
            raise Declined(400, "this fake has forms only")
        fields = parse_qsl(call.body.decode(), keep_blank_values=True, strict_parsing=True)
        said = {name: value for name, value in fields if name in META}
        posted = {name.lstrip("/"): value for name, value in fields if name not in META}
        parent, name = said["parents"], said["branch"]
        if self.model.branches.get(name, parent) != parent:
            raise Declined(409, "The parent is not the branch's tip")
        tree = dict(self.commit(parent).tree)
        tree.update({path: text.encode() for path, text in posted.items()})
        for path in (value.lstrip("/") for key, value in fields if key == "files"):
            if path not in posted:
                tree.pop(path, None)
        self.model.branches[name] = sha = self.store((parent,), tree, said["message"])
        place = f"{self.url}/2.0/repositories/{self.model.name}/commit/{sha}"
        return Reply(201, headers={"Location": place} if self.locates else {}, body=b"")

    def _source(self, call: Call, sha: str, path: str) -> Reply:
        tree = self.commit(sha).tree
        if path in tree:
            kind = "application/json" if path.endswith(".json") else "text/plain"
            return Reply(200, headers={"Content-Type": kind}, body=tree[path])
        under = f"{path.rstrip('/')}/" if path else ""
        depth = int(call.get("max_depth", "1"))
        inside = [name.removeprefix(under) for name in tree if name.startswith(under)]
        if not inside:
            raise Declined(404, f"No such file or directory: {path}")
        found = {
            "/".join(name.split("/")[:n]): "commit_file" if n == name.count("/") + 1 else "commit_directory"
            for name in inside
            for n in range(1, min(depth, name.count("/") + 1) + 1)
        }
        return self._page(
            call, [{"type": kind, "path": under + name} for name, kind in sorted(found.items())]
        )

    # Pull requests

    def _pull(self, number: int) -> dict[str, Any]:
        if number not in self.model.pulls:
            raise Declined(404, "Not found")
        pull = self.model._current(number)
        home, here = ("somebody/flows" if pull.fork else self.model.name), self.model.name
        return {
            "id": number,
            "title": pull.title,
            "description": self.model.bodies.get(number, ""),
            "state": "OPEN" if pull.open else "DECLINED",
            "source": {
                "branch": {"name": pull.head},
                "commit": None if number in self.lost else {"hash": pull.head_sha[:12]},
                "repository": None if number in self.lost else {"full_name": home},
            },
            "destination": {
                "branch": {"name": pull.base},
                "commit": {"hash": pull.base_sha[:12]},
                "repository": {"full_name": here},
            },
            "links": {"html": {"href": f"https://bitbucket.org/{here}/pull-requests/{number}"}},
        }

    def _pulls(self, call: Call) -> Reply:
        asked = re.fullmatch('source\\.branch\\.name = "(.+)" AND state = "OPEN"', call.get("q"))
        if not asked:
            raise Declined(400, "this fake knows one query only")
        pulls = self.model.pulls.items()
        return self._page(call, [self._pull(n) for n, pull in pulls if pull.open and pull.head == asked[1]])

    def _make_pull(self, call: Call) -> Reply:
        said = call.json
        head, base = said["source"]["branch"]["name"], said["destination"]["branch"]["name"]
        if head not in self.model.branches:
            raise Declined(400, "source: branch not found")
        number = self.model.open_pull(head, base=base, title=said["title"])
        self.model.bodies[number] = said["description"]
        return Reply(201, self._pull(number))

    def _edit_pull(self, call: Call, name: str) -> Reply:
        number, said = int(name), call.json
        pull = self.model._current(number)
        if not pull.open:
            raise Declined(400, "Only open pull requests can be mutated")
        base = said["destination"]["branch"]["name"]
        self.model.pulls[number] = replace(pull, title=said["title"], base=base)
        self.model.bodies[number] = said["description"]
        return Reply(200, self._pull(number))

    def _decline(self, call: Call, number: str) -> Reply:
        self.model.pulls[int(number)] = replace(self.model._current(int(number)), open=False)
        return Reply(200, self._pull(int(number)))

    def _comments(self, call: Call, number: str) -> Reply:
        found = sorted(self.remarks.get(int(number), {}).items())
        gone = {"deleted": True, "content": {"raw": ""}}
        said = [{"id": name, "deleted": False, "content": {"raw": text}} for name, text in found]
        return self._page(call, [{"id": 0, **gone}, *said])

    def _comment(self, call: Call, number: str) -> Reply:
        if len(call.json["content"]["raw"]) > 32_768:
            raise Declined(400, "Comment is too long")
        return Reply(201, {"id": self.remark(int(number), call.json["content"]["raw"])})

    def _edit_comment(self, call: Call, name: str) -> Reply:
        self.remark_of(int(name))[int(name)] = call.json["content"]["raw"]
        return Reply(200, {"id": int(name)})

    def _drop_comment(self, call: Call, number: str, name: str) -> Reply:
        del self.remark_of(int(name))[int(name)]
        return Reply(204)

    def _status_of(self, call: Call, sha: str, key: str) -> Reply:
        said = self.builds.get((sha, key), {})
        if (sha, said.get("name")) not in self.model.statuses:
            raise Declined(404, "No such status")
        return Reply(200, {"type": "build", **said})

    def _status(self, call: Call, sha: str) -> Reply:
        said = call.json
        self.commit(sha)
        if not said.get("url") or len(said["key"]) > 40:
            raise Declined(400, "url: This field is required")
        self.builds[sha, said["key"]] = said
        self.model.statuses[sha, said["name"]] = (STATES[said["state"]], said["description"])
        return Reply(201, said)


def _diff(path: str, old: bytes | None, new: bytes | None, context: int) -> bytes:
    """The diff of one file as git prints it."""
    names = [blob_name(one)[:12] if one is not None else "0" * 12 for one in (old, new)]
    quoted = _quoted(path)
    head = f"diff --git {quoted('a')} {quoted('b')}\n"
    head += "new file mode 100644\n" if old is None else "deleted file mode 100644\n" if new is None else ""
    head += f"index {names[0]}..{names[1]}{' 100644' if None not in (old, new) else ''}\n"
    if b"\0" in (old or b"") + (new or b""):
        return (head + f"Binary files {quoted('a')} and {quoted('b')} differ\n").encode()
    before, after = (_lines(one or b"") for one in (old, new))
    found = list(
        difflib.diff_bytes(difflib.unified_diff, before, after, b"a", b"b", n=context, lineterm=b"\n")
    )[2:]
    if not found:
        return head.encode()
    tab = "\t" if " " in path else ""
    sides = [f"{quoted('a')}{tab}" if old is not None else "/dev/null"]
    sides += [f"{quoted('b')}{tab}" if new is not None else "/dev/null"]
    body = b"".join(
        line if line.endswith(b"\n") else line + b"\n\\ No newline at end of file\n" for line in found
    )
    return (head + f"--- {sides[0]}\n+++ {sides[1]}\n").encode() + body


def _lines(content: bytes) -> list[bytes]:
    parts = content.split(b"\n")
    return [part + b"\n" for part in parts[:-1]] + ([parts[-1]] if parts[-1] else [])


def _quoted(path: str) -> Any:
    if path.isascii() and '"' not in path and "\\" not in path:
        return lambda side: f"{side}/{path}"
    octal = "".join(chr(b) if 32 <= b < 127 and chr(b) not in '"\\' else f"\\{b:03o}" for b in path.encode())
    return lambda side: f'"{side}/{octal}"'
