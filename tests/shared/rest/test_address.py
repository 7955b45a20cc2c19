"""Links lead to the source's own host or to public https hosts, and nowhere else."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.common.errors import Misconfigured
from shared.rest.address import AddressRefused, Guard, Zone, zone_of


def names(**addresses: str) -> Callable[[str, int], list[str]]:
    def resolve(host: str, port: int) -> list[str]:
        found = addresses.get(host.replace(".", "_"))
        if found is None:
            raise OSError("no such name")
        return found.split()

    return resolve


PUBLIC = Guard("https://api.test/v1", resolve=names(api_test="93.184.216.34"))
LOCAL = Guard("http://127.0.0.1:8080", resolve=lambda host, port: [host])


@pytest.mark.parametrize(
    ("address", "zone"),
    [
        ("8.8.8.8", Zone.PUBLIC),
        ("2606:4700::1111", Zone.PUBLIC),
        ("127.0.0.1", Zone.LOOPBACK),
        ("127.9.9.9", Zone.LOOPBACK),
        ("::1", Zone.LOOPBACK),
        ("::ffff:127.0.0.1", Zone.LOOPBACK),
        ("10.0.0.1", Zone.PRIVATE),
        ("172.16.0.1", Zone.PRIVATE),
        ("192.168.1.1", Zone.PRIVATE),
        ("100.64.0.1", Zone.PRIVATE),
        ("fd00::1", Zone.PRIVATE),
        ("::ffff:10.0.0.1", Zone.PRIVATE),
        ("2002:0a00:0001::", Zone.PRIVATE),
        ("64:ff9b::a00:1", Zone.PRIVATE),
        ("169.254.1.1", Zone.LINK_LOCAL),
        ("fe80::1%eth0", Zone.LINK_LOCAL),
        ("169.254.169.254", Zone.METADATA),
        ("::ffff:169.254.169.254", Zone.METADATA),
        ("fd00:ec2::254", Zone.METADATA),
        ("0.0.0.0", Zone.SPECIAL),
        ("::", Zone.SPECIAL),
        ("224.0.0.1", Zone.SPECIAL),
        ("255.255.255.255", Zone.SPECIAL),
    ],
)
def test_addresses_are_told_apart(address: str, zone: Zone) -> None:
    assert zone == zone_of(address)


@given(st.integers(0, 2**32 - 1))
def test_an_address_inside_of_ipv6_counts_as_itself(number: int) -> None:
    plain = str(ipaddress.IPv4Address(number))

    assert (
        zone_of(plain)
        == zone_of(f"::ffff:{plain}")
        == zone_of(str(ipaddress.IPv6Address((0x2002 << 112) | number << 80)))
    )


@pytest.mark.parametrize(
    "url",
    [
        "https://api.test/x",
        "https://API.test:443/x?y=1",
        "https://files.example/x",
        "https://8.8.8.8/x",
        "https://[2606:4700::1111]/x",
    ],
)
def test_the_own_host_and_public_https_hosts_are_followed(url: str) -> None:
    PUBLIC.check(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://api.test/x",
        "http://files.example/x",
        "ftp://api.test/x",
        "//api.test/x",
        "https:///x",
        "https://[broken/x",
        "https://api.test:99999/x",
        "https://me:pw@api.test/x",
        "https://api.test\\@evil.example/x",
        "https://api.test/a b",
        "https://api.test/\nx",
        "https://127.0.0.1/x",
        "https://2130706433/x",
        "https://0x7f000001/x",
        "https://0177.0.0.1/x",
        "https://127.1/x",
        "https://[::1]/x",
        "https://[::ffff:7f00:1]/x",
        "https://10.0.0.1:8443/x",
        "https://169.254.169.254/latest",
        "https://[fe80::1%25eth0]/x",
    ],
)
def test_everything_else_is_refused(url: str) -> None:
    with pytest.raises(AddressRefused, match="a link"):
        PUBLIC.check(url)


def test_a_name_is_judged_by_every_address_behind_it() -> None:
    guard = Guard("https://api.test", resolve=names(good_example="8.8.8.8", mixed_example="8.8.8.8 10.0.0.1"))

    guard.check_name(("https", "good.example", 443))
    with pytest.raises(AddressRefused, match=r"private address 10\.0\.0\.1"):
        guard.check_name(("https", "mixed.example", 443))


def test_the_own_host_may_be_anywhere() -> None:
    guard = Guard("http://intern.example", resolve=names(intern_example="10.0.0.1"))

    guard.check("http://intern.example/x")
    guard.check_address(("http", "intern.example", 80), "10.0.0.1")


def test_a_private_base_may_link_to_its_own_kind_only() -> None:
    LOCAL.check("http://127.0.0.1:9999/x")
    LOCAL.check_address(("http", "127.0.0.1", 9999), "127.0.0.1")
    LOCAL.check("https://files.example/x")
    for url in ("http://10.0.0.1/x", "https://10.0.0.1/x", "http://169.254.169.254/x", "http://8.8.8.8/x"):
        with pytest.raises(AddressRefused, match="leads to the"):
            LOCAL.check(url)


def test_metadata_addresses_are_refused_even_next_door() -> None:
    guard = Guard("http://169.254.1.1", resolve=lambda host, port: [host])

    guard.check("http://169.254.7.7/x")
    with pytest.raises(AddressRefused, match="metadata address"):
        guard.check("http://169.254.169.254/x")


def test_a_token_endpoint_of_the_document_is_trusted() -> None:
    guard = Guard("https://api.test", trusted=("https://login.example/token",), resolve=names())

    guard.check_address(("https", "login.example", 443), "10.0.0.1")
    assert not guard.own("https://login.example/token")


@pytest.mark.parametrize("base", ["api.test", "ftp://api.test", "https://", "", "https://me:pw@api.test"])
def test_a_base_that_is_no_address_is_a_mistake_of_the_document(base: str) -> None:
    with pytest.raises(Misconfigured, match=r"base URL|not the address of an API"):
        Guard(base)


def test_the_error_shows_no_secret() -> None:
    with pytest.raises(AddressRefused, match="user name") as caught:
        PUBLIC.check("https://me:hunter22@10.0.0.1/x?token=hunter22")

    assert "hunter22" not in str(caught.value)


@given(st.text(max_size=60))
def test_no_link_breaks_the_check(text: str) -> None:
    for url in (text, f"https://{text}", f"https://api.test{text}"):
        try:
            PUBLIC.check(url)
        except AddressRefused:
            assert not PUBLIC.own(url)
