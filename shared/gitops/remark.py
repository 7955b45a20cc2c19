"""Keeps our comments at a pull request as they should be: those that are there are edited in place."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

from shared.common.errors import Refused

Remark = tuple[str, str]
"""The host's name for a comment, and its text."""

HTML = "<!-- {} -->\n"
"""A first line that is not shown."""


@dataclass(frozen=True, slots=True)
class Marker:
    """What our comments begin with: `name` tells them from all others, `version` tells what they say.

    Comments of the same version say the same, even where the time at which they were written is in their text.
    """

    name: str
    version: str = ""

    def line(self, form: str) -> str:
        r"""The first line of a comment, in a form of the host.

        >>> Marker("plan main", "1f").line(HTML)
        '<!-- plan main 1f -->\n'
        """
        return form.format(f"{self.name} {self.version}".rstrip())

    def is_in(self, text: str, form: str) -> bool:
        r"""Whether a comment is ours, of whatever version.

        >>> [
        ...     Marker("plan main", "2").is_in(f"<!-- plan {name} -->\n…", HTML)
        ...     for name in ("main 1", "main", "mainly")
        ... ]
        [True, True, False]
        """
        before, after = form.split("{}")
        ours = re.escape(before + self.name) + "(?: [0-9a-f]+)?" + re.escape(after)
        return re.match(ours, text) is not None


def keep(
    there: Iterable[Remark],
    marker: Marker,
    bodies: Sequence[str],
    *,
    post: Callable[[str], object],
    edit: Callable[[str, str], object],
    delete: Callable[[str], object],
    form: str = HTML,
) -> None:
    """Let those of the comments `there` that are ours, in their order, become `bodies`; what is right is not touched.

    A comment that begins as ours do but is somebody else's (403), or that is gone meanwhile (404), is left alone.
    """
    sign = marker.line(form)
    left = [one for one in there if marker.is_in(one[1], form)]
    for body in bodies:
        text = sign + body
        while left:
            name, said = left.pop(0)
            same = said.startswith(sign) if marker.version else said == text
            if same or _done(partial(edit, name, text)):
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
