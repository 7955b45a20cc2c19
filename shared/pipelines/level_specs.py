"""What a LEVEL / THREAD / STEP definition may say, in both of its eras; values are text or numbers, as authors like.

Keys are in capitals as in the files. An empty text is as if the key were not there.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, field_validator, model_validator

from shared.common.errors import Misconfigured, unknown
from shared.common.json_text import load_json
from shared.pipelines.plan import Engine
from shared.pipelines.work import JobService
from shared.pipelines.written import PipelineName, Written, step_name

EXECUTORS = {
    "bq-saved-query-executor": JobService.BIGQUERY,
    "dataflow-flextemplate-job-executor": JobService.DATAFLOW,
    "dataform-tag-executor": JobService.DATAFORM,
    "dataproc-serverless-app-executor": JobService.DATAPROC,
    "dataproc-serverless-job-executor": JobService.DATAPROC,
    "orch-framework-dataflow-executor": JobService.DATAFLOW,
    "orch-framework-dataflow-jdbc-to-bq-executor": JobService.DATAFLOW,
    "orch-framework-dataproc-serverless-app-executor": JobService.DATAPROC,
    "orch-framework-simple-dataform-query-executor": JobService.DATAFORM,
}
"""The executors that COMPOSER_STEP may name, and the service that does the job."""


def _text(value: Any) -> Any:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return value


def _number(value: Any) -> float:
    """A number, or text that is one: "20", 20. Not less than 0."""
    try:
        if isinstance(value, bool):
            raise ValueError
        number = float(value)
    except (TypeError, ValueError):
        raise Misconfigured("is no number", hint='such as 20 or "20"') from None
    if not 0 < number <= 31_536_000:
        raise Misconfigured("must be more than 0 and at most a year", hint='such as 20 or "20"')
    return number


def _flag(value: Any) -> bool:
    words = {"true": True, "false": False}
    found = value if isinstance(value, bool) else words.get(str(value).strip().lower())
    if found is None:
        raise Misconfigured("is neither true nor false", hint='write "True" or "False"')
    return found


def _properties(value: Any) -> dict[str, Any]:
    data = value
    if isinstance(value, str):
        try:
            data, _ = load_json(value, "STEP_PROPERTIES")
        except Misconfigured as error:
            raise Misconfigured(f"is no JSON: {error.message}", hint="an object, written as text") from None
    if not isinstance(data, dict):
        raise Misconfigured("is no JSON object", hint='such as "{\\"spark_args\\": []}"')
    return data


Id = Annotated[str, BeforeValidator(_text), Field(min_length=1, max_length=200)]
Number = Annotated[float, BeforeValidator(_number)]
Flag = Annotated[bool, BeforeValidator(_flag)]
Properties = Annotated[dict[str, Any], BeforeValidator(_properties)]
JobName = Annotated[str, BeforeValidator(_text), AfterValidator(step_name)]


class StepType(StrEnum):
    ASYNC = "async"
    SYNC = "sync"
    WORKFLOWS = "workflows"
    BOOLEAN_CHOICE = "boolean_choice"


_ALWAYS = {"JOB_ID", "JOB_NAME", "TYPE", "LAST_STEP", "CLOSE_PIPELINE"}
_WORKS = {
    "CONTINUE_IF_FAIL",
    "TIMEOUT_SECONDS",
    "RESULT_VARIABLE_NAME",
    "STEP_PROPERTIES",
    "NEXT",
    "READ_INPUT_FROM",
}
_BY_TYPE = {
    StepType.ASYNC: _WORKS
    | {
        "FUNCTION_ID_NAME",
        "FUNCTION_STATUS_NAME",
        "COMPOSER_STEP",
        "WAIT_TIME_SECONDS",
        "ASYNC_TIMEOUT_LOOP_IN_MINUTES",
    },
    StepType.SYNC: _WORKS | {"FUNCTION_NAME", "COMPOSER_STEP"},
    StepType.WORKFLOWS: _WORKS | {"workflows_NAME", "workflows_name"},
    StepType.BOOLEAN_CHOICE: {"READ_INPUT_FROM", "TRUE_JOB", "FALSE_JOB"},
}


class LevelStepSpec(Written):
    JOB_ID: Id
    JOB_NAME: JobName
    TYPE: StepType
    FUNCTION_ID_NAME: Id | None = None
    FUNCTION_STATUS_NAME: Id | None = None
    FUNCTION_NAME: Id | None = None
    WAIT_TIME_SECONDS: Number | None = None
    ASYNC_TIMEOUT_LOOP_IN_MINUTES: Number | None = None
    TIMEOUT_SECONDS: Number | None = None
    CONTINUE_IF_FAIL: Flag = False
    READ_INPUT_FROM: Id | None = None
    RESULT_VARIABLE_NAME: Id | None = None
    STEP_PROPERTIES: Properties | None = None
    NEXT: Id | None = None
    TRUE_JOB: Id | None = None
    FALSE_JOB: Id | None = None
    workflows_NAME: PipelineName | None = None  # noqa: N815 - so it is written
    workflows_name: PipelineName | None = None
    COMPOSER_STEP: Id | None = None
    CLOSE_PIPELINE: Flag = False
    LAST_STEP: Flag = False

    @model_validator(mode="before")
    @classmethod
    def _without_empty(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        needed = ("JOB_ID", "JOB_NAME", "TYPE")
        return {name: value for name, value in data.items() if name in needed or value not in ("", None)}

    @field_validator("COMPOSER_STEP")
    @classmethod
    def _known_executor(cls, value: str | None) -> str | None:
        if value is not None and value not in EXECUTORS:
            raise unknown("executor", value, EXECUTORS)
        return value

    def misfits(self, *, is_whole: bool = True) -> Iterator[tuple[str, str]]:
        """What does not go with its type: the key and the fault. Without `is_whole` nothing is said of what lacks."""
        known = _ALWAYS | _BY_TYPE[self.TYPE]
        for name in type(self).model_fields:
            if name in self.model_fields_set and name not in known:
                yield name, f"{name} means nothing in a step of type {self.TYPE}; take it out"
        if is_whole and (lacking := self._lacking()):
            yield "TYPE", f"a step of type {self.TYPE} needs {lacking}"
        if self.ends and (self.NEXT or self.TYPE is StepType.BOOLEAN_CHOICE):
            key = "LAST_STEP" if self.LAST_STEP else "CLOSE_PIPELINE"
            yield (
                key,
                "a step that ends the pipeline leads nowhere: take out NEXT, or LAST_STEP and CLOSE_PIPELINE",
            )

    def _lacking(self) -> str:
        match self.TYPE:
            case StepType.ASYNC if not (self.FUNCTION_ID_NAME or self.COMPOSER_STEP):
                return "FUNCTION_ID_NAME or COMPOSER_STEP"
            case StepType.SYNC if not (self.FUNCTION_NAME or self.COMPOSER_STEP):
                return "FUNCTION_NAME or COMPOSER_STEP"
            case StepType.WORKFLOWS if bool(self.workflows_NAME) == bool(self.workflows_name):
                return "workflows_NAME (once)"
            case StepType.BOOLEAN_CHOICE if not (self.TRUE_JOB or self.FALSE_JOB):
                return "TRUE_JOB, FALSE_JOB or both"
        return ""

    @property
    def ends(self) -> bool:
        """Whether the pipeline ends after this step."""
        return self.CLOSE_PIPELINE or self.LAST_STEP


def _filled(values: tuple[Any, ...]) -> tuple[Any, ...]:
    if not values:
        raise ValueError("is empty: write at least one")
    return values


class ThreadSpec(Written):
    THREAD_ID: Id
    STEPS: Annotated[tuple[LevelStepSpec, ...], AfterValidator(_filled)]


class LevelSpec(Written):
    LEVEL_ID: Id
    THREADS: Annotated[tuple[ThreadSpec, ...], AfterValidator(_filled)]


Levels = Annotated[tuple[LevelSpec, ...], AfterValidator(_filled)]


class LevelsSpec(Written):
    """The newer form; a bare list of levels is read as if it were `definition`."""

    engine: Engine = Engine.NONE
    definition: Levels

    @field_validator("engine")
    @classmethod
    def _named(cls, value: Engine) -> Engine:
        if value is Engine.NONE:
            raise Misconfigured("names no engine", hint="cloud_workflows or composer")
        return value
