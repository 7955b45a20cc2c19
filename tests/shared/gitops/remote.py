"""A git server over HTTP (git's own `http-backend` as a CGI program), and somebody who works with what it serves."""

from __future__ import annotations

import base64
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

CREDENTIAL = "git:a-token-of-the-test"

_PERSON = {
    "PATH": os.environ["PATH"],
    "HOME": "/nonexistent",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_TERMINAL_PROMPT": "0",
    **{f"GIT_{who}_NAME": "Ada" for who in ("AUTHOR", "COMMITTER")},
    **{f"GIT_{who}_EMAIL": "ada@example.org" for who in ("AUTHOR", "COMMITTER")},
}


def git(*words: str, at: Path) -> str:
    """The command as a person runs it."""
    done = subprocess.run(
        ["git", "-c", "init.defaultBranch=main", *words],
        cwd=at,
        env=_PERSON,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@dataclass
class Person:
    """Somebody with a clone; `bare` is the server's repository, pushed to past the server."""

    bare: Path
    clone: Path

    @classmethod
    def of(cls, folder: Path) -> Person:
        bare, clone = folder / "served" / "flows.git", folder / "clone"
        bare.mkdir(parents=True)
        git("init", "--quiet", "--bare", at=bare)
        git("clone", "--quiet", str(bare), str(clone), at=folder)
        git("commit", "--quiet", "--allow-empty", "-m", "begin", at=clone)
        git("push", "--quiet", "origin", "HEAD:main", at=clone)
        return cls(bare, clone)

    def push(self, files: dict[str, bytes | None], *, branch: str = "main", onto: str = "") -> str:
        """A commit; `onto` another one than the branch's is a force push."""
        git("fetch", "--quiet", "--prune", "origin", at=self.clone)
        start = onto or (f"origin/{branch}" if self.head(branch) else "origin/main")
        git("checkout", "--quiet", "--force", "--detach", start, at=self.clone)
        for path, content in files.items():
            target = self.clone / path
            if content is None:
                git("rm", "--quiet", path, at=self.clone)
            else:
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(content)
        git("add", "--all", at=self.clone)
        git("commit", "--quiet", "--allow-empty", "-m", "work", at=self.clone)
        git("push", "--quiet", "--force", "origin", f"HEAD:refs/heads/{branch}", at=self.clone)
        return git("rev-parse", "HEAD", at=self.clone)

    def head(self, branch: str = "main") -> str:
        return git("for-each-ref", "--format=%(objectname)", f"refs/heads/{branch}", at=self.bare)

    def tree_names(self, branch: str = "main") -> list[str]:
        return git("ls-tree", "-r", "--name-only", branch, at=self.bare).splitlines()

    def tree(self, branch: str = "main") -> dict[str, bytes]:
        """The files of a branch, all as of one moment."""
        sha = self.head(branch) or branch
        names = git("ls-tree", "-r", "--name-only", sha, at=self.bare).splitlines()
        return {name: git("show", f"{sha}:{name}", at=self.bare).encode() for name in names}


@dataclass
class Served:
    """Where the server is, and what it was asked."""

    url: str = ""
    asked: list[str] = field(default_factory=list)
    broken: int = 0


@contextmanager
def served(folder: Path) -> Iterator[Served]:
    """Serve the repositories below `folder`, to whoever has the credential; `broken` answers are 503 first."""
    state = Served()

    class Backend(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._answer(b"")

        def do_POST(self) -> None:
            self._answer(self._body())

        def log_message(self, format: str, *args: object) -> None:
            pass

        def _body(self) -> bytes:
            if self.headers.get("Transfer-Encoding") != "chunked":
                return self.rfile.read(int(self.headers.get("Content-Length", "0")))
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return body

        def _answer(self, body: bytes) -> None:
            path, _, query = self.path.partition("?")
            state.asked.append(self.path)
            wanted = f"Basic {base64.b64encode(CREDENTIAL.encode()).decode()}"
            if self.headers.get("Authorization") != wanted:
                self._send(401, [("WWW-Authenticate", "Basic realm=git")], b"")
                return
            if state.broken:
                state.broken -= 1
                self._send(503, [], b"")
                return
            environment = {
                "PATH": os.environ["PATH"], "GIT_PROJECT_ROOT": str(folder), "GIT_HTTP_EXPORT_ALL": "1",
                "GIT_CONFIG_NOSYSTEM": "1", "HOME": "/nonexistent", "REMOTE_USER": "git", "PATH_INFO": path,
                "QUERY_STRING": query, "REQUEST_METHOD": self.command, "CONTENT_LENGTH": str(len(body)),
                "CONTENT_TYPE": self.headers.get("Content-Type", ""),
                "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
                "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            }  # fmt: skip
            done = subprocess.run(
                ["git", "http-backend"], input=body, env=environment, capture_output=True, check=False
            )
            head, _, rest = done.stdout.partition(b"\r\n\r\n")
            fields = [line.split(": ", 1) for line in head.decode().split("\r\n")]
            status = next((int(value.split()[0]) for name, value in fields if name == "Status"), 200)
            self._send(status, [(name, value) for name, value in fields if name != "Status"], rest)

        def _send(self, status: int, fields: list[tuple[str, str]], body: bytes) -> None:
            self.send_response(status)
            for name, value in fields:
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Backend)
    state.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
