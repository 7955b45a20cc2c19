"""`sluice run`, `load`, `status` and `check` against a real HTTP server, a landing folder and a DuckDB file."""

from __future__ import annotations

import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest
from click.testing import Result

Call = Callable[..., Result]


def rows(place: Path, table: str) -> tuple[int, int]:
    with duckdb.connect(str(place / ".sluice/warehouse.duckdb"), read_only=True) as connection:
        found = connection.execute(f"SELECT count(*), count(DISTINCT id) FROM shop.{table}").fetchone()
    assert found is not None
    return found[0], found[1]


def test_a_run_lands_and_loads_everything(call: Call, place: Path) -> None:
    """The one command that matters."""
    done = call("run", "shop")

    assert 0 == done.exit_code, done.output
    assert "240 rows" in done.output
    assert (120, 120) == rows(place, "customers") == rows(place, "orders")


def test_json_is_the_last_line_and_the_only_one_on_stdout(
    call: Call, last_line: Callable[[str], Any]
) -> None:
    """A program reads stdout, a person stderr."""
    done = call("run", "shop", "--json")
    answer = last_line(done.stdout)

    assert 0 == done.exit_code
    assert 1 == len(done.stdout.splitlines())
    assert "customers: started" in done.stderr
    assert (240, 0, True, 0) == tuple(answer[name] for name in ("rows", "rejected", "done", "exit_code"))
    wanted = {"rows", "rejected", "parts", "commits", "cursor", "seconds", "api_calls", "retries"}
    assert wanted <= answer["streams"]["orders"].keys()
    assert 120 == answer["loads"]["orders"]["rows"]


def test_no_load_leaves_the_warehouse_alone_and_load_follows_later(call: Call, place: Path) -> None:
    """Landing and loading are two steps."""
    call("run", "shop", "--no-load")
    assert not (place / ".sluice/warehouse.duckdb").exists()
    first, second = call("load", "shop"), call("load", "shop")

    assert (0, 0) == (first.exit_code, second.exit_code)
    assert (120, 120) == rows(place, "orders")


def test_only_the_named_streams_run(call: Call, shop: Any) -> None:
    """`--streams a,b`."""
    done = call("run", "shop", "--streams", "orders", "--no-load")

    assert 0 == done.exit_code
    assert {"/orders"} == {path.partition("?")[0] for path in shop.asked}


def test_one_failing_stream_does_not_stop_the_others(call: Call, place: Path, shop: Any) -> None:
    """Exit code 1; the other one is landed and loaded."""
    shop.faults["/orders"] = 500
    done = call("run", "shop")

    assert 1 == done.exit_code
    assert "run of orders failed" in done.stderr
    assert "Traceback" not in done.output
    assert (120, 120) == rows(place, "customers")


def test_a_wrong_key_is_exit_code_3_and_never_shown(
    call: Call, monkeypatch: pytest.MonkeyPatch, place: Path
) -> None:
    """Also not when the API repeats it."""
    monkeypatch.setenv("SHOP_TOKEN", "wr0ng-key-Zu7")
    done = call("run", "shop", "--json")

    assert 3 == done.exit_code
    assert "wr0ng-key-Zu7" not in done.output
    assert all(b"wr0ng-key-Zu7" not in file.read_bytes() for file in place.rglob("*") if file.is_file())


def test_broken_records_beyond_the_bound_are_exit_code_4(call: Call, place: Path, shop: Any) -> None:
    """Others are committed, and the broken ones are not."""
    shop.faults["/orders"] = "broken"
    done = call("run", "shop")

    assert 4 == done.exit_code, done.output
    assert (120, 120) == rows(place, "customers")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("run", "shp"), 'did you mean "shop"?'),
        (("run", "shop", "--streams", "order"), 'did you mean "orders"?'),
        (("run", "shop", "--streams", ","), "names no stream"),
        (("run", "shop", "--since", "soon"), "2024-03-01"),
        (("run", "shop", "--since", "2024-02-01", "--until", "2024-01-01"), "since must lie before until"),
        (("run", "shop", "--set", "base_url"), "has no = in it"),
        (("run", "shop", "--set", "streams.orders.pth=/x"), 'unknown key "pth"'),
        (("run", "shop", "--source-file", "none.yml"), "none.yml"),
        (("rnu", "shop"), 'Did you mean "run"?'),
        (("run",), "Missing argument"),
        (("state", "rewind", "shop", "orders"), "Missing option"),
        (("invoke", "ingst", "x.json"), 'did you mean "ingest"?'),
    ],
)
def test_what_is_wrong_with_a_command_line_is_exit_code_2(
    call: Call, arguments: tuple[str, ...], says: str
) -> None:
    """And the message says what would be right."""
    done = call(*arguments)

    assert 2 == done.exit_code, done.output
    assert says in done.stderr
    assert "Traceback" not in done.output


