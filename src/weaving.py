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
from dataclasses import dataclass, replace
from pathlib import Path

from shared.common.clock import random_token
from shared.common.errors import Misconfigured
from shared.common.http_bounds import PATIENCE
from shared.gitops.configuration import Weaving
from shared.landing.folder import FolderStore
from shared.telemetry.alerting import Alerts
from src.hook.ears import Ears
from src.hook.receive import Desk
from src.weave.loop import Loop
from src.weave.queue import FileQueue
from src.weave.reread import Reread
from src.weave.work import Bench
from src.workplace import Workplace

STATE = Path(".sluice/weave")
"""The folder, relative to the current directory."""


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
        """Listen, poll and work until `stop`; what is at hand is brought to its end.

        `weave.yml` is read again when it has changed.
        """
        with self._loop(polled=True) as loop, Ears(self.host, self.port, self.say) as ears:
            secrets, clock = self.place.configuration.secrets, self.place.clock
            ears.desk = lambda: Desk(loop.bench.weaving, secrets, loop.queue, loop.queue, clock)
            ears.turned_away = loop.queue.turn_away
            if not ears.listen_for(loop.bench.weaving):
                self.say("polling; no host is woven that sends deliveries")
            reread = Reread(self.place, self.say)

            def changed() -> Weaving | None:
                if fresh := reread():
                    try:
                        ears.listen_for(fresh)
                    except Misconfigured as error:
                        self.say(str(error))
                return fresh

            loop.changed = changed
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
            bench = replace(self.bench, leases=FolderStore(leases))
            loop = Loop(bench, queue, self.say, self.alerts, random_token, self.stop)
            try:
                loop.begin(polled=polled)
                yield loop
            finally:
                queue.close()


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
