"""Runs in an environment of its own: executes workflows with `workflows-emulator`, one JSON document a line.

What the emulator lacks or has otherwise than Google, each by one patch: OIDC; types of maps; null, true and false in
expressions; null as the value of an expression; branches that share a context; helpers of connectors that are no
methods of an API. Waiting takes no time, though the clock goes on, and all hosts are the fake one of the test.
"""

from __future__ import annotations

import copy
import json
import logging
import re
import sys
import threading
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import emulator_branches  # noqa: F401 - it patches the emulator
import jsonschema
import requests
import workflows_emulator.lib.http_utils as http
import workflows_emulator.lib.sys_utils as system
import workflows_emulator.lib.time_utils as times
import workflows_emulator.main as emulator
from workflows_emulator import render

BASE = ""
WAITED: list[float] = []
send = http.request


def request(method: str, url: str, auth: Any = None, timeout: float = 300, **more: Any) -> Any:
    parts = urlsplit(url)
    where = f"{BASE}{parts.path}{'?' + parts.query if parts.query else ''}"
    headers = {
        **(more.pop("headers", None) or {}),
        "X-Host": parts.netloc,
        "X-Auth": (auth or {}).get("type", ""),
    }
    try:
        return send(method, where, headers=headers, timeout=min(timeout, 2), **more)
    except requests.exceptions.HTTPError:
        raise
    except requests.exceptions.Timeout as error:
        raise TimeoutError(str(error)) from None
    except requests.exceptions.RequestException as error:
        raise ConnectionError(str(error)) from None


def render_str(value: Any, context: Any) -> Any:
    """A text that is one expression has its value, whatever that is."""
    if isinstance(value, str) and value.startswith("${") and value.endswith("}") and value.count("${") == 1:
        found = render.run_code(value[2:-1], context)
        return found.to_dict() if hasattr(found, "to_dict") else found
    return original(value, context)


def connector(rendered: Any) -> Any:
    """Another workflow to its end, and a secret: a host is asked for them."""
    name, args = rendered["call"], rendered["args"]
    if name.endswith(".executions.run"):
        return request("POST", f"{BASE}/run/{args['workflow_id']}", body=args.get("argument"))["body"]
    if name.endswith(".versions.accessString"):
        return request("GET", f"{BASE}/secret/{args['secret_id']}")["body"]
    return connect(rendered)


class Copier:
    """Branches side by side share one context, and it is copied while another one writes."""

    @staticmethod
    def deepcopy(value: Any) -> Any:
        for _ in range(1000):
            try:
                return copy.deepcopy(value)
            except RuntimeError:
                continue
        raise AssertionError("the context does not hold still")


render.copy = emulator.copy = Copier
original = render.render_str
render.render_str = render_str
kind_of = render.STANDARD_LIBRARY["get_type"]
render.STANDARD_LIBRARY.update(
    null=None,
    true=True,
    false=False,
    get_type=lambda value: "map" if isinstance(value, dict) else kind_of(value),
)
http.request = request


def sleep_until(time: str) -> None:
    """Google takes any instant of ISO 8601, and does not wait for one that is over; another text is an error."""
    try:
        left = datetime.fromisoformat(str(time).replace("Z", "+00:00")).timestamp() - system.now()
    except ValueError as error:
        raise emulator.WorkflowError({"message": str(error), "tags": ["ValueError"]}) from None
    if left > 0:
        WAITED.append(left)


def parse_time(value: str) -> float:
    """Google takes any instant of ISO 8601."""
    return datetime.fromisoformat(value.replace("Z", "+00:00")).timestamp()


times.parse = parse_time
connect = emulator.StepCall.execute_connector
emulator.StepCall.execute_connector = staticmethod(connector)
clock = system.now
system.now = lambda: clock() + sum(WAITED)
system.sleep_until = sleep_until
emulator.sleep = WAITED.append
system.time.sleep = WAITED.append
logging.disable(logging.CRITICAL)


def main() -> None:
    global BASE  # noqa: PLW0603 - one process serves one test after the other
    for line in sys.stdin:
        order = json.loads(line)
        BASE = order["base"]
        WAITED.clear()
        emulator.LOCK = threading.Lock()  # an error leaves the one of the run before locked
        answer: dict[str, Any] = {}
        try:
            jsonschema.validate(order["workflow"], emulator.WORKFLOW_SCHEMA)
            answer["result"] = emulator.execute_workflow(order["workflow"], {"args": order["args"]})
        except Exception as error:  # noqa: BLE001 - the test looks at it
            payload = getattr(error, "payload", None)
            answer["error"] = (
                payload.to_dict()
                if payload is not None and hasattr(payload, "to_dict")
                else re.sub(r"\s+", " ", repr(error))
            )
        sys.stdout.write(json.dumps(answer | {"waited": WAITED}, default=str) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
