"""Lists that a record holds only in part are fetched in full and put back into it."""

from __future__ import annotations

from collections.abc import Callable

import orjson

from shared.ingestion.request import absolute
from shared.ingestion.sieve import replace_field
from shared.ingestion.spec import Follow, SourceSpec, Stream
from shared.ingestion.template import fill, lookup, placeholders
from shared.rest.client import Client
from shared.rest.loop import LoopGuard
from shared.rest.message import split_url


def following(
    spec: SourceSpec, stream: Stream, rest: Follow, *, client: Client, name: str
) -> Callable[[bytes], bytes | None]:
    """A step that completes one list of a record, page by page, when the record says that there is more of it."""
    shape = stream.pagination.shape(stream.records)
    names = placeholders(rest.path)

    def step(record: bytes) -> bytes | None:
        if rest.when.encode() not in record:
            return record
        try:
            parsed = orjson.loads(record)
        except orjson.JSONDecodeError:
            return record  # half a character, for which the contract refuses it
        if lookup(parsed, rest.when) is not True:
            return record
        target = split_url(absolute(spec, fill(rest.path, names, parsed, stream=name)))
        request = stream.pagination.first(target.with_params(**rest.params))
        guard = LoopGuard(stream=name)
        items: list[bytes] = []
        while True:
            guard.see(request, token=stream.pagination.token(request))
            page = client.page(request, shape)
            items.extend(page.records)
            following_page = stream.pagination.next(page)
            if following_page is None:
                whole = replace_field(record, rest.field, b"[" + b",".join(items) + b"]")
                # The flag spoke of the list as it was cut; the list is whole now.
                return replace_field(whole, rest.when, b"false")
            request = following_page

    return step
