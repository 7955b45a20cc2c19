"""A step of this product as a definition of its own, for who runs single steps: what it refers to become parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shared.common.types import JSON
from shared.pipelines.step import Step
from shared.pipelines.values import ListOf, MapOf, Reference, Root, Template, Value, plain
from shared.pipelines.work import Check, Ingest, Load, Ref, Transform


def step_document(step: Step) -> tuple[dict[str, JSON], Mapping[str, Reference]]:
    """The step as a definition writes it, and the references behind its parameters, by name.

    Only what it does: edges, conditions, retries and notifications are the engine's. Raises `TypeError` for kinds that
    are not this product's own.
    """
    found: dict[Reference, str] = {}

    def written(value: Value) -> JSON:
        return plain(_as_parameters(value, found))

    document: dict[str, JSON] = {"name": step.name, "type": step.kind.value}
    match step.work:
        case Ingest(source, streams, full_refresh, load, inputs, outputs, config):
            document |= _given(
                source=source,
                streams=list(streams),
                inputs=[_ref(one) for one in inputs],
                outputs=[_ref(one) for one in outputs],
                config=written(config),
                full_refresh=full_refresh,
            )
            document |= {} if load else {"load": False}
        case Load(source, streams, config):
            document |= _given(source=source, streams=list(streams), config=written(config))
        case Transform(sql, _, write, inputs, outputs, config):
            document |= _given(
                transformation_query=written(sql),
                write=write.value,
                inputs=[_ref(one) for one in inputs],
                outputs=[_ref(one) for one in outputs],
                config=written(config),
            )
        case Check(source, streams, sql):
            document |= _given(
                source=source, streams=list(streams), query=None if sql is None else written(sql)
            )
        case _:
            raise TypeError(f"{step.kind} is no step of this product")
    return document, {name: reference for reference, name in found.items()}


def _given(**fields: Any) -> dict[str, JSON]:
    return {name: value for name, value in fields.items() if value not in (None, "", [], {}, False)}


def _ref(ref: Ref) -> dict[str, JSON]:
    fields = {name: getattr(ref, name) for name in Ref.__dataclass_fields__}
    fields["type"] = fields.pop("store").value
    fields["table_name"] = fields.pop("table")
    fields["primary_key"] = list(ref.primary_key)
    return _given(**fields)


def _as_parameters(value: Value, found: dict[Reference, str]) -> Value:
    """The value with a parameter in the place of each reference."""

    def parameter(reference: Reference) -> Reference:
        return Reference(Root.PARAMETER, found.setdefault(reference, f"v{len(found) + 1}"))

    match value:
        case Reference():
            return parameter(value)
        case Template(parts):
            return Template(tuple(part if isinstance(part, str) else parameter(part) for part in parts))
        case ListOf(items):
            return ListOf(tuple(_as_parameters(item, found) for item in items))
        case MapOf(pairs):
            return MapOf(tuple((name, _as_parameters(item, found)) for name, item in pairs))
    return value
