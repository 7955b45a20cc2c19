"""Made-up people, companies and places, in several scripts, for the simulated site."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from random import Random
from typing import Any

FIRST_NAMES = (
    "Ada Amélie Aoife Björn Carlos Chloë Dmitri Eilidh Elif Émile Fatima Françoise Giulia Grace Hana Hiroshi Ingrid "
    "Jalen João José Kwame Lakshmi Léa Liam Łukasz Mairéad Malik María Mei Ming Noah Núria Olga Øystein Priya Ravi "
    "Renée Rosa Saoirse Seán Siobhán Søren Tomás Thảo Umar Valentina Wanjiru Xochitl Yuki Zoë Žofia Олена Дмитро "
    "Γιώργος Ελένη 美咲 伟 지우 ليلى नेहा"
).split()
LAST_NAMES = (
    "Abebe Andersson Bąk Bianchi Brown Castillo Chen Connolly Diallo Dubois Eriksson Fernández Fischer García Gómez "
    "Håkansson Hughes Ito Ivanova Jansen Johnson Kaya Kim Kowalski Lefèvre López Mäkinen Müller Murphy Nakamura Nguyễn "
    "Novák O'Brien Okafor Öztürk Patel Peña Quispe Rossi Sánchez Schäfer Silva Singh Smith Strauß Suárez Tanaka Taylor "
    "Van-der-Berg Williams Wójcik Yılmaz Zhou Шевченко Παπαδόπουλος 田中 李 김 شريف शर्मा"
).split()
_WORDS = (
    "Alder Anchor Basalt Beacon Birch Cedar Cobalt Comet Copper Delta Ember Falcon Fjord Garnet Harbour Heron Indigo "
    "Juniper Kestrel Lantern Lichen Maple Meridian Nimbus Northwind Onyx Otter Pebble Quartz Raven Sable Sequoia Tidal "
    "Umber Vertex Willow Zephyr"
).split()
_TRADES = (
    "Analytics",
    "Bakery",
    "Books",
    "Clinics",
    "Films",
    "Foods",
    "Freight",
    "Labs",
    "Law",
    "Media",
    "Optics",
    "Yoga",
)
_STREETS = (
    "Bridge",
    "Castle",
    "Church",
    "Garden",
    "Harbour",
    "High",
    "King",
    "Lake",
    "Market",
    "Mill",
    "Park",
    "Station",
)


@dataclass(frozen=True, slots=True)
class Country:
    """A country of customers: currency, tax name and rate in 1/10000, zone, locale, and (city, region, post code)."""

    code: str
    weight: int
    currency: str
    tax: str
    rate: int
    zone: str
    locale: str
    company: str
    places: tuple[tuple[str, str, str], ...]


COUNTRIES = (
    Country("US", 40, "USD", "us", 0, "America/Chicago", "en-US", "Inc.",
            (("Austin", "TX", "78701"), ("Portland", "OR", "97204"), ("Albuquerque", "NM", "87102"))),
    Country("US", 14, "USD", "us", 863, "America/Los_Angeles", "en-US", "LLC",
            (("San Francisco", "CA", "94110"), ("Oakland", "CA", "94607"), ("San José", "CA", "95112"))),
    Country("GB", 14, "GBP", "vat", 2000, "Europe/London", "en-GB", "Ltd",
            (("Leeds", "West Yorkshire", "LS1 4DY"), ("Llanfairpwll", "Anglesey", "LL61 5UJ"))),
    Country("DE", 12, "EUR", "vat", 1900, "Europe/Berlin", "de-DE", "GmbH",
            (("Köln", "NW", "50667"), ("München", "BY", "80331"), ("Görlitz", "SN", "02826"))),
    Country("FR", 8, "EUR", "vat", 2000, "Europe/Paris", "fr-FR", "SARL",
            (("Besançon", "BFC", "25000"), ("Orléans", "CVL", "45000"))),
    Country("PL", 4, "EUR", "vat", 2300, "Europe/Warsaw", "pl-PL", "sp. z o.o.",
            (("Łódź", "LD", "90-001"), ("Kraków", "MA", "30-001"))),
    Country("JP", 5, "USD", "jp", 1000, "Asia/Tokyo", "ja-JP", "株式会社",
            (("東京", "13", "100-0001"), ("京都", "26", "600-8001"))),
    Country("BR", 3, "USD", "br", 0, "America/Sao_Paulo", "pt-BR", "Ltda.", (("São Paulo", "SP", "01000-000"),)),
)  # fmt: skip
_WEIGHTS = tuple(country.weight for country in COUNTRIES)


@dataclass(frozen=True, slots=True)
class Person:
    """A customer: names, a company for some, a mail address in ASCII, a country, and a place."""

    first_name: str
    last_name: str
    company: str | None
    email: str
    country: Country
    place: tuple[str, str, str]
    street: str

    def address(self, **more: Any) -> dict[str, Any]:
        city, region, postal_code = self.place
        return {
            **more,
            "phone": None,
            "street1": self.street,
            "street2": None,
            "city": city,
            "region": region,
            "postal_code": postal_code,
            "country": self.country.code,
            "geo_code": None,
        }


def person(random: Random, number: int) -> Person:
    """A person who does not exist; `number` keeps the mail address unique."""
    first, last = random.choice(FIRST_NAMES), random.choice(LAST_NAMES)
    country = random.choices(COUNTRIES, _WEIGHTS)[0]
    company = None
    if random.random() < 0.45:
        company = f"{random.choice(_WORDS)} {random.choice(_TRADES)} {country.company}"
    street = f"{random.randint(1, 240)} {random.choice(_STREETS)} Street"
    name = _ascii(f"{first}.{last}") or "customer"
    email = f"{name}.{number}@example.{random.choice(('com', 'net', 'org'))}"
    return Person(first, last, company, email, country, random.choice(country.places), street)


def _ascii(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return "".join(c for c in plain if c.isalnum() or c == ".").strip(".")
