"""A lease on a name, for one worker at a time, in any object store that can create a key only once.

Each change of hands is a new object `<prefix>/<number>.json`, made by a conditional PUT; the greatest number counts. So
nothing is ever overwritten, two workers cannot both win, and the number is a fencing token: it grows with every change.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from shared.common.errors import Superseded, Transient
from shared.common.instants import format_instant, parse_instant
from shared.common.ports import Clock, ObjectStore

_DIGITS = 12


@dataclass
class Lease:
    """What a holder has. `number` is the fencing token."""

    store: ObjectStore
    clock: Clock
    prefix: str
    holder: str
    seconds: float
    number: int = 0
    until: datetime = field(default=datetime.min.replace(tzinfo=UTC))

    def check(self) -> None:
        """Raises `Superseded` when somebody else holds it by now, or may: call it before what cannot be taken back."""
        last = _last(self.store, self.prefix)
        if last != self.number or self.clock.now() >= self.until:
            raise Superseded("the lease went to another worker", lease=self.prefix, holder=self.holder)

    def renew(self) -> None:
        """Hold it for the whole time again. Raises `Superseded` as `check` does."""
        self.check()
        self._take(self.number)

    def _take(self, last: int, *, free: bool = False) -> None:
        until = self.clock.now() + timedelta(seconds=0 if free else self.seconds)
        document = {"holder": self.holder, "until": format_instant(until)}
        try:
            self.store.put_new(_key(self.prefix, last + 1), json.dumps(document).encode())
        except FileExistsError:
            raise Superseded("another worker took the lease", lease=self.prefix, holder=self.holder) from None
        self.number, self.until = last + 1, until
        for number in range(max(1, self.number - 2), self.number):
            self.store.delete(_key(self.prefix, number))


@contextmanager
def leased(
    store: ObjectStore, clock: Clock, name: str, *, holder: str, seconds: float = 300.0
) -> Iterator[Lease]:
    """Hold the lease `name` (a path) while the block runs; `holder` is unique to this worker.

    Raises `Transient` with the time to wait in `retry_after` when somebody holds it, `Superseded` when somebody was a
    moment faster. A holder that dies keeps it until its `seconds` are over.
    """
    prefix = f"leases/{name}"
    last = _last(store, prefix)
    if last:
        try:
            document = json.loads(store.get(_key(prefix, last)))
            until = parse_instant(document["until"])
        except KeyError:
            raise Superseded("another worker took the lease", lease=prefix, holder=holder) from None
        if (left := (until - clock.now()).total_seconds()) > 0:
            raise Transient(
                "another worker is at it", retry_after=left, lease=prefix, holder=document.get("holder", "")
            )
    lease = Lease(store, clock, prefix, holder, seconds)
    lease._take(last)
    try:
        yield lease
    finally:
        # What is not ours any more is not ours to give back.
        if _last(store, prefix) == lease.number:
            with suppress(Superseded):
                lease._take(lease.number, free=True)


def _key(prefix: str, number: int) -> str:
    return f"{prefix}/{number:0{_DIGITS}d}.json"


def _last(store: ObjectStore, prefix: str) -> int:
    """The greatest number; 0 where nobody held it yet."""
    last = 0
    for info in store.list(f"{prefix}/"):
        last = int(info.key.rpartition("/")[2].removesuffix(".json"))
    return last
