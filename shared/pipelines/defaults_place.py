"""Where the shared defaults of a definition lie, by its path alone; reading them is `defaults`."""

from __future__ import annotations

from posixpath import basename, dirname

NAME = "_defaults.yml"


def is_defaults(path: str) -> bool:
    """Whether a file of this path holds shared defaults and is no definition."""
    return basename(path) == NAME


def folder_of(path: str) -> str:
    """The beginning of the paths that the defaults at `path` hold for.

    >>> folder_of("pipelines/_defaults.yml"), folder_of("_defaults.yml")
    ('pipelines/', '')
    """
    folder = dirname(path)
    return f"{folder}/" if folder else ""


def candidates(definition: str) -> tuple[str, ...]:
    """Where defaults of a definition may lie in its repository, the nearest first.

    >>> candidates("pipelines/sales/orders.yml")
    ('pipelines/sales/_defaults.yml', 'pipelines/_defaults.yml', '_defaults.yml')
    """
    folder, found = dirname(definition), list[str]()
    while folder:
        found.append(f"{folder}/{NAME}")
        folder = dirname(folder)
    return (*found, NAME)
