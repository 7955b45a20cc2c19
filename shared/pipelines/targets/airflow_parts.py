"""What generated files of Airflow bring along to keep decision 7: pieces of Python text, each with what it needs.

A DAG folder is not the place of this product, so a file must stand alone; it gets the pieces that its steps use and no
others. The pieces are the same for every definition: nothing of a definition ever becomes part of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of text; `needs` are other pieces, `imports` lines of imports, by the version of Airflow."""

    text: str
    needs: tuple[str, ...] = ()
    imports: tuple[str, ...] = ()
    only_2: tuple[str, ...] = ()
    only_3: tuple[str, ...] = ()
    text_2: str = ""


_RUN = '''
class Run:
    """What a step knows of its run, and what the steps before it left."""

    def __init__(self, context: Any, step: Any = None) -> None:
        at = context.get("logical_date") or context["dag_run"].run_after
        self.ti, self.dag_run = context["ti"], context["dag_run"]
        self.item, self.state, self.variables = getattr(step, "item", None), None, context["var"]["value"]
        self.id, self.pipeline, self.params = context["run_id"], PIPELINE, context["params"]
        self.time = at.astimezone(timezone.utc).isoformat().replace("+00:00", "Z")
        self.date = at.astimezone(ZoneInfo(ZONE)).date().isoformat()

    def output(self, task_id: str, *path: Any) -> Any:
        """What a step left, or what is in it at a path; None where there is nothing."""
        return follow(self.ti.xcom_pull(task_ids=task_id, map_indexes=-1), path)

    def sibling(self, task_id: str, *path: Any) -> Any:
        """The same, of a step beside this one in a foreach."""
        return follow(self.ti.xcom_pull(task_ids=task_id, map_indexes=self.ti.map_index), path)

    def param(self, name: str, *path: Any) -> Any:
        return follow(self.params.get(name), path)
'''

_LEFT = '''
def left(run: Run, task_id: str, path: tuple[Any, ...], key: str, data: Any = None) -> Any:
    """What a task of a provider left: one value under `key`, which it pushed itself, or which is always the same."""
    if states_of(run, [task_id])[task_id] != "success":
        return None
    return follow({key: run.ti.xcom_pull(task_ids=task_id, key=key, map_indexes=-1) if data is None else data}, path)
'''

_ANY = """
ANY = ["null", "boolean", "number", "string", "array", "object"]
"""

_FOLLOW = """
def follow(data: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        if isinstance(data, dict) and isinstance(key, str):
            data = data.get(key)
        elif isinstance(data, list) and isinstance(key, int) and key < len(data):
            data = data[key]
        else:
            return None
    return data
"""

_STEP = '''
class Again(NamedTuple):
    """A step is not over: it is asked again after some seconds, with what it knows by then."""

    seconds: float
    state: Any


class Step(BaseOperator):
    """A task that does one step. While it waits it needs no worker; `timeout` bounds each attempt without the waits
    between attempts, which are `retry_delay`, times `backoff` each further time, at most `max_delay`, in seconds.
    """

    template_fields = ("item",)

    def __init__(
        self, *, work: Any, needs: tuple[Any, ...] = (), condition: Any = None, item: Any = None, timeout: Any = None,
        backoff: float = 1.0, max_delay: float = 0.0, defers: bool = True, **settings: Any,
    ) -> None:
        super().__init__(**settings)
        self.work, self.needs, self.condition, self.item = work, needs, condition, item
        self.timeout, self.backoff, self.max_delay, self.defers = timeout, backoff, max_delay, defers

    def execute(self, context: Any) -> Any:
        run = Run(context, self)
        decide(run, self.needs, self.condition)
        first, number = self.retry_delay.total_seconds(), run.ti.try_number - 2
        wait = min(first * self.backoff ** min(number, 1000), self.max_delay) - first if number > 0 else 0.0
        return self._rest(run, wait, None, None) if wait > 0 else self._work(run, time.time())

    def resume(self, context: Any, event: Any = None) -> Any:
        run = Run(context, self)
        kept = run.ti.xcom_pull(task_ids=self.task_id, key="kept", map_indexes=run.ti.map_index)
        run.state = kept["state"]
        return self._work(run, kept["began"] or time.time())

    def _work(self, run: Run, began: float) -> Any:
        with limited(self.timeout and began + self.timeout - time.time()):
            answer = self.work(run)
            while isinstance(answer, Again) and answer.seconds <= 0:
                run.state = answer.state
                answer = self.work(run)
        return self._rest(run, answer.seconds, answer.state, began) if isinstance(answer, Again) else answer

    def _rest(self, run: Run, seconds: float, state: Any, began: float | None) -> Any:
        if self.timeout and began:
            seconds = min(seconds, began + self.timeout - time.time())
        if self.defers:
            run.ti.xcom_push(key="kept", value={"state": state, "began": began})
            self.defer(trigger=TimeDeltaTrigger(timedelta(seconds=max(seconds, 0.0))), method_name="resume")
        time.sleep(max(seconds, 0.0))
        run.state = state
        return self._work(run, began or time.time())


def step(task_id: str, **settings: Any) -> Any:
    """Makes a function the work of a task."""
    return lambda work: Step(task_id=task_id, work=work, **settings)


@contextmanager
def limited(seconds: float | None) -> Iterator[None]:
    """Ends what is inside when the time is over."""
    if seconds is None:
        yield
        return
    if seconds <= 0:
        raise TimeoutError("the time of this attempt is over")

    def over(*_: Any) -> None:
        raise TimeoutError("the time of this attempt is over")

    before = signal.signal(signal.SIGALRM, over)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
'''

