"""Decides where requests may go: links and redirects come from the other side, and must not lead into our network.

Allowed is the source's own origin (scheme, host and port of its base URL) as it is, and https elsewhere, as long as the
address behind the name is public. Private, loopback, link-local and other special addresses are refused, in every
spelling, because the check is made on the resolved address and again on the peer of the connection before a byte is
sent. A base that is itself such an address (a simulator, a server in the same network) may link to its own kind.
Addresses of metadata services are always refused. Source: OWASP ASVS 4, 1.3.6 and 5.2.6.

>>> guard = Guard("https://api.test")
>>> guard.own("https://API.test:443/x"), guard.own("http://api.test/x")
(True, False)
>>> guard.check("http://api.test/x")
Traceback (most recent call last):
shared.rest.address.AddressRefused: a link leads from https to http [url http://api.test/x]
  only https is followed, and the source's own base https://api.test
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from urllib.parse import urlsplit

from shared.common.errors import Misconfigured, Violation
from shared.common.redaction import Redactor

Origin = tuple[str, str, int]
Resolve = Callable[[str, int], Iterable[str]]

_PORTS = {"http": 80, "https": 443}
_SAFE_URL = re.compile(r"[\x21-\x5b\x5d-\x7e\x80-\U0010ffff]+")
_METADATA = frozenset(
    map(
        ipaddress.ip_address,
        ("169.254.169.254", "169.254.170.2", "169.254.170.23", "fd00:ec2::254", "100.100.100.200"),
    )
)
_REMEMBERED = 1024
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


class AddressRefused(Violation):
    """A link or redirect of the API leads where no request may go."""


class Zone(StrEnum):
    """Kinds of addresses."""

    PUBLIC = "public"
    PRIVATE = "private"
    LOOPBACK = "loopback"
    LINK_LOCAL = "link-local"
    METADATA = "metadata"
    SPECIAL = "special"


def zone_of(address: str) -> Zone:
    """The kind of an address; IPv4 inside of IPv6 (mapped, 6to4, Teredo, NAT64) counts as the IPv4 address.

    >>> [
    ...     str(zone_of(a))
    ...     for a in ("::ffff:127.0.0.1", "10.1.2.3", "169.254.169.254", "2002:a00:1::", "8.8.8.8")
    ... ]
    ['loopback', 'private', 'metadata', 'private', 'public']
    """
    ip: ipaddress.IPv4Address | ipaddress.IPv6Address = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        ip = _embedded(ip) or ip
    if ip in _METADATA:
        return Zone.METADATA
    if ip.is_loopback:
        return Zone.LOOPBACK
    if ip.is_link_local:
        return Zone.LINK_LOCAL
    if ip.is_multicast or ip.is_unspecified or ip.is_reserved:
        return Zone.SPECIAL
    return Zone.PUBLIC if ip.is_global else Zone.PRIVATE


def _embedded(ip: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    if ip.ipv4_mapped or ip.sixtofour:
        return ip.ipv4_mapped or ip.sixtofour
    if ip.teredo:
        return ip.teredo[1]
    return ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF) if ip in _NAT64 else None


def origin_of(url: str) -> Origin:
    """Scheme, host and port of a URL, in lower case and with the default port. Raises ValueError when it has none."""
    parts = urlsplit(url)
    scheme = parts.scheme.lower()
    if scheme not in _PORTS or not parts.hostname:
        raise ValueError("it is no http(s) URL")
    return scheme, parts.hostname.lower(), parts.port or _PORTS[scheme]


def system_resolve(host: str, port: int) -> list[str]:
    """The addresses of a host by the system's resolver. Raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in found]


