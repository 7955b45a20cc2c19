"""Examples of LEVEL files: jumps, choices, other workflows, ends, data, failures, and how long a job is asked."""

# ruff: noqa: E501 - a file is a line

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.shared.pipelines.targets.cells.example import Broken, Example, level_file
from tests.shared.pipelines.targets.cells.flow import once

_NO = Broken("it is so")


def asked(name: str, **keys: Any) -> dict[str, Any]:
    """A job that is started, asked for its state every second, and given up after three."""
    return {
        "JOB_ID": name, "JOB_NAME": name, "TYPE": "async", "FUNCTION_ID_NAME": "@starter",
        "FUNCTION_STATUS_NAME": "@asker", "WAIT_TIME_SECONDS": "1", "ASYNC_TIMEOUT_LOOP_IN_MINUTES": "0.05", **keys,
    }  # fmt: skip


def choice(**keys: str) -> dict[str, Any]:
    return {"JOB_ID": "choice", "JOB_NAME": "choice", "TYPE": "boolean_choice", **keys}


def _levels(*written: Any, **keys: Any) -> Example:
    return Example(text=level_file(*written), file="p.json", **keys)


_CHOICE = (
    [
        [
            once("ask"),
            choice(TRUE_JOB="yes", FALSE_JOB="no"),
            once("yes") | {"NEXT": "end"},
            once("no"),
            once("end"),
        ]
    ],
    [[once("later")]],
)
_CLOSING = (
    [[once("ask"), choice(TRUE_JOB="yes"), once("no") | {"CLOSE_PIPELINE": "True"}, once("yes")]],
    [[once("later")]],
)

LEVEL_FILES: Mapping[str, Example] = {
    "a choice that is true": _levels(*_CHOICE, answers={"ask": ["true"]}, order="ask yes end later"),
    "a choice that is not": _levels(*_CHOICE, answers={"ask": ["no such word"]}, order="ask no end later"),
    "a choice on what it reads": _levels(
        [[once("ask") | {"RESULT_VARIABLE_NAME": "found"}, once("other")]],
        [[choice(READ_INPUT_FROM="found", TRUE_JOB="yes", FALSE_JOB="no"), once("yes") | {"LAST_STEP": "True"}, once("no")]],
        answers={"ask": [True], "other": [False]},
        order="ask other yes",
    ),
    "a side that closes the pipeline": _levels(*_CLOSING, answers={"ask": [False]}, order="ask no"),
    "the other side of it": _levels(*_CLOSING, answers={"ask": ["True"]}, order="ask yes later"),
    "another workflow": _levels(
        [[{"JOB_ID": "1", "JOB_NAME": "run", "TYPE": "workflows", "workflows_NAME": "other", "STEP_PROPERTIES": '{"day": "x", "n": 5}'}]],
        [[once("later")]],
        order="other later",
        said={"other": {"day": "x", "n": 5}},
    ),
    "a jump": _levels([[once("a") | {"NEXT": "c"}, once("c")]], order="a c"),
    "the last step": _levels([[once("a")], [once("b")]], [[once("c") | {"LAST_STEP": "True"}]], ran="a b c", before=[("a", "c"), ("b", "c")]),
    "what a step reads": _levels(
        [[once("a") | {"RESULT_VARIABLE_NAME": "rows"}]],
        [[asked("b", READ_INPUT_FROM="rows")]],
        order="a b b?",
    ),
    "a failure that is tolerated": _levels(
        [[asked("a", CONTINUE_IF_FAIL="True")]], [[once("b")]],
        answers={"a?": ["FAILED"]}, order="a a? b", ends="failed",
    ),
    "a failure that is not": _levels([[once("a")], [once("b")]], [[once("c")]], answers={"a": [_NO]}, ran="a b", ends="failed"),
    "a job that never ends": _levels([[asked("a")]], [[once("c")]], answers={"a?": ["RUNNING"]}, order="a a? a? a?", ends="failed"),
    "an unknown state": _levels([[asked("a")]], answers={"a?": ["RUNNING", "PAUSED"]}, order="a a? a?", ends="failed"),
}  # fmt: skip