_DECIDE_NONE = '''
def decide(run: Run, needs: tuple[Any, ...], condition: Any) -> None:
    """All that this file's steps wait for has succeeded when they begin: the trigger rule sees to it."""
'''

_DECIDE = '''
class After(NamedTuple):
    """What a step waits for: a task, or one side of a branch. `passive`: it does not make the step run."""

    task_id: str
    side: bool | None = None
    passive: bool = False
    tolerated: bool = False


def decide(run: Run, needs: tuple[Any, ...], condition: Any) -> None:
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


def ending(run: Run, need: After, state: Any) -> str:
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


def end(run: Run, why: str) -> None:
    run.ti.xcom_push(key="ended", value=why)
    raise AirflowSkipException(f"this step is {why}")
'''

_STATES = '''
def states_of(run: Run, task_ids: list[str], map_index: int = -1) -> dict[str, Any]:
    """How tasks of this run ended."""
    if not task_ids:
        return {}
    found = run.ti.get_task_states(dag_id=run.ti.dag_id, task_ids=task_ids, run_ids=[run.id], map_index=map_index)
    states = found.get(run.id, {})
    return {name: states.get(name if map_index < 0 else f"{name}_{map_index}") for name in task_ids}
'''

_STATES_2 = '''
def states_of(run: Run, task_ids: list[str], map_index: int = -1) -> dict[str, Any]:
    """How tasks of this run ended."""
    found = {name: run.dag_run.get_task_instance(name, map_index=map_index) for name in task_ids}
    return {name: task and task.state for name, task in found.items()}
'''

_RUN_ENDED = '''
def report(run: Run, task_ids: list[str]) -> None:
    """Fails the run when one of its steps failed, also one that others were to go on after."""
    failed = [name for name, state in states_of(run, task_ids).items() if state == "failed"]
    if failed:
        raise RuntimeError(f"failed: {', '.join(failed)}")
'''

_ITEMS = '''
def listed(items: Any) -> list[Any]:
    """The items of a foreach: a list; null is an empty one."""
    if items is not None and not isinstance(items, list):
        raise TypeError(f"the items are no list but {type(items).__name__}")
    return items or []


def gather(run: Run, items: str, steps: list[str]) -> list[Any]:
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

_TEXT = '''
def text(*parts: Any) -> str:
    """Text with values in it: null is nothing, what is no text is JSON."""
    return "".join(
        part if isinstance(part, str) else "" if part is None
        else json.dumps(part, ensure_ascii=False, separators=(",", ":"))
        for part in parts
    )
'''

_COMPARE = '''
def compare(left: Any, operator: str, right: Any) -> bool:
    """By type and value as in JSON; an order only between two numbers or two texts."""
    if operator in ("==", "!="):
        return same(left, right) is (operator == "==")
    if not (is_number(left) and is_number(right)) and not (isinstance(left, str) and isinstance(right, str)):
        return False
    return {"<": left < right, "<=": left <= right, ">": left > right, ">=": left >= right}[operator]


def is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def same(left: Any, right: Any) -> bool:
    if is_number(left) and is_number(right):
        return left == right
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(left[name], right[name]) for name in left)
    return type(left) is type(right) and left == right
