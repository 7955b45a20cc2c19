"""What is to be done next, for any graph, any policies and any ends of attempts: the rules hold at every step."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from shared.orchestrator.desk import Desk
from shared.orchestrator.event import Event, Operation
from shared.orchestrator.filters import Filter
from shared.orchestrator.graph import Graph, InputNode, Link, ProcessNode, Stop
from shared.orchestrator.journal import Claimed, Outcome, Phase, Standing
from shared.orchestrator.lane import Job
from shared.orchestrator.policy import Breaker, Policy, Rate, Retry
from shared.orchestrator.settings import Surroundings

NAMES = "abcde"
ENDS = [Phase.DONE, Phase.DONE, Phase.DONE, Phase.RETRY, Phase.DEAD]


def nothing(around: Surroundings) -> None:
    raise NotImplementedError


policies = st.builds(
    Policy,
    concurrency=st.integers(1, 3),
    order_by=st.sampled_from(["", "payload.key"]),
    rate=st.none() | st.builds(Rate, starts=st.integers(1, 3), seconds=st.floats(0.1, 5)),
    breaker=st.none() | st.builds(Breaker, failures=st.integers(1, 3), cool_down=st.floats(0.1, 10)),
    retry=st.just(Retry(most=5)),
)


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """Links lead forward in the alphabet, so there is no circle."""
    links = [("i", draw(st.sampled_from(NAMES)))]
    links += draw(
        st.lists(
            st.sampled_from([(a, b) for a in "i" + NAMES for b in NAMES if a == "i" or a < b]), max_size=8
        )
    )
    return Graph.build(
        [InputNode("i", Filter(), nothing)],
        [ProcessNode(name, draw(policies), nothing) for name in NAMES],
        [Link(*one) for one in dict.fromkeys(links)],
    )


@dataclass
class World:
    """A desk, and what a journal and workers would know."""

    graph: Graph
    desk: Desk = field(default_factory=Desk)
    now: float = 0.0
    running: list[Job] = field(default_factory=list)
    done: dict[int, set[str]] = field(default_factory=lambda: defaultdict(set))
    ended: dict[tuple[int, str], Phase] = field(default_factory=dict)
    closed: dict[int, Standing] = field(default_factory=dict)
    began: dict[tuple[str, int], list[int]] = field(default_factory=lambda: defaultdict(list))

    def admit(self, number: int) -> None:
        event = Event("x", Operation.CREATE, str(number), payload={"key": number % 2})
        route = self.graph.route("i", event)
        standing = self.desk.admit(Claimed(number, str(number), event, route, 0.0), self.now, self.now)
        assert standing is None

    def start(self) -> bool:
        job = self.desk.take(self.now)
        if job is None:
            return False
        stop = job.underway.route[job.stop]
        assert {job.underway.route[n].process for n in stop.after} <= self.done[job.underway.id]
        assert (job.underway.id, stop.process) not in self.ended
        self.running.append(job)
        if job.key is not None:
            began = self.began[stop.process, job.underway.id % 2]
            assert not began or began[-1] <= job.underway.id
            began.append(job.underway.id)
        counts = Counter(one.lane.name for one in self.running)
        assert all(self.graph.processes[name].policy.concurrency >= count for name, count in counts.items())
        return True

    def end(self, job: Job, phase: Phase) -> None:
        self.running.remove(job)
        self.desk.ended(job, self.now, well=phase is Phase.DONE)
        number, name = job.underway.id, job.lane.name
        if phase is not Phase.RETRY:
            self.ended[number, name] = phase
        if phase is Phase.DONE:
            self.done[number].add(name)
        standing = self.desk.settle(job, phase, self.now, pause=1.0)
        if standing is not None:
            assert number not in self.closed
            self.closed[number] = standing


@given(graphs(), st.integers(1, 6), st.data())
def test_every_event_comes_to_its_end_by_the_rules(graph: Graph, events: int, data: st.DataObject) -> None:
    """Stops after those before them, keys in order, no more at once than may, each event closed once and rightly."""
    world = World(graph)
    world.desk.arrange(graph)
    for number in range(1, events + 1):
        world.admit(number)
    for _ in range(2000):
        if world.start():
            continue
        if world.running:
            job = world.running[data.draw(st.integers(0, len(world.running) - 1))]
            phase = data.draw(st.sampled_from(ENDS)) if job.attempt < 3 else Phase.DONE
            world.end(job, phase)
            continue
        world.desk.wake(world.now)
        if world.start():
            continue
        due = world.desk.next_due()  # asked last: a lane that may not start sets a timer when it is tried
        if due is None:
            break
        world.now = max(world.now, due)
        world.desk.wake(world.now)

    assert not world.desk.open
    assert set(range(1, events + 1)) == set(world.closed)
    for number, standing in world.closed.items():
        dead = any(phase is Phase.DEAD for (event, _), phase in world.ended.items() if event == number)
        assert (Standing.DEAD if dead else Standing.DONE) is standing
        if not dead:
            route = graph.route("i", Event("x", Operation.CREATE, ""))
            assert {stop.process for stop in route} == world.done[number]
    assert dict.fromkeys(NAMES, 0) == {name: lane.pending for name, lane in world.desk.lanes.items()}


@given(graphs(), st.sets(st.sampled_from(NAMES)))
def test_an_event_goes_on_where_the_journal_says(graph: Graph, said: set[str]) -> None:
    """What is done is not started again, whatever else is."""
    event = Event("x", Operation.CREATE, "1", payload={"key": 1})
    route = graph.route("i", event)
    done = set[str]()
    for stop in route:  # a stop can only be done when those before it are
        if stop.process in said and {route[n].process for n in stop.after} <= done:
            done.add(stop.process)
    outcomes = tuple(Outcome(1, name, Phase.DONE, 1, 0.0) for name in done)
    world = World(graph)
    world.desk.arrange(graph)
    world.done[1] |= done
    standing = world.desk.admit(Claimed(1, "1", event, route, 0.0, 1, outcomes), 0.0, 0.0)
    for _ in range(200):
        if not world.start():
            if not world.running:
                due = world.desk.next_due()
                if due is None:
                    break
                world.now = max(world.now, due)
                world.desk.wake(world.now)
                continue
            world.end(world.running[0], Phase.DONE)

    assert {stop.process for stop in route} - done == {name for _, name in world.ended}
    assert Standing.DONE is (standing if len(done) == len(route) else world.closed[1])


def begun(number: int, deaths: int) -> Claimed:
    """An event during whose first attempt at `a` the dispatcher ended, at 100 seconds; `deaths` times before that."""
    event = Event("x", Operation.CREATE, str(number))
    outcome = Outcome(number, "a", Phase.STARTED, 1, 100.0, deaths=deaths)
    return Claimed(number, str(number), event, (Stop("a"),), 0.0, 1, (outcome,))


def killers(attempts: int) -> Desk:
    desk = Desk()
    policy = Policy(concurrency=9, retry=Retry(attempts=attempts, backoff=1, factor=2))
    desk.arrange(
        Graph.build(
            [InputNode("i", Filter(), nothing)], [ProcessNode("a", policy, nothing)], [Link("i", "a")]
        )
    )
    return desk


def test_after_each_end_of_the_dispatcher_a_pair_waits_longer() -> None:
    """Under the number of the same attempt; time that went by since it began counts."""
    waits = []
    for deaths in range(4):
        desk = killers(5)
        desk.admit(begun(1, deaths), now=0.0, wall=100.25)
        waits.append(desk.next_due())
        assert desk.take(0.0) is None
        desk.wake(60.0)
        job = desk.take(60.0)
        assert job is not None
        assert (1, deaths + 1) == (job.attempt, job.deaths)

    assert [0.75, 1.75, 3.75, 7.75] == waits


def test_the_last_end_makes_a_dead_letter_and_never_before_the_third() -> None:
    lost = []
    for attempts in (1, 3, 5):
        for deaths in range(6):
            desk = killers(attempts)
            desk.admit(begun(1, deaths), now=0.0, wall=500.0)
            lost.append((attempts, deaths + 1, bool(desk.lost)))

    assert [(1, 3), (3, 3), (5, 5)] == [
        (attempts, min(n for a, n, dead in lost if dead and a == attempts)) for attempts in (1, 3, 5)
    ]


def test_on_their_last_life_pairs_run_one_after_the_other() -> None:
    """Others run beside them; one whose turn it is not holds nobody up behind it."""
    desk = killers(3)
    for number in (1, 2, 3):
        desk.admit(begun(number, 1), now=0.0, wall=500.0)
    desk.admit(begun(4, 0), now=0.0, wall=500.0)
    order = []
    while first := [job for _ in range(4) if (job := desk.take(0.0)) is not None]:
        order.append([job.underway.id for job in first])
        for job in first:
            desk.ended(job, 0.0, well=True)
            desk.settle(job, Phase.DONE, 0.0)

    assert [[1, 4], [2], [3]] == order
    assert {} == desk.open
