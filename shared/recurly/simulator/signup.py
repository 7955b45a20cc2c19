"""What comes with a new account: how it was won, addresses, a coupon, a subscription bought in an app store."""

from __future__ import annotations

from datetime import date, timedelta
from random import Random

from shared.recurly.simulator import documents
from shared.recurly.simulator.catalog import money, new_id, price_in
from shared.recurly.simulator.pricing import Customer
from shared.recurly.simulator.table import Doc, Table

_CHANNELS = (
    "advertising",
    "blog",
    "direct_traffic",
    "email",
    "organic_search",
    "paid_search",
    "referral",
    "social_media",
)


def add_household(tables: dict[str, Table], random: Random, at: str, customer: Customer) -> None:
    """Billing info, acquisition, shipping addresses, notes, a gift card, and the account that pays for it."""
    account, who = customer.account, customer.who
    if random.random() < 0.93:
        account["billing_info"] = tables["billing_infos"].add(customer.billing_info, owner=account["id"])
    if random.random() < 0.05 and account["billing_info"]:
        spare = documents.billing_info(random, who, account["id"], at)
        spare.update(primary_payment_method=False, backup_payment_method=True)
        tables["billing_infos"].add(spare, owner=account["id"])
    if random.random() < 0.7:
        cost = {"currency": who.country.currency, "amount": money(random.randint(100, 9_000))}
        tables["acquisitions"].add(
            {"id": new_id(random), "object": "account_acquisition", "cost": cost, "channel": random.choice(_CHANNELS),
             "subchannel": random.choice((None, "newsletter", "Frühlingsaktion")), "campaign": None,
             "account": documents.account_mini(account), "created_at": at, "updated_at": at}
        )  # fmt: skip
    for _ in range(random.choice((0, 0, 0, 1, 1, 2))):
        address = tables["shipping_addresses"].add(
            documents.shipping_address(random, who, account["id"], at), owner=account["id"]
        )
        account["shipping_addresses"].append(address)
    for _ in range(random.choice((0, 0, 0, 0, 1, 2))):
        user = {"id": "user00000001", "object": "user", "email": "support@example.com", "first_name": "Sam",
                "last_name": "Support", "time_zone": "UTC", "created_at": "2022-01-01T00:00:00Z",
                "deleted_at": None}  # fmt: skip
        tables["account_notes"].add(
            {"id": new_id(random), "object": "account_note", "account_id": account["id"], "user": user,
             "message": random.choice(("Prefers mail over phone.", "VIP ⭐", "said: \"call after 5 pm\", please")),
             "created_at": at}, owner=account["id"])  # fmt: skip
    if random.random() < 0.04 and len(tables["accounts"]) > 5:
        parent = next(iter(tables["accounts"].rows.values())).doc
        account.update(parent_account_id=parent["id"], bill_to="self")
    if random.random() < 0.05:
        _add_gift_card(tables, random, at, customer)


def redeem(tables: dict[str, Table], random: Random, at: str, customer: Customer, coupon: Doc) -> None:
    """Give the account a coupon; a bulk coupon uses up one of its unique codes."""
    if coupon["coupon_type"] == "bulk":
        codes = tables["unique_coupon_codes"]
        free = next((row.doc for row in codes.rows.values() if row.doc["state"] == "redeemable"), None)
        if free is None:
            return
        codes.touch(free["id"], at, state="maxed_out", redeemed_at=at)
    customer.coupon = coupon
    customer.redemption = tables["coupon_redemptions"].add(
        {"id": new_id(random), "object": "coupon_redemption", "account": documents.account_mini(customer.account),
         "subscription_id": None, "coupon": coupon, "state": "active", "currency": customer.who.country.currency,
         "discounted": 0.0, "created_at": at, "updated_at": at, "removed_at": None},
        owner=customer.account["id"],
    )  # fmt: skip


def add_external(
    tables: dict[str, Table], random: Random, at: str, customer: Customer, *, months: int
) -> None:
    """A subscription bought in an app store: its product, its phase, and an invoice per month."""
    account = customer.account
    product = random.choice(list(tables["external_products"].rows.values())).doc
    reference = product["external_product_references"][0]
    mini = documents.account_mini(account)
    account["external_accounts"].append(
        {"object": "external_account", "id": new_id(random),
         "external_account_code": f"store-{random.getrandbits(32):08x}",
         "external_connection_type": reference["external_connection_type"], "created_at": at, "updated_at": at}
    )  # fmt: skip
    expires = _later(at, 30 * months)
    subscription = tables["external_subscriptions"].add(
        {"id": new_id(random), "object": "external_subscription", "account": mini,
         "external_product_reference": reference,
         "external_id": f"GPA.{random.getrandbits(40)}", "last_purchased": at, "auto_renew": True,
         "in_grace_period": False,
         "app_identifier": reference["reference_code"], "quantity": 1, "state": "active", "activated_at": at,
         "canceled_at": None, "expires_at": expires, "trial_started_at": None, "trial_ends_at": None, "test": False,
         "created_at": at, "updated_at": at}
    )  # fmt: skip
    currency = customer.who.country.currency
    amount = f"{price_in(currency, 1999) / 100:.2f}"
    tables["external_payment_phases"].add(
        {"id": new_id(random), "object": "external_payment_phase", "external_subscription": subscription,
         "started_at": at,
         "ends_at": expires, "starting_billing_period_index": 1, "ending_billing_period_index": months,
         "offer_type": "PAY_AS_YOU_GO", "offer_name": "introductory", "period_count": months,
         "period_length": "one_month",
         "amount": amount, "currency": currency, "created_at": at, "updated_at": at},
        owner=subscription["id"],
    )  # fmt: skip
    for _ in range(months):
        charge = {"id": new_id(random), "object": "external_charge", "account": mini, "currency": currency,
                  "unit_amount": amount, "quantity": 1, "description": product["name"],
                  "external_product_reference": reference, "created_at": at, "updated_at": at}  # fmt: skip
        tables["external_invoices"].add(
            {"id": new_id(random), "object": "external_invoice", "account": mini,
             "external_subscription": subscription,
             "external_id": f"inv-{random.getrandbits(40)}", "state": "paid", "total": amount, "currency": currency,
             "line_items": [charge], "purchased_at": at, "created_at": at, "updated_at": at}
        )  # fmt: skip


def _add_gift_card(tables: dict[str, Table], random: Random, at: str, customer: Customer) -> None:
    currency, account_id = customer.who.country.currency, customer.account["id"]
    amount = money(price_in(currency, 5000))
    delivery = {"method": "email", "email_address": customer.who.email, "deliver_at": at, "first_name": None,
                "last_name": None, "recipient_address": None, "gifter_name": customer.who.first_name,
                "personal_message": "Alles Gute! 🎁"}  # fmt: skip
    tables["gift_cards"].add(
        {"id": new_id(random), "object": "gift_card", "gifter_account_id": account_id, "recipient_account_id": None,
         "purchase_invoice_id": None, "redemption_invoice_id": None,
         "redemption_code": f"{random.getrandbits(64):016X}",
         "balance": amount, "product_code": "gift", "unit_amount": amount, "currency": currency, "delivery": delivery,
         "created_at": at, "updated_at": at, "delivered_at": at, "redeemed_at": None, "canceled_at": None}
    )  # fmt: skip


def _later(at: str, days: int) -> str:
    return f"{date.fromisoformat(at[:10]) + timedelta(days=days)}{at[10:]}"
