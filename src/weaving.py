"""Webhook, queue and worker in one process, for a team without AWS: `sluice weave serve`.

Everything it keeps lies in one folder: the queue, the mirrors of plain remotes, and a lock that lets one process at a
time work there. What it had at work when it was killed is worked on again by the next one.
"""

from __future__ import annotations

import fcntl
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from shared.common.clock import random_token
from shared.common.errors import Misconfigured
from shared.gitops.configuration import Hosted
from shared.gitops.delivery import LARGEST
from shared.landing.folder import FolderStore
from shared.telemetry.alerting import Alerts
from src.hook.receive import Answer, Desk
from src.weave.loop import Loop
from src.weave.queue import FileQueue
from src.weave.work import Bench
from src.workplace import Workplace

STATE = Path(".sluice/weave")
"""The folder, relative to the current directory."""

PATIENCE = 30.0
"""Seconds that a client may take for one read or write."""


@dataclass(frozen=True)
class Serving:
    """What one process has at hand. `host` and `port` (0: a free one) are where it listens."""

    place: Workplace
    bench: Bench
    alerts: Alerts
    say: Callable[[str], None]
    stop: Callable[[], bool]
    state: Path = STATE
    host: str = "127.0.0.1"
    port: int = 8088

    def once(self) -> int:
        """Look at every branch, work until nothing is due, and end; returns how many failed or still wait."""
        with self._loop(polled=False) as loop:
            while not self.stop() and loop.work():
                pass
            return loop.failures + loop.queue.open()

    def serve(self) -> None:
        """Listen, poll and work until `stop`; what is at hand is brought to its end."""
        with self._loop(polled=True) as loop, self._listening(loop.queue):
            poller = threading.Thread(target=loop.watch, name="weave-poll", daemon=True)
            poller.start()
            loop.run()
            self.say(f"drained; {loop.queue.open()} in the queue for the next start")
            poller.join(timeout=PATIENCE)

    @contextmanager
    def _loop(self, *, polled: bool) -> Iterator[Loop]:
        with alone(self.state):
            queue = FileQueue(self.state / "queue.db", self.place.clock)
            # Nobody else works here: leases of a process that was killed are nobody's.
            leases = self.state / "leases"
            shutil.rmtree(leases, ignore_errors=True)
            bench = Bench(
                self.bench.place,
                self.bench.weaving,
                self.bench.open_repository,
                self.bench.open_delivery,
                FolderStore(leases),
            )
            loop = Loop(bench, queue, self.say, self.alerts, random_token, self.stop)
            try:
                loop.begin(polled=polled)
                yield loop
            finally:
                queue.close()

    @contextmanager
    def _listening(self, queue: FileQueue) -> Iterator[None]:
        """The webhook, where a host is woven that sends deliveries; what only polls listens to nobody."""
        weaving = self.bench.weaving
        if not any(isinstance(one, Hosted) for one in weaving.repositories):
            self.say("polling; no host is woven that sends deliveries")
            yield
            return
        desk = Desk(weaving, self.place.configuration.secrets, queue, queue, self.place.clock)
        handler = type("Handler", (_Handler,), {"desk": desk, "say": staticmethod(self.say)})
        try:
            server = _Server((self.host, self.port), handler)
        except OSError as error:
            raise Misconfigured(
                f"{self.host}:{self.port} cannot be listened at: {error.strerror}",
                hint="--port takes another one",
            ) from None
        thread = threading.Thread(target=server.serve_forever, args=(0.1,), name="weave-http", daemon=True)
        thread.start()
        self.say(f"listening at http://{self.host}:{server.server_port}/webhook")
        try:
            yield
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


@contextmanager
def alone(state: Path) -> Iterator[None]:
    """Be the only process that works in this folder. Raises `Misconfigured` when there is one."""
    state.mkdir(parents=True, exist_ok=True)
    with open(state / "serve.lock", "wb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Misconfigured(
                "another sluice weave serve works here", hint="end it first", folder=str(state)
            ) from None
        yield


def is_served(state: Path) -> bool:
    """Whether a process works in this folder now."""
    try:
        with open(state / "serve.lock", "rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return False
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True


class _Server(ThreadingHTTPServer):
    daemon_threads = False
    request_queue_size = 64

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client left; it sends its delivery again."""


class _Handler(BaseHTTPRequestHandler):
    desk: Desk
    say: Callable[[str], None]
    server_version = "sluice"
    sys_version = ""
    timeout = PATIENCE

    def do_GET(self) -> None:
        self._send(Answer(200, {"status": "up"}) if self.path == "/health" else Answer(404))

    def do_POST(self) -> None:
        if self.path.partition("?")[0] != "/webhook":
            return self._send(Answer(404))
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal():
            return self._send(Answer(411, {"error": "say how long the body is"}))
        if int(length) > LARGEST:
            return self._send(Answer(413, {"error": f"more than {LARGEST} bytes"}))
        answer = self.desk.receive(dict(self.headers.items()), self.rfile.read(int(length)))
        self.say(f"webhook: {answer.status}{f' {answer.reason}' if answer.reason else ''}")
        return self._send(answer)

    def _send(self, answer: Answer) -> None:
        body = answer.body.encode()
        self.send_response(answer.status)
        if body:
            self.send_header("Content-Type", "application/json")
        if answer.status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """`say` has told what matters."""
