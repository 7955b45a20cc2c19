"""A small shop's API in a process of its own, whose rows are known beforehand and whose answers can break on the wire.

Four lists, all from one seed: `/orders` and `/events` can be asked for a range of time, `/products` is asked for whole,
`/products/ID/notes` hangs on a product. The plan of faults and the log of requests are those of `tests.faults.server`;
the kinds of fault that only a list can have are here:

    change       rows appear, change and go (`upsert`: {list: [row]}, `delete`: {list: [id]}) before a whole answer
    empty        no records, though there are more
    repeat       `next` leads to this page again
    duplicate    `next` leads to this page again, under another name
    expired      410, where the request has a cursor; else a whole answer, and the fault stays for the next request
    huge         a whole answer whose first record has a note of `megabytes`
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

from shared.common.instants import format_instant
from tests.faults.server import ROOT, FaultServer, Faulty, Handler

Row = dict[str, Any]

DAYS = 8
"""The shop's history: it ends at the `end` that the server is started with."""
TOKEN = "shop-key-5f1e0a"
PAGE = 20
TIMES = {"orders": "updated_at", "events": "at"}


def rows_of(seed: int, end: datetime) -> dict[str, list[Row]]:
    """All rows of the shop: the same for the same seed and end. Every row is about 200 bytes of JSON."""
    random = Random(seed)
    begin = end - timedelta(days=DAYS)

    def row(number: int, **more: Any) -> Row:
        return {"id": number, "total": random.randrange(10**6) / 4, **more, "note": "é" + "x" * 120}

    orders: list[Row] = []
    events: list[Row] = []
    for day in range(DAYS):
        since = begin + timedelta(days=day)
        # 100 orders strictly inside of each day, 80 events of which the first lies on the day's boundary.
        for moment in sorted(random.sample(range(1, 86_399), 100)):
            at = format_instant(since + timedelta(seconds=moment))
            orders.append(row(len(orders), updated_at=at, state="new"))
        for moment in sorted([0, *random.sample(range(1, 86_399), 79)]):
            events.append(row(len(events), at=format_instant(since + timedelta(seconds=moment))))
    products = [row(number, name=f"product {number}") for number in range(50)]
    notes = [
        row(number, product_id=product["id"])
        for number, product in enumerate(p for p in products for _ in range(p["id"] * 7 % 13))
    ]
    return {"orders": orders, "events": events, "products": products, "notes": notes}


class Shop(FaultServer):
    def __init__(self, plan: Mapping[str, Any], *, seed: int, end: datetime) -> None:
        self.rows = rows_of(seed, end)
        super().__init__(plan)
        self.RequestHandlerClass = Desk

    def change(self, upsert: Mapping[str, list[Row]], delete: Mapping[str, list[int]]) -> None:
        with self.lock:
            for name, rows in upsert.items():
                known = {row["id"]: row for row in self.rows[name]}
                self.rows[name] = list({**known, **{row["id"]: row for row in rows}}.values())
            for name, gone in delete.items():
                self.rows[name] = [row for row in self.rows[name] if row["id"] not in gone]

    def selected(self, path: str, asked: Mapping[str, str]) -> list[Row] | None:
        """The rows of a list between `from` and `to`, both included, in the order of their time; None: no such list."""
        match path.strip("/").split("/"):
            case ["products", number, "notes"]:
                if all(str(row["id"]) != number for row in self.rows["products"]):
                    return None
                return [row for row in self.rows["notes"] if str(row["product_id"]) == number]
            case [name] if name in self.rows and name != "notes":
                time = TIMES.get(name, "")
                rows = [row for row in self.rows[name] if _between(row.get(time, ""), asked)]
                return sorted(rows, key=lambda row: (row.get(time, ""), row["id"]))
        return None


def _between(moment: str, asked: Mapping[str, str]) -> bool:
    return asked.get("from", "") <= moment <= asked.get("to", "~")


