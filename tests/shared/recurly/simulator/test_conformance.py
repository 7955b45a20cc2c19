"""The simulated site against Recurly's OpenAPI file, by a tool that makes up requests and checks the answers.

Where the file is absent, test_contracts.py checks the same records against the contracts that were derived from it.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import orjson
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import CHECKS, load_all_checks
from schemathesis.generation import GenerationMode

from shared.recurly.simulator.api import Options
from shared.recurly.simulator.server import Simulator
from shared.recurly.simulator.table import wire
from shared.recurly.simulator.world import World
from shared.recurly.streams import LISTINGS, Listing

HEADERS = {"Accept": "application/vnd.recurly.v2021-02-25", "Authorization": "Basic c2ltdWxhdGVkOg=="}
EXAMPLES = 12

load_all_checks()
CHECKED = [
    CHECKS.get_one(name)
    for name in (
        "not_a_server_error",
        "status_code_conformance",
        "content_type_conformance",
        "response_schema_conformance",
    )
]


@pytest.fixture(scope="session")
def mended(openapi: dict[str, Any]) -> dict[str, Any]:
    """The file with its own slips put right.

    Patterns are written as /…/i, an enum of text holds a boolean, one list declares no answer for unexpected errors.
    """
    document = copy.deepcopy(openapi)

    def mend(node: Any) -> None:
        if isinstance(node, list):
            for inner in node:
                mend(inner)
        if isinstance(node, dict):
            pattern = node.get("pattern")
            if isinstance(pattern, str) and (found := re.fullmatch(r"/(.*)/(i?)", pattern)):
                node["pattern"] = found[1].replace("a-z", "a-zA-Z") if found[2] else found[1]
            if node.get("enum") == [True]:
                node["enum"] = ["true"]
            for inner in node.values():
                mend(inner)

    mend(document)
    error = {
        "description": "",
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
    }
    for listing in LISTINGS:
        document["paths"][listing.path]["get"]["responses"].setdefault("default", error)
    return document


@pytest.fixture(scope="module")
def schema(mended: dict[str, Any]) -> Any:
    return schemathesis.openapi.from_dict(mended)


@pytest.fixture(scope="module")
def plain() -> Iterator[Simulator]:
    """A site that leaves unset fields out, which is what the file describes."""
    with Simulator(World(seed=5, scale=0.05), Options(nulls=False)) as running:
        yield running


@pytest.mark.parametrize("listing", LISTINGS, ids=lambda listing: listing.stream)
@pytest.mark.parametrize("mode", GenerationMode)
def test_made_up_requests_are_answered_as_the_file_says(
    schema: Any, plain: Simulator, listing: Listing, mode: GenerationMode
) -> None:
    """Status, content type and schema of every answer, to valid and to wrong parameters."""
    accounts = plain.world.tables["accounts"].rows
    owners = [row.owner for row in plain.world.tables[listing.stream].rows.values()]
    owner = next(key for key in owners if key not in accounts or accounts[key].doc["deleted_at"] is None)
    keys = dict(zip(re.findall(r"\{(\w+)\}", listing.path), owner.split("/"), strict=False))
    operation = schema[listing.path]["GET"]

    @given(case=operation.as_strategy(generation_mode=mode, path_parameters=keys))
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def ask(case: Any) -> None:
        case.call_and_validate(base_url=plain.url, headers=HEADERS, checks=CHECKED)

    ask()


@pytest.mark.parametrize("listing", LISTINGS, ids=lambda listing: listing.stream)
def test_every_record_is_as_the_file_describes_it(
    mended: dict[str, Any], plain: Simulator, listing: Listing
) -> None:
    """All records, not only those that a made-up request happens to meet."""
    reference = {"$ref": f"#/components/schemas/{listing.schema}", "components": mended["components"]}
    validator = jsonschema_rs.Draft202012Validator(reference, validate_formats=True)
    rows = plain.world.tables[listing.stream].rows.values()
    records = [orjson.loads(wire(row.doc, nulls=False)) for row in rows]

    assert [] == [
        (e.message, str(e.instance_path)) for record in records for e in validator.iter_errors(record)
    ]
