"""Objects of a store and commits of a log as events: what is new since the bookmark, and only that."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from shared.common.fakes import MemoryStore
from shared.orchestrator.inputs.landing import LandingInput
from shared.orchestrator.inputs.objects import ObjectsInput
from shared.orchestrator.settings import Surroundings
from tests.shared.orchestrator.inputs.outlet import Kept


def test_objects_appear_change_and_vanish() -> None:
    """Also while nobody looked; and one that comes back is an event again."""
    store = MemoryStore()
    one = ObjectsInput(name="i", type="objects", connection_string="memory:///", prefix="in/")
    around = Surroundings(doors={"objects": lambda url: store})

    def between(look: int) -> None:
        if look == 1:
            store.delete("in/a")
            store.put_new("in/b", b"2")
        elif look == 2:
            store.delete("in/b")
            store.put_new("in/b", b"3")
            store.put_new("in/a", b"1")

    store.put_new("in/a", b"1")
    store.put_new("out/x", b"1")
    outlet = Kept(looks=3, between=between)
    one.open(around).run(outlet)
    store.delete("in/a")
    later = Kept(looks=2, bookmark=outlet.bookmark())
    one.open(around).run(later)

    assert ["create in/a", "create in/b", "delete in/a", "create in/a", "update in/b"] == [
        f"{event.operation.text} {event.id}" for event in outlet.events
    ]
    assert ["delete in/a"] == [f"{event.operation.text} {event.id}" for event in later.events]


class Log:
    def __init__(self, *commits: Mapping[str, Any]) -> None:
        self.commits = commits

    def since(self, sequence: int) -> Iterable[tuple[int, Mapping[str, Any]]]:
        return [(n, commit) for n, commit in enumerate(self.commits, 1) if n > sequence]


def test_commits_of_a_stream_are_events_in_order() -> None:
    logs = {"acme.orders": Log({"rows": 1}, {"rows": 2}), "acme.items": Log({"rows": 3})}
    one = LandingInput(name="i", type="landing", connection_string="acme")
    around = Surroundings(doors={"landing": lambda name: logs})
    outlet = Kept(looks=2)
    one.open(around).run(outlet)
    logs["acme.items"] = Log({"rows": 3}, {"rows": 4})
    later = Kept(looks=1, bookmark=outlet.bookmark())
    one.open(around).run(later)

    assert [("acme.orders", "1"), ("acme.orders", "2"), ("acme.items", "1")] == [
        (event.location, event.id) for event in outlet.events
    ]
    assert [("acme.items", "2", {"rows": 4})] == [(e.location, e.id, e.payload) for e in later.events]
