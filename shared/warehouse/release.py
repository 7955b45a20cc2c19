"""Releases: a person lets rows in that their checks have held back. Written beside the verdict, with the reason."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from shared.common.errors import Misconfigured, unknown
from shared.common.ports import ObjectStore

if TYPE_CHECKING:
    from shared.warehouse.checks.verdict import Verdict


def standing(store: ObjectStore, source: str, stream: str, *, after: int) -> dict[int, Verdict]:
    """The verdict that counts for each held load behind commit `after`, by its last commit.

    A release counts for good; of several verdicts the newest counts.
    """
    found: dict[int, Verdict] = {}
    for verdict in _behind(store, source, stream, after):
        known = found.get(verdict.sequence)
        if known is None or verdict.released or (not known.released and _newer(verdict, known)):
            found[verdict.sequence] = verdict
    return {
        sequence: verdict for sequence, verdict in found.items() if verdict.released or not verdict.passed
    }


def _newer(verdict: Verdict, known: Verdict) -> bool:
    return verdict.checked_at >= known.checked_at


def _behind(store: ObjectStore, source: str, stream: str, after: int) -> Iterator[Verdict]:
    from shared.warehouse.checks.verdict import Verdict, folder

    home = folder(source, stream)
    for info in store.list(home, after=f"{home}{after:020d}~"):
        yield Verdict.from_json(json.loads(store.get(info.key)))


def release(store: ObjectStore, source: str, stream: str, *, name: str, reason: str) -> Verdict | None:
    """Let in the rows of the load or run `name` that were held back; None when this stream has no verdict of it.

    Raises `Misconfigured` when its checks did not hold it back, or without a reason.
    """
    from shared.warehouse.checks.verdict import save, verdicts

    if not reason.strip():
        raise Misconfigured(
            "a release needs a reason",
            hint="say why these rows may go in: --reason 'checked by hand, all is well'",
        )
    found = list(verdicts(store, source, stream, run=name))
    if not found:
        return None
    done = [verdict for verdict in found if verdict.released]
    failed = [verdict for verdict in found if not verdict.passed]
    if not failed:
        raise Misconfigured(
            f"the checks of {source}.{stream} did not hold back {name}",
            hint="sluice checks show tells what they found",
        )
    if done and done[-1].sequence == failed[-1].sequence:
        return done[-1]
    released = failed[-1].release(reason.strip())
    save(store, released)
    return released


def find(store: ObjectStore, streams: Iterable[tuple[str, str]], *, name: str, reason: str) -> list[Verdict]:
    """Release `name` in whichever of the streams (source, stream) it was held back.

    Raises `Misconfigured` listing what is held back, when none knows it.
    """
    known = list(streams)
    found = [
        verdict
        for source, stream in known
        if (verdict := release(store, source, stream, name=name, reason=reason)) is not None
    ]
    if not found:
        held = [v for source, stream in known for v in standing(store, source, stream, after=0).values()]
        names = [verdict.load or verdict.run for verdict in held if not verdict.released]
        raise unknown("load or run that was held back", name, names)
    return found
