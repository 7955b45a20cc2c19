"""Opens what weaving needs: the list of repositories, each one's host, where its artifacts go."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import urlsplit

from shared.common.documents import read_yaml
from shared.common.errors import Misconfigured
from shared.gitops.configuration import (
    Hosted,
    Plain,
    ToBucket,
    ToCommit,
    ToFolder,
    ToPullRequest,
    Weaving,
    Woven,
)
from shared.gitops.delivery_git import Committed, Proposed
from shared.gitops.delivery_shelf import Shelf, Shelved
from shared.gitops.lease import Lease
from shared.gitops.news import Host
from shared.gitops.repository import Repository
from shared.gitops.weave import Delivery
from src.workplace import Workplace


def weaving(place: Workplace) -> Weaving:
    """What is woven. Raises `Misconfigured` with all faults of the file and their lines."""
    file = Path(place.settings.weave_file)
    try:
        text = file.read_bytes()
    except OSError as error:
        raise Misconfigured(
            f"there is no list of repositories: {error.strerror}",
            hint="docs/weave.md shows one; WEAVE_FILE says where it is",
            file=str(file),
        ) from None
    return read_yaml(text, file=str(file)).parse(Weaving)


MIRRORS = Path(".sluice/weave/git")
"""Where repositories of plain remotes are kept, relative to the current directory."""


def repository(place: Workplace, woven: Woven) -> Repository:
    """The repository behind its host's API, or behind the command `git`."""
    match woven:
        case Plain():
            return _plain(place, woven)
        case Hosted():
            return _hosted(place, woven)


def _plain(place: Workplace, woven: Plain) -> Repository:
    from shared.gitops.plain import PlainGit

    token = place.configuration.secrets.get(woven.credential) if woven.credential else ""
    return PlainGit.mirror(woven.url, MIRRORS, credential=token)


def _hosted(place: Workplace, woven: Hosted) -> Repository:
    from shared.gitops.hosts.bitbucket import Bitbucket
    from shared.gitops.hosts.github import GitHub
    from shared.gitops.hosts.gitlab import GitLab
    from shared.rest.auth import Bearer
    from shared.rest.client import connect
    from shared.rest.retry import Retry

    client = connect(
        woven.api,
        clock=place.clock,
        secrets=place.configuration.secrets,
        auth=Bearer(type="bearer", token=woven.credential),
        # GitHub says 403 where others say 429.
        retry=Retry(throttle_statuses=(403,), budget=120),
        headers=(("user-agent", "sluice"),),
        redactor=place.redactor,
    )
    match woven.host:
        case Host.GITHUB:
            return GitHub(client, woven.repository)
        case Host.GITLAB:
            return GitLab(client, woven.repository)
        case Host.BITBUCKET:
            return Bitbucket(client, woven.repository)


def delivery(woven: Woven, repository: Repository, lease: Lease) -> Delivery:
    """Where the artifacts of a branch go."""
    match woven.deliver:
        case ToPullRequest(folder=folder, branch=branch):
            return Proposed(repository, woven.branch, branch, folder, lease.check)
        case ToCommit(folder=folder):
            return Committed(repository, woven.branch, folder, lease.check)
        case ToBucket(url=url):
            return Shelved(_bucket(url), lease.check)
        case ToFolder(path=path):
            from shared.gitops.folder import FolderShelf

            return Shelved(FolderShelf(Path(path)), lease.check)


def _bucket(url: str) -> Shelf:
    from shared.aws.shelf import S3Shelf

    parts = urlsplit(url)
    return S3Shelf(parts.netloc, parts.path.strip("/"))


def holder() -> str:
    """A name for this process that no other has."""
    return f"{os.environ.get('AWS_LAMBDA_LOG_STREAM_NAME', 'local')}/{os.getpid()}/{os.urandom(4).hex()}"
