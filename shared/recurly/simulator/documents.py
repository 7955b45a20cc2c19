"""The records of the simulated site as the API shows them: with every field of its OpenAPI file, null where unset."""

from __future__ import annotations

from random import Random
from typing import Any

from shared.recurly.simulator.catalog import Plan, money, new_id
from shared.recurly.simulator.people import Person
from shared.recurly.simulator.table import Doc

_CARDS = (("Visa", "411111"), ("Visa", "424242"), ("MasterCard", "555555"), ("American Express", "378282"))
_UNSET_LINE = dict.fromkeys(
    "item_code item_id external_sku legacy_category bill_for_account_id add_on_id add_on_code previous_line_item_id "
    "original_line_item_invoice_id product_code credit_reason_code avalara_transaction_type avalara_service_type "
    "tax_code proration_rate refunded_quantity refunded_quantity_decimal shipping_address".split()
)
_UNSET_SUBSCRIPTION = dict.fromkeys(
    "shipping pending_change remaining_billing_cycles total_billing_cycles renewal_billing_cycles paused_at "
    "remaining_pause_cycles po_number terms_and_conditions customer_notes expiration_reason canceled_at expires_at "
    "bank_account_authorized_at gateway_code active_invoice_id converted_at action_result".split()
)
_UNSET_TRANSACTION = dict.fromkeys(
    "original_transaction_id voided_by_invoice ip_address_v4 ip_address_country customer_message "
    "customer_message_locale gateway_approval_code gateway_response_time voided_at action_result vat_number "
    "fraud_info".split()
)


def account(random: Random, who: Person, at: str, number: int) -> Doc:
    locale = who.country.locale
    doc: Doc = {
        "id": new_id(random), "object": "account", "state": "active",
        "hosted_login_token": f"{random.getrandbits(80):020x}",
        "shipping_addresses": [], "has_live_subscription": False, "has_active_subscription": False,
        "has_future_subscription": False, "has_canceled_subscription": False, "has_paused_subscription": False,
        "has_past_due_invoice": False, "created_at": at, "updated_at": at, "deleted_at": None,
        "code": f"cust-{number:06d}", "username": None, "email": who.email, "override_business_entity_id": None,
        "preferred_locale": locale, "preferred_time_zone": who.country.zone, "cc_emails": None,
        "first_name": who.first_name, "last_name": who.last_name, "company": who.company, "vat_number": None,
        "tax_exempt": False, "exemption_certificate": None, "external_accounts": [], "parent_account_id": None,
        "bill_to": "self", "dunning_campaign_id": None, "invoice_template_id": None, "address": who.address(),
        "billing_info": None, "custom_fields": [],
    }  # fmt: skip
    if random.random() < 0.6:
        doc["custom_fields"].append({"name": "crm_id", "value": f"CRM-{random.randint(10_000, 99_999)}"})
    if random.random() < 0.3:
        doc["custom_fields"].append(
            {"name": "segment", "value": random.choice(("smb", "mid-market", "Großkunde"))}
        )
    return doc


def account_mini(doc: Doc) -> Doc:
    names = (
        "id",
        "object",
        "code",
        "email",
        "first_name",
        "last_name",
        "company",
        "parent_account_id",
        "bill_to",
    )
    return {**{name: doc[name] for name in names}, "dunning_campaign_id": doc["dunning_campaign_id"]}


def billing_info(random: Random, who: Person, account_id: str, at: str) -> Doc:
    card, first_six = random.choice(_CARDS)
    method = {
        "object": "credit_card", "card_type": card, "first_six": first_six,
        "last_four": f"{random.randint(0, 9999):04d}",
        "last_two": None, "exp_month": random.randint(1, 12), "exp_year": 2027 + random.randint(0, 3),
        "gateway_token": None,
        "cc_bin_country": who.country.code, "gateway_code": None, "gateway_attributes": None,
        "card_network_preference": None, "billing_agreement_id": None, "name_on_account": None, "account_type": None,
        "routing_number": None, "routing_number_bank": None, "username": None,
    }  # fmt: skip
    return {
        "id": new_id(random), "object": "billing_info", "account_id": account_id, "first_name": who.first_name,
        "last_name": who.last_name, "company": who.company, "address": who.address(), "vat_number": None,
        "valid": True,
        "payment_method": method, "fraud": None, "primary_payment_method": True, "backup_payment_method": False,
        "created_at": at, "updated_at": at, "updated_by": {"ip": "198.51.100.7", "country": who.country.code},
    }  # fmt: skip


def shipping_address(random: Random, who: Person, account_id: str, at: str) -> Doc:
    return {
        "id": new_id(random), "object": "shipping_address", "account_id": account_id, "nickname": "Büro",
        "first_name": who.first_name, "last_name": who.last_name, "company": who.company, "email": who.email,
        "vat_number": None, **who.address(), "created_at": at, "updated_at": at,
    }  # fmt: skip


def subscription(random: Random, mini: Doc, plan: Plan, at: str, **fields: Any) -> Doc:
    doc = {
        "id": new_id(random), "object": "subscription", "uuid": f"{random.getrandbits(128):032x}", "account": mini,
        "plan": plan.mini(), "state": "active", **_UNSET_SUBSCRIPTION, "coupon_redemptions": [],
        "trial_started_at": None, "trial_ends_at": None, "auto_renew": True, "ramp_intervals": [],
        "revenue_schedule_type": "evenly", "tax_inclusive": False, "quantity": 1, "tax_info": None,
        "collection_method": "automatic", "net_terms": 0, "net_terms_type": "net", "custom_fields": [],
        "started_with_gift": False, "created_at": at, "updated_at": at, "activated_at": at, **fields,
    }  # fmt: skip
    return doc


