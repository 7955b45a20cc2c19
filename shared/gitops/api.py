"""Requests below one repository of a host's API: what its adapter asks and sends, as JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from shared.common.errors import Violation
from shared.rest.client import Client
from shared.rest.links import parse_links
from shared.rest.message import Pairs, Request, Response


@dataclass(frozen=True, slots=True)
class Api:
    """What lies below `root`, a path of the client's base URL. All methods raise as `Client.send` does."""

    client: Client
    root: str
    headers: Pairs = ()

    def request(self, path: str, **params: str) -> Request:
        """A GET request; the empty path is the repository itself."""
        place = f"{self.root}/{path}" if path else self.root
        return replace(self.client.request(place, headers=self.headers), params=tuple(params.items()))

    def get(self, path: str, **params: str) -> Any:
        return self.json(self.request(path, **params))

    def send(self, method: str, path: str, document: Mapping[str, Any]) -> Any:
        """What the answer to a JSON document is."""
        return self.json(replace(self.request(path), method=method, json=document))

    def delete(self, path: str) -> None:
        self.client.send(replace(self.request(path), method="DELETE"))

    def json(self, request: Request) -> Any:
        return msgspec.json.decode(self.client.send(request).body)

    def linked(self, path: str, **params: str) -> Iterator[Mapping[str, Any]]:
        """All of a list whose pages follow one another by Link headers."""

        def page(answer: Response) -> tuple[Any, str]:
            links = parse_links(answer.headers.get("link", ""))
            target = next((link.target for link in links if "next" in link.rels), "")
            return msgspec.json.decode(answer.body), target

        yield from self.paged(self.request(path, **params, per_page="100"), page)

    def paged(
        self, request: Request, page: Callable[[Response], tuple[Any, str]]
    ) -> Iterator[Mapping[str, Any]]:
        """All of a list: `page` gives what is on a page, and where the next one is (empty: nowhere).

        Raises `Violation` when a page leads back to one that was read.
        """
        seen = set[str]()
        while True:
            found, target = page(self.client.send(request))
            yield from found
            if not target:
                return
            if target in seen:
                raise Violation("the host's pages lead round in a circle", url=target)
            seen.add(target)
            request = replace(request, url=target, params=())
