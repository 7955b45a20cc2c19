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

from shared.common.errors import Refused, Superseded
from shared.gitops.repository import ChangeKind, FileChange, Files, Pull, Verdict
from shared.rest.client import Client
from shared.rest.message import Request

_STATES = {
    Verdict.PENDING: "INPROGRESS",
    Verdict.SUCCESS: "SUCCESSFUL",
    Verdict.FAILURE: "FAILED",
    Verdict.ERROR: "STOPPED",
}
_KINDS = {"added": ChangeKind.ADDED, "removed": ChangeKind.REMOVED}


class Bitbucket:
    """One repository, `workspace/name`, through a client whose base URL is the API's."""

    def __init__(self, client: Client, repository: str) -> None:
        self._client = client
        self._repository = repository

    def head(self, branch: str) -> str | None:
        try:
            return str(self._get(f"refs/branches/{quote(branch, safe='')}")["target"]["hash"])
        except Refused as error:
            if error.status == 404:
                return None
            raise

    def changes(self, old: str, new: str) -> Sequence[FileChange] | None:
        try:
            # The newer one first, unlike git; without `topic` the two commits themselves are compared.
            found = list(self._pages(f"diffstat/{new}..{old}", topic="false", pagelen="500"))
        except Refused as error:
            if error.status == 404:
                return None
            raise
        return sorted(_changes(found))

    def files(self, sha: str) -> Mapping[str, str]:
        """Bitbucket names no contents: the commit stands for them, so that those of two commits always differ."""
        found = self._pages(f"src/{sha}/", max_depth="100", pagelen="100")
        return {one["path"]: f"{sha}:{one['path']}" for one in found if one["type"] == "commit_file"}

    def read(self, paths: Iterable[str], sha: str) -> Mapping[str, bytes]:
        found: dict[str, bytes] = {}
        for path in dict.fromkeys(paths):
            try:
                found[path] = self._client.send(self._request(f"src/{sha}/{quote(path)}")).body
            except Refused as error:
                if error.status != 404:
                    raise
        return found

    def commit(self, branch: str, files: Files, *, parent: str, message: str) -> str:
        try:
            self._write(branch, files, parent=parent, message=message)
        except Refused as error:
            if error.status != 409:
                raise
            raise Superseded(
                "the branch has moved meanwhile", repository=self._repository, branch=branch
            ) from error
        return self.head(branch) or ""

    def propose(self, branch: str, files: Files, *, base: str, parent: str, title: str, body: str) -> str:
        # A commit goes on top of a branch that is there; ours begins anew.
        self._drop_branch(branch)
        self._write(branch, files, parent=parent, message=title)
        said = {
            "title": title,
            "description": body,
            "source": {"branch": {"name": branch}},
            "destination": {"branch": {"name": base}},
            "close_source_branch": True,
        }
        mine = self._open_pull(branch)
        if mine is None:
            return str(self._send("POST", "pullrequests", said)["links"]["html"]["href"])
        return str(self._send("PUT", f"pullrequests/{mine['id']}", said)["links"]["html"]["href"])

    def withdraw(self, branch: str) -> None:
        if not self._drop_branch(branch):
            return
        if mine := self._open_pull(branch):
            self._client.send(replace(self._request(f"pullrequests/{mine['id']}/decline"), method="POST"))

    def pull(self, number: int) -> Pull:
        try:
            found = self._get(f"pullrequests/{number}")
        except Refused as error:
            if error.status == 404:
                raise KeyError(number) from None
            raise
        source, target = found["source"], found["destination"]
        # The repository of a source is null when the fork is gone.
        fork = (source.get("repository") or {}).get("full_name") != target["repository"]["full_name"]
        return Pull(
            number=number,
            title=found["title"],
            base=target["branch"]["name"],
            base_sha=self.head(target["branch"]["name"]) or target["commit"]["hash"],
            head=source["branch"]["name"],
            # Pull requests show shortened names of commits.
            head_sha=str(self._get(f"commit/{source['commit']['hash']}")["hash"]),
            fork=fork,
            open=found["state"] == "OPEN",
            url=found["links"]["html"]["href"],
        )

    def merge_base(self, one: str, other: str) -> str | None:
        try:
            return str(self._get(f"merge-base/{one}..{other}")["hash"])
        except Refused as error:
            if error.status == 404:
                return None
            raise

    def comment(self, number: int, marker: str, bodies: Sequence[str]) -> None:
        path = f"pullrequests/{number}/comments"
        found = [one for one in self._pages(path, pagelen="100") if not one.get("deleted")]
        # Bitbucket shows HTML comments as text, so the marker is a link definition: shown nowhere.
        sign = f"[//]: # ({marker})"
        ours = [one for one in found if sign in one["content"]["raw"]]
        for place, text in enumerate(bodies):
            said = {"content": {"raw": f"{sign}\n\n{text}"}}
            if place >= len(ours):
                self._send("POST", path, said)
            elif ours[place]["content"]["raw"] != said["content"]["raw"]:
                self._send("PUT", f"{path}/{ours[place]['id']}", said)
        for one in ours[len(bodies) :]:
            self._client.send(replace(self._request(f"{path}/{one['id']}"), method="DELETE"))

    def status(self, sha: str, verdict: Verdict, *, context: str, description: str, url: str = "") -> None:
        said = {
            "key": context[:40],
            "name": context,
            "state": _STATES[verdict],
            "description": description[:255],
            # Bitbucket wants one.
            "url": url or f"https://bitbucket.org/{self._repository}/commits/{sha}",
        }
        self._send("POST", f"commit/{sha}/statuses/build", said)

    # Writing

    def _write(self, branch: str, files: Files, *, parent: str, message: str) -> None:
        """A commit with these files on a branch: one that is there must point to `parent` (else 409)."""
        form = [("message", message), ("branch", branch), ("parents", parent)]
        for path, content in sorted(files.items()):
            # A path under `files` without content is deleted; a leading slash keeps it from being taken for a field.
            form.append(("files", f"/{path}") if content is None else (f"/{path}", content.decode()))
        self._client.send(replace(self._request("src"), method="POST", form=tuple(form)))

    def _drop_branch(self, branch: str) -> bool:
        """Whether there was one."""
        request = self._request(f"refs/branches/{quote(branch, safe='')}")
        try:
            self._client.send(replace(request, method="DELETE"))
        except Refused as error:
            if error.status != 404:
                raise
            return False
        return True

    def _open_pull(self, branch: str) -> Mapping[str, Any] | None:
        query = f'source.branch.name = "{branch}" AND state = "OPEN"'
        return next(self._pages("pullrequests", q=query), None)

    # Requests

    def _request(self, path: str, **params: str) -> Request:
        request = self._client.request(f"repositories/{self._repository}/{path}")
        return replace(request, params=tuple(params.items()))

    def _get(self, path: str, **params: str) -> Any:
        return self._json(self._request(path, **params))

    def _send(self, method: str, path: str, document: Mapping[str, Any]) -> Any:
        return self._json(replace(self._request(path), method=method, json=document))

    def _json(self, request: Request) -> Any:
        return msgspec.json.decode(self._client.send(request).body)

    def _pages(self, path: str, **params: str) -> Iterator[Mapping[str, Any]]:
        request: Request | None = self._request(path, **params)
        while request is not None:
            page = self._json(request)
            yield from page["values"]
            request = replace(request, url=page["next"], params=()) if page.get("next") else None


def _changes(found: Iterable[Mapping[str, Any]]) -> Iterator[FileChange]:
    for one in found:
        old, new = one.get("old") or {}, one.get("new") or {}
        if one["status"] == "renamed":
            yield FileChange(old["path"], ChangeKind.REMOVED)
            yield FileChange(new["path"], ChangeKind.ADDED, old["path"])
        else:
            kind = _KINDS.get(one["status"], ChangeKind.MODIFIED)
            yield FileChange((new or old)["path"], kind)
