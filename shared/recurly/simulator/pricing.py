"""What a subscription costs: its lines, the coupon that lowers them, and the tax. Money is counted in cents."""

from __future__ import annotations

from dataclasses import dataclass, field

from shared.recurly.simulator.catalog import Plan, price_in
from shared.recurly.simulator.people import Person
from shared.recurly.simulator.table import Doc


@dataclass(slots=True)
class Credit:
    """A credit invoice and the cents of it that are not spent."""

    invoice: Doc
    left: int


@dataclass(slots=True)
class Customer:
    """An account and what billing must remember about it."""

    who: Person
    account: Doc
    billing_info: Doc
    redemption: Doc | None = None
    coupon: Doc | None = None
    coupon_uses: int = 0
    credits: list[Credit] = field(default_factory=list)
    gone: bool = False


@dataclass(slots=True)
class Contract:
    """A subscription and what billing must remember about it; `add_ons` are quantities by code, `unbilled` usage."""

    doc: Doc
    plan: Plan
    customer: Customer
    add_ons: dict[str, int]
    manual: bool = False
    unbilled: list[Doc] = field(default_factory=list)
    billed: int = 0


@dataclass(frozen=True, slots=True)
class Line:
    """A line to be billed: what for, how many, cents each, and whether a coupon lowers it."""

    description: str
    quantity: int
    unit: int
    origin: str
    add_on: Doc | None = None
    discountable: bool = True


def lines_of(contract: Contract, *, first: bool) -> list[Line]:
    """What one period costs: the plan, the set-up fee the first time, add-ons, and each usage that was not billed."""
    plan, currency = contract.plan, contract.doc["currency"]
    lines = [Line(plan.doc["name"], contract.doc["quantity"], price_in(currency, plan.price), "plan")]
    if first and plan.setup_fee:
        lines.append(
            Line("Set-up fee", 1, price_in(currency, plan.setup_fee), "setup_fee", discountable=False)
        )
    for code, quantity in contract.add_ons.items():
        add_on = plan.add_ons[code]
        unit = next(
            cents_of(price["unit_amount"]) for price in add_on["currencies"] if price["currency"] == currency
        )
        if add_on["add_on_type"] == "fixed":
            lines.append(Line(add_on["name"], quantity, unit, "add_on", add_on))
            continue
        for record in contract.unbilled:
            text = f"{add_on['name']}, {record['usage_timestamp'][:10]}"
            lines.append(Line(text, int(record["amount"]), unit, "add_on", add_on, discountable=False))
    return lines


def discount_of(customer: Customer, currency: str) -> tuple[int, int]:
    """Percent and cents that the account's coupon takes off."""
    if customer.coupon is None:
        return 0, 0
    discount = customer.coupon["discount"]
    fixed = next((cents_of(d["amount"]) for d in discount["currencies"] if d["currency"] == currency), 0)
    return discount["percent"] or 0, fixed


def tax_info(who: Person) -> Doc | None:
    """The tax of a customer's place; None where there is none."""
    country = who.country
    if not country.rate:
        return None
    rate = country.rate / 10_000
    details = [{"type": country.tax, "region": who.place[1], "rate": rate, "tax": None, "name": country.tax,
                "level": "country", "billable": True}]  # fmt: skip
    return {"type": country.tax, "region": who.place[1], "rate": rate, "tax_details": details}


def share(cents: int, rate: int) -> int:
    """So many ten-thousandths of an amount, rounded half up."""
    return (cents * rate + 5_000) // 10_000


def cents_of(amount: float) -> int:
    """An amount of the API in cents."""
    return round(amount * 100)
