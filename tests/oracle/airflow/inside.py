"""Runs inside an environment with Airflow: loads folders of DAGs, tells their graphs, runs some. JSON in, JSON out.

One process does all that is asked, since starting Airflow costs more than what is asked of it. It imports nothing of
the product: generated files must stand alone.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sys
import time
import urllib.request
import warnings
from datetime import UTC, datetime
from pathlib import Path
from typing import Any


def main() -> None:
    order = json.load(sys.stdin)
    answer = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what Airflow and commands print is no part of the answer
    sys.stdout = sys.stderr
    logging.disable(logging.INFO)
    found: dict[str, Any] = {"folders": {}, "runs": {}}
    bags = {folder: _load(folder, found["folders"]) for folder in order["folders"]}
    for folder in {run["folder"] for run in order.get("runs", [])}:
        _known(bags[folder])
    for run in order.get("runs", []):
        began = time.monotonic()
        dag = bags[run["folder"]].dags[run["dag"]]
        if run.get("before"):  # who answers is told of which run
            urllib.request.urlopen(run["before"]).close()
        at = datetime.fromisoformat(run["time"]) if run.get("time") else datetime.now(UTC)
        made = _run(dag, run.get("conf") or {}, at)
        found["runs"][run["name"]] = made | {"seconds": time.monotonic() - began}
    found["started"] = _started([run["dag"] for run in order.get("runs", [])]) if order.get("runs") else []
    json.dump(found, answer)
    answer.flush()


def _bag(folder: str) -> Any:
    try:
        from airflow.dag_processing.dagbag import DagBag
    except ImportError:
        from airflow.models import DagBag

        return DagBag(dag_folder=folder, include_examples=False)
    return DagBag(dag_folder=folder)


def _known(bag: Any) -> None:
    """Airflow 3 runs only what its database knows."""
    try:
        from airflow.dag_processing.bundles.manager import DagBundlesManager
        from airflow.dag_processing.dagbag import sync_bag_to_db
    except ImportError:
        return
    DagBundlesManager().sync_bundles_to_db()
    sync_bag_to_db(bag, "dags-folder", None)


def _serialized(dag: Any) -> Any:
    """The DAG as the scheduler has it."""
    try:
        from airflow.serialization.serialized_objects import DagSerialization
    except ImportError:
        from airflow.serialization.serialized_objects import SerializedDAG as DagSerialization
    return DagSerialization.from_dict(DagSerialization.to_dict(dag))


def _load(folder: str, folders: dict[str, Any]) -> Any:
    """The DAGs of a folder; errors and warnings of its files, and the graphs, go into `folders`."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        began = time.monotonic()
        bag = _bag(folder)
        seconds = time.monotonic() - began
    own = [f"{w.filename}:{w.lineno} {w.message}" for w in caught if Path(w.filename).is_relative_to(folder)]
    folders[folder] = {
        "errors": {name: str(error) for name, error in bag.import_errors.items()},
        "warnings": own,
        "seconds": seconds,
        "dags": {name: _graph(dag) for name, dag in bag.dags.items()},
    }
    return bag


def _graph(dag: Any) -> dict[str, Any]:
    return {
        "next": _next(_serialized(dag)),
        "schedule": str(getattr(dag.timetable, "summary", "") or dag.timetable),
        "catchup": dag.catchup,
        "max_active_runs": dag.max_active_runs,
        "max_active_tasks": dag.max_active_tasks,
        "tags": sorted(dag.tags),
        "tasks": {
            task.task_id: {
                "after": sorted(task.upstream_task_ids),
                "rule": str(getattr(task.trigger_rule, "value", task.trigger_rule)),
                "retries": task.retries,
                "pool": task.pool,
            }
            for task in dag.tasks
        },
    }


def _next(dag: Any) -> list[str]:
    """The next three times at which it would run, as Airflow itself reckons them."""
    from airflow.timetables.base import TimeRestriction

    timetable = dag.timetable
    if not timetable.can_be_scheduled or not hasattr(timetable, "next_dagrun_info") or dag.start_date is None:
        return []
    bounds = TimeRestriction(earliest=dag.start_date, latest=dag.end_date, catchup=dag.catchup)
    found, last = list[str](), None
    for _ in range(3):
        info = timetable.next_dagrun_info(last_automated_data_interval=last, restriction=bounds)
        if info is None:
            break
        found.append(info.run_after.isoformat())
        last = info.data_interval
    return found


def _started(ours: list[str]) -> list[Any]:
    """Runs that others have started: of which pipeline, and with which parameters."""
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session

    with create_session() as session:
        rows = session.query(DagRun).filter(DagRun.dag_id.not_in(ours)).all()
        return [[row.dag_id, row.conf] for row in rows]


def _run(dag: Any, conf: dict[str, Any], at: datetime) -> dict[str, Any]:
    """One run to its end: its state, how each task ended and why it was skipped, and what it left."""
    with contextlib.redirect_stdout(sys.stderr):
        run = (
            dag.test(logical_date=at, run_conf=conf)
            if _is_3()
            else dag.test(execution_date=at, run_conf=conf)
        )
    tasks: dict[str, Any] = {}
    for ti in run.get_task_instances():
        name = ti.task_id if ti.map_index < 0 else f"{ti.task_id}[{ti.map_index}]"
        tasks[name] = {
            "state": str(ti.state and getattr(ti.state, "value", ti.state)),
            "tries": ti.try_number,
        }
    for name, key, index, value in _xcoms(run):
        tasks[name if index < 0 else f"{name}[{index}]"][key] = value
    return {"state": str(getattr(run.state, "value", run.state)), "tasks": tasks, "id": run.run_id}


def _is_3() -> bool:
    import airflow

    return airflow.__version__.startswith("3")


def _xcoms(run: Any) -> list[tuple[str, str, int, Any]]:
    from airflow.utils.session import create_session

    try:
        from airflow.models.xcom import XComModel as Table
    except ImportError:
        from airflow.models.xcom import BaseXCom as Table
    with create_session() as session:
        rows = session.query(Table).filter(Table.dag_id == run.dag_id, Table.run_id == run.run_id).all()
        found = [(row.task_id, row.key, row.map_index, row.value) for row in rows]
    return [
        (name, key, index, _plain(value))
        for name, key, index, value in found
        if key in ("ended", "return_value")
    ]


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        value = value.decode()
    if isinstance(value, str):
        with contextlib.suppress(ValueError):
            return json.loads(value)
    return value


if __name__ == "__main__":
    main()
