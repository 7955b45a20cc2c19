"""The template: written by hand but for the regions that follow from the sources.

A region begins with `# >>> name` and ends with `# <<< name`; whatever is between them is written anew.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from shared.common.errors import Misconfigured
from src.deploying.dashboard import dashboard
from src.deploying.source import resources, setting_name
from src.deploying.sources import Deployed
from src.deploying.text import Tag, lines, ref

TEMPLATE = Path("deploy/infra/template.yml")
_BEGIN = re.compile(r"(?P<indent> *)# >>> (?P<name>[a-z-]+)")


def generated(text: str, sources: list[Deployed], *, file: str = str(TEMPLATE)) -> str:
    """The template with all its regions written anew. Raises `Misconfigured`: a region is unknown or has no end."""
    out: list[str] = []
    found = text.splitlines()
    at = 0
    while at < len(found):
        out.append(found[at])
        begin = _BEGIN.fullmatch(found[at])
        at += 1
        if begin is None:
            continue
        name, indent = begin["name"], begin["indent"]
        end = f"{indent}# <<< {name}"
        if name not in REGIONS:
            known = ", ".join(REGIONS)
            raise Misconfigured(f'unknown region "{name}"', hint=f"known: {known}", file=f"{file}:{at}")
        if end not in found[at:]:
            raise Misconfigured(
                f'the region "{name}" has no end', hint=f'"{end.strip()}"', file=f"{file}:{at}"
            )
        at = found.index(end, at)
        out += [f"{indent}{line}" if line else "" for line in REGIONS[name](sources)]
    return "\n".join(out) + "\n"


def _settings(sources: list[Deployed]) -> list[str]:
    document = {}
    for name, default in _setting_defaults(sources).items():
        users = ", ".join(source.name for source in sources if name in dict(source.settings))
        parameter: dict[str, Any] = {"Type": "String"}
        if default is not None:
            parameter["Default"] = default
        parameter["Description"] = f"${{{name}}} in the source.yml of {users}."
        document[setting_name(name)] = parameter
    return lines(document)


def _setting_defaults(sources: list[Deployed]) -> dict[str, str | None]:
    return dict(sorted(setting for source in sources for setting in source.settings))


def _conditions(sources: list[Deployed]) -> list[str]:
    """Where nothing has a schedule, nobody asks whether schedules are on."""
    if not any(source.schedules for source in sources):
        return []
    in_prod = Tag("And", [_equals("Schedules", "prod-only"), _equals("Environment", "prod")])
    return lines({"IsScheduled": Tag("Or", [_equals("Schedules", "enabled"), in_prod])})


def _equals(parameter: str, value: str) -> Tag:
    return Tag("Equals", [ref(parameter), value])


def _source_settings(sources: list[Deployed]) -> list[str]:
    """The functions that load and that do steps read every source.yml, too."""
    return lines({name: ref(setting_name(name)) for name in _setting_defaults(sources)})


def _lifecycle(sources: list[Deployed]) -> list[str]:
    """A rule on one line for each stream: what of it may expire."""
    found: list[str] = []
    for source in sources:
        for stream in source.streams:
            prefix = f"landing/{source.name}/{stream}/data/"
            rule = {"Prefix": prefix, "Status": "Enabled", "ExpirationInDays": ref("PartRetentionDays")}
            found += lines([rule])
    return found


def _sources(sources: list[Deployed]) -> list[str]:
    found: list[str] = []
    for source in sources:
        found.append(f"# --- {source.name} {'-' * (109 - len(source.name))}")
        for name, resource in resources(source).items():
            found += [*lines({name: resource}), ""]
    return found[:-1]


def _dashboard(sources: list[Deployed]) -> list[str]:
    return lines({"Dashboard": dashboard(sources)})


def _outputs(sources: list[Deployed]) -> list[str]:
    document = {}
    for source in sources:
        document[f"{source.title}Machine"] = {
            "Description": f"Runs {source.name}",
            "Value": ref(f"{source.title}Machine"),
        }
        document[f"{source.title}Backfill"] = {
            "Description": f"For `sluice backfill {source.name} --execution`",
            "Value": ref(f"{source.title}Backfill"),
        }
        document[f"{source.title}Secret"] = {
            "Description": f"The secret of {source.name}",
            "Value": ref(f"{source.title}Secret"),
        }
    return lines(document)


REGIONS: dict[str, Callable[[list[Deployed]], list[str]]] = {
    "settings": _settings,
    "conditions": _conditions,
    "lifecycle": _lifecycle,
    "source-settings": _source_settings,
    "sources": _sources,
    "dashboard": _dashboard,
    "outputs": _outputs,
}
