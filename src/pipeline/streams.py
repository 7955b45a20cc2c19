"""The streams that the inputs of an ingestion land in, by name."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

from shared.common.errors import Misconfigured
from shared.pipelines.runner.executor import Task
from shared.pipelines.work import Ingest, Ref
from src.pipeline.objects import names_in

if TYPE_CHECKING:
    from src.workplace import Workplace


def slug(name: str) -> str:
    """A name as sources and streams have them."""
    text = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
    return (text if text[:1].isalpha() else f"s_{text}")[:63]


def own_stream(ref: Ref, task: Task) -> str:
    """The stream of an input that only goes into folders: other steps and pipelines with inputs of this name have
    others. Its name ends with a digest of the names, so that no two are alike (`a_b` and `c`, `a` and `b_c`).
    """
    names = (task.facts.pipeline, task.step.name, ref.table or ref.name)
    digest = hashlib.sha256("\0".join(names).encode()).hexdigest()[:8]
    return f"{slug(f'{names[0]}_{names[2]}')[:54]}_{digest}"


def check_earlier(place: Workplace, work: Ingest, task: Task) -> None:
    """Raises `Misconfigured` where a folder has files of the stream that earlier versions made of the input's name
    alone: its rows would be there twice, and those of other pipelines with it.
    """
    from shared.landing.streams import landed_streams

    old = {slug(ref.table or ref.name) for ref in work.inputs}
    old &= set(landed_streams(place.store, "files"))
    file = re.compile(rf"({'|'.join(sorted(old))})-[0-9]{{10}}-[0-9]{{3}}\..+")
    for goal in work.outputs if old else ():
        if found := sorted(name for name in names_in(goal, task.step) if file.fullmatch(name)):
            raise Misconfigured(
                f'output "{goal.name}": {goal.path} has files of an earlier version, such as {found[0]}',
                hint="they may hold rows of other pipelines whose inputs have the same name; move them away: what the "
                "inputs have now is written anew",
                step=task.step.name,
                at=task.step.place,
            )
