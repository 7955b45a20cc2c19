"""A git host over real HTTP for tests: one repository in memory behind the dialect of GitHub, GitLab or Bitbucket.

What the three promise is written down from their documentation; where it says nothing, from their own sources. It keeps
to it strictly: what a host refuses is refused here, so that an adapter that passes would not be refused there.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from shared.gitops.fake import FakeCommit, FakeRepository
from shared.gitops.repository import ChangeKind, FileChange, between

TOKEN = "t0ken-of-acme"


@dataclass(frozen=True)
class Call:
    """A request: the path as it was sent, its query and body."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    headers: Mapping[str, str]
    body: bytes

    def get(self, name: str, default: str = "") -> str:
        return dict(self.query).get(name, default)

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


@dataclass(frozen=True)
class Reply:
    """An answer; the status 0 is none at all: the connection breaks."""

    status: int = 200
    document: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None

    @property
    def content(self) -> bytes:
        if self.body is not None:
            return self.body
        return b"" if self.document is None else json.dumps(self.document).encode()


class Declined(Exception):
    """Raised by a route where the host says no."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass
class Fault:
    """What goes wrong `times` times with a call that `pattern` is found in; `after` it was done, if so."""

    pattern: str
    reply: Reply
    times: int = 1
    after: bool = False


Route = tuple[str, str, Callable[..., Reply]]


class Dialect:
    """How one host speaks about the model. `largest`: the most that a page holds; `remarks`: comments by number."""

    prefix = ""
    credentials = ("authorization", f"Bearer {TOKEN}")

    def __init__(self, model: FakeRepository) -> None:
        self.model = model
        self.largest = 100
        self.remarks: dict[int, dict[int, str]] = {}
        self.foreign: set[int] = set()
        self.url = ""
        self.names = 0

    def routes(self) -> list[Route]:
        raise NotImplementedError

    def declined(self, error: Declined) -> Reply:
        raise NotImplementedError

    def headers(self) -> dict[str, str]:
        return {}

    def answer(self, call: Call) -> Reply:
        name, value = self.credentials
        if call.headers.get(name) != value:
            return self.declined(Declined(401, "Bad credentials"))
        for method, pattern, act in self.routes():
            match = re.fullmatch(pattern, call.path)
            if match and method == call.method:
                try:
                    return act(call, *(unquote(group) for group in match.groups()))
                except Declined as error:
                    return self.declined(error)
        return self.declined(Declined(404, "Not Found"))

    # What the dialects share

    def commit(self, sha: str) -> FakeCommit:
        if sha not in self.model.commits:
            raise Declined(404, "Not Found")
        return self.model.commits[sha]

    def ids(self, sha: str) -> dict[str, str]:
        return {path: blob_name(content) for path, content in self.commit(sha).tree.items()}

    def differ(self, old: str, new: str) -> list[FileChange]:
        """What differs, with renames found as git finds those of equal content."""
        before, after = self.ids(old), self.ids(new)
        found = between(before, after)
        gone = {before[one.path]: one.path for one in found if one.kind is ChangeKind.REMOVED}
        changes, moved = list[FileChange](), set[str]()
        for one in found:
            was = gone.get(after.get(one.path, ""), "") if one.kind is ChangeKind.ADDED else ""
            renamed = bool(was) and was not in moved
            moved.add(was)
            changes.append(replace(one, was=was) if renamed else one)
        return [one for one in changes if one.path not in moved or one.kind is not ChangeKind.REMOVED]

    def base_of(self, one: str, other: str) -> str | None:
        past = set(self.model._past(one))
        return next((sha for sha in self.model._past(other) if sha in past), None)

    def remark(self, number: int, text: str) -> int:
        self.names += 1
        self.remarks.setdefault(number, {})[self.names] = text
        return self.names

    def remark_of(self, name: int, *, mine: bool = True) -> dict[int, str]:
        if mine and name in self.foreign:
            raise Declined(403, "Forbidden")
        for texts in self.remarks.values():
            if name in texts:
                return texts
        raise Declined(404, "Not Found")

    def store(self, parents: tuple[str, ...], tree: Mapping[str, bytes], message: str) -> str:
        """A commit that no branch points to yet."""
        seed = repr((parents, sorted(tree.items()), message, len(self.model.commits)))
        sha = hashlib.sha1(seed.encode(), usedforsecurity=False).hexdigest()
        self.model.commits[sha] = FakeCommit(sha, parents, dict(tree), message)
        return sha

    def slice(self, call: Call, found: list[Any], *, size: str, default: int) -> tuple[list[Any], str]:
        """A page, and the URL of the next one."""
        per = int(call.get(size, str(default)))
        if not 1 <= per <= self.most(call):
            raise Declined(400, f"Invalid {size}")
        per = min(per, self.largest)
        page = int(call.get("page", "1"))
        rest = [pair for pair in call.query if pair[0] != "page"]
        query = urlencode([*rest, ("page", str(page + 1))])
        more = f"{self.url}{call.path}?{query}" if page * per < len(found) else ""
        return found[(page - 1) * per : page * per], more

    def most(self, call: Call) -> int:
        return 100

    def linked(self, call: Call, found: list[Any]) -> Reply:
        """A page of a list, with the next one in a Link header."""
        some, more = self.slice(call, found, size="per_page", default=30)
        headers = {"Link": f'<{more}>; rel="next", <{self.url}{call.path}>; rel="first"'} if more else {}
        return Reply(200, some, headers)


class HostServer:
    """Serves a dialect; `calls` are those that came, `faults` what goes wrong with them.

    `before` happens before a call is answered: what others do to the model meanwhile.
    """

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect
        self.calls: list[str] = []
        self.faults: list[Fault] = []
        self.before: Callable[[str], None] = lambda call: None
        self.lock = threading.Lock()
        handler = type("Handler", (_Handler,), {"host": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        dialect.url = f"http://127.0.0.1:{self._server.server_port}"

    @property
    def writes(self) -> list[str]:
        """The calls that may change something; a query is none, though it is a POST."""
        return [call for call in self.calls if not call.startswith("GET ") and "graphql" not in call]

    @property
    def api(self) -> str:
        return self.dialect.url + self.dialect.prefix

    def __enter__(self) -> HostServer:
        serve = {"poll_interval": 0.02}
        threading.Thread(target=self._server.serve_forever, kwargs=serve, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, call: Call) -> Reply:
        with self.lock:
            self.calls.append(str(call))
            self.before(str(call))
            fault = next(
                (one for one in self.faults if one.times and re.search(one.pattern, str(call))), None
            )
            if fault:
                fault.times -= 1
                if fault.after:
                    self.dialect.answer(call)
                return fault.reply
            reply = self.dialect.answer(call)
        return Reply(reply.status, reply.document, {**self.dialect.headers(), **reply.headers}, reply.body)


class _Handler(BaseHTTPRequestHandler):
    host: HostServer
    protocol_version = "HTTP/1.1"
    wbufsize = 65_536  # Headers and body in one piece: apart they wait 40 ms for each other.

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""

    def _serve(self) -> None:
        url = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        query = tuple(parse_qsl(url.query, keep_blank_values=True))
        headers = {name.lower(): value for name, value in self.headers.items()}
        reply = self.host.answer(Call(self.command, url.path, query, headers, body))
        if not reply.status:
            self.close_connection = True
            self.connection.shutdown(2)
            return
        content = reply.content
        self.send_response(reply.status)
        for name, value in {"Content-Type": "application/json; charset=utf-8", **reply.headers}.items():
            self.send_header(name, value)
        if reply.status != 204:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if reply.status != 204:
            self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve  # noqa: N815  (the names are http.server's)


def blob_name(content: bytes) -> str:
    """The name that git has for a file of this content."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def as_text(content: bytes) -> str | None:
    """A file as a host shows it in a query; None for what is binary."""
    if b"\0" in content[:8000]:
        return None
    return content.decode(errors="replace")
