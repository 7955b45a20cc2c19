"""The one rule for exit codes, and errors as text."""

from __future__ import annotations

import pytest

from shared.common.errors import Misconfigured, Refused, SluiceError, Superseded, Transient, Violation
from src.cli.outcome import EXIT_CODES, Exit, exit_code, told


@pytest.mark.parametrize(
    ("errors", "others", "code"),
    [
        ([], [], 0),
        ([], ["plans"], 0),
        ([Transient("down")], [], 1),
        ([Superseded("late")], [], 1),
        ([SluiceError("odd")], ["plans"], 1),
        ([Misconfigured("typo")], [], 2),
        ([Refused("no"), Refused("no")], [], 3),
        ([Violation("bad")], [], 4),
    ],
)
def test_the_code_says_who_has_to_act(errors: list[SluiceError], others: list[str], code: int) -> None:
    """The classes of errors are named by who acts, and so are the codes."""
    assert code == exit_code(errors, others=others)


@pytest.mark.parametrize("error", [Transient("down"), Refused("no"), Misconfigured("typo")])
def test_a_failure_beside_streams_that_went_well_is_1(error: SluiceError) -> None:
    """A script can tell that something has been committed."""
    assert Exit.FAILED == exit_code([error], others=["plans"])


def test_broken_data_is_4_whatever_else_happened() -> None:
    """Nobody else than the data's owner can mend it, so it must not hide behind another failure."""
    assert Exit.VIOLATION == exit_code([Refused("no"), Violation("bad"), Transient("down")], others=["plans"])


def test_different_causes_without_any_success_are_1() -> None:
    """No single owner can be named."""
    assert Exit.FAILED == exit_code([Refused("no"), Transient("down")])


def test_every_code_is_explained() -> None:
    """--help lists them."""
    assert list(Exit) == list(EXIT_CODES)


def test_an_error_is_told_line_by_line() -> None:
    """What happened, where, and what would be right: each has its line, also when the message has several."""
    error = Misconfigured(
        "a.yml:1:1 unknown key\na.yml:2:1 is empty", hint="see the docs\n  or ask", file="a.yml"
    )

    assert told(error).splitlines() == [
        "error: a.yml:1:1 unknown key",
        "  a.yml:2:1 is empty",
        "  where: file a.yml",
        "  hint:  see the docs",
        "         or ask",
    ]
