"""Deletes parts that no commit names: what runs that died or were superseded have left behind.

S3's lifecycle cannot tell them from parts that count. Nothing else is touched: not the log, not what any commit of the
stream names, nothing whose name is not a part's, and nothing that a run which still works could yet name.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from shared.common.errors import Misconfigured
from shared.common.instants import format_instant
from shared.common.ports import ObjectInfo, ObjectStore
from shared.landing.log import CommitLog
from shared.landing.reader import orphans

LEAST = timedelta(days=2)
"""The youngest that may be deleted.

A run commits its parts minutes after it has written them. A process that repeats what another one had written takes the
old file over instead of writing it again, but the day on which it began to write is in the key: so whoever could still
name a part began on the day of its key or, at midnight, the one after.
"""

_PART = re.compile(r"dt=(\d{4}-\d{2}-\d{2})/[^/]+/a\d{3,}-w\d{5,}-part-\d{5,}(-\d+)?\.[a-z.]+")


@dataclass(frozen=True, slots=True)
class Swept:
    """The orphans of a stream: how many, their bytes in the store, and when the oldest was written (RFC 3339)."""

    stream: str
    files: int = 0
    bytes: int = 0
    oldest: str = ""


def sweep_orphans(
    store: ObjectStore,
    log: CommitLog,
    *,
    older_than: timedelta,
    dry_run: bool = False,
    tell: Callable[[ObjectInfo], None] = lambda info: None,
) -> Swept:
    """Delete the orphans of a stream that are older than that, or only count them; `tell` hears of each one before.

    Each file is deleted by itself and none depends on another, so a sweep that is killed is simply started again, and
    two at once do no harm. Reads the whole log and keeps the keys of all old parts in memory.

    Raises:
        Misconfigured: `older_than` is less than `LEAST`.
        Violation: the log has a gap or a commit that cannot be read; nothing is deleted then.
    """
    if older_than < LEAST:
        raise Misconfigured(
            f"parts younger than {LEAST.days} days may belong to a run that still works",
            hint="--older-than 7d",
        )
    before = log.clock.now() - older_than
    files = size = 0
    oldest = ""
    for info in orphans(store, log, older_than=before):
        if not _is_part(log, info.key, before):
            continue
        tell(info)
        if not dry_run:
            store.delete(info.key)
        files, size = files + 1, size + info.size
        written = format_instant(info.modified)
        oldest = min(oldest or written, written)
    return Swept(log.layout.stream, files, size, oldest)


def _is_part(log: CommitLog, key: str, before: datetime) -> bool:
    """Whether a key is a part's, and its day lies so far back, too: a copied file has a date of its own."""
    name = key.removeprefix(log.layout.data).removeprefix(log.layout.rejected)
    found = _PART.fullmatch(name)
    if found is None:
        return False
    try:
        day = date.fromisoformat(found[1])
    except ValueError:
        return False
    return datetime.combine(day, time.max, UTC) < before
