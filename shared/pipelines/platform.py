"""What LEVEL files need beside them: the parameters of the platform, and the documents that schedule a pipeline."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
)

from shared.common.documents import read_json_document
from shared.common.errors import unknown
from shared.common.json_text import load_json
from shared.common.places import Problems
from shared.pipelines.schedule import Cron, Schedule, parse_cron, parse_timezone
from shared.pipelines.written import PipelineName, Written


@dataclass(frozen=True, slots=True)
class Platform:
    """Where the functions of a platform are. Empty text where the file does not say; a target says what it needs."""

    project: str = ""
    region: str = ""
    intermediate: str = ""
    jobs_bucket: str = ""
    environment: str = ""
    prefix: str = ""
    asynchronous: str = ""
    synchronous: str = ""

    @property
    def functions_url(self) -> str:
        """Where its functions are called: a name goes behind it."""
        return f"https://{self.region}-{self.project}.cloudfunctions.net/"


_KEYS = {
    "pProjectID": "project",
    "pProjectId": "project",
    "pRegion": "region",
    "pFunctionIntermediateName": "intermediate",
    "pJobsDefinitionsBucket": "jobs_bucket",
    "pEnvironment": "environment",
    "pApplicationPrefix": "prefix",
    "pFunctionStepAsynchronousName": "asynchronous",
    "pFunctionStepSynchronousName": "synchronous",
}


class _Pair(Written):
    ParameterKey: str
    ParameterValue: str | int | float


def read_platform(text: str | bytes, *, file: str) -> Platform:
    """Parameters: `[{"ParameterKey": k, "ParameterValue": v}]`. Raises `Misconfigured` with all that is wrong."""
    document = read_json_document(text, file=file)
    problems = Problems(file)
    try:
        pairs = TypeAdapter(list[_Pair]).validate_python(document.data)
    except ValidationError as error:
        for detail in error.errors(include_url=False):
            path = [
                key
                for key in detail["loc"]
                if not isinstance(key, str) or key in ("ParameterKey", "ParameterValue")
            ]
            problems.add(document.position(*path), f"{'.'.join(map(str, detail['loc']))}: {detail['msg']}")
        raise problems.error() from None
    found: dict[str, str] = {}
    for index, pair in enumerate(pairs):
        name = _KEYS.get(pair.ParameterKey)
        at = document.position(index, "ParameterKey")
        if name is None:
            stranger = unknown("ParameterKey", pair.ParameterKey, _KEYS)
            problems.add(at, f"{stranger.message}; {stranger.hint}")
        elif name in found:
            problems.add(at, f'parameter "{pair.ParameterKey}" is here twice')
        else:
            found[name] = str(pair.ParameterValue)
    problems.check()
    return Platform(**found)


def _crontab(text: str) -> Cron:
    return parse_cron(text)


def _object(value: Any) -> Any:
    return load_json(value, "workflow_properties")[0] if isinstance(value, str) else value


class Scheduling(BaseModel):
    """A scheduling document: when a pipeline of LEVEL files runs, and with which properties."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    workflows_name: PipelineName
    crond_expression: Annotated[Cron, BeforeValidator(_crontab)]
    time_zone: Annotated[str, AfterValidator(parse_timezone)] = "UTC"
    date_format: str = "%Y-%m-%d"
    workflow_status: str = Field("ENABLED", pattern="^(ENABLED|DISABLED)$")
    workflow_properties: Annotated[Mapping[str, Any], BeforeValidator(_object)] = Field({})

    @property
    def schedule(self) -> Schedule | None:
        """The schedule; None where it is disabled."""
        if self.workflow_status == "DISABLED":
            return None
        return Schedule(self.crond_expression, self.time_zone)


def read_scheduling(text: str | bytes, *, file: str) -> Scheduling:
    """A scheduling document. Raises `Misconfigured` with all that is wrong."""
    return read_json_document(text, file=file).parse(Scheduling)
