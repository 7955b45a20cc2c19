"""The records that every benchmark moves: four streams of a billing API, the same bytes for the same seed.

A record is about 2.4 KB of compact JSON with some 40 columns, among them nested objects and lists, date-times, nulls,
money, escapes and text beyond ASCII. A stream is a block of different records that is used over and over:
`Stream.page` patches identifier, key and time into the block's bytes, so that two million records cost no more memory
than five thousand, and a page costs a copy.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property, lru_cache
from typing import Any

import orjson

STREAMS = ("accounts", "subscriptions", "invoices", "transactions")
EPOCH = datetime(2023, 1, 1, tzinfo=UTC)
RECORDS_PER_SECOND = 3
"""So many records share one `updated_at`, as in an API that writes several objects in one transaction."""

_ID = b"~" * 13
_KEY = b"^" * 13
_TIME = b"9999-99-99T99:99:99Z"
_FIRST = ("Ada", "Zoë", "Grace", "Łukasz", "Margaret", "Søren", "Alan", "Chiyo", "Edsger", "José")
_LAST = (
    "Lovelace",
    "Müller",
    "Hopper",
    "Kowalski",
    "Hamilton",
    "Ångström",
    "Turing",
    "山田",
    "Dijkstra",
    "O'Brien",
)
_CITIES = ("Berlin", "Zürich", "São Paulo", "Wellington", "Łódź", "New Orleans", "Kraków", "Reykjavík")
_WORDS = (
    "annual monthly seat usage overage credit refund prorated trial upgrade support enterprise starter growth legacy "
    "discount renewal setup consulting storage bandwidth premium addon included contract negotiated approved"
).split()


@dataclass(frozen=True)
class Stream:
    """One collection of the simulated API: `rows` records, ascending by `updated_at`, then by `id`."""

    name: str
    rows: int
    block: tuple[bytes, ...]

    @cached_property
    def _layout(self) -> tuple[bytes, list[int], list[tuple[int, int, int]]]:
        """The block joined by commas, where each record starts, and where its id, key and time stand."""
        starts, places, at = [], [], 0
        for text in self.block:
            starts.append(at)
            places.append((at + text.index(_ID), at + text.index(_KEY), at + text.index(_TIME)))
            at += len(text) + 1
        return b",".join(self.block) + b",", [*starts, at], places

    def record(self, index: int) -> bytes:
        """The record at `index` as compact JSON."""
        return self.page(index, index + 1)

    def page(self, start: int, stop: int) -> bytes:
        """Records `start` up to `stop` (exclusive), joined by commas."""
        stop, size = min(stop, self.rows), len(self.block)
        pieces = []
        while start < stop:
            lap = start // size * size
            end = min(stop, lap + size)
            pieces.append(self._piece(start - lap, end - lap, lap))
            start = end
        return b",".join(pieces)

    def _piece(self, first: int, last: int, lap: int) -> bytes:
        joined, starts, places = self._layout
        base = starts[first]
        text = bytearray(joined[base : starts[last] - 1])
        for index in range(first, last):
            at_id, at_key, at_time = places[index]
            number = index + lap
            text[at_id - base : at_id - base + 13] = b"%013d" % number
            text[at_key - base : at_key - base + 13] = b"k%012d" % (number * 7919 % 10**12)
            text[at_time - base : at_time - base + 20] = _time_bytes(number // RECORDS_PER_SECOND)
        return bytes(text)

    def between(self, begin: str | None, end: str | None) -> range:
        """The records whose `updated_at` lies between two RFC 3339 times, both inclusive, as ordinals."""
        first = 0 if begin is None else _first_at(begin)
        last = self.rows if end is None else _first_at(end, after=True)
        return range(min(max(first, 0), self.rows), min(max(last, 0), self.rows))


def time_of(index: int) -> str:
    """`updated_at` of the record at `index`."""
    return _time_bytes(index // RECORDS_PER_SECOND).decode()


@lru_cache(maxsize=512)
def _minute(minutes: int) -> bytes:
    return (EPOCH + timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:").encode()


def _time_bytes(seconds: int) -> bytes:
    minutes, rest = divmod(seconds, 60)
    return b"%s%02dZ" % (_minute(minutes), rest)


def _first_at(text: str, *, after: bool = False) -> int:
    """The first ordinal that is not older than `text` (or is younger, with `after`)."""
    seconds = (datetime.fromisoformat(text) - EPOCH).total_seconds()
    whole = int(seconds // 1)
    if after or whole != seconds:
        whole += 1
    return whole * RECORDS_PER_SECOND


def make_stream(name: str, rows: int, *, seed: int = 2, unique: int = 5000) -> Stream:
    """A stream of `rows` records of which at most `unique` differ in more than identifier, key and time."""
    chance = random.Random(f"{seed}/{name}")
    make = _MAKERS[name]
    block = tuple(orjson.dumps(make(chance)) for _ in range(min(rows, unique)))
    return Stream(name, rows, block)


def contract_of(name: str) -> dict[str, Any]:
    """The JSON Schema that every record of the stream is checked against."""
    chance = random.Random(f"schema/{name}")
    shape: Any = None
    for _ in range(60):
        shape = _merge(shape, _MAKERS[name](chance))
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": name,
        **_object_schema(shape),
        "required": ["id", "object", "created_at", "updated_at"],
    }


def _merge(left: Any, right: Any) -> Any:
    """One example that has every key of both, and a value wherever one of them has it."""
    match left, right:
        case dict(), dict():
            return {key: _merge(left.get(key), right.get(key)) for key in {**left, **right}}
        case list(), list():
            merged = None
            for item in [*left, *right]:
                merged = _merge(merged, item)
            return [] if merged is None else [merged]
        case None, _:
            return right
        case _:
            return left


def _schema_for(key: str, value: Any) -> dict[str, Any]:
    match value:
        case bool():
            return {"type": ["boolean", "null"]}
        case int():
            return {"type": ["integer", "null"]}
        case float():
            return {"type": ["number", "null"]}
        case list():
            items = [_schema_for(key, item) for item in value[:1]]
            return {"type": ["array", "null"], **({"items": items[0]} if items else {})}
        case dict() if key == "gateway_response_values":
            return {"type": ["object", "null"]}
        case dict():
            return {**_object_schema(value), "type": ["object", "null"]}
        case _ if key.endswith("_at"):
            return {"type": ["string", "null"], "format": "date-time"}
        case _:
            return {"type": ["string", "null"], "maxLength": 2000}


def _object_schema(shape: Mapping[str, Any]) -> dict[str, Any]:
    properties = {key: _SCHEMAS.get(key) or _schema_for(key, value) for key, value in shape.items()}
    return {"type": "object", "properties": properties}


_STATES = [
    "active",
    "inactive",
    "canceled",
    "expired",
    "paid",
    "pending",
    "past_due",
    "failed",
    "success",
    "void",
    None,
]
_SCHEMAS: dict[str, dict[str, Any]] = {
    "id": {"type": "string", "minLength": 1, "maxLength": 40},
    "object": {"type": "string"},
    "state": {"type": ["string", "null"], "enum": _STATES},
    "currency": {"type": ["string", "null"], "minLength": 3, "maxLength": 3},
    "quantity": {"type": ["integer", "null"], "minimum": 0},
    "created_at": {"type": "string", "format": "date-time"},
    "updated_at": {"type": "string", "format": "date-time"},
    "start_date": {"type": ["string", "null"], "format": "date-time"},
    "end_date": {"type": ["string", "null"], "format": "date-time"},
    "custom_fields": {
        "type": "array",
        "items": {
            "type": "object",
            "properties": {"name": {"type": "string"}, "value": {"type": ["string", "null"]}},
            "required": ["name"],
        },
    },
}


def _token(chance: random.Random, length: int = 13) -> str:
    return "".join(chance.choices("abcdefghijklmnopqrstuvwxyz0123456789", k=length))


def _moment(chance: random.Random) -> str:
    return (EPOCH + timedelta(seconds=chance.randrange(70_000_000))).strftime("%Y-%m-%dT%H:%M:%SZ")


def _money(chance: random.Random) -> float:
    return round(chance.uniform(0, 2500), 2)


def _maybe(chance: random.Random, value: Any, share: float = 0.3) -> Any:
    return None if chance.random() < share else value


def _words(chance: random.Random, low: int, high: int) -> str:
    text = " ".join(chance.choices(_WORDS, k=chance.randint(low, high)))
    if chance.random() < 0.1:
        text += ' "as agreed"\nsecond line'
    return text


def _address(chance: random.Random) -> dict[str, Any]:
    return {
        "phone": f"+49 30 {chance.randrange(10**7):07d}",
        "street1": f"{chance.randrange(1, 400)} {chance.choice(_LAST)} Street",
        "street2": _maybe(chance, f"Floor {chance.randrange(1, 40)}", 0.6),
        "city": chance.choice(_CITIES),
        "region": _maybe(chance, chance.choice(("BE", "ZH", "SP", "LA"))),
        "postal_code": f"{chance.randrange(10**5):05d}",
        "country": chance.choice(("DE", "CH", "BR", "NZ", "PL", "US")),
        "geo_code": None,
    }


def _account_mini(chance: random.Random) -> dict[str, Any]:
    first, last = chance.choice(_FIRST), chance.choice(_LAST)
    return {
        "id": _token(chance),
        "object": "account",
        "code": f"acct-{_token(chance, 20)}",
        "email": f"{_token(chance, 8)}@example.com",
        "first_name": first,
        "last_name": last,
        "company": _maybe(chance, f"{last} & Co"),
        "parent_account_id": _maybe(chance, _token(chance), 0.9),
        "bill_to": "self",
        "dunning_campaign_id": _maybe(chance, _token(chance), 0.5),
    }


def _custom_fields(chance: random.Random) -> list[dict[str, Any]]:
    count = chance.randint(2, 4)
    return [
        {"name": chance.choice(_WORDS), "value": _maybe(chance, _words(chance, 1, 3))} for _ in range(count)
    ]


def _line_item(chance: random.Random) -> dict[str, Any]:
    return {
        "id": _token(chance),
        "object": "line_item",
        "type": "charge",
        "item_code": _maybe(chance, _token(chance, 8)),
        "description": _words(chance, 3, 8),
        "currency": "EUR",
        "unit_amount": _money(chance),
        "quantity": chance.randint(1, 90),
        "subtotal": _money(chance),
        "tax": _money(chance),
        "taxable": chance.random() < 0.8,
        "start_date": _moment(chance),
        "end_date": _maybe(chance, _moment(chance)),
    }


def _head(chance: random.Random, kind: str) -> dict[str, Any]:
    return {"id": _ID.decode(), "object": kind, "uuid": _token(chance, 32), "key": _KEY.decode()}


def _account(chance: random.Random) -> dict[str, Any]:
    first, last = chance.choice(_FIRST), chance.choice(_LAST)
    return {
        **_head(chance, "account"),
        "code": f"acct-{_token(chance, 20)}",
        "state": chance.choice(("active", "inactive")),
        "username": _maybe(chance, _token(chance, 10)),
        "email": f"{_token(chance, 8)}@example.com",
        "preferred_locale": chance.choice(("de-DE", "en-US", "pl-PL")),
        "preferred_time_zone": _maybe(chance, "Europe/Berlin"),
        "cc_emails": f"{_token(chance, 8)}@example.com,{_token(chance, 9)}@example.com",
        "first_name": first,
        "last_name": last,
        "company": _maybe(chance, f"{last} & Co"),
        "vat_number": _maybe(chance, f"DE{chance.randrange(10**9):09d}"),
        "tax_exempt": chance.random() < 0.1,
        "exemption_certificate": _maybe(chance, _token(chance, 16), 0.9),
        "external_accounts": [],
        "parent_account_id": _maybe(chance, _token(chance), 0.9),
        "bill_to": "self",
        "address": _address(chance),
        "shipping_addresses": [
            {
                "id": _token(chance),
                "object": "shipping_address",
                "nickname": _words(chance, 1, 2),
                **_address(chance),
            }
            for _ in range(chance.randint(1, 2))
        ],
        "billing_info": {
            "id": _token(chance),
            "object": "billing_info",
            "first_name": first,
            "last_name": last,
            "address": _address(chance),
            "valid": chance.random() < 0.95,
            "primary_payment_method": True,
            "payment_method": {
                "object": "credit_card",
                "card_type": "Visa",
                "first_six": "411111",
                "last_four": f"{chance.randrange(10**4):04d}",
                "exp_month": chance.randint(1, 12),
                "exp_year": chance.randint(2024, 2031),
            },
            "created_at": _moment(chance),
            "updated_at": _moment(chance),
        },
        "has_live_subscription": chance.random() < 0.7,
        "has_active_subscription": chance.random() < 0.6,
        "has_future_subscription": False,
        "has_canceled_subscription": chance.random() < 0.2,
        "has_paused_subscription": False,
        "has_past_due_invoice": chance.random() < 0.1,
        "dunning_campaign_id": _maybe(chance, _token(chance), 0.5),
        "invoice_template_id": None,
        "override_business_entity_id": None,
        "credit_limit": _maybe(chance, _money(chance)),
        "balance_cents": chance.randrange(10**6),
        "custom_fields": _custom_fields(chance),
        "tags": chance.choices(_WORDS, k=4),
        "notes": _words(chance, 20, 50),
        "created_at": _moment(chance),
        "updated_at": _TIME.decode(),
        "deleted_at": _maybe(chance, _moment(chance), 0.95),
    }


def _subscription(chance: random.Random) -> dict[str, Any]:
    return {
        **_head(chance, "subscription"),
        "account": _account_mini(chance),
        "plan": {
            "id": _token(chance),
            "object": "plan",
            "code": _token(chance, 12),
            "name": _words(chance, 2, 4),
        },
        "state": chance.choice(("active", "canceled", "expired")),
        "shipping": {
            "object": "subscription_shipping",
            "amount": _money(chance),
            "address": _address(chance),
        },
        "coupon_redemptions": [],
        "pending_change": None,
        "current_period_started_at": _moment(chance),
        "current_period_ends_at": _moment(chance),
        "current_term_started_at": _moment(chance),
        "current_term_ends_at": _moment(chance),
        "trial_started_at": _maybe(chance, _moment(chance)),
        "trial_ends_at": _maybe(chance, _moment(chance)),
        "remaining_billing_cycles": _maybe(chance, chance.randint(0, 12)),
        "total_billing_cycles": _maybe(chance, chance.randint(1, 12)),
        "renewal_billing_cycles": 1,
        "auto_renew": chance.random() < 0.9,
        "paused_at": None,
        "remaining_pause_cycles": None,
        "currency": "EUR",
        "revenue_schedule_type": "evenly",
        "unit_amount": _money(chance),
        "tax_inclusive": False,
        "quantity": chance.randint(1, 90),
        "add_ons": [
            {
                "id": _token(chance),
                "object": "subscription_add_on",
                "add_on_source": "plan_add_on",
                "quantity": chance.randint(1, 20),
                "unit_amount": _money(chance),
                "revenue_schedule_type": "evenly",
                "tier_type": "flat",
                "percentage_tiers": [],
                "created_at": _moment(chance),
                "updated_at": _moment(chance),
                "expired_at": None,
            }
            for _ in range(chance.randint(1, 3))
        ],
        "add_ons_total": _money(chance),
        "subtotal": _money(chance),
        "tax": _maybe(chance, _money(chance)),
        "total": _money(chance),
        "collection_method": "automatic",
        "po_number": _maybe(chance, f"PO-{chance.randrange(10**6)}"),
        "net_terms": 30,
        "terms_and_conditions": _words(chance, 15, 30),
        "customer_notes": _maybe(chance, _words(chance, 8, 20)),
        "expiration_reason": None,
        "custom_fields": _custom_fields(chance),
        "created_at": _moment(chance),
        "updated_at": _TIME.decode(),
        "activated_at": _maybe(chance, _moment(chance)),
        "canceled_at": _maybe(chance, _moment(chance), 0.7),
        "bank_account_authorized_at": None,
        "billing_info_id": _token(chance),
        "active_invoice_id": _maybe(chance, _token(chance)),
        "started_with_gift": False,
        "converted_at": _maybe(chance, _moment(chance)),
    }


def _invoice(chance: random.Random) -> dict[str, Any]:
    return {
        **_head(chance, "invoice"),
        "type": "charge",
        "origin": chance.choice(("purchase", "renewal")),
        "state": chance.choice(("paid", "pending", "past_due")),
        "account": _account_mini(chance),
        "billing_info_id": _token(chance),
        "subscription_ids": [_token(chance) for _ in range(chance.randint(1, 2))],
        "previous_invoice_id": None,
        "number": str(chance.randrange(10**6)),
        "collection_method": "automatic",
        "po_number": _maybe(chance, f"PO-{chance.randrange(10**6)}"),
        "net_terms": 30,
        "address": _address(chance),
        "shipping_address": None,
        "currency": "EUR",
        "balance": 0,
        "paid": _money(chance),
        "total": _money(chance),
        "subtotal": _money(chance),
        "refundable_amount": _money(chance),
        "discount": 0.0,
        "tax": _money(chance),
        "tax_info": {"type": "vat", "region": "DE", "rate": 0.19},
        "used_tax_service": False,
        "vat_number": _maybe(chance, f"DE{chance.randrange(10**9):09d}"),
        "vat_reverse_charge_notes": None,
        "terms_and_conditions": _words(chance, 3, 8),
        "customer_notes": None,
        "line_items": [_line_item(chance) for _ in range(chance.randint(2, 3))],
        "has_more_line_items": False,
        "credit_payments": [],
        "created_at": _moment(chance),
        "updated_at": _TIME.decode(),
        "due_at": _moment(chance),
        "closed_at": _maybe(chance, _moment(chance)),
        "dunning_campaign_id": _maybe(chance, _token(chance)),
        "dunning_events_sent": 0,
        "final_dunning_event": False,
        "business_entity_id": None,
    }


def _transaction(chance: random.Random) -> dict[str, Any]:
    return {
        **_head(chance, "transaction"),
        "original_transaction_id": None,
        "account": _account_mini(chance),
        "invoice": {
            "id": _token(chance),
            "object": "invoice",
            "number": str(chance.randrange(10**6)),
            "state": "paid",
        },
        "voided_by_invoice": None,
        "subscription_ids": [_token(chance)],
        "type": chance.choice(("purchase", "refund", "verify")),
        "origin": "recurring",
        "currency": "EUR",
        "amount": _money(chance),
        "state": chance.choice(("success", "failed", "void")),
        "success": chance.random() < 0.9,
        "backup_payment_method_used": False,
        "refunded": chance.random() < 0.05,
        "billing_address": _address(chance),
        "collection_method": "automatic",
        "payment_method": {
            "object": "credit_card",
            "card_type": "MasterCard",
            "first_six": "545454",
            "last_four": f"{chance.randrange(10**4):04d}",
            "exp_month": chance.randint(1, 12),
            "exp_year": chance.randint(2024, 2031),
            "gateway_token": _token(chance, 40),
        },
        "ip_address_v4": f"192.0.2.{chance.randrange(256)}",
        "ip_address_country": "DE",
        "status_code": "approved",
        "status_message": _words(chance, 3, 9),
        "customer_message": _words(chance, 10, 20),
        "customer_message_locale": "en-US",
        "payment_gateway": {
            "id": _token(chance),
            "object": "payment_gateway",
            "type": "stripe",
            "name": _words(chance, 1, 3),
        },
        "gateway_message": _words(chance, 5, 12),
        "gateway_reference": _token(chance, 40),
        "gateway_approval_code": _token(chance, 10),
        "gateway_response_code": "200",
        "gateway_response_time": round(chance.uniform(0.05, 3), 3),
        "gateway_response_values": {_token(chance, 8): _token(chance, 16) for _ in range(6)},
        "cvv_check": "M",
        "avs_check": "D",
        "fraud_info": {
            "object": "fraud_info",
            "score": chance.randrange(100),
            "decision": "approve",
            "risk_rules_triggered": [],
        },
        "custom_fields": _custom_fields(chance),
        "vat_number": _maybe(chance, f"DE{chance.randrange(10**9):09d}"),
        "dunning_campaign_id": _maybe(chance, _token(chance)),
        "created_at": _moment(chance),
        "updated_at": _TIME.decode(),
        "voided_at": None,
        "collected_at": _moment(chance),
        "fraud_session_id": _token(chance, 32),
        "initiated_by": "merchant",
    }


_MAKERS: dict[str, Callable[[random.Random], dict[str, Any]]] = {
    "accounts": _account,
    "subscriptions": _subscription,
    "invoices": _invoice,
    "transactions": _transaction,
}
