"""What can be known to be wrong before anything is fetched: secrets that are not set, a warehouse that nobody knows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from shared.common.errors import Misconfigured
from shared.common.masks import Hash

if TYPE_CHECKING:
    from shared.common.ports import Secrets
    from shared.ingestion.source import Source
    from src.workplace import Workplace

_CREDENTIALS = ("username", "password", "token", "key", "client_id", "client_secret", "refresh_token")


def preflight(
    place: Workplace,
    source: Source,
    streams: Iterable[str] | None = None,
    *,
    warehouse: bool = True,
    secrets: Secrets | None = None,
) -> None:
    """Look whether a run of these streams (None: all) can begin; cheap, and nothing of the source is asked.

    `secrets` are those of the run, by default those of the configuration.

    Raises `Misconfigured` with all that is missing, and what Secrets Manager raises. Without `warehouse` it is left
    alone; with it, its URL is read, and nothing is opened.
    """
    secrets = secrets or place.configuration.secrets
    found = list(_credentials(source, secrets))
    keyed = _hashed(source, streams)
    if keyed:
        key = source.spec.mask_key
        error = _wrong(partial(secrets.get, key))
        if error is not None:
            more = f" and {len(keyed) - 3} more" if len(keyed) > 3 else ""
            error.message += f"; it is the key of the hashes in `mask` of {', '.join(keyed[:3])}{more}"
            found.append(error)
    if warehouse:
        found.append(_wrong(lambda: place.warehouse))
    errors = list({error.message: error for error in found if error is not None}.values())
    if len(errors) == 1:
        raise errors[0].at(source=source.name)
    if errors:
        hints = "\n".join(error.hint for error in errors if error.hint)
        raise Misconfigured("\n".join(error.message for error in errors), hint=hints, source=source.name)


def _credentials(source: Source, secrets: Secrets) -> Iterator[Misconfigured | None]:
    """What is wrong with each credential. The user name of a database may be shown, those of APIs are often keys."""
    if source.sql is None or source.sql.auth is None:
        yield from (_wrong(partial(secrets.get, name)) for name in secret_names(source))
        return
    auth = source.sql.auth
    yield _wrong(partial(secrets.get, auth.username, hidden=False))
    if auth.password:
        error = _wrong(partial(secrets.get, auth.password))
        if error is not None:
            error.hint += "; a user without a password has no `password` in `auth`"
        yield error


def secret_names(source: Source) -> list[str]:
    """The names of the secrets that the source's `auth` uses."""
    auth = source.spec.auth if source.sql is None else source.sql.auth
    return [str(value) for name in _CREDENTIALS if (value := getattr(auth, name, None))]


def _hashed(source: Source, streams: Iterable[str] | None) -> list[str]:
    """The streams that hash columns."""
    chosen = source.spec.streams if streams is None else set(streams)
    return [
        name
        for name, stream in source.spec.streams.items()
        if name in chosen and any(isinstance(mask, Hash) for mask in stream.mask.values())
    ]


def _wrong(look: Callable[[], object]) -> Misconfigured | None:
    try:
        look()
    except Misconfigured as error:
        return error
    return None