'''

_KEPT = '''
def secret(run: Run, name: str) -> str:
    """A secret: the Variable of Airflow of that name, from whichever backend keeps those."""
    found = run.variables.get(name)
    mask_secret(found)
    return found
'''

_INVOKE = '''
def invoke(function: str, payload: Any) -> Any:
    """Invokes a Lambda function once and waits for its answer."""
    from airflow.providers.amazon.aws.hooks.lambda_function import LambdaHook
    from botocore.config import Config

    once = Config(read_timeout=905, retries={"total_max_attempts": 1})
    body = json.dumps(payload, ensure_ascii=False).encode()
    answer = LambdaHook(aws_conn_id="aws_default", config=once).conn.invoke(FunctionName=function, Payload=body)
    said = answer["Payload"].read().decode("utf-8", "replace")
    if answer.get("FunctionError"):
        raise RuntimeError(f"{function} failed: {said[:2000]}")
    return json.loads(said) if said.strip() else None
'''

_INGEST = '''
def ingest(run: Run, app: str, order: dict[str, Any], *, load: bool) -> Any:
    """Lands what is new, call by call until it is done: the answer of one is the event of the next; then loads it."""
    known = run.state or {"event": order}
    if "answer" in known:
        return load_landed(run, app, order["source"], list(known["answer"]["streams"]))
    answer = invoke(f"{app}-{order['source']}-ingest", known["event"])
    if not answer["done"]:
        return Again(answer.get("retry_after") or 0, {"event": answer})
    answer["rows"] = sum(one["rows"] for one in answer["streams"].values())
    return Again(0, {"answer": answer}) if load else answer
'''

_LOAD = '''
def load_landed(run: Run, app: str, source: str, streams: list[str]) -> Any:
    """Loads what has landed, call by call until it is done."""
    known = run.state or {}
    loads, left = known.get("loads", {}), known.get("left", streams or [None])
    answer = invoke(f"{app}-load", {"source": source} | ({"stream": left[0]} if left[0] else {}))
    for name, one in answer["loads"].items():
        name = name.removeprefix(f"{source}.")
        loads[name] = {"rows": loads.get(name, {}).get("rows", 0) + one.get("rows", 0)}
    left = left[1:] if answer["done"] else left
    rows = sum(one["rows"] for one in loads.values())
    if left:
        return Again(0, {**known, "loads": loads, "left": left})
    if "answer" in known:
        return {**known["answer"], "loaded": rows}
    return {"source": source, "rows": rows, "streams": loads}
'''

_DOCUMENT = '''
def document(run: Run, step: dict[str, Any], params: dict[str, Any], outputs: dict[str, Any]) -> dict[str, Any]:
    """A step with all that it refers to, for the product to do: `sluice pipeline step` says what is in it."""
    facts = {"id": run.id, "date": run.date, "time": run.time}
    found = {"step": step, "pipeline": run.pipeline, "run": facts, "params": params, "outputs": outputs}
    return found if run.item is None else {**found, "item": run.item}
'''

_DEFINED = '''
def do(run: Run, app: str, step: dict[str, Any], params: dict[str, Any], outputs: dict[str, Any]) -> Any:
    """Does a step by the product's own function."""
    return invoke(f"{app}-step", document(run, step, params, outputs))
