"""`make demo`: from a simulated API into checked tables on this machine, and what happens when a run is killed."""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from shared.common.errors import SluiceError
from src.cli.outcome import told
from src.cli.screen import table
from src.demo.site import Site
from src.demo.sluice import Sluice
from src.demo.tables import churn, counts, revenue

HOME = Path(".sluice/demo")
WIDTH = 96
BIG = ("accounts", "subscriptions", "invoices", "line_items", "transactions")
DAYS = 30

REAL = """\
A real site: put its private API key into .env (env.example lists all settings), then

  API_KEY=…                                         the key, from Integrations > API Credentials
  API_ENDPOINT=https://v3.eu.recurly.com            for a site in the EU; nothing otherwise

  pipenv run sluice check recurly                   can it be reached, is the key right?
  pipenv run sluice run recurly                     land and load; Ctrl-C, then again: it goes on
  pipenv run sluice status                          where every stream stands

Another API is one YAML file and one test: docs/add-a-source.md"""


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m src.demo", description=__doc__)
    parser.add_argument("--seed", type=int, default=7, help="the same seed gives the same site")
    parser.add_argument("--scale", type=float, default=1.0, help="1.0 gives about 20,000 records")
    chosen = parser.parse_args(arguments)
    began = time.monotonic()
    shutil.rmtree(HOME, ignore_errors=True)
    print("Sluice: from an API into checked tables, on this machine. All it writes lies in .sluice/demo.")
    try:
        with Site(seed=chosen.seed, scale=chosen.scale) as site:
            tour(site)
    except SluiceError as error:
        print(told(error), file=sys.stderr)
        return error.exit_code
    print(
        f"\nThat took {time.monotonic() - began:.0f} s. {HOME} is left for you to look at; the next tour removes it."
    )
    title("And now yours")
    print(REAL)
    return 0


def tour(site: Site) -> None:
    """The steps, one after the other; each says what it does before it does it."""
    sluice = Sluice(HOME / "steady", site.url, site.api_key)
    title("1  A Recurly site that is none")
    say(f"{site.records:,} records in {len(site.report()['totals'])} lists at {site.url}.")
    say("It answers as the API does: pages, cursors, limits, errors, and records that change.")
    title("2  The first run", "sluice run recurly")
    say("Every stream from its beginning: landed as gzip JSON lines, each part checked and committed,")
    say("and loaded into DuckDB while others are still on their way.")
    streams(sluice.run())
    title(f"3  {DAYS} days later, what is new", "sluice run recurly")
    site.advance(DAYS)
    time.sleep(2.1)  # changes count when they are a second old
    again = sluice.run()
    fetched, known = again["rows"], sum(site.report()["totals"].values())
    say(f"{fetched:,} of {known:,} records were fetched in {again['seconds']:.1f} s: those that changed,")
    say("and the lists that the API cannot filter.")
    title("4  kill -9 in the middle", "sluice run recurly --streams accounts,subscriptions,…")
    killed = Sluice(HOME / "killed", site.url, site.api_key)
    resume(site, killed)
    title("5  Is every record there exactly once?")
    proof(site.report(), sluice, killed)
    title("6  Two questions in SQL", f"duckdb {sluice.warehouse}")
    head, lines = revenue(sluice.warehouse, 6)
    left = ["Revenue by month (paid invoices)", "", *table(lines, head=head, right=[1, 2, 3]).splitlines()]
    head, lines = churn(sluice.warehouse)
    right = ["Churned subscriptions by plan", "", *table(lines, head=head, right=[1, 2, 3]).splitlines()]
    beside(left, right)


