"""Puts the run of one stream together: how its windows are walked, sifted, written and counted."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import count

from shared.common.errors import Refused, Transient
from shared.common.formats import Csv, Format
from shared.common.masks import Hash, masking
from shared.contracts.page import PageChecker
from shared.ingestion.backfill import plan_window
from shared.ingestion.drift import Drift
from shared.ingestion.drift_mode import Mode
from shared.ingestion.encoder import encoder_for
from shared.ingestion.evolution import put_down
from shared.ingestion.follow import following
from shared.ingestion.lane import Course
from shared.ingestion.plan import plan
from shared.ingestion.progress import Progress, Spot, Value
from shared.ingestion.request import first_request
from shared.ingestion.session import Session, Watch
from shared.ingestion.sieve import Sieve, hook, instant
from shared.ingestion.spec import Stream
from shared.ingestion.stream import Passage, StreamRun
from shared.ingestion.stream_report import StreamReport
from shared.ingestion.template import Record, fill, lookup
from shared.ingestion.walk import Family, Fetch, Step, children, pages
from shared.ingestion.window import TimeFormat, Window
from shared.landing.commit import Commit
from shared.landing.writer import Landing
from shared.rest.client import Client
from shared.rest.tally import Tally

REST = "_sluice_rest"
"""The column of a CSV file, from the first page with drift on, that holds what has no column as one JSON object."""


def run_stream(session: Session, name: str, watch: Watch) -> StreamReport:
    """Run one stream of the session's source; what happened, also an error, is in the report."""
    assembly = Assembly(session, name, session.source.spec.streams[name], Tally(), watch)
    return StreamRun(name, assembly.passage()).run()


