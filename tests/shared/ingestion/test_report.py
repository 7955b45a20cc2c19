"""Reports land byte for byte; one bad file stops no other; a job survives the end of the process that asked for it."""

from __future__ import annotations

import gzip
import hashlib
from typing import Any

import pytest

from shared.common.errors import Refused, Violation
from shared.common.instants import parse_instant
from shared.ingestion.plan import Ask
from shared.rest.fake import Answer, answer
from shared.rest.message import Request
from tests.shared.ingestion.acme import Bench

FILES = """
source: acme
base_url: https://api.acme.test/v1
auth: {type: bearer, token: ACME_TOKEN}
retry: {attempts: 2, base: 0.01, budget: 30}
reports:
  exports: {type: dated_files, dates_path: /export_dates, files_path: "/export_dates/{date}/export_files"}
"""
JOB = """
source: acme
base_url: https://api.acme.test/v1
reports:
  sales:
    type: job
    create: {path: /reports, json: {from: "{since}", to: "{until}"}}
    poll_path: /reports/{id}
    result: url
    every: 10s
    give_up: 10m
    start: 2024-03-01
"""


def zipped(text: str) -> bytes:
    return gzip.compress(text.encode(), mtime=0)


class Exports:
    """Files by day and name; `broken` names are given out cut, `ready` days have files."""

    def __init__(self, days: dict[str, dict[str, bytes]]) -> None:
        self.days, self.broken, self.requests = days, set[str](), list[Request]()

    def __call__(self, request: Request) -> Answer:
        self.requests.append(request)
        path = request.url.removeprefix("https://api.acme.test/v1")
        if path == "/export_dates":
            return answer({"dates": sorted(self.days)})
        if path.startswith("/export_dates/"):
            files = self.days[path.split("/")[2]]
            if not files:
                return answer({"error": {"type": "not_found"}}, 404)
            return answer({"files": [self.listed(path.split("/")[2], name) for name in files]})
        day, name = request.url.partition("?")[0].removeprefix("https://files.acme.test/").split("/")
        body = self.days[day][name]
        return answer(body=body[:-4] if name in self.broken else body)

    def listed(self, day: str, name: str) -> dict[str, Any]:
        body = self.days[day][name]
        digest = hashlib.md5(body, usedforsecurity=False).hexdigest()
        return {
            "name": name,
            "md5sum": digest,
            "href": f"https://files.acme.test/{day}/{name}?sig=canary-signature",
        }


@pytest.fixture
def exports(bench: Bench) -> Exports:
    accounts = {"accounts_2024-03-10.csv.gz": zipped('id,note\r\n1,"two\nlines"\r\n2,\r\n')}
    plans = {"plans_2024-03-10.csv.gz": zipped("id\n1\n2\n3")}
    api = Exports(
        {"2024-03-09": {"accounts_2024-03-09.csv.gz": zipped("id,note\r\n")}, "2024-03-10": accounts | plans}
    )
    bench.api = api  # type: ignore[assignment]
    return api


def test_each_file_lands_in_its_stream_byte_for_byte_with_its_rows_counted(
    bench: Bench, exports: Exports
) -> None:
    report = bench.run(bench.source(FILES))

    assert report.failed == {}
    assert {name: one.rows for name, one in report.streams.items()} == {
        "exports": 0,
        "export_accounts": 2,
        "export_plans": 3,
    }
    (part,) = bench.commits("export_plans")[-1].draft.parts
    assert bench.store.get(part.key) == exports.days["2024-03-10"]["plans_2024-03-10.csv.gz"]


def test_a_second_run_fetches_no_file_again(bench: Bench, exports: Exports) -> None:
    bench.run(bench.source(FILES))
    exports.requests.clear()
    bench.run(bench.source(FILES))

    assert not [request for request in exports.requests if "files.acme.test" in request.url]


def test_a_file_that_is_published_anew_lands_anew(bench: Bench, exports: Exports) -> None:
    bench.run(bench.source(FILES))
    exports.days["2024-03-10"]["plans_2024-03-10.csv.gz"] = zipped("id\n1\n2\n3\n4\n")
    report = bench.run(bench.source(FILES))

    assert report.streams["export_plans"].rows == 4


def test_credentials_and_signatures_stay_where_they_belong(bench: Bench, exports: Exports) -> None:
    exports.broken.add("plans_2024-03-10.csv.gz")
    report = bench.run(bench.source(FILES))
    files = [request for request in exports.requests if "files.acme.test" in request.url]

    assert files
    assert all("authorization" not in dict(request.headers) for request in files)
    assert "canary" not in str(report.failed)
    assert all(b"canary" not in body for body in bench.everything())


