"""Pieces of generated files of Airflow that say when and how a step runs, as text: see airflow_parts.py."""

from __future__ import annotations

RUN = '''
class Run:
    """What a step knows of its run, and what the steps before it left."""

    def __init__(self, context, step=None):
        at = context.get("logical_date") or context["dag_run"].run_after
        self.ti, self.dag_run = context["ti"], context["dag_run"]
        self.item, self.state, self.variables = getattr(step, "item", None), None, context["var"]["value"]
        self.id, self.pipeline, self.params = context["run_id"], PIPELINE, context["params"]
        self.time = at.astimezone(timezone.utc).isoformat().replace("+00:00", "Z")
        self.date = at.astimezone(ZoneInfo(ZONE)).date().isoformat()

    def output(self, task_id, *path):
        """What a step left, or what is in it at a path; None where there is nothing."""
        return follow(self.ti.xcom_pull(task_ids=task_id, map_indexes=-1), path)

    def sibling(self, task_id, *path):
        """The same, of a step beside this one in a foreach."""
        return follow(self.ti.xcom_pull(task_ids=task_id, map_indexes=self.ti.map_index), path)

    def param(self, name, *path):
        return follow(self.params.get(name), path)
'''

LEFT = '''
def left(run, task_id, path, key, data=None):
    """What a task of a provider left: one value under `key`, which it pushed itself, or which is always the same."""
    if states_of(run, [task_id])[task_id] != "success":
        return None
    return follow({key: run.ti.xcom_pull(task_ids=task_id, key=key, map_indexes=-1) if data is None else data}, path)
'''

ANY = """
ANY = ["null", "boolean", "number", "string", "array", "object"]
"""

FOLLOW = """
def follow(data, path):
    for key in path:
        if isinstance(data, dict) and isinstance(key, str):
            data = data.get(key)
        elif isinstance(data, list) and isinstance(key, int) and key < len(data):
            data = data[key]
        else:
            return None
    return data
"""

STEP = '''
class Again(NamedTuple):
    """A step is not over: it is asked again after some seconds, with what it knows by then."""

    seconds: float
    state: object


class Step(BaseOperator):
    """A task that does one step. While it waits it needs no worker; `timeout` bounds each attempt without the waits
    between attempts, which are `retry_delay`, times `backoff` each further time, at most `max_delay`, in seconds.
    """

    template_fields = ("item",)

    def __init__(
        self, *, work, needs=(), condition=None, item=None, timeout=None, backoff=1.0, max_delay=0.0, defers=True,
        **settings,
    ):
        super().__init__(**settings)
        self.work, self.needs, self.condition, self.item = work, needs, condition, item
        self.timeout, self.backoff, self.max_delay, self.defers = timeout, backoff, max_delay, defers

    def execute(self, context):
        run = Run(context, self)
        decide(run, self.needs, self.condition)
        first, number = self.retry_delay.total_seconds(), run.ti.try_number - 2
        wait = min(first * self.backoff ** min(number, 1000), self.max_delay) - first if number > 0 else 0.0
        return self._rest(run, wait, None, None) if wait > 0 else self._work(run, time.time())

    def resume(self, context, event=None):
        run = Run(context, self)
        kept = run.ti.xcom_pull(task_ids=self.task_id, key="kept", map_indexes=run.ti.map_index)
        run.state = kept["state"]
        return self._work(run, kept["began"] or time.time())

    def _work(self, run, began):
        with limited(self.timeout and began + self.timeout - time.time()):
            answer = self.work(run)
            while isinstance(answer, Again) and answer.seconds <= 0:
                run.state = answer.state
                answer = self.work(run)
        return self._rest(run, answer.seconds, answer.state, began) if isinstance(answer, Again) else answer

    def _rest(self, run, seconds, state, began):
        if self.timeout and began:
            seconds = min(seconds, began + self.timeout - time.time())
        if self.defers:
            run.ti.xcom_push(key="kept", value={"state": state, "began": began})
            self.defer(trigger=TimeDeltaTrigger(timedelta(seconds=max(seconds, 0.0))), method_name="resume")
        time.sleep(max(seconds, 0.0))
        run.state = state
        return self._work(run, began or time.time())


def step(task_id, **settings):
    """Makes a function the work of a task."""
    return lambda work: Step(task_id=task_id, work=work, **settings)


@contextmanager
def limited(seconds):
    """Ends what is inside when the time is over."""
    if seconds is None:
        yield
        return
    if seconds <= 0:
        raise TimeoutError("the time of this attempt is over")

    def over(*_):
        raise TimeoutError("the time of this attempt is over")

    before = signal.signal(signal.SIGALRM, over)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
'''

DECIDE_NONE = '''
def decide(run, needs, condition):
    """All that this file's steps wait for has succeeded when they begin: the trigger rule sees to it."""
'''

