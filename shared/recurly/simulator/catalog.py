"""What the simulated site sells: plans, add-ons, items, coupons and the settings around them."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Any

from shared.recurly.simulator.table import Doc, Table

RATES = {"USD": 100, "EUR": 92, "GBP": 80}  # prices per currency, in hundredths of the dollar price

_PLANS = (
    # code, name, months, cents in USD, trial days, set-up fee in cents
    ("starter-monthly", "Starter", 1, 1900, 14, 0),
    ("team-monthly", "Team", 1, 4900, 14, 0),
    ("business-monthly", "Business", 1, 14900, 0, 9900),
    ("starter-yearly", "Starter, yearly", 12, 19000, 0, 0),
    ("team-yearly", "Team, yearly", 12, 49000, 0, 0),
    ("enterprise-quarterly", "Enterprise", 3, 129900, 0, 49900),
    ("cafe-monthly", "Café & Bar “Édition spéciale”", 1, 2950, 7, 0),
)
_ADD_ONS = (
    # code, name, cents in USD, kind
    ("seats", "Additional seats", 700, "fixed"),
    ("priority-support", "Priority support", 2500, "fixed"),
    ("api-calls", "API calls (thousand)", 15, "usage"),
)
_ITEMS = ("onboarding", "training-day", "hardware-key", "data-import", "branded-domain")


@dataclass(frozen=True, slots=True)
class Plan:
    """A plan as billing needs it; money in cents of US dollars, its add-ons by code."""

    doc: Doc
    months: int
    price: int
    trial_days: int
    setup_fee: int
    add_ons: dict[str, Doc]

    def mini(self) -> Doc:
        return {name: self.doc[name] for name in ("id", "object", "code", "name")}


def price_in(currency: str, cents: int) -> int:
    """A US dollar price in another currency, in cents."""
    return (cents * RATES[currency] + 50) // 100


def money(cents: int) -> float:
    """Cents as the API sends amounts: a number with two decimals."""
    return cents / 100


def new_id(random: Random) -> str:
    """An id of twelve characters as the API's."""
    number, digits = random.getrandbits(60), ""
    while len(digits) < 12:
        number, digit = divmod(number, 36)
        digits += "0123456789abcdefghijklmnopqrstuvwxyz"[digit]
    return digits


def _thing(random: Random, kind: str, at: str, **fields: Any) -> Doc:
    return {"id": new_id(random), "object": kind, **fields, "created_at": at, "updated_at": at}


def _prices(cents: int, **more: Any) -> list[Doc]:
    return [
        {"currency": c, **more, "unit_amount": money(price_in(c, cents)), "tax_inclusive": False}
        for c in RATES
    ]


