"""A contract proposed from what a stream has landed, read along its log."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from shared.common.errors import Misconfigured, unknown
from shared.contracts.infer import Asked, Shape, unsaid
from shared.landing.layout import format_of
from shared.landing.log import CommitLog
from shared.landing.reader import read_part
from src.loading import landed_streams

if TYPE_CHECKING:
    from shared.ingestion.source import Source
    from src.workplace import Workplace


@dataclass(frozen=True, slots=True)
class Proposal:
    """A schema, of how many records it was made, and the file where it belongs."""

    schema: dict[str, Any]
    rows: int
    file: Path
    wiring: tuple[str, ...] = ()
    """What to write into source.yml so that the file is the stream's contract; nothing where it is already."""

    def write(self) -> None:
        """Raises `Misconfigured` when the stream has a file already: authors' work is not overwritten."""
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            with self.file.open("x", encoding="utf-8") as file:
                file.write(json.dumps(self.schema, indent=2, ensure_ascii=False) + "\n")
        except FileExistsError:
            raise Misconfigured(
                f"{self.file} is there already",
                hint="compare them: leave --write out, and use sluice contract diff",
            ) from None
        except OSError as error:
            raise Misconfigured(f"cannot write {self.file}: {error.strerror}") from None


def propose(place: Workplace, name: str, asked: Asked, *, limit: int | None = None) -> Proposal:
    """Look at the landed records of `SOURCE.STREAM`, or at the first `limit` of them.

    Of masked fields nothing is said, for a contract sees them before they are masked. Raises `Misconfigured` when
    there is nothing to look at, and `Violation` when a part is damaged.
    """
    source_name, _, stream = name.partition(".")
    source = place.source(source_name)
    landed = landed_streams(place.store, source_name)
    if stream not in landed:
        if stream in source.spec.streams:
            raise Misconfigured(
                f"nothing has landed of {name}", hint=f"sluice run {source_name} --streams {stream}"
            )
        raise unknown("stream", stream, {*source.spec.streams, *landed}, source=source_name)
    shape = Shape()
    for record in islice(_records(place, source_name, stream), limit):
        shape.add(record)
    if not shape.seen:
        raise Misconfigured(f"no record has landed of {name}", hint="its runs found nothing new")
    schema = shape.contract(asked)
    spec = source.spec.streams.get(stream)
    for path in spec.mask if spec else ():
        schema = unsaid(schema, path)
    folder = Path(source.file).parent / (source.spec.contracts or "contracts")
    file = folder / f"{stream}.json"
    return Proposal(schema, shape.seen, file, _wiring(source, stream, file))


def _wiring(source: Source, stream: str, file: Path) -> tuple[str, ...]:
    spec = source.spec.streams.get(stream)
    if spec is None or (source.spec.contracts is not None and stream not in source.contracts):
        return ()
    place = file.relative_to(Path(source.file).parent)
    if spec.columns is not None:
        return (
            f"not used yet: {source.file} has `columns` for streams.{stream}, its own or of `defaults`; in their place",
            "    columns: null",
            f"    contract: {place}",
        )
    if spec.contract is not None:
        return (
            f"not used yet: {source.file} has another `contract` for streams.{stream}",
            f"    contract: {place}",
        )
    return (
        f"not used yet: in {source.file} write this for streams.{stream}, or `contracts: contracts` for all of them",
        f"    contract: {place}",
    )


def _records(place: Workplace, source: str, stream: str) -> Iterator[Any]:
    decode = msgspec.json.Decoder().decode
    for commit in CommitLog(place.store, source, stream, place.clock).since(0):
        for part in commit.draft.parts:
            if format_of(part.key).startswith("csv"):
                raise Misconfigured(
                    f"{source}.{stream} lands as CSV, whose text does not tell types",
                    hint="land JSON lines once (--set streams.NAME.format=jsonl), or write the contract by hand",
                )
            with read_part(place.store, part) as lines:
                for line in lines:
                    yield decode(line)
