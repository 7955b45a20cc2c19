"""A repository behind the command `git`: a remote that has no API, or a directory.

A bare mirror is kept in a folder and fetched each time a branch is asked for; commits are made in it without a working
tree and pushed on the condition that the branch is where it was. There are no pull requests: what is proposed is a
branch, and no commit has a status.

Commits are dated as their parent: the same work on the same commit is the same commit, whenever it is done and however
often.
"""

from __future__ import annotations

import fcntl
import hashlib
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from shared.common.errors import Misconfigured, Refused, Superseded, Transient
from shared.gitops.plain_git import Git
from shared.gitops.remark import Marker
from shared.gitops.repository import ChangeKind, FileChange, Files, Proposal, Pull, Verdict

WHO = "Sluice <sluice@localhost>"
_TREES = 4
"""Trees of commits that are kept in memory."""

_KINDS = {"A": ChangeKind.ADDED, "D": ChangeKind.REMOVED}


class PlainGit:
    """Made by `mirror` or by `working`."""

    def __init__(self, git: Git, *, fetches: bool) -> None:
        self._git = git
        self._fetches = fetches
        self._trees: dict[str, Mapping[str, str]] = {}

    @classmethod
    def mirror(cls, url: str, cache: Path, *, credential: str = "") -> PlainGit:
        """The remote `url`, with a mirror in a folder below `cache`. Nothing is fetched yet."""
        folder = cache.absolute() / hashlib.sha256(url.encode()).hexdigest()[:32]
        # git takes relative directories from where it works, and we from where we are.
        remote = str(Path(url).absolute()) if "://" not in url and url.startswith((".", "/")) else url
        return cls(Git(folder, remote, credential), fetches=True)

    @classmethod
    def working(cls, directory: Path) -> PlainGit:
        """The repository that `directory` is in, as it is: nothing is fetched, and nothing can be written."""
        if not directory.is_dir():
            raise Misconfigured(f"there is no directory {directory}")
        git = Git(directory.absolute(), trusted=True)
        git.run("rev-parse", "--git-dir")
        return cls(git, fetches=False)

    def resolve(self, name: str) -> str:
        """The commit that a name (a branch, a tag, `HEAD~1`, the start of a SHA) stands for here.

        Raises `Misconfigured` for a name that stands for none.
        """
        sha = self._git.text(
            "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}", allowed=(0, 1, 128)
        )
        if not sha:
            raise Misconfigured(
                f"{name!r} is no commit of this repository",
                hint="name a branch, a tag or a commit that was fetched, such as origin/main",
                repository=str(self._git.directory),
            )
        return sha

    def head(self, branch: str) -> str | None:
        if self._fetches:
            self._fetch()
        ref = f"refs/heads/{branch}"
        return self._git.text("rev-parse", "--verify", "--quiet", ref, allowed=(0, 1)) or None

    def changes(self, old: str, new: str) -> Sequence[FileChange] | None:
        if not (self._has(old) and self._has(new)):
            return None
        out = self._git.run(
            "diff-tree", "-r", "-z", "--no-renames", "--ignore-submodules=all", "--name-status",
            "--no-commit-id", old, new,
        ).out  # fmt: skip
        words = out.decode(errors="surrogateescape").split("\0")[:-1]
        pairs = zip(words[::2], words[1::2], strict=True)
        return sorted(FileChange(path, _KINDS.get(kind, ChangeKind.MODIFIED)) for kind, path in pairs)

    def files(self, sha: str) -> Mapping[str, str]:
        if sha not in self._trees:
            out = self._git.run("ls-tree", "-r", "-z", "--full-tree", sha).out
            lines = out.decode(errors="surrogateescape").split("\0")[:-1]
            parts = (line.partition("\t") for line in lines)
            found = {path: about.split()[2] for about, _, path in parts if about.split()[1] == "blob"}
            while len(self._trees) >= _TREES:
                self._trees.pop(next(iter(self._trees)))
            self._trees[sha] = found
        return self._trees[sha]

    def read(self, paths: Iterable[str], sha: str) -> Mapping[str, bytes]:
        there = self.files(sha)
        wanted = [path for path in dict.fromkeys(paths) if path in there]
        found = self._git.objects([there[path] for path in wanted]) if wanted else iter(())
        read = {path: content for path, content in zip(wanted, found, strict=True) if content is not None}
        if len(read) < len(wanted):
            raise Misconfigured(
                "the repository lacks files of this commit",
                hint="it is a partial clone: git fetch --refetch --no-filter",
                commit=sha,
            )
        return read

    def commit(self, branch: str, files: Files, *, parent: str, message: str) -> str:
        made = self._commit(files, parent, message)
        self._push(f"{made}:refs/heads/{branch}", branch, parent)
        return made

    def propose(self, branch: str, files: Files, *, base: str, parent: str, title: str, body: str) -> str:
        """Returns the branch: somebody merges it into `base`."""
        del base
        made = self._commit(files, parent, f"{title}\n\n{body}")
        there = self._there(branch)
        if there != made:
            self._push(f"+{made}:refs/heads/{branch}", branch, there)
        return branch

    def proposal(self, branch: str, *, base: str) -> Proposal | None:
        """There is none: `propose` pushes nothing where its commit is there already."""

    def withdraw(self, branch: str) -> None:
        if there := self._there(branch):
            try:
                self._push(f":refs/heads/{branch}", branch, there)
            except Superseded:
                # Somebody deleted it with the merge.
                if self._there(branch):
                    raise

    def pull(self, number: int) -> Pull:
        """There are none. Raises `KeyError`."""
        raise KeyError(number)

    def merge_base(self, one: str, other: str) -> str | None:
        return self._git.text("merge-base", one, other, allowed=(0, 1)) or None

    def comment(self, number: int, marker: Marker, bodies: Sequence[str]) -> None:
        """Raises `Misconfigured`: there is nothing to comment on."""
        del marker, bodies
        raise Misconfigured(
            f"a plain git remote has no pull request {number}",
            hint="`sluice plan BASE HEAD` shows the preview here",
            url=self._git.url,
        )

    def status(self, sha: str, verdict: Verdict, *, context: str, description: str, url: str = "") -> None:
        """Nothing: a commit of a plain remote has no status. Who weaves has logged the same."""

    # The mirror

    def _fetch(self) -> None:
        with self._alone():
            if not (self._git.directory / "HEAD").exists():
                self._git.run("init", "--quiet", "--bare", "--template=")
            self._git.run(
                "fetch", "--quiet", "--prune", "--no-tags", "--no-write-fetch-head", "--no-auto-maintenance",
                "--", self._git.url, "+refs/heads/*:refs/heads/*",
            )  # fmt: skip

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """One process at a time fetches into a mirror: two would meet at its references."""
        self._git.directory.mkdir(parents=True, exist_ok=True)
        with open(self._git.directory / "sluice.lock", "wb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _has(self, sha: str) -> bool:
        return self._git.run("cat-file", "-e", f"{sha}^{{commit}}", allowed=(0, 1, 128)).code == 0

    def _there(self, branch: str) -> str:
        """Where the remote's branch points to now; empty when there is none."""
        return self._git.text("ls-remote", "--", self._git.url, f"refs/heads/{branch}").partition("\t")[0]

    def _commit(self, files: Files, parent: str, message: str) -> str:
        """A commit in the mirror, on no branch."""
        if not self._fetches:
            raise Misconfigured("a working repository is only read", repository=str(self._git.directory))
        with tempfile.TemporaryDirectory(prefix="sluice-") as scratch:
            index = Path(scratch) / "index"
            self._git.run("read-tree", parent, index=index)
            # Deletions first: a folder may take the place of a file.
            entries = [f"0 {'0' * 40}\t{path}" for path, content in files.items() if content is None]
            entries += [f"100644 {blob}\t{path}" for path, blob in self._blobs(files, Path(scratch))]
            given = "".join(f"{entry}\0" for entry in entries).encode(errors="surrogateescape")
            done = self._git.run(
                "update-index", "-z", "--add", "--replace", "--index-info", given=given, index=index
            )
            if done.said:
                # It only warns of paths that it leaves out.
                raise Misconfigured(f"git takes no such path: {done.said}", commit=parent)
            tree = self._git.run("write-tree", index=index).out.decode().strip()
        name, _, mail = WHO.rstrip(">").partition(" <")
        date = self._git.text("show", "--no-patch", "--format=%ct", parent) + " +0000"
        more = {
            f"GIT_{who}_{what}": value
            for who in ("AUTHOR", "COMMITTER")
            for what, value in (("NAME", name), ("EMAIL", mail), ("DATE", date))
        }
        made = self._git.run("commit-tree", tree, "-p", parent, given=message.encode(), more=more)
        return made.out.decode().strip()

    def _blobs(self, files: Files, scratch: Path) -> Iterator[tuple[str, str]]:
        """The ids of the contents, which are written in one go."""
        written = [(path, content) for path, content in files.items() if content is not None]
        for number, (_, content) in enumerate(written):
            (scratch / str(number)).write_bytes(content)
        names = "".join(f"{scratch / str(number)}\n" for number in range(len(written)))
        out = self._git.run("hash-object", "-w", "--no-filters", "--stdin-paths", given=names.encode()).out
        for (path, _), blob in zip(written, out.decode().split(), strict=True):
            yield path, blob

    def _push(self, what: str, branch: str, expected: str) -> None:
        """Push if the branch is where `expected` says (empty: nowhere). Raises `Superseded` where it is not."""
        lease = f"--force-with-lease=refs/heads/{branch}:{expected}"
        done = self._git.run(
            "push", "--porcelain", "--no-verify", lease, "--", self._git.url, what, allowed=(0, 1)
        )
        if done.code == 0:
            return
        if self._there(branch) != expected:
            raise Superseded("the branch has moved meanwhile", url=self._git.url, branch=branch)
        line = next((line for line in done.out.decode(errors="replace").splitlines() if line[:1] == "!"), "")
        reason = line.rpartition("\t")[2] or done.said
        if "[remote rejected]" in reason and "lock ref" not in reason:
            raise Refused(f"the remote takes no push: {reason}", url=self._git.url, branch=branch)
        raise Transient(f"git push: {reason}", url=self._git.url, branch=branch)
