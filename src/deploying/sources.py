"""The sources as the deployment sees them: what their files say about memory, time, streams and settings."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from shared.common.cron import schedule_expressions
from shared.common.documents import read_yaml
from shared.common.errors import Misconfigured
from shared.ingestion.reading import load_source
from src.workplace import source_files

_SETTING = re.compile(r"\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^}]*))?\}")


@dataclass(frozen=True, slots=True)
class Deployed:
    """A source, as far as its deployment depends on it. `settings` are the names of `${NAME}`, with their defaults."""

    name: str
    description: str
    streams: tuple[str, ...]
    database: bool
    memory: int
    timeout: int
    reserved_concurrency: int | None
    schedules: tuple[str, ...]
    timezone: str
    flexible: timedelta
    fresh_within: timedelta
    settings: tuple[tuple[str, str | None], ...]

    @property
    def title(self) -> str:
        """The beginning of its logical ids. A rename replaces what they name, so this never changes.

        >>> camel("bank_of_x")
        'BankOfX'
        """
        return camel(self.name)


def camel(name: str) -> str:
    return "".join(word[:1].upper() + word[1:] for word in name.lower().split("_"))


def deployed_sources() -> list[Deployed]:
    """All sources of the repository by name. Raises `Misconfigured` as reading them does."""
    found = [_deployed(path) for path in source_files().values()]
    _distinct(found)
    return found


def _deployed(path: Path) -> Deployed:
    text = path.read_text("utf-8")
    code = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    settings = {match["name"]: match["default"] for match in _SETTING.finditer(code)}
    said = read_yaml(text, file=str(path)).data
    database = isinstance(said, dict) and said.get("type") == "sql"
    # What a setting will be is known when it is deployed; nothing here depends on it.
    stand_in = "postgresql://set.when.deployed/x" if database else "https://set.when.deployed"
    source = load_source(path, settings={n: stand_in for n, default in settings.items() if default is None})
    spec = source.spec
    try:
        ZoneInfo(spec.timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise Misconfigured(
            f'"{spec.timezone}" is no time zone',
            hint='such as "Europe/Berlin" or "UTC"',
            file=path,
            field="timezone",
        ) from None
    return Deployed(
        name=spec.source,
        description=spec.description.partition("(")[0].strip(),
        streams=tuple(spec.streams),
        database=database,
        memory=spec.memory,
        timeout=spec.timeout,
        reserved_concurrency=spec.reserved_concurrency,
        schedules=schedule_expressions(spec.schedule) if spec.schedule else (),
        timezone=spec.timezone,
        flexible=spec.flexible,
        fresh_within=spec.fresh_within,
        settings=tuple(sorted(settings.items())),
    )


def _distinct(sources: list[Deployed]) -> None:
    """Refuse sources that would have the same logical ids, and settings with two defaults."""
    titles: dict[str, str] = {}
    defaults: dict[str, tuple[str, str | None]] = {}
    for source in sources:
        if other := titles.get(source.title):
            raise Misconfigured(
                f'the sources "{other}" and "{source.name}" would both be {source.title} in the template',
                hint="rename one of them",
            )
        titles[source.title] = source.name
        for name, default in source.settings:
            before = defaults.setdefault(name, (source.name, default))
            if before[1] != default:
                raise Misconfigured(
                    f"the setting {name} has one default in {before[0]} and another one in {source.name}",
                    hint="a setting has one value for all functions: give them two names",
                )
