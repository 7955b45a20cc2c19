"""An adapter before a host of its own, and the repository in memory that both speak about."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field

from shared.common.fakes import DictSecrets, FakeClock
from shared.gitops.fake import FakeRepository
from shared.gitops.hosts.bitbucket import Bitbucket
from shared.gitops.hosts.github import GitHub
from shared.gitops.hosts.gitlab import GitLab
from shared.gitops.remark import Marker
from shared.gitops.repository import Repository
from shared.rest.auth import Bearer
from shared.rest.client import Client, connect
from shared.rest.retry import Retry
from tests.shared.gitops.hosts.bitbucket import BitbucketDialect
from tests.shared.gitops.hosts.github import GitHubDialect
from tests.shared.gitops.hosts.gitlab import GitLabDialect
from tests.shared.gitops.hosts.host import TOKEN, Dialect, HostServer

MARKER = Marker("sluice-plan main")
HOSTS: dict[str, tuple[type[Dialect], Callable[[Client, str], Repository]]] = {
    "github": (GitHubDialect, GitHub),
    "gitlab": (GitLabDialect, GitLab),
    "bitbucket": (BitbucketDialect, Bitbucket),
}


@dataclass
class Site:
    """`repository` is what is tested, `model` what it should tell; `server` is None where nothing is between."""

    repository: Repository
    model: FakeRepository
    server: HostServer | None = None
    clock: FakeClock = field(default_factory=FakeClock)

    @property
    def host(self) -> HostServer:
        assert self.server
        return self.server

    def again(self) -> Repository:
        """The adapter of another worker, which knows nothing of what this one has seen."""
        return opened(self.host, self.clock) if self.server else self.repository

    def say(self, number: int, text: str) -> None:
        """A comment of somebody else."""
        if self.server:
            self.server.dialect.foreign.add(self.server.dialect.remark(number, text))
        else:
            self.model.comments.setdefault(number, []).append(text)

    def comments(self, number: int) -> list[str]:
        """The last line of each comment."""
        texts = (
            self.server.dialect.remarks.get(number, {}).values()
            if self.server
            else self.model.comments[number]
        )
        return [text.rpartition("\n")[2] for text in texts]


def opened(server: HostServer, clock: FakeClock, *, token: str = TOKEN) -> Repository:
    """The adapter as the product opens it (src/weave/place.py)."""
    adapter = next(make for dialect, make in HOSTS.values() if isinstance(server.dialect, dialect))
    client = connect(
        server.api,
        clock=clock,
        secrets=DictSecrets({"TOKEN": token}),
        auth=Bearer(type="bearer", token="TOKEN"),
        retry=Retry(throttle_statuses=(403,), budget=120),
    )
    return adapter(client, server.dialect.model.name)


def sites() -> Iterator[Callable[[str], Site]]:
    """Makes sites, and takes their servers down at the end."""
    with ExitStack() as stack:

        def make(name: str) -> Site:
            model, clock = FakeRepository(), FakeClock()
            if name == "memory":
                return Site(model, model, clock=clock)
            server = stack.enter_context(HostServer(HOSTS[name][0](model)))
            return Site(opened(server, clock), model, server, clock)

        yield make