@dataclass(frozen=True)
class Guard:
    """The rule for one source: its `base` URL, and others that its document names (`trusted`: token endpoints)."""

    base: str
    trusted: tuple[str, ...] = ()
    resolve: Resolve = field(default=system_resolve, compare=False)
    redactor: Redactor = field(default_factory=Redactor, compare=False)

    def __post_init__(self) -> None:
        try:
            origins = [origin_of(url) for url in (self.base, *self.trusted)]
        except ValueError as error:
            raise Misconfigured(
                f'"{self.redactor.url(self.base)}" is not the address of an API: {error}',
                hint="write it like https://api.example.com",
            ) from None
        if "@" in urlsplit(self.base).netloc:
            raise Misconfigured(
                "the base URL holds a user name or password", hint="name them as secrets under `auth`"
            )
        object.__setattr__(self, "_own", origins[0])
        object.__setattr__(self, "_known", frozenset(origins))

    _own: Origin = field(init=False, repr=False, compare=False)
    _known: frozenset[Origin] = field(init=False, repr=False, compare=False)
    _verified: set[str] = field(init=False, repr=False, compare=False, default_factory=set)

    def own(self, url: str) -> bool:
        """Whether the URL lies on the source's own host: scheme, host and port. Only there credentials go."""
        if url in self._verified:
            return True
        try:
            own = origin_of(url) == self._own and self._clean(url)
        except ValueError:
            return False
        if own:
            if len(self._verified) >= _REMEMBERED:
                self._verified.clear()
            self._verified.add(url)
        return own

    def check(self, url: str) -> None:
        """What can be said of a URL without asking for its address. Raises `AddressRefused`."""
        if self.own(url):
            return
        try:
            scheme, host, _ = origin = origin_of(url)
        except ValueError as error:
            raise self._refuse(f"a link cannot be followed: {error}", url) from None
        if not self._clean(url):
            raise self._refuse("a link holds a user name, a backslash, a blank or a control character", url)
        if origin in self._known:
            return
        if scheme == "http" and not (self._own[0] == "http" and self._private_kinds):
            downgrade = self._own[0] == "https"
            raise self._refuse(
                f"a link leads {'from https to http' if downgrade else 'to another host by http'}", url
            )
        if literal := _literal(host):
            self.check_address(origin, literal, url=url)

    def check_name(self, origin: Origin) -> None:
        """Check each address of a foreign host before connecting. Raises `AddressRefused`, OSError when it has none."""
        if origin not in self._known:
            for address in self.resolve(origin[1], origin[2]):
                self.check_address(origin, address)

    def check_address(self, origin: Origin, address: str, *, url: str = "") -> None:
        """Check the address behind a host. Raises `AddressRefused`."""
        if origin in self._known:
            return
        zone = zone_of(address)
        if zone in self._private_kinds or (zone is Zone.PUBLIC and origin[0] == "https"):
            return
        url = url or f"{origin[0]}://{origin[1]}:{origin[2]}"
        raise self._refuse(f"a link leads to the {zone} address {address}", url)

    @cached_property
    def _private_kinds(self) -> frozenset[Zone]:
        """The kinds of address that the base itself has, without the public ones."""
        with suppress(OSError, ValueError):
            zones = {zone_of(address) for address in self.resolve(self._own[1], self._own[2])}
            return frozenset(zones & {Zone.PRIVATE, Zone.LOOPBACK, Zone.LINK_LOCAL})
        return frozenset()

    @staticmethod
    def _clean(url: str) -> bool:
        # Parsers disagree on these, so a URL that holds them could be checked as one host and fetched from another.
        return _SAFE_URL.fullmatch(url) is not None and "@" not in urlsplit(url).netloc

    def _refuse(self, what: str, url: str) -> AddressRefused:
        base = f"{self._own[0]}://{urlsplit(self.base).netloc}"
        return AddressRefused(
            what,
            hint=f"only https is followed, and the source's own base {base}",
            url=self.redactor.url(url[:500]),
        )


def _literal(host: str) -> str | None:
    """The address that a host spells out, also in the odd ways that a resolver takes (0x7f.1, 2130706433)."""
    with suppress(ValueError):
        return str(ipaddress.ip_address(host.partition("%")[0]))
    with suppress(OSError):
        if re.fullmatch(r"[0-9a-fx.]+", host):
            return socket.inet_ntoa(socket.inet_aton(host))
    return None
