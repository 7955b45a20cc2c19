"""Plans a merge in a working repository: the preview that a pull request gets, without a host and without a network."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from shared.common.documents import read_yaml
from shared.common.errors import Misconfigured, unknown
from shared.gitops.compiling import compile_all
from shared.gitops.configuration import Plain, Weaving, Woven
from shared.gitops.manifest import NAME, Manifest
from shared.gitops.manifest import Woven as Made
from shared.gitops.news import Host
from shared.gitops.plain import PlainGit
from shared.gitops.preview import Preview, plan
from shared.gitops.repository import Repository
from shared.gitops.stale import Contents, Scope
from src.weave.compiling import PipelineCompiler


def entry(file: Path, *, repository: str = "", branch: str = "") -> Woven:
    """The entry of weave.yml that is meant: the only one, or the one of that repository (and branch).

    Raises `Misconfigured` where that is none, or several.
    """
    try:
        text = file.read_bytes()
    except OSError as error:
        raise Misconfigured(
            f"{file} cannot be read: {error.strerror}",
            hint="--definitions 'pipelines/**/*.yml' does without one",
        ) from None
    known = read_yaml(text, file=str(file)).parse(Weaving).repositories
    found = [one for one in known if repository.lower() in ("", one.repository.lower())]
    if not found:
        raise unknown("repository", repository, {one.repository for one in known}, file=str(file))
    if len(found) > 1:
        found = [one for one in found if one.branch == branch.removeprefix("origin/")] or found
    if len(found) > 1:
        names = ", ".join(f"{one.repository} ({one.branch})" for one in found)
        raise Misconfigured(f"{file} has several entries: {names}", hint="--repository says which")
    return found[0]


def without_file(definitions: tuple[str, ...]) -> Woven:
    """An entry for who has no weave.yml: everything by default, but for the definitions."""
    some = {"definitions": definitions} if definitions else {}
    return Plain.model_validate({"host": Host.GIT, "repository": "here", "url": ".", **some})


def planned(directory: Path, woven: Woven, *, base: str, head: str, app: str = "sluice") -> Preview:
    """What merging `head` into `base` would change; both are names of commits in the repository at `directory`.

    Raises `Misconfigured` for a name that stands for nothing there, `Violation` for two that have nothing in common.
    """
    repository = PlainGit.working(directory)
    old, new = repository.resolve(base), repository.resolve(head)
    compiler = PipelineCompiler(woven, app=app)
    before = _before(repository, woven.scope, compiler, old, new)
    return plan(repository, woven.scope, base=old, head=new, inspector=compiler, before=before)


def _before(
    repository: Repository, scope: Scope, compiler: PipelineCompiler, base: str, head: str
) -> Manifest:
    """Which definitions read which other files: what was delivered says so, or compiling them all does."""
    if scope.generated:
        name = f"{scope.generated}/{NAME}"
        if body := repository.read([name], base).get(name):
            return Manifest.of(body, file=name)
    parted = repository.merge_base(base, head) or base
    touched = repository.changes(parted, head) or ()
    if all(scope.counts(one.path) for one in touched):
        return Manifest()
    contents = Contents(repository, base)
    paths = sorted(path for path in repository.files(base) if scope.is_definition(path))
    contents.fetch(paths)
    compile_all(paths, contents, compiler)
    reads = {path: Made({}, contents.reads.get(path, ())) for path in paths}
    return replace(Manifest(), definitions=reads)
