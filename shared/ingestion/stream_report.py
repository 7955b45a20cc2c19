"""What a run says of one stream: figures, warnings, and the error that ended it."""

from __future__ import annotations

import traceback
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from shared.common.errors import Misconfigured, SluiceError
from shared.ingestion.progress import Value

Status = Literal["done", "unfinished", "failed", "superseded", "skipped"]

_NOT_SAID = frozenset({"error", "seconds", "live_rows", "live_pages"})


@dataclass(slots=True)
class StreamReport:
    """What a run did for one stream. `seconds` is wall time; `cursor` is where the stream stands now.

    `live_rows` and `live_pages` also count what is not committed yet, for whoever watches. `trimmed` records landed
    without some of their values; `reasons` counts those and the rejected ones by what was wrong. `undeclared` fields
    landed and are not loaded, `evolved` ones become columns, or widen one (docs/drift.md); `contract_version` is the
    version of the contract that was put down for these.
    """

    stream: str
    status: Status = "done"
    rows: int = 0
    rejected: int = 0
    parts: int = 0
    bytes: int = 0
    commits: int = 0
    pages: int = 0
    cursor: Value = None
    seconds: float = 0.0
    api_calls: int = 0
    retries: int = 0
    expected: int | None = None
    retry_after: float | None = None
    outside: int = 0
    repeated: int = 0
    trimmed: int = 0
    reasons: dict[str, int] = field(default_factory=dict)
    undeclared: list[str] = field(default_factory=list)
    evolved: dict[str, list[str]] = field(default_factory=dict)
    contract_version: str = ""
    warnings: list[str] = field(default_factory=list)
    error: SluiceError | None = None
    live_rows: int = 0
    live_pages: int = 0

    def to_json(self) -> dict[str, Any]:
        document = {name: getattr(self, name) for name in self.__slots__ if name not in _NOT_SAID}
        error = None
        if self.error is not None:
            error = {"type": type(self.error).__name__, "message": str(self.error)}
        return {**document, "seconds": round(self.seconds, 3), "error": error}


def last_words(error: BaseException) -> SluiceError:
    """Any error as one of ours, so that a report can carry it.

    A foreign error's own text may hold anything, also a secret, so it is left to the traceback (`--debug`).
    """
    if isinstance(error, SluiceError):
        return error
    if isinstance(error, ModuleNotFoundError):
        hint = (
            "`make setup` installs it here; in Lambda the function lacks a layer, or the layer leaves it out"
        )
        return Misconfigured(f"the package {error.name} is not installed", hint=hint)
    frames = traceback.extract_tb(error.__traceback__)
    place = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "unknown place"
    ours = SluiceError(
        f"unexpected {type(error).__name__}", hint="this is a fault of Sluice: please report it", at=place
    )
    ours.__cause__ = error
    return ours