@dataclass(frozen=True, slots=True)
class Assembly:
    """The pieces of one stream's run, made from what its file says."""

    session: Session
    name: str
    stream: Stream
    tally: Tally
    watch: Watch

    @property
    def client(self) -> Client:
        return self.session.scoped(self.name, self.tally)

    def passage(self) -> Passage:
        session, stream = self.session, self.stream
        landing = Landing(session.tools.store, session.source.name, self.name, session.tools.clock)
        contract = session.source.contracts.get(self.name)
        numbers = count()
        incremental = stream.incremental
        lanes = 1 if incremental is None or incremental.window is None else incremental.concurrency

        def begin(latest: Commit | None = None) -> Progress:
            return plan(stream, latest, ask=session.ask, now=session.tools.clock.now(), run=session.run)

        def window(latest: Commit | None) -> Progress | None:
            return plan_window(
                stream, latest, ask=session.ask, now=session.tools.clock.now(), run=session.run
            )

        return Passage(
            log=landing.log,
            course=lambda run: self.course(run, landing, next(numbers)),
            plan=window if session.ask.backfill else begin,
            afresh=begin,
            doubles=session.ask.anything and stream.disposition == "append",
            bounded=incremental is not None and incremental.since is not None,
            by_value=incremental is not None and incremental.by == "value",
            lanes=min(lanes, session.source.spec.rate_limit.concurrency),
            monotonic=session.tools.clock.monotonic,
            calls=lambda: (self.tally.api_calls, self.tally.retries),
            count=self.count,
            limited=session.limited,
            over=session.stop,
            stopped=session.tools.stop,
            max_rejected=stream.rejected_limit,
            evolves=Mode.EVOLVE in (stream.contract_mode.columns, stream.contract_mode.data_type),
            propose=self.propose,
            contract=None if contract is None else contract.digest,
            file_format=stream.file_format,
            code_version=session.tools.code_version,
            moved=self.watch,
            backfill=session.ask.backfill,
        )

    def course(self, run: StreamRun, landing: Landing, lane: int) -> Course:
        """What one lane works with; checkers and encoders are not shared between threads."""
        session, progress = self.session, run.progress
        fetch = session.fetcher(self.client, self.stream, run.warn)
        parts, rejects = count(), count()
        sieve = self.sieve(run.head)
        return Course(
            walk=lambda window, spot: self.walk(fetch, run, window, spot),
            sieve=sieve,
            # A sieve that fetches something itself must not keep the others waiting for the network.
            turn=session.turn if sieve.complete is None else nullcontext(),
            part=lambda: landing.part(
                progress.run, progress.attempt, lane, next(parts), self.stream.file_format
            ),
            quarantine=lambda: landing.reject(progress.run, progress.attempt, lane, next(rejects)),
            publish=run.publish,
            progress=run.live,
            stop=lambda: run.stopping.is_set() or session.stop(),
            monotonic=session.tools.clock.monotonic,
            restart=self.restart,
            part_size=self.stream.part_size,
            commit_every=self.stream.commit_every.total_seconds(),
        )

    def walk(self, fetch: Fetch, run: StreamRun, window: Window, spot: Spot) -> Iterator[Step]:
        """The pages of a window from a spot on."""
        spec, stream = self.session.source.spec, self.stream
        if stream.parent is None:
            value = run.progress.value
            first = spot.request or first_request(spec, stream, window=window, value=value, name=self.name)
            return pages(fetch, stream.pagination, first, stream=self.name, spot=spot)
        parent = spec.streams[stream.parent.stream]
        narrowed = window if stream.parent.changed_only else Window()
        first = spot.parent or first_request(spec, parent, window=narrowed, name=stream.parent.stream)
        parents = pages(
            self.session.fetcher(self.client, parent, run.warn),
            parent.pagination,
            first,
            stream=stream.parent.stream,
        )
        family = self.family(parent, window, narrowed)
        return children(fetch, stream.pagination, parents, family=family, start=spot)

    def family(self, parent: Stream, window: Window, narrowed: Window) -> Family:
        """How the parents' records become requests of this stream."""
        spec, stream, own = self.session.source.spec, self.stream, self.stream.parent
        assert own is not None
        times = _times(parent) if own.changed_only else None

        def keep(record: Record) -> bool:
            cursor = lookup(record, parent.cursor_field) if parent.cursor_field else None
            return times is None or narrowed.holds(instant(cursor, times))

        return Family(
            request=lambda record: first_request(spec, stream, window=window, parent=record, name=self.name),
            key=lambda record: fill(stream.path, stream.placeholders(), record, stream=self.name),
            include=own.include,
            each=own.each,
            keep=keep,
            stream=self.name,
            ahead=max(1, spec.rate_limit.concurrency // 2),
        )

    def sieve(self, head: Commit | None = None) -> Sieve:
        """How records are treated; `head` is the last commit, which knows what drifted before."""
        stream, source = self.stream, self.session.source
        contract = source.contracts.get(self.name)
        steps = [hook(source.hooks[stream.map])] if stream.map is not None else []
        steps += [
            following(source.spec, stream, rest, client=self.client, name=self.name) for rest in stream.follow
        ]

        def complete(record: bytes) -> bytes | None:
            whole: bytes | None = record
            for step in steps:
                whole = step(whole) if whole is not None else None
            return whole

        return Sieve(
            checker=PageChecker(contract, key_fields=stream.primary_key, cursor_field=stream.cursor_field),
            encoder=encoder_for(stream, source.columns(self.name)),
            keyed=bool(stream.primary_key),
            times=_times(stream),
            cursor_field=stream.cursor_field,
            complete=complete if steps else None,
            mask=self.mask(),
            drift=self.drift(head),
            wider=self.wider if stream.format == "csv" else None,
            parents_masked=stream.parent is not None and bool(source.spec.streams[stream.parent.stream].mask),
        )

    def drift(self, head: Commit | None) -> Drift | None:
        """What becomes of records that leave their contract; without a contract they cannot."""
        stream, contract = self.stream, self.session.source.contracts.get(self.name)
        if contract is None:
            return None
        return Drift(
            contract,
            stream.contract_mode,
            key_fields=stream.primary_key,
            cursor_field=stream.cursor_field,
            hidden=[path.partition(".")[0] for path in stream.mask],
            flat=stream.nested == "flatten",
            known=None if head is None else head.draft.evolved,
        )

    def propose(self, evolved: Mapping[str, Collection[str]]) -> str:
        """Put down the contract that would have held."""
        return put_down(self.session.tools.store, self.session.source.contracts[self.name], evolved)

    def wider(self, drift: Drift) -> Format:
        """The encoder of a CSV file with room for what the contract does not declare."""
        usual = encoder_for(self.stream, self.session.source.columns(self.name))
        assert isinstance(usual, Csv)
        return Csv((*usual.columns, *drift.added), usual.nested, REST, usual.json_columns)

    def mask(self) -> Callable[[bytes], bytes] | None:
        """What hides the masked columns; the key of the hashes is a secret, fetched only where there is a hash."""
        masks = self.stream.mask
        if not masks:
            return None
        hashed = any(isinstance(mask, Hash) for mask in masks.values())
        secrets, name = self.session.tools.secrets, self.session.source.spec.mask_key
        return masking(masks, key=secrets.get(name).encode() if hashed else b"")

    def restart(self, window: Window, last: Value) -> Spot | None:
        """Where to go on when the API has forgotten a page cursor: at the last time seen, or from the beginning.

        From the beginning only where rows that land twice are merged; in between only where they come in time order.
        """
        stream, incremental = self.stream, self.stream.incremental
        if stream.parent is None and incremental is not None and incremental.since and incremental.ascending:
            at = instant(last, incremental.format) if incremental.by == "time" else None
            if at is not None:
                rest = Window(incremental.format.floor(at), window.until)
                return Spot(first_request(self.session.source.spec, stream, window=rest, name=self.name))
        return Spot() if stream.disposition == "merge" else None

    def count(self, progress: Progress) -> int | None:
        """The API's own count of the rows of a whole run; None where it has none."""
        stream = self.stream
        if stream.reconcile is None or stream.parent is not None or progress.held + progress.outside == 0:
            return None
        request = first_request(self.session.source.spec, stream, window=progress.whole, name=self.name)
        try:
            answer = self.client.head(request.with_params(**dict.fromkeys(stream.reconcile.without)))
        except (Transient, Refused):
            return None
        said = answer.headers.get(stream.reconcile.header.lower(), "")
        return int(said) if said.isdecimal() else None


def _times(stream: Stream) -> TimeFormat | None:
    incremental = stream.incremental
    return None if incremental is None or incremental.by == "value" else incremental.format