def test_a_wrong_setting_names_itself(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings are read before anything is done."""
    monkeypatch.setenv("LANDING_URL", "ftp://x")
    done = call("run", "shop", "--json")

    assert 2 == done.exit_code
    assert "LANDING_URL" in done.stderr
    assert '"type":"Misconfigured"' in done.stdout


def test_debug_shows_the_traceback(call: Call, shop: Any) -> None:
    """For whoever looks for a fault of the program."""
    shop.faults["/orders"] = 404
    plain, debug = call("run", "shop", "--no-load"), call("run", "shop", "--no-load", "--debug")

    assert "Traceback" not in plain.output
    assert "Traceback" in debug.stderr
    assert plain.exit_code == debug.exit_code


def test_since_and_until_ask_for_a_range(call: Call, shop: Any) -> None:
    """The API is asked from `--since` on, and rows behind `--until` do not land."""
    done = call(
        "run",
        "shop",
        "--streams",
        "orders",
        "--since",
        "2024-03-01T10:00:10Z",
        "--until",
        "2024-03-01T10:00:20Z",
        "--no-load",
    )

    assert "20 rows" in done.output
    assert "since=2024-03-01T10%3A00%3A10Z" in shop.asked[0]


def test_status_shows_where_every_stream_stands(call: Call, last_line: Callable[[str], Any]) -> None:
    """Before a run, behind it, and while the warehouse lags."""
    assert "never run" in call("status", "shop").stdout
    call("run", "shop", "--no-load")
    lagging = {one["stream"]: one for one in last_line(call("status", "--json").stdout)["streams"]}
    call("load", "shop")
    level = {one["stream"]: one for one in last_line(call("status", "--json").stdout)["streams"]}

    assert (1, 120, 120) == tuple(lagging["orders"][name] for name in ("lag", "lag_rows", "rows"))
    assert (0, 0, False) == tuple(level["orders"][name] for name in ("lag", "lag_rows", "unfinished"))
    assert level["orders"]["cursor"]
    assert "orders" in call("status").stdout


def test_state_is_moved_by_commits_and_asks_first(call: Call, last_line: Callable[[str], Any]) -> None:
    """Nothing is overwritten: the log has one commit more."""
    call("run", "shop", "--no-load")
    future = call("state", "rewind", "shop", "orders", "--to", "2999-01-01", "--yes")
    refused = call("state", "rewind", "shop", "orders", "--to", "2024-01-01", answer="n\n")
    before = last_line(call("state", "show", "shop", "orders", "--json").stdout)
    call("state", "rewind", "shop", "orders", "--to", "2024-01-01", answer="y\n")
    rewound = last_line(call("state", "show", "shop", "orders", "--json").stdout)
    call("state", "reset", "shop", "orders", "--yes")
    forgotten = last_line(call("state", "show", "shop", "orders", "--json").stdout)

    assert 1 == refused.exit_code
    assert (1, "data") == (before["sequence"], before["kind"])
    assert 2 == future.exit_code
    assert "lies in the future" in future.stderr
    assert (2, "rewind", "2024-01-01T00:00:00Z") == (rewound["sequence"], rewound["kind"], rewound["cursor"])
    assert (3, "reset", None) == (forgotten["sequence"], forgotten["kind"], forgotten["cursor"])
    assert "120 rows" in call("run", "shop", "--streams", "orders", "--no-load").output


def test_the_state_of_an_unknown_stream_lists_the_known_ones(call: Call) -> None:
    """Also before anything has landed."""
    done = call("state", "show", "shop", "ordrs")

    assert 2 == done.exit_code
    assert 'did you mean "orders"?' in done.stderr


@pytest.mark.parametrize(
    ("fault", "code", "says"),
    [
        (None, 0, "all is well"),
        (401, 3, "SHOP_TOKEN"),
        (403, 3, "may not read this: look at SHOP_TOKEN"),
        (404, 3, "nothing is at this path"),
        (500, 1, "did not answer with success"),
        ("html", 1, "not whole JSON"),
        ("broken", 4, "break the contract"),
    ],
)
def test_check_says_what_is_wrong(
    call: Call, shop: Any, fault: int | str | None, code: int, says: str
) -> None:
    """One request, at once, and the reason in plain words."""
    if fault is not None:
        shop.faults["/customers"] = fault
    done = call("check", "shop")

    assert code == done.exit_code, done.output
    assert says in done.output
    assert 1 == len(shop.asked)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("base_url=http://127.0.0.1:9", "nothing listens"),
        ("base_url=https://shop.invalid", "the name shop.invalid is not known (DNS)"),
        ("streams.customers.records=items", 'records: "items"'),
        ("defaults.pagination.path=meta.after", "`meta`"),
    ],
)
def test_check_tells_an_address_and_a_shape_apart(call: Call, change: str, says: str) -> None:
    """What would be right depends on what is wrong."""
    done = call("check", "shop", "--set", change)

    assert 0 != done.exit_code
    assert says in done.output


def test_check_says_that_tls_fails(call: Call, shop: Any) -> None:
    """https:// to a port that speaks http://."""
    done = call("check", "shop", "--set", f"base_url={shop.url.replace('http:', 'https:')}")

    assert "TLS" in done.stderr or "certificate" in done.stderr


def test_a_missing_secret_names_the_places_that_were_searched(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first error of every newcomer."""
    monkeypatch.delenv("SHOP_TOKEN")
    done = call("check", "shop")

    assert 2 == done.exit_code
    assert "SHOP_TOKEN" in done.stderr
    assert ".env" in done.stderr


@pytest.mark.parametrize("command", ["run", "check"])
def test_what_is_not_set_is_told_once_and_before_anything_is_asked(
    call: Call, monkeypatch: pytest.MonkeyPatch, shop: Any, place: Path, command: str
) -> None:
    """Not once for each stream, and not when the data has landed."""
    monkeypatch.delenv("SHOP_TOKEN")
    monkeypatch.setenv("WAREHOUSE_URL", "ducktb:///x")
    done = call(command, "shop", "--set", "streams.orders.mask={name: hash}")

    assert 2 == done.exit_code, done.output
    assert 1 == done.stderr.count('secret "SHOP_TOKEN" is not set')
    assert 1 == done.stderr.count(
        'secret "MASK_KEY" is not set; it is the key of the hashes in `mask` of orders'
    )
    assert 'unknown kind of warehouse "ducktb"' in done.stderr
    assert [] == shop.asked
    assert not (place / ".sluice").exists()


def test_only_what_a_run_needs_must_be_set(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    """Streams that are not run need no key, and a run that does not load no warehouse."""
    monkeypatch.setenv("WAREHOUSE_URL", "ducktb:///x")
    mask = "streams.orders.mask={name: hash}"
    done = call("run", "shop", "--streams", "customers", "--no-load", "--set", mask)

    assert 0 == done.exit_code, done.output


def test_equal_errors_of_several_streams_are_told_once(call: Call, shop: Any) -> None:
    """With the names of the streams, and one URL of those that differ."""
    shop.faults.update({"/customers": 403, "/orders": 403})
    done = call("run", "shop", "--no-load")

    assert 1 == done.stderr.count("as asked for")
    assert "run of 2 streams failed" in done.stderr
    assert "streams customers, orders" in done.stderr
    assert "/customers?since=2024-01-01T00%3A00%3A00Z and others" in done.stderr
    assert "/orders" not in done.stderr


def test_what_has_landed_and_was_not_loaded_is_only_loaded_again(call: Call, place: Path, shop: Any) -> None:
    """Nothing need be fetched a second time."""
    (place / ".sluice/warehouse.duckdb").mkdir(parents=True)
    done = call("run", "shop")
    (place / ".sluice/warehouse.duckdb").rmdir()
    asked = len(shop.asked)

    assert 0 != done.exit_code
    advice = "run again when that is mended: sluice load shop --streams customers,orders"
    assert advice in done.stdout
    assert 0 == call(*advice.partition("sluice ")[2].split()).exit_code
    assert (120, 120) == rows(place, "customers") == rows(place, "orders")
    assert asked == len(shop.asked)


def test_check_comes_again_when_the_api_asks_for_that(call: Call, shop: Any) -> None:
    """A 429 that says when is no fault."""
    shop.faults["/customers"] = "busy"
    done = call("check", "shop")

    assert 0 == done.exit_code, done.output
    assert 2 == len(shop.asked)


def test_check_looks_beyond_an_empty_day(call: Call, shop: Any) -> None:
    """No record compared is nothing proven."""
    shop.filters = True
    found = call("check", "shop")
    shop.rows = 0
    nothing = call("check", "shop")

    assert "customers: 50 records on the page" in found.output
    assert ["since=2024-01-01T00%3A00%3A00Z" in path for path in shop.asked] == [False, True, False, True]
    assert "no record is there yet" in nothing.output


@pytest.mark.parametrize(("key", "says"), [("cursor_field", "updatet_at"), ("primary_key", "idd")])
def test_check_finds_a_name_that_no_record_has(call: Call, key: str, says: str) -> None:
    """Also where there is no contract to compare it with."""
    done = call("check", "shop", "--set", f"defaults.{key}={says}", "--set", "defaults.columns=null")

    assert 2 == done.exit_code, done.output
    assert f'{key}: no record on the page has the field "{says}"' in done.stderr
    assert "did you mean" in done.stderr


def test_the_state_of_a_source_that_lies_elsewhere_is_moved_with_its_file(call: Call, place: Path) -> None:
    """What another file of that name says does not count; the message says which one was read."""
    home = place / "src/shop/source.yml"
    elsewhere = place / "other.yml"
    elsewhere.write_text(home.read_text())
    home.write_text(home.read_text().replace("  incremental: {since: since, start: 2024-01-01}\n", ""))
    call("run", "shop", "--source-file", "other.yml", "--no-load")
    wrong = call("state", "rewind", "shop", "orders", "--to", "2024-01-01", "--yes")
    right = call(
        "state", "rewind", "shop", "orders", "--to", "2024-01-01", "--yes", "--source-file", "other.yml"
    )
    home.unlink()

    assert 2 == wrong.exit_code
    assert "the last commit of orders has the cursor 2" in wrong.stderr
    assert "name that one with --source-file" in wrong.stderr
    assert 0 == right.exit_code, right.output
    assert "2024-01-01" in call("state", "show", "shop", "orders", "--source-file", "other.yml").output
    assert 0 == call("state", "reset", "shop", "orders", "--yes", "--source-file", "other.yml").exit_code


def test_sources_lists_them_and_names_a_broken_file(call: Call, place: Path) -> None:
    """One broken file does not hide the others."""
    (place / "src" / "bad").mkdir()
    (place / "src" / "bad" / "source.yml").write_text("source: bad\n")
    done = call("sources")

    assert 2 == done.exit_code
    assert "shop" in done.stdout
    assert "bad/source.yml" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_commits_what_is_whole_and_says_how_to_go_on(
    start: Callable[..., subprocess.Popen[str]], call: Call, place: Path, shop: Any, number: signal.Signals
) -> None:
    """The next run goes on from there, and everything is there once."""
    shop.delay, shop.rows = 0.05, 2000
    process = start("run", "shop")
    _wait(lambda: len(shop.asked) > 6, process)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    shop.delay = 0.0
    asked = len(shop.asked)
    again = call("run", "shop")

    assert 128 + number == process.returncode, err
    assert "Go on with: sluice run shop" in out
    assert "committing them" in err
    assert 0 == again.exit_code
    assert (2000, 2000) == rows(place, "customers") == rows(place, "orders")
    assert len(shop.asked) - asked <= 2 * 2000 // 50 - 2


def test_a_second_signal_ends_at_once(
    start: Callable[..., subprocess.Popen[str]], call: Call, shop: Any
) -> None:
    """While a page does not come; what was not committed never happened."""
    shop.delay, shop.rows = 3.0, 2000
    process = start("run", "shop", "--no-load")
    _wait(lambda: len(shop.asked) >= 2, process)
    process.send_signal(signal.SIGINT)
    assert process.stderr is not None
    while "once more aborts" not in (line := process.stderr.readline()):
        assert line
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)

    assert 130 == process.returncode
    assert "aborted" in err
    assert "never run" in call("status", "shop").stdout


def _wait(ready: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    for _ in range(3000):
        if ready():
            return
        if process.poll() is not None:
            raise AssertionError(process.communicate())
        time.sleep(0.01)
    raise AssertionError("it never came so far")


def test_a_lost_landing_zone_is_told_by_run_and_status(
    call: Call, place: Path, last_line: Callable[[str], Any]
) -> None:
    """What lands into an empty place would pass for loaded, because the ledger counts further."""
    assert 0 == call("run", "shop").exit_code
    shutil.rmtree(place / ".sluice/landing")

    empty, done, after = call("status"), call("run", "shop"), call("status", "--json")

    assert (4, 4, 4) == (empty.exit_code, done.exit_code, after.exit_code)
    assert "another landing zone" in done.output
    assert "LANDING_URL" in done.output
    assert "another log" in empty.output
    one = last_line(after.stdout)["streams"][0]
    assert one["lag"] is None
    assert "another landing zone" in one["astray"]
