"""Bitbucket Cloud: https://developer.atlassian.com/cloud/bitbucket/rest/ (2.0).

The base URL is `https://api.bitbucket.org/2.0`. The credential is a repository access token with the scopes
`repository:write` and `pullrequest:write`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import msgspec

from shared.common.errors import Misconfigured, Refused, Superseded, Transient
from shared.gitops.api import Api
from shared.gitops.patch import contents
from shared.gitops.remark import Marker, keep
from shared.gitops.repository import ChangeKind, FileChange, Files, Proposal, Pull, Verdict
from shared.rest.client import Client
from shared.rest.message import Response

_STATES = {
    Verdict.PENDING: "INPROGRESS",
    Verdict.SUCCESS: "SUCCESSFUL",
    Verdict.FAILURE: "FAILED",
    Verdict.ERROR: "STOPPED",
}
FEW = 3
"""Files that are read one by one; more of them are looked for in the diff with the commit compared with before."""

WHOLE = "100000"
"""Lines around a change that a diff is asked for: all of the file."""

_KINDS = {"added": ChangeKind.ADDED, "removed": ChangeKind.REMOVED}


class Bitbucket:
    """One repository, `workspace/name`, through a client whose base URL is the API's."""

    def __init__(self, client: Client, repository: str) -> None:
        self._client = client
        self._api = Api(client, f"repositories/{repository}")
        self._repository = repository
        self._compared: dict[str, str] = {}

    def head(self, branch: str) -> str | None:
        try:
            return str(self._api.get(f"refs/branches/{quote(branch, safe='')}")["target"]["hash"])
        except Refused as error:
            if error.status != 404:
                raise
            # Raises where not the branch is missing, but the repository or the right to see it.
            self._api.get("")
            return None

    def changes(self, old: str, new: str) -> Sequence[FileChange] | None:
        try:
            # The newer one first, unlike git; without `topic` the two commits themselves are compared.
            found = list(self._pages(f"diffstat/{new}..{old}", topic="false", pagelen="500"))
        except Refused as error:
            if error.status == 404:
                return None
            raise
        self._compared[new] = old
        return sorted(_changes(found))

    def files(self, sha: str) -> Mapping[str, str]:
        """Bitbucket names no contents: the commit stands for them, so that those of two commits always differ."""
        found = self._pages(f"src/{sha}/", max_depth="100", pagelen="100")
        return {one["path"]: f"{sha}:{one['path']}" for one in found if one["type"] == "commit_file"}

    def read(self, paths: Iterable[str], sha: str) -> Mapping[str, bytes]:
        """Bitbucket gives files one by one. What changed since a commit that was compared before, one diff gives."""
        wanted = list(dict.fromkeys(paths))
        found = self._from_diff(wanted, sha) if len(wanted) > FEW and sha in self._compared else {}
        for path in wanted:
            if path not in found:
                found |= self._read_one(path, sha)
        return found

    def commit(self, branch: str, files: Files, *, parent: str, message: str) -> str:
        try:
            return self._write(branch, files, parent=parent, message=message)
        except Refused as error:
            if error.status != 409:
                raise
            raise Superseded(
                "the branch has moved meanwhile", repository=self._repository, branch=branch
            ) from error

    def propose(self, branch: str, files: Files, *, base: str, parent: str, title: str, body: str) -> str:
        self._begin(branch, files, parent=parent, message=title)
        said = {
            "title": title,
            "description": body,
            "source": {"branch": {"name": branch}},
            "destination": {"branch": {"name": base}},
            "close_source_branch": True,
        }
        mine = self._open_pull(branch)
        if mine is None:
            return str(self._api.send("POST", "pullrequests", said)["links"]["html"]["href"])
        return str(self._api.send("PUT", f"pullrequests/{mine['id']}", said)["links"]["html"]["href"])

    def proposal(self, branch: str, *, base: str) -> Proposal | None:
        mine = self._open_pull(branch)
        if mine is None or mine["destination"]["branch"]["name"] != base:
            return None
        return Proposal(str(mine["links"]["html"]["href"]), str(mine.get("description") or ""))

    def withdraw(self, branch: str) -> None:
        # The branch last: as long as it is there, who died between is seen to have.
        if mine := self._open_pull(branch):
            self._client.send(replace(self._api.request(f"pullrequests/{mine['id']}/decline"), method="POST"))
        if self.head(branch) is not None:
            self._drop_branch(branch)

    def pull(self, number: int) -> Pull:
        try:
            found = self._api.get(f"pullrequests/{number}")
        except Refused as error:
            if error.status == 404:
                raise KeyError(number) from None
            raise
        source, target = found["source"], found["destination"]
        # The commit of a source is null when its branch is gone.
        head_sha = self._whole((source.get("commit") or {}).get("hash") or "")
        return Pull(
            number=number,
            title=found["title"],
            base=target["branch"]["name"],
            base_sha=self.head(target["branch"]["name"]) or self._whole(target["commit"]["hash"]),
            head=source["branch"]["name"],
            head_sha=head_sha,
            fork=_is_fork(found),
            open=found["state"] == "OPEN",
            url=found["links"]["html"]["href"],
        )

    def merge_base(self, one: str, other: str) -> str | None:
        try:
            return str(self._api.get(f"merge-base/{one}..{other}")["hash"])
        except Refused as error:
            if error.status == 404:
                return None
            raise

    def comment(self, number: int, marker: Marker, bodies: Sequence[str]) -> None:
        path = f"pullrequests/{number}/comments"
        there = [one for one in self._pages(path, pagelen="100") if not one.get("deleted")]
        keep(
            ((str(one["id"]), str(one["content"]["raw"])) for one in there),
            marker,
            bodies,
            # Bitbucket shows HTML comments as text; the definition of a link is shown nowhere.
            form="[//]: # ({})\n\n",
            post=lambda text: self._api.send("POST", path, {"content": {"raw": text}}),
            edit=lambda name, text: self._api.send("PUT", f"{path}/{name}", {"content": {"raw": text}}),
            delete=lambda name: self._client.send(
                replace(self._api.request(f"{path}/{name}"), method="DELETE")
            ),
        )

    def status(self, sha: str, verdict: Verdict, *, context: str, description: str, url: str = "") -> None:
        said = {
            "key": context[:40],
            "name": context,
            "state": _STATES[verdict],
            "description": description[:255],
            # Bitbucket wants one.
            "url": url or f"https://bitbucket.org/{self._repository}/commits/{sha}",
        }
        if self._status(sha, said["key"]).items() >= said.items():
            return
        self._api.send("POST", f"commit/{sha}/statuses/build", said)

    # Writing

    def _status(self, sha: str, key: str) -> Mapping[str, Any]:
        """The status of a commit as it is; empty where it has none."""
        try:
            found: Mapping[str, Any] = self._api.get(f"commit/{sha}/statuses/build/{quote(key, safe='')}")
        except Refused as error:
            if error.status != 404:
                raise
            return {}
        return found

    def _write(self, branch: str, files: Files, *, parent: str, message: str) -> str:
        """A commit with these files on a branch: one that is there must point to `parent` (else 409)."""
        form = [("message", message), ("branch", branch), ("parents", parent)]
        for path, content in sorted(files.items()):
            # A path under `files` without content is deleted; a leading slash keeps it from being taken for a field.
            form.append(("files", f"/{path}") if content is None else (f"/{path}", _text(path, content)))
        answer = self._client.send(replace(self._api.request("src"), method="POST", form=tuple(form)))
        named = answer.headers.get("location", "").rstrip("/").rpartition("/")[2]
        return named if len(named) == 40 else self.head(branch) or ""

    def _begin(self, branch: str, files: Files, *, parent: str, message: str) -> None:
        """A commit on a branch of ours that begins anew: on one that is there it would go on top."""
        for _ in range(3):
            try:
                self._write(branch, files, parent=parent, message=message)
                return
            except Refused as error:
                if error.status != 409:
                    raise
            self._drop_branch(branch)
        raise Transient(
            "somebody else makes our branch again and again", repository=self._repository, branch=branch
        )

    def _drop_branch(self, branch: str) -> None:
        request = self._api.request(f"refs/branches/{quote(branch, safe='')}")
        try:
            self._client.send(replace(request, method="DELETE"))
        except Refused as error:
            if error.status != 404:
                raise

    def _open_pull(self, branch: str) -> Mapping[str, Any] | None:
        query = f'source.branch.name = "{branch}" AND state = "OPEN"'
        return next((one for one in self._pages("pullrequests", q=query) if not _is_fork(one)), None)

    # Reading

    def _read_one(self, path: str, sha: str) -> dict[str, bytes]:
        try:
            answer = self._client.send(self._api.request(f"src/{sha}/{quote(path)}"))
        except Refused as error:
            if error.status != 404:
                raise
            return {}
        return {} if _is_listing(answer) else {path: answer.body}

    def _from_diff(self, paths: Iterable[str], sha: str) -> dict[str, bytes]:
        spec = f"diff/{sha}..{self._compared[sha]}"
        asked = self._api.request(spec, topic="false", context=WHOLE, renames="false", binary="false")
        try:
            found = contents(self._client.send(asked).body)
        except (Refused, Transient):
            return {}  # It was too much at once; one by one they can be had.
        return {path: found[path] for path in paths if path in found}

    def _whole(self, name: str) -> str:
        """The whole name of a commit that a pull request shows shortened; empty where it is not in this repository."""
        if not name:
            return ""
        try:
            return str(self._api.get(f"commit/{name}")["hash"])
        except Refused as error:
            if error.status != 404:
                raise
            return ""

    # Requests

    def _pages(self, path: str, **params: str) -> Iterator[Mapping[str, Any]]:
        def page(answer: Response) -> tuple[Any, str]:
            found = msgspec.json.decode(answer.body)
            return found["values"], found.get("next") or ""

        yield from self._api.paged(self._api.request(path, **params), page)


