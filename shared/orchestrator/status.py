"""How a process ended."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any


class ExitStatus(IntEnum):
    UNKNOWN = 0
    UNSTARTED = 1
    SUCCESS = 2
    FAIL = 3

    @property
    def text(self) -> str:
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Status:
    """The process `name` ended with `status`; `logs` is what it wrote, stderr and stdout as they came.

    >>> Status("raw_to_cleansed", "one row", ExitStatus.SUCCESS).to_plain()
    {'name': 'raw_to_cleansed', 'logs': 'one row', 'status': 'success'}
    """

    name: str
    logs: str = ""
    status: ExitStatus = ExitStatus.SUCCESS

    def to_plain(self) -> dict[str, Any]:
        return {"name": self.name, "logs": self.logs, "status": self.status.text}
