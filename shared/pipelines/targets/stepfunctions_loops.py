"""Attempts of several calls, as branches of their own: ingestion and load until they are done, jobs until they end."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any

from shared.common.errors import Misconfigured
from shared.pipelines.step import Step
from shared.pipelines.targets.stepfunctions_flow import Flow, State, invoke, limit
from shared.pipelines.targets.stepfunctions_values import Path, Payload
from shared.pipelines.targets.target import Options
from shared.pipelines.values import MapOf, Reference, Root, resolve
from shared.pipelines.work import (
    LONGEST_POLL_SECONDS,
    RUNNING_STATES,
    SUCCEEDED_STATES,
    Ingest,
    Job,
    Load,
)

SLICE_SECONDS = 960.0
"""A little more than a Lambda function may take."""
SLICES = 400
"""Invocations of one attempt at most: 14 events each, of the 25,000 that an execution may have."""
PROTOCOL = (
    "workflow_name",
    "execution_id",
    "job_name",
    "query_variables",
    "workflow_properties",
    "step_properties",
)
PER_POLL = 13
"""Events of the history that one question for the state of a job makes."""


@dataclass(slots=True)
class Loops:
    """Makes the branch of one step; each method fills a flow and returns what the branch is given."""

    step: Step
    label: str
    options: Options
    wanted: Mapping[tuple[Path, bool], str]
    parameters: Collection[str] = ()

    def ingest(self, flow: Flow) -> dict[str, Any]:
        """The answer of the ingest function is its next event, until it says that it is done."""
        work = self.step.work
        assert isinstance(work, Ingest)
        event: dict[str, Any] = {"source": work.source}
        if work.streams:
            event["streams"] = list(work.streams)
        if work.full_refresh:
            event["full_refresh"] = True
        given: dict[str, Any] = {"event": event, "n": 0, "sum": 0}
        task = invoke(f"{self.options.app}-{work.source}-ingest", {"Payload.$": "$.event"})
        flow.add(self._name("ingest"), task | self._slice())
        flow.put(self._name("count"), {"event.$": "$.r.o", "n.$": "States.MathAdd($.n, 1)", "sum": 0})
        done, many, late = flow.choose(
            self._name("done?"),
            [
                {"Variable": "$.event.done", "BooleanEquals": True},
                {"Variable": "$.n", "NumericGreaterThanEquals": self._slices()},
                {"Variable": "$.event.retry_after", "IsNumeric": True},
            ],
        )
        flow.join(self._name("ingest"))
        flow.ends = late
        flow.add(self._name("patience"), {"Type": "Wait", "SecondsPath": "$.event.retry_after"})
        flow.join(self._name("ingest"))
        flow.ends = many
        flow.fail(
            self._name("unfinished"), "Unfinished", "the ingestion was not done in the time that it has"
        )
        flow.ends = done
        output = {f"{name}.$": f"$.event.{name}" for name in ("source", "run", "done", "streams")}
        if self._wants("rows"):
            self._sum(flow, "rows", "$.event.streams.*.rows", keep={"event": "$.event"})
            flow.put(self._name("rows so far"), {"event.$": "$.event", "rows.$": "$.sum", "sum": 0, "n": 0})
            output["rows.$"] = "$.rows"
        if work.load:
            self._loading(
                flow, work.source, work.streams, keep=("event", "rows") if "rows.$" in output else ("event",)
            )
            if self._wants("loaded"):
                output["loaded.$"] = "$.sum"
        flow.put(self._name("output"), output)
        self._end(flow)
        return given

    def load(self, flow: Flow) -> dict[str, Any]:
        """The load function again and again until nothing is left."""
        work = self.step.work
        assert isinstance(work, Load)
        self._loading(flow, work.source, work.streams, keep=())
        rows = {"rows.$": "$.sum"} if self._wants("rows") else {}
        flow.put(self._name("output"), {"source": work.source, **rows})
        self._end(flow)
        return {"n": 0, "sum": 0}

    def _loading(self, flow: Flow, source: str, streams: tuple[str, ...], *, keep: tuple[str, ...]) -> None:
        kept = {name: f"$.{name}" for name in keep}
        for number, stream in enumerate(streams or ("",), start=1):
            tag = "load" if number == 1 else f"load {number}"
            event = {"source": source} | ({"stream": stream} if stream else {})
            task = invoke(f"{self.options.app}-load", {"Payload": event})
            flow.put(self._name(f"begin {tag}"), {"n": 0, "sum.$": "$.sum", **_paths(kept)})
            flow.add(self._name(tag), task | self._slice())
            if self._wants("rows" if isinstance(self.step.work, Load) else "loaded"):
                self._sum(flow, f"{tag} rows", "$.r.o.loads.*.rows", keep={"r": "$.r", "n": "$.n", **kept})
            flow.put(
                self._name(f"{tag} count"),
                {"r.$": "$.r", "sum.$": "$.sum", "n.$": "States.MathAdd($.n, 1)", **_paths(kept)},
            )
            again = {"Variable": "$.r.o.done", "BooleanEquals": False}
            many = {"And": [again, {"Variable": "$.n", "NumericGreaterThanEquals": self._slices()}]}
            gives_up, left = flow.choose(self._name(f"{tag} done?"), [many, dict(again)])
            done = flow.aside(gives_up)
            flow.fail(
                self._name(f"{tag} unfinished"), "Unfinished", "the load was not done in the time that it has"
            )
            flow.ends = left
            flow.join(self._name(tag))
            flow.ends = done

    def _sum(self, flow: Flow, tag: str, numbers: str, *, keep: Mapping[str, str]) -> None:
        """Add the numbers to `$.sum`; JSONPath has no sum, so one after the other."""
        kept = _paths(keep)
        flow.put(self._name(f"{tag}: numbers"), {"list.$": numbers, "i": 0, "sum.$": "$.sum", **kept})
        # Whether a path that finds one number gives a list of it is left open by Amazon's documentation.
        (single,) = flow.choose(self._name(f"{tag}: one?"), [{"Variable": "$.list", "IsNumeric": True}])
        several = flow.aside(single)
        flow.put(
            self._name(f"{tag}: list of one"), {"list.$": "States.Array($.list)", "sum.$": "$.sum", **kept}
        )
        flow.ends += several
        flow.put(
            self._name(f"{tag}: how many"),
            {"size.$": "States.ArrayLength($.list)", "list.$": "$.list", "i": 0, "sum.$": "$.sum", **kept},
        )
        all_there = {"Variable": "$.i", "NumericGreaterThanEqualsPath": "$.size"}
        (over,) = flow.choose(self._name(f"{tag}: all?"), [all_there])
        flow.put(
            self._name(f"{tag}: add"),
            {
                "sum.$": "States.MathAdd($.sum, States.ArrayGetItem($.list, $.i))",
                "i.$": "States.MathAdd($.i, 1)",
                "list.$": "$.list",
                "size.$": "$.size",
                **kept,
            },
        )
        flow.join(self._name(f"{tag}: all?"))
        flow.ends = over

    def protocol(self, flow: Flow, payload: Payload, job: Job, pipeline: str) -> None:
        """What a function of a job is told; makes the state that puts it together. Raises `Misconfigured`."""
        for name in (job.start, job.status or ""):
            if "://" in name:
                raise Misconfigured(
                    f"{self.step.place} {name} is a URL, and Step Functions invokes functions of Lambda; name one"
                )
        run = {name: Reference(Root.RUN, name) for name in ("id", "date")}
        body: dict[str, Any] = {
            "workflow_name": pipeline,
            **payload.entry("execution_id", run["id"]),
            "job_name": job.job_name or self.step.name,
            "query_variables.$": "$.run.dates",
            "workflow_properties": {},
        }
        if "workflow_properties" in self.parameters:
            del body["workflow_properties"]
            body |= payload.entry("workflow_properties", Reference(Root.PARAMETER, "workflow_properties"))
        if any(True for _ in _references(job.properties)):
            given = payload.entry("given", job.properties)
            self._constants(flow, payload)
            flow.put(self._name("properties"), given, "$.x")
            body["step_properties.$"] = "States.JsonToString($.x.given)"
        else:
            body["step_properties"] = json.dumps(resolve(job.properties, _none), ensure_ascii=False)
        if job.input is not None:
            body |= payload.entry("input", job.input)
            self._constants(flow, payload, again=True)
        flow.put(self._name("request"), body, "$.q")

    def _constants(self, flow: Flow, payload: Payload, *, again: bool = False) -> None:
        if payload.constants:
            flow.result(self._name(f"constants{' again' if again else ''}"), list(payload.constants), "$.k")

    def job(self, flow: Flow, job: Job, *, polls: int) -> dict[str, Any]:
        """Start a job, ask for its state until it ends; one call where there is no function to ask."""
        fields = [*PROTOCOL, "input"] if job.input is not None else PROTOCOL
        given = {"q.$": "$.q", "n": 0}
        flow.put(self._name("start request"), _call("get_id", job.start, fields))
        start = invoke(job.start, {"Payload.$": "$.call"}) | self._call_limit(job)
        flow.add(self._name("start"), start)
        if job.status is None:
            flow.add(self._name("output"), {"Type": "Pass", "InputPath": "$.r.o"})
            self._end(flow)
            return given
        self._named(flow, "id", ("async_job_id", "id", "job_id"), "$.job")
        seconds = job.poll_timeout_seconds or LONGEST_POLL_SECONDS
        if self.step.timeout_seconds is not None:
            seconds = min(seconds, self.step.timeout_seconds)
        pause = max(1, ceil(min(job.poll_seconds, seconds)), ceil(seconds / polls))
        flow.put(self._name("ask request"), _call("get_status", job.status, fields, job=True))
        flow.add(self._name("pause"), {"Type": "Wait", "Seconds": pause})
        flow.add(self._name("ask"), invoke(job.status, {"Payload.$": "$.call"}) | self._call_limit(job))
        self._named(flow, "state", ("state", "status"), "$.state")
        flow.put(self._name("count"), {f"{n}.$": f"$.{n}" for n in ("q", "job", "state", "call")} | {
            "n.$": "States.MathAdd($.n, 1)"
        })  # fmt: skip
        running = {"Or": [_is(state) for state in sorted(RUNNING_STATES)]}
        rules: list[State] = [
            {"Or": [_is(state) for state in sorted(SUCCEEDED_STATES)]},
            {
                "And": [
                    running,
                    {"Variable": "$.n", "NumericGreaterThanEquals": max(1, ceil(seconds / pause))},
                ]
            },
            dict(running),
        ]
        well, late, again = flow.choose(self._name("which state?"), rules)
        failing = {"Type": "Fail", "Error": "JobFailed", "CausePath": "States.JsonToString($.state)"}
        flow.add(self._name("ended badly"), failing, leads="")
        flow.ends = late
        flow.fail(self._name("too long"), "JobTimeout", f"the job was still running after {seconds:g} s")
        flow.ends = again
        flow.join(self._name("pause"))
        flow.ends = well
        flow.put(self._name("output"), {"id.$": "$.job", "state.$": "$.state"})
        self._end(flow)
        return given

    def _named(self, flow: Flow, what: str, names: tuple[str, ...], path: str) -> None:
        """An id or a state: the answer itself, or a field of it; else the attempt fails."""
        rules: list[dict[str, Any]] = [
            {"Variable": "$.r.o", "IsString": True},
            {"Variable": "$.r.o", "IsNumeric": True},
        ]
        for name in names:
            at = {"Variable": f"$.r.o.{name}"}
            rules.append({"And": [{**at, "IsPresent": True}, {"Not": {**at, "IsNull": True}}]})
        found = flow.choose(self._name(f"{what}?"), rules)
        flow.fail(
            self._name(f"no {what}"),
            f"No{what.title()}",
            f"the function answered neither {' nor '.join(names)}",
        )
        ends = []
        for source, end in zip(("", "", *names), found, strict=True):
            if not source:
                ends += end
        flow.ends = ends
        flow.copy(self._name(what), "$.r.o", path)
        rest = flow.ends
        for name, end in zip(names, found[2:], strict=True):
            flow.ends = end
            flow.copy(self._name(f"{what} in {name}"), f"$.r.o.{name}", path)
            rest += flow.ends
        flow.ends = rest

    def _name(self, what: str) -> str:
        return f"{self.label} ({what})"

    def _wants(self, field: str) -> bool:
        return any(not path or path[0] == field for path, _ in self.wanted)

    def _slices(self) -> int:
        limit_ = self.step.timeout_seconds
        return SLICES if limit_ is None else max(1, min(SLICES, ceil(limit_ / SLICE_SECONDS)))

    def _slice(self) -> dict[str, Any]:
        return limit(min(SLICE_SECONDS, self.step.timeout_seconds or SLICE_SECONDS))

    def _call_limit(self, job: Job) -> dict[str, Any]:
        given = [s for s in (job.call_timeout_seconds, self.step.timeout_seconds) if s is not None]
        return limit(min(given)) if given else limit(SLICE_SECONDS)

    def _end(self, flow: Flow) -> None:
        for state, key in flow.ends:
            assert key == "Next"
            state["End"] = True
        flow.ends = []


def _none(reference: Reference) -> None:
    """There are no references where this is asked."""


def _is(state: str) -> dict[str, str]:
    return {"Variable": "$.state", "StringEquals": state}


def _paths(kept: Mapping[str, str]) -> dict[str, str]:
    return {f"{name}.$": path for name, path in kept.items()}


def _call(kind: str, function: str, fields: Iterable[str], *, job: bool = False) -> dict[str, Any]:
    """The state with the request for a function in `call`."""
    told = {f"{name}.$": f"$.q.{name}" for name in fields}
    own = {"call_type": kind, "function_url_to_call": function} | ({"async_job_id.$": "$.job"} if job else {})
    kept = {"q.$": "$.q", "n.$": "$.n"} | ({"job.$": "$.job"} if job else {})
    return {"call": own | told, **kept}


def _references(properties: MapOf) -> Any:
    from shared.pipelines.values import references

    return references(properties)
