"""Undoes gzip and deflate of a body, with a bound on what comes out.

>>> import gzip
>>> inflate(gzip.compress(b"[1]") + gzip.compress(b" "), "gzip", cap=100)
b'[1] '
"""

from __future__ import annotations

from isal import isal_zlib

from shared.common.errors import Transient, Violation

_GZIP = 31
_ZLIB = 15
_RAW = -15
_MEMBERS = 1000

# isal's own type for it, which its stubs describe as no exception.
_Broken: type[Exception] = isal_zlib.error  # type: ignore[assignment]


def inflate(body: bytes, encoding: str, *, cap: int) -> bytes:
    """The body behind a Content-Encoding.

    Raises `Transient` when the data is cut or broken, `Violation` when more than `cap` bytes come out, or when the
    server uses an encoding that it was not asked for.
    """
    for name in reversed([part.strip().lower() for part in encoding.split(",")]):
        match name:
            case "" | "identity":
                continue
            case "gzip" | "x-gzip":
                body = _inflate(body, _GZIP, cap)
            case "deflate":
                # RFC 9110 means zlib, and some servers send bare deflate: the first byte of zlib is 0x?8.
                body = _inflate(body, _ZLIB if body[:1] and body[0] & 0x0F == 8 else _RAW, cap)
            case _:
                raise Violation(f'the answer is encoded as "{name[:40]}", which was not asked for')
    return body


def _inflate(body: bytes, window: int, cap: int) -> bytes:
    pieces: list[bytes] = []
    size, rest = 0, body
    while rest or not pieces:
        stream = isal_zlib.decompressobj(window)
        try:
            piece = stream.decompress(rest, cap - size + 1)
        except _Broken as error:
            raise Transient(f"the compressed answer is broken: {error}") from None
        size += len(piece)
        if size > cap:
            raise Violation(
                f"an answer of {len(body):,} compressed bytes grows beyond {cap:,} bytes",
                hint="a server that does this is broken or hostile; ask for smaller pages, or raise the cap",
            )
        if not stream.eof:
            raise Transient(f"the compressed answer is cut: {len(body)} bytes are not its whole")
        pieces.append(piece)
        if len(pieces) > _MEMBERS:
            raise Violation(f"an answer is made of more than {_MEMBERS} gzip members")
        # Several gzip members may follow one another (RFC 1952, 2.2); zero bytes at the end are padding.
        rest = stream.unused_data.lstrip(b"\0") if window == _GZIP else b""
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)
