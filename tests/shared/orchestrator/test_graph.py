"""The way of an event through the graph, and which graphs are refused."""

from __future__ import annotations

import pytest

from shared.common.errors import Misconfigured
from shared.orchestrator.event import Event, Operation
from shared.orchestrator.faults import UnknownInput, UnknownProcess
from shared.orchestrator.filters import Filter
from shared.orchestrator.graph import Graph, InputNode, Link, ProcessNode, Stop, route_from_json, route_json
from shared.orchestrator.policy import Policy
from shared.orchestrator.settings import Surroundings

EVENT = Event("raw.rain", Operation.CREATE, "1", "i", {"mm": 9})


def nothing(around: Surroundings) -> None:
    raise NotImplementedError


def graph(*links: Link | tuple[str, str], first: Filter | None = None, processes: str = "abcd") -> Graph:
    return Graph.build(
        [InputNode("i", first or Filter(), nothing)],
        [ProcessNode(name, Policy(), nothing) for name in processes],
        [link if isinstance(link, Link) else Link(*link) for link in links],
    )


def shown(found: Graph, event: Event = EVENT) -> list[tuple[str, tuple[int, ...]]]:
    return [(stop.process, stop.after) for stop in found.route("i", event)]


def test_an_event_goes_to_every_child() -> None:
    assert [("a", ()), ("b", (0,)), ("c", (0,))] == shown(graph(("i", "a"), ("a", "b"), ("a", "c")))


def test_a_process_waits_for_all_that_lead_to_it() -> None:
    found = graph(("i", "a"), ("a", "b"), ("a", "c"), ("b", "d"), ("c", "d"))

    assert ("d", (1, 2)) == shown(found)[-1]


def test_a_process_waits_only_for_those_that_the_event_reaches() -> None:
    never = Filter(operation=(Operation.DELETE,))
    found = graph(("i", "a"), ("a", "b"), Link("a", "c", never), ("b", "d"), ("c", "d"))

    assert [("a", ()), ("b", (0,)), ("d", (1,))] == shown(found)


@pytest.mark.parametrize(
    ("passes", "reached"),
    [
        (Filter(operation=(Operation.CREATE,)), True),
        (Filter(operation=(Operation.UPDATE, Operation.DELETE)), False),
        (Filter(location="raw.*"), True),
        (Filter(location="raw"), False),
        (Filter(location="RAW.*"), False),
        (Filter(where="payload.mm > `8`"), True),
        (Filter(where="payload.mm > `9`"), False),
        (Filter(where="operation == 'create' && id == '1'"), True),
        (Filter(where="payload.missing"), False),
        (Filter(location="raw.*", where="payload.mm > `9`"), False),
    ],
)
def test_links_and_inputs_filter(passes: Filter, reached: bool) -> None:
    assert reached == bool(shown(graph(Link("i", "a", passes))))
    assert reached == bool(shown(graph(("i", "a"), first=passes)))


@pytest.mark.parametrize("where", ["length(payload.mm) > `1`", "id > `0`"])
def test_an_expression_that_cannot_be_evaluated_is_a_fault_of_that_stop(where: str) -> None:
    found = graph(Link("i", "a", Filter(where=where)), ("i", "b"))
    stops = {stop.process: stop for stop in found.route("i", EVENT)}

    assert where in stops["a"].fault
    assert not stops["b"].fault


def test_routes_survive_the_journal() -> None:
    route = (Stop("a"), Stop("b", (0,)), Stop("c", (0, 1), "a fault"))

    assert route == route_from_json(route_json(route))


def test_circles_are_refused() -> None:
    with pytest.raises(Misconfigured, match=r"circle: (a -> b -> c -> a|b -> c -> a -> b|c -> a -> b -> c)"):
        graph(("i", "a"), ("a", "b"), ("b", "c"), ("c", "a"))


def test_links_to_nothing_are_refused() -> None:
    with pytest.raises(UnknownProcess, match='unknown process "x"'):
        graph(("i", "x"))
    with pytest.raises(UnknownInput, match='unknown input "x"'):
        graph(("x", "a"))
