"""procrastinate as a peer of the dispatcher: `.venv-peers/bin/python benchmarks/dispatch_peer.py URL JOBS`.

Jobs that do nothing, deferred a hundred at a time and worked off by one worker, sixteen at once, in one PostgreSQL.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import time

import procrastinate  # type: ignore[import-not-found]  # a peer, not a dependency


def main(url: str, jobs: int) -> float:
    """Jobs per second, from the first one deferred to the last one done."""
    logging.getLogger("procrastinate").setLevel(logging.ERROR)
    app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=url))
    done = [0]

    @app.task(name="nothing")
    async def nothing(number: int) -> None:
        done[0] += 1

    async def work() -> float:
        async with app.open_async():
            if not await app.check_connection_async():  # the tables are there in the second round
                await app.schema_manager.apply_schema_async()
            began = time.perf_counter()
            for begin in range(0, jobs, 100):
                await nothing.batch_defer_async(
                    *[{"number": n} for n in range(begin, min(begin + 100, jobs))]
                )
            await app.run_worker_async(wait=False, concurrency=16, listen_notify=False)
            return time.perf_counter() - began

    seconds = asyncio.run(work())
    assert done[0] == jobs
    return jobs / seconds


if __name__ == "__main__":
    print(json.dumps({"events/s": main(sys.argv[1], int(sys.argv[2]))}))
