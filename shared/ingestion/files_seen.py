"""Which files have landed: the last ones in the cursor, which is part of the commit, all others by a marker."""

from __future__ import annotations

from dataclasses import replace

from shared.common.ports import ObjectStore
from shared.landing.commit import Commit, Draft
from shared.landing.writer import Landing

RECENT = 200
"""Files that a cursor knows; the markers know all."""


class Seen:
    """The files of one table by the SHA-256 of their content, each with the commit that it landed in."""

    def __init__(self, store: ObjectStore, landing: Landing) -> None:
        self._store = store
        self._landing = landing

    def find(self, sha256: str, head: Commit | None) -> int:
        """The commit of a file; 0 when it has not landed. `head` is the last commit; a reset forgets all files."""
        cursor = None if head is None else head.draft.cursor
        recent = cursor.get("files", {}) if isinstance(cursor, dict) else {}
        if sha256 in recent:
            self.put(sha256, recent[sha256])  # a process may have died between its commit and its marker
            return int(recent[sha256])
        try:
            sequence = int(self._store.get(self._key(sha256)))
        except KeyError:
            return 0
        return sequence if sequence > self._forgotten(cursor, head) else 0

    def added(self, draft: Draft, head: Commit | None, sha256: str) -> Draft:
        """The draft of the commit behind `head`, with a cursor that knows this file, too."""
        cursor = {} if head is None or not isinstance(head.draft.cursor, dict) else head.draft.cursor
        sequence = 1 if head is None else head.sequence + 1
        known = {**cursor.get("files", {}), sha256: sequence}
        newest = dict(sorted(known.items(), key=lambda item: item[1])[-RECENT:])
        return replace(draft, cursor={"files": newest, "since": self._forgotten(cursor, head)})

    def put(self, sha256: str, sequence: int) -> None:
        """Mark a file that has landed."""
        key = self._key(sha256)
        try:
            self._store.put_new(key, str(sequence).encode())
        except FileExistsError:
            if (
                int(self._store.get(key)) < sequence
            ):  # it landed again, after a reset or because somebody wanted it
                self._store.delete(key)
                self._store.put_new(key, str(sequence).encode())

    def _forgotten(self, cursor: object, head: Commit | None) -> int:
        """The commit up to which all files are forgotten: that of the last reset."""
        if head is not None and head.draft.kind == "reset":
            return head.sequence
        return int(cursor.get("since", 0)) if isinstance(cursor, dict) else 0

    def _key(self, sha256: str) -> str:
        return f"{self._landing.layout.home}seen/{sha256}"
