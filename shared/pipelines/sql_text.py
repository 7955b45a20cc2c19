"""SQL as text: where a reference would be no value, because it stands in a literal, a quoted name or a comment."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from shared.pipelines.values import Reference

_OPENING = re.compile(r"""'|"|`|--|/\*|\$(?:[A-Za-z_][A-Za-z0-9_]*)?\$""")
_CLOSING = {
    "'": re.compile(r"'|\\"),
    '"': re.compile(r'"|\\'),
    "`": re.compile("`"),
    "--": re.compile("\n"),
    "/*": re.compile(r"\*/|/\*"),
}
_WHAT = {"'": "a literal", '"': "a quoted name", "`": "a quoted name", "--": "a comment", "/*": "a comment"}


def misplaced(parts: Sequence[str | Reference]) -> Iterator[tuple[Reference, str]]:
    """The references that stand where no value can be bound, each with what is around it.

    Databases differ in backslashes inside quotes and in comments inside comments: nothing is said of what is behind
    one.

    >>> from shared.pipelines.values import parse_text
    >>> [
    ...     what
    ...     for _, what in misplaced(parse_text("select ${run.id}, 'it''s ${run.date}' -- ${run.time}").parts)
    ... ]
    ['a literal', 'a comment']
    """
    inside = ""
    for part in parts:
        if isinstance(part, Reference):
            if inside:
                yield part, _WHAT.get(inside, "a literal")
            continue
        at = 0
        while found := (_closing(inside) if inside else _OPENING).search(part, at):
            at, mark = found.end(), found.group()
            if mark == "\\" or (inside == "/*" and mark == "/*"):
                return
            inside = "" if inside else mark


def _closing(mark: str) -> re.Pattern[str]:
    return _CLOSING.get(mark) or re.compile(re.escape(mark))
