"""Reads Link headers (RFC 8288) and resolves links against the request that they answer.

>>> parse_links('<https://a.test/x?page=2>; rel="next", </y>; rel=last')
(Link(target='https://a.test/x?page=2', rels=('next',)), Link(target='/y', rels=('last',)))
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from urllib.parse import unquote_to_bytes, urlencode, urljoin, urlsplit

from shared.rest.message import Request, split_url

_TARGET = re.compile(r"\s*,*\s*<([^<>]*)>")
_PARAMETER = re.compile(
    r"\s*;\s*(?:([!#$&+\-.^_`|~\w]+)\*?\s*(?:=\s*(?:\"((?:[^\"\\]|\\.)*)\"|([^\s;,\"]*)))?)?"
)


@dataclass(frozen=True, slots=True)
class Link:
    """A link's target as written (absolute or relative) and its relation types in lower case."""

    target: str
    rels: tuple[str, ...]


def parse_links(header: str) -> tuple[Link, ...]:
    """The links of a Link header in their order; reading stops at the first thing that is not a link.

    Only the first `rel` of a link counts (RFC 8288, section 3.3), and its relation types are separated by spaces.
    """
    links: list[Link] = []
    place = 0
    while found := _TARGET.match(header, place):
        place = found.end()
        rels: tuple[str, ...] | None = None
        while (parameter := _PARAMETER.match(header, place)) and parameter.end() > place:
            place = parameter.end()
            name, quoted, plain = parameter.groups()
            if rels is None and name and name.lower() == "rel":
                text = re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else plain or ""
                rels = tuple(text.lower().split())
        links.append(Link(found[1].strip(), rels or ()))
    return tuple(links)


def follow(request: Request, link: str) -> Request:
    """The request for `link`, an absolute URL or a path, found in the answer to `request`.

    Method, headers and body stay; the parameters come from the link alone, because its query carries them all.
    Raises ValueError when it is not a link.
    """
    try:
        url = urljoin(request.full_url(), link.strip())
        parsed = split_url(url)
        query = urlsplit(url).query
    except ValueError as error:
        raise ValueError(f"{link!r} is not a link: {error}") from None
    if unquote_to_bytes(query.replace("+", " ")) != unquote_to_bytes(
        urlencode(parsed.params).replace("+", " ")
    ):
        # Some queries do not survive being taken apart (`a&b=%FF`): those are used as they stand.
        return replace(request, url=url.partition("#")[0], params=())
    return replace(request, url=parsed.url, params=parsed.params)
