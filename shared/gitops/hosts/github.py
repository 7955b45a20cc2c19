"""GitHub and GitHub Enterprise Server: the REST API, and GraphQL where many files are read at once.

https://docs.github.com/en/rest and https://docs.github.com/en/graphql. The base URL is `https://api.github.com`, or
`https://HOST/api/v3` on a server of one's own. The credential needs contents, pull requests and commit statuses, read
and write, of the one repository.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

from shared.common.errors import Refused, Superseded, Transient
from shared.gitops.api import Api
from shared.gitops.remark import Marker, keep
from shared.gitops.repository import ChangeKind, FileChange, Files, Proposal, Pull, Verdict, between
from shared.rest.client import Client
from shared.rest.message import Pairs, Request

HEADERS: Pairs = (("accept", "application/vnd.github+json"), ("x-github-api-version", "2022-11-28"))
RAW: Pairs = (("accept", "application/vnd.github.raw+json"), HEADERS[1])

COMPARED = 300
"""Files that a comparison shows at most; what differs beyond them is found in the trees."""

TOGETHER = 50
"""Files that one GraphQL query reads."""

LONGEST_STATUS = 140

_KINDS = {"added": ChangeKind.ADDED, "copied": ChangeKind.ADDED, "removed": ChangeKind.REMOVED}


class GitHub:
    """One repository, `owner/name`, through a client whose base URL is the API's."""

    def __init__(self, client: Client, repository: str) -> None:
        self._client = client
        self._api = Api(client, f"repos/{repository}", HEADERS)
        # What is left of one limit says nothing of the other:
        # https://docs.github.com/en/graphql/overview/rate-limits-and-query-limits-for-the-graphql-api
        self._queries = Api(client.apart(), "")
        self._repository = repository
        self._trees: dict[str, str] = {}

    def head(self, branch: str) -> str | None:
        try:
            found = self._api.get(f"branches/{quote(branch, safe='')}")
        except Refused as error:
            if error.status != 404:
                raise
            # Raises where not the branch is missing, but the repository or the right to see it.
            self._api.get("")
            return None
        # A branch that was renamed is redirected to.
        return self._seen(found["commit"]) if found["name"] == branch else None

    def changes(self, old: str, new: str) -> Sequence[FileChange] | None:
        try:
            found = self._api.get(f"compare/{old}...{new}", per_page="100")
        except Refused as error:
            if error.status == 404:
                return None
            raise
        for commit in found.get("commits", ()):
            self._seen(commit)
        if found["status"] not in ("ahead", "identical") or len(found.get("files", ())) >= COMPARED:
            # It compares with the merge base, which is not `old` here; or it does not show all.
            return between(self.files(old), self.files(new))
        return sorted(_changes(found.get("files", ())))

    def files(self, sha: str) -> Mapping[str, str]:
        return dict(self._walk(sha, ""))

    def read(self, paths: Iterable[str], sha: str) -> Mapping[str, bytes]:
        wanted = list(dict.fromkeys(paths))
        found: dict[str, bytes] = {}
        for start in range(0, len(wanted), TOGETHER):
            some = wanted[start : start + TOGETHER]
            found |= self._read_one(some[0], sha) if len(some) == 1 else self._read_some(some, sha)
        return found

    def commit(self, branch: str, files: Files, *, parent: str, message: str) -> str:
        sha = self._made(files, parent=parent, message=message)
        try:
            self._api.send("PATCH", f"git/refs/heads/{quote(branch)}", {"sha": sha, "force": False})
        except Refused as error:
            if error.status != 422:
                raise
            now = self.head(branch)
            if now == parent and "fast forward" in error.message:
                # GitHub says so at times though it is one: https://github.com/rust-lang/homu/issues/75
                raise Transient(error.message, repository=self._repository, branch=branch) from error
            if now == parent:
                raise
            if now != sha:
                raise Superseded(
                    "the branch has moved meanwhile", repository=self._repository, branch=branch
                ) from error
        return sha

    def propose(self, branch: str, files: Files, *, base: str, parent: str, title: str, body: str) -> str:
        sha = self._made(files, parent=parent, message=title)
        self._point(branch, sha)
        asked = {"title": title, "body": body, "head": branch, "base": base}
        try:
            return str(self._api.send("POST", "pulls", asked)["html_url"])
        except Refused as error:
            if error.status != 422:
                raise
            mine = self._open_pull(branch)
            if mine is None:
                raise
        return str(
            self._api.send("PATCH", f"pulls/{mine['number']}", {"title": title, "body": body, "base": base})[
                "html_url"
            ]
        )

    def proposal(self, branch: str, *, base: str) -> Proposal | None:
        mine = self._open_pull(branch)
        if mine is None or mine["base"]["ref"] != base:
            return None
        return Proposal(str(mine["html_url"]), str(mine.get("body") or ""))

    def withdraw(self, branch: str) -> None:
        if self.head(branch) is None:
            return
        try:
            self._api.delete(f"git/refs/heads/{quote(branch)}")
        except Refused as error:
            if error.status not in (404, 422):
                raise

    def pull(self, number: int) -> Pull:
        try:
            found = self._api.get(f"pulls/{number}")
        except Refused as error:
            if error.status == 404:
                raise KeyError(number) from None
            raise
        head, base = found["head"], found["base"]
        return Pull(
            number=number,
            title=found["title"],
            base=base["ref"],
            # What the pull request says of its base is as of its last push.
            base_sha=self.head(base["ref"]) or base["sha"],
            head=head["ref"],
            head_sha=head["sha"],
            fork=_is_fork(found),
            open=found["state"] == "open",
            url=found["html_url"],
        )

    def merge_base(self, one: str, other: str) -> str | None:
        try:
            found = self._api.get(f"compare/{one}...{other}", per_page="1")
        except Refused as error:
            if error.status == 404:
                return None
            raise
        return str(found["merge_base_commit"]["sha"])

    def comment(self, number: int, marker: Marker, bodies: Sequence[str]) -> None:
        path = f"issues/{number}/comments"
        keep(
            ((str(one["id"]), str(one.get("body") or "")) for one in self._api.linked(path)),
            marker,
            bodies,
            post=lambda text: self._api.send("POST", path, {"body": text}),
            edit=lambda name, text: self._api.send("PATCH", f"issues/comments/{name}", {"body": text}),
            delete=lambda name: self._api.delete(f"issues/comments/{name}"),
        )

    def status(self, sha: str, verdict: Verdict, *, context: str, description: str, url: str = "") -> None:
        said = {"state": verdict.value, "context": context, "description": description[:LONGEST_STATUS]}
        # The newest come first; one that is not on the first page is written again.
        there = self._api.get(f"commits/{sha}/statuses", per_page="100")
        last = [one for one in there if one["context"] == context][:1]
        if last and last[0].items() >= said.items():
            return
        self._api.send("POST", f"statuses/{sha}", {**said, "target_url": url} if url else said)

    # One commit of many files

    def _made(self, files: Files, *, parent: str, message: str) -> str:
        """A commit that no branch has yet."""
        entries = [self._entry(path, content) for path, content in sorted(files.items())]
        tree = self._api.send("POST", "git/trees", {"base_tree": self._tree(parent), "tree": entries})["sha"]
        made = self._api.send("POST", "git/commits", {"message": message, "tree": tree, "parents": [parent]})
        return self._seen(made)

    def _entry(self, path: str, content: bytes | None) -> dict[str, Any]:
        blob = {"path": path, "mode": "100644", "type": "blob"}
        if content is None:
            return {**blob, "sha": None}
        try:
            return {**blob, "content": content.decode()}
        except UnicodeDecodeError:
            said = {"content": b64encode(content).decode(), "encoding": "base64"}
            return {**blob, "sha": self._api.send("POST", "git/blobs", said)["sha"]}

    def _point(self, branch: str, sha: str) -> None:
        try:
            self._api.send("PATCH", f"git/refs/heads/{quote(branch)}", {"sha": sha, "force": True})
        except Refused as error:
            if error.status not in (404, 422):
                raise
            self._api.send("POST", "git/refs", {"ref": f"refs/heads/{branch}", "sha": sha})

    def _open_pull(self, branch: str) -> Mapping[str, Any] | None:
        owner = self._repository.partition("/")[0]
        found = self._api.get("pulls", head=f"{owner}:{branch}", state="open")
        # The owner may have a fork, too.
        return next((one for one in found if not _is_fork(one)), None)

    # Reading

    def _seen(self, commit: Mapping[str, Any]) -> str:
        """The SHA of a commit; its tree is remembered, which spares a request."""
        sha, inner = str(commit["sha"]), commit.get("commit") or commit
        if tree := (inner.get("tree") or {}).get("sha"):
            self._trees[sha] = str(tree)
        return sha

    def _tree(self, sha: str) -> str:
        if sha not in self._trees:
            self._seen(self._api.get(f"git/commits/{sha}"))
        return self._trees[sha]

    def _walk(self, tree: str, under: str) -> Iterator[tuple[str, str]]:
        """All files of a tree; one that is too large to be told at once is read folder by folder."""
        found = self._api.get(f"git/trees/{tree}", recursive="1")
        if not found.get("truncated"):
            yield from ((under + one["path"], one["sha"]) for one in found["tree"] if one["type"] == "blob")
            return
        for one in self._api.get(f"git/trees/{tree}")["tree"]:
            if one["type"] == "blob":
                yield under + one["path"], one["sha"]
            elif one["type"] == "tree":
                yield from self._walk(one["sha"], f"{under}{one['path']}/")

    def _read_one(self, path: str, sha: str) -> dict[str, bytes]:
        request = replace(self._api.request(f"contents/{quote(path)}", ref=sha), headers=RAW)
        try:
            answer = self._client.send(request)
        except Refused as error:
            if error.status == 404:
                return {}
            raise
        # A folder is told as JSON, whatever was asked for.
        folder = answer.headers.get("content-type", "").startswith("application/json")
        return {} if folder else {path: answer.body}

    def _read_some(self, paths: Sequence[str], sha: str) -> dict[str, bytes]:
        """Several files by one query; those that are no plain text are read one by one."""
        owner, _, name = self._repository.partition("/")
        given = ", ".join(f"$p{number}: String!" for number in range(len(paths)))
        fields = " ".join(
            f"f{number}: object(expression: $p{number}) {{ ... on Blob {{ text byteSize }} }}"
            for number in range(len(paths))
        )
        place = "repository(owner: $owner, name: $name)"
        query = f"query($owner: String!, $name: String!, {given}) {{ {place} {{ {fields} }} }}"
        variables = {f"p{number}": f"{sha}:{path}" for number, path in enumerate(paths)}
        asked = {"query": query, "variables": {"owner": owner, "name": name, **variables}}
        answer = self._queries.json(Request(self._graphql(), "POST", headers=HEADERS, json=asked))
        blobs = ((answer.get("data") or {}).get("repository")) or {}
        if answer.get("errors") or not blobs:
            errors = answer.get("errors") or ()
            said = "; ".join(str(one.get("message")) for one in errors) or "no repository"
            told = f"GitHub did not read the files: {said}"
            if {one.get("type") for one in errors} & {"NOT_FOUND", "FORBIDDEN", "INSUFFICIENT_SCOPES"}:
                raise Refused(told, status=403, repository=self._repository)
            raise Transient(told, repository=self._repository)
        found: dict[str, bytes] = {}
        for number, path in enumerate(paths):
            blob = blobs.get(f"f{number}")
            if not blob:
                continue  # There is none, or it is a folder.
            text = (blob["text"] or "").encode()
            # What is binary, too large for the query, or of another encoding, is not all there.
            found |= {path: text} if len(text) == blob["byteSize"] else self._read_one(path, sha)
        return found

    def _graphql(self) -> str:
        """`/graphql` beside the REST API; on a server of one's own `/api/graphql` beside `/api/v3`."""
        parts = urlsplit(self._client.base_url)
        return urlunsplit(parts._replace(path=parts.path.removesuffix("/v3") + "/graphql"))


def _is_fork(pull: Mapping[str, Any]) -> bool:
    """Whether the branch is in another repository; that is null when the fork is gone."""
    head, base = pull["head"].get("repo") or {}, pull["base"]["repo"]
    return bool(head.get("full_name") != base["full_name"])


def _changes(files: Iterable[Mapping[str, Any]]) -> Iterator[FileChange]:
    for one in files:
        if one["status"] == "renamed":
            yield FileChange(one["previous_filename"], ChangeKind.REMOVED)
            yield FileChange(one["filename"], ChangeKind.ADDED, one["previous_filename"])
        elif one["status"] != "unchanged":
            yield FileChange(one["filename"], _KINDS.get(one["status"], ChangeKind.MODIFIED))
