"""Secrets by name out of the environment, `.env` and Secrets Manager, the first that has the name."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from typing import Protocol

from shared.common.errors import Misconfigured


class Manager(Protocol):
    """What is needed of Secrets Manager (see `shared.aws.secrets.ManagedSecrets`)."""

    secret_id: str

    def values(self) -> Mapping[str, str]: ...
    def refresh(self) -> bool: ...


class LayeredSecrets:
    """Secrets by name out of the environment, `.env` and Secrets Manager (a `ports.Secrets`).

    `learn` is told every hidden value before it is handed out, so that logs and errors can mask it. `without` says
    why there is no `manager`.
    """

    def __init__(
        self,
        environ: Mapping[str, str],
        dotenv: Mapping[str, str],
        *,
        manager: Manager | None = None,
        without: str = "",
        learn: Callable[[str], None] = lambda value: None,
    ) -> None:
        self._environ = environ
        self._dotenv = dotenv
        self._manager = manager
        self._without = without
        self._learn = learn

    def get(self, name: str, *, hidden: bool = True) -> str:
        """The value. Raises `Misconfigured` naming the places that were searched, and what the manager raises."""
        value = self._environ.get(name) or self._dotenv.get(name)
        managed = self._manager.values() if self._manager and not value else {}
        value = value or managed.get(name)
        if not value:
            raise self._missing(name, managed)
        if hidden:
            self._learn(value)
        return value

    def refresh(self) -> bool:
        """Fetch anew after a 401. Only Secrets Manager can have changed: the others belong to this process."""
        return self._manager.refresh() if self._manager else False

    def _missing(self, name: str, managed: Mapping[str, str]) -> Misconfigured:
        manager = f'secret "{self._manager.secret_id}" of Secrets Manager' if self._manager else self._without
        near = difflib.get_close_matches(name, [*self._dotenv, *managed], n=1)
        guess = f'did you mean "{near[0]}"? ' if near else ""
        searched = f"searched: the environment variable {name}, .env" + (f", {manager}" if manager else "")
        return Misconfigured(f'secret "{name}" is not set', hint=f"{guess}{searched}")