def subscription_add_on(
    random: Random, subscription_id: str, add_on: Doc, quantity: int, **fields: Any
) -> Doc:
    names = (
        "id",
        "object",
        "code",
        "name",
        "add_on_type",
        "usage_type",
        "usage_percentage",
        "measured_unit_id",
    )
    mini = {
        **{name: add_on[name] for name in names},
        "item_id": None,
        "external_sku": None,
        "accounting_code": None,
    }
    return {
        "id": new_id(random), "object": "subscription_add_on", "subscription_id": subscription_id, "add_on": mini,
        "add_on_source": "plan_add_on", "quantity": quantity, "unit_amount_decimal": None,
        "revenue_schedule_type": "evenly",
        "tier_type": "flat", "usage_calculation_type": add_on["usage_calculation_type"],
        "usage_timeframe": add_on["usage_timeframe"], "usage_percentage": None, "expired_at": None, **fields,
    }  # fmt: skip


def usage(random: Random, add_on: Doc, at: str, *, amount: int, unit_amount: int) -> Doc:
    return {
        "id": str(random.getrandbits(53)), "object": "usage", "merchant_tag": f"Chargen-Nr. {random.randint(1, 999)}",
        "amount": float(amount), "usage_type": "price", "tier_type": "flat", "tiers": [], "percentage_tiers": [],
        "measured_unit_id": add_on["measured_unit_id"], "recording_timestamp": at, "usage_timestamp": at,
        "usage_percentage": None, "unit_amount": money(unit_amount), "unit_amount_decimal": None, "billed_at": None,
        "created_at": at, "updated_at": at,
    }  # fmt: skip


def line_item(
    random: Random, mini: Doc, at: str, *, cents: tuple[int, int, int, int], quantity: int, **fields: Any
) -> Doc:
    """A line of an invoice; `cents` are unit amount, subtotal, discount and tax."""
    unit, subtotal, discount, tax = cents
    return {
        "id": new_id(random), "object": "line_item", "uuid": f"{random.getrandbits(128):032x}", "type": "charge",
        **_UNSET_LINE, "revenue_schedule_type": "evenly", "state": "invoiced", "account": mini,
        "subscription_id": None,
        "plan_id": None, "plan_code": None, "origin": "plan", "accounting_code": None, "quantity": quantity,
        "quantity_decimal": str(quantity), "unit_amount": money(unit), "unit_amount_decimal": None,
        "subtotal": money(subtotal), "discount": money(discount), "tax": money(tax),
        "amount": money(subtotal - discount + tax), "tax_inclusive": False, "taxable": True, "tax_exempt": False,
        "refund": False, "credit_applied": 0.0, "custom_fields": [], "created_at": at, "updated_at": at, **fields,
    }  # fmt: skip


def invoice(random: Random, who: Person, mini: Doc, at: str, **fields: Any) -> Doc:
    name = f"{who.first_name} {who.last_name}"
    return {
        "id": new_id(random), "uuid": f"{random.getrandbits(128):032x}", "object": "invoice", "type": "charge",
        "origin": "renewal", "account": mini, "previous_invoice_id": None, "collection_method": "automatic",
        "po_number": None, "net_terms": 0, "net_terms_type": "net",
        "address": who.address(name_on_account=name, company=who.company), "shipping_address": None,
        "used_tax_service": False, "vat_number": None, "vat_reverse_charge_notes": None, "terms_and_conditions": None,
        "customer_notes": None, "transactions": [], "credit_payments": [], "created_at": at, "updated_at": at,
        "due_at": at, "closed_at": None, "dunning_campaign_id": None, "dunning_events_sent": 0,
        "final_dunning_event": False, "business_entity_id": None, **fields,
    }  # fmt: skip


def invoice_mini(doc: Doc) -> Doc:
    names = ("id", "object", "number", "business_entity_id", "type", "state")
    return {name: doc[name] for name in names}


def transaction(
    random: Random, who: Person, of: Doc, at: str, *, card: Doc | None, success: bool, **fields: Any
) -> Doc:
    """A payment of the invoice `of`, approved or declined."""
    return {
        "id": new_id(random), "object": "transaction", "uuid": f"{random.getrandbits(128):032x}",
        **_UNSET_TRANSACTION,
        "account": of["account"], "invoice": invoice_mini(of), "subscription_ids": of["subscription_ids"],
        "type": "purchase", "origin": "recurring", "currency": of["currency"],
        "status": "success" if success else "declined", "success": success, "backup_payment_method_used": False,
        "refunded": False, "billing_address": who.address(first_name=who.first_name, last_name=who.last_name),
        "collection_method": "automatic", "payment_method": card,
        "status_code": None if success else "insufficient_funds",
        "status_message": "Approved" if success else "Insufficient funds",
        "payment_gateway": {"id": "simgateway01", "object": "payment_gateway", "type": "test",
        "name": "Test gateway"},
        "gateway_message": "Successful test transaction" if success else "Declined", "cvv_check": "M",
        "avs_check": "D",
        "gateway_reference": f"{random.getrandbits(28):07d}", "gateway_response_code": "00" if success else "51",
        "gateway_response_values": {}, "created_at": at, "updated_at": at,
        "collected_at": at if success else None, **fields,
    }  # fmt: skip