def resume(site: Site, sluice: Sluice) -> None:
    """Kill a first run into a new landing zone, run again, and compare what the two fetched."""
    options = (
        "--streams",
        ",".join(BIG),
        "--set",
        "defaults.commit_every=100ms",
        "--set",
        "parallel_streams=2",
    )
    before = site.requests()
    totals = site.report()["totals"]
    all_pages = sum(-(-totals[name] // 200) for name in BIG)
    sluice.killed(*options, when=lambda: site.requests() - before >= all_pages // 2)
    asked, kept = site.requests() - before, sum(sluice.landed().values())
    say(
        f"Killed after {asked} requests, of about {all_pages}: {kept:,} records are committed, the rest never happened."
    )
    answer = sluice.run(*options)
    twice = sum(sluice.landed().values()) - sum(totals[name] for name in BIG)
    say(
        f"Run again: it went on from the last commits, {answer['api_calls']} requests, {answer['rows']:,} records."
    )
    say(
        f"{'No record was' if not twice else f'{twice:,} records were'} landed twice; in the tables each is there once."
    )


def proof(report: Mapping[str, Any], steady: Sluice, killed: Sluice) -> None:
    """Compare the tables with what the site says it gives out; raises when anything differs.

    Below an account that was closed between two runs the site gives nothing out any more, and says so with 404: what
    landed before stays in the tables. Such lists may hold more than is given out, but no key twice.
    """
    given = {name: total - report["hidden"].get(name, 0) for name, total in report["totals"].items()}
    found = counts(steady.warehouse, given)
    again = counts(killed.warehouse, {name: given[name] for name in BIG if name in given})
    kept = {name: rows - given[name] for name, (rows, _) in found.items() if name in report["hidden"]}
    wrong = [
        name
        for name, (rows, keys) in found.items()
        if rows != keys or kept.get(name, 0) < 0 or (rows != given[name] and name not in kept)
    ]
    wrong += [
        f"{name} after the kill" for name, (rows, keys) in again.items() if {rows, keys} != {given[name]}
    ]
    if wrong:
        raise SluiceError(f"not every record is there exactly once: {', '.join(wrong)}", home=HOME)
    rows = sum(rows for rows, _ in found.values())
    say(
        f"Yes: {rows:,} rows in {len(found)} tables, as many different keys, and all that the site gives out."
    )
    if more := sum(kept.values()):
        say(f"({more} of them belong to accounts that were closed since: the API no longer gives them out.)")
    if hidden := sum(report["hidden"].values()):
        say(f"({hidden} more lie below closed accounts; the API answers 404 for those.)")
    say(f"After the kill: {sum(rows for rows, _ in again.values()):,} rows in {len(again)} tables, the same.")


def streams(answer: dict[str, Any]) -> None:
    """Rows, time and speed of every stream, the largest first, in two columns."""
    found = sorted(answer["streams"].values(), key=lambda one: (-one["rows"], one["stream"]))
    rows = [
        (
            one["stream"],
            f"{one['rows']:,}",
            f"{one['seconds']:.1f}",
            f"{one['rows'] / max(one['seconds'], 0.001):,.0f}",
        )
        for one in found
    ]
    head = ("stream", "rows", "seconds", "rows/s")
    middle = (len(rows) + 1) // 2
    halves = [table(half, head=head, right=[1, 2, 3]).splitlines() for half in (rows[:middle], rows[middle:])]
    print()
    beside(*halves)
    loaded = sum(one.get("rows", 0) for one in answer["loads"].values())
    print()
    requests, seconds = answer["api_calls"], answer["seconds"]
    say(
        f"{answer['rows']:,} records landed with {requests:,} requests in {seconds:.1f} s; {loaded:,} rows loaded."
    )


def beside(left: Sequence[str], right: Sequence[str]) -> None:
    """Two blocks of lines side by side."""
    width = max(map(len, left), default=0) + 5
    for number in range(max(len(left), len(right))):
        one = left[number] if number < len(left) else ""
        other = right[number] if number < len(right) else ""
        print(f"   {one:<{width}}{other}".rstrip())


def title(text: str, command: str = "") -> None:
    shown = f"$ {command}" if command else ""
    print(f"\n{text}{shown:>{WIDTH - len(text)}}".rstrip() + f"\n{'─' * WIDTH}", flush=True)


def say(text: str) -> None:
    print(f"   {text}", flush=True)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
