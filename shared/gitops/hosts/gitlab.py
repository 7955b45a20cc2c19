"""GitLab, in the cloud or on a server of one's own: https://docs.gitlab.com/api/rest/ (v4), and GraphQL for reading.

The base URL is `https://gitlab.com/api/v4`. The credential is a project access token with the scope `api` and the role
Maintainer, or Developer where the branches are not protected.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from shared.common.errors import Refused, Superseded, Transient
from shared.gitops.api import Api
from shared.gitops.remark import Marker, keep
from shared.gitops.repository import ChangeKind, FileChange, Files, Proposal, Pull, Verdict, between
from shared.rest.client import Client
from shared.rest.message import Request

COMPARED = 1000
"""Files from which on a comparison may leave some out; what differs is found in the trees then."""

TOGETHER = 50
"""Files that one GraphQL query reads."""

_STATES = {
    Verdict.PENDING: "pending",
    Verdict.SUCCESS: "success",
    Verdict.FAILURE: "failed",
    Verdict.ERROR: "failed",
}


class GitLab:
    """One project by its whole path, through a client whose base URL is the API's."""

    def __init__(self, client: Client, repository: str) -> None:
        self._client = client
        self._api = Api(client, f"projects/{quote(repository, safe='')}")
        self._repository = repository

    def head(self, branch: str) -> str | None:
        try:
            return str(self._api.get(f"repository/branches/{quote(branch, safe='')}")["commit"]["id"])
        except Refused as error:
            if error.status != 404:
                raise
            self._api.get(
                ""
            )  # Raises where not the branch is missing, but the project or the right to see it.
            return None

    def changes(self, old: str, new: str) -> Sequence[FileChange] | None:
        try:
            # `straight`: the two commits themselves and not the merge base.
            found = self._api.get("repository/compare", **{"from": old, "to": new, "straight": "true"})
        except Refused as error:
            if error.status == 404:
                return None
            raise
        diffs = found.get("diffs", ())
        if found.get("compare_timeout") or len(diffs) >= COMPARED:
            return between(self.files(old), self.files(new))
        return sorted(_changes(diffs))

    def files(self, sha: str) -> Mapping[str, str]:
        path = "repository/tree"
        asked = {"ref": sha, "recursive": "true", "pagination": "keyset"}
        return {one["path"]: one["id"] for one in self._api.linked(path, **asked) if one["type"] == "blob"}

    def read(self, paths: Iterable[str], sha: str) -> Mapping[str, bytes]:
        wanted = list(dict.fromkeys(paths))
        found: dict[str, bytes] = {}
        for start in range(0, len(wanted), TOGETHER):
            some = wanted[start : start + TOGETHER]
            found |= self._read_one(some[0], sha) if len(some) == 1 else self._read_some(some, sha)
        return found

    def commit(self, branch: str, files: Files, *, parent: str, message: str) -> str:
        if self.head(branch) != parent:
            raise self._moved(branch)
        asked = {"branch": branch, "commit_message": message, "actions": self._actions(files, parent)}
        try:
            made = self._api.send("POST", "repository/commits", asked)
        except Refused as error:
            if error.status == 400 and self.head(branch) != parent:
                raise self._moved(branch) from error
            raise
        if parent not in made.get("parent_ids", ()):
            # GitLab has no condition on the head; our commit stands on another, and the work is done again there.
            raise self._moved(branch)
        return str(made["id"])

    def propose(self, branch: str, files: Files, *, base: str, parent: str, title: str, body: str) -> str:
        asked = {
            "branch": branch,
            "start_sha": parent,
            "force": True,
            "commit_message": title,
            "actions": self._actions(files, parent),
        }
        self._api.send("POST", "repository/commits", asked)
        said = {"title": title, "description": body, "target_branch": base, "remove_source_branch": True}
        try:
            return str(self._api.send("POST", "merge_requests", {**said, "source_branch": branch})["web_url"])
        except Refused as error:
            if error.status != 409:
                raise
            mine = self._open_pull(branch)
            if mine is None:
                raise
        return str(self._api.send("PUT", f"merge_requests/{mine['iid']}", said)["web_url"])

    def proposal(self, branch: str, *, base: str) -> Proposal | None:
        mine = self._open_pull(branch)
        if mine is None or mine["target_branch"] != base:
            return None
        return Proposal(str(mine["web_url"]), str(mine.get("description") or ""))

    def withdraw(self, branch: str) -> None:
        # The branch last: as long as it is there, who died between is seen to have.
        if mine := self._open_pull(branch):
            self._api.send("PUT", f"merge_requests/{mine['iid']}", {"state_event": "close"})
        if self.head(branch) is None:
            return
        try:
            self._api.delete(f"repository/branches/{quote(branch, safe='')}")
        except Refused as error:
            if error.status != 404:
                raise

    def pull(self, number: int) -> Pull:
        try:
            found = self._api.get(f"merge_requests/{number}")
        except Refused as error:
            if error.status == 404:
                raise KeyError(number) from None
            raise
        refs = found.get("diff_refs") or {}
        return Pull(
            number=number,
            title=found["title"],
            base=found["target_branch"],
            base_sha=self.head(found["target_branch"]) or refs.get("start_sha") or "",
            head=found["source_branch"],
            head_sha=found["sha"] or refs.get("head_sha") or "",
            fork=found["source_project_id"] != found["target_project_id"],
            open=found["state"] == "opened",
            url=found["web_url"],
        )

    def merge_base(self, one: str, other: str) -> str | None:
        request = replace(
            self._api.request("repository/merge_base"), params=(("refs[]", one), ("refs[]", other))
        )
        try:
            found = self._api.json(request)
        except Refused as error:
            # A commit that is not there is a bad request.
            if error.status in (400, 404):
                return None
            raise
        return str(found["id"])

    def comment(self, number: int, marker: Marker, bodies: Sequence[str]) -> None:
        path = f"merge_requests/{number}/notes"
        notes = self._api.linked(path, sort="asc", order_by="created_at")
        keep(
            ((str(one["id"]), str(one.get("body") or "")) for one in notes),
            marker,
            bodies,
            post=lambda text: self._api.send("POST", path, {"body": text}),
            edit=lambda name, text: self._api.send("PUT", f"{path}/{name}", {"body": text}),
            delete=lambda name: self._api.delete(f"{path}/{name}"),
        )

    def status(self, sha: str, verdict: Verdict, *, context: str, description: str, url: str = "") -> None:
        said = {"state": _STATES[verdict], "name": context, "description": description[:255]}
        if self._has_status(sha, said):
            return
        try:
            self._api.send("POST", f"statuses/{sha}", {**said, "target_url": url} if url else said)
        except Refused as error:
            # A state that is what it was is refused: "Cannot transition status via :run from :running". And a commit
            # that is on no branch of this project, as those of a fork, can have none.
            same = error.status == 400 and "transition" in error.message
            if not same and not (error.status == 404 and "References" in error.message):
                raise

    # Writing

    def _has_status(self, sha: str, said: Mapping[str, str]) -> bool:
        try:
            there = self._api.get(f"repository/commits/{sha}/statuses", name=said["name"])
        except Refused as error:
            if error.status != 404:
                raise
            return False  # What is missing the answer to the status says.
        wanted = {"status": said["state"], "name": said["name"], "description": said["description"]}
        return any(one.items() >= wanted.items() for one in there)

    def _actions(self, files: Files, parent: str) -> list[dict[str, str]]:
        """What a commit does to each file; GitLab tells a new file from one that is there."""
        there = self._there(files, parent)
        return [
            {"action": "delete", "file_path": path}
            if content is None
            else {"action": "update" if path in there else "create", "file_path": path, **_content(content)}
            for path, content in sorted(files.items())
            if content is not None or path in there
        ]

    def _there(self, paths: Iterable[str], sha: str) -> set[str]:
        """Those of these files that a commit has; a whole tree may be many pages."""
        wanted, found = sorted(paths), set[str]()
        for start in range(0, len(wanted), TOGETHER):
            found |= {one["path"] for one in self._blobs(wanted[start : start + TOGETHER], sha, "path")}
        return found

    def _open_pull(self, branch: str) -> Mapping[str, Any] | None:
        found = self._api.linked("merge_requests", source_branch=branch, state="opened")
        # A branch of a fork may be called as ours is.
        return next((one for one in found if one["source_project_id"] == one["target_project_id"]), None)

    def _moved(self, branch: str) -> Superseded:
        return Superseded("the branch has moved meanwhile", repository=self._repository, branch=branch)

    # Reading

    def _read_one(self, path: str, sha: str) -> dict[str, bytes]:
        try:
            asked = self._api.request(f"repository/files/{quote(path, safe='')}/raw", ref=sha)
            return {path: self._client.send(asked).body}
        except Refused as error:
            if error.status == 404:
                return {}
            raise

    def _read_some(self, paths: Sequence[str], sha: str) -> dict[str, bytes]:
        """Several files by one query; those that are no plain text are read one by one."""
        found: dict[str, bytes] = {}
        for blob in self._blobs(paths, sha, "path size rawBlob"):
            text = (blob["rawBlob"] or "").encode()
            # What is binary, too large for the query, or of another encoding, is not all there.
            whole = str(len(text)) == str(blob["size"])
            found |= {blob["path"]: text} if whole else self._read_one(blob["path"], sha)
        return found

    def _blobs(self, paths: Sequence[str], sha: str, fields: str) -> list[dict[str, Any]]:
        """What a query tells about files; those that are not there are left out."""
        query = (
            "query($project: ID!, $sha: String!, $paths: [String!]!) { project(fullPath: $project) "
            f"{{ repository {{ blobs(ref: $sha, paths: $paths) {{ nodes {{ {fields} }} }} }} }} }}"
        )
        variables = {"project": self._repository, "sha": sha, "paths": list(paths)}
        url = self._client.base_url.removesuffix("/v4") + "/graphql"
        answer = self._api.json(Request(url, "POST", json={"query": query, "variables": variables}))
        if errors := answer.get("errors"):
            said = "; ".join(str(one.get("message")) for one in errors)
            raise Transient(f"GitLab did not read the files: {said}", repository=self._repository)
        if not (project := answer["data"]["project"]):
            raise Refused("GitLab shows no such project", status=404, repository=self._repository)
        nodes: list[dict[str, Any]] = project["repository"]["blobs"]["nodes"]
        return nodes


def _content(content: bytes) -> dict[str, str]:
    try:
        return {"content": content.decode()}
    except UnicodeDecodeError:
        return {"content": b64encode(content).decode(), "encoding": "base64"}


def _changes(diffs: Iterable[Mapping[str, Any]]) -> Iterator[FileChange]:
    for one in diffs:
        if one.get("deleted_file"):
            yield FileChange(one["old_path"], ChangeKind.REMOVED)
        elif one.get("renamed_file"):
            yield FileChange(one["old_path"], ChangeKind.REMOVED)
            yield FileChange(one["new_path"], ChangeKind.ADDED, one["old_path"])
        else:
            yield FileChange(
                one["new_path"], ChangeKind.ADDED if one.get("new_file") else ChangeKind.MODIFIED
            )
