"""Run the simulated site: prints one line of JSON with its addresses, and serves until it is told to stop."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import threading
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path

from shared.recurly.simulator.api import Options
from shared.recurly.simulator.faults import parse_limit
from shared.recurly.simulator.server import Simulator
from shared.recurly.simulator.world import World


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m shared.recurly.simulator", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="port of the API on 127.0.0.1 (0: any free one)")
    parser.add_argument("--seed", type=int, default=7, help="the same seed gives the same records")
    parser.add_argument("--scale", type=float, default=1.0, help="1.0 gives about 20,000 records")
    parser.add_argument(
        "--today", type=date.fromisoformat, default=date(2025, 6, 30), help="the site's first day now"
    )
    parser.add_argument("--live", action="store_true", help="today is today, and changes happen now")
    parser.add_argument("--latency-ms", type=float, default=0.0, help="wait so long before every answer")
    parser.add_argument(
        "--rate-limit", type=parse_limit, default=(0, 300.0), help="1000 (a minute) or 20/3 (20 in 3 s)"
    )
    parser.add_argument("--api-key", default="simulated", help="the only key that is let in")
    parser.add_argument("--without", default="", help="lists whose feature the site lacks: items,gift_cards")
    parser.add_argument(
        "--exports-late", type=int, default=0, help="so many times the newest exports are not ready"
    )
    parser.add_argument(
        "--link-seconds", type=int, default=3600, help="so long a link to an export file lives"
    )
    parser.add_argument(
        "--no-nulls", action="store_true", help="leave unset fields out instead of sending null"
    )
    parser.add_argument("--state", type=Path, help="file that keeps the days lived over a restart")
    return parser


def main(arguments: list[str]) -> int:
    chosen = parser().parse_args(arguments)
    options = Options(
        api_key=chosen.api_key,
        nulls=not chosen.no_nulls,
        missing=frozenset(filter(None, chosen.without.split(","))),
        exports_late=chosen.exports_late,
        link_seconds=chosen.link_seconds,
    )
    clock = partial(datetime.now, UTC)
    world = World(
        seed=chosen.seed,
        scale=chosen.scale,
        today=clock().date() if chosen.live else chosen.today,
        clock=clock if chosen.live else None,
    )
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    site = Simulator(
        world,
        options,
        port=chosen.port,
        latency=chosen.latency_ms / 1000,
        limit=chosen.rate_limit,
        state=chosen.state,
    )
    with site:
        line = {
            "url": site.url,
            "files_url": site.files_url,
            "api_key": chosen.api_key,
            "records": world.records,
        }
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()
        stop.wait()
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
