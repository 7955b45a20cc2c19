"""A definition with faults, as far as it can be read: so that faults of other kinds are found in the same go.

What cannot be read is replaced by something harmless that keeps its name, so that nobody is told that the name is
unknown.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from pydantic import TypeAdapter, ValidationError

from shared.common.errors import Misconfigured
from shared.pipelines.spec import DefinitionSpec, PipelineSpec
from shared.pipelines.step_specs import StepSpec
from shared.pipelines.written import step_name


def salvaged(data: Any) -> DefinitionSpec | None:
    """What can be read of a definition, or None where there is too little."""
    pipeline = data.get("pipeline") if isinstance(data, Mapping) else None
    raw = pipeline.get("steps") if isinstance(pipeline, Mapping) else None
    if not isinstance(pipeline, Mapping) or not isinstance(raw, list) or not raw:
        return None
    one = TypeAdapter(StepSpec)
    steps = [_step(one, item, number) for number, item in enumerate(raw)]
    kept: dict[str, Any] = {"name": "salvaged", "steps": steps}
    for name in ("parameters", "pools"):
        if name in pipeline:
            try:
                PipelineSpec.model_validate({**kept, name: pipeline[name]})
            except ValidationError:
                return None
            kept[name] = pipeline[name]
    return DefinitionSpec.model_validate({"pipeline": kept})


def _step(one: TypeAdapter[Any], raw: Any, number: int) -> Any:
    try:
        one.validate_python(raw)
    except ValidationError:
        return _stub(one, raw, number)
    return raw


def _stub(one: TypeAdapter[Any], raw: Any, number: int) -> dict[str, Any]:
    """A step that does nothing, with the name and the edges of one that cannot be read, and what is inside it."""
    known = raw if isinstance(raw, Mapping) else {}
    stub: dict[str, Any] = {"name": f"(step {number + 1})", "type": "wait", "duration": 1}
    name = known.get("name")
    if isinstance(name, str):
        with suppress(Misconfigured):
            stub["name"] = step_name(name)
    needs = known.get("depends_on")
    if isinstance(needs, list) and all(isinstance(need, str) for need in needs):
        stub["depends_on"] = needs
    inner = known.get("steps")
    if known.get("type") == "foreach" and isinstance(inner, list) and inner:
        del stub["duration"]
        stub |= {"type": "foreach", "items": []}
        stub["steps"] = [_step(one, item, place) for place, item in enumerate(inner)]
    return stub
