"""Where a run happens: the settings, secrets, source files and landing zone of this process, put together once.

Both entry points, the command line and the Lambda app, begin here.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from shared.common.clock import SystemClock, random_token
from shared.common.errors import Misconfigured, unknown
from shared.common.ports import Clock, Deadline, ObjectStore
from shared.common.redaction import Redactor

if TYPE_CHECKING:
    from shared.ingestion.session import Tools
    from shared.ingestion.source import Source
    from shared.telemetry.handler import Telemetry
    from shared.warehouse.ports import Warehouse
    from src.config import Configuration, Settings

CODE = Path(__file__).parent
FILES = "files"
"""The source that needs no source.yml (shared/ingestion/files.py)."""


class NoDeadline:
    """A process that may work as long as it wants."""

    def remaining(self) -> float:
        return math.inf


@dataclass(frozen=True)
class Workplace:
    """Opens things when they are asked for, so that a command pays only for what it uses."""

    configuration: Configuration
    redactor: Redactor
    clock: Clock = field(default_factory=SystemClock)

    @classmethod
    def open(cls) -> Workplace:
        """The workplace of this process. Raises `Misconfigured` with all settings that are wrong."""
        from src.config import configure  # what reads settings is a tenth of the import of a Lambda app

        redactor = Redactor()
        return cls(configure(learn=redactor.learn), redactor)

    @property
    def settings(self) -> Settings:
        return self.configuration.settings

    @cached_property
    def store(self) -> ObjectStore:
        from src.wiring import open_store

        return open_store(self.settings.landing_url, clock=self.clock)

    @cached_property
    def warehouse(self) -> Warehouse:
        from src.wiring import open_warehouse

        return open_warehouse(
            self.settings.warehouse_url,
            secrets=self.configuration.secrets,
            landing=self.settings.landing_url,
        )

    @property
    def warehouse_name(self) -> str:
        """The warehouse's URL without a password in it."""
        return self.redactor.url(self.settings.warehouse_url)

    def telemetry(self, *, served: str = "") -> Telemetry:
        """Logs, metrics and alerts of this process; `served` is the form of a server's log."""
        from src.wiring import open_telemetry

        return open_telemetry(self.settings, redactor=self.redactor, clock=self.clock, served=served)

    def tools(self, *, deadline: Deadline | None = None, stop: Callable[[], bool] = lambda: False) -> Tools:
        """What a run needs from outside."""
        from shared.ingestion.session import Tools

        return Tools(
            store=self.store,
            clock=self.clock,
            deadline=deadline or NoDeadline(),
            secrets=self.configuration.secrets,
            token=random_token,
            stop=stop,
            code_version=os.environ.get("SLUICE_VERSION", ""),
        )

    def source(
        self, name: str, *, file: Path | None = None, changes: Mapping[str, str] | None = None
    ) -> Source:
        """The source of that name, or the one in `file`, which must have that name.

        A database's tables have the contracts with which they landed last; `files` is there without a source.yml.
        Raises `Misconfigured`: the name is unknown, or the file has faults.
        """
        source = self.written(name, file=file, changes=changes)
        if source.name == FILES and source.sql is None and not source.spec.streams:
            return self._files()
        if source.sql is None:
            return source
        from shared.ingestion.sql_known import known

        return known(source, self.store, clock=self.clock)

    def written(
        self, name: str, *, file: Path | None = None, changes: Mapping[str, str] | None = None
    ) -> Source:
        """The source as its file says, without what the landing zone knows of it; of `files`, which has none, nothing.

        Raises as `source` does.
        """
        from shared.ingestion.reading import load_source

        path = file
        if path is None:
            files = source_files()
            if name == FILES and name not in files:
                from shared.ingestion.files_source import files_source

                return files_source(self.store, (), clock=self.clock)
            if name not in files:
                raise unknown("source", name, files)
            path = files[name]
        source = load_source(path, settings=self.words(), changes=changes)
        if source.name != name:
            raise Misconfigured(
                f'{path} is the source "{source.name}" and not "{name}"', hint=f"say {source.name}"
            )
        return source

    def _files(self) -> Source:
        """The source of files that were dropped or given to `sluice ingest-file`."""
        from shared.ingestion.files_source import files_source
        from shared.landing.streams import landed_streams

        return files_source(self.store, landed_streams(self.store, FILES), clock=self.clock)

    def words(self) -> dict[str, str]:
        """What `${NAME}` in a source.yml may stand for: the environment and the settings that are no secrets."""
        settings = self.settings
        own = {n.upper(): getattr(settings, n) for n in type(settings).model_fields}
        shown = {n: v for n, v in own.items() if v is not None and not hasattr(v, "get_secret_value")}
        hidden = own.keys() - shown.keys()
        return {n: v for n, v in os.environ.items() if n not in hidden} | {
            n: str(v) for n, v in shown.items()
        }


def source_files() -> dict[str, Path]:
    """The source.yml of every source by name: of the repository we stand in, else of the one this code belongs to.

    In Lambda that is the layer with the sources: the `src` in which a function stands has none.
    """
    here = sorted(Path("src").glob("*/source.yml"))
    return {path.parent.name: path for path in here or sorted(CODE.glob("*/source.yml"))}
