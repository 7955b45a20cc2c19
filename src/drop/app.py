"""The drop app: a file that is put under `drop/<table>/` lands in the source `files`, line by line.

What a line must be says `src/drop/contracts/<table>.json` (or .yml). The commit calls the load app, as every commit
does. An event may come twice: a file that has landed lands no second time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from shared.common.errors import Misconfigured, Refused, SluiceError, unknown
from shared.common.ports import ObjectStore
from shared.telemetry.alerting import Alert
from shared.telemetry.handler import Context, Handler, Telemetry, handled
from src.drop.event import Dropped, dropped, queued, told_by
from src.workplace import Workplace

CONTRACTS = Path(__file__).parent / "contracts"


def handler_of(
    open_place: Callable[[], Workplace],
    open_bucket: Callable[[str], ObjectStore],
    *,
    contracts: Path = CONTRACTS,
) -> Handler:
    """A handler of its own: for Lambda the one below, for tests one with a workplace and buckets of theirs."""
    place = cache(open_place)

    @handled("drop", lambda: place().telemetry())
    def handler(event: Any, context: Context, telemetry: Telemetry) -> dict[str, Any]:
        def land(one: Dropped) -> dict[str, Any]:
            return _land(place(), one, open_bucket, contracts, telemetry)

        messages = queued(event)
        if messages:
            return _messages(messages, land, telemetry, request=context.aws_request_id)
        files, errors = list[dict[str, Any]](), list[SluiceError]()
        for one in dropped(event):
            try:
                files.append(land(one))
            except SluiceError as error:
                errors.append(error)
        for first in errors:
            raise first
        return {"done": True, "files": files}

    return handler


def _messages(
    messages: list[Mapping[str, Any]],
    land: Callable[[Dropped], dict[str, Any]],
    telemetry: Telemetry,
    *,
    request: str,
) -> dict[str, Any]:
    """SQS repeats the messages that failed, and those alone."""
    failed = dict[str, SluiceError]()
    for message in messages:
        name = str(message.get("messageId", ""))
        try:
            for one in told_by(message):
                land(one)
        except SluiceError as error:
            failed[name] = error
            telemetry.log.error(f"drop failed: {error}", extra={"where": error.where})
            if str(message.get("attributes", {}).get("ApproximateReceiveCount", "1")) == "1":
                telemetry.alerts.send(
                    Alert.of(error, key=f"drop {name} {request}", app="drop", request=request)
                )
    return {"batchItemFailures": [{"itemIdentifier": name} for name in failed]}


def _land(
    place: Workplace,
    one: Dropped,
    open_bucket: Callable[[str], ObjectStore],
    contracts: Path,
    telemetry: Telemetry,
) -> dict[str, Any]:
    from shared.ingestion.stream_report import last_words
    from src.filing import file_spec, land_file

    url = f"s3://{one.bucket}/{one.key}"
    if one.table is None and one.lies_in_drop:
        raise Misconfigured(
            f"{one.key} lies in no folder of a table",
            hint="drop a file as drop/<table>/<file>, no deeper",
            file=url,
        )
    if one.table is None:
        telemetry.log.info(f"ignored {url}: it does not lie in drop/")
        return {"file": url, "ignored": True}
    bucket = open_bucket(one.bucket)
    try:
        spec = file_spec(_contract(contracts, one.table), table=one.table, name=one.key)
        report = land_file(place, spec, lambda: bucket.open(one.key), name=url).to_json()
    except KeyError:
        raise Refused("the file is gone", hint="drop it again", file=url) from None
    except Exception as error:  # noqa: BLE001 - one file must not take the others with it
        told = last_words(error).at(file=url, table=one.table)
        raise told from error.__cause__
    telemetry.log.info("landed", extra={**report, "source": "files", "stream": one.table})
    return report


def _contract(folder: Path, table: str) -> Path:
    """The file with a table's contract. Raises `Misconfigured` listing the tables that have one."""
    for path in (folder / f"{table}.json", folder / f"{table}.yml"):
        if path.is_file():
            return path
    known = sorted({path.stem for path in folder.glob("*.*")})
    error = unknown("table of dropped files", table, known)
    error.hint = f"{error.hint}; a contract in src/drop/contracts/{table}.json makes it one"
    raise error


def _open_bucket(name: str) -> ObjectStore:
    from src.wiring import open_store

    return open_store(f"s3://{name}")


handler = handler_of(Workplace.open, _open_bucket)
