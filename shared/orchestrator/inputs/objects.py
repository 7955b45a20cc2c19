"""Input `objects`: objects that appear, change or vanish below a prefix of a folder or a bucket.

`connection_string` is `file:///folder/prefix`, or whatever URL the program's door for objects takes. Each look lists
all of it: right for thousands of objects; for millions let the bucket raise events itself. What was seen last is the
input's bookmark, so that changes while nobody looked are found afterwards.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import Field

from shared.common.ports import ObjectStore
from shared.orchestrator.doors import Input, Outlet
from shared.orchestrator.event import Event, Operation
from shared.orchestrator.settings import InputSettings, Surroundings

OpenStore = Callable[[str], ObjectStore]


class ObjectsInput(InputSettings):
    """Events `create`, `update` and `delete`; `id` is the key, `location` the connection string."""

    type: Literal["objects"]
    connection_string: str = Field(min_length=1)
    prefix: str = ""
    poll: float = Field(5.0, gt=0, le=86400)
    """Seconds between looks."""

    def open(self, around: Surroundings) -> Input:
        store: OpenStore = around.door("objects")
        return Watcher(self, store(around.filled(self.connection_string, input=self.name)))


@dataclass(frozen=True, slots=True)
class Watcher:
    settings: ObjectsInput
    store: ObjectStore

    def run(self, outlet: Outlet) -> None:
        text = outlet.bookmark()
        known: dict[str, Any] = json.loads(text) if text else {"look": 0, "seen": {}}
        look, seen = int(known["look"]), dict[str, str](known["seen"])
        while not outlet.stopping():
            now = {info.key: f"{info.etag}:{info.size}" for info in self.store.list(self.settings.prefix)}
            changes = [
                (key, Operation.UPDATE if key in seen else Operation.CREATE)
                for key, tag in now.items()
                if seen.get(key) != tag
            ]
            changes += [(key, Operation.DELETE) for key in seen if key not in now]
            if changes:
                look, seen = look + 1, now
                place = self.settings.connection_string
                outlet.emit(
                    [Event(place, operation, key) for key, operation in changes],
                    keys=[f"{look}:{key}" for key, _ in changes],
                    bookmark=json.dumps({"look": look, "seen": now}),
                )
            outlet.wait(self.settings.poll)
