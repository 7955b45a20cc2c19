"""A LEVEL file with faults, as far as it can be read: so that faults of other kinds are found in the same go.

What cannot be read is left out or replaced by something harmless, in the same place of the file.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from shared.common.places import Key
from shared.pipelines.level_specs import EXECUTORS, LevelsSpec, LevelStepSpec, StepType

_SURE = {
    "FUNCTION_ID_NAME": "(unknown)",
    "FUNCTION_STATUS_NAME": "(unknown)",
    "FUNCTION_NAME": "(unknown)",
    "COMPOSER_STEP": min(EXECUTORS),
}
"""What stands in for a key that cannot be read, where its absence would be a fault of its own."""
_OF_NO_TYPE = {
    StepType.BOOLEAN_CHOICE: {"READ_INPUT_FROM", "TRUE_JOB", "FALSE_JOB"},
    StepType.SYNC: {"READ_INPUT_FROM", "RESULT_VARIABLE_NAME", "NEXT", "LAST_STEP", "CLOSE_PIPELINE"},
}
"""What is kept of a step whose type nobody knows: where it leads and what it reads."""


def salvaged_levels(data: Any) -> tuple[LevelsSpec, frozenset[tuple[Key, ...]]] | None:
    """What can be read, and the paths of the steps of which something could not; None where there is too little."""
    written = data.get("definition") if isinstance(data, Mapping) else None
    if not isinstance(written, list) or not written:
        return None
    broken: set[tuple[Key, ...]] = set()
    levels = []
    for number, level in enumerate(written):
        path: tuple[Key, ...] = ("definition", number, "THREADS")
        threads = [_thread(one, (*path, place), broken) for place, one in enumerate(_list(level, "THREADS"))]
        levels.append({"LEVEL_ID": _id(level, "LEVEL_ID", number), "THREADS": threads})
    kept: dict[str, Any] = {"definition": levels}
    if data.get("engine") in ("cloud_workflows", "composer"):
        kept["engine"] = data["engine"]
    return LevelsSpec.model_validate(kept), frozenset(broken)


def _thread(thread: Any, path: tuple[Key, ...], broken: set[tuple[Key, ...]]) -> dict[str, Any]:
    steps = []
    for place, step in enumerate(_list(thread, "STEPS")):
        here = (*path, "STEPS", place)
        steps.append(_step(step, here, broken))
    return {"THREAD_ID": _id(thread, "THREAD_ID", path[-1]), "STEPS": steps}


def _step(step: Any, path: tuple[Key, ...], broken: set[tuple[Key, ...]]) -> dict[str, Any]:
    name = "step " + ".".join(str(key) for key in path if isinstance(key, int))
    raw = step if isinstance(step, Mapping) else {}
    bad = _bad_keys(LevelStepSpec, raw)
    if not bad and raw:
        return dict(raw)
    broken.add(path)
    made = {key: value for key, value in raw.items() if key not in bad}
    made |= {key: value for key, value in _SURE.items() if key in bad & raw.keys()}
    for key in ("JOB_ID", "JOB_NAME"):
        made.setdefault(key, name)
    if "TYPE" not in made:
        kind = StepType.BOOLEAN_CHOICE if {"TRUE_JOB", "FALSE_JOB"} & made.keys() else StepType.SYNC
        kept = {"JOB_ID", "JOB_NAME", *_OF_NO_TYPE[kind]}
        made = {key: value for key, value in made.items() if key in kept}
        made |= {"TYPE": kind.value} | ({"FUNCTION_NAME": name} if kind is StepType.SYNC else {})
    return made


def _bad_keys(model: type[BaseModel], raw: Mapping[str, Any]) -> Collection[Any]:
    """The keys that cannot be read, nobody knows, or are missing."""
    try:
        model.model_validate(raw)
    except ValidationError as error:
        return {detail["loc"][0] for detail in error.errors(include_url=False) if detail["loc"]}
    return set()


def _list(data: Any, key: str) -> list[Any]:
    found = data.get(key) if isinstance(data, Mapping) else None
    return found if isinstance(found, list) and found else [None]


def _id(data: Any, key: str, number: Any) -> Any:
    found = data.get(key) if isinstance(data, Mapping) else None
    is_id = (
        isinstance(found, str | int | float) and not isinstance(found, bool) and 0 < len(str(found)) <= 200
    )
    return found if is_id else f"({key} {number})"
