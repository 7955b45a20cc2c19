"""A schedule as people write it, and as EventBridge wants it: Unix cron and `rate(…)` become its six fields.

The rules are those of https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html: the days of the week
count from Sunday as 1 and not as 0; either the day of the month or that of the week has to be `?`; there is a year.
Unix runs when *either* of the two days fits, if both are given: that becomes two expressions.
"""

from __future__ import annotations

import re

from shared.common.errors import Misconfigured

_NAMED = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_MONTHS = "JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC".split()
_DAYS = "SUN MON TUE WED THU FRI SAT".split()
_FIELDS = (
    ("minute", 0, 59, ()),
    ("hour", 0, 23, ()),
    ("day of the month", 1, 31, ()),
    ("month", 1, 12, _MONTHS),
    ("day of the week", 0, 7, _DAYS),
)
_RATE = re.compile(r"rate\(\s*(?P<count>[0-9]+)\s+(?P<unit>minute|hour|day)s?\s*\)", re.IGNORECASE)
_ITEM = re.compile(r"(?P<from>\*|\w+)(?:-(?P<to>\w+))?(?:/(?P<step>[0-9]+))?")
_HINT = 'such as "15 3 * * *" (minute, hour, day of the month, month, day of the week), "@daily" or "rate(2 hours)"'


def schedule_expressions(text: str) -> tuple[str, ...]:
    """The expressions of EventBridge Scheduler that together mean `text`; two where Unix would run on either day.

    >>> (
    ...     schedule_expressions("15 3 * * 1-5"),
    ...     schedule_expressions("@daily"),
    ...     schedule_expressions("rate(1 hours)"),
    ... )
    (('cron(15 3 ? * 2-6 *)',), ('cron(0 0 * * ? *)',), ('rate(1 hour)',))
    >>> schedule_expressions("0 0 13 * 5")
    ('cron(0 0 13 * ? *)', 'cron(0 0 ? * 6 *)')

    Raises `Misconfigured` naming the field that is wrong.
    """
    text = text.strip()
    if text.lower().startswith("rate("):
        return (_rate(text),)
    written = _NAMED.get(text.lower(), text)
    fields = written.split()
    if len(fields) != 5:
        raise _wrong(text, f"it has {len(fields)} fields and not 5")
    for field, (what, least, most, names) in zip(fields, _FIELDS, strict=True):
        _check(text, field, what=what, least=least, most=most, names=tuple(names))
    minute, hour, day, month, weekday = (field.upper() for field in fields)
    weekday = ",".join(_weekday(item) for item in weekday.split(","))
    # Only a bare star stands for "any": `*/2` restricts, as it does in Unix.
    if weekday == "*":
        return (f"cron({minute} {hour} {day} {month} ? *)",)
    if day == "*":
        return (f"cron({minute} {hour} ? {month} {weekday} *)",)
    return (f"cron({minute} {hour} {day} {month} ? *)", f"cron({minute} {hour} ? {month} {weekday} *)")


def _rate(text: str) -> str:
    match = _RATE.fullmatch(text)
    if match is None or int(match["count"]) == 0:
        raise _wrong(text, "a rate is a number from 1 on and minutes, hours or days")
    count, unit = int(match["count"]), match["unit"].lower()
    return f"rate({count} {unit if count == 1 else unit + 's'})"


def _check(text: str, field: str, *, what: str, least: int, most: int, names: tuple[str, ...]) -> None:
    for item in field.split(","):
        match = _ITEM.fullmatch(item)
        if match is None:
            raise _wrong(text, f'"{item}" is no {what}')
        if match["from"] == "*" and match["to"]:
            raise _wrong(text, f'"{item}" is no {what}')
        if match["step"] is not None and not 1 <= int(match["step"]) <= most:
            raise _wrong(text, f'"{item}": the step of the {what} must be from 1 to {most}')
        bounds = [one for one in (match["from"], match["to"]) if one not in (None, "*")]
        numbers = [_number(text, one, what=what, least=least, most=most, names=names) for one in bounds]
        if len(numbers) == 2 and numbers[0] > numbers[1]:
            raise _wrong(text, f'"{item}": the {what} runs backwards')


def _number(text: str, word: str, *, what: str, least: int, most: int, names: tuple[str, ...]) -> int:
    if word.upper() in names:
        return names.index(word.upper()) + least
    if not word.isdecimal() or not least <= int(word) <= most:
        known = f" or {names[0]} to {names[-1]}" if names else ""
        raise _wrong(text, f'"{word}" is no {what}: {least} to {most}{known}')
    return int(word)


def _weekday(item: str) -> str:
    """Unix counts 0-7 from Sunday, EventBridge 1-7; a list that runs over Sunday (5-7) is spelled out."""
    if item == "*" or item.startswith("*/"):
        return item if item == "*" else f"1-7/{item[2:]}"
    match = _ITEM.fullmatch(item)
    if match is None or not match["from"].isdecimal():
        return item
    first = int(match["from"])
    last = int(match["to"]) if match["to"] and match["to"].isdecimal() else None
    if match["to"] and last is None:
        return item
    step = int(match["step"]) if match["step"] else 1
    if last is None:
        if match["step"] is None:
            return str(first % 7 + 1)
        last = 6
    if last == 7 or step > 1:
        days = sorted({day % 7 + 1 for day in range(first, last + 1, step)})
        return ",".join(map(str, days))
    return f"{first + 1}-{last + 1}" if last > first else str(first + 1)


def _wrong(text: str, why: str) -> Misconfigured:
    return Misconfigured(f'"{text}" is no schedule: {why}', hint=_HINT, field="schedule")
