"""Compiles a plan to a picture: a Mermaid flowchart, as GitHub and GitLab draw it in a page."""

from __future__ import annotations

from collections.abc import Mapping

from shared.pipelines.draw import as_mermaid
from shared.pipelines.plan import Plan
from shared.pipelines.targets.target import Feature, Level, Options, Support, Target, TargetName


def compile_plan(plan: Plan, options: Options) -> Mapping[str, bytes]:
    """`NAME.mmd`."""
    return {f"{plan.name}.mmd": as_mermaid(plan).encode()}


_DRAWN = {
    Feature.DEPENDS_ON: "an arrow; a dotted one where a step only waits or reads",
    Feature.LEVELS: "their edges",
    Feature.BRANCH: "a rhombus, with yes and no at its arrows",
    Feature.FOREACH: "a box around its steps",
}
_KINDS = set(list(Feature)[: list(Feature).index(Feature.DEPENDS_ON)])
_KINDS -= {Feature.FOREACH_PARALLEL, Feature.ONLY_STARTED}

MERMAID = Target(
    TargetName.MERMAID,
    compile_plan,
    {
        feature: Support(Level.SUPPORTED, _DRAWN[feature])
        if feature in _DRAWN
        else Support(Level.SUPPORTED, "a box with its name and kind")
        if feature in _KINDS
        else Support(Level.EMULATED, "not drawn: `sluice graph` says it in text")
        for feature in Feature
    },
)
