"""Puts credentials on requests: each style is a frozen document whose `flow` is a generator without I/O (httpx's idea).

A document names secrets, it never holds them; the values come from the `Secrets` door when a request is sent. The flow
yields the requests to send and is sent the answers; the client drives it, and only for the source's own host.
After a 401 the secrets are fetched anew once, and the request is sent again if the credentials changed.

>>> from shared.common.fakes import DictSecrets, FakeClock
>>> wallet = Wallet(DictSecrets({"KEY": "hunter22"}), FakeClock())
>>> sent = next(Bearer(token="KEY").flow(Request("https://api.test/x"), wallet))
>>> sent.headers
(('authorization', 'Bearer hunter22'),)
"""

from __future__ import annotations

import base64
import re
from collections.abc import Generator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from threading import RLock
from typing import Annotated, Any, Literal

import msgspec
from pydantic import Field, model_validator

from shared.common.errors import Misconfigured, Refused, Transient
from shared.common.ports import Clock, Secrets
from shared.common.redaction import Redactor
from shared.rest.document import Document, Seconds
from shared.rest.message import Request, Response
from shared.rest.refusal import refused

Flow = Generator[Request, Response, None]

_EARLY = 30.0
"""Seconds before its end from which a token is no longer used, so that it does not end on the way."""

_DEFAULT_LIFE = 300.0
"""Seconds that a token counts as good when its giver does not say (RFC 6749, 5.1 only recommends that it says)."""


@dataclass(frozen=True, slots=True)
class Token:
    """An access token, the moment (monotonic seconds) of its end, and the refresh token that belongs to it."""

    value: str
    until: float
    refresh: str | None = None


@dataclass(slots=True)
class Wallet:
    """What flows draw on: the secrets, the time, the tokens of this process, and the redactor that learns every value.

    `lock` is held while a token is fetched, so that of many threads one fetches it: a refresh token that works only
    once is never sent twice.
    """

    secrets: Secrets
    clock: Clock
    redactor: Redactor = field(default_factory=Redactor)
    tokens: dict[str, Token] = field(default_factory=dict, repr=False)
    lock: RLock = field(default_factory=RLock, repr=False)

    def secret(self, name: str) -> str:
        value = self.secrets.get(name)
        self.redactor.learn(value)
        return value


class _Static(Document):
    """Credentials that are the same on every request."""

    def apply(self, request: Request, wallet: Wallet) -> Request:
        raise NotImplementedError

    def flow(self, request: Request, wallet: Wallet) -> Flow:
        """Yields the request with its credentials, and once more after a 401 when they have changed since."""
        sent = self.apply(request, wallet)
        response = yield sent
        if response.status == 401:
            changed = wallet.secrets.refresh()
            again = self.apply(request, wallet)
            # Of many threads that met the 401 only one refreshes; the others see that the value is another.
            if changed or again != sent:
                yield again

    def clean(self, url: str) -> str:
        """A link (or Link header) of an answer without our credential in it."""
        return url


class NoAuth(_Static):
    """The API asks for no credentials."""

    type: Literal["none"] = "none"

    def apply(self, request: Request, wallet: Wallet) -> Request:
        return request

    def flow(self, request: Request, wallet: Wallet) -> Flow:
        yield request


class Basic(_Static):
    """HTTP Basic (RFC 7617); without `password` it is empty, as APIs want it that take a key for the user name."""

    type: Literal["basic"] = "basic"
    username: str
    password: str | None = None

    def apply(self, request: Request, wallet: Wallet) -> Request:
        password = wallet.secret(self.password) if self.password else ""
        pair = f"{wallet.secret(self.username)}:{password}"
        wallet.redactor.learn(pair)
        return _with_header(request, "authorization", f"Basic {base64.b64encode(pair.encode()).decode()}")


class Bearer(_Static):
    """A token in the Authorization header; `prefix` is the word before it."""

    type: Literal["bearer"] = "bearer"
    token: str
    prefix: str = "Bearer"

    def apply(self, request: Request, wallet: Wallet) -> Request:
        return _with_header(request, "authorization", f"{self.prefix} {wallet.secret(self.token)}".strip())


class ApiKey(_Static):
    """A key in a header or a query parameter of any name; `prefix` is put before a header's value."""

    type: Literal["api_key"] = "api_key"
    key: str
    name: str = "X-API-Key"
    place: Literal["header", "query"] = "header"
    prefix: str = ""

    def apply(self, request: Request, wallet: Wallet) -> Request:
        if self.place == "query":
            return request.with_params(**{self.name: wallet.secret(self.key)})
        return _with_header(request, self.name.lower(), f"{self.prefix} {wallet.secret(self.key)}".strip())

    def clean(self, url: str) -> str:
        """Without the key's parameter: some APIs repeat it in their links, which end in commits and logs."""
        if self.place == "header" or f"{self.name}=" not in url:
            return url
        ours = re.compile(rf"([?&]){re.escape(self.name)}=[^&#>\s\"]*(&?)")
        return ours.sub(lambda found: found[1] if found[2] else "", url)


