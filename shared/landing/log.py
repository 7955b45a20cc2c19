"""The commit log of one stream: one conditional PUT publishes the parts and moves the cursor.

What it promises: sequences start at 1 and have no gap; whoever creates commit n has seen commit n-1; a commit is never
changed. What it does not: it takes no lock, so two runs of a stream may work at once, and one of them is superseded.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from typing import Any

from shared.common.errors import Superseded, Violation
from shared.common.instants import format_instant
from shared.common.ports import Clock, ObjectStore
from shared.landing.commit import Commit, Draft
from shared.landing.layout import Layout

PAGE = 1000
"""Keys that S3 lists in one request; `latest` never lists more of an unbroken log than two such pages."""


class CommitLog:
    """The log of one stream in a store."""

    def __init__(self, store: ObjectStore, source: str, stream: str, clock: Clock) -> None:
        self.layout = Layout(source, stream)
        self._store = store
        self.clock = clock
        self._seen = 0

    def latest(self) -> Commit | None:
        """The last commit; None when there is none yet.

        A log of n commits costs about log2(n / 1000) HEAD requests and two listings of one page; what this object has
        seen already is not looked at again. Raises `Violation` when a commit is missing on the way.
        """
        page = list(islice(self._sequences(self._seen), PAGE))
        last = page[-1] if page else self._seen
        if len(page) == PAGE:
            low = self._near_the_end(last)
            last = max(self._sequences(low), default=low)
        self._seen = last
        return self.read(last) if last else None

    def read(self, sequence: int) -> Commit:
        """The commit with this sequence. Raises `KeyError` when there is none, `Violation` when it is another's."""
        key = self.layout.commit(sequence)
        commit = decode(self._store.get(key), key)
        for what, said, belongs in (
            ("source", commit.source, self.layout.source),
            ("stream", commit.stream, self.layout.stream),
            ("sequence", commit.sequence, sequence),
        ):
            if said != belongs:
                raise Violation(
                    f"this commit says {what} {said} where {belongs} belongs",
                    hint="it was changed or copied by hand: restore the file, e.g. from the bucket's versions",
                    key=key,
                )
        return commit

    def since(self, sequence: int) -> Iterator[Commit]:
        """The commits after `sequence` (0: all of them), ascending. Raises `Violation` naming one that is missing."""
        for number in self._sequences(sequence):
            yield self.read(number)

    def append(self, draft: Draft, *, after: Commit | None) -> Commit:
        """Put `draft` behind `after`, which is the last commit that its author knows.

        What `after` says of back-fills is carried on, where the draft does not say it itself; a reset ends them.
        A commit with the same content that is there already is our own, whose answer was lost: it is returned.

        Raises:
            Superseded: another run was faster; it is named.
            Transient: it is not known whether the commit was made; calling again with the same draft finds out.
        """
        if after is not None and not draft.beside and draft.kind != "reset":
            draft = replace(draft, beside=after.draft.beside)
        commit = Commit(
            source=self.layout.source,
            stream=self.layout.stream,
            sequence=after.sequence + 1 if after else 1,
            committed_at=format_instant(self.clock.now()),
            draft=draft,
        )
        try:
            self._store.put_new(self.layout.commit(commit.sequence), encode(commit))
        except FileExistsError:
            other = self.read(commit.sequence)
            if _content(other) != _content(commit):
                raise _superseded(commit, other) from None
            commit = other
        self._seen = max(self._seen, commit.sequence)
        return commit

    def _sequences(self, after: int) -> Iterator[int]:
        """The sequences behind `after` in the store, each checked to follow the one before."""
        expected = after + 1
        for info in self._store.list(self.layout.log, after=self.layout.commit(after)):
            sequence = self.layout.sequence(info.key)
            if sequence is None:
                continue
            if sequence != expected:
                raise Violation(
                    f"commit {expected} is missing: the next one in the log is {sequence}",
                    hint=f"restore {self.layout.commit(expected)}, e.g. from the bucket's versions",
                    source=self.layout.source,
                    stream=self.layout.stream,
                )
            expected += 1
            yield sequence

    def _near_the_end(self, known: int) -> int:
        """A sequence that exists and has, in an unbroken log, less than a page behind it."""
        low, step = known, PAGE
        while self._exists(low + step):
            low, step = low + step, step * 8
        high = low + step
        while high - low > PAGE:
            middle = (low + high) // 2
            low, high = (middle, high) if self._exists(middle) else (low, middle)
        return low

    def _exists(self, sequence: int) -> bool:
        return self._store.head(self.layout.commit(sequence)) is not None


def encode(commit: Commit) -> bytes:
    """The commit as one line of JSON, so that the log can be read as JSON lines too."""
    text = json.dumps(commit.to_json(), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode("utf-8", "backslashreplace") + b"\n"  # a lone surrogate becomes JSON's own escape


def decode(body: bytes, key: str) -> Commit:
    """The commit that `encode` wrote. Raises `Violation` when `body` is none."""
    try:
        document = json.loads(body)
        if document["version"] > 1:
            raise Violation(
                f"this commit has version {document['version']}", hint="it needs a newer Sluice", key=key
            )
        return Commit.from_json(document)
    except (ValueError, KeyError, TypeError) as error:
        raise Violation(f"this is not a commit: {type(error).__name__} {error}", key=key) from error


def _content(commit: Commit) -> Any:
    """What a commit says, without when: a repeated PUT has a later time."""
    document = json.loads(encode(commit))
    del document["committed_at"]
    return document


def _superseded(ours: Commit, other: Commit) -> Superseded:
    return Superseded(
        f"run {other.draft.run} (attempt {other.draft.attempt}) committed {other.sequence} first,"
        f" at {other.committed_at}",
        hint="nothing is lost: the next run goes on from there",
        source=ours.source,
        stream=ours.stream,
        run=ours.draft.run,
        attempt=ours.draft.attempt,
    )