def add_settings(tables: dict[str, Table], random: Random, at: str) -> None:
    """The site itself and what its owner set up once."""
    address = {"phone": "+1 512 555 0100", "street1": "1 Sluice Gate", "street2": None, "city": "Austin",
               "region": "TX", "postal_code": "78701", "country": "US", "geo_code": None}  # fmt: skip
    settings = {
        "billing_address_requirement": "full",
        "accepted_currencies": list(RATES),
        "default_currency": "USD",
    }
    tables["sites"].add(
        _thing(random, "site", at, subdomain="simulated", public_api_key="ewr1-simulated", mode="sandbox",
               address=address, settings=settings, features=["credit_memos", "manual_invoicing"], deleted_at=None)
    )  # fmt: skip
    for code, name, countries in (
        ("us", "Simulated Inc.", ["US", "BR", "JP"]),
        ("eu", "Simulated B.V.", ["DE", "FR", "PL"]),
    ):
        tables["business_entities"].add(
            _thing(random, "business_entity", at, code=code, name=name, invoice_display_address=address,
                   tax_address=address, default_vat_number=None, default_registration_number=None,
                   subscriber_location_countries=countries)
        )  # fmt: skip
    for code, name in (("ups-ground", "UPS Ground"), ("courier", "Kurierdienst „Eil“"), ("post", "Post")):
        tables["shipping_methods"].add(
            _thing(
                random,
                "shipping_method",
                at,
                code=code,
                name=name,
                accounting_code=None,
                tax_code=None,
                deleted_at=None,
            )
        )
    for related, name, label in (("account", "crm_id", "CRM id"), ("account", "segment", "Segment"),
                                 ("subscription", "sales_rep", "Sales rep"), ("plan", "tier", "Tier")):  # fmt: skip
        tables["custom_field_definitions"].add(
            _thing(random, "custom_field_definition", at, related_type=related, name=name, user_access="write",
                   display_name=label, tooltip=None, deleted_at=None)
        )  # fmt: skip
    for code, name, default in (("default", "Default campaign", True), ("gentle", "Gentle campaign", False)):
        intervals = [{"days": days, "email_template": f"dunning_{days}"} for days in (3, 7, 10)]
        cycle = {"type": "automatic", "applies_to_manual_trial": False, "first_communication_interval": 0,
                 "send_immediately_on_hard_decline": False, "intervals": intervals, "expire_subscription": True,
                 "fail_invoice": True, "total_dunning_days": 20, "total_recycling_days": 20, "version": 1,
                 "created_at": at, "updated_at": at}  # fmt: skip
        tables["dunning_campaigns"].add(
            _thing(random, "dunning_campaign", at, code=code, name=name, description=None, default_campaign=default,
                   dunning_cycles=[cycle], deleted_at=None)
        )  # fmt: skip
    for code, name in (("plain", "Plain"), ("detailed", "Detailed")):
        template = _thing(random, "invoice_template", at, code=code, name=name, description=None)
        del template["object"]  # the one resource without it
        tables["invoice_templates"].add(template)


def add_products(tables: dict[str, Table], random: Random, at: str) -> list[Plan]:
    """Items, measured units, plans with their add-ons, and external products."""
    for code in _ITEMS:
        name = code.replace("-", " ").capitalize()
        tables["items"].add(
            _thing(random, "item", at, code=code, state="active", name=name, description=f"{name}, once",
                   external_sku=f"SKU-{code[:3].upper()}", accounting_code=None, revenue_schedule_type="never",
                   avalara_transaction_type=None, avalara_service_type=None, tax_code=None, tax_exempt=False,
                   custom_fields=[], currencies=_prices(random.randint(20, 300) * 100), deleted_at=None)
        )  # fmt: skip
    unit = tables["measured_units"].add(
        _thing(random, "measured_unit", at, name="api_call", display_name="API call", state="active",
               description="One thousand calls", deleted_at=None)
    )  # fmt: skip
    plans = [_add_plan(tables, random, at, spec, unit["id"]) for spec in _PLANS]
    for code, plan in (("ios", plans[0]), ("android", plans[0]), ("ios-team", plans[1])):
        store = "google_play_store" if code == "android" else "apple_app_store"
        reference = _thing(random, "external_product_reference", at, reference_code=f"com.example.{code}",
                           external_connection_type=store)  # fmt: skip
        tables["external_products"].add(
            _thing(random, "external_product", at, name=f"{plan.doc['name']} ({code})", plan=plan.mini(),
                   external_product_references=[reference])
        )  # fmt: skip
    return plans


