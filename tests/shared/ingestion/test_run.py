"""A run lands every row once, goes on where it stopped, and says what went wrong without losing the rest."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.common.errors import Misconfigured, Refused, Superseded, Transient, Violation
from shared.common.fakes import FakeClock, MemoryStore
from shared.ingestion.plan import Ask
from shared.landing.state import rewind
from shared.rest.fake import Answer, answer
from shared.rest.message import Request
from tests.shared.ingestion.acme import NOW, SOURCE, START, Acme, Bench, orders

HOUR = timedelta(hours=1)


def fails(times: int, outcome: Answer) -> Callable[[Request], Answer | None]:
    """Answer `outcome` to the first `times` requests."""
    left = itertools.count(times, -1)
    return lambda _: outcome if next(left) > 0 else None


def test_every_row_lands_once_and_the_cursor_moves_to_the_end_of_the_window(bench: Bench) -> None:
    bench.api.lists["/orders"] = orders(10)
    report = bench.run()

    assert bench.ids() == list(range(10))
    assert report.streams["orders"].status == "done"
    assert bench.commits()[-1].draft.cursor == "2024-03-10T11:59:00Z"


def test_what_lands_is_the_text_that_the_api_sent(bench: Bench) -> None:
    big = b"123456789012345678901234567890"
    raw = b'{"id":1,"updated_at":"2024-03-02T00:00:00Z","total":1.10,"note":"\\u00e9\\/","big":' + big + b"}"
    body = b'{"has_more":false,"next":null,"data":[' + raw + b"]}"
    bench.api.before = lambda request: answer(body=body)
    bench.run()

    assert bench.landed() == raw + b"\n"


def test_a_second_run_asks_from_the_cursor_and_lands_only_what_is_new(bench: Bench) -> None:
    bench.api.lists["/orders"] = orders(10)
    bench.run()
    bench.api.lists["/orders"].append({"id": 10, "updated_at": "2024-03-10T11:59:30Z"})
    bench.clock.advance(3600)
    report = bench.run()

    assert bench.ids() == list(range(11))
    assert report.streams["orders"].rows == 1


def test_a_row_at_the_boundary_of_two_runs_lands_in_the_second_one_only(bench: Bench) -> None:
    bench.api.lists["/orders"] = [{"id": 1, "updated_at": "2024-03-10T11:59:00Z"}]
    first = bench.run()
    bench.clock.advance(60)
    second = bench.run()

    assert (first.streams["orders"].rows, second.streams["orders"].rows) == (0, 1)


def test_a_run_with_nothing_new_still_says_in_the_log_that_it_looked(bench: Bench) -> None:
    bench.api.lists["/orders"] = []
    bench.run()

    assert [(c.draft.rows, c.draft.resume) for c in bench.commits()] == [(0, None)]


@pytest.mark.parametrize("outcome", [Transient("reset"), answer(status=503), answer(body=b'{"has_more": tr')])
def test_a_passing_fault_is_retried_and_nothing_is_lost(bench: Bench, outcome: Answer) -> None:
    bench.api.lists["/orders"] = orders(7)
    bench.api.before = fails(2, outcome)
    report = bench.run()

    assert bench.ids() == list(range(7))
    assert report.streams["orders"].retries == 2


def test_a_refusal_in_the_middle_keeps_what_is_whole_and_the_next_run_goes_on_behind_it(bench: Bench) -> None:
    bench.api.lists["/orders"] = orders(10)
    bench.api.before = lambda r: (
        answer({"error": {"type": "forbidden"}}, 403) if r.param("cursor") == "6" else None
    )
    first = bench.run()
    asked = len(bench.api.asked)
    bench.api.before = lambda _: None
    second = bench.run()

    assert isinstance(first.failed["orders"], Refused)
    assert first.streams["orders"].rows == 6
    assert bench.ids() == list(range(10))
    assert len(bench.api.asked) - asked == 2
    assert second.streams["orders"].rows == 4


def test_one_failing_stream_does_not_stop_the_others(bench: Bench) -> None:
    text = SOURCE + "  plans: {path: /plans, columns: {id: integer}}\n"
    bench.api.lists |= {"/plans": [{"id": 1}]}
    report = bench.run(bench.source(text))

    assert sorted(report.failed) == ["orders"]
    assert bench.ids("plans") == [1]


def test_an_unknown_stream_is_refused_with_the_known_ones(bench: Bench) -> None:
    with pytest.raises(Misconfigured, match='did you mean "orders"'):
        bench.run(streams=["order"])


def test_bad_rows_are_quarantined_with_their_reasons_and_counted(bench: Bench) -> None:
    bench.api.lists["/orders"] = [*orders(3), {"id": "x", "updated_at": "2024-03-02T00:00:00Z"}]
    report = bench.run()
    (commit,) = bench.commits()
    (part,) = commit.draft.rejected_parts
    (line,) = bench.lines(part)

    assert sorted(bench.ids()) == [0, 1, 2]
    assert (report.streams["orders"].rejected, commit.draft.rejected) == (1, 1)
    assert [reason["pointer"] for reason in line["reasons"]] == ["/id"]
    assert line["record"]["id"] == "x"


def test_too_many_bad_rows_fail_the_run_and_commit_nothing(bench: Bench) -> None:
    bench.api.lists["/orders"] = [{"id": "x", "updated_at": "2024-03-02T00:00:00Z"}, *orders(3)]
    report = bench.run(bench.source(streams__orders__max_rejected="10%"))

    assert isinstance(report.failed["orders"], Violation)
    assert bench.commits() == []


def test_a_row_that_slips_onto_the_next_page_while_paging_lands_once(bench: Bench) -> None:
    bench.api.lists["/orders"] = orders(9)

    def slip(request: Request) -> None:
        if request.param("cursor") == "3":
            early = {"id": 100, "updated_at": "2024-03-01T00:00:01Z"}
            bench.api.lists["/orders"] = [*orders(9), early]

    bench.api.before = slip
    bench.run()

    assert [i for i in bench.ids() if i < 100] == list(range(9))


def test_a_page_that_comes_twice_lands_once(bench: Bench) -> None:
    page = answer({"has_more": True, "next": "/v1/orders?cursor=3", "data": orders(3)})
    again = answer({"has_more": True, "next": "/v1/orders?cursor=6", "data": orders(3)})
    last = answer({"has_more": False, "next": None, "data": orders(5)[3:]})
    answers = iter([page, again, last])
    bench.api.before = lambda _: next(answers)
    bench.run()

    assert bench.ids() == [0, 1, 2, 3, 4]


def test_a_cursor_that_comes_twice_is_an_error_that_names_it_and_keeps_the_rows(bench: Bench) -> None:
    bench.api.before = lambda _: answer({"has_more": True, "next": "/v1/orders?cursor=3", "data": orders(3)})
    report = bench.run()

    assert "cursor=3" in str(report.failed["orders"])


def test_an_empty_page_that_promises_more_is_not_the_end(bench: Bench) -> None:
    answers = iter(
        [
            answer({"has_more": True, "next": "/v1/orders?cursor=a", "data": []}),
            answer({"has_more": False, "next": None, "data": orders(2)}),
        ]
    )
    bench.api.before = lambda _: next(answers)
    bench.run()

    assert bench.ids() == [0, 1]


def test_a_cursor_that_expires_in_mid_run_is_replaced_by_the_time_of_the_last_row(bench: Bench) -> None:
    bench.api.lists["/orders"] = orders(10)
    gone = answer({"error": {"type": "invalid_cursor"}}, 404)
    expired = fails(1, gone)
    bench.api.before = lambda r: expired(r) if r.param("cursor") == "6" else None
    report = bench.run()

    assert report.failed == {}
    assert bench.ids() == list(range(10))


def test_a_cursor_that_expired_while_the_run_was_stopped_is_replaced_as_well(bench: Bench) -> None:
    bench.api.lists["/orders"] = orders(10)
    bench.stop_after(1)
    assert not bench.run().done
    bench.stop = lambda: False
    gone = fails(2, answer({"error": {"type": "invalid_cursor"}}, 410))
    bench.api.before = lambda r: gone(r) if r.param("cursor") else None
    assert bench.run().done

    assert bench.ids() == list(range(10))


@pytest.mark.parametrize("per_run", [1, 2, 5])
def test_a_run_cut_into_many_ends_with_the_same_bytes(bench: Bench, per_run: int) -> None:
    bench.api.lists["/orders"] = orders(25)
    bench.run()
    whole = bench.landed()
    cut = Bench(bench.folder, api=bench.api)
    runs = 0
    while True:
        cut.stop_after(per_run)
        runs += 1
        if cut.run().done:
            break

    assert cut.landed() == whole
    assert runs > 25 // 3 // (per_run + 1)


def test_a_run_goes_on_under_the_name_of_the_first_with_the_next_attempt(bench: Bench) -> None:
    bench.api.lists["/orders"] = orders(10)
    bench.stop_after(1)
    bench.run()
    bench.stop = lambda: False
    bench.run()

    assert len({commit.draft.run for commit in bench.commits()}) == 1
    assert [commit.draft.attempt for commit in bench.commits()] == [1, 2]


def test_a_run_that_was_overtaken_drops_its_work_and_says_by_whom(bench: Bench) -> None:
    bench.api.lists["/orders"] = orders(10)
    other = Bench(bench.folder, api=Acme(bench.api.lists), store=bench.store, tokens=500)

    def overtake(request: Request) -> None:
        if request.param("cursor") == "6":
            other.run()

    bench.api.before = overtake
    report = bench.run()

    assert report.streams["orders"].status == "superseded"
    assert isinstance(report.streams["orders"].error, Superseded)
    assert bench.ids() == list(range(10))


def test_a_rewound_stream_lands_its_rows_again(bench: Bench) -> None:
    bench.api.lists["/orders"] = orders(4)
    bench.run()
    rewind(bench.log(), "2024-03-01T02:00:00Z", run="by-hand")
    bench.run()

    assert bench.ids() == [0, 1, 2, 3, 2, 3]


def test_a_full_refresh_begins_at_the_start_again(bench: Bench) -> None:
    bench.api.lists["/orders"] = orders(2)
    bench.run()
    bench.run(ask=Ask(full_refresh=True))

    assert bench.ids() == [0, 1, 0, 1]


def test_a_back_fill_lands_its_range_and_leaves_the_cursor(bench: Bench) -> None:
    bench.api.lists["/orders"] = orders(4)
    bench.run()
    bench.run(ask=Ask(since=START, until=START + 2 * HOUR))

    assert bench.ids() == [0, 1, 2, 3, 0, 1]
    assert bench.commits()[-1].draft.cursor == bench.commits()[0].draft.cursor


WINDOWED = {"streams__orders__incremental__window": "1d", "streams__orders__incremental__concurrency": "4"}


def test_windows_side_by_side_land_every_row_once(bench: Bench) -> None:
    bench.api.lists["/orders"] = orders(200)
    report = bench.run(bench.source(**WINDOWED))

    assert sorted(bench.ids()) == list(range(200))
    assert report.done
    assert bench.commits()[-1].draft.resume is None


def test_the_cursor_never_passes_a_window_that_is_not_finished(bench: Bench) -> None:
    bench.api.lists["/orders"] = orders(200)
    # The third day cannot be had; the cursor must stop before it although later days have landed.
    bench.api.before = lambda r: (
        answer(status=403) if (r.param("from") or "").startswith("2024-03-03T") else None
    )
    first = bench.run(bench.source(**WINDOWED))
    landed = set(bench.ids())
    bench.api.before = lambda _: None
    bench.run(bench.source(**WINDOWED))

    assert "orders" in first.failed
    assert first.streams["orders"].cursor in (
        None,
        "2024-03-01T00:00:00Z",
        "2024-03-02T00:00:00Z",
        "2024-03-03T00:00:00Z",
    )
    assert landed < set(range(200))
    assert sorted(bench.ids()) == list(range(200))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    count=st.integers(0, 60),
    spread=st.integers(1, 400),
    limit=st.integers(1, 7),
    window=st.sampled_from(["6h", "1d", "30d"]),
    stops=st.lists(st.integers(1, 6), max_size=6),
    part_size=st.sampled_from([1, 200, 10**6]),
)
def test_whatever_the_windows_pages_parts_and_stops_every_row_lands_once(
    bench: Bench, count: int, spread: int, limit: int, window: str, stops: list[int], part_size: int
) -> None:
    bench = Bench(bench.folder)
    bench.api.lists["/orders"] = orders(count, every=timedelta(minutes=spread))
    changes = {
        "streams__orders__params__limit": str(limit),
        "streams__orders__incremental__window": window,
        "streams__orders__incremental__concurrency": "3",
        "streams__orders__part_size": str(part_size),
    }
    source = bench.source(**changes)
    for stop in [*stops, 10**9]:
        bench.stop_after(stop)
        bench.run(source)
    inside = [o["id"] for o in bench.api.lists["/orders"] if o["updated_at"] < "2024-03-10T11:59:00Z"]

    assert sorted(bench.ids()) == inside
    assert bench.commits()[-1].draft.cursor == "2024-03-10T11:59:00Z"


class Flaky(MemoryStore):
    """A store that fails to take some objects; of those, some were taken all the same and only the answer was lost."""

    def __init__(self, outcomes: list[str]) -> None:
        super().__init__()
        self.outcomes = iter(outcomes)

    def put_file(self, key: str, file: Path, *, sha256: str) -> str:
        if next(self.outcomes, "ok") == "refused":
            raise Transient("the store is down")
        return super().put_file(key, file, sha256=sha256)

    def put_new(self, key: str, body: bytes) -> str:
        outcome = next(self.outcomes, "ok")
        time.sleep(0.002)  # so that other lanes have something to publish meanwhile
        if outcome == "refused":
            raise Transient("the store is down")
        etag = super().put_new(key, body)
        if outcome == "lost":
            raise Transient("the answer of the store was lost")
        return etag


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(outcomes=st.lists(st.sampled_from(["ok", "ok", "refused", "lost"]), max_size=12))
def test_whatever_the_store_refuses_every_row_lands_once(bench: Bench, outcomes: list[str]) -> None:
    bench = Bench(bench.folder, store=Flaky(outcomes))
    bench.api.lists["/orders"] = orders(60)
    source = bench.source(**WINDOWED, streams__orders__part_size="300")
    for _ in range(len(outcomes) + 2):
        bench.run(source)

    assert sorted(bench.ids()) == list(range(60))


def test_the_rows_are_compared_with_the_apis_own_count(bench: Bench) -> None:
    bench.api.lists["/orders"] = orders(5)
    bench.api.before = lambda r: answer(status=200, x_total="7") if r.method == "HEAD" else None
    report = bench.run(bench.source(streams__orders__reconcile="{header: X-Total}"))

    assert report.streams["orders"].warnings == ["the API counts 7 rows, 5 arrived"]
    assert bench.commits()[-1].draft.expected_rows == 7


def test_a_count_that_fits_is_no_warning(bench: Bench) -> None:
    bench.api.lists["/orders"] = orders(5)
    report = bench.run(bench.source(streams__orders__reconcile="{header: X-Total}"))

    assert report.streams["orders"].warnings == []


def test_a_snapshot_is_one_run_even_when_it_was_stopped_in_between(bench: Bench) -> None:
    text = SOURCE.replace("    cursor_field: updated_at\n", "").replace(
        '    incremental: {since: from, until: to, start: "2024-03-01"}\n', "    write_disposition: replace\n"
    )
    bench.api.lists["/orders"] = orders(10)
    bench.stop_after(1)
    bench.run(bench.source(text))
    bench.stop = lambda: False
    bench.run(bench.source(text))
    bench.run(bench.source(text))
    runs = [(c.draft.run, c.draft.snapshot, c.draft.resume is None, c.draft.rows) for c in bench.commits()]

    assert [rows for *_, rows in runs] == [3, 7, 10]
    assert [complete for _, _, complete, _ in runs] == [False, True, True]
    assert runs[0][0] == runs[1][0] != runs[2][0]
    assert all(snapshot for _, snapshot, _, _ in runs)


def test_a_snapshot_whose_page_the_api_forgot_is_begun_anew(bench: Bench) -> None:
    text = SOURCE.replace("    cursor_field: updated_at\n", "").replace(
        '    incremental: {since: from, until: to, start: "2024-03-01"}\n', "    write_disposition: replace\n"
    )
    bench.api.lists["/orders"] = orders(5)
    bench.stop_after(1)
    bench.run(bench.source(text))
    bench.stop = lambda: False
    gone = fails(1, answer({"error": {"type": "invalid_cursor"}}, 404))
    bench.api.before = lambda r: gone(r) if r.param("cursor") else None
    report = bench.run(bench.source(text))

    assert report.failed == {}
    assert report.streams["orders"].warnings[0].startswith("the unfinished run could not go on")
    assert [c.draft.rows for c in bench.commits()] == [3, 5]


CHILDREN = (
    SOURCE
    + """
  notes:
    path: /orders/{id}/notes
    params: {limit: 2}
    pagination: {type: next_link, path: next, has_more: has_more}
    parent: {stream: orders, include: {order_id: id}}
    primary_key: id
    ignore: [{status: 404}]
