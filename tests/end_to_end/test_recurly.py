"""The whole Recurly source against the simulated site in another process: all of it, what changed, and the exports."""

from __future__ import annotations

import base64
import csv
import gzip
import hashlib
import io
import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from shared.common.clock import SystemClock
from shared.landing.commit import Commit
from shared.landing.folder import FolderStore
from shared.landing.log import CommitLog
from shared.recurly.streams import LISTINGS, Listing
from tests.end_to_end.house import Ended, Running
from tests.end_to_end.runner import start
from tests.faults.server import ROOT

DAY = date(2025, 6, 30)
"""The site's first day: its past ends when it begins, and all that it will do lies in our past."""
KEY = "end-to-end-key-31c7"
ACCEPT = "application/vnd.recurly.v2021-02-25"
EXPORTS = ("accounts", "invoices", "subscriptions", "transactions")
QUICKLY = "--set", "retry.attempts=3", "--set", "retry.base=0.01"


@dataclass
class Site:
    """The simulated site, and a folder in which `sluice run recurly` reads it."""

    url: str
    folder: Path
    commands: int = 0

    def run(self, *words: str) -> Ended:
        self.commands += 1
        name = f"command-{self.commands}"
        kept = {n: v for n, v in os.environ.items() if not n.startswith("AWS_")}
        environ = {
            **kept,
            "PYTHONPATH": str(ROOT),
            "API_ENDPOINT": self.url,
            "API_KEY": KEY,
            "LANDING_URL": (self.folder / "zone").as_uri(),
            "WAREHOUSE_URL": f"duckdb:///{self.folder}/warehouse.duckdb",
        }
        process = start(["run", "recurly", "--json", *words], home=self.folder, environ=environ, name=name)
        return Running(process, self.folder / name).ended()

    def ask(self, path: str, method: str = "GET", document: Any = None) -> tuple[Any, dict[str, str]]:
        token = base64.b64encode(f"{KEY}:".encode()).decode()
        headers = {"Authorization": f"Basic {token}", "Accept": ACCEPT}
        body = None if document is None else json.dumps(document).encode()
        call = urllib.request.Request(self.url + path, body, headers, method=method)
        with urllib.request.urlopen(call, timeout=20) as answer:
            text = answer.read()
            return (json.loads(text) if text else None), {n.lower(): v for n, v in answer.headers.items()}

    def walk(self, path: str) -> list[dict[str, Any]]:
        """All records of a list; none where its parent is gone."""
        records: list[dict[str, Any]] = []
        following: str | None = path
        while following:
            try:
                page, _ = self.ask(following)
            except urllib.error.HTTPError as error:
                error.close()
                if error.code != 404:
                    raise
                return []
            records += page["data"]
            following = page["next"]
        return records

    def truth(self) -> dict[str, list[dict[str, Any]]]:
        """What the site has now, list by list."""
        found: dict[str, list[dict[str, Any]]] = {}
        for listing in sorted(LISTINGS, key=lambda listing: listing.parent is not None):
            found[listing.stream] = [r for path in self._paths(listing, found) for r in self.walk(path)]
        return found

    def _paths(self, listing: Listing, found: dict[str, list[dict[str, Any]]]) -> list[str]:
        every = {"billing_status": "all"} if listing.stream == "usage" else {}
        query = "&".join(
            f"{n}={v}" for n, v in {"limit": "200", **every}.items() if n in listing.parameters or every
        )
        if listing.parent is None:
            return [f"{listing.path}?{query}"]
        head, _, tail = listing.path.partition("}")
        before = head.partition("{")[0]
        parents = [(r["id"], r) for r in found[listing.parent]]
        if listing.each:
            add_ons = [(one, item["add_on"]["id"]) for one, r in parents for item in r[listing.each] or ()]
            return [f"/subscriptions/{one}/add_ons/{add_on}/usage?{query}" for one, add_on in add_ons]
        return [f"{before}{one}{tail}?{query}" for one, _ in parents]

    def table(self, stream: str, *columns: str) -> Counter[Any]:
        import duckdb

        with duckdb.connect(f"{self.folder}/warehouse.duckdb", read_only=True) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            rows = connection.execute(f"SELECT {', '.join(columns)} FROM recurly.{stream}").fetchall()
        return Counter(tuple(map(_text, row)) for row in rows)

    def tables(self) -> set[str]:
        import duckdb

        with duckdb.connect(f"{self.folder}/warehouse.duckdb", read_only=True) as connection:
            names = connection.execute("SELECT table_name FROM duckdb_tables() WHERE schema_name = 'recurly'")
            return {name for (name,) in names.fetchall()}

    @property
    def store(self) -> FolderStore:
        return FolderStore(self.folder / "zone")

    def commits(self, stream: str) -> list[Commit]:
        return list(CommitLog(self.store, "recurly", stream, SystemClock()).since(0))