class _OAuth2(Document):
    """A token from a token endpoint (RFC 6749), kept in the wallet until shortly before its end.

    `client_auth` says how the client proves itself: in the body, or by HTTP Basic. `extra` are further form fields
    (`audience` …).
    """

    token_url: str
    client_id: str
    client_secret: str | None = None
    scopes: tuple[str, ...] = ()
    client_auth: Literal["body", "basic"] = "body"
    extra: dict[str, str] = Field(default_factory=dict)
    life: Seconds = _DEFAULT_LIFE

    @model_validator(mode="after")
    def _encrypted(self) -> _OAuth2:
        local = ("http://127.0.0.1", "http://localhost", "http://[::1]")
        if not self.token_url.startswith(("https://", *local)):
            raise ValueError("`token_url` must be https: the client's secret goes there")
        return self

    def flow(self, request: Request, wallet: Wallet) -> Flow:
        """Yields a request for a token where none is at hand, then the request with it; a new token after a 401."""
        token = yield from self._token(wallet, refused_token=None)
        response = yield _with_header(request, "authorization", f"Bearer {token.value}")
        if response.status == 401:
            token = yield from self._token(wallet, refused_token=token.value)
            yield _with_header(request, "authorization", f"Bearer {token.value}")

    def clean(self, url: str) -> str:
        """A link (or Link header) of an answer without our credential in it."""
        return url

    def grant(self, wallet: Wallet, token: Token | None) -> tuple[tuple[str, str], ...]:
        """The form fields that ask for a token; `token` is the last one of this process."""
        raise NotImplementedError

    def _token(self, wallet: Wallet, *, refused_token: str | None) -> Generator[Request, Response, Token]:
        key = f"{self.token_url} {self.client_id} {' '.join(self.scopes)}"
        with wallet.lock:
            token = wallet.tokens.get(key)
            good = token is not None and token.until - _EARLY > wallet.clock.monotonic()
            if token is not None and good and token.value != refused_token:
                return token
            fresh = yield from self._fetch(wallet, token)
            wallet.tokens[key] = fresh
            return fresh

    def _fetch(self, wallet: Wallet, token: Token | None) -> Generator[Request, Response, Token]:
        asked = wallet.clock.monotonic()
        response = yield self._ask(wallet, token)
        if response.status in (400, 401):
            # A rotated client secret, or a refresh token that somebody else used up: look once for newer ones.
            wallet.secrets.refresh()
            response = yield self._ask(wallet, None)
        return self._read(response, wallet, token, asked=asked)

    def _ask(self, wallet: Wallet, token: Token | None) -> Request:
        form = self.grant(wallet, token)
        if self.scopes:
            form += (("scope", " ".join(self.scopes)),)
        request = Request(self.token_url, method="POST", headers=(("accept", "application/json"),))
        client, secret = (
            wallet.secret(self.client_id),
            wallet.secret(self.client_secret) if self.client_secret else "",
        )
        if self.client_auth == "basic":
            pair = base64.b64encode(f"{client}:{secret}".encode()).decode()
            wallet.redactor.learn(f"{client}:{secret}")
            request = _with_header(request, "authorization", f"Basic {pair}")
        else:
            form += (("client_id", client), *((("client_secret", secret),) if secret else ()))
        return replace(request, form=(*form, *self.extra.items()))

    def _read(self, response: Response, wallet: Wallet, token: Token | None, *, asked: float) -> Token:
        place = wallet.redactor.url(self.token_url)
        if response.status == 429 or response.status >= 500:
            raise Transient(f"the token endpoint answered {response.status}", url=place)
        if response.status >= 300:
            raise _refusal(response, wallet)
        document: Any = None
        with suppress(msgspec.DecodeError, UnicodeDecodeError):
            document = msgspec.json.decode(response.body)
        value = document.get("access_token") if isinstance(document, dict) else None
        if not isinstance(value, str) or not value:
            raise Transient(
                "the token endpoint's answer holds no access_token", url=place, status=response.status
            )
        life = self.life
        with suppress(TypeError, ValueError):
            life = float(document.get("expires_in"))
        # A giver that rotates refresh tokens sends the next one along; otherwise the old one stays good.
        rotated = document.get("refresh_token")
        refresh = rotated if isinstance(rotated, str) and rotated else (token.refresh if token else None)
        wallet.redactor.learn(value, refresh or "")
        return Token(value, asked + max(life, 2 * _EARLY), refresh)


class ClientCredentials(_OAuth2):
    """OAuth2 client credentials (RFC 6749, 4.4)."""

    type: Literal["oauth2_client_credentials"] = "oauth2_client_credentials"

    def grant(self, wallet: Wallet, token: Token | None) -> tuple[tuple[str, str], ...]:
        return (("grant_type", "client_credentials"),)


class RefreshToken(_OAuth2):
    """OAuth2 refresh token (RFC 6749, 6).

    Where the giver rotates refresh tokens, the newest one lives in this process only: the next process begins with the
    secret `refresh_token` again. A giver that makes the old one invalid at once needs one that stays good (most have a
    setting for it) or a secret that something else keeps up to date.
    """

    type: Literal["oauth2_refresh_token"] = "oauth2_refresh_token"
    refresh_token: str

    def grant(self, wallet: Wallet, token: Token | None) -> tuple[tuple[str, str], ...]:
        newest = token.refresh if token and token.refresh else wallet.secret(self.refresh_token)
        return (("grant_type", "refresh_token"), ("refresh_token", newest))


Auth = Annotated[
    NoAuth | Basic | Bearer | ApiKey | ClientCredentials | RefreshToken, Field(discriminator="type")
]


def _with_header(request: Request, name: str, value: str) -> Request:
    if not value.isprintable():
        raise Misconfigured(
            f'the credential for the header "{name}" holds characters that no header may hold',
            hint="look for a line break or a space at the end of the secret",
        )
    others = tuple((n, v) for n, v in request.headers if n.lower() != name)
    return replace(request, headers=(*others, (name, value)))


def _refusal(response: Response, wallet: Wallet) -> Refused:
    return refused(response, errors=_TokenErrors, redactor=wallet.redactor)


class _TokenErrors:
    """Where RFC 6749, 5.2 puts them."""

    type = "error"
    message = "error_description"