class Desk(Handler):
    server: Shop

    def do_GET(self) -> None:  # noqa: N802  (the name is http.server's)
        path = urlsplit(self.path).path
        if path == "/_rows":
            with self.server.lock:
                return self.whole(self.server.rows)
        if not path.startswith("/_"):
            time.sleep(self.server.plan.get("latency", 0))
            if self.headers.get("authorization") != f"Bearer {TOKEN}":
                return self.reply(
                    b'{"error": {"type": "unauthorized", "message": "who are you?"}}', status=401
                )
        return super().do_GET()

    def do_PUT(self) -> None:  # noqa: N802
        if self.path != "/_change":
            return super().do_PUT()
        self.do_change(json.loads(self.content()))
        return None

    def asked(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.path).query))

    def page(self) -> Any:
        """The page of the request; its cursor is the place of the row before it: its time and id, or its number."""
        asked, path = self.asked(), urlsplit(self.path).path
        with self.server.lock:
            rows = self.server.selected(path, asked)
        if rows is None:
            return None
        limit, name = int(asked.get("limit", PAGE)), path.strip("/")
        if name in TIMES:
            keyed = [(f"{row[TIMES[name]]}.{row['id']:06d}", row) for row in rows]
            after = asked.get("cursor", "").lstrip(" ")
            rest = [(key, row) for key, row in keyed if key > after]
            cursor = rest[limit - 1][0] if len(rest) > limit else None
            rows = [row for _, row in rest]
        else:
            start = int(asked.get("cursor", 0))
            cursor = str(start + limit) if len(rows) > start + limit else None
            rows = rows[start:]
        return {"has_more": cursor is not None, "next": cursor and self.link(cursor), "data": rows[:limit]}

    def link(self, cursor: str) -> str:
        kept = [(n, v) for n, v in self.asked().items() if n != "cursor"]
        pairs = [*kept, ("cursor", cursor)]
        return urlsplit(self.path).path + "?" + "&".join(f"{n}={quote(v)}" for n, v in pairs)

    def same_place(self) -> str:
        """Another name for the cursor of this request."""
        start = "" if urlsplit(self.path).path.strip("/") in TIMES else "0"
        return f" {self.asked().get('cursor', start)}"

    def reply(
        self, body: bytes, headers: Any = None, *, status: int = 200, length: int | None = None
    ) -> None:
        """As before, with the count of the rows for whoever asks with HEAD, and 404 for what is not there."""
        if body == b"null":
            body, status = b'{"error": {"type": "not_found", "message": "there is no such thing"}}', 404
        if self.command == "HEAD":
            rows = self.server.selected(urlsplit(self.path).path, self.asked()) or ()
            headers = {**(headers or {}), "x-total": str(len(rows))}
        super().reply(body, headers, status=status, length=length)

    def do_change(self, fault: dict[str, Any]) -> None:
        self.server.change(fault.get("upsert", {}), fault.get("delete", {}))
        self.whole(self.page() if not self.path.startswith("/_") else {"ok": True})

    def do_empty(self, fault: dict[str, Any]) -> None:
        self.whole({"has_more": True, "next": self.link(self.same_place()), "data": []})

    def do_repeat(self, fault: dict[str, Any]) -> None:
        self.whole({**self.page(), "has_more": True, "next": self.path})

    def do_duplicate(self, fault: dict[str, Any]) -> None:
        self.whole({**self.page(), "has_more": True, "next": self.link(self.same_place())})

    def do_expired(self, fault: dict[str, Any]) -> None:
        if "cursor" not in self.asked():
            with self.server.lock:
                route = urlsplit(self.path).path
                self.server.used[route if route in self.server.plan["routes"] else "*"] -= 1
            return self.whole(self.page())
        error = {"type": "gone", "message": "this cursor has expired"}
        return self.reply(json.dumps({"error": error}).encode(), status=410)

    def do_huge(self, fault: dict[str, Any]) -> None:
        page = self.page()
        page["data"][0]["note"] = "h" * (fault["megabytes"] * 1024 * 1024)
        self.whole(page)


@dataclass(frozen=True, slots=True)
class Open(Faulty):
    """A running shop."""

    end: datetime

    @property
    def begin(self) -> datetime:
        return self.end - timedelta(days=DAYS)

    def rows(self) -> dict[str, list[Row]]:
        """What the shop has now."""
        with urllib.request.urlopen(f"{self.url}/_rows", timeout=10) as answer:
            rows: dict[str, list[Row]] = json.load(answer)
        return rows

    def change(self, **change: Any) -> None:
        call = urllib.request.Request(f"{self.url}/_change", json.dumps(change).encode(), method="PUT")
        urllib.request.urlopen(call, timeout=10).close()


@contextmanager
def shop(seed: int = 1, plan: Mapping[str, Any] | None = None) -> Iterator[Open]:
    """A shop whose history ends an hour ago, until the block ends."""
    end = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
    command = [
        sys.executable,
        "-m",
        "tests.end_to_end.shop",
        str(seed),
        end.isoformat(),
        json.dumps(plan or {}),
    ]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield Open(f"http://127.0.0.1:{int(process.stdout.readline())}", end)
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def main(seed: str, end: str, plan: str) -> None:
    server = Shop(json.loads(plan), seed=int(seed), end=datetime.fromisoformat(end))
    sys.stdout.write(f"{server.server_port}\n")
    sys.stdout.flush()
    server.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
