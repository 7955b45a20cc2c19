"""What every input and every process has in a configuration, whatever its kind, and what opening one needs."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import Field

from shared.common.clock import SystemClock
from shared.common.errors import Misconfigured
from shared.common.ports import Clock
from shared.common.redaction import Redactor, looks_secret
from shared.orchestrator.doors import Input, Process
from shared.orchestrator.filters import Filter
from shared.orchestrator.http_door import Routes
from shared.orchestrator.policy import Policy

NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$"
TELLING = 8
"""Characters from which a value is taken for a secret whatever its name is; shorter ones are ports and flags."""
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}|\$\$")


@dataclass(frozen=True)
class Surroundings:
    """What inputs and processes of a configuration may use of the program around them.

    `words` is what `${NAME}` stands for; `routes` is where an input listens for HTTP; `doors` holds what single kinds
    need from the floors above, by the name of the kind. `secrets` knows what was put in for names: it is masked
    where a process says it again.
    """

    words: Mapping[str, str] = field(default_factory=dict)
    clock: Clock = field(default_factory=SystemClock)
    routes: Routes = field(default_factory=Routes)
    doors: Mapping[str, Any] = field(default_factory=dict)
    secrets: Redactor = field(default_factory=Redactor)

    def filled(self, text: str, **where: object) -> str:
        """The text with `${NAME}` replaced; `$$` is a dollar sign. The document itself keeps the name.

        Raises `Misconfigured` for a name that is not set.
        """

        def word(found: re.Match[str]) -> str:
            if found[0] == "$$":
                return "$"
            if found[1] not in self.words:
                raise Misconfigured(
                    f"${{{found[1]}}} is not set", hint="set it in the environment or in .env", **where
                )
            value = self.words[found[1]]
            if len(value) >= TELLING or looks_secret(found[1]):
                self.secrets.learn(value)
            return value

        return _VARIABLE.sub(word, text)

    def masked(self, text: str) -> str:
        """The text without what `${NAME}` stood for, in whatever spelling."""
        return self.secrets.text(text) if text and self.secrets.reveals(text) else text

    def door(self, kind: str) -> Any:
        """What a kind needs from above. Raises `Misconfigured` where this program has nothing for it."""
        if kind not in self.doors:
            raise Misconfigured(f"{kind} cannot be used here", hint="this program was started without it")
        return self.doors[kind]


class InputSettings(Filter):
    """An input: `operation`, `location` and `where` say which of its events it raises."""

    name: str = Field(pattern=NAME)
    type: str
    connection_string: str = ""
    paused: bool = False

    def open(self, around: Surroundings) -> Input:
        """The input, ready to run. Raises `Misconfigured`."""
        raise NotImplementedError


class ProcessSettings(Policy):
    """A process; what its kind needs to run is its `execution_context`."""

    name: str = Field(pattern=NAME)
    type: str
    paused: bool = False

    def open(self, around: Surroundings) -> Process:
        """The process, ready to run. Raises `Misconfigured`."""
        raise NotImplementedError


Opening = Callable[[Surroundings], Any]
