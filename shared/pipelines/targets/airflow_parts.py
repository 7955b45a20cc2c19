"""What generated files of Airflow bring along to keep decision 7: pieces of Python text, each with what it needs.

A DAG folder is not the place of this product, so a file must stand alone; it gets the pieces that its steps use and no
others. The pieces are the same for every definition: nothing of a definition ever becomes part of them. They have no
types: Airflow compiles every file that is new or has changed, and annotations were a tenth of the time it took.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from shared.pipelines.targets import airflow_text_run as run
from shared.pipelines.targets import airflow_text_work as work


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of text; `needs` are other pieces, `imports` lines of imports, by the version of Airflow."""

    text: str
    needs: tuple[str, ...] = ()
    imports: tuple[str, ...] = ()
    only_2: tuple[str, ...] = ()
    only_3: tuple[str, ...] = ()
    text_2: str = ""


_SKIP_2 = ("from airflow.exceptions import AirflowSkipException",)
_SKIP_3 = ("from airflow.sdk.exceptions import AirflowSkipException",)

PARTS: dict[str, Part] = {
    "any": Part(run.ANY),
    "follow": Part(run.FOLLOW),
    "run": Part(run.RUN, ("follow",), ("from zoneinfo import ZoneInfo",)),
    "states_of": Part(run.STATES, ("run",), text_2=run.STATES_2),
    "left": Part(run.LEFT, ("states_of", "follow")),
    "decide": Part(run.DECIDE, ("run", "states_of"), ("from typing import NamedTuple",), _SKIP_2, _SKIP_3),
    "undecided": Part(run.DECIDE_NONE, ("run",)),
    "step": Part(
        run.STEP,
        ("run",),
        (
            "import signal",
            "import time",
            "from contextlib import contextmanager",
            "from typing import NamedTuple",
            "from airflow.providers.standard.triggers.temporal import TimeDeltaTrigger",
        ),
        ("from airflow.models.baseoperator import BaseOperator",),
        ("from airflow.sdk import BaseOperator",),
    ),
    "text": Part(run.TEXT, (), ("import json",)),
    "piece": Part(run.PIECE, ("text",), ("from urllib.parse import quote",)),
    "compare": Part(run.COMPARE),
    "secret": Part(
        run.KEPT,
        ("run",),
        (),
        ("from airflow.utils.log.secrets_masker import mask_secret",),
        ("from airflow.sdk.log import mask_secret",),
    ),
    "report": Part(run.RUN_ENDED, ("states_of",)),
    "gather": Part(run.ITEMS, ("states_of", "decide", "task_group")),
    "invoke": Part(work.INVOKE, (), ("import json",)),
    "load_landed": Part(work.LOAD, ("invoke", "step")),
    "ingest": Part(work.INGEST, ("invoke", "step", "load_landed")),
    "document": Part(work.DOCUMENT, ("run",)),
    "do": Part(work.DEFINED, ("invoke", "document")),
    "do_here": Part(
        work.DEFINED_HERE, ("document",), ("import json", "import os", "import shlex", "import subprocess")
    ),
    "call": Part(work.CALL, ("text",), ("import json",)),
    "polled": Part(work.JOB, ("step",)),
    "ask": Part(work.FUNCTION, ("polled",), ("import json",)),
    "glue_job": Part(work.GLUE, ("polled", "text")),
    "ecs_job": Part(work.ECS, ("polled",)),
    "container": Part(work.CONTAINER, ("text",), ("import os", "import shutil", "import subprocess")),
    "wait": Part(work.WAIT, ("step", "text")),
    "before": Part(work.BEFORE, ("run",)),
    "trigger": Part(
        "",
        ("before",),
        ("from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator",),
    ),
    "pod": Part(
        work.POD,
        ("before", "text"),
        (
            "from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator",
            "from kubernetes.client import models as k8s",
        ),
    ),
    "task_group": Part(
        "", (), (), ("from airflow.decorators import task_group",), ("from airflow.sdk import task_group",)
    ),
    "tell": Part(work.TELL, (), ("import logging",)),
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
