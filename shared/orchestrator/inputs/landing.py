"""Input `landing`: a new commit of a stream's log is an event.

The log is on a floor above; what it must be able to do is `Commits`, and the program that serves brings it along.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from pydantic import Field

from shared.orchestrator.doors import Input, Outlet
from shared.orchestrator.event import Event, Operation
from shared.orchestrator.settings import InputSettings, Surroundings

BATCH = 500


class Commits(Protocol):
    """The log of one stream."""

    def since(self, sequence: int) -> Iterable[tuple[int, Mapping[str, Any]]]:
        """Number and content of the commits after a number, in order."""


OpenCommits = Callable[[str], Mapping[str, Commits]]
"""The streams of `source` or `source.stream`, by `source.stream`."""


class LandingInput(InputSettings):
    """`connection_string` is `source` (all its streams) or `source.stream`; `location` is `source.stream`,
    `id` the number of the commit, `payload` the commit without its parts' details.
    """

    type: Literal["landing"]
    connection_string: str = Field(pattern=r"^[\w-]+(\.[\w-]+)?$")
    poll: float = Field(2.0, gt=0, le=86400)
    """Seconds between looks."""

    def open(self, around: Surroundings) -> Input:
        streams: OpenCommits = around.door("landing")
        return Follower(self, streams)


@dataclass(frozen=True, slots=True)
class Follower:
    settings: LandingInput
    streams: OpenCommits

    def run(self, outlet: Outlet) -> None:
        stands = _stands(outlet.bookmark())
        while not outlet.stopping():
            for name, log in self.streams(self.settings.connection_string).items():
                events: list[Event] = []
                for sequence, content in log.since(stands.get(name, 0)):
                    events.append(Event(name, Operation.CREATE, str(sequence), payload=content))
                    stands[name] = sequence
                    if len(events) == BATCH:
                        self._hand_over(outlet, events, stands)
                        events = []
                if events:
                    self._hand_over(outlet, events, stands)
            outlet.wait(self.settings.poll)

    @staticmethod
    def _hand_over(outlet: Outlet, events: list[Event], stands: Mapping[str, int]) -> None:
        bookmark = "\n".join(f"{name} {sequence}" for name, sequence in stands.items())
        outlet.emit(events, keys=[f"{one.location}:{one.id}" for one in events], bookmark=bookmark)


def _stands(text: str) -> dict[str, int]:
    pairs = (line.rpartition(" ") for line in text.splitlines())
    return {name: int(sequence) for name, _, sequence in pairs}
