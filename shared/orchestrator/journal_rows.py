"""Rows of a journal as values, the same for every database."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from shared.orchestrator.event import Event, Operation
from shared.orchestrator.journal import Outcome, Phase


def event_of(text: str) -> Event:
    """An event out of the journal: what is in there was whole when it was taken."""
    plain = json.loads(text)
    name = plain["operation"]
    return Event(
        plain["location"],
        Operation.UNKNOWN if name == "unknown" else Operation.parse(name),
        plain["id"],
        plain["trigger"],
        plain.get("payload"),
    )


def outcome_of(row: Sequence[Any]) -> Outcome:
    return Outcome(
        row[0], row[1], Phase(row[2]), row[3], row[4], seconds=row[5], due=row[6], error=row[7], logs=row[8]
    )
