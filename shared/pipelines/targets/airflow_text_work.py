"""Pieces of generated files of Airflow that do the work of steps, as text: see airflow_parts.py."""

from __future__ import annotations

INVOKE = '''
def invoke(function, payload):
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

INGEST = '''
def ingest(run, app, order, *, load):
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

LOAD = '''
def load_landed(run, app, source, streams):
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

DOCUMENT = '''
def document(run, step, params, outputs):
    """A step with all that it refers to, for the product to do: `sluice pipeline step` says what is in it."""
    facts = {"id": run.id, "date": run.date, "time": run.time}
    found = {"step": step, "pipeline": run.pipeline, "run": facts, "params": params, "outputs": outputs}
    return found if run.item is None else {**found, "item": run.item}
'''

DEFINED = '''
def do(run, app, step, params, outputs):
    """Does a step by the product's own function."""
    return invoke(f"{app}-step", document(run, step, params, outputs))
'''

DEFINED_HERE = '''
def do_here(run, step, params, outputs):
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

CALL = '''
def call(method, url, headers, query, body, expect, seconds):
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

JOB = '''
SUCCEEDED = {"DONE", "SUCCESS", "SUCCEEDED", "JOB_STATE_DONE", "success"}
RUNNING = {"PENDING", "RUNNING", "QUEUED", "JOB_STATE_QUEUED", "JOB_STATE_RUNNING", "JOB_STATE_PENDING", "running"}


def polled(run, start, state_of, every, longest):
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

FUNCTION = '''
def ask(run, call_type, function, job, job_id=None):
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


def signed(url):
    """Who calls, for functions of Google; nothing for others."""
    if not url.partition("/")[2].partition("/")[2].partition("/")[0].endswith((".cloudfunctions.net", ".run.app")):
        return {}
    from google.auth.transport.requests import Request
    from google.oauth2.id_token import fetch_id_token

    return {"Authorization": f"Bearer {fetch_id_token(Request(), url)}"}


def field(answer, *names):
    """An id or a state: the answer itself, or a field of it."""
    if isinstance(answer, dict):
        answer = next((answer[name] for name in names if answer.get(name) is not None), None)
    if not isinstance(answer, (str, int)) or isinstance(answer, bool) or answer == "":
        raise RuntimeError(f"an executor function answered neither {' nor '.join(names)}")
    return str(answer).strip().strip('"')


def function_job(run, start, status, every, longest, job):
    """A job that an executor function starts and tells the state of."""
    return polled(
        run,
        lambda: field(ask(run, "get_id", start, job), "async_job_id", "id", "job_id"),
        lambda found: field(ask(run, "get_status", status, job, found), "state", "status"),
        every,
        longest,
    )
'''

GLUE = '''
def glue_job(run, name, arguments, every, longest):
    """A job of AWS Glue."""
    from airflow.providers.amazon.aws.hooks.base_aws import AwsBaseHook

    glue = AwsBaseHook(aws_conn_id="aws_default", client_type="glue").conn
    given = {name: text(value) for name, value in arguments.items()}
    states = {"STARTING": "RUNNING", "STOPPING": "RUNNING", "WAITING": "PENDING"}

    def state_of(job):
        state = glue.get_job_run(JobName=name, RunId=job)["JobRun"]["JobRunState"]
        return states.get(state, state)

    return polled(run, lambda: glue.start_job_run(JobName=name, Arguments=given)["JobRunId"], state_of, every, longest)
'''

ECS = '''
def small(data):
    """Names as boto3 has them: with a small letter first."""
    if isinstance(data, dict):
        return {f"{name[:1].lower()}{name[1:]}": small(value) for name, value in data.items()}
    return [small(item) for item in data] if isinstance(data, list) else data


def ecs_job(run, definition, settings, every, longest):
    """A task of ECS; it has failed when one of its containers has."""
    from airflow.providers.amazon.aws.hooks.base_aws import AwsBaseHook

    ecs = AwsBaseHook(aws_conn_id="aws_default", client_type="ecs").conn
    given = small(settings)
    cluster = given["cluster"]

    def start():
        answer = ecs.run_task(taskDefinition=definition, **given)
        if not answer["tasks"]:
            raise RuntimeError(f"the task was not started: {answer['failures']}")
        return answer["tasks"][0]["taskArn"]

    def state_of(job):
        task = ecs.describe_tasks(cluster=cluster, tasks=[job])["tasks"][0]
        if task["lastStatus"] != "STOPPED":
            return "RUNNING"
        failed = [one for one in task["containers"] if one.get("exitCode") != 0]
        return f"FAILED: {task.get('stoppedReason', '')}" if failed else "SUCCEEDED"

    return polled(run, start, state_of, every, longest)
'''

CONTAINER = '''
def container(image, command, environment, options):
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

WAIT = '''
def wait(run, seconds):
    """Lets time pass."""
    return None if run.state else Again(seconds, {"waited": seconds})


def wait_until(run, instant):
    """Waits for an instant; one that is over does not wait."""
    at = datetime.fromisoformat(text(instant).replace("Z", "+00:00").replace("z", "+00:00"))
    at = at if at.tzinfo else at.replace(tzinfo=timezone.utc)
    left = (at - datetime.now(timezone.utc)).total_seconds()
    return Again(left, {"until": at.isoformat()}) if left > 0 else None
'''

BEFORE = '''
def before(needs, condition, values):
    """What a task of a provider does before it begins: decides whether it runs, and finds its values."""

    def prepare(context):
        run = Run(context, context["task"])
        decide(run, needs, condition)
        for name, value in values(run).items():
            setattr(context["task"], name, value)

    return prepare
'''

POD = """
def environment(values):
    return [k8s.V1EnvVar(name=name, value=text(value)) for name, value in values.items()]
"""

TELL = '''
def tell(method, recipients, channel, message):
    """Tells people. That never fails anything: what cannot be delivered is in the log."""

    def send(context):
        if "reason" not in context and context["ti"].state == "skipped":  # a run has a reason, a step has none
            return
        try:
            deliver(method, recipients, channel, f"{message} ({context.get('run_id')})")
        except Exception:
            logging.getLogger(__name__).exception("nobody was told: %s", message)

    return send


def deliver(method, recipients, channel, message):
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
