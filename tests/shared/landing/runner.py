"""A run as a process of its own, to be killed: `python runner.py FOLDER RUN COMMITS` lands and commits in a loop."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

from shared.common.errors import Superseded
from shared.landing.commit import Commit, Draft, Part
from shared.landing.folder import FolderStore
from shared.landing.writer import Landing


class _Now:
    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return 0.0

    def sleep(self, seconds: float) -> None:
        raise AssertionError(f"nothing sleeps here, for {seconds} seconds")


def land(landing: Landing, run: str, head: Commit | None) -> Commit:
    """One step: a part, a quarantine now and then, and the commit that publishes both."""
    number = (head.draft.cursor if head else 0) + 1
    writer = landing.part(run, 1, index=number)
    for row in range(50):
        writer.write(b'{"step":%d,"row":%d,"text":"%s"}\n' % (number, row, b"x" * 3000), 1)
    parts = (writer.close(),)
    rejected: tuple[Part, ...] = ()
    if number % 3 == 0:
        reject = landing.reject(run, 1, index=number)
        reject.add(b"{}", reason="empty")
        rejected = (reject.close(),)
    return landing.log.append(
        Draft(run=run, attempt=1, parts=parts, rejected_parts=rejected, cursor=number), after=head
    )


def main(folder: str, run: str, commits: int) -> None:
    landing = Landing(FolderStore(Path(folder)), "recurly", "accounts", _Now())
    print("ready", flush=True)  # noqa: T201 - the test waits for it
    for _ in range(commits):
        head = landing.log.latest()
        try:
            land(landing, run, head)
        except Superseded:
            continue


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
