"""Previews a pull request: plans it, keeps one comment of ours up to date, and sets the status of its head."""

from __future__ import annotations

from shared.common.errors import SluiceError
from shared.gitops.comment import FOLDS, LIMIT, MARKER, comments, headline, version
from shared.gitops.configuration import Woven
from shared.gitops.manifest import NAME, Manifest
from shared.gitops.news import Action, PullChanged
from shared.gitops.preview import Preview, plan
from shared.gitops.remark import Marker
from shared.gitops.repository import Pull, Repository, Verdict
from src.weave.compiling import PipelineCompiler
from src.workplace import Workplace

ROUNDS = 3
"""How often it is planned anew because a branch moved meanwhile; then the next event does it."""

UNSEEN = (
    "## Pipelines: not planned\n\nThe commits of this pull request are not in this repository: its branch is gone, or "
    "it is on a fork that cannot be read from here. Push the branch to this repository to have it planned."
)


def preview(place: Workplace, woven: Woven, repository: Repository, news: PullChanged) -> Preview | None:
    """Preview the pull request as it is now, whatever the news said; None where there is nothing to preview.

    A plan whose base or head moved while it was made is thrown away and made again: a stale one is never shown. Of a
    fork only the definitions are read, and they are data; nothing of it is run, and no secret is used for it but the
    credential that reads the repository and writes the comment.
    """
    for _ in range(ROUNDS):
        try:
            pull = repository.pull(news.number)
        except KeyError:
            return None
        # A branch of a fork may be called as ours is.
        ours = pull.head == woven.ours and not pull.fork
        if news.action is Action.CLOSED or not pull.open or pull.base != woven.branch or ours:
            return None
        if not pull.head_sha:
            repository.comment(pull.number, Marker(f"{MARKER} {woven.branch}"), [UNSEEN])
            return None
        try:
            found = _planned(place, woven, repository, pull)
        except SluiceError as error:
            told = error.message.partition("\n")[0]
            repository.status(pull.head_sha, Verdict.ERROR, context=woven.status, description=told)
            raise
        now = repository.pull(news.number)
        if (now.base_sha, now.head_sha) == (pull.base_sha, pull.head_sha):
            _show(place, woven, repository, pull, found)
            return found
    return None


def _planned(place: Workplace, woven: Woven, repository: Repository, pull: Pull) -> Preview:
    compiler = PipelineCompiler(woven, app=place.settings.app_name)
    folder = woven.scope.generated
    body = repository.read([f"{folder}/{NAME}"], pull.base_sha).get(f"{folder}/{NAME}") if folder else None
    return plan(
        repository,
        woven.scope,
        base=pull.base_sha,
        head=pull.head_sha,
        inspector=compiler,
        before=Manifest.of(body),
    )


def _show(place: Workplace, woven: Woven, repository: Repository, pull: Pull, found: Preview) -> None:
    host = woven.host
    bodies = comments(found, now=place.clock.now(), limit=LIMIT[host], folds=host in FOLDS)
    told = bool(found.visible or found.contracts or found.overlap)
    # A pull request that changes no pipeline is not talked about, unless it was before.
    key = place.configuration.secrets.get(woven.credential)
    marker = Marker(f"{MARKER} {woven.branch}", version(found, key=key))
    repository.comment(pull.number, marker, bodies if told else [])
    verdict = Verdict.SUCCESS if found.passes else Verdict.FAILURE
    repository.status(pull.head_sha, verdict, context=woven.status, description=headline(found), url=pull.url)
