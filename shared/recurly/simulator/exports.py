"""The nightly export files of the simulated site: per day, gzipped CSV of the records that changed on it."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
from dataclasses import dataclass
from datetime import date
from typing import Any
from urllib.parse import parse_qsl, urlencode

from shared.recurly.simulator.table import Doc, Table

_COLUMNS = {
    "accounts": (
        "id",
        "code",
        "state",
        "email",
        "first_name",
        "last_name",
        "company",
        "created_at",
        "updated_at",
    ),
    "subscriptions": (
        "id",
        "account.code",
        "plan.code",
        "state",
        "currency",
        "total",
        "created_at",
        "updated_at",
    ),
    "invoices": (
        "id",
        "number",
        "account.code",
        "type",
        "state",
        "currency",
        "total",
        "created_at",
        "updated_at",
    ),
    "transactions": (
        "id",
        "account.code",
        "invoice.number",
        "type",
        "status",
        "currency",
        "amount",
        "updated_at",
    ),
}


@dataclass(frozen=True, slots=True)
class Export:
    """A finished file: its name, its bytes and their MD5 sum (hex)."""

    name: str
    body: bytes
    md5sum: str


def export_of(tables: dict[str, Table], day: date) -> list[Export]:
    """The files of one day; the same records give the same bytes."""
    return [
        _file(f"{name}_{day}.csv.gz", columns, _changed(tables[name], str(day)))
        for name, columns in _COLUMNS.items()
    ]


def signed_link(base: str, path: str, *, expires: int) -> str:
    """A link that opens `path` without a key until `expires` (epoch seconds), as the API's links to its files do."""
    return f"{base}{path}?{urlencode({'Expires': expires, 'Signature': _signature(path, str(expires))})}"


def refusal(path: str, query: str, *, now: float) -> str:
    """Why a link does not open: the text of the refusal; empty when it does."""
    asked = dict(parse_qsl(query))
    expires = asked.get("Expires", "")
    if asked.get("Signature") != _signature(path, expires):
        return "SignatureDoesNotMatch"
    return "Request has expired" if now >= int(expires) else ""


def _signature(path: str, expires: str) -> str:
    return hashlib.sha256(f"simulated {path} {expires}".encode()).hexdigest()[:32]


def _changed(table: Table, day: str) -> list[Doc]:
    return [row.doc for row in table.rows.values() if row.doc["updated_at"].startswith(day)]


def _file(name: str, columns: tuple[str, ...], docs: list[Doc]) -> Export:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(column.replace(".", "_") for column in columns)
    writer.writerows([_value(doc, column) for column in columns] for doc in docs)
    body = gzip.compress(text.getvalue().encode(), mtime=0)
    return Export(name, body, hashlib.md5(body, usedforsecurity=False).hexdigest())


def _value(doc: Doc, column: str) -> Any:
    name, _, rest = column.partition(".")
    value = doc[name]
    return value[rest] if rest and value is not None else value