def _add_plan(tables: dict[str, Table], random: Random, at: str, spec: tuple[Any, ...], unit_id: str) -> Plan:
    code, name, months, cents, trial, fee = spec
    currencies = [{**price, "setup_fee": money(price_in(price["currency"], fee))} for price in _prices(cents)]
    plan = tables["plans"].add(
        _thing(random, "plan", at, code=code, state="active", name=name, description=None, interval_unit="months",
               interval_length=months, trial_unit="days", trial_length=trial, trial_requires_billing_info=True,
               total_billing_cycles=None, auto_renew=True, pricing_model="fixed", ramp_intervals=[],
               custom_fields=[{"name": "tier", "value": name}], revenue_schedule_type="evenly",
               setup_fee_revenue_schedule_type="at_range_start", accounting_code=f"plan-{months}",
               setup_fee_accounting_code=None, avalara_transaction_type=None, avalara_service_type=None,
               tax_code=None,
               tax_exempt=False, currencies=currencies,
               hosted_pages={"success_url": None, "cancel_url": None, "bypass_confirmation": False,
                             "display_quantity": False},
               allow_any_item_on_subscriptions=False, dunning_campaign_id=None, deleted_at=None)
    )  # fmt: skip
    add_ons = {}
    for add_on, label, price, kind in _ADD_ONS:
        usage = kind == "usage"
        add_ons[add_on] = tables["add_ons"].add(
            _thing(random, "add_on", at, plan_id=plan["id"], code=add_on, state="active", name=label,
            add_on_type=kind,
                   usage_type="price" if usage else None, usage_calculation_type="cumulative" if usage else None,
                   usage_percentage=None, measured_unit_id=unit_id if usage else None, accounting_code=None,
                   revenue_schedule_type="evenly", avalara_transaction_type=None, avalara_service_type=None,
                   tax_code=None,
                   display_quantity=not usage, default_quantity=1, optional=True, currencies=_prices(price),
                   item=None,
                   tier_type="flat", usage_timeframe="billing_period" if usage else None, tiers=[],
                   percentage_tiers=[],
                   external_sku=None, deleted_at=None)
        )  # fmt: skip
    return Plan(plan, months, cents, trial, fee, add_ons)


def add_coupons(tables: dict[str, Table], random: Random, at: str, codes: int) -> list[Doc]:
    """Coupons of all kinds; the bulk one has `codes` unique codes. Returns those that a new account may redeem."""
    redeemable = []
    kinds: tuple[tuple[str, str, Doc, str], ...] = (
        (
            "WELCOME20",
            "single_code",
            {"type": "percent", "percent": 20, "currencies": [], "trial": None},
            "temporal",
        ),
        ("FIVEOFF", "single_code", _fixed(500), "forever"),
        (
            "ÉTÉ-2024",
            "single_code",
            {"type": "percent", "percent": 10, "currencies": [], "trial": None},
            "single_use",
        ),
        ("PARTNER", "bulk", {"type": "percent", "percent": 15, "currencies": [], "trial": None}, "temporal"),
    )
    for code, kind, discount, duration in kinds:
        temporal, bulk = duration == "temporal", kind == "bulk"
        coupon = tables["coupons"].add(
            _thing(random, "coupon", at, code=code, name=f"Coupon {code}", state="redeemable", max_redemptions=None,
                   max_redemptions_per_account=1, unique_coupon_codes_count=codes if bulk else None,
                   unique_code_template="'partner-'xxxxxx" if bulk else None, unique_coupon_code=None,
                   duration=duration,
                   temporal_amount=3 if temporal else None, temporal_unit="month" if temporal else None,
                   free_trial_unit=None, free_trial_amount=None, applies_to_all_plans=True,
                   applies_to_all_items=False,
                   applies_to_non_plan_charges=False, plans=[], items=[], redemption_resource="account",
                   discount=discount, coupon_type=kind, hosted_page_description=None,
                   invoice_description=f"{code} discount", redeem_by=None, expired_at=None)
        )  # fmt: skip
        redeemable.append(coupon)
        for _ in range(codes if bulk else 0):
            tables["unique_coupon_codes"].add(
                _thing(random, "unique_coupon_code", at, code=f"partner-{new_id(random)[:6]}", state="redeemable",
                       bulk_coupon_id=coupon["id"], bulk_coupon_code=code, redeemed_at=None, expired_at=None),
                owner=coupon["id"],
            )  # fmt: skip
    return redeemable


def _fixed(cents: int) -> Doc:
    amounts = [{"currency": c, "amount": money(price_in(c, cents))} for c in RATES]
    return {"type": "fixed", "percent": None, "currencies": amounts, "trial": None}
