"""The harness: a mock API that keeps its promises, floors that write every row, and costs that are measured."""

from __future__ import annotations

import http.client
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from benchmarks.__main__ import main
from benchmarks.floor import write_csv, write_duck, write_jsonl, write_pages
from benchmarks.ingest import (
    CASES,
    Case,
    Measured,
    Setting,
    count_csv,
    count_lines,
    count_tables,
    measure,
    table,
)
from benchmarks.ingest import main as ingest
from benchmarks.processes import Cost, mock_api, run, spread

ROWS = 450


@pytest.fixture(scope="module")
def api() -> Iterator[str]:
    with mock_api("--rows", str(ROWS), "--unique", "50") as base_url:
        yield base_url


def get(base_url: str, target: str, method: str = "GET") -> tuple[http.client.HTTPResponse, Any]:
    connection = http.client.HTTPConnection(urlsplit(base_url).netloc, timeout=10)
    connection.request(method, target)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer, json.loads(body) if body else None


def test_pages_follow_each_other_to_the_end(api: str) -> None:
    target, sizes, ids = "/accounts?limit=200", [], []
    while target:
        _, page = get(api, target)
        sizes.append(len(page["data"]))
        ids += [record["id"] for record in page["data"]]
        assert page["has_more"] is (page["next"] is not None)
        target = page["next"]

    assert sizes == [200, 200, 50]
    assert len(set(ids)) == ROWS


def test_a_window_holds_through_its_pages_and_is_counted_by_head(api: str) -> None:
    window = "begin_time=2023-01-01T00%3A00%3A10Z&end_time=2023-01-01T00%3A00%3A29Z"
    _, first = get(api, f"/invoices?limit=40&{window}")
    _, second = get(api, first["next"])
    head, _ = get(api, f"/invoices?{window}", "HEAD")

    assert (len(first["data"]), len(second["data"]), second["has_more"]) == (40, 20, False)
    assert second["data"][-1]["updated_at"] == "2023-01-01T00:00:29Z"
    assert head.getheader("X-Total-Records") == "60"


def test_an_unknown_list_is_not_found_and_requests_are_counted(api: str) -> None:
    before = get(api, "/_stats")[1]["requests"]
    answer, _ = get(api, "/none")

    assert answer.status == 404
    assert get(api, "/_stats")[1]["requests"] == before + 1


def test_the_floors_write_every_row(api: str, tmp_path: Path) -> None:
    (tmp_path / "csv").mkdir()
    (tmp_path / "duck").mkdir()

    assert write_pages(api, "accounts", None) == 0
    assert write_pages(api, "accounts", tmp_path) == 0
    assert write_jsonl(api, "accounts", tmp_path) == count_lines(tmp_path) == ROWS
    assert write_csv(api, "accounts", tmp_path / "csv") == count_csv(tmp_path / "csv") == ROWS
    assert write_duck(api, "accounts", tmp_path / "duck") == count_tables(tmp_path / "duck") == ROWS


def test_compressed_answers_are_read_too() -> None:
    with mock_api("--rows", "10", "--gzip") as base_url:
        assert run([sys.executable, "-m", "benchmarks.floor", "raw", base_url, "."]).code == 0


def test_a_process_is_measured_with_the_memory_it_took_itself() -> None:
    ballast = bytearray(120_000_000)
    small = run([sys.executable, "-c", "print('x')"])
    large = run([sys.executable, "-c", "b = b'x' * 80_000_000; raise SystemExit(3)"])

    assert (small.code, small.output, large.code) == (0, "x\n", 3)
    assert small.peak < 40
    assert 80 < large.peak < len(ballast) / 1e6
    assert small.wall > 0
    assert small.cpu > 0


def test_a_case_that_fails_or_loses_rows_is_named(tmp_path: Path) -> None:
    setting = Setting("http://127.0.0.1:1", 5, tmp_path)
    failing = Case("bad", lambda s, f: [sys.executable, "-c", "raise SystemExit('broken')"], count_lines)
    empty = Case("empty", lambda s, f: [sys.executable, "-c", ""], count_lines)

    assert measure(failing, setting, 5)[1] == "exit 1: broken"
    assert measure(empty, setting, 5)[1] == "0 rows, expected 5"


def test_the_table_shows_the_ratio_to_the_floor() -> None:
    cost = Cost(wall=2.0, cpu=1.0, peak=30.0, code=0, output="", errors="")
    fast = Cost(wall=1.0, cpu=1.0, peak=31.5, code=0, output="", errors="")
    cases = {case.name: case for case in CASES}
    text = table(
        [Measured(cases["floor-jsonl"], [cost]), Measured(cases["sluice-jsonl"], [fast, fast])], 1000
    )

    assert text.splitlines()[2:] == [
        "| floor-jsonl | 2.00 [2.00-2.00] | 1.00 [1.00-1.00] | 30 | 500 | 1.00 | ok |",
        "| sluice-jsonl | 1.00 [1.00-1.00] | 1.00 [1.00-1.00] | 32 | 1,000 | 2.00 | ok |",
    ]
    assert spread([3, 1, 2], 0) == "2 [1-3]"


def test_a_whole_benchmark_of_the_product_and_the_floor(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "figures.json"
    code = ingest(
        ["--records", "800", "--rounds", "1", "--cases", "floor-jsonl,sluice-jsonl", "--out", str(out)]
    )

    assert code == 0, capsys.readouterr()
    assert json.loads(out.read_text())["cases"].keys() == {"floor-jsonl", "sluice-jsonl"}


def test_benchmarks_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    assert "hotpath" in capsys.readouterr().out
    assert main(["none"]) == 2
