"""The command `git`, run so that nothing of a repository or of this machine's configuration is run with it.

No hooks, no file monitors, no prompts, no system or user configuration, no helpers of credentials, and only protocols
that fetch: what a repository says is data. Requires git 2.38 or newer.
"""

from __future__ import annotations

import base64
import os
import re
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from shared.common.errors import Misconfigured, Refused, SluiceError, Transient

SECONDS = 300.0
"""How long one command may take."""

_KEPT = ("PATH", "HOME", "TMPDIR", "SSH_AUTH_SOCK", "SSL_CERT_FILE", "SSL_CERT_DIR", "GIT_SSH_COMMAND")
_PROXIES = ("http_proxy", "https_proxy", "no_proxy", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "all_proxy")

_ALWAYS = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ASKPASS": "",
    "SSH_ASKPASS": "",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_PROTOCOL_FROM_USER": "0",
    "GIT_ALLOW_PROTOCOL": "file:git:http:https:ssh",
    "GIT_SSH_COMMAND": "ssh -o BatchMode=yes",
    "LC_ALL": "C",
}

_SETTINGS = (
    f"core.hooksPath={os.devnull}",
    "core.fsmonitor=false",
    f"core.attributesFile={os.devnull}",
    "credential.helper=",
    "gc.auto=0",
    "maintenance.auto=false",
    "commit.gpgSign=false",
    "push.gpgSign=false",
    "fetch.recurseSubmodules=false",
    "push.recurseSubmodules=no",
    "transfer.credentialsInUrl=die",
    "http.lowSpeedLimit=1000",
    "http.lowSpeedTime=60",
)

_REFUSED = re.compile(
    r"Authentication failed|could not read Username|Permission denied|returned error: 40[134]|access denied"
    r"|Invalid username or"
    r"|repository '.*' not found|does not appear to be a git repository|not exported|dubious ownership"
)


@dataclass(frozen=True, slots=True)
class Done:
    """What a command said; `code` is its exit code."""

    code: int
    out: bytes
    said: str


@dataclass(frozen=True)
class Git:
    """The command in the repository `directory`, whose remote is `url`.

    `credential` is a token, or `user:token`; only https:// uses it. It is handed over in the environment, where other
    users of the machine do not see it. `trusted`: a working repository may belong to another user (a container's).
    """

    directory: Path
    url: str = ""
    credential: str = field(default="", repr=False)
    trusted: bool = False

    def run(
        self,
        *arguments: str,
        given: bytes = b"",
        allowed: Sequence[int] = (0,),
        index: Path | None = None,
        more: Mapping[str, str] | None = None,
    ) -> Done:
        """Run a command of git. An exit code that is not `allowed` raises what it means: see `_meaning`."""
        settings = [word for one in _SETTINGS for word in ("-c", one)]
        settings += ["-c", "safe.directory=*"] if self.trusted else []
        words = ["git", "--no-pager", *settings, "-C", str(self.directory), *arguments]
        environment = {
            **self._environment(),
            **({"GIT_INDEX_FILE": str(index)} if index else {}),
            **(more or {}),
        }
        try:
            # A group of its own: Ctrl-C is for the process that asked, which lets this one come to its end.
            process = subprocess.Popen(  # noqa: S603  # a fixed command, no shell
                words, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                start_new_session=True,
            )  # fmt: skip
        except FileNotFoundError:
            raise Misconfigured(
                "the command git cannot be run here", hint="install git", where=str(self.directory)
            ) from None
        with process:
            try:
                out, wrong = process.communicate(given, timeout=SECONDS)
            except BaseException as error:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.communicate()
                if isinstance(error, subprocess.TimeoutExpired):
                    raise Transient(
                        f"git {arguments[0]} took more than {SECONDS:.0f} seconds", url=self.url
                    ) from None
                raise
        done = Done(process.returncode, out, wrong.decode(errors="replace").strip())
        if done.code not in allowed:
            raise self._meaning(arguments[0], done)
        return done

    def text(self, *arguments: str, allowed: Sequence[int] = (0,)) -> str:
        """What a command writes, without the line's end."""
        return self.run(*arguments, allowed=allowed).out.decode(errors="surrogateescape").strip()

    def objects(self, names: Sequence[str]) -> Iterator[bytes | None]:
        """The content of objects, in this order; None for one that is not there."""
        out = self.run("cat-file", "--batch", given="".join(f"{name}\n" for name in names).encode()).out
        place = 0
        for _ in names:
            end = out.index(b"\n", place)
            head = out[place:end].split()
            place = end + 1
            if head[-1] == b"missing":
                yield None
                continue
            size = int(head[-1])
            yield out[place : place + size]
            place += size + 1

    def _environment(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in (*_KEPT, *_PROXIES) if os.environ.get(name)}
        environment = {**_ALWAYS, **kept}
        if self.credential and self.url.startswith(("https://", "http://127.0.0.1", "http://localhost")):
            parts = urlsplit(self.url)
            pair = self.credential if ":" in self.credential else f"git:{self.credential}"
            told = base64.b64encode(pair.encode()).decode()
            environment |= {
                "GIT_CONFIG_COUNT": "1",
                "GIT_CONFIG_KEY_0": f"http.{parts.scheme}://{parts.netloc}/.extraHeader",
                "GIT_CONFIG_VALUE_0": f"Authorization: Basic {told}",
            }
        return environment

    def _meaning(self, command: str, done: Done) -> SluiceError:
        """The remote said no, or git cannot work with what it was given; what is neither may pass by itself."""
        lines = [line for line in done.said.splitlines() if line.startswith(("fatal:", "error:"))]
        said = "; ".join(lines or done.said.splitlines()[-1:]) or f"exit code {done.code}"
        if _REFUSED.search(done.said):
            return Refused(f"git {command}: {said}", hint="check url and credential", url=self.url)
        if command in ("fetch", "push", "ls-remote"):
            return Transient(f"git {command}: {said}", url=self.url)
        return Misconfigured(f"git {command}: {said}", repository=str(self.directory))