"""
)


def notes(order: int, count: int) -> list[dict[str, Any]]:
    return [{"id": f"{order}-{n}", "text": "x"} for n in range(count)]


def test_children_land_with_their_parents_key_and_a_gone_parent_is_a_warning(bench: Bench) -> None:
    bench.api.lists["/orders"] = orders(5)
    bench.api.lists |= {f"/orders/{i}/notes": notes(i, i) for i in (0, 1, 3, 4)}
    report = bench.run(bench.source(CHILDREN), streams=["notes"])

    assert [(row["order_id"], row["id"]) for row in bench.rows("notes")] == [
        (i, f"{i}-{n}") for i in (0, 1, 3, 4) for n in range(i)
    ]
    assert report.streams["notes"].warnings == ["nothing there: not_found (1 times)"]


HALVES = [
    b'{"id":"a","name":"\\ud800"}',
    b'{"id":"\\udc00","name":"b"}',
    b'{"id":"c"}',
    b'{"id":"d","name":"\\udbff"}',
]


def halves(bench: Bench) -> None:
    """Parents with texts that end in the middle of a character, and so do some texts of their children."""
    bench.api.lists |= {f"/orders/{id}/notes": notes(ord(id), 1) for id in "acd"}
    half = b'{"has_more":false,"next":null,"data":[{"id":"c-0","text":"\\ud800"},{"id":"c-1","text":"x"}]}'

    def before(request: Request) -> Answer | None:
        if request.url.endswith("/orders"):
            start = int(request.param("cursor") or 0)
            link = b'"/v1/orders?cursor=%d"' % (start + 2) if start + 2 < len(HALVES) else b"null"
            data = b",".join(HALVES[start : start + 2])
            return answer(
                body=b'{"has_more":%s,"next":%s,"data":[%s]}'
                % (b"false" if link == b"null" else b"true", link, data)
            )
        return answer(body=half) if request.url.endswith("/c/notes") else None

    bench.api.before = before


def test_half_a_character_in_a_parent_costs_nothing_where_it_does_not_matter_and_its_children_where_it_does(
    bench: Bench,
) -> None:
    halves(bench)
    report = bench.run(bench.source(CHILDREN), streams=["notes"])
    refused = [
        line for c in bench.commits("notes") for part in c.draft.rejected_parts for line in bench.lines(part)
    ]

    assert report.failed == {}
    assert [("a", "97-0"), ("c", "c-1"), ("d", "100-0")] == [
        (row["order_id"], row["id"]) for row in bench.rows("notes")
    ]
    assert 2 == report.streams["notes"].rejected
    assert {"parent": '{"id":"\\udc00","name":"b"}', "json": '{"id":"c-0","text":"\\ud800"}'} == {
        line["reasons"][0]["keyword"]: line["text"] for line in refused
    }


def test_a_parent_that_is_stepped_over_is_refused_once_however_often_the_run_is_cut(bench: Bench) -> None:
    halves(bench)
    for _ in range(30):
        bench.stop = lambda: True
        if bench.run(bench.source(CHILDREN + "    max_rejected: 100%\n"), streams=["notes"]).done:
            break

    assert ["97-0", "c-1", "100-0"] == bench.ids("notes")
    assert 2 == sum(commit.draft.rejected for commit in bench.commits("notes"))


def test_nothing_is_shown_of_a_parent_whose_stream_has_masks(bench: Bench) -> None:
    halves(bench)
    masked = CHILDREN.replace(
        "    cursor_field: updated_at\n", "    cursor_field: updated_at\n    mask: {total: drop}\n", 1
    )
    bench.run(bench.source(masked), streams=["notes"])
    refused = [
        line for c in bench.commits("notes") for part in c.draft.rejected_parts for line in bench.lines(part)
    ]

    assert [None] == [line["text"] for line in refused if line["reasons"][0]["keyword"] == "parent"]


def test_children_cut_into_many_runs_land_once(bench: Bench) -> None:
    bench.api.lists["/orders"] = orders(7)
    bench.api.lists |= {f"/orders/{i}/notes": notes(i, (i * 3) % 5) for i in range(7)}
    bench.run(bench.source(CHILDREN), streams=["notes"])
    whole = bench.landed("notes")
    cut = Bench(bench.folder, api=bench.api)
    for _ in range(60):
        cut.stop = lambda: True
        if cut.run(cut.source(CHILDREN), streams=["notes"]).done:
            break

    assert cut.landed("notes") == whole


def test_a_list_that_is_cut_in_the_record_is_fetched_in_full(bench: Bench) -> None:
    text = (
        SOURCE
        + "    follow: [{field: lines, when: has_more_lines, path: '/orders/{id}/lines', params: {limit: 2}}]\n"
    )
    bench.api.lists["/orders"] = [
        {"id": 1, "updated_at": "2024-03-02T00:00:00Z", "lines": [{"id": 1}], "has_more_lines": True},
        {"id": 2, "updated_at": "2024-03-02T00:00:00Z", "lines": [{"id": 9}], "has_more_lines": False},
    ]
    bench.api.lists["/orders/1/lines"] = [{"id": i} for i in range(5)]
    bench.run(bench.source(text))

    assert [[line["id"] for line in row["lines"]] for row in bench.rows()] == [[0, 1, 2, 3, 4], [9]]
    assert bench.rows()[0]["has_more_lines"] is False


def test_masked_columns_are_masked_everywhere_also_in_the_quarantine(bench: Bench) -> None:
    text = SOURCE + "      email: string\n    mask: {email: hash}\n"
    bench.secrets["MASK_KEY"] = "canary-mask-key"
    bench.api.lists["/orders"] = [
        {"id": 1, "updated_at": "2024-03-02T00:00:00Z", "email": "ada@example.com"},
        {"id": "bad", "updated_at": "2024-03-02T00:00:00Z", "email": "ada@example.com"},
    ]
    report = bench.run(bench.source(text))
    everything = b"".join(bench.everything())

    assert report.failed == {}
    assert (report.streams["orders"].rows, report.streams["orders"].rejected) == (1, 1)
    assert b"ada@example.com" not in everything
    assert bench.rows()[0]["email"] not in ("", None)


def test_no_secret_is_in_anything_that_is_written_or_said(bench: Bench) -> None:
    bench.api.lists["/orders"] = orders(5)
    bench.api.before = lambda r: answer({"echo": dict(r.headers)}, 403) if r.param("cursor") == "3" else None
    report = bench.run()
    said = orjson.dumps(report.to_json()).decode() + str(report.failed["orders"])

    assert bench.transport is not None
    assert "canary-token-1" in str(bench.transport.requests[0].headers)
    assert "canary-token-1" not in said
    assert all(b"canary-token-1" not in body for body in bench.everything())


def test_a_hook_changes_and_drops_records(bench: Bench) -> None:
    (bench.folder / "hooks.py").write_text(
        "def tidy(record):\n    record['total'] = 1\n    return record if record['id'] % 2 else None\n"
    )
    bench.api.lists["/orders"] = orders(4)
    bench.run(bench.source(SOURCE + "    map: tidy\n"))

    assert [(row["id"], row["total"]) for row in bench.rows()] == [(1, 1), (3, 1)]


def test_a_wait_beyond_the_deadline_is_handed_to_the_caller(bench: Bench) -> None:
    bench.api.lists["/orders"] = orders(5)
    bench.api.before = lambda r: answer(status=429, retry_after="500") if r.param("cursor") else None
    clock = bench.clock = FakeClock(NOW)
    bench.deadline = Deadline(clock, 60)
    report = bench.run()

    assert report.failed == {}
    assert not report.done
    assert report.retry_after == pytest.approx(500, abs=1)
    assert bench.ids() == [0, 1, 2]


class Deadline:
    """Seconds from now on, by a clock."""

    def __init__(self, clock: FakeClock, seconds: float) -> None:
        self.clock, self.end = clock, clock.monotonic() + seconds

    def remaining(self) -> float:
        return self.end - self.clock.monotonic()


def test_csv_has_the_columns_of_the_contract_with_masked_ones_as_text_and_nested_ones_as_asked(
    bench: Bench,
) -> None:
    text = SOURCE.replace("      total: {type: number, nullable: true}\n", "") + "    format: csv\n"
    text = text.replace("    columns:\n", "    contract:\n").replace(
        "      id: integer\n      updated_at: timestamp\n",
        "      type: object\n      required: [id, updated_at]\n      properties:\n        id: {type: integer}\n"
        "        updated_at: {type: string, format: date-time}\n"
        "        ship: {type: object, properties: {city: {type: string}}}\n"
        "        pin: {type: integer}\n",
    )
    text += "    mask: {pin: {type: partial, keep_last: 1}}\n"
    row = {"id": 1, "updated_at": "2024-03-02T00:00:00Z", "ship": {"city": "Köln"}, "pin": 1234}
    bench.api.lists["/orders"] = [row]
    bench.run(bench.source(text))
    flat = Bench(bench.folder, api=bench.api)
    flat.run(flat.source(text + "    nested: flatten\n"))

    assert (
        bench.landed().decode()
        == 'id,updated_at,ship,pin\r\n1,"2024-03-02T00:00:00Z","{""city"":""Köln""}","***4"\r\n'
    )
    assert (
        flat.landed().decode() == 'id,updated_at,ship.city,pin\r\n1,"2024-03-02T00:00:00Z","Köln","***4"\r\n'
    )


def test_the_time_limits_of_the_file_are_those_of_the_requests(bench: Bench) -> None:
    bench.api.lists["/orders"] = orders(1)
    bench.run(bench.source("timeouts: {connect: 2s, read: 3s, total: 1m}\n" + SOURCE))

    assert bench.transport is not None
    assert {(t.connect, t.read, t.total) for t in bench.transport.timeouts} == {(2.0, 3.0, 60.0)}


def test_a_stop_ends_a_wait_and_keeps_what_is_whole(bench: Bench) -> None:
    bench.api.lists["/orders"] = orders(9)
    bench.api.before = lambda r: answer(status=503, retry_after="20") if r.param("cursor") == "6" else None
    bench.stop = lambda: bench.clock.monotonic() > 5
    report = bench.run()

    assert report.failed == {}
    assert report.streams["orders"].status == "unfinished"
    assert bench.clock.monotonic() < 6
    assert bench.ids() == [0, 1, 2, 3, 4, 5]


def test_a_record_whose_cursor_is_no_time_is_quarantined_and_stops_nobody(bench: Bench) -> None:
    text = SOURCE.replace("updated_at: timestamp", "updated_at: json")
    bad = [{"id": 7, "updated_at": "yesterday"}, {"id": 8, "updated_at": 1e300}, {"id": 9, "updated_at": ""}]
    bench.api.before = lambda _: answer(
        {"has_more": False, "next": None, "data": [*orders(2), *bad, *orders(4)[3:]]}
    )
    report = bench.run(bench.source(text))
    (part,) = bench.commits()[-1].draft.rejected_parts

    assert report.failed == {}
    assert bench.ids() == [0, 1, 3]
    assert [line["reasons"][0]["pointer"] for line in bench.lines(part)] == ["/updated_at"] * 3


def test_a_record_that_changes_between_two_pages_is_not_lost_where_there_is_no_cursor(bench: Bench) -> None:
    text = SOURCE.replace("    cursor_field: updated_at\n", "").replace(
        '    incremental: {since: from, until: to, start: "2024-03-01"}\n', ""
    )
    old, new = orders(2), [{**orders(2)[1], "total": 99.0}, *orders(3)[2:]]
    answers = iter(
        [
            answer({"has_more": True, "next": "/v1/orders?cursor=2", "data": old}),
            answer({"has_more": False, "next": None, "data": new}),
        ]
    )
    bench.api.before = lambda _: next(answers)
    bench.run(bench.source(text))

    assert [(row["id"], row["total"]) for row in bench.rows()] == [(0, 0.0), (1, 0.25), (1, 99.0), (2, 0.5)]


def test_children_with_the_same_keys_under_different_parents_all_land(bench: Bench) -> None:
    bench.api.lists["/orders"] = orders(3)
    bench.api.lists |= {f"/orders/{i}/notes": [{"id": "same"}] for i in range(3)}
    bench.run(bench.source(CHILDREN), streams=["notes"])

    assert [row["order_id"] for row in bench.rows("notes")] == [0, 1, 2]


def test_keys_that_are_equal_in_python_and_not_in_json_are_told_apart(bench: Bench) -> None:
    text = SOURCE.replace("      id: integer\n", "      id: json\n")
    rows = [{"id": key, "updated_at": "2024-03-02T00:00:00Z"} for key in (1, 1.0, True, "1")]
    bench.api.before = lambda _: answer({"has_more": False, "next": None, "data": rows})
    bench.run(bench.source(text))

    assert len(bench.rows()) == 4


def test_a_snapshot_with_bad_records_replaces_nothing(bench: Bench) -> None:
    text = SOURCE.replace("    cursor_field: updated_at\n", "").replace(
        '    incremental: {since: from, until: to, start: "2024-03-01"}\n', "    write_disposition: replace\n"
    )
    bench.api.lists["/orders"] = [*orders(9), {"id": "x", "updated_at": "2024-03-02T00:00:00Z"}]
    report = bench.run(bench.source(text))

    assert isinstance(report.failed["orders"], Violation)
    assert all(commit.draft.resume is not None for commit in bench.commits())


def test_when_most_records_break_the_contract_the_run_fails_and_the_cursor_stays(bench: Bench) -> None:
    bench.api.lists["/orders"] = [{**order, "id": f"x{order['id']}"} for order in orders(6)]
    report = bench.run()

    assert isinstance(report.failed["orders"], Violation)
    assert bench.commits() == []


def test_rows_that_all_lie_outside_of_the_window_are_told(bench: Bench) -> None:
    early = [{"id": i, "updated_at": "2020-01-01T00:00:00Z"} for i in range(9)]
    bench.api.before = lambda _: answer({"has_more": False, "next": None, "data": early})
    report = bench.run()

    assert report.streams["orders"].outside == 9
    assert "all 9 rows that came lie outside" in report.streams["orders"].warnings[0]


def test_an_api_whose_clock_is_behind_is_told(bench: Bench) -> None:
    late = "Sun, 10 Mar 2024 11:50:00 GMT"
    bench.api.before = lambda _: answer({"has_more": False, "next": None, "data": []}, date=late)
    report = bench.run()

    assert "clock is behind ours" in report.streams["orders"].warnings[0]


def test_a_dead_api_is_a_failure_also_where_the_time_is_short(bench: Bench) -> None:
    bench.api.before = lambda _: Transient("connection refused")
    bench.deadline = Deadline(bench.clock, 0.001)
    report = bench.run()

    assert isinstance(report.failed["orders"], Transient)


def test_a_stream_that_is_appended_to_tells_that_rows_land_again(bench: Bench) -> None:
    bench.api.lists["/orders"] = orders(2)
    source = bench.source(streams__orders__write_disposition="append")
    bench.run(source)
    report = bench.run(source, ask=Ask(full_refresh=True))

    assert "land a second time" in report.streams["orders"].warnings[0]
