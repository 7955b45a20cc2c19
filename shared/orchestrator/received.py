"""JSON from outside as plain data that every store can hold, and every reader of an event can read."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable
from typing import Any, NoReturn

from shared.common.errors import Violation

DEEPEST = 100
"""Levels of nesting: Python's own writer and many readers end somewhere between this and a thousand."""
_HALF = re.compile(r"\\u[dD][89a-fA-F]")
_EXACT = 15
"""Digits that a double always gives back: `DBL_DIG` of C."""


def received(text: str | bytes) -> Any:
    """The data of a JSON text.

    Raises `Violation` for what is no JSON (RFC 8259), and for what is and cannot be handed on: a key that is there
    twice, half of a surrogate pair, more than `DEEPEST` levels, a number beyond what a double holds.
    """
    try:
        plain = json.loads(text, parse_float=_finite, parse_constant=_no_number, object_pairs_hook=_once)
    except RecursionError:
        raise _too_deep() from None
    except ValueError as error:
        raise Violation(f"it is not JSON: {error}") from None
    raw = text if isinstance(text, str) else text.decode(json.detect_encoding(text))
    if _HALF.search(raw):
        _check_text(plain)
    if raw.count("[") + raw.count("{") > DEEPEST and _depth(plain) > DEEPEST:
        raise _too_deep()
    return plain


def exact(text: str) -> float | str:
    """A number with a fraction or an exponent: a float, or the text itself where a float would lose digits.

    For columns of a database, whose every digit counts; other JSON has doubles, as nearly all that reads it.

    >>> exact("0.10"), exact("1e3"), exact("99999999999999999.99"), exact("1e999")
    (0.1, 1000.0, '99999999999999999.99', '1e999')
    """
    if len(text) <= _EXACT and "e" not in text and "E" not in text:
        return float(text)
    from decimal import Decimal

    number = float(text)
    return number if Decimal(text) == Decimal(repr(number)) else text


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise Violation(f"{text[:80]} is more than a number holds")
    return number


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise Violation(f'the key "{twice[:80]}" is there twice')
    return found


def _no_number(text: str) -> NoReturn:
    raise Violation(f"it is not JSON: {text} is no number there")


def _check_text(plain: Any) -> None:
    try:
        json.dumps(plain, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise Violation("half of a surrogate pair is no character") from None


def _depth(plain: Any) -> int:
    depth, level = 0, [plain]
    while level:
        level = [item for one in level for item in _inside(one)]
        depth += 1
    return depth


def _inside(plain: Any) -> Iterable[Any]:
    match plain:
        case dict():
            return plain.values()
        case list():
            return plain
    return ()


def _too_deep() -> Violation:
    return Violation(f"it is nested more than {DEEPEST} levels deep")
