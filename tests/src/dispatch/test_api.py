"""The API as programs use it: over HTTP, against a dispatcher at work; every answer is held against its schema."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from shared.orchestrator.dispatcher import Dispatcher
from shared.orchestrator.http_door import Request
from shared.orchestrator.journal import Standing
from src.dispatch.api import found
from src.dispatch.gate import Gate
from src.dispatch.schemas import SCHEMAS
from tests.shared.orchestrator.running import until
from tests.src.dispatch.house import BROKEN, DOCUMENT, HERE, Client, serving


@pytest.fixture
def house(tmp_path: Path) -> Iterator[tuple[Dispatcher, Client]]:
    with serving(tmp_path) as (dispatcher, client):
        yield dispatcher, client
        check(client)


def check(client: Client) -> None:
    """Every answer of the API that a test has seen has the shape that OpenAPI says."""
    for method, path, answer in client.seen:
        if not path.startswith("/api/"):
            continue
        name = "problem"
        if answer.status < 300:
            bare = path.partition("?")[0]
            name = found(Request(method, bare))[0].answer
        if name != "text":
            schema = {"$ref": f"#/components/schemas/{name}", "components": {"schemas": SCHEMAS}}
            Draft202012Validator(schema).validate(answer.plain)
        assert "nosniff" == answer.headers["x-content-type-options"]
        assert "access-control-allow-origin" not in answer.headers


def broken_orders(house: tuple[Dispatcher, Client], *numbers: int) -> None:
    """Orders of which each ends as a dead letter of `report`."""
    dispatcher, client = house
    before = dispatcher.journal.counts()[Standing.DEAD]
    assert [202] * len(numbers) == [client.order(number) for number in numbers]
    until(lambda: dispatcher.journal.counts()[Standing.DEAD] == before + len(numbers))


def test_the_graph_tells_counts_rates_failures_and_last_runs(house: tuple[Dispatcher, Client]) -> None:
    dispatcher, client = house
    client("GET", "/api/graph")
    broken_orders(house, 1, 2)
    client.order(3, "update")
    until(lambda: dispatcher.journal.counts()[Standing.DEAD] == 3)
    graph = client("GET", "/api/graph").plain
    until(lambda: client("GET", "/api/graph").plain["inputs"][0]["rate"] > 0)
    shown = {one["name"]: one for one in (*graph["inputs"], *graph["processes"])}

    assert (1, False, "") == (graph["version"], graph["draining"], graph["trouble"])
    assert ("webhook", "running", 3) == tuple(shown["orders"][key] for key in ("type", "state", "events"))
    assert (3, 0) == (shown["cleanse"]["done"], shown["cleanse"]["failed"])
    assert (3, 3, "the report of order-key has no total\n  say api_key=***") == (
        shown["report"]["failed"], shown["report"]["dead"], shown["report"]["last_error"],
    )  # fmt: skip
    assert ["dead", "dead", "dead"] == [one["phase"] for one in shown["report"]["last"]]
    assert {
        ("orders", "cleanse"): 3, ("orders", "archive"): 3, ("nightly", "enrich"): 0, ("cleanse", "enrich"): 2,
        ("cleanse", "report"): 3, ("enrich", "report"): 2,
    } == {(one["from"], one["to"]): one["events"] for one in graph["links"]}  # fmt: skip


def test_the_document_that_comes_back_is_the_one_that_was_put(house: tuple[Dispatcher, Client]) -> None:
    _, client = house
    first = client("GET", "/api/document")
    changed = {**copy.deepcopy(DOCUMENT), "dispatcher": {"grace": 5.0, "concurrency": 3}}
    put = client("PUT", "/api/document?note=fewer", changed, If_Match=first.headers["etag"])
    second = client("GET", "/api/document")
    late = client("PUT", "/api/document", DOCUMENT, If_Match=first.headers["etag"])
    blind = client("PUT", "/api/document", DOCUMENT)
    versions = client("GET", "/api/versions").plain["versions"]
    old = client("GET", "/api/versions/1")

    assert (DOCUMENT, '"1"') == (first.plain, first.headers["etag"])
    assert (200, '"2"') == (put.status, put.headers["etag"])
    assert (json.dumps(changed), '"2"') == (json.dumps(second.plain), second.headers["etag"])
    assert (412, "the document is at version 2, and this change was made on version 1") == (
        late.status, late.plain["detail"],
    )  # fmt: skip
    assert 428 == blind.status
    assert [(2, "fewer"), (1, "from the file")] == [(one["number"], one["note"]) for one in versions]
    assert DOCUMENT == old.plain


def test_a_document_with_faults_is_refused_with_the_lines_that_were_sent(
    house: tuple[Dispatcher, Client],
) -> None:
    dispatcher, client = house
    toml = b'[[process]]\nname = "p"\n\ntype = "pythn"\n[[links]]\nfrom = "orders"\nto = "q"\n'
    sent = client("PUT", "/api/document", toml, If_Match='"1"', Content_Type="application/toml")
    links = b'{"links":\n [{"from": "orders",\n   "to": "q"}],\n "inptu": []}'
    checked = client("POST", "/api/document/check", links)
    unread = client("POST", "/api/document/check", b"{")
    listed = client("POST", "/api/document/check", b"[]")
    fine = client("POST", "/api/document/check", DOCUMENT)

    assert 422 == sent.status
    assert [4, 6, 7] == [one["line"] for one in sent.plain["errors"]]
    assert "python" in sent.plain["errors"][0]["message"]
    assert [2, 3, 4] == [one["line"] for one in checked.plain["errors"]]
    assert 'unknown key "inptu"' in checked.plain["errors"][2]["message"]
    assert ([422, 422], {"faults": 0}) == ([unread.status, listed.status], fine.plain)
    assert 1 == dispatcher.document().number


def test_inputs_processes_and_links_come_and_go_while_it_runs(house: tuple[Dispatcher, Client]) -> None:
    dispatcher, client = house
    process = {"name": "more", "type": "python", "execution_context": {"callable": f"{HERE}:fine"}}
    hook = {"type": "webhook", "connection_string": "/hooks/more"}
    steps = [
        client("POST", "/api/processes", process),
        client("PUT", "/api/inputs/another", hook, If_Match='"2"'),
        client("POST", "/api/links", {"from": "another", "to": "more"}),
        client("PUT", "/api/links", {"from": "another", "to": "more", "operation": "create"}),
    ]
    event = b'{"location": "a", "operation": "create", "id": "1"}'
    until(lambda: client("POST", "/hooks/more", event).status == 202)
    until(lambda: client("GET", "/api/nodes/more/runs").plain["runs"])
    node = client("GET", "/api/nodes/more").plain
    refused = [
        client("POST", "/api/processes", process),
        client("POST", "/api/links", {"from": "another", "to": "more"}),
        client("POST", "/api/links", {"from": "another", "to": "mroe"}),
        client("PUT", "/api/links", {"from": 1, "to": ["more"]}),
        client("POST", "/api/processes", {**process, "name": {}}),
        client("PUT", "/api/inputs/other", {**hook, "name": "another"}),
        client("PUT", "/api/inputs/another", {**hook, "type": "webhok"}),
        client("DELETE", "/api/inputs/more"),
        client("DELETE", "/api/links?from=more&to=another"),
        client("DELETE", "/api/links?from=more"),
        client("DELETE", "/api/processes/more", If_Match='"1"'),
    ]
    gone = [
        client("DELETE", "/api/links?from=another&to=more"),
        client("DELETE", "/api/processes/more"),
        client("DELETE", "/api/inputs/another"),
    ]

    assert [(201, 2), (200, 3), (201, 4), (200, 5)] == [(one.status, one.plain["version"]) for one in steps]
    assert ("process", process, 1) == (node["kind"], node["settings"], node["state"]["done"])
    assert [["create"]] == [one["operation"] for one in node["links"]]
    assert [409, 409, 422, 422, 422, 422, 422, 404, 404, 400, 412] == [one.status for one in refused]
    assert 'unknown process "mroe"; did you mean "more"?' in refused[2].plain["detail"]
    assert [6, 7, 8] == [one.plain["version"] for one in gone]
    assert DOCUMENT == client("GET", "/api/document").plain
    assert 404 == client("POST", "/hooks/more", event).status
    assert "remove link another -> more" == dispatcher.journal.document(6).note


def test_a_node_rests_and_goes_on(house: tuple[Dispatcher, Client]) -> None:
    dispatcher, client = house
    BROKEN.clear()
    paused = client("POST", "/api/nodes/cleanse/pause")
    client.order(1)
    until(lambda: client("GET", "/api/nodes/cleanse").plain["state"]["pending"] == 1)
    state = client("GET", "/api/nodes/cleanse").plain["state"]["state"]
    client("POST", "/api/nodes/cleanse/resume")
    until(lambda: dispatcher.journal.counts()[Standing.DONE] == 1)
    unknown = client("POST", "/api/nodes/clense/pause")

    assert (200, {"version": 2, "note": "pause cleanse"}, "paused") == (paused.status, paused.plain, state)
    assert (404, 'there is no input or process "clense"') == (unknown.status, unknown.plain["detail"])
    assert DOCUMENT == client("GET", "/api/document").plain


def test_logs_name_the_place_of_what_happened(
    house: tuple[Dispatcher, Client], caplog: pytest.LogCaptureFixture
) -> None:
    """`where` is what all logs of this program have beside their text."""
    with caplog.at_level("INFO", logger="sluice.dispatch"):
        broken_orders(house, 1)
        house[1]("POST", "/api/nodes/archive/pause")
        house[1]("POST", "/api/dead/1/drop")
    places = {one.getMessage().splitlines()[0]: vars(one).get("where") for one in caplog.records}

    assert {"process": "report", "event": 1, "attempt": 1} == places[
        "report, event 1, attempt 1: the report of order-key has no total"
    ]
    assert {"version": 2} == places["version 2 of the document: pause archive"]
    assert {"event": 1} == places["drop of event 1 by report"]


def test_dead_letters_are_tried_again_or_dropped(house: tuple[Dispatcher, Client]) -> None:
    dispatcher, client = house
    broken_orders(house, 1, 2, 3, 4)
    dead = client("GET", "/api/dead?process=report").plain["events"]
    first, second, third, fourth = (one["number"] for one in dead)
    BROKEN.clear()
    answers = [
        client("POST", f"/api/dead/{first}/retry"),
        client("POST", f"/api/dead/{second}/drop?process=report"),
        client("POST", "/api/dead/retry", {"events": [third, fourth, 99999]}),
        client("POST", f"/api/dead/{first}/retry?process=archive"),
        client("POST", "/api/dead/0/retry"),
        client("POST", "/api/dead/retry", {"events": ["1"]}),
    ]
    until(lambda: dispatcher.journal.counts()[Standing.DONE] == 4)

    assert ("report", "dead") == tuple(dead[0]["journey"][-1][key] for key in ("process", "phase"))
    assert [200, 200, 200, 409, 404, 422] == [one.status for one in answers]
    assert {str(third): ["report"], str(fourth): ["report"]} == answers[2].plain["events"]
    assert [] == client("GET", "/api/dead").plain["events"]
    assert "dropped" == client("GET", f"/api/events/{second}").plain["journey"][-1]["phase"]


def test_events_are_paged_and_filtered(house: tuple[Dispatcher, Client]) -> None:
    dispatcher, client = house
    BROKEN.clear()
    for number in range(7):
        client.order(number, "update" if number % 3 == 0 else "create")
    until(lambda: dispatcher.journal.counts()[Standing.DONE] == 7)

    def numbers(query: str) -> tuple[list[str], int | None]:
        page = client("GET", f"/api/events?{query}").plain
        return [one["event"]["id"] for one in page["events"]], page["next"]

    assert (["6", "5", "4"], 5) == numbers("limit=3")
    assert (["3", "2", "1"], 2) == numbers("limit=3&before=5")
    assert (["0"], None) == numbers("limit=3&before=2")
    assert (["6", "3", "0"], None) == numbers("operation=update")
    assert (["5", "4", "2", "1"], None) == numbers(
        "process=enrich&location=shop.*&trigger=orders&standing=done"
    )
    assert ([], None) == numbers("location=shop&standing=dead")
    refused = [
        client("GET", f"/api/events?{query}") for query in ("limit=0", "limit=x", "standing=ded", "limt=3")
    ]
    assert [400] * 4 == [one.status for one in refused]
    assert 'unknown standing "ded"' in refused[2].plain["detail"]


def test_dead_letters_runs_and_versions_have_pages(house: tuple[Dispatcher, Client]) -> None:
    """Whoever goes on by `next` sees each of them, the newest first, and none of the dead letters twice."""
    _, client = house
    broken_orders(house, *range(1, 6))
    for name in ("archive", "enrich"):
        client("POST", f"/api/nodes/{name}/pause")

    def pages(path: str, what: str) -> list[list[int]]:
        found, following = list[list[int]](), 0
        while following is not None:
            page = client("GET", f"/api/{path}?limit=2&before={following}").plain
            found.append([one.get("number", one.get("event")) for one in page[what]])
            following = page["next"]
        return found

    runs = pages("nodes/report/runs", "runs")

    assert [[5, 4], [3, 2], [1]] == pages("dead", "events")
    assert [[3, 2], [1]] == pages("versions", "versions")
    assert [5, 4] == runs[0]
    assert {1, 2, 3, 4, 5} == {number for page in runs for number in page}


def test_runs_of_before_the_start_are_there_too(tmp_path: Path) -> None:
    with serving(tmp_path) as (dispatcher, client):
        broken_orders((dispatcher, client), 1)
    with serving(tmp_path) as (dispatcher, client):
        broken_orders((dispatcher, client), 2)
        runs = client("GET", "/api/nodes/report/runs").plain["runs"]
        logs = client("GET", "/api/nodes/report/logs?limit=1")
        of_input = client("GET", "/api/nodes/orders/runs")
        check(client)

    assert [2, 1] == [one["event"] for one in runs]
    assert "text/plain; charset=utf-8" == logs.headers["content-type"]
    assert logs.body.decode().startswith("--- event 2, attempt 1, ")
    assert "hunter2" not in logs.body.decode()
    assert 404 == of_input.status


def test_nothing_is_told_or_done_without_the_token(house: tuple[Dispatcher, Client]) -> None:
    dispatcher, client = house
    tries = [
        client("GET", path, Authorization=given)
        for path in ("/api/graph", "/api/no", "/metrics")
        for given in (
            "",
            "Bearer",
            "Bearer a-token-for-tests-onlx",
            "Basic a-token-for-tests-only",
            "Bearer \xe4",
        )
    ]
    put = client("PUT", "/api/document", {}, If_Match='"1"', Authorization="")
    in_query = client("GET", "/api/graph?token=a-token-for-tests-only", Authorization="")

    assert {401} == {one.status for one in [*tries, put, in_query]}
    assert 'Bearer realm="sluice dispatch"' == put.headers["www-authenticate"]
    assert 1 == dispatcher.document().number
    assert (200, b"ok\n") == (
        client("GET", "/health", Authorization="").status,
        client("GET", "/health").body,
    )


@pytest.mark.parametrize("token", ["", "a-token-for-tests-only"])
def test_a_page_of_another_origin_can_change_nothing(tmp_path: Path, token: str) -> None:
    """What such a page may send without being asked first: forms, plain text, its own origin; and a rebound name."""
    with serving(tmp_path, gate=Gate(token)) as (dispatcher, client):
        path = "/api/nodes/cleanse/pause"
        host = f"127.0.0.1:{client.port}"
        refused = [
            client("POST", path, b"{}", Content_Type="text/plain"),
            client("POST", path, Content_Type="application/x-www-form-urlencoded"),
            client("POST", path, Origin="https://example.org"),
            client("POST", path, Origin="null"),
            client("POST", path, Sec_Fetch_Site="cross-site"),
            client("POST", path, Content_Type="", Origin="https://example.org"),
            client("POST", path, b"{}", Content_Type=""),
        ]
        bare = client("POST", path, Content_Type="").status if not token else 415
        preflight = client(
            "OPTIONS", path, Origin="https://example.org", Access_Control_Request_Method="POST"
        )
        rebound = client("GET", "/api/graph", Host="evil.example:8080")
        own = client("POST", path, Origin=f"http://{host}", Sec_Fetch_Site="same-origin")

    assert [415, 415, 403, 403, 403, 403, 415] == [one.status for one in refused]
    assert 415 == bare
    assert preflight.status >= 400
    assert "access-control-allow-origin" not in preflight.headers
    assert (200 if token else 403) == rebound.status
    assert (200, 2) == (own.status, dispatcher.document().number)


def test_a_document_is_given_back_as_it_was_written_where_that_is_asked_for(
    house: tuple[Dispatcher, Client],
) -> None:
    _, client = house
    toml = "# why\n[[process]]\nname = 'p'  # ours\ntype = 'python'\nexecution_context = {callable = 'json:dumps'}\n"
    put = client("PUT", "/api/document", toml.encode(), If_Match='"1"', Content_Type="application/toml")
    plain = client("GET", "/api/document").plain
    asked = {"Accept": "application/toml, application/json;q=0.9"}
    seen = len(client.seen)
    texts = [client("GET", path, **asked) for path in ("/api/document", "/api/versions/2")]
    del client.seen[seen:]  # they are no JSON
    first = client("GET", "/api/versions/1", **asked)
    client("POST", "/api/nodes/p/pause")
    changed = client("GET", "/api/document", **asked)

    assert (200, put.plain, "p") == (put.status, plain, plain["process"][0]["name"])
    assert [(toml, "application/toml; charset=utf-8", '"2"')] * 2 == [
        (one.body.decode(), one.headers["content-type"], one.headers["etag"]) for one in texts
    ]
    assert first.headers["content-type"].startswith("application/json")
    assert changed.plain["process"][0]["paused"] is True


def test_with_the_token_a_change_without_a_body_needs_no_content_type(
    house: tuple[Dispatcher, Client],
) -> None:
    dispatcher, client = house
    told = client("POST", "/api/nodes/cleanse/pause", Content_Type="").status
    gone = client("DELETE", "/api/processes/report", Content_Type="").status
    traced = client("TRACE", "/api/graph", Content_Type="")

    assert (200, 200, 3) == (told, gone, dispatcher.document().number)
    assert (405, "GET") == (traced.status, traced.headers["allow"])


def test_what_is_not_there_is_told(house: tuple[Dispatcher, Client]) -> None:
    _, client = house
    answers = [
        client("GET", "/api/nothing"),
        client("DELETE", "/api/graph"),
        client("GET", "/api/events/17"),
        client("GET", "/api/events/%2e%2e"),
        client("GET", "/api/versions/9"),
        client("POST", "/api/inputs", b"x" * 300_000),
        client("PUT", "/api/document", {}, If_Match="17"),
        client("GET", "/page/../serving.py"),
    ]

    assert [404, 405, 404, 404, 404, 413, 400, 404] == [one.status for one in answers]
    assert "GET" == answers[1].headers["allow"]


def test_metrics_are_in_the_format_of_prometheus(house: tuple[Dispatcher, Client]) -> None:
    _, client = house
    broken_orders(house, 1, 2)
    answer = client("GET", "/metrics")
    lines = answer.body.decode().splitlines()
    types = [line.split()[2] for line in lines if line.startswith("# TYPE")]
    samples: dict[str, Any] = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))

    assert "text/plain; version=0.0.4; charset=utf-8" == answer.headers["content-type"]
    assert len(types) == len(set(types))
    assert "2" == samples['sluice_dispatch_events_total{input="orders"}']
    assert ("2", "2") == tuple(
        samples[f'sluice_dispatch_{x}_total{{process="report"}}'] for x in ("failed", "dead")
    )
    assert "2" == samples['sluice_dispatch_link_events_total{source="cleanse",target="enrich"}']
    assert "2" == samples['sluice_dispatch_journal_events{standing="dead"}']
    assert "1" == samples['sluice_dispatch_node_state{node="cleanse",state="idle"}']
    assert "1" == samples["sluice_dispatch_document_version"]
