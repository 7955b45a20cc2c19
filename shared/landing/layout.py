"""Where everything of the landing zone lies: the one place that knows its keys.

```
landing/<source>/<stream>/data/dt=2026-11-20/<run>/a001-w00000-part-00000.jsonl.gz     a part
landing/<source>/<stream>/log/00000000000000000012.json                                commit 12
landing/<source>/<stream>/rejected/dt=2026-11-20/<run>/a001-w00000-part-00000.jsonl.gz records that broke the contract
```

`a` is the attempt (which process of the run wrote it), `w` the window of requests within the run, `part` counts within
the window; all are padded, so text order is the order of the run. `dt` is the UTC day on which the attempt began.
When a name is taken by other content (a process of the same attempt died before its commit, and the source changed
since), the next free name of `…part-00000-2`, `-3` … is taken: readers follow the commits and never guess names.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime

from shared.common.errors import Misconfigured, unknown
from shared.landing.commit import sequence_key

ROOT = "landing"
FORMATS = ("jsonl.gz", "csv.gz", "jsonl", "csv")

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
_RUN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
_COMMIT = re.compile(r"\d{20}\.json")


@dataclass(frozen=True, slots=True)
class Layout:
    """The keys of one stream."""

    source: str
    stream: str

    def __post_init__(self) -> None:
        for what, name in (("source", self.source), ("stream", self.stream)):
            if not _NAME.fullmatch(name):
                raise Misconfigured(
                    f'"{name}" cannot be the name of a {what}',
                    hint="use at most 64 letters, digits, _ and -, and begin with a letter",
                )

    @property
    def home(self) -> str:
        return f"{ROOT}/{self.source}/{self.stream}/"

    @property
    def data(self) -> str:
        return f"{self.home}data/"

    @property
    def rejected(self) -> str:
        return f"{self.home}rejected/"

    @property
    def log(self) -> str:
        return f"{self.home}log/"

    def commit(self, sequence: int) -> str:
        """The key of a commit; sequence 0 stands before the first one.

        >>> Layout("recurly", "accounts").commit(12)
        'landing/recurly/accounts/log/00000000000000000012.json'
        """
        return self.log + sequence_key(sequence)

    def sequence(self, key: str) -> int | None:
        """The sequence of the commit that lies under `key`; None for keys that are no commit."""
        name = key.removeprefix(self.log)
        return int(name[:20]) if _COMMIT.fullmatch(name) else None


def commit_at(key: str) -> tuple[str, str, int] | None:
    """Source, stream and sequence of the commit that lies under `key`; None for keys that are no commit.

    >>> commit_at("landing/recurly/accounts/log/00000000000000000012.json")
    ('recurly', 'accounts', 12)
    """
    match key.split("/"):
        case [root, source, stream, "log", name] if root == ROOT and _COMMIT.fullmatch(name):
            if _NAME.fullmatch(source) and _NAME.fullmatch(stream):
                return source, stream, int(name[:20])
    return None


@dataclass(frozen=True, slots=True)
class PartName:
    """What tells the parts of a stream apart, and so what makes their keys."""

    run: str
    attempt: int
    window: int
    index: int
    day: date

    def __post_init__(self) -> None:
        if not _RUN.fullmatch(self.run):
            raise Misconfigured(
                f'"{self.run}" cannot be the id of a run',
                hint="use at most 100 letters, digits, _, - and ., and begin with a letter or a digit",
            )
        if min(self.attempt, self.window, self.index) < 0:
            raise ValueError(f"attempt, window and index count from 0 or 1: {self}")

    def key(self, folder: str, *, format: str = "jsonl.gz", take: int = 1) -> str:
        """The key under `folder`, which is `Layout.data` or `Layout.rejected`.

        >>> PartName("r1", 1, 0, 7, date(2026, 11, 20)).key("d/", take=2)
        'd/dt=2026-11-20/r1/a001-w00000-part-00007-2.jsonl.gz'
        """
        again = f"-{take}" if take > 1 else ""
        file = f"a{self.attempt:03d}-w{self.window:05d}-part-{self.index:05d}{again}"
        return f"{folder}dt={self.day.isoformat()}/{self.run}/{file}.{format}"


def known_format(format: str) -> str:
    """`format` itself. Raises `Misconfigured` when parts cannot have it."""
    if format not in FORMATS:
        raise unknown("format of parts", format, FORMATS)
    return format


def format_of(key: str) -> str:
    """The format of the part that lies under `key`.

    >>> format_of("landing/recurly/accounts/data/dt=2026-11-20/r.1/a001-w00000-part-00000.csv.gz")
    'csv.gz'
    """
    return known_format(key.rpartition("/")[2].partition(".")[2])


def run_id(started: datetime, token: str) -> str:
    """The id of a run: when it began and a random token that tells it from others of that second.

    >>> from datetime import UTC
    >>> run_id(datetime(2026, 11, 20, 10, 15, tzinfo=UTC), "9f3a61")
    '20261120T101500Z-9f3a61'
    """
    return f"{started:%Y%m%dT%H%M%SZ}-{token}"