def _text(value: Any) -> Any:
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if isinstance(value, datetime) else value


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    words = ["--scale", "0.07", "--seed", "11", "--today", str(DAY), "--api-key", KEY]
    command = [sys.executable, "-m", "shared.recurly.simulator", *words]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield Site(json.loads(process.stdout.readline())["url"], tmp_path_factory.mktemp("recurly"))
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def tables_equal_the_site(site: Site, truth: dict[str, list[dict[str, Any]]]) -> None:
    """By key and time of change; below accounts that were closed meanwhile, the API shows nothing any more."""
    here = site.tables()
    for listing in LISTINGS:
        keys = ["account_id", "id"] if listing.stream == "entitlements" else list(listing.primary_key)
        columns = [name for name in (*keys, "updated_at") if name != "account_id"]
        rows = truth[listing.stream]
        columns = [name for name in columns if rows and name in rows[0]]
        expected = Counter(tuple(row[name] for name in columns) for row in rows)
        if not rows:
            assert listing.stream not in here or not site.table(listing.stream, "1"), listing.stream
        elif listing.parent and listing.cursor_field:
            assert expected <= site.table(listing.stream, *columns), listing.stream
        else:
            assert expected == site.table(listing.stream, *columns), listing.stream


def test_all_of_the_site_lands_and_then_only_what_changed(site: Site) -> None:
    lists = ",".join(listing.stream for listing in LISTINGS)
    before = site.truth()
    first = site.run("--streams", lists, "--until", str(DAY))
    landed = {name: one["rows"] for name, one in first.answer["streams"].items()}

    assert first.code == 0, first.err
    assert landed == {name: len(rows) for name, rows in before.items()}
    assert sum(landed.values()) > 1000
    for listing in LISTINGS:
        if listing.parent is None:
            _, headers = site.ask(listing.path, "HEAD")
            assert int(headers["recurly-total-records"]) == landed[listing.stream], listing.stream
    assert first.answer["rejected"] == 0
    tables_equal_the_site(site, before)

    # Three days pass.
    site.ask("/_simulator/advance", "POST", {"days": 3})
    after = site.truth()
    second = site.run("--streams", lists)

    assert second.code == 0, second.err
    tables_equal_the_site(site, after)
    for listing in LISTINGS:
        rows = after[listing.stream]
        if listing.cursor_field == "updated_at":
            changed = sum(row["updated_at"] >= str(DAY) for row in rows)
            assert second.answer["streams"][listing.stream]["rows"] == changed, listing.stream
    assert 0 < second.answer["streams"]["invoices"]["rows"] < landed["invoices"] / 2
    assert site.ask("/_simulator")[0]["leaks"] == 0


def test_exports_land_byte_for_byte_and_one_broken_file_stops_no_other(site: Site) -> None:
    newest = date.fromisoformat(site.ask("/_simulator")[0]["day"]) - timedelta(days=1)
    words = "--streams", "exports", "--until", str(newest), *QUICKLY
    fault = {"kind": "corrupt", "path": f"/exports/{newest}/invoices", "times": 100}
    site.ask("/_simulator/faults", "POST", fault)
    broken = site.run(*words)
    site.ask("/_simulator/faults", "POST", {})
    mended = site.run(*words)
    nothing = site.run(*words)

    assert broken.code == 4
    assert f"invoices_{newest}" in broken.err
    failed = [name for name, one in broken.answer["streams"].items() if one["status"] == "failed"]
    assert failed == ["export_invoices"]
    assert mended.code == 0, mended.err
    assert mended.answer["parts"] == 1
    assert nothing.answer["parts"] == 0
    for name in EXPORTS:
        commits = site.commits(f"export_{name}")
        landed = {
            commit.draft.window["file"]: part
            for commit in commits
            if commit.draft.window
            for part in commit.draft.parts
        }
        rows = 0
        for number in range(7):
            day = newest - timedelta(days=number)
            files = site.ask(f"/export_dates/{day}/export_files")[0]["files"]
            offered = {file["name"]: file["md5sum"] for file in files}
            body = site.store.get(landed[f"{name}_{day}.csv.gz"].key)
            assert offered[f"{name}_{day}.csv.gz"] == hashlib.md5(body, usedforsecurity=False).hexdigest()
            rows += len(list(csv.DictReader(io.StringIO(gzip.decompress(body).decode()))))
        assert len(landed) == 7
        assert site.table(f"export_{name}", "1").total() == rows
    assert site.ask("/_simulator")[0]["leaks"] == 0