def test_one_failing_file_does_not_stop_the_others_and_is_named(bench: Bench, exports: Exports) -> None:
    exports.broken.add("accounts_2024-03-10.csv.gz")
    report = bench.run(bench.source(FILES))

    assert isinstance(report.failed["export_accounts"], Violation)
    assert "accounts_2024-03-10.csv.gz" in str(report.failed["export_accounts"])
    assert report.streams["export_plans"].rows == 3
    exports.broken.clear()
    assert bench.run(bench.source(FILES)).streams["export_accounts"].rows == 2


def test_files_that_are_not_ready_are_no_failure_but_a_reason_to_come_back(
    bench: Bench, exports: Exports
) -> None:
    exports.days["2024-03-10"] = {}
    report = bench.run(bench.source(FILES), ask=Ask(until=parse_instant("2024-03-10T05:00:00Z")))

    assert report.failed == {}
    assert (report.done, report.retry_after) == (False, 900)
    assert report.streams["exports"].warnings == ["the files of 2024-03-10 are not ready yet"]


def test_a_run_that_asks_for_no_day_takes_what_there_is(bench: Bench, exports: Exports) -> None:
    exports.days["2024-03-10"] = {}
    report = bench.run(bench.source(FILES))

    assert report.done
    assert bench.commits("export_accounts")[-1].draft.cursor["date"] == "2024-03-09"


def test_the_day_of_the_event_is_the_last_one_that_is_looked_at(bench: Bench, exports: Exports) -> None:
    report = bench.run(bench.source(FILES), ask=Ask(until=parse_instant("2024-03-09T05:00:00Z")))

    assert report.done
    assert sorted(report.streams) == ["export_accounts", "exports"]


class Jobs:
    """A report that is done after `polls` questions."""

    def __init__(self, polls: int, state: str = "done") -> None:
        self.polls, self.state, self.created = polls, state, list[Any]()

    def __call__(self, request: Request) -> Answer:
        path = request.url.removeprefix("https://api.acme.test/v1")
        if path == "/reports":
            self.created.append(request.json)
            return answer({"id": 7})
        if path == "/reports/7":
            self.polls -= 1
            state = "running" if self.polls > 0 else self.state
            return answer({"state": state, "url": "/downloads/7"})
        return answer(body=b"id,total\n1,2.50\n")


def test_a_job_is_created_polled_and_landed(bench: Bench) -> None:
    jobs = bench.api = Jobs(3)  # type: ignore[assignment]
    report = bench.run(bench.source(JOB))

    assert report.failed == {}
    assert report.streams["sales"].rows == 1
    assert jobs.created == [{"from": "2024-03-01T00:00:00Z", "to": "2024-03-10T12:00:00Z"}]
    assert sum(bench.clock.slept) == pytest.approx(20)


def test_a_job_that_outlives_its_process_is_polled_by_the_next_one(bench: Bench) -> None:
    jobs = bench.api = Jobs(3)  # type: ignore[assignment]
    bench.stop = lambda: bool(jobs.created and jobs.polls < 3)
    first = bench.run(bench.source(JOB))
    bench.stop = lambda: False
    second = bench.run(bench.source(JOB))

    assert (first.done, second.done) == (False, True)
    assert len(jobs.created) == 1
    assert second.streams["sales"].rows == 1


def test_the_next_job_begins_where_the_last_one_ended(bench: Bench) -> None:
    jobs = bench.api = Jobs(1)  # type: ignore[assignment]
    bench.run(bench.source(JOB))
    bench.clock.advance(3600)
    bench.run(bench.source(JOB))

    assert jobs.created[1] == {"from": "2024-03-10T12:00:00Z", "to": "2024-03-10T13:00:00Z"}


def test_a_job_that_failed_is_an_error_and_the_next_run_creates_another(bench: Bench) -> None:
    jobs = bench.api = Jobs(1, state="Aborted")  # type: ignore[assignment]
    report = bench.run(bench.source(JOB))
    jobs.state = "done"
    again = bench.run(bench.source(JOB))

    assert 'ended as "Aborted"' in str(report.failed["sales"])
    assert again.streams["sales"].rows == 1
    assert len(jobs.created) == 2


def test_a_job_that_never_ends_is_given_up(bench: Bench) -> None:
    bench.api = Jobs(10**6)  # type: ignore[assignment]
    report = bench.run(bench.source(JOB))

    assert "not done after 0:10:00" in str(report.failed["sales"])
    assert not isinstance(report.failed["sales"], Refused)