DECIDE = '''
class After(NamedTuple):
    """What a step waits for: a task, or one side of a branch. `passive`: it does not make the step run."""

    task_id: str
    side: bool | None = None
    passive: bool = False
    tolerated: bool = False


def decide(run, needs, condition):
    """Ends the step here when it is blocked, not reached, or passed over. Its task is skipped then, and says why."""
    states = states_of(run, [need.task_id for need in needs], run.ti.map_index)
    ends = [ending(run, need, states.get(need.task_id)) for need in needs]
    active = [end for need, end in zip(needs, ends, strict=True) if not need.passive]
    if "blocked" in ends:
        end(run, "blocked")
    if active and all(one == "unreached" for one in active):
        end(run, "unreached")
    if condition is not None and not condition(run):
        end(run, "passed over")


def ending(run, need, state):
    if state == "failed":
        return "alive" if need.tolerated else "blocked"
    if state == "skipped":
        why = run.ti.xcom_pull(task_ids=need.task_id, key="ended", map_indexes=run.ti.map_index)
        if why in ("blocked", "unreached"):
            return why
    elif state != "success":
        return "blocked"
    if need.side is None:
        return "alive"
    chosen = run.ti.xcom_pull(task_ids=need.task_id, map_indexes=run.ti.map_index)
    return "alive" if chosen is need.side else "unreached"


def end(run, why):
    run.ti.xcom_push(key="ended", value=why)
    raise AirflowSkipException(f"this step is {why}")
'''

STATES = '''
def states_of(run, task_ids, map_index=-1):
    """How tasks of this run ended."""
    if not task_ids:
        return {}
    found = run.ti.get_task_states(dag_id=run.ti.dag_id, task_ids=task_ids, run_ids=[run.id], map_index=map_index)
    states = found.get(run.id, {})
    return {name: states.get(name if map_index < 0 else f"{name}_{map_index}") for name in task_ids}
'''

STATES_2 = '''
def states_of(run, task_ids, map_index=-1):
    """How tasks of this run ended."""
    found = {name: run.dag_run.get_task_instance(name, map_index=map_index) for name in task_ids}
    return {name: task and task.state for name, task in found.items()}
'''

RUN_ENDED = '''
def report(run, task_ids):
    """Fails the run when one of its steps failed, also one that others were to go on after."""
    failed = [name for name, state in states_of(run, task_ids).items() if state == "failed"]
    if failed:
        raise RuntimeError(f"failed: {', '.join(failed)}")
'''

ITEMS = '''
def listed(items):
    """The items of a foreach: a list; null is an empty one."""
    if items is not None and not isinstance(items, list):
        raise TypeError(f"the items are no list but {type(items).__name__}")
    return items or []


def gather(run, items, steps):
    """Ends a foreach: what the last of its steps left, item by item. Fails when an item has failed."""
    began = states_of(run, [items])[items]
    if began == "skipped":
        end(run, run.ti.xcom_pull(task_ids=items, key="ended", map_indexes=-1) or "passed over")
    if began != "success":
        raise RuntimeError(f"{items} failed")
    count, failed = len(run.output(items)), []
    for index in range(count):
        states = states_of(run, steps, index)
        failed += [f"{name}[{index}]" for name, state in states.items() if state == "failed"]
    if failed:
        raise RuntimeError(f"failed: {', '.join(failed)}")
    return [run.ti.xcom_pull(task_ids=steps[-1], map_indexes=index) for index in range(count)]
'''

TEXT = '''
def text(*parts):
    """Text with values in it: null is nothing, what is no text is JSON."""
    return "".join(
        part if isinstance(part, str) else "" if part is None
        else json.dumps(part, ensure_ascii=False, separators=(",", ":"))
        for part in parts
    )
'''

PIECE = '''
def piece(value, in_path):
    """A value as a piece of a URL, which it cannot leave."""
    found = quote(text(value), safe="")
    if in_path and found in (".", ".."):
        raise ValueError(f'the value "{found}" would choose another path of the URL')
    return found
'''

COMPARE = '''
def compare(left, operator, right):
    """By type and value as in JSON; an order only between two numbers or two texts."""
    if operator in ("==", "!="):
        return same(left, right) is (operator == "==")
    if not (is_number(left) and is_number(right)) and not (isinstance(left, str) and isinstance(right, str)):
        return False
    return {"<": left < right, "<=": left <= right, ">": left > right, ">=": left >= right}[operator]


def is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def same(left, right):
    if is_number(left) and is_number(right):
        return left == right
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(left[name], right[name]) for name in left)
    return type(left) is type(right) and left == right
'''

KEPT = '''
def secret(run, name):
    """A secret: the Variable of Airflow of that name, from whichever backend keeps those."""
    found = run.variables.get(name)
    mask_secret(found)
    return found
'''
