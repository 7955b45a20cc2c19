"""The template: written by hand but for the regions that follow from the sources and from dispatch.yml.

A region begins with `# >>> name` and ends with `# <<< name`; whatever is between them is written anew.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shared.common.errors import Misconfigured
from src.deploying import dispatch_door, dispatch_events, dispatch_rights
from src.deploying.dashboard import dashboard
from src.deploying.dispatched import FILE, Dispatched
from src.deploying.source import resources, setting_name
from src.deploying.sources import Deployed
from src.deploying.text import Tag, lines, ref

TEMPLATE = Path("deploy/infra/template.yml")
_BEGIN = re.compile(r"(?P<indent> *)# >>> (?P<name>[a-z-]+)")


@dataclass(frozen=True, slots=True)
class Project:
    """What the template follows from: the sources, and the document of the dispatcher where there is one."""

    sources: list[Deployed]
    dispatched: Dispatched | None = None


def generated(
    text: str,
    sources: list[Deployed],
    *,
    dispatched: Dispatched | None = None,
    file: str = str(TEMPLATE),
) -> str:
    """The template with all its regions written anew. Raises `Misconfigured`: a region is unknown or has no end."""
    project = Project(sources, dispatched)
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
        out += [f"{indent}{line}" if line else "" for line in REGIONS[name](project)]
    return "\n".join(out) + "\n"


def _settings(project: Project) -> list[str]:
    document = {}
    for name, default in _setting_defaults(project).items():
        users = [
            f"the source.yml of {source.name}" for source in project.sources if name in dict(source.settings)
        ]
        if project.dispatched and name in project.dispatched.settings:
            users.append(str(FILE))
        parameter: dict[str, Any] = {"Type": "String"}
        if default is not None:
            parameter["Default"] = default
        parameter["Description"] = f"${{{name}}} in {', '.join(users)}."
        document[setting_name(name)] = parameter
    return lines(document)


def _setting_defaults(project: Project) -> dict[str, str | None]:
    """Every setting; what a source has a default for keeps it."""
    found = dict.fromkeys(project.dispatched.settings if project.dispatched else ())
    found |= {name: default for source in project.sources for name, default in source.settings}
    return dict(sorted(found.items()))


def _conditions(project: Project) -> list[str]:
    """Where nothing has a schedule, nobody asks whether schedules are on."""
    dispatched = project.dispatched and project.dispatched.schedules
    if not dispatched and not any(source.schedules for source in project.sources):
        return []
    in_prod = Tag("And", [_equals("Schedules", "prod-only"), _equals("Environment", "prod")])
    return lines({"IsScheduled": Tag("Or", [_equals("Schedules", "enabled"), in_prod])})


def _equals(parameter: str, value: str) -> Tag:
    return Tag("Equals", [ref(parameter), value])


def _source_settings(project: Project) -> list[str]:
    """The functions that load and that do steps read every source.yml, too."""
    names = sorted({name for source in project.sources for name, _ in source.settings})
    return lines({name: ref(setting_name(name)) for name in names})


def _lifecycle(project: Project) -> list[str]:
    """A rule on one line for each stream: what of it may expire."""
    found: list[str] = []
    for source in project.sources:
        for stream in source.streams:
            prefix = f"landing/{source.name}/{stream}/data/"
            rule = {"Prefix": prefix, "Status": "Enabled", "ExpirationInDays": ref("PartRetentionDays")}
            found += lines([rule])
    return found


def _sources(project: Project) -> list[str]:
    found: list[str] = []
    for source in project.sources:
        found.append(f"# --- {source.name} {'-' * (109 - len(source.name))}")
        for name, resource in resources(source).items():
            found += [*lines({name: resource}), ""]
    return found[:-1]


def _dashboard(project: Project) -> list[str]:
    return lines({"Dashboard": dashboard(project.sources, dispatches=project.dispatched is not None)})


def _dispatch(project: Project) -> list[str]:
    if project.dispatched is None:
        return []
    made = dispatch_events.resources(project.dispatched)
    if project.dispatched.webhooks:
        made |= dispatch_door.resources()
    return [line for name, resource in made.items() for line in [*lines({name: resource}), ""]][:-1]


def _dispatch_rights(project: Project) -> list[str]:
    found = dispatch_rights.statements(project.dispatched) if project.dispatched else []
    return lines(found) if found else []


def _dispatch_settings(project: Project) -> list[str]:
    names = project.dispatched.settings if project.dispatched else ()
    return lines({name: ref(setting_name(name)) for name in names})


def _dispatch_sources(project: Project) -> list[str]:
    return lines(dispatch_events.sources(project.dispatched))


def _outputs(project: Project) -> list[str]:
    document = {}
    for source in project.sources:
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
    if project.dispatched and project.dispatched.webhooks:
        document["DispatchUrl"] = dispatch_door.output()
    return lines(document)


REGIONS: dict[str, Callable[[Project], list[str]]] = {
    "settings": _settings,
    "conditions": _conditions,
    "lifecycle": _lifecycle,
    "source-settings": _source_settings,
    "dispatch-rights": _dispatch_rights,
    "dispatch-settings": _dispatch_settings,
    "dispatch-sources": _dispatch_sources,
    "dispatch": _dispatch,
    "sources": _sources,
    "dashboard": _dashboard,
    "outputs": _outputs,
}
