"""`docs/targets.md`, made from what the targets say: `python -m src.cli.targets_table > docs/targets.md`."""

from __future__ import annotations

import sys

from shared.pipelines.targets.catalogue import targets
from shared.pipelines.targets.target import Feature

HEAD = """\
# What each target makes of a definition

A feature is **supported** (the engine itself has it), *emulated* (the artifact does it with other means), or refused:
then a definition that uses it is not compiled, and the message says file and line. What every feature means is
[decision 7](decisions/0007-plan.md). This page is written by `python -m src.cli.targets_table > docs/targets.md`; a
test compares it with the targets.
"""
_MARK = {"supported": "**supported**", "emulated": "*emulated*", "refused": "refused"}


def page() -> str:
    """The page: one table of words, then one table a target that says how."""
    found = targets()
    lines = [
        HEAD,
        f"| feature | {' | '.join(target.name for target in found)} |",
        "|---" * (len(found) + 1) + "|",
    ]
    for feature in Feature:
        cells = [_MARK[target.features[feature].level] for target in found]
        lines.append(f"| {feature} | {' | '.join(cells)} |")
    for target in found:
        lines += ["", f"## {target.name}", "", "| feature | | how, or why not |", "|---|---|---|"]
        for feature in Feature:
            support = target.features[feature]
            lines.append(f"| {feature} | {_MARK[support.level]} | {support.how.replace('|', '&#124;')} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(page())
