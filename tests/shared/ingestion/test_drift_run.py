"""Drift in a run: what lands, what the commits and the report say of it, and what is put down for the authors."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest

from shared.common.errors import Misconfigured, Violation
from shared.common.formats import read_csv
from shared.contracts.contract import Contract
from shared.ingestion.evolution import evolved_contract
from tests.shared.ingestion.acme import SOURCE, Bench, orders

PAGES = 4
"""Of three records each."""


def rows(**changed: dict[str, Any]) -> list[dict[str, Any]]:
    """Twelve orders, some with other fields: `o3={...}` changes the one with id 3."""
    found = orders(3 * PAGES)
    for name, fields in changed.items():
        found[int(name[1:])].update(fields)
    return found


def source(mode: str = "", *, more: str = "") -> str:
    return SOURCE + (f"    contract_mode: {mode}\n" if mode else "") + more


def run(bench: Bench, text: str) -> Any:
    return bench.run(bench.source(text)).streams["orders"]


def test_a_new_field_lands_is_named_and_is_not_to_be_loaded(bench: Bench) -> None:
    """Nothing said: the contract is open."""
    bench.api.lists["/orders"] = rows(o3={"note": "x"})
    report = run(bench, source())
    (commit,) = bench.commits()

    assert "x" == bench.rows()[3]["note"]
    assert (("note",), {}, 0) == (commit.draft.undeclared, commit.draft.evolved, commit.draft.rejected)
    assert ["note"] == report.undeclared
    assert any("not loaded: note" in warning for warning in report.warnings)


def test_freeze_fails_the_run_and_keeps_the_pages_before(bench: Bench) -> None:
    bench.api.lists["/orders"] = rows(o7={"note": "x"})
    report = run(bench, source("freeze"))

    assert "failed" == report.status
    assert isinstance(report.error, Violation)
    assert "note" in report.error.message
    assert "orders" == report.error.where["stream"]
    assert [0, 1, 2, 3, 4, 5] == bench.ids()


def test_rows_and_values_that_are_discarded_are_counted_by_reason_and_kept(bench: Bench) -> None:
    bench.api.lists["/orders"] = rows(o3={"note": "x"}, o5={"total": "n/a"}, o6={"total": "n/a"})
    report = run(bench, source("{columns: discard_row, data_type: discard_value}"))
    (commit,) = bench.commits()
    draft = commit.draft
    (part,) = draft.rejected_parts
    kept = bench.lines(part)

    assert (11, 1, 2) == (draft.rows, draft.rejected, draft.trimmed)
    assert {"type /total": 2, "undeclared /note": 1} == draft.reasons == report.reasons
    assert [3, 5, 6] == sorted(line["record"]["id"] for line in kept)
    assert [("x", None), ("n/a", "value"), ("n/a", "value")] == [
        (line["record"].get("note", line["record"]["total"]), line.get("discarded")) for line in kept
    ]
    assert part.rows == draft.rejected + draft.trimmed
    assert "total" not in {row["id"]: row for row in bench.rows()}[5]
    assert (1, 2) == (report.rejected, report.trimmed)
    assert any("1 records rejected, 2 landed without some values" in warning for warning in report.warnings)


@pytest.mark.parametrize(("limit", "status"), [("20%", "done"), ("10%", "failed")])
def test_values_of_a_wrong_type_that_were_discarded_count_for_max_rejected(
    bench: Bench, limit: str, status: str
) -> None:
    bench.api.lists["/orders"] = rows(o5={"total": "n/a"}, o6={"total": "n/a"})
    report = run(bench, source("discard_value", more=f"    max_rejected: {limit}\n"))

    assert status == report.status
    if report.error is not None:
        assert "2 of 12 records break the contract (type /total (2))" in report.error.message


def test_fields_that_were_discarded_do_not_count_for_max_rejected(bench: Bench) -> None:
    """An open contract allows them: nothing that was promised is broken."""
    bench.api.lists["/orders"] = [{**row, "note": "x"} for row in rows()]
    report = run(bench, source("discard_value", more="    max_rejected: 0\n"))

    assert ("done", 12) == (report.status, report.trimmed)
    assert all("note" not in row for row in bench.rows())


def test_what_evolves_is_in_every_commit_from_then_on(bench: Bench) -> None:
    bench.api.lists["/orders"] = rows(o3={"note": 1}, o5={"total": "n/a"})
    first = run(bench, source("evolve"))
    bench.api.lists["/orders"] += [{"id": 90, "updated_at": "2024-03-10T20:00:00Z", "total": 1}]
    bench.clock.advance(86400)
    run(bench, source("evolve"))
    drafts = [commit.draft for commit in bench.commits()]

    assert {"note": ["integer"], "total": ["number", "string"]} == first.evolved
    assert [("integer",), ("integer",)] == [draft.evolved["note"] for draft in drafts]
    assert 0 == sum(draft.rejected + draft.trimmed for draft in drafts)
    assert 13 == len(bench.rows())


def test_the_contract_that_would_have_held_is_put_down_once(bench: Bench) -> None:
    bench.api.lists["/orders"] = rows(o3={"note": 1})
    first = run(bench, source("evolve"))
    bench.clock.advance(86400)
    second = run(bench, source("evolve"))
    keys = [info.key for info in bench.store.list("contracts/")]
    schema = json.loads(bench.store.get(keys[0]))["schema"]

    assert "acme.orders__evolved version 1" == first.contract_version
    assert ["contracts/acme/orders__evolved/1.json"] == keys
    assert {"type": ["integer", "null"]} == schema["properties"]["note"]
    assert second.contract_version in ("", first.contract_version)


def test_an_evolved_contract_takes_what_both_took() -> None:
    base = Contract.from_columns({"id": "integer", "total": "number", "due": "date"}, name="acme.orders")
    made = evolved_contract(
        base, {"total": ["number", "string"], "note": ["date"], "due": ["timestamp", "date"]}
    )

    assert "acme.orders__evolved" == made.name
    assert {"type": ["number", "string", "null"]} == made.schema["properties"]["total"]
    assert {"type": ["string", "null"], "format": "date"} == made.schema["properties"]["note"]
    assert {"type": ["string", "null"]} == made.schema["properties"]["due"]
    assert ["id"] == made.schema["required"]


def csv_rows(bench: Bench) -> list[list[dict[str, Any]]]:
    parts = [part for commit in bench.commits() for part in commit.draft.parts]
    return [list(read_csv(gzip.decompress(bench.store.get(part.key)))) for part in parts]


def test_a_csv_file_gets_room_for_what_has_no_column_when_it_comes(bench: Bench) -> None:
    """A new part, since a part has one header; nothing is lost."""
    bench.api.lists["/orders"] = rows(o3={"note": "x"})
    run(bench, source(more="    format: csv\n"))
    plain, wide = csv_rows(bench)

    assert {"id", "updated_at", "total"} == set(plain[0])
    assert (3, 9) == (len(plain), len(wide))
    assert ['{"note":"x"}'] == [row["_sluice_rest"] for row in wide if row["_sluice_rest"]]


def test_a_csv_file_that_evolves_has_a_column_for_the_new_field(bench: Bench) -> None:
    bench.api.lists["/orders"] = rows(o3={"note": "x"})
    run(bench, source("evolve", more="    format: csv\n"))
    (before, after) = csv_rows(bench)

    assert 3 == len(before)
    assert ["x"] == [row["note"] for row in after if row["note"]]


@pytest.mark.parametrize(
    ("mode", "says"),
    [
        ("evlove", 'did you mean "evolve"'),
        ("{columns: freeze, types: freeze}", "types"),
        ("{data_type: keep}", "data_type"),
    ],
)
def test_a_mode_that_there_is_not_is_told_with_its_line(bench: Bench, mode: str, says: str) -> None:

    with pytest.raises(Misconfigured, match=says):
        bench.source(source(mode))
