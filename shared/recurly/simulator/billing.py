"""How the simulated site bills: invoices from subscriptions, payments, refunds, credits. Money is counted in cents.

Per invoice: subtotal - discount + tax = total, each the sum of its lines; total = paid + credit payments + balance.
"""

from __future__ import annotations

from random import Random
from typing import Any

from shared.recurly.simulator import documents
from shared.recurly.simulator.catalog import money, new_id, price_in
from shared.recurly.simulator.pricing import (
    Contract,
    Credit,
    Customer,
    cents_of,
    discount_of,
    lines_of,
    share,
    tax_info,
)
from shared.recurly.simulator.table import Doc, Table

EMBEDDED_LINES = 20  # an invoice shows at most so many; the rest is asked for by has_more_line_items


class Books:
    """Writes invoices and payments into the tables."""

    def __init__(self, tables: dict[str, Table]) -> None:
        self.tables = tables
        self._number = 1000

    def charge(
        self, random: Random, contract: Contract, at: str, *, first: bool, period: tuple[str, str]
    ) -> Doc:
        """Bill one period of a subscription, and pay from credit what credit covers."""
        customer, plan = contract.customer, contract.plan
        currency = contract.doc["currency"]
        lines = lines_of(contract, first=first)
        percent, fixed = discount_of(customer, currency)
        rate = customer.who.country.rate
        mini = documents.account_mini(customer.account)
        number = self._next_number()
        shared = {
            "invoice_number": number, "subscription_id": contract.doc["id"], "plan_id": plan.doc["id"],
            "currency": currency,
            "plan_code": plan.doc["code"], "start_date": period[0], "end_date": period[1],
            "tax_info": tax_info(customer.who),
        }  # fmt: skip
        items, sums = [], [0, 0, 0]
        for line in lines:
            subtotal = line.quantity * line.unit
            discount = 0
            if line.discountable:
                discount = min(subtotal, share(subtotal, percent * 100) + fixed)
                fixed -= min(fixed, subtotal)
            tax = share(subtotal - discount, rate)
            sums = [total + part for total, part in zip(sums, (subtotal, discount, tax), strict=True)]
            add_on = (
                {"add_on_id": line.add_on["id"], "add_on_code": line.add_on["code"]} if line.add_on else {}
            )
            items.append(
                documents.line_item(random, mini, at, cents=(line.unit, subtotal, discount, tax),
                quantity=line.quantity,
                                    description=line.description, origin=line.origin, **shared, **add_on)
            )  # fmt: skip
        fields = {
            "origin": "purchase" if first else "renewal", "subscription_ids": [contract.doc["id"]],
            "collection_method": "manual" if contract.manual else "automatic",
            "net_terms": 20 if contract.manual else 0,
            "billing_info_id": customer.billing_info["id"], "currency": currency, "tax_info": shared["tax_info"],
        }  # fmt: skip
        invoice = self._write(random, customer, at, number=number, items=items, sums=sums, fields=fields)
        self._redeem(customer, sums[1], at)
        for record in contract.unbilled:
            self.tables["usage"].touch(record["id"], at, billed_at=at)
        contract.unbilled.clear()
        contract.billed += 1
        self._spend_credit(random, customer, invoice, at)
        return invoice

    def pay(self, random: Random, customer: Customer, invoice: Doc, at: str, *, success: bool) -> Doc:
        """Try to collect what an invoice still asks for."""
        cents = cents_of(invoice["balance"])
        manual = invoice["collection_method"] == "manual"
        payment = documents.transaction(
            random, customer.who, invoice, at, card=None if manual else customer.billing_info["payment_method"],
            success=success, amount=money(cents), collection_method=invoice["collection_method"],
            origin="merchant" if manual else "recurring",
        )  # fmt: skip
        self.tables["transactions"].add(payment)
        invoice["transactions"].append(payment)
        if success:
            self.settle(invoice, at, paid=cents)
        else:
            self.tables["invoices"].touch(invoice["id"], at, state="past_due")
        self.set_flags(customer, at)
        return payment

    def settle(self, invoice: Doc, at: str, *, paid: int) -> None:
        """Book a payment; an invoice without balance is paid and closed."""
        balance = cents_of(invoice["balance"]) - paid
        closed = {"state": "paid", "closed_at": at} if balance == 0 else {}
        total_paid = money(cents_of(invoice["paid"]) + paid)
        self.tables["invoices"].touch(
            invoice["id"], at, paid=total_paid, refundable_amount=total_paid, balance=money(balance), **closed
        )

    def refund(self, random: Random, customer: Customer, invoice: Doc, at: str) -> None:
        """Give back what was paid for an invoice: a credit invoice, a refund, and the credit payment between them."""
        payment = next(t for t in invoice["transactions"] if t["success"])
        items = [self._mirror(random, line, at) for line in invoice["line_items"]]
        credit = self._credit_invoice(random, customer, invoice, at, items=items, origin="refund")
        cents = cents_of(invoice["paid"])
        back = documents.transaction(
            random, customer.who, credit, at, card=customer.billing_info["payment_method"], success=True,
            amount=money(cents), type="refund", origin="merchant", original_transaction_id=payment["id"],
        )  # fmt: skip
        self.tables["transactions"].add(back)
        self.tables["transactions"].touch(payment["id"], at, refunded=True)
        self._credit_payment(
            random, customer, credit, None, at, cents=cents, action="refund", refund_transaction=back
        )
        self.tables["invoices"].touch(
            credit["id"], at, state="closed", closed_at=at, balance=0.0, transactions=[back]
        )
        self.tables["invoices"].touch(invoice["id"], at, refundable_amount=0.0)

    def goodwill(self, random: Random, customer: Customer, currency: str, at: str) -> None:
        """Credit for an outage, which the next invoices use up."""
        cents = price_in(currency, random.randint(5, 25) * 100)
        mini = documents.account_mini(customer.account)
        item = documents.line_item(
            random, mini, at, cents=(-cents, -cents, 0, 0), quantity=1, type="credit", origin="credit",
            currency=currency,
            description="Ausfall-Gutschrift / outage credit", credit_reason_code="service", start_date=at,
            end_date=at,
            invoice_number=None, tax_info=None,
        )  # fmt: skip
        source: Doc = {"currency": currency, "subscription_ids": [], "id": None}
        credit = self._credit_invoice(random, customer, source, at, items=[item], origin="credit")
        customer.credits.append(Credit(credit, cents))

    def set_flags(self, customer: Customer, at: str) -> None:
        """Keep an account's has_… fields true to its subscriptions and invoices."""
        account = customer.account
        open_states = {invoice["state"] for invoice in self.owned("invoices", account["id"])}
        states = {doc["state"] for doc in self.owned("subscriptions", account["id"])}
        flags = {
            "has_past_due_invoice": "past_due" in open_states,
            "has_live_subscription": bool(states & {"active", "canceled", "future", "paused"}),
            "has_active_subscription": "active" in states,
            "has_canceled_subscription": "canceled" in states,
            "has_future_subscription": "future" in states,
            "has_paused_subscription": "paused" in states,
        }
        if any(account[name] != value for name, value in flags.items()):
            self.tables["accounts"].touch(account["id"], at, **flags)

    def owned(self, table: str, account_id: str) -> list[Doc]:
        return self.tables[table].owned_by(account_id)

    def _write(
        self,
        random: Random,
        customer: Customer,
        at: str,
        *,
        number: str,
        items: list[Doc],
        sums: list[int],
        fields: Doc,
    ) -> Doc:
        """Store an invoice with its lines; `sums` are subtotal, discount and tax."""
        total = sums[0] - sums[1] + sums[2]
        mini = items[0]["account"]
        state = "pending" if fields["collection_method"] == "manual" else "processing"
        invoice = documents.invoice(
            random, customer.who, mini, at, state=state, number=number, discount=money(sums[1]),
            subtotal=money(sums[0]),
            tax=money(sums[2]), total=money(total), refundable_amount=0.0, paid=0.0, balance=money(total),
            line_items=items[:EMBEDDED_LINES], has_more_line_items=len(items) > EMBEDDED_LINES, **fields,
        )  # fmt: skip
        for item in items:
            item["invoice_id"], item["invoice_number"] = invoice["id"], number
            self.tables["line_items"].add(item, owner=invoice["id"])
        return self.tables["invoices"].add(invoice, owner=customer.account["id"])

    def _credit_invoice(
        self, random: Random, customer: Customer, source: Doc, at: str, *, items: list[Doc], origin: str
    ) -> Doc:
        sums = [sum(cents_of(item[name]) for item in items) for name in ("subtotal", "discount", "tax")]
        fields: dict[str, Any] = {
            "type": "credit", "origin": origin, "subscription_ids": source["subscription_ids"],
            "tax_info": items[0]["tax_info"],
            "collection_method": "automatic", "billing_info_id": None, "currency": source["currency"],
            "previous_invoice_id": source["id"],
        }  # fmt: skip
        invoice = self._write(
            random, customer, at, number=self._next_number(), items=items, sums=sums, fields=fields
        )
        self.tables["invoices"].touch(invoice["id"], at, state="open")
        return invoice

    def _mirror(self, random: Random, line: Doc, at: str) -> Doc:
        """A line of a refund: the same with its sign turned."""
        cents = [-cents_of(line[name]) for name in ("unit_amount", "subtotal", "discount", "tax")]
        kept = {n: line[n] for n in ("description", "origin", "currency", "plan_id", "plan_code", "subscription_id",
                                     "add_on_id", "add_on_code", "start_date", "end_date", "tax_info")}  # fmt: skip
        return documents.line_item(
            random, line["account"], at, cents=(cents[0], cents[1], cents[2], cents[3]),
            quantity=line["quantity"], **kept,
            type="credit", refund=True, credit_reason_code="refund", previous_line_item_id=line["id"],
            original_line_item_invoice_id=line["invoice_id"], invoice_number=None,
        )  # fmt: skip

    def _spend_credit(self, random: Random, customer: Customer, invoice: Doc, at: str) -> None:
        for credit in customer.credits:
            balance = cents_of(invoice["balance"])
            if not balance or credit.invoice["currency"] != invoice["currency"]:
                continue
            cents = min(balance, credit.left)
            credit.left -= cents
            self._credit_payment(random, customer, credit.invoice, invoice, at, cents=cents, action="payment")
            spent = {"state": "closed", "closed_at": at} if not credit.left else {}
            self.tables["invoices"].touch(credit.invoice["id"], at, balance=money(-credit.left), **spent)
            paid = {"state": "paid", "closed_at": at} if cents == balance else {}
            self.tables["invoices"].touch(invoice["id"], at, balance=money(balance - cents), **paid)
        customer.credits = [credit for credit in customer.credits if credit.left]
        if invoice["total"] == 0 and invoice["state"] != "paid":
            self.tables["invoices"].touch(invoice["id"], at, state="paid", closed_at=at)

    def _credit_payment(
        self,
        random: Random,
        customer: Customer,
        source: Doc,
        target: Doc | None,
        at: str,
        *,
        cents: int,
        action: str,
        **more: Any,
    ) -> None:
        payment = {
            "id": new_id(random), "object": "credit_payment", "uuid": f"{random.getrandbits(128):032x}",
            "action": action,
            "account": documents.account_mini(customer.account),
            "applied_to_invoice": documents.invoice_mini(target) if target else None,
            "original_invoice": documents.invoice_mini(source), "currency": source["currency"],
            "amount": money(cents),
            "original_credit_payment_id": None, "refund_transaction": None, "created_at": at, "updated_at": at,
            "voided_at": None, **more,
        }  # fmt: skip
        self.tables["credit_payments"].add(payment)
        for invoice in (source, target):
            if invoice is not None:
                invoice["credit_payments"].append(payment)
                self.tables["invoices"].touch(invoice["id"], at)

    def _redeem(self, customer: Customer, cents: int, at: str) -> None:
        """Add to what a redemption has discounted, and end it when its time is over."""
        if customer.coupon is None or customer.redemption is None:
            return
        customer.coupon_uses += 1
        allowed = {"single_use": 1, "temporal": 3}.get(customer.coupon["duration"], 1_000)
        ended = {"state": "inactive", "removed_at": at} if customer.coupon_uses >= allowed else {}
        discounted = money(cents_of(customer.redemption["discounted"]) + cents)
        self.tables["coupon_redemptions"].touch(customer.redemption["id"], at, discounted=discounted, **ended)
        if ended:
            customer.coupon = None

    def _next_number(self) -> str:
        self._number += 1
        return str(self._number)
