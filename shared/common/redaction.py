"""Takes secrets out of texts, URLs and headers before they reach a log, an error, an alert or a commit.

Two nets, one behind the other: values that are known to be secret (learned when they are read), in each spelling in
which they travel; and shapes that look secret whoever made them: user-info and signatures in URLs, `Authorization`
headers, JSON Web Tokens, AWS key ids, private keys. Page tokens and cursors stay readable, for debugging.

>>> Redactor(["hunter22"]).text("GET https://me:pw@api.test/x?page_token=7&api_key=a1b2 said hunter22")
'GET https://***@api.test/x?page_token=7&api_key=*** said ***'
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Mapping
from threading import Lock
from urllib.parse import quote, quote_plus, unquote

MASK = "***"
SHORTEST = 4
"""Known values shorter than this are masked only where they are a whole value: behind `=`, `:` or the name of a scheme,
or as a header. Anywhere else they would turn every text into masks; and what has three characters guards nothing, it is
mostly a stand-in (the password `X` of an API that takes its key for the user name), so it is not refused either.
"""

COMMON = frozenset(
    """
    admin changeme changeit data default demo duckdb example guest hello local localhost main mariadb master mysql none
    null password passwd postgres postgresql public root sluice snowflake source test tester testing token user
    username value warehouse
    """.split()
)
"""Values that everybody knows guard nothing either, and stand in paths and sentences: they are masked where
they are a whole value behind `=`, in quotes behind `:`, behind the name of a scheme, or as a header.
"""

_TELLTALE = (
    *(
        "token",
        "secret",
        "password",
        "passwd",
        "passphrase",
        "apikey",
        "accesskey",
        "privatekey",
        "signature",
    ),
    *("credential", "authorization", "sessionid", "jwt", "assertion", "googleaccessid"),
)
_EXACT = frozenset(
    (
        "sig",
        "key",
        "auth",
        "pwd",
        "pass",
        "policy",
        "keypairid",
        "bearer",
        "cookie",
        "setcookie",
        "hmac",
        "sid",
    )
)
_PAGING = frozenset(
    ("pagetoken", "nexttoken", "nextpagetoken", "prevpagetoken", "continuationtoken", "synctoken", "cursor")
)

_USERINFO = re.compile(r"(?<=://)[^/?#\s\"'<>\\]*@")
_PARAMETER = re.compile(r"(?P<before>^|[?&;\s\"'(,{])(?P<name>[\w.%\-\[\]]{2,64})=(?P<value>[^&\s\"'<>#;]+)")
_FIELD = re.compile(
    r"(?P<before>(?P<quote>[\"']?)\b(?P<name>[\w\-]{2,64})(?P=quote)\s*:\s*)"
    r"(?P<value>\"(?:[^\"\\]|\\.)*\"?|'(?:[^'\\]|\\.)*'?|(?:(?:Bearer|Basic|Token|Digest)\s+)?[^\s,;\"'}\]]+)",
    re.IGNORECASE,
)
_BEFORE_SHORT = r"(?:[=:]\s*|\b(?:Bearer|Basic|Token)\s+)[\"']?"
_BEFORE_COMMON = r"(?:=\s*[\"']?|:\s*[\"']|\b(?:Bearer|Basic|Token)\s+[\"']?)"
_WHOLE = r"(?P<before>{before})(?-i:{values})(?=[&\s\"'<>#;,)}}\]]|\.?(?:\s|$))"
_SCHEME = re.compile(r"\b(Bearer|Basic)\s+[A-Za-z0-9._~+/=\-]{8,}", re.IGNORECASE)
_SHAPES = re.compile(
    r"\beyJ[A-Za-z0-9_\-]{5,}\.[A-Za-z0-9_\-]+(?:\.[A-Za-z0-9_\-]*)?"  # JSON Web Token
    r"|\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"  # AWS access key id
    r"|\bxox[abposr]-[A-Za-z0-9\-]{8,}|\bgh[pousr]_[A-Za-z0-9]{20,}"  # Slack, GitHub
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)"
)


def looks_secret(name: str) -> bool:
    """Whether a query parameter, a header or a field of this name holds a secret.

    >>> [looks_secret(n) for n in ("X-Amz-Signature", "api_key", "next_token", "limit")]
    [True, True, False, False]
    """
    plain = re.sub(r"[^a-z0-9]", "", unquote(name).lower())
    return plain not in _PAGING and (plain in _EXACT or any(tale in plain for tale in _TELLTALE))


class Redactor:
    """Knows secret values and masks them; safe to share between threads. It never shows what it knows."""

    def __init__(self, values: Iterable[str] = ()) -> None:
        self._lock = Lock()
        self._known: frozenset[str] = frozenset()
        self._pattern: re.Pattern[str] | None = None
        self._short: frozenset[str] = frozenset()
        self._whole: list[re.Pattern[str]] = []
        self.learn(*values)

    def __repr__(self) -> str:
        return f"Redactor({len(self._known) + len(self._short)} values)"

    def learn(self, *values: str) -> None:
        """Mask these values from now on, also percent-encoded, as base64 and inside JSON text.

        See `SHORTEST` and `COMMON` for those that are masked in some places only.
        """
        given = {v for v in values if v}
        slight = {v for v in given if len(v) < SHORTEST or _is_common(v)}
        self._learn_short({v for v in slight if v.strip()})
        fresh = given - slight - self._known
        if not fresh:
            return
        with self._lock:
            self._known |= fresh
            spellings = {s for value in self._known for s in _spellings(value) if len(s) >= SHORTEST}
            self._pattern = re.compile("|".join(map(re.escape, sorted(spellings, key=_longest_first))))

    def _learn_short(self, values: set[str]) -> None:
        if not values - self._short:
            return
        with self._lock:
            self._short |= values
            spellings = {
                s for value in self._short for s in (json.dumps(value)[1:-1], quote(value, safe=""), value)
            }
            patterns = [
                _WHOLE.format(before=before, values="|".join(map(re.escape, chosen)))
                for before, common in ((_BEFORE_SHORT, False), (_BEFORE_COMMON, True))
                if (chosen := sorted((s for s in spellings if _is_common(s) == common), key=_longest_first))
            ]
            self._whole = [re.compile(pattern, re.IGNORECASE) for pattern in patterns]

    def reveals(self, text: str) -> bool:
        """Whether a known value occurs in the text in any spelling. Too short ones prove nothing and do not count."""
        return self._pattern is not None and self._pattern.search(text) is not None

    def text(self, text: str) -> str:
        """The text with all that is or looks secret masked."""
        if self._pattern is not None:
            text = self._pattern.sub(MASK, text)
        for whole in self._whole:
            text = whole.sub(rf"\g<before>{MASK}", text)
        text = _SHAPES.sub(MASK, text)
        text = _USERINFO.sub(f"{MASK}@", text)
        text = _PARAMETER.sub(_masked_value, text)
        text = _FIELD.sub(_masked_field, text)
        return _SCHEME.sub(rf"\1 {MASK}", text)

    def url(self, url: str) -> str:
        """The URL with user-info, secret-looking parameters and known values masked."""
        return self.text(url)

    def headers(self, headers: Mapping[str, str]) -> dict[str, str]:
        """The headers with the values of secret-looking names masked and all others treated as text."""
        return {
            name: MASK if looks_secret(name) or value.strip() in self._short else self.text(value)
            for name, value in headers.items()
        }


def _is_common(value: str) -> bool:
    return value.strip().lower() in COMMON


def _longest_first(text: str) -> tuple[int, str]:
    return -len(text), text


def _masked_value(found: re.Match[str]) -> str:
    if not looks_secret(found["name"]) or _is_folder(found):
        return found[0]
    return f"{found['before']}{found['name']}={MASK}"


def _is_folder(found: re.Match[str]) -> bool:
    """`PWD=/here` of a shell's environment; `;PWD=…` of a connection string is a password."""
    return (
        found["name"] == "PWD" and found["value"].startswith("/") and found["before"] in ("", " ", "\n", "\t")
    )


def _masked_field(found: re.Match[str]) -> str:
    if not looks_secret(found["name"]):
        return found[0]
    quotation = found["value"][0] if found["value"][0] in "\"'" else ""
    return f"{found['before']}{quotation}{MASK}{quotation}"


def _spellings(value: str) -> set[str]:
    raw = value.encode("utf-8", "surrogatepass")
    # The last group of base64 depends on what follows the value (`key:` in HTTP Basic), so it is also known without.
    texts = {raw, raw[: len(raw) // 3 * 3]}
    coded = {
        encode(text).decode() for text in texts for encode in (base64.b64encode, base64.urlsafe_b64encode)
    }
    stripped = {text.rstrip("=") for text in coded}
    quoted = {quote(raw, safe=""), quote(raw), quote_plus(raw)}
    return {
        value,
        json.dumps(value)[1:-1],
        json.dumps(value, ensure_ascii=False)[1:-1],
        *coded,
        *stripped,
        *quoted,
    }
