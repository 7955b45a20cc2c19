"""Reads the text of a `row_condition`: a small grammar, so that no text of a check ever becomes SQL by itself.

Written as SQL people write it, or in the forms of Great Expectations:

    status = 'open' and (amount > 0 or not paid) and "odd name" is not null
    country in ('AT', 'DE') and closed_at >= opened_at and name not like 'test%'
    col("amount") >= 5        col("email").notNull()        {"type": "comparison", "column": {"name": "a"}, …}

Single quotes hold text, double quotes a column; on the right side of `col("…")` both hold text, as Great
Expectations has it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from shared.common.errors import Misconfigured
from shared.contracts.row_condition import (
    AllOf,
    AnyOf,
    Compare,
    Condition,
    Field,
    IsIn,
    IsNull,
    IsTrue,
    Like,
    Not,
    Value,
)

MAX_DEPTH = 40
MAX_LENGTH = 10_000
_HINT = "write it like: status = 'open' and amount > 0, or: col(\"email\").notNull()"
_OPERATORS = {"=": "=", "==": "=", "!=": "<>", "<>": "<>", "<": "<", "<=": "<=", ">": ">", ">=": ">="}
_WORDS = {
    "and",
    "or",
    "not",
    "is",
    "null",
    "in",
    "between",
    "like",
    "true",
    "false",
    "date",
    "timestamp",
    "col",
}
_TOKEN = re.compile(
    r"""\s*(?:
        (?P<text>'(?:[^']|'')*') | (?P<quoted>"(?:[^"]|"")*")
      | (?P<number>[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?(?![\w.]))
      | (?P<sign><=|>=|<>|!=|==|[=<>()\[\],.&|~]) | (?P<word>[^\W\d]\w*)
    )""",
    re.VERBOSE,
)


def parse_condition(text: str | Mapping[str, Any]) -> Condition:
    """A condition as written, or Great Expectations' document of one. Raises `Misconfigured` saying what is wrong.

    >>> parse_condition("a = 'x' and not b is null")
    AllOf(conditions=(Compare(column='a', operator='=', operand='x'), Not(condition=IsNull(column='b'))))
    """
    if not isinstance(text, str):
        return _from_document(text, 0)
    if len(text) > MAX_LENGTH:
        raise Misconfigured(f"a row_condition is longer than {MAX_LENGTH:,} characters", hint=_HINT)
    return _Parser(text).whole()


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    at: int

    def says(self, *texts: str) -> bool:
        return self.kind in ("word", "sign") and self.text.lower() in texts


def _tokens(text: str) -> Iterator[_Token]:
    at = 0
    while text[at:].strip():
        found = _TOKEN.match(text, at)
        if found is None or found.lastgroup is None:
            at += len(text[at:]) - len(text[at:].lstrip())
            raise Misconfigured(
                f"the row_condition cannot be read at character {at + 1}: {text[at : at + 20]!r}", hint=_HINT
            )
        yield _Token(found.lastgroup, found[found.lastgroup], found.start(found.lastgroup))
        at = found.end()
    yield _Token("end", "", len(text))


class _Parser:
    """Recursive descent: or, and, not, one predicate."""

    def __init__(self, text: str) -> None:
        self.tokens = list(_tokens(text))
        self.place = 0
        self.depth = 0

    @property
    def now(self) -> _Token:
        return self.tokens[self.place]

    def whole(self) -> Condition:
        if self.now.kind == "end":
            raise Misconfigured("a row_condition is empty", hint=_HINT)
        condition = self.either()
        if self.now.kind != "end":
            raise self.wrong("the end, `and` or `or`")
        return condition

    def either(self) -> Condition:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise Misconfigured(
                f"a row_condition is nested deeper than {MAX_DEPTH}", hint="split it into several checks"
            )
        found = [self.both()]
        while self.took("or", "|"):
            found.append(self.both())
        self.depth -= 1
        return found[0] if len(found) == 1 else AnyOf(tuple(found))

    def both(self) -> Condition:
        found = [self.one()]
        while self.took("and", "&"):
            found.append(self.one())
        return found[0] if len(found) == 1 else AllOf(tuple(found))

    def one(self) -> Condition:
        negations = 0
        while self.took("not", "~"):
            negations += 1
        if self.took("("):
            condition = self.either()
            self.must(")")
        else:
            condition = self.predicate()
        return Not(condition) if negations % 2 else condition

    def predicate(self) -> Condition:
        column, called = self.column()
        if called and self.took("."):
            return self.method(column)
        if self.now.kind == "sign" and self.now.text in _OPERATORS:
            operator = _OPERATORS[self.step().text]
            return Compare(column, operator, self.operand(called))
        if self.took("is"):
            negated = self.took("not")
            self.must("null")
            return Not(IsNull(column)) if negated else IsNull(column)
        negated = self.took("not")
        found = self.word_predicate(column, called)
        if found is None:
            if negated:
                raise self.wrong("`in`, `between` or `like`")
            return IsTrue(column)
        return Not(found) if negated else found

    def word_predicate(self, column: str, called: bool) -> Condition | None:
        if self.took("in"):
            return IsIn(column, self.values(called))
        if self.took("between"):
            low = self.operand(called)
            self.must("and")
            return AllOf((Compare(column, ">=", low), Compare(column, "<=", self.operand(called))))
        if self.took("like"):
            pattern = self.value(called)
            if not isinstance(pattern, str):
                raise self.wrong("a text after `like`")
            return Like(column, pattern)
        return None

    def method(self, column: str) -> Condition:
        token = self.step()
        name = token.text.lower().replace("_", "")
        match name:
            case "notnull" | "isnotnull" | "isnull":
                self.must("(")
                self.must(")")
                return IsNull(column) if name == "isnull" else Not(IsNull(column))
            case "isin" | "isnotin":
                self.must("(")
                values = self.values(True)
                self.must(")")
                return IsIn(column, values) if name == "isin" else Not(IsIn(column, values))
        raise self.wrong("notNull(), isNull(), is_in([…]) or is_not_in([…])", token)

    def column(self) -> tuple[str, bool]:
        """A column, and whether it was written `col("…")`."""
        token = self.now
        if token.says("col") and self.tokens[self.place + 1].says("("):
            self.place += 2
            inner = self.step()
            if inner.kind not in ("quoted", "text"):
                raise self.wrong('a name in quotes, like col("amount")', inner)
            self.must(")")
            return _unquoted(inner.text), True
        if token.kind == "quoted" or (
            token.kind == "word" and token.text.lower() not in _WORDS - {"date", "timestamp", "col"}
        ):
            self.place += 1
            return (_unquoted(token.text) if token.kind == "quoted" else token.text), False
        raise self.wrong("a column")

    def operand(self, called: bool) -> Value | Field:
        token = self.now
        text_follows = self.tokens[min(self.place + 1, len(self.tokens) - 1)].kind == "text"
        if token.says("col") or (token.kind == "quoted" and not called):
            return Field(self.column()[0])
        if token.kind == "word" and token.text.lower() not in _WORDS:
            return Field(self.column()[0])
        if token.says("date", "timestamp") and not text_follows and not self.tokens[self.place + 1].says("("):
            return Field(self.column()[0])
        return self.value(called)

    def values(self, called: bool) -> tuple[Value, ...]:
        close = "]" if self.took("[") else ")"
        if close == ")":
            self.must("(")
        found = [self.value(called)]
        while self.took(","):
            found.append(self.value(called))
        self.must(close)
        return tuple(found)

    def value(self, called: bool) -> Value:
        token = self.step()
        if token.kind == "text" or (token.kind == "quoted" and called):
            return _unquoted(token.text)
        if token.kind == "number":
            return int(token.text) if re.fullmatch(r"[+-]?\d+", token.text) else float(token.text)
        if token.says("true", "false"):
            return token.text.lower() == "true"
        if token.says("date", "timestamp"):  # the column's own type makes a date of the text
            bracket = self.took("(")
            inner = self.step()
            if inner.kind in ("text", "quoted"):
                if bracket:
                    self.must(")")
                return _unquoted(inner.text)
        raise self.wrong("a number, a text in single quotes, true or false", token)

    def step(self) -> _Token:
        token = self.now
        self.place = min(self.place + 1, len(self.tokens) - 1)
        return token

    def took(self, *texts: str) -> bool:
        if not self.now.says(*texts):
            return False
        self.step()
        return True

    def must(self, text: str) -> None:
        if not self.took(text):
            raise self.wrong(f"`{text}`")

    def wrong(self, expected: str, token: _Token | None = None) -> Misconfigured:
        token = token or self.now
        found = "its end" if token.kind == "end" else f"{token.text!r}"
        return Misconfigured(
            f"the row_condition cannot be read at character {token.at + 1}: expected {expected}, found {found}",
            hint=_HINT,
        )


def _unquoted(text: str) -> str:
    return text[1:-1].replace(text[0] * 2, text[0])


def _from_document(document: Mapping[str, Any], depth: int) -> Condition:
    """A condition as Great Expectations 1.x writes it into a suite."""
    if depth > MAX_DEPTH:
        raise Misconfigured(f"a row_condition is nested deeper than {MAX_DEPTH}", hint=_HINT)
    try:
        match document["type"]:
            case "and":
                return AllOf(tuple(_from_document(c, depth + 1) for c in document["conditions"]))
            case "or":
                return AnyOf(tuple(_from_document(c, depth + 1) for c in document["conditions"]))
            case "nullity":
                null = IsNull(document["column"]["name"])
                return null if document["is_null"] else Not(null)
            case "comparison":
                return _comparison(document)
    except (KeyError, TypeError) as error:
        raise Misconfigured(
            f"a row_condition is no condition of Great Expectations: {error}", hint=_HINT
        ) from None
    raise Misconfigured(f"a row_condition of type {document['type']!r} is not supported", hint=_HINT)


def _comparison(document: Mapping[str, Any]) -> Condition:
    column, operator, parameter = document["column"]["name"], document["operator"], document["parameter"]
    if operator in ("IN", "NOT_IN"):
        found = IsIn(column, tuple(_plain(value) for value in parameter))
        return found if operator == "IN" else Not(found)
    if operator not in _OPERATORS:
        raise Misconfigured(
            f"a row_condition has the operator {operator!r}",
            hint=f"known: {', '.join(_OPERATORS)}, IN, NOT_IN",
        )
    return Compare(column, _OPERATORS[operator], _plain(parameter))


def _plain(value: Any) -> Value:
    if isinstance(value, str | int | float | bool):
        return value
    raise Misconfigured(
        f"a row_condition compares with {value!r}", hint="compare with a text, a number, true or false"
    )
