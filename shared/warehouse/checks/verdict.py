"""The verdict: what the checks of one load found, as a document that is kept beside the commits.

    landing/<source>/<stream>/verdicts/00000000000000000012-<run>-<load>.json

A verdict is written once. A release writes another one under the same sequence, with its reason.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from enum import StrEnum
from typing import Any

from shared.common.ports import ObjectStore
from shared.landing.layout import Layout

REFUSED = "the warehouse refused it"
"""How the error of a check begins whose rest is the warehouse's own, and may hold values of the rows."""


class Status(StrEnum):
    """`fail` keeps the rows out of the final table; `warn` tells and lets them in."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Result:
    """What one check found.

    `success` None: it had nothing to say, and `note` says why. Of the rows that it looks at `considered` had a value,
    `missing` had none, and `unexpected` (a `share` of those considered) are not as expected; `keys` are some of them.
    `error`: the check could not be made.
    """

    check: str
    arguments: Mapping[str, Any]
    severity: str
    success: bool | None
    expected: str = ""
    observed: Any = None
    considered: int | None = None
    missing: int | None = None
    unexpected: int | None = None
    share: float | None = None
    keys: tuple[Any, ...] = ()
    note: str = ""
    error: str = ""

    @property
    def holds(self) -> bool:
        return self.success is not False

    @property
    def subject(self) -> str:
        """What the check is about, for people: a column, several, or nothing for the whole table."""
        arguments = self.arguments
        names = [arguments[name] for name in ("column", "column_A", "column_B") if name in arguments]
        return ", ".join([*names, *arguments.get("column_list", ())])


@dataclass(frozen=True, slots=True)
class Verdict:
    """All results of one load. Times are RFC 3339 text, UTC; `sequence` is the last commit of the load."""

    source: str
    stream: str
    table: str
    run: str = ""
    load: str = ""
    sequence: int = 0
    checked_at: str = ""
    seconds: float = 0.0
    rows: int = 0
    queries: int = 0
    released: str = ""
    results: tuple[Result, ...] = field(default=(), repr=False)

    @property
    def status(self) -> Status:
        broken = {result.severity for result in self.results if not result.holds}
        return Status.FAIL if "fail" in broken else Status.WARN if broken else Status.OK

    @property
    def passed(self) -> bool:
        """Whether the rows may go into the final table."""
        return self.status is not Status.FAIL or bool(self.released)

    @property
    def broken(self) -> tuple[Result, ...]:
        """The checks that do not hold, those that fail the load first."""
        return tuple(sorted((r for r in self.results if not r.holds), key=lambda r: r.severity != "fail"))

    def to_json(self) -> dict[str, Any]:
        document = asdict(self)
        results = document.pop("results")
        return {"version": 1, "status": self.status.value, **document, "checks": results}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Verdict:
        """Read a verdict; keys that a later version added are left alone."""
        ours = {f.name for f in fields(cls)}
        results = tuple(_result(one) for one in document.get("checks", ()))
        return cls(**{name: value for name, value in document.items() if name in ours}, results=results)

    def observations(self) -> dict[str, Any]:
        """What later loads compare themselves with."""
        shares = {
            result.arguments["column"]: result.observed["shares"]
            for result in self.results
            if isinstance(result.observed, dict) and "shares" in result.observed
        }
        return {"rows": self.rows, "shares": shares}

    def release(self, reason: str) -> Verdict:
        """The same verdict, overruled by a person."""
        return replace(self, released=reason)


def _result(document: Mapping[str, Any]) -> Result:
    known = {f.name for f in fields(Result)}
    values = {name: value for name, value in document.items() if name in known}
    return Result(**{**values, "keys": tuple(values.get("keys", ()))})


def folder(source: str, stream: str) -> str:
    return f"{Layout(source, stream).home}verdicts/"


def save(store: ObjectStore, verdict: Verdict) -> str:
    """Keep a verdict; returns its key. The same one twice is there once."""
    name = "-".join(part for part in (f"{verdict.sequence:020d}", verdict.run, verdict.load) if part)
    key = f"{folder(verdict.source, verdict.stream)}{name}{'.released' if verdict.released else ''}.json"
    try:
        store.put_new(key, json.dumps(verdict.to_json(), ensure_ascii=False, default=str).encode())
    except FileExistsError:
        return key
    return key


def verdicts(store: ObjectStore, source: str, stream: str, *, run: str = "") -> Iterator[Verdict]:
    """The verdicts of a stream, oldest first; only those of a run or a load where `run` is given."""
    for info in store.list(folder(source, stream)):
        if run in info.key.rpartition("/")[2]:
            found = Verdict.from_json(json.loads(store.get(info.key)))
            if not run or run in (found.run, found.load):
                yield found


def latest(store: ObjectStore, source: str, stream: str, *, most: int) -> list[Verdict]:
    """The last verdicts of a stream, oldest first."""
    keys = [info.key for info in store.list(folder(source, stream))][-most:]
    return [Verdict.from_json(json.loads(store.get(key))) for key in keys]


def history(store: ObjectStore, source: str, stream: str, *, most: int = 200) -> list[dict[str, Any]]:
    """What the last loads that passed, or were released, have observed, newest first; one entry per load."""
    found = latest(store, source, stream, most=2 * most)
    passed = {(one.sequence, one.load): one for one in found if one.passed}
    newest = sorted(passed.values(), key=lambda one: (one.sequence, one.checked_at), reverse=True)
    return [one.observations() for one in newest[:most]]
