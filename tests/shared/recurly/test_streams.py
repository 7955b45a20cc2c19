"""The decision which lists become streams, against the OpenAPI file and the documentation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from shared.recurly.streams import BY_STREAM, LEFT_OUT, LISTINGS, Listing

DOCS = Path(__file__).parents[3] / "docs/recurly.md"


def declared(openapi: dict[str, Any], path: str) -> set[str]:
    """The query parameters that the OpenAPI file gives a GET operation."""
    item = openapi["paths"][path]
    known = openapi["components"]["parameters"]
    references = [*item.get("parameters", []), *item["get"].get("parameters", [])]
    found = [known[r["$ref"].rsplit("/", 1)[1]] if "$ref" in r else r for r in references]
    return {parameter["name"] for parameter in found if parameter["in"] == "query"}


def test_every_list_of_the_api_is_a_stream_or_is_left_out_with_a_reason(openapi: dict[str, Any]) -> None:
    """What reads one record by its own id is neither."""
    gets = {path for path, item in openapi["paths"].items() if "get" in item}
    told = {listing.path for listing in LISTINGS} | set(LEFT_OUT)
    rest = {path for path in gets - told if not path.endswith("}")}

    assert set() == rest
    assert set() == told - gets


@pytest.mark.parametrize("listing", LISTINGS, ids=lambda listing: listing.stream)
def test_a_listing_has_the_parameters_that_the_api_declares(
    openapi: dict[str, Any], listing: Listing
) -> None:
    assert declared(openapi, listing.path) == set(listing.parameters)


@pytest.mark.parametrize("listing", LISTINGS, ids=lambda listing: listing.stream)
def test_a_listing_has_the_schema_that_the_api_answers_with(
    openapi: dict[str, Any], listing: Listing
) -> None:
    content = openapi["paths"][listing.path]["get"]["responses"]["200"]["content"]["application/json"]
    name = content["schema"]["$ref"].rsplit("/", 1)[1]
    data = openapi["components"]["schemas"][name]["properties"]["data"]

    assert data["items"]["$ref"].rsplit("/", 1)[1] == listing.schema


def test_a_cursor_is_claimed_only_where_the_api_can_filter_by_it() -> None:
    for listing in LISTINGS:
        assert (listing.cursor_field is not None) == ("begin_time" in listing.parameters), listing.stream


def test_a_child_hangs_on_a_stream_of_the_site() -> None:
    for listing in LISTINGS:
        if listing.parent is not None:
            assert BY_STREAM[listing.parent].parent is None
        assert (listing.parent is None) == ("{" not in listing.path)


def test_the_documentation_names_every_stream_and_everything_left_out() -> None:
    text = DOCS.read_text("utf-8")

    assert [] == [s.stream for s in LISTINGS if f"| `{s.stream}` | `{s.path}` |" not in text]
    assert [] == [path for path in LEFT_OUT if f"| `{path}` |" not in text]
