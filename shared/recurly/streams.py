"""Which lists of the Recurly API become streams, with their keys and cursors, and which do not, with the reason.

Derived from Recurly's OpenAPI file for v2021-02-25; docs/recurly.md tells the story, tests compare all three.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

VERSION = "v2021-02-25"

_DATES = ("sort", "begin_time", "end_time")
_PAGES = ("limit", "order")
_ALL = ("ids", *_PAGES, *_DATES)
_NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Listing:
    """One list of the API and the stream it becomes.

    `schema` names the component that describes one record; `parameters` are the query parameters that the API declares.
    `cursor_field` is the record's field that `begin_time` and `end_time` can filter by (None: every run reads all).
    `parent` is the stream whose records are asked one by one, `each` a list inside them; `included` maps the fields
    that a record receives from its parent to their paths there. `optional` lists need a feature of the site.
    """

    stream: str
    path: str
    schema: str
    parameters: tuple[str, ...]
    primary_key: tuple[str, ...] = ("id",)
    cursor_field: str | None = "updated_at"
    parent: str | None = None
    each: str | None = None
    included: Mapping[str, str] = field(default_factory=lambda: _NOTHING)
    optional: bool = False


def _site(stream: str, schema: str, parameters: tuple[str, ...], *, optional: bool = False) -> Listing:
    cursor = "updated_at" if "begin_time" in parameters else None
    return Listing(stream, f"/{stream}", schema, parameters, cursor_field=cursor, optional=optional)


def _of_account(stream: str, schema: str, parameters: tuple[str, ...], **more: Any) -> Listing:
    cursor = "updated_at" if "begin_time" in parameters else None
    path = f"/accounts/{{account_id}}/{more.pop('tail', stream)}"
    return Listing(stream, path, schema, parameters, cursor_field=cursor, parent="accounts", **more)


LISTINGS: tuple[Listing, ...] = (
    _site("sites", "Site", ("ids", "limit", "order", "sort", "state")),
    _site("accounts", "Account", (*_ALL, "email", "subscriber", "past_due")),
    _site("acquisitions", "AccountAcquisition", _ALL),
    _site("coupons", "Coupon", _ALL),
    _site("credit_payments", "CreditPayment", (*_PAGES, *_DATES)),
    _site("custom_field_definitions", "CustomFieldDefinition", (*_ALL, "related_type")),
    _site("items", "Item", (*_ALL, "state"), optional=True),
    _site("measured_units", "MeasuredUnit", (*_ALL, "state"), optional=True),
    _site("invoices", "Invoice", (*_ALL, "state", "type")),
    _site("line_items", "LineItem", (*_ALL, "original", "state", "type")),
    _site("plans", "Plan", (*_ALL, "state")),
    _site("add_ons", "AddOn", (*_ALL, "state")),
    _site("shipping_methods", "ShippingMethod", _ALL, optional=True),
    _site("subscriptions", "Subscription", (*_ALL, "state")),
    _site("transactions", "Transaction", (*_ALL, "type", "success")),
    _site("dunning_campaigns", "DunningCampaign", ("sort",), optional=True),
    _site("invoice_templates", "InvoiceTemplate", ("sort",), optional=True),
    _site("business_entities", "BusinessEntity", (), optional=True),
    _site("gift_cards", "GiftCard", (), optional=True),
    _site("external_products", "ExternalProduct", ("sort",), optional=True),
    _site("external_subscriptions", "ExternalSubscription", ("sort",), optional=True),
    _site("external_invoices", "ExternalInvoice", ("sort", "limit", "order"), optional=True),
    _of_account("account_notes", "AccountNote", ("ids",), tail="notes"),
    _of_account("billing_infos", "BillingInfo", ("ids", *_DATES)),
    _of_account("shipping_addresses", "ShippingAddress", _ALL),
    _of_account("coupon_redemptions", "CouponRedemption", ("ids", *_DATES, "state")),
    _of_account(
        "entitlements",
        "Entitlement",
        ("state",),
        primary_key=("account_id", "customer_permission.id"),
        included={"account_id": "id"},
        optional=True,
    ),
    Listing(
        "unique_coupon_codes",
        "/coupons/{coupon_id}/unique_coupon_codes",
        "UniqueCouponCode",
        _ALL,
        parent="coupons",
    ),
    Listing(
        "usage",
        "/subscriptions/{subscription_id}/add_ons/{add_on_id}/usage",
        "Usage",
        (*_ALL, "billing_status"),
        cursor_field="recording_timestamp",
        parent="subscriptions",
        each="add_ons",
        included={"subscription_id": "id", "add_on_id": "each.add_on.id"},
    ),
    Listing(
        "external_payment_phases",
        "/external_subscriptions/{external_subscription_id}/external_payment_phases",
        "ExternalPaymentPhase",
        ("sort", "limit", "order"),
        cursor_field=None,
        parent="external_subscriptions",
        optional=True,
    ),
)

BY_STREAM: Mapping[str, Listing] = MappingProxyType({listing.stream: listing for listing in LISTINGS})

_SUBSET = "a part of {}, which is read whole"
_EMBEDDED = "every {} record holds them in full"

LEFT_OUT: Mapping[str, str] = MappingProxyType(
    {
        "/accounts/{account_id}/coupon_redemptions/active": _SUBSET.format("coupon_redemptions"),
        "/accounts/{account_id}/credit_payments": _SUBSET.format("credit_payments"),
        "/accounts/{account_id}/external_accounts": _EMBEDDED.format("accounts") + " (external_accounts)",
        "/accounts/{account_id}/external_invoices": _SUBSET.format("external_invoices"),
        "/accounts/{account_id}/external_subscriptions": _SUBSET.format("external_subscriptions"),
        "/accounts/{account_id}/invoices": _SUBSET.format("invoices"),
        "/accounts/{account_id}/line_items": _SUBSET.format("line_items"),
        "/accounts/{account_id}/subscriptions": _SUBSET.format("subscriptions"),
        "/accounts/{account_id}/transactions": _SUBSET.format("transactions"),
        "/accounts/{account_id}/accounts": _SUBSET.format("accounts") + " (parent_account_id)",
        "/invoice_templates/{invoice_template_id}/accounts": _SUBSET.format("accounts")
        + " (invoice_template_id)",
        "/external_products/{external_product_id}/external_product_references": _EMBEDDED.format(
            "external_products"
        ),
        "/external_subscriptions/{external_subscription_id}/external_invoices": _SUBSET.format(
            "external_invoices"
        ),
        "/invoices/{invoice_id}/line_items": "asked for only where an invoice says has_more_line_items",
        "/invoices/{invoice_id}/coupon_redemptions": _SUBSET.format("coupon_redemptions"),
        "/invoices/{invoice_id}/related_invoices": _SUBSET.format("invoices") + " (previous_invoice_id)",
        "/plans/{plan_id}/add_ons": _SUBSET.format("add_ons") + " (plan_id)",
        "/subscriptions/{subscription_id}/invoices": _SUBSET.format("invoices") + " (subscription_ids)",
        "/subscriptions/{subscription_id}/line_items": _SUBSET.format("line_items") + " (subscription_id)",
        "/subscriptions/{subscription_id}/coupon_redemptions": _SUBSET.format("coupon_redemptions"),
        "/business_entities/{business_entity_id}/invoices": _SUBSET.format("invoices")
        + " (business_entity_id)",
        "/accounts/{account_id}/acquisition": _SUBSET.format("acquisitions"),
        "/accounts/{account_id}/balance": "computed when asked: sum invoices and credit_payments",
        "/accounts/{account_id}/billing_info": _SUBSET.format("billing_infos"),
        "/subscriptions/{subscription_id}/change": _EMBEDDED.format("subscriptions") + " (pending_change)",
        "/subscriptions/{subscription_id}/preview_renewal": "a preview, not a record",
        "/invoices/{invoice_id}.pdf": "a document, not a record",
        "/export_dates": "a report: the automated exports",
        "/export_dates/{export_date}/export_files": "a report: the automated exports",
    }
)
