"""Subworkflows that every generated workflow for Google Cloud Workflows brings along, so that steps stay short.

Nothing here relies on `and` stopping early, on comparisons between types, or on indices that may not be there: types
are asked first. Errors are raised as maps, because a text has no code.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from shared.pipelines.work import RUNNING_STATES, SUCCEEDED_STATES

Workflow = dict[str, Any]
_NUMBERS = '["int", "integer", "double", "float"]'


def _when(condition: str, *steps: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "switch": [{"condition": f"${{{condition}}}", **({"steps": list(steps)} if steps else {}), **more}]
    }


FOLLOW: Workflow = {
    "params": ["data", "path"],
    "steps": [
        {"begin": {"assign": [{"here": "${data}"}, {"nothing": None}]}},
        {
            "walk": {
                "for": {
                    "value": "key",
                    "in": "${path}",
                    "steps": [
                        {"look": {"assign": [{"kind": "${get_type(here)}"}, {"next_one": "${nothing}"}]}},
                        {"of_map": _when('kind == "map" and get_type(key) == "string"', {"in_map": _when(
                            "key in keys(here)", {"take_named": {"assign": [{"next_one": "${here[key]}"}]}})})},
                        {"of_list": _when('kind == "list" and get_type(key) != "string"', {"in_list": _when(
                            "key < len(here)", {"take_placed": {"assign": [{"next_one": "${here[key]}"}]}})})},
                        {"step_on": {"assign": [{"here": "${next_one}"}]}},
                    ],
                }
            }
        },
        {"end_of_path": {"return": ["${here}"]}},
    ],
}  # fmt: skip
"""What lies at a path; null where there is nothing. A list of one: a workflow cannot return null everywhere."""

TEXT_OF: Workflow = {
    "params": ["value"],
    "steps": [
        {"kind_of_value": {"assign": [{"kind": "${get_type(value)}"}]}},
        {"no_value": _when('kind == "null"', {"no_text": {"return": ""}})},
        {"is_text": _when('kind == "string"', {"same_text": {"return": "${value}"}})},
        {"other_value": {"return": "${json.encode_to_string(value, false)}"}},
    ],
}
"""What a value is inside of text."""

URL_PIECE: Workflow = {
    "params": ["said", "in_path"],
    "steps": [
        {"dots": _when('in_path and said in [".", ".."]', {"no_piece": {"raise": {
            "code": 400, "message": "a value would choose another path of the URL", "tags": ["AnotherPath"]}}})},
        {"piece": {"return": '${text.replace_all(text.url_encode(said), "/", "%2F")}'}},
    ],
}  # fmt: skip
"""Text as a piece of a URL, which it cannot leave: `.` and `..` in a path fail, for no encoding keeps them there."""

COMPARE: Workflow = {
    "params": ["left", "operator", "right"],
    "steps": [
        {"kinds": {"assign": [
            {"one": "${get_type(left)}"},
            {"other": "${get_type(right)}"},
            {"numbers": f"${{one in {_NUMBERS} and other in {_NUMBERS}}}"},
            {"texts": '${one == "string" and other == "string"}'},
            {"result": False},
        ]}},
        {"equality": _when('operator == "=="', {"same_kind": _when(
            "numbers or one == other",
            {"encoded": {"assign": [{"result": "${json.encode_to_string(left) == json.encode_to_string(right)}"}]}},
            {"as_numbers": _when("numbers", {"equal_numbers": {"assign": [{"result": "${left == right}"}]}})},
        )})},
        *({f"order_{name}": _when(f'operator == "{sign}" and (numbers or texts)', {f"is_{name}": {
            "assign": [{"result": f"${{left {sign} right}}"}]}})}
          for name, sign in (("less", "<"), ("at_most", "<="), ("greater", ">"), ("at_least", ">="))),
        {"compared": {"return": "${result}"}},
    ],
}  # fmt: skip
"""A comparison by type and value; an order only between two numbers or two texts."""

NAMED: Workflow = {
    "params": ["answer", "names"],
    "steps": [
        {"as_is": {"assign": [{"found": "${answer}"}]}},
        {"in_a_map": _when('get_type(answer) == "map"', {"none_yet": {"assign": [{"found": ""}]}}, {"each_name": {
            "for": {"value": "name", "in": "${names}", "steps": [
                {"has_name": _when('found == "" and name in keys(answer)', {"take": {"assign": [
                    {"found": "${answer[name]}"}]}})},
            ]}}})},
        {"is_there": _when('not(get_type(found) in ["string", "int", "integer"])', {"unusable": {"raise": {
            "message": "an executor function gave no answer that can be used", "code": 502, "tags": ["NoAnswer"]}}})},
        {"is_empty": _when('string(found) == ""', {"unnamed": {"raise": {
            "message": "an executor function gave an empty answer", "code": 502, "tags": ["NoAnswer"]}}})},
        {"named": {"return": "${string(found)}"}},
    ],
}  # fmt: skip
"""An id or a state: the answer itself, or a field of it."""


def run_job(timeout: int) -> Workflow:
    """Start a job, ask for its state until it ends: any state that is neither good nor running ends it, and time does.

    The seconds that a call may take are a number in the source, so there is one of these for each such number.
    """
    post = {"call": "http.post", "args": {
        "url": "${url}", "auth": {"type": "OIDC"}, "timeout": timeout, "body": "${map.merge(body, call)}"},
        "result": "answer"}  # fmt: skip
    return {
    "params": ["url", "body", "start", "status", "poll", "limit"],
    "steps": [
        {"start_call": {"assign": [{"call": {"call_type": "get_id", "function_url_to_call": "${start}"}}]}},
        {"start_job": dict(post)},
        {"one_call": _when('status == ""', {"answered": {"return": ["${answer.body}"]}})},
        {"name_job": {"call": "named", "args": {
            "answer": "${answer.body}", "names": ["async_job_id", "id", "job_id"]}, "result": "job"}},
        {"poll_call": {"assign": [
            {"call": {"call_type": "get_status", "function_url_to_call": "${status}", "async_job_id": "${job}"}},
            {"waited": 0},
        ]}},
        {"pause": {"call": "sys.sleep", "args": {"seconds": "${poll}"}}},
        {"ask": dict(post)},
        {"name_state": {"call": "named", "args": {"answer": "${answer.body}", "names": ["state", "status"]},
                        "result": "state"}},
        {"count": {"assign": [
            {"waited": "${waited + poll}"},
            {"well": sorted(SUCCEEDED_STATES)},
            {"running": sorted(RUNNING_STATES)},
        ]}},
        {"ended_well": _when("state in well", {"done": {"return": [{"id": "${job}", "state": "${state}"}]}})},
        {"ended_badly": _when("not(state in running)", {"failed": {"raise": {
            "message": "${\"job \" + job + \" ended in state \" + state}", "code": 500, "tags": ["JobFailed"]}}})},
        {"too_long": _when("waited >= limit", {"late": {"raise": {
            "message": "${\"job \" + job + \" was still \" + state}", "code": 504, "tags": ["JobTimeout"]}}})},
        {"again": {"assign": [{"answer": None}], "next": "pause"}},
    ],
    }  # fmt: skip


CHECK_ANSWER: Workflow = {
    "params": ["answer", "expect"],
    "steps": [
        {"no_answer": _when('not("code" in keys(answer))', {"nobody": {"raise": "${answer}"}})},
        {"any_good": _when("len(expect) == 0 and answer.code >= 200 and answer.code < 300", {"good": {
            "return": {"status": "${answer.code}", "body": "${answer.body}"}}})},
        {"as_expected": _when("answer.code in expect", {"fine": {
            "return": {"status": "${answer.code}", "body": "${answer.body}"}}})},
        {"unexpected": {"raise": {"message": "${\"unexpected status \" + string(answer.code)}",
                                  "code": 502, "tags": ["UnexpectedStatus"]}}},
    ],
}  # fmt: skip
"""The output of a call, from its answer or its error; a status that is not expected is an error."""

TURN: Workflow = {
    "params": ["most"],
    "steps": [
        {"where": {"assign": [
            {"place": '${"projects/" + sys.get_env("GOOGLE_CLOUD_PROJECT_ID")}'},
            {"place": '${place + "/locations/" + sys.get_env("GOOGLE_CLOUD_LOCATION")}'},
            {"place": '${place + "/workflows/" + sys.get_env("GOOGLE_CLOUD_WORKFLOW_ID")}'},
            {"me": '${sys.get_env("GOOGLE_CLOUD_WORKFLOW_EXECUTION_ID")}'},
        ]}},
        {"list_runs": {"try": {"call": "http.get", "args": {
            "url": '${"https://workflowexecutions.googleapis.com/v1/" + place + "/executions"}',
            "auth": {"type": "OAuth2"}, "timeout": 60, "query": {"filter": 'state="ACTIVE"', "pageSize": 1000}},
            "result": "answer"}, "retry": {"predicate": "${every_failure}", "max_retries": 8, "backoff": {
                "initial_delay": 5, "max_delay": 60, "multiplier": 2}}}},
        {"no_runs": {"assign": [{"runs": []}, {"older": 0}, {"seen": False}]}},
        {"some_runs": _when('"executions" in keys(answer.body)', {"take_runs": {"assign": [
            {"runs": "${answer.body.executions}"}]}})},
        {"each_run": {"for": {"value": "run", "in": "${runs}", "steps": [
            {"one_more": _when("seen", {"count_it": {"assign": [{"older": "${older + 1}"}]}})},
            {"is_me": _when("len(text.find_all(run.name, me)) > 0",
                            {"saw_me": {"assign": [{"seen": True}]}})},
        ]}}},
        {"my_turn": _when("older < most", {"begin_now": {"return": True}})},
        {"wait_for_turn": {"call": "sys.sleep", "args": {"seconds": 60}}},
        {"ask_again": {"assign": [{"answer": None}], "next": "list_runs"}},
    ],
}  # fmt: skip
"""Wait until this is one of the oldest executions that are active; the list has the newest first."""

EVERY_FAILURE: Workflow = {"params": ["e"], "steps": [{"yes": {"return": True}}]}
"""The predicate of retries: every failure of an attempt counts."""

RUN_WORKFLOW: Workflow = {
    "params": ["workflow_id", "argument"],
    "steps": [
        {"run_other": {"call": "googleapis.workflowexecutions.v1.projects.locations.workflows.executions.run", "args": {
            "workflow_id": "${workflow_id}", "argument": "${argument}"}, "result": "answer"}},
        {"other_done": {"return": "${answer}"}},
    ],
}  # fmt: skip
"""Run another workflow to its end; it returns its run_id, and its failure is one here."""

LIBRARY: dict[str, Workflow] = {
    "follow": FOLLOW,
    "text_of": TEXT_OF,
    "url_piece": URL_PIECE,
    "compare": COMPARE,
    "named": NAMED,
    "check_answer": CHECK_ANSWER,
    "every_failure": EVERY_FAILURE,
    "run_workflow": RUN_WORKFLOW,
    "turn": TURN,
}


def library(used: Collection[str]) -> dict[str, Workflow]:
    """The subworkflows of these names; `run_job_30` has calls of 30 seconds."""
    found = {name: workflow for name, workflow in LIBRARY.items() if name in used}
    jobs = sorted(int(name.rpartition("_")[2]) for name in used if name.startswith("run_job_"))
    return found | {f"run_job_{seconds}": run_job(seconds) for seconds in jobs}
