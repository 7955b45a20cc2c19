"""The life of the simulated site, day by day: people sign up, pay, change their minds and leave.

Everything follows from the seed: the same seed, scale, first day and number of days give the same records, whether the
days were lived in one go or one by one. One day is one step; the clock of the site stands at the end of the last one.
A site with a `clock` is live: what changes after its history gets the clock's time, so that a program that asks for
changes up to now meets them.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from datetime import date, datetime, timedelta
from random import Random
from typing import Any

from shared.recurly.simulator import catalog, documents
from shared.recurly.simulator.billing import Books
from shared.recurly.simulator.catalog import money, new_id, price_in
from shared.recurly.simulator.exports import Export, export_of
from shared.recurly.simulator.people import person
from shared.recurly.simulator.pricing import Contract, Customer, share
from shared.recurly.simulator.signup import add_external, add_household, redeem
from shared.recurly.simulator.table import Doc, Table
from shared.recurly.streams import LISTINGS

ACCOUNTS = 600  # at scale 1.0, which gives about 20,000 records in all
HISTORY = 913  # days that the site has lived when it is made
EXPORTED = 7  # days back for which export files are kept

_CHURN = {1: 0.045, 3: 0.09, 12: 0.25}  # chance to leave per period, by its months
Step = Callable[[Random, str, Any], None]


class World:
    """The site's records in tables by stream, and what is due on which day."""

    def __init__(
        self,
        *,
        seed: int = 7,
        scale: float = 1.0,
        today: date = date(2025, 6, 30),
        clock: Callable[[], datetime] | None = None,
    ) -> None:
        self.seed, self.scale = seed, scale
        self.day = today - timedelta(days=HISTORY)
        self.tables = {listing.stream: Table(listing.stream) for listing in LISTINGS}
        self.books = Books(self.tables)
        self.customers: dict[str, Customer] = {}
        self.exports: dict[str, list[Export]] = {}
        self._due: list[tuple[int, int, Step, Any]] = []
        self._scheduled = 0
        self._accounts = max(2, round(ACCOUNTS * scale))
        random = Random(f"{seed}:start")
        at = f"{self.day}T08:00:00Z"
        catalog.add_settings(self.tables, random, at)
        self.plans = catalog.add_products(self.tables, random, at)
        self.coupons = catalog.add_coupons(self.tables, random, at, codes=max(3, round(300 * scale)))
        arrivals = sorted(int(HISTORY * random.random() ** 0.5) for _ in range(self._accounts))
        self._arrivals: dict[int, int] = {}
        for index in arrivals:
            self._arrivals[index] = self._arrivals.get(index, 0) + 1
        self._clock: Callable[[], datetime] | None = None
        for index in range(HISTORY):
            self._live(self._arrivals.get(index, 0), export=index >= HISTORY - EXPORTED)
        self._clock = clock

    @property
    def records(self) -> int:
        return sum(len(table) for table in self.tables.values())

    def advance(self, days: int) -> None:
        """Live so many days more."""
        for _ in range(days):
            self._live(max(1, self._accounts // 300), export=True)

    def _live(self, arrivals: int, *, export: bool) -> None:
        """One day: what was due, who came, and small changes."""
        random = Random(f"{self.seed}:{self.day.toordinal()}")
        while self._due and self._due[0][0] <= self.day.toordinal():
            _, _, step, subject = heapq.heappop(self._due)
            step(random, self._at(random), subject)
        for _ in range(arrivals):
            self._sign_up(random, self._at(random))
        self._change_something(random)
        if export:
            self.exports[str(self.day)] = export_of(self.tables, self.day)
            self.exports.pop(str(self.day - timedelta(days=EXPORTED)), None)
        self.day += timedelta(days=1)

    def _at(self, random: Random) -> str:
        at = f"{self.day}T{random.randrange(24):02}:{random.randrange(60):02}:{random.randrange(60):02}Z"
        return f"{self._clock():%Y-%m-%dT%H:%M:%SZ}" if self._clock is not None else at

    def _plan(self, days: int, step: Step, subject: Any) -> None:
        self._scheduled += 1
        heapq.heappush(self._due, (self.day.toordinal() + max(1, days), self._scheduled, step, subject))

    def _sign_up(self, random: Random, at: str) -> None:
        number = len(self.customers) + 1
        who = person(random, number)
        account = self.tables["accounts"].add(documents.account(random, who, at, number))
        info = documents.billing_info(random, who, account["id"], at)
        customer = self.customers[account["id"]] = Customer(who, account, info)
        add_household(self.tables, random, at, customer)
        if random.random() < 0.08:
            add_external(self.tables, random, at, customer, months=(self.day.month % 9) + 1)
            return
        if random.random() < 0.3:
            redeem(self.tables, random, at, customer, random.choice(self.coupons))
        for _ in range(2 if random.random() < 0.15 else 1):
            self._subscribe(random, at, customer)

    def _subscribe(self, random: Random, at: str, customer: Customer) -> None:
        plan = random.choices(self.plans, (30, 28, 10, 8, 6, 5, 9))[0]
        currency = customer.who.country.currency
        add_ons: dict[str, int] = {}
        if random.random() < 0.35:
            add_ons["seats"] = random.randint(1, 12)
        if random.random() < 0.15:
            add_ons["priority-support"] = 1
        if random.random() < 0.2 and plan.months < 12:
            add_ons["api-calls"] = 1
        doc = documents.subscription(
            random, documents.account_mini(customer.account), plan, at, currency=currency,
            unit_amount=money(price_in(currency, plan.price)), billing_info_id=customer.billing_info["id"],
        )  # fmt: skip
        contract = Contract(doc, plan, customer, add_ons, manual=plan.months == 3 and random.random() < 0.7)
        self._price(random, contract, at)
        if customer.redemption is not None:
            names = ("id", "object", "state", "discounted", "created_at")
            coupon = {n: customer.redemption["coupon"][n] for n in ("id", "object", "code", "name", "state",
            "discount",
                                                                   "coupon_type", "expired_at")}  # fmt: skip
            doc["coupon_redemptions"].append({**{n: customer.redemption[n] for n in names}, "coupon": coupon})
        self.tables["subscriptions"].add(doc, owner=customer.account["id"])
        if random.random() < 0.04:
            self._period(doc, at, days=10)
            self.tables["subscriptions"].touch(doc["id"], state="future", activated_at=None)
            self._plan(10, self._bill, contract)
        elif plan.trial_days:
            ends = self._period(doc, at, days=plan.trial_days)
            self.tables["subscriptions"].touch(doc["id"], trial_started_at=at, trial_ends_at=ends)
            leaves = random.random() < 0.25
            self._plan(random.randint(2, plan.trial_days - 1), self._cancel, contract) if leaves else None
            self._plan(plan.trial_days, self._bill, contract)
        else:
            self._bill(random, at, contract)
        self.books.set_flags(customer, at)

    def _price(self, random: Random, contract: Contract, at: str) -> None:
        """Fill in what a subscription costs with its add-ons."""
        doc, total = contract.doc, 0
        doc["add_ons"] = []
        for code, quantity in contract.add_ons.items():
            add_on = contract.plan.add_ons[code]
            unit = next(p["unit_amount"] for p in add_on["currencies"] if p["currency"] == doc["currency"])
            total += 0 if add_on["add_on_type"] == "usage" else round(unit * 100) * quantity
            doc["add_ons"].append(
                documents.subscription_add_on(
                    random, doc["id"], add_on, quantity, unit_amount=unit, created_at=at, updated_at=at
                )
            )
        subtotal = round(doc["unit_amount"] * 100) * doc["quantity"] + total
        tax = share(subtotal, contract.customer.who.country.rate)
        doc.update(
            add_ons_total=money(total), subtotal=money(subtotal), tax=money(tax), total=money(subtotal + tax)
        )

    def _period(self, doc: Doc, at: str, *, days: int) -> str:
        """Set the current period to so many days from `at`; returns its end."""
        ends = f"{date.fromisoformat(at[:10]) + timedelta(days=days)}{at[10:]}"
        doc.update(current_period_started_at=at, current_period_ends_at=ends)
        doc.update(current_term_started_at=at, current_term_ends_at=ends)
        return ends

    def _bill(self, random: Random, at: str, contract: Contract) -> None:
        """The end of a period (or of a trial): expire, or renew and bill the next one."""
        doc, customer, plan = contract.doc, contract.customer, contract.plan
        subscriptions = self.tables["subscriptions"]
        if doc["state"] == "expired" or customer.gone:
            return
        if doc["state"] == "canceled":
            self._expire(at, contract, reason="canceled")
            return
        if doc["state"] == "active" and contract.billed and random.random() < 0.008:
            subscriptions.touch(doc["id"], at, state="paused", paused_at=at, remaining_pause_cycles=1)
            self._plan(30, self._bill, contract)
            self.books.set_flags(customer, at)
            return
        first = not contract.billed
        days = {1: 30, 3: 91, 12: 365}[plan.months]
        ends = self._period(doc, at, days=days)
        if doc["pending_change"]:
            doc["quantity"], doc["pending_change"] = doc["pending_change"]["quantity"], None
            self._price(random, contract, at)
        started = {"converted_at": at} if first and doc["trial_ends_at"] else {}
        activated = {} if doc["activated_at"] else {"activated_at": at}
        subscriptions.touch(
            doc["id"], at, state="active", paused_at=None, remaining_pause_cycles=None, **started, **activated
        )
        if first:
            self._entitle(random, at, contract)
        invoice = self.books.charge(random, contract, at, first=first, period=(at, ends))
        self._collect(random, at, contract, invoice)
        self._plan_period(random, at, contract, days=days)
        self.books.set_flags(customer, at)

    def _plan_period(self, random: Random, at: str, contract: Contract, *, days: int) -> None:
        """What happens until the period ends: usage, a change of mind, a change of quantity, and the next bill."""
        if "api-calls" in contract.add_ons:
            times = random.randint(21, 32) if random.random() < 0.02 else random.randint(1, 4)
            for _ in range(times):
                self._plan(random.randint(1, days - 1), self._use, contract)
        if random.random() < _CHURN[contract.plan.months]:
            self._plan(random.randint(1, days - 1), self._cancel, contract)
        elif random.random() < 0.02:
            quantity = contract.doc["quantity"] + 1
            change = {
                "id": new_id(random), "object": "subscription_change", "subscription_id": contract.doc["id"],
                "plan": contract.plan.mini(), "add_ons": [], "unit_amount": contract.doc["unit_amount"],
                "tax_inclusive": False, "quantity": quantity, "shipping": None, "activated": False,
                "activate_at": contract.doc["current_period_ends_at"], "revenue_schedule_type": "evenly",
                "invoice_collection": None, "custom_fields": [], "created_at": at, "updated_at": at,
                "deleted_at": None,
                "billing_info": None, "ramp_intervals": [],
            }  # fmt: skip
            self.tables["subscriptions"].touch(contract.doc["id"], at, pending_change=change)
        if random.random() < 0.01:
            self.books.goodwill(random, contract.customer, contract.doc["currency"], at)
        self._plan(days, self._bill, contract)

    def _collect(self, random: Random, at: str, contract: Contract, invoice: Doc) -> None:
        if invoice["state"] == "paid":
            return
        if contract.manual:
            self._plan(random.randint(5, 25), self._pay, (contract, invoice))
            return
        success = random.random() > 0.04
        self.books.pay(random, contract.customer, invoice, at, success=success)
        if not success:
            self._plan(3, self._retry, (contract, invoice, 1))
        elif (
            random.random() < 0.015 and not invoice["has_more_line_items"] and not invoice["credit_payments"]
        ):
            self._plan(random.randint(1, 9), self._refund, (contract, invoice))

    def _pay(self, random: Random, at: str, subject: tuple[Contract, Doc]) -> None:
        self.books.pay(random, subject[0].customer, subject[1], at, success=True)

    def _refund(self, random: Random, at: str, subject: tuple[Contract, Doc]) -> None:
        self.books.refund(random, subject[0].customer, subject[1], at)

    def _retry(self, random: Random, at: str, subject: tuple[Contract, Doc, int]) -> None:
        """Dunning: try again, and give up after the third time."""
        contract, invoice, tries = subject
        success = random.random() < 0.55
        invoice["dunning_events_sent"] += 1
        self.books.pay(random, contract.customer, invoice, at, success=success)
        if success:
            return
        if tries < 3:
            self._plan(4, self._retry, (contract, invoice, tries + 1))
            return
        self.tables["invoices"].touch(
            invoice["id"], at, state="failed", closed_at=at, final_dunning_event=True
        )
        if contract.doc["state"] != "expired":
            self._expire(at, contract, reason="nonpayment")

    def _cancel(self, _random: Random, at: str, contract: Contract) -> None:
        doc = contract.doc
        if doc["state"] != "active":
            return
        ends = doc["current_period_ends_at"]
        self.tables["subscriptions"].touch(
            doc["id"],
            at,
            state="canceled",
            canceled_at=at,
            expires_at=ends,
            auto_renew=False,
            pending_change=None,
        )
        self.books.set_flags(contract.customer, at)

    def _expire(self, at: str, contract: Contract, *, reason: str) -> None:
        doc = contract.doc
        self.tables["subscriptions"].touch(
            doc["id"], at, state="expired", expires_at=at, expiration_reason=reason, pending_change=None
        )
        entitlements = self.tables["entitlements"]
        for key in [k for k, row in entitlements.rows.items() if row.doc["granted_by"][0]["id"] == doc["id"]]:
            entitlements.remove(key)
        self.books.set_flags(contract.customer, at)

    def _use(self, random: Random, at: str, contract: Contract) -> None:
        if contract.doc["state"] not in ("active", "canceled"):
            return
        add_on = contract.plan.add_ons["api-calls"]
        record = documents.usage(random, add_on, at, amount=random.randint(1, 400), unit_amount=15)
        self.tables["usage"].add(record, owner=f"{contract.doc['id']}/{add_on['id']}")
        contract.unbilled.append(record)

    def _entitle(self, random: Random, at: str, contract: Contract) -> None:
        code = contract.plan.doc["code"].split("-")[0]
        permission = {"id": f"perm{code}", "code": code, "name": contract.plan.doc["name"], "description": None,
                      "object": "customer_permission"}  # fmt: skip
        key = f"{contract.customer.account['id']}/{permission['id']}"
        if key not in self.tables["entitlements"].rows:
            doc = {"object": "entitlement", "customer_permission": permission, "created_at": at, "updated_at": at,
                   "granted_by": [{"object": "subscription", "id": contract.doc["id"]}]}  # fmt: skip
            self.tables["entitlements"].add(doc, key=key, owner=contract.customer.account["id"])

    def _change_something(self, random: Random) -> None:
        """Edits that nobody planned: a new address, a note, an account closed for good."""
        everybody = list(self.customers.values())
        for _ in range(len(everybody) // 150 + (random.random() < 0.3 if everybody else 0)):
            customer, at = random.choice(everybody), self._at(random)
            if customer.gone or at < customer.account["created_at"]:
                continue
            account = customer.account
            street = f"{random.randint(1, 99)} Rue Neuve"
            self.tables["accounts"].touch(
                account["id"], at, address={**account["address"], "street1": street}
            )
            if account["billing_info"] and random.random() < 0.5:
                self.tables["billing_infos"].touch(account["billing_info"]["id"], at, valid=True)
            if account["shipping_addresses"] and random.random() < 0.1:
                gone = account["shipping_addresses"].pop()
                self.tables["shipping_addresses"].remove(gone["id"])
            if random.random() < 0.2:
                self.tables["account_notes"].add(
                    {"id": new_id(random), "object": "account_note", "account_id": account["id"], "user": None,
                     "message": random.choice(("Called, moved house", "Ruft zurück ☎", "Wants an invoice\nby post")),
                     "created_at": at}, owner=account["id"])  # fmt: skip
        idle = [c for c in everybody if not c.gone and not c.account["has_live_subscription"]
                and c.account["created_at"][:10] < str(self.day - timedelta(days=60))]  # fmt: skip
        if random.random() < 0.0003 * len(idle):
            customer, at = random.choice(idle), self._at(random)
            customer.gone = True
            self.tables["accounts"].touch(customer.account["id"], at, state="inactive", deleted_at=at)
