"""Compressed bodies come out whole, within bounds, or not at all."""

from __future__ import annotations

import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.common.errors import Transient, Violation
from shared.rest.inflate import inflate


@given(parts=st.lists(st.binary(max_size=300), min_size=1, max_size=4))
def test_gzip_members_come_out_one_after_another(parts: list[bytes]) -> None:
    body = b"".join(gzip.compress(part) for part in parts)

    assert b"".join(parts) == inflate(body, "gzip", cap=10_000)


@given(body=st.binary(max_size=300))
def test_both_kinds_of_deflate_are_read(body: bytes) -> None:
    bare = zlib.compressobj(wbits=-15)

    assert body == inflate(zlib.compress(body), "deflate", cap=10_000)
    assert body == inflate(
        inflate(gzip.compress(zlib.compress(body)), "gzip", cap=10_000), "deflate", cap=10_000
    )
    assert body == inflate(gzip.compress(zlib.compress(body)), "deflate, gzip", cap=10_000)
    assert b"x" * 50 == inflate(bare.compress(b"x" * 50) + bare.flush(), "deflate", cap=10_000)


@given(body=st.binary(min_size=1, max_size=300), data=st.data())
def test_a_cut_body_never_comes_out(body: bytes, data: st.DataObject) -> None:
    whole = gzip.compress(body)
    cut = data.draw(st.integers(0, len(whole) - 1))

    with pytest.raises(Transient, match="compressed answer"):
        inflate(whole[:cut], "gzip", cap=10_000)


def test_a_body_of_exactly_the_cap_comes_out() -> None:
    assert b"x" * 1000 == inflate(gzip.compress(b"x" * 1000), "gzip", cap=1000)
    with pytest.raises(Violation, match="grows beyond 999 bytes"):
        inflate(gzip.compress(b"x" * 1000), "gzip", cap=999)


def test_the_cap_holds_over_all_members() -> None:
    with pytest.raises(Violation, match="grows beyond"):
        inflate(gzip.compress(b"x" * 600) * 2, "gzip", cap=1000)
    with pytest.raises(Violation, match="gzip members"):
        inflate(gzip.compress(b"") * 2000, "gzip", cap=1000)


def test_padding_behind_the_end_is_left_out() -> None:
    assert b"x" == inflate(gzip.compress(b"x") + b"\0" * 20, "gzip", cap=10)


def test_an_encoding_that_was_not_asked_for_is_refused() -> None:
    assert b"x" == inflate(b"x", "identity", cap=10)
    with pytest.raises(Violation, match='encoded as "br"'):
        inflate(b"x", "br", cap=10)


def test_noise_is_transient() -> None:
    with pytest.raises(Transient, match="broken"):
        inflate(b"noise" * 20, "gzip", cap=1000)
