"""Keeps our comments at a pull request as they should be: those that are there are edited in place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from shared.common.errors import Refused

Remark = tuple[str, str]
"""The host's name for a comment, and its text."""


def keep(
    ours: Sequence[Remark],
    wanted: Sequence[str],
    *,
    post: Callable[[str], object],
    edit: Callable[[str, str], object],
    delete: Callable[[str], object],
) -> None:
    """Let the comments `ours`, in their order, become `wanted`; what is right already is not touched.

    A comment that begins as ours do but is somebody else's (403), or that is gone meanwhile (404), is left alone.
    """
    left = list(ours)
    for text in wanted:
        while left:
            name, said = left.pop(0)
            if said == text or _done(partial(edit, name, text)):
                break
        else:
            post(text)
    for name, _ in left:
        _done(partial(delete, name))


def _done(act: Callable[[], object]) -> bool:
    try:
        act()
    except Refused as error:
        if error.status not in (403, 404):
            raise
        return False
    return True
