"""`weave.yml`: which repositories are woven, by which credential, into what, and where that is delivered.

It is read from where Sluice is deployed and never from a repository that it weaves: a pull request cannot change what
is done with it. Secrets stand in it by name only.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from shared.common.errors import Misconfigured
from shared.gitops.news import BranchMoved, Host, PullChanged
from shared.gitops.stale import Scope

API = {
    Host.GITHUB: "https://api.github.com",
    Host.GITLAB: "https://gitlab.com/api/v4",
    Host.BITBUCKET: "https://api.bitbucket.org/2.0",
}
"""The API of each host; a server of one's own is set as `api_url`."""

SecretName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]


def _inside(path: str) -> str:
    if not path or "\\" in path or any(part in ("", ".", "..") for part in path.split("/")):
        raise ValueError("is no folder inside of the repository; write it like generated/dags")
    return path


Folder = Annotated[str, AfterValidator(_inside)]
BranchName = Annotated[str, Field(pattern=r"^[^\s~^:?*\[\\]+$", max_length=200)]


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class ToPullRequest(_Document):
    """A pull request, which is used again until it is merged."""

    to: Literal["pull_request"]
    folder: Folder = "generated"
    branch: BranchName = "sluice/generated"


class ToCommit(_Document):
    """A commit on the branch itself."""

    to: Literal["commit"]
    folder: Folder = "generated"


class ToBucket(_Document):
    """A bucket, such as the DAG folder of a managed Airflow: `s3://bucket/dags`."""

    to: Literal["bucket"]
    url: Annotated[str, Field(pattern=r"^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/.*)?$")]


class ToFolder(_Document):
    """A directory of this machine."""

    to: Literal["folder"]
    path: str


Delivering = Annotated[ToPullRequest | ToCommit | ToBucket | ToFolder, Field(discriminator="to")]


class _Branch(_Document):
    """What an entry says wherever its repository is."""

    branch: BranchName = "main"
    definitions: Annotated[tuple[str, ...], Field(min_length=1)] = (
        "pipelines/**/*.yml",
        "pipelines/**/*.yaml",
    )
    shared: tuple[str, ...] = ()
    contracts: tuple[str, ...] = ("src/*/contracts/**",)
    parameters: str = ""
    targets: Annotated[
        tuple[Literal["airflow", "stepfunctions", "workflows", "dagfactory"], ...], Field(min_length=1)
    ] = ("airflow",)
    engine_version: Literal["3", "2"] = "3"
    layout: Annotated[int, Field(ge=1)] = 1
    deliver: Delivering = ToPullRequest(to="pull_request")

    @property
    def scope(self) -> Scope:
        folder = self.deliver.folder if isinstance(self.deliver, ToPullRequest | ToCommit) else ""
        parameters = (self.parameters,) if self.parameters else ()
        return Scope(self.branch, self.definitions, (*self.shared, *parameters), folder, self.contracts)

    @property
    def ours(self) -> str:
        """The branch that only we write; empty where there is none."""
        return self.deliver.branch if isinstance(self.deliver, ToPullRequest) else ""

    @model_validator(mode="after")
    def _own_branch(self) -> _Branch:
        if self.ours == self.branch:
            raise Misconfigured("the branch of the pull request is the one that the definitions are on")
        return self


class Hosted(_Branch):
    """One branch of one repository at a host. `credential` and `webhook_secrets` are names of secrets; two of these may
    be valid at once, so that one can be exchanged. `repository` is `owner/name`, with all its groups at GitLab.
    """

    host: Literal[Host.GITHUB, Host.GITLAB, Host.BITBUCKET]
    repository: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.~-]+(/[A-Za-z0-9_.~-]+)+$")]
    api_url: str = ""
    credential: SecretName
    webhook_secrets: Annotated[tuple[SecretName, ...], Field(min_length=1, max_length=2)]
    preview: bool = True
    status: str = "sluice/pipelines"

    @property
    def api(self) -> str:
        """The base URL of the host's API."""
        return self.api_url or API[self.host]

    @field_validator("api_url")
    @classmethod
    def _is_https(cls, value: str) -> str:
        local = value.startswith(("http://127.0.0.1", "http://localhost"))
        if value and not value.startswith("https://") and not local:
            raise ValueError("is no https URL")
        return value.rstrip("/")


class Plain(_Branch):
    """One branch of a plain git remote: no webhooks, no pull requests; it is asked every `poll` seconds.

    `url` is what `git fetch` takes, or a directory; `repository` is what it is called here. `credential` names a secret
    that holds a token, or `user:token`; only https needs one. Delivered as a `pull_request`, artifacts are a branch
    that somebody merges.
    """

    host: Literal[Host.GIT]
    repository: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.~-]+(/[A-Za-z0-9_.~-]+)*$")]
    url: str
    credential: Annotated[str, Field(pattern=r"^([A-Za-z_][A-Za-z0-9_]*)?$")] = ""
    poll: Annotated[float, Field(ge=1, le=86_400)] = 60.0

    @property
    def webhook_secrets(self) -> tuple[str, ...]:
        """Nobody sends deliveries for it."""
        return ()

    @property
    def status(self) -> str:
        """A commit of a plain remote has no statuses."""
        return ""

    @field_validator("url")
    @classmethod
    def _is_remote(cls, value: str) -> str:
        if not _REMOTE.fullmatch(value):
            raise ValueError(
                "is no remote: write https://host/path, ssh://user@host/path, user@host:path, or a directory"
            )
        if "://" in value and urlsplit(value).password is not None:
            raise ValueError("has a password in it: put it into a secret and name that as credential")
        return value


_REMOTE = re.compile(
    r"(https|ssh|file)://\S+|(http|git)://(127\.0\.0\.1|localhost)[:/]\S+|[\w.-]+@[\w.-]+:[^-\s]\S*|[./]\S*"
)
"""No `ext::` or the like, which are commands; what is not encrypted only from this machine."""

Woven = Hosted | Plain


class Weaving(_Document):
    """All that is woven here."""

    repositories: Annotated[
        tuple[Annotated[Hosted | Plain, Field(discriminator="host")], ...], Field(min_length=1)
    ]

    @model_validator(mode="after")
    def _once_each(self) -> Weaving:
        seen = set[tuple[str, str, str]]()
        for one in self.repositories:
            key = (one.host.value, one.repository.lower(), one.branch)
            if key in seen:
                raise Misconfigured(f"{one.host.value} {one.repository} {one.branch} is there twice")
            seen.add(key)
        return self

    def of(self, host: Host, repository: str) -> tuple[Woven, ...]:
        """The branches of a repository that are woven; hosts do not tell capitals from small letters in its name."""
        name = repository.lower()
        return tuple(one for one in self.repositories if one.host is host and one.repository.lower() == name)

    def about(self, news: BranchMoved | PullChanged) -> tuple[Woven, ...]:
        """The entries that news are about. A pull request's base is known only when the host is asked."""
        known = self.of(news.host, news.repository)
        match news:
            case BranchMoved():
                return tuple(one for one in known if one.branch == news.branch)
            case PullChanged():
                return tuple(one for one in known if isinstance(one, Hosted) and one.preview)
