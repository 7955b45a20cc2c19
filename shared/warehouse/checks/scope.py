"""The columns of one table as SQL, and the conditions of checks over them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from shared.common.errors import Misconfigured, unknown
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
from shared.warehouse.checks.dialect import Dialect


@dataclass(frozen=True, slots=True)
class Scope:
    """A table, which stands in SQL as it is; its columns with their types; the column of each renamed field."""

    dialect: Dialect
    table: str
    types: Mapping[str, str]
    names: Mapping[str, str]

    def real(self, field: str) -> str:
        """The column of a field. Raises `Misconfigured` listing the known ones."""
        name = self.names.get(field, field)
        if name in self.types:
            return name
        folded = [known for known in self.types if known.casefold() == name.casefold()]
        if len(folded) == 1:
            return folded[0]
        raise unknown("column", field, self.types)

    def knows(self, field: str) -> bool:
        try:
            self.real(field)
        except Misconfigured:
            return False
        return True

    def column(self, field: str) -> str:
        return self.dialect.quote(self.real(field))

    def is_text(self, field: str) -> bool:
        return self.dialect.is_text(self.types[self.real(field)])

    def exact(self, field: str) -> str:
        """The column, so that values which differ are not equal."""
        column = self.column(field)
        return self.dialect.exact.format(x=column) if self.is_text(field) else column

    def spelled(self, field: str) -> str:
        """The column as text for patterns and lengths."""
        column = self.column(field)
        if not self.is_text(field):
            column = self.dialect.cast_text.format(x=column)
        return self.dialect.spelled.format(x=column)

    def in_set(self, field: str, values: tuple[Value, ...]) -> str:
        # Nothing is in the empty set, but for SQL, which has none.
        return (
            f"{self.exact(field)} IN ({self.dialect.listed(values)})"
            if values
            else f"{self.column(field)} IS NULL"
        )

    def like(self, field: str, pattern: str) -> str:
        literal = self.dialect.literal
        return f"{self.spelled(field)} LIKE {literal(pattern)} ESCAPE {literal(chr(92))}"

    def matches(self, field: str, pattern: str) -> str:
        return self.dialect.regex.format(x=self.spelled(field), p=self.dialect.literal(pattern))

    def length(self, field: str) -> str:
        column = self.column(field)
        if not self.is_text(field):
            column = self.dialect.cast_text.format(x=column)
        return self.dialect.length.format(x=column)

    def where(self, condition: Condition | None) -> str | None:
        """The condition as SQL, complete in itself."""
        return None if condition is None else self._sql(condition)

    def _sql(self, condition: Condition) -> str:
        match condition:
            case Compare(column, operator, operand):
                right = (
                    self.exact(operand.name) if isinstance(operand, Field) else self.dialect.literal(operand)
                )
                return f"({self.exact(column)} {operator} {right})"
            case IsNull(column):
                return f"({self.column(column)} IS NULL)"
            case IsTrue(column):
                return f"({self.column(column)} = TRUE)"
            case IsIn(column, values):
                return f"({self.in_set(column, values)})"
            case Like(column, pattern):
                return f"({self.like(column, pattern)})"
            case Not(inner):
                return f"(NOT {self._sql(inner)})"
            case AllOf(conditions):
                return "(" + " AND ".join(map(self._sql, conditions)) + ")"
            case AnyOf(conditions):
                return "(" + " OR ".join(map(self._sql, conditions)) + ")"


def both(*conditions: str | None) -> str | None:
    """The conjunction of conditions; None where nothing is asked.

    >>> print(both("a = 1", None, "b = 2"))
    a = 1 AND b = 2
    """
    return " AND ".join(condition for condition in conditions if condition) or None
