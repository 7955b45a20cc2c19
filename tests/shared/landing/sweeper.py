"""A sweep as a process of its own, to be killed: `python sweeper.py FOLDER`. It says each key before it deletes it."""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path

from shared.common.clock import SystemClock
from shared.landing.folder import FolderStore
from shared.landing.log import CommitLog
from shared.landing.sweeping import sweep_orphans


def main(folder: str) -> None:
    store = FolderStore(Path(folder))
    log = CommitLog(store, "recurly", "accounts", SystemClock())
    sweep_orphans(
        store, log, older_than=timedelta(days=7), tell=lambda info: print(info.key, flush=True)  # noqa: T201
    )  # fmt: skip


if __name__ == "__main__":
    main(sys.argv[1])
