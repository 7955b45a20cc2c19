"""The targets by name; each is imported when it is asked for."""

from __future__ import annotations

from importlib import import_module

from shared.common.errors import unknown
from shared.pipelines.targets.target import Target, TargetName


def target(name: str) -> Target:
    """The target of that name. Raises `Misconfigured` listing the known ones."""
    if name not in set(TargetName):
        raise unknown("target", name, list(TargetName))
    found: Target = getattr(import_module(f"shared.pipelines.targets.{name}"), name.upper())
    return found


def targets() -> tuple[Target, ...]:
    """All of them, in the order of `TargetName`."""
    return tuple(target(name) for name in TargetName)
