"""Masks for columns that must not be stored as they are: a keyed hash, nothing at all, or a part of the text.

They are applied to raw records before anything is written, rejected records included.

>>> Partial(keep_last=4).apply("4111111111111111", key=b"")
'************1111'
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from decimal import Decimal
from functools import partial
from typing import Annotated, Any, Literal

import msgspec
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from shared.common.errors import Misconfigured
from shared.common.rewrite import DROP, Change, Drop, Rewriter


class _Mask(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Hash(_Mask):
    """HMAC-SHA256 in 64 hex digits: equal values stay equal (joins work), and without the key nobody can guess.

    Strings are hashed as UTF-8, anything else as its compact JSON text. null stays null.
    """

    type: Literal["hash"] = "hash"

    def apply(self, value: Any, *, key: bytes) -> Any:
        """The hash; of a list, that of each item. Raises `Misconfigured` without a key."""
        if not key:
            raise Misconfigured("a column is masked by hash, but there is no key", hint="set MASK_KEY")
        return _each(value, lambda text: hmac.new(key, text.encode(), hashlib.sha256).hexdigest())


class DropField(_Mask):
    """The field is left out."""

    type: Literal["drop"] = "drop"

    def apply(self, value: Any, *, key: bytes) -> Drop:
        return DROP


class Partial(_Mask):
    """Only the first and last characters stay; a text that is not longer than those is masked whole."""

    type: Literal["partial"] = "partial"
    keep_first: int = Field(default=0, ge=0)
    keep_last: int = Field(default=4, ge=0)
    character: str = Field(default="*", min_length=1, max_length=1)

    def apply(self, value: Any, *, key: bytes) -> Any:
        return _each(value, self._cover)

    def _cover(self, text: str) -> str:
        hidden = len(text) - self.keep_first - self.keep_last
        if hidden <= 0:
            return self.character * len(text)
        return text[: self.keep_first] + self.character * hidden + text[len(text) - self.keep_last :]


def _name_alone(value: Any) -> Any:
    return {"type": value} if isinstance(value, str) else value


Mask = Annotated[Hash | DropField | Partial, Field(discriminator="type"), BeforeValidator(_name_alone)]
"""What a source file says of a column: `email: hash`, `ssn: drop`, `card: {type: partial, keep_last: 4}`."""


def masking(masks: Mapping[str, Hash | DropField | Partial], *, key: bytes = b"") -> Rewriter:
    """The rewriter that applies masks by dotted path; `key` is the secret of the hashes.

    Raises `Misconfigured` when there is a hash and no key, before any record is seen.
    """
    if not key and any(isinstance(mask, Hash) for mask in masks.values()):
        raise Misconfigured("a column is masked by hash, but there is no key", hint="set MASK_KEY")
    changes: dict[str, Change] = {
        path: DROP if isinstance(mask, DropField) else partial(mask.apply, key=key)
        for path, mask in masks.items()
    }
    return Rewriter.of(changes)


def _each(value: Any, change: Any) -> Any:
    match value:
        case None:
            return None
        case str():
            return change(value)
        case list():
            return [_each(item, change) for item in value]
        case Decimal():
            return change(str(value))
        case _:
            return change(msgspec.json.encode(value, order="sorted").decode())
