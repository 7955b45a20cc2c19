"""Which events may pass: by operation, by a pattern of the location, by an expression on all that the event holds."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Sequence
from functools import cached_property
from typing import Annotated, Any, Protocol

import jmespath
from jmespath.exceptions import JMESPathError
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, PlainSerializer

from shared.common.errors import Misconfigured, Violation
from shared.orchestrator.event import Event, Operation


class Expression(Protocol):
    """A compiled JMESPath expression."""

    def search(self, value: Any) -> Any: ...


def compiled(text: str) -> Expression:
    """The JMESPath expression (https://jmespath.org/specification.html); `Misconfigured` when it is none."""
    try:
        found: Expression = jmespath.compile(text)
    except JMESPathError as error:
        first = str(error).splitlines()[0]
        raise Misconfigured(
            f'"{text}" is no JMESPath expression: {first}', hint="for example: payload.precipitation >= `0`"
        ) from None
    return found


def _expression(text: str) -> str:
    if text:
        compiled(text)
    return text


def _operation(value: Any) -> Any:
    return Operation.parse(value) if isinstance(value, str) else value


def _one_or_more(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


ExpressionText = Annotated[str, AfterValidator(_expression)]
OperationName = Annotated[
    Operation, BeforeValidator(_operation), PlainSerializer(lambda one: one.text, return_type=str)
]
Operations = Annotated[tuple[OperationName, ...], BeforeValidator(_one_or_more)]


class Filter(BaseModel):
    """What an input raises, or a link lets pass: all that is set must hold. Nothing set lets everything pass."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    operation: Operations = ()
    """The operations; none means all."""
    location: str = ""
    """A pattern for the whole location: `*` any characters, `?` one, `[ab]` one of these. Case counts."""
    where: ExpressionText = ""
    """JMESPath over the event as JSON; false, null and what is empty hold the event back."""

    @property
    def is_open(self) -> bool:
        return not (self.operation or self.location or self.where)

    def lets_pass(self, event: Event) -> bool:
        """Raises `Violation` when the expression cannot be evaluated for this event."""
        if self.operation and event.operation not in self.operation:
            return False
        if self.location and not self._pattern.match(event.location):
            return False
        return not self.where or truth(evaluate(self._where, self.where, event))

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        return re.compile(fnmatch.translate(self.location))

    @cached_property
    def _where(self) -> Expression:
        return compiled(self.where)


def evaluate(expression: Expression, text: str, event: Event) -> Any:
    """The expression's value for an event; `Violation` when a function of it meets what it does not take."""
    try:
        return expression.search(event.to_plain())
    except (
        JMESPathError,
        TypeError,
        ArithmeticError,
    ) as error:  # the library compares text with numbers by Python's <
        reason = str(error).splitlines()[0]
        raise Violation(f'"{text}" cannot be evaluated: {reason}', location=event.location) from None


def truth(value: Any) -> bool:
    """What JMESPath takes for true: 0 is, and whatever is empty is not."""
    if isinstance(value, str | Sequence | dict):
        return bool(len(value))
    return value is not None and value is not False