def _changes(found: Iterable[Mapping[str, Any]]) -> Iterator[FileChange]:
    for one in found:
        old, new = one.get("old") or {}, one.get("new") or {}
        if one["status"] == "renamed":
            yield FileChange(old["path"], ChangeKind.REMOVED)
            yield FileChange(new["path"], ChangeKind.ADDED, old["path"])
        else:
            kind = _KINDS.get(one["status"], ChangeKind.MODIFIED)
            yield FileChange((new or old)["path"], kind)


def _is_fork(pull: Mapping[str, Any]) -> bool:
    """Whether the branch is in another repository; that is null when the fork is gone."""
    source, target = pull["source"].get("repository") or {}, pull["destination"]["repository"]
    return bool(source.get("full_name") != target["full_name"])


def _text(path: str, content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise Misconfigured(f"{path} is no text, and only text can be committed to Bitbucket") from None


def _is_listing(answer: Response) -> bool:
    """Whether this is what Bitbucket says of a folder, and no file."""
    if not answer.headers.get("content-type", "").startswith("application/json"):
        return False
    try:
        found = msgspec.json.decode(answer.body)
        kinds = {one["type"] for one in found["values"]}
    except (msgspec.DecodeError, KeyError, TypeError):
        return False
    return "pagelen" in found and kinds <= {"commit_file", "commit_directory"}
