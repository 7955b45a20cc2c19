"""From a page to the bytes of a part: complete, validate, select, mask and encode its records.

Records stay raw slices of the page from the wire to the file unless something has to change in them: the source's
own digits, escapes and key order are what lands.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any

import msgspec
import orjson

from shared.common.errors import Misconfigured
from shared.common.formats import Format
from shared.common.instants import parse_instant
from shared.contracts.page import PageChecker, PageVerdict, newest
from shared.contracts.validate import Fault
from shared.ingestion.drift import Drift, Treated
from shared.ingestion.found import Found
from shared.ingestion.progress import Value
from shared.ingestion.window import TimeFormat, Window
from shared.rest.message import Page

Raws = Sequence[bytes]
PassOver = Callable[[list[tuple[int, Any]], Sequence[Any], Raws], tuple[list[tuple[int, Any]], Sequence[Any]]]
"""Leaves rows of a page out, given as (place, key and version), with their cursors (see `edge`)."""

_fields = msgspec.json.Decoder(dict[str, msgspec.Raw])


@dataclass(frozen=True, slots=True)
class Seen:
    """The keys and versions on a page, to know them again on the next one; after a stop only their digests are left."""

    pairs: frozenset[Any] = frozenset()
    digests: frozenset[str] = frozenset()

    def repeats(self, pairs: Collection[Any]) -> bool:
        """Whether any of these was here before, as a quick first look."""
        if self.digests and any(digest(pair) in self.digests for pair in pairs):
            return True
        return not self.pairs.isdisjoint(pairs)

    def holds(self, pair: Any) -> bool:
        return pair in self.pairs or (bool(self.digests) and digest(pair) in self.digests)

    def all_digests(self) -> tuple[str, ...]:
        """Eight bytes for each, as hex, sorted: what a commit keeps."""
        return tuple(sorted(self.digests | {digest(pair) for pair in self.pairs}))


def digest(pair: Any) -> str:
    return blake2b(repr(pair).encode(), digest_size=8).hexdigest()


@dataclass(frozen=True, slots=True)
class Sifted:
    """What became of a page.

    `chunk` holds `rows` encoded records, `quarantine` one JSON line per rejected one. `outside` counts rows of a
    neighbouring window, `repeated` rows that the page before held, too. `last` is the greatest cursor value landed.
    `quarantined` counts the lines of the quarantine: those of the records that landed without some values, too.
    `found` says why; `encoder` is how the rows are written, when there are any.
    """

    chunk: bytes = b""
    rows: int = 0
    quarantine: bytes = b""
    rejected: int = 0
    outside: int = 0
    repeated: int = 0
    seen: Seen = field(default_factory=Seen)
    last: Value = None
    quarantined: int = 0
    found: Found | None = None
    encoder: Format | None = None


@dataclass(frozen=True, slots=True)
class Sieve:
    """How the records of one stream are treated, by one lane.

    `complete` is called with each record and may return it with more in it (hooks, lists fetched in full), or None to
    drop it. `mask` rewrites a record before anything of it is written anywhere. `times` is how the cursor is written
    when windows of time bound the stream. `drift` says what becomes of records that leave their contract; without one
    they are checked by `checker` alone. `wider` gives the encoder for what drifted, where the usual one has no room.
    `parents_masked`: records of the parent stream have masks, so nothing of them may be shown.
    """

    checker: PageChecker
    encoder: Format
    keyed: bool
    times: TimeFormat | None
    cursor_field: str | None = None
    complete: Callable[[bytes], bytes | None] | None = None
    mask: Callable[[bytes], bytes] | None = None
    drift: Drift | None = None
    wider: Callable[[Drift], Format] | None = None
    parents_masked: bool = False

    def step_over(self, parents: Raws) -> Sifted:
        """Refuse parents whose lists nobody can ask for: what names them ends in the middle of a character."""
        fault = Fault("", "parent", "its list cannot be asked for: a text ends in the middle of a character")
        found = Found()
        for _ in parents:
            found.because((fault,))
        lines = [self._quarantined(parent, (fault,), hide=self.parents_masked) for parent in parents]
        count = len(lines)
        return Sifted(quarantine=b"".join(lines), rejected=count, quarantined=count, found=found)

    def sift(
        self,
        page: Page,
        *,
        window: Window,
        seen: Seen,
        included: Mapping[str, Any],
        pass_over: PassOver | None = None,
    ) -> Sifted:
        """Treat one page. `seen` is what the page before held; `pass_over` knows rows that landed before it."""
        records: Raws = page.records
        if not records:
            return Sifted(seen=seen)
        if included:
            records = [include(record, included) for record in records]
        if self.complete is not None:
            records = [whole for record in records if (whole := self.complete(record)) is not None]
        treated = self._timed(self._checked(records), records, window)
        verdict = treated.verdict
        accepted: Raws = verdict.accepted
        kept, cursors, outside = self._inside(verdict, window)
        if pass_over is not None and cursors:
            kept, cursors = pass_over(kept, cursors, accepted)
        kept, seen, repeated = self._fresh(kept, seen)
        chosen = accepted if len(kept) == len(accepted) else [accepted[index] for index, _ in kept]
        if self.mask is not None:
            chosen = [self.mask(record) for record in chosen]
        encoder = self.encoder
        if self.wider is not None and self.drift is not None and self.drift.strays:
            encoder = self.wider(self.drift)
        return Sifted(
            chunk=encoder.encode(chosen) if chosen else b"",
            rows=len(chosen),
            quarantine=self._quarantine(records, treated),
            rejected=len(verdict.rejected),
            quarantined=len(verdict.rejected) + len(treated.trimmed),
            found=treated.found,
            encoder=encoder,
            outside=outside,
            repeated=repeated,
            seen=seen,
            last=newest(cursors),
        )

    def _checked(self, records: Raws) -> Treated:
        if self.drift is not None:
            return self.drift.check(records)
        verdict = self.checker.check(records)
        if not verdict.rejected:
            return Treated(verdict)
        found = Found()
        for _, faults in verdict.rejected:
            found.because(faults)
        return Treated(verdict, found=found)

    def _timed(self, treated: Treated, records: Raws, window: Window) -> Treated:
        """With the records rejected whose cursor is no time: no window could tell whether they belong to it."""
        verdict = treated.verdict
        if self.times is None or not verdict.cursors or self._all_inside(verdict.cursors, window):
            return treated
        bad = {place for place, cursor in enumerate(verdict.cursors) if not is_time(cursor, self.times)}
        if not bad:
            return treated
        refused = {index for index, _ in verdict.rejected}
        places = [index for index in range(len(records)) if index not in refused]
        fault = Fault("/" + (self.cursor_field or "").replace(".", "/"), "cursor", "the value is no time")
        good = [place for place in range(len(places)) if place not in bad]
        found = treated.found or Found()
        for _ in bad:
            found.because((fault,))
        rejected = sorted([*verdict.rejected, *((places[place], (fault,)) for place in bad)])
        timed = PageVerdict(
            accepted=[verdict.accepted[place] for place in good],
            rejected=tuple(rejected),
            keys=[verdict.keys[place] for place in good] if verdict.keys else verdict.keys,
            cursors=[verdict.cursors[place] for place in good],
        )
        return replace(treated, verdict=timed, found=found)

    def _inside(
        self, verdict: PageVerdict, window: Window
    ) -> tuple[list[tuple[int, Any]], Sequence[Any], int]:
        """The rows that belong to the window, as (place, key and version), and their cursors."""
        count, cursors = len(verdict.accepted), verdict.cursors
        keys = _told_apart(verdict.keys) if self.keyed else [None] * count
        # Without a cursor a record's own text is its version: a change between two pages must not be lost.
        versions = cursors or [
            blake2b(bytes(one), digest_size=8).digest() for one in verdict.accepted if self.keyed
        ]
        pairs = list(enumerate(zip(keys, versions, strict=True) if versions else keys))
        if self.times is None or not cursors or self._all_inside(cursors, window):
            return pairs, cursors, 0
        times = self.times
        inside = [window.holds(instant(cursor, times)) for cursor in cursors]
        kept = [pair for pair, holds in zip(pairs, inside, strict=True) if holds]
        return kept, [c for c, holds in zip(cursors, inside, strict=True) if holds], count - len(kept)

    def _all_inside(self, cursors: Sequence[Any], window: Window) -> bool:
        """A quick yes for the usual page: times in one way of writing, whose text order is their order in time."""
        if window.since is None and window.until is None:
            return True
        if not all(type(cursor) is str and cursor[-1:] == "Z" for cursor in cursors):
            return False
        if len({len(cursor) for cursor in cursors}) != 1:
            return False
        ends = (min(cursors), max(cursors))
        return all(window.holds(instant(end, self.times)) for end in ends)

    def _fresh(self, kept: list[tuple[int, Any]], seen: Seen) -> tuple[list[tuple[int, Any]], Seen, int]:
        """The rows that neither the page before nor this one held already."""
        if not self.keyed:
            return kept, seen, 0
        try:
            pairs = frozenset(pair for _, pair in kept)
        except TypeError:  # a key that is a list or an object: its text will do
            kept = [(index, repr(pair)) for index, pair in kept]
            pairs = frozenset(pair for _, pair in kept)
        if len(pairs) == len(kept) and not seen.repeats(pairs):
            return kept, Seen(pairs), 0
        fresh, here = [], set()
        for index, pair in kept:
            if pair not in here and not seen.holds(pair):
                fresh.append((index, pair))
            here.add(pair)
        return fresh, Seen(pairs), len(kept) - len(fresh)

    def _quarantine(self, records: Raws, treated: Treated) -> bytes:
        lines = [self._quarantined(records[index], faults) for index, faults in treated.verdict.rejected]
        lines += [self._quarantined(record, faults, discarded="value") for record, faults in treated.trimmed]
        return b"".join(lines)

    def _quarantined(
        self, record: bytes, faults: Sequence[Fault], *, discarded: str = "", hide: bool = False
    ) -> bytes:
        """One line of the quarantine: the reasons, and the record as it came, with its masked columns masked."""
        reasons = [{"pointer": f.pointer, "keyword": f.keyword, "message": f.message} for f in faults]
        said: dict[str, Any] = (
            {"reasons": reasons, "discarded": discarded} if discarded else {"reasons": reasons}
        )
        text = bytes(record)
        try:
            shown = msgspec.Raw(self.mask(text) if self.mask is not None else _line(text))
            return msgspec.json.encode({**said, "record": shown}) + b"\n"
        except (ValueError, msgspec.MsgspecError):
            # Not an object: its columns cannot be told apart, so nothing of it may be kept where some are masked.
            held = None if hide or self.mask is not None else text.decode("utf-8", "replace")
            return orjson.dumps({**said, "text": held}) + b"\n"


def _line(record: bytes) -> bytes:
    """The record as one line; raises ValueError when it is not JSON."""
    msgspec.json.decode(record, type=msgspec.Raw)
    return b" ".join(record.splitlines()) if b"\n" in record or b"\r" in record else record


def include(record: bytes, fields: Mapping[str, Any]) -> bytes:
    """A record with more fields in front; a field of the same name that it has already is replaced.

    >>> include(b'{"id": "n1"}', {"account_id": "a1"})
    b'{"account_id":"a1","id":"n1"}'
    """
    try:
        own = {name: raw for name, raw in _fields.decode(record).items() if name not in fields}
    except msgspec.DecodeError:
        return record  # half a character, for which the contract refuses it
    return msgspec.json.encode({**fields, **own})


def replace_field(record: bytes, name: str, value: bytes) -> bytes:
    """A record with the JSON text of one top-level field replaced."""
    return msgspec.json.encode({**_fields.decode(record), name: msgspec.Raw(value)})


def _told_apart(keys: Sequence[Any]) -> Sequence[Any]:
    """Keys that Python takes for equal and JSON does not (1, 1.0 and true) as their texts."""
    kinds = {type(key) for key in keys}
    return keys if kinds <= {str} or kinds <= {int} else [repr(key) for key in keys]


def is_time(cursor: Any, form: TimeFormat) -> bool:
    """Whether a cursor value can be read as a point in time, or is absent."""
    try:
        instant(cursor, form)
    except (Misconfigured, ValueError, OverflowError, OSError):
        return False
    return True


def instant(cursor: Any, form: TimeFormat | None) -> datetime | None:
    """A cursor value as a point in time; None when the record has none."""
    match cursor:
        case None:
            return None
        case int() | float():
            seconds = cursor / 1000 if form is TimeFormat.EPOCH_MS else cursor
            return datetime.fromtimestamp(seconds, UTC)
        case _:
            return parse_instant(cursor)


def hook(function: Callable[[dict[str, Any]], dict[str, Any] | None]) -> Callable[[bytes], bytes | None]:
    """A `complete` step from a function on parsed records; it returns the record to land, or None to drop it."""

    def apply(record: bytes) -> bytes | None:
        try:
            parsed = orjson.loads(record)
        except orjson.JSONDecodeError:
            return record  # half a character, for which the contract refuses it
        changed = function(parsed)
        return None if changed is None else orjson.dumps(changed)

    return apply
