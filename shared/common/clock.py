"""The real time and chance of this machine, as the ports want them."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from datetime import UTC, datetime


class SystemClock:
    """The clock of the operating system (see `ports.Clock`)."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        if seconds > 0:
            time.sleep(seconds)


def random_token(length: int = 8, *, entropy: Callable[[int], bytes] = os.urandom) -> str:
    r"""`length` hexadecimal digits that no two runs share.

    >>> random_token(6, entropy=lambda size: b"\x9f\x3a\x61"[:size])
    '9f3a61'
    """
    return entropy((length + 1) // 2).hex()[:length]