'''

_DEFINED_HERE = '''
def do_here(run: Run, step: dict[str, Any], params: dict[str, Any], outputs: dict[str, Any]) -> Any:
    """Does a step by the command line on this worker: SLUICE_COMMAND (`sluice`) in the folder SLUICE_HOME."""
    command = [*shlex.split(os.environ.get("SLUICE_COMMAND", "sluice")), "pipeline", "step", "-"]
    given = json.dumps(document(run, step, params, outputs))
    done = subprocess.run(
        command, cwd=os.environ.get("SLUICE_HOME"), input=given, stdout=subprocess.PIPE, text=True, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(f"the step ended with exit code {done.returncode}; why is in the log")
    return json.loads(done.stdout.splitlines()[-1])["output"]
'''

_CALL = '''
def call(
    method: str, url: Any, headers: dict[str, Any], query: dict[str, Any], body: Any, expect: list[int], seconds: float
) -> Any:
    """One HTTP request. Redirects are not followed: they would carry credentials elsewhere."""
    import requests

    headers = {name: text(value) for name, value in headers.items()}
    if body is not None and not isinstance(body, str):
        body = json.dumps(body, ensure_ascii=False)
        if not any(name.lower() == "content-type" for name in headers):
            headers["Content-Type"] = "application/json"
    answer = requests.request(
        method, text(url), headers=headers, params={name: text(value) for name, value in query.items()},
        data=None if body is None else body.encode(), timeout=seconds, allow_redirects=False,
    )
    status = answer.status_code
    if not (status in expect if expect else 200 <= status < 300):
        raise RuntimeError(f"the answer was {status}: {answer.text[:300]}")
    is_json = "json" in answer.headers.get("Content-Type", "")
    return {"status": status, "body": answer.json() if is_json else answer.text}
'''

_JOB = '''
SUCCEEDED = {"DONE", "SUCCESS", "SUCCEEDED", "JOB_STATE_DONE", "success"}
RUNNING = {"PENDING", "RUNNING", "QUEUED", "JOB_STATE_QUEUED", "JOB_STATE_RUNNING", "JOB_STATE_PENDING", "running"}


def polled(run: Run, start: Any, state_of: Any, every: float, longest: float) -> Any:
    """Starts a job and asks for its state until it ends. A state that is not known is a failure, and so is the time
    being over.
    """
    if run.state is None:
        return Again(min(every, longest), {"id": start(), "waited": min(every, longest)})
    job, waited = run.state["id"], run.state["waited"]
    state = state_of(job)
    if state in SUCCEEDED:
        return {"id": job, "state": state}
    if state not in RUNNING:
        raise RuntimeError(f"job {job} ended in state {state[:200]}")
    if waited >= longest:
        raise TimeoutError(f"job {job} was still {state} after {longest:g} s")
    rest = min(every, longest - waited)
    return Again(rest, {"id": job, "waited": waited + rest})
'''

_FUNCTION = '''
def ask(run: Run, call_type: str, function: str, job: dict[str, Any], job_id: Any = None) -> Any:
    """Calls an executor function, by way of the platform's own where there is one."""
    import requests

    body = {
        "call_type": call_type,
        "workflow_name": run.pipeline,
        "execution_id": run.id,
        "job_name": job["name"],
        "function_url_to_call": function,
        "query_variables": {name: run.param(name) or run.date for name in ("start_date", "end_date")},
        "workflow_properties": run.param("workflow_properties") or {},
        "step_properties": json.dumps(job["properties"], ensure_ascii=False),
    }
    if "input" in job:
        body["input"] = job["input"]
    if job_id is not None:
        body["async_job_id"] = job_id
    url = job["by_way_of"] or function
    answer = requests.post(url, json=body, headers=signed(url), timeout=job["seconds"], allow_redirects=False)
    if not 200 <= answer.status_code < 300:
        raise RuntimeError(f"{url} answered {answer.status_code}: {answer.text[:300]}")
    return answer.json() if "json" in answer.headers.get("Content-Type", "") else answer.text


def signed(url: str) -> dict[str, str]:
    """Who calls, for functions of Google; nothing for others."""
    if not url.partition("/")[2].partition("/")[2].partition("/")[0].endswith((".cloudfunctions.net", ".run.app")):
        return {}
    from google.auth.transport.requests import Request
    from google.oauth2.id_token import fetch_id_token

    return {"Authorization": f"Bearer {fetch_id_token(Request(), url)}"}


def field(answer: Any, *names: str) -> str:
    """An id or a state: the answer itself, or a field of it."""
    if isinstance(answer, dict):
        answer = next((answer[name] for name in names if answer.get(name) is not None), None)
    if not isinstance(answer, (str, int)) or isinstance(answer, bool) or answer == "":
        raise RuntimeError(f"an executor function answered neither {' nor '.join(names)}")
    return str(answer).strip().strip('"')


def function_job(run: Run, start: str, status: str, every: float, longest: float, job: dict[str, Any]) -> Any:
    """A job that an executor function starts and tells the state of."""
    return polled(
        run,
        lambda: field(ask(run, "get_id", start, job), "async_job_id", "id", "job_id"),
        lambda found: field(ask(run, "get_status", status, job, found), "state", "status"),
        every,
        longest,
    )
'''

_GLUE = '''
def glue_job(run: Run, name: str, arguments: dict[str, Any], every: float, longest: float) -> Any:
    """A job of AWS Glue."""
    from airflow.providers.amazon.aws.hooks.base_aws import AwsBaseHook

    glue = AwsBaseHook(aws_conn_id="aws_default", client_type="glue").conn
    given = {name: text(value) for name, value in arguments.items()}
    states = {"STARTING": "RUNNING", "STOPPING": "RUNNING", "WAITING": "PENDING"}

    def state_of(job: str) -> str:
        state = glue.get_job_run(JobName=name, RunId=job)["JobRun"]["JobRunState"]
        return states.get(state, state)

    return polled(run, lambda: glue.start_job_run(JobName=name, Arguments=given)["JobRunId"], state_of, every, longest)
'''

_ECS = '''
def small(data: Any) -> Any:
    """Names as boto3 has them: with a small letter first."""
    if isinstance(data, dict):
        return {f"{name[:1].lower()}{name[1:]}": small(value) for name, value in data.items()}
    return [small(item) for item in data] if isinstance(data, list) else data


def ecs_job(run: Run, definition: str, settings: dict[str, Any], every: float, longest: float) -> Any:
    """A task of ECS; it has failed when one of its containers has."""
    from airflow.providers.amazon.aws.hooks.base_aws import AwsBaseHook

    ecs = AwsBaseHook(aws_conn_id="aws_default", client_type="ecs").conn
    given = small(settings)
    cluster = given["cluster"]

    def start() -> str:
        answer = ecs.run_task(taskDefinition=definition, **given)
        if not answer["tasks"]:
            raise RuntimeError(f"the task was not started: {answer['failures']}")
        return answer["tasks"][0]["taskArn"]

    def state_of(job: str) -> str:
        task = ecs.describe_tasks(cluster=cluster, tasks=[job])["tasks"][0]
        if task["lastStatus"] != "STOPPED":
            return "RUNNING"
        failed = [one for one in task["containers"] if one.get("exitCode") != 0]
        return f"FAILED: {task.get('stoppedReason', '')}" if failed else "SUCCEEDED"

    return polled(run, start, state_of, every, longest)
'''

_CONTAINER = '''
def container(image: str, command: list[Any], environment: dict[str, Any], options: list[str]) -> Any:
    """Runs a container to its end with podman or docker, where this worker is."""
    engine = shutil.which("podman") or shutil.which("docker")
    if engine is None:
        raise RuntimeError("containers need podman or docker on the worker")
    given = {name: text(value) for name, value in environment.items()}
    names = [word for name in given for word in ("--env", name)]
    words = [engine, "run", "--rm", *names, *options, image, *(text(word) for word in command)]
    subprocess.run(words, env={**os.environ, **given}, stdin=subprocess.DEVNULL, check=True)
    return {"exit_code": 0}
'''

_WAIT = '''
def wait(run: Run, seconds: float) -> Any:
    """Lets time pass."""
    return None if run.state else Again(seconds, {"waited": seconds})


def wait_until(run: Run, instant: Any) -> Any:
    """Waits for an instant; one that is over does not wait."""
    at = datetime.fromisoformat(text(instant).replace("Z", "+00:00").replace("z", "+00:00"))
    at = at if at.tzinfo else at.replace(tzinfo=timezone.utc)
    left = (at - datetime.now(timezone.utc)).total_seconds()
    return Again(left, {"until": at.isoformat()}) if left > 0 else None
'''

_BEFORE = '''
def before(needs: tuple[Any, ...], condition: Any, values: Any) -> Any:
    """What a task of a provider does before it begins: decides whether it runs, and finds its values."""

    def prepare(context: Any) -> None:
        run = Run(context, context["task"])
        decide(run, needs, condition)
        for name, value in values(run).items():
            setattr(context["task"], name, value)

    return prepare
'''

_POD = """
def environment(values: dict[str, Any]) -> list[Any]:
    return [k8s.V1EnvVar(name=name, value=text(value)) for name, value in values.items()]
"""

_TELL = '''
def tell(method: str, recipients: list[str], channel: str, message: str) -> Any:
    """Tells people. That never fails anything: what cannot be delivered is in the log."""

    def send(context: Any) -> None:
        if "reason" not in context and context["ti"].state == "skipped":  # a run has a reason, a step has none
            return
        try:
            deliver(method, recipients, channel, f"{message} ({context.get('run_id')})")
        except Exception:
            logging.getLogger(__name__).exception("nobody was told: %s", message)

    return send


def deliver(method: str, recipients: list[str], channel: str, message: str) -> None:
    """Slack and mail by the connections slack_api_default and smtp_default."""
    if method == "webhook":
        import requests

        for url in recipients:
            requests.post(url, json={"text": message}, timeout=10, allow_redirects=False).raise_for_status()
    elif method == "slack":
        from airflow.providers.slack.hooks.slack import SlackHook

        mentions = " ".join(recipients)
        body = f"{mentions} {message}" if mentions and channel else message
        told = {"channel": channel or recipients[0], "text": body}
        SlackHook(slack_conn_id="slack_api_default").call("chat.postMessage", json=told)
    else:
        from airflow.providers.smtp.hooks.smtp import SmtpHook

        with SmtpHook(smtp_conn_id="smtp_default") as hook:
            hook.send_email_smtp(to=recipients, subject=message, html_content=message)
'''

_SKIP_2 = ("from airflow.exceptions import AirflowSkipException",)
_SKIP_3 = ("from airflow.sdk.exceptions import AirflowSkipException",)

PARTS: dict[str, Part] = {
    "any": Part(_ANY),
    "follow": Part(_FOLLOW),
    "run": Part(_RUN, ("follow",), ("from zoneinfo import ZoneInfo",)),
    "states_of": Part(_STATES, ("run",), text_2=_STATES_2),
    "left": Part(_LEFT, ("states_of", "follow")),
    "decide": Part(_DECIDE, ("run", "states_of"), ("from typing import NamedTuple",), _SKIP_2, _SKIP_3),
    "undecided": Part(_DECIDE_NONE, ("run",)),
    "step": Part(
        _STEP,
        ("run",),
        (
            "import signal",
            "import time",
            "from collections.abc import Iterator",
            "from contextlib import contextmanager",
            "from typing import NamedTuple",
            "from airflow.providers.standard.triggers.temporal import TimeDeltaTrigger",
        ),
        ("from airflow.models.baseoperator import BaseOperator",),
        ("from airflow.sdk import BaseOperator",),
    ),
    "text": Part(_TEXT, (), ("import json",)),
    "compare": Part(_COMPARE),
    "secret": Part(
        _KEPT,
        ("run",),
        (),
        ("from airflow.utils.log.secrets_masker import mask_secret",),
        ("from airflow.sdk.log import mask_secret",),
    ),
    "report": Part(_RUN_ENDED, ("states_of",)),
    "gather": Part(_ITEMS, ("states_of", "decide", "task_group")),
    "invoke": Part(_INVOKE, (), ("import json",)),
    "load_landed": Part(_LOAD, ("invoke", "step")),
    "ingest": Part(_INGEST, ("invoke", "step", "load_landed")),
    "document": Part(_DOCUMENT, ("run",)),
    "do": Part(_DEFINED, ("invoke", "document")),
    "do_here": Part(
        _DEFINED_HERE, ("document",), ("import json", "import os", "import shlex", "import subprocess")
    ),
    "call": Part(_CALL, ("text",), ("import json",)),
    "polled": Part(_JOB, ("step",)),
    "ask": Part(_FUNCTION, ("polled",), ("import json",)),
    "glue_job": Part(_GLUE, ("polled", "text")),
    "ecs_job": Part(_ECS, ("polled",)),
    "container": Part(_CONTAINER, ("text",), ("import os", "import shutil", "import subprocess")),
    "wait": Part(_WAIT, ("step", "text")),
    "before": Part(_BEFORE, ("run",)),
    "trigger": Part(
        "",
        ("before",),
        ("from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator",),
    ),
    "pod": Part(
        _POD,
        ("before", "text"),
        (
            "from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator",
            "from kubernetes.client import models as k8s",
        ),
    ),
    "task_group": Part(
        "", (), (), ("from airflow.decorators import task_group",), ("from airflow.sdk import task_group",)
    ),
    "tell": Part(_TELL, (), ("import logging",)),
}
"""In the order in which they stand in a file."""


def with_needs(names: Iterable[str]) -> list[str]:
    """These pieces and all that they need, in the order of the file."""
    found: set[str] = set()

    def add(name: str) -> None:
        if name not in found:
            found.add(name)
            for other in PARTS[name].needs:
                add(other)

    for name in names:
        add(name)
    return [name for name in PARTS if name in found]


def imports_of(names: Iterable[str], version: int) -> Iterator[str]:
    """Lines of imports of these pieces."""
    for name in names:
        part = PARTS[name]
        yield from part.imports
        yield from part.only_2 if version == 2 else part.only_3


def text_of(name: str, version: int) -> str:
    """The text of a piece."""
    part = PARTS[name]
    return (part.text_2 if version == 2 and part.text_2 else part.text).strip("\n")
