"""Records that leave their contract: each mode for fields and for types, and nothing that nobody is told of."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.common.errors import Violation
from shared.contracts.contract import Contract
from shared.ingestion.drift import MOST_FIELDS, Drift, Treated
from shared.ingestion.drift_mode import ContractMode, Mode

CONTRACT = Contract.from_schema(
    {
        "type": "object",
        "properties": {
            "id": {"type": "integer"},
            "at": {"type": "string", "format": "date-time"},
            "total": {"type": "number"},
            "due": {"type": ["string", "null"], "format": "date"},
            "state": {"type": "string", "enum": ["open", "paid"]},
            "address": {
                "type": "object",
                "properties": {"zip": {"type": "string"}, "city": {"type": "string"}},
                "required": ["zip"],
            },
        },
        "required": ["id", "total"],
    },
    name="acme.orders",
)
CLOSED = Contract.from_schema({**CONTRACT.schema, "additionalProperties": False}, name="acme.orders")
GOOD: dict[str, Any] = {"id": 1, "at": "2024-03-01T10:00:00Z", "total": 1.5}


def drift(mode: str | dict[str, str] | None = None, *, contract: Contract = CONTRACT, **more: Any) -> Drift:
    how = ContractMode() if mode is None else ContractMode.model_validate(mode)
    return Drift(contract, how, key_fields=("id",), cursor_field="at", **more)


def check(one: Drift, *records: Mapping[str, Any]) -> Treated:
    return one.check([orjson.dumps({**GOOD, **record}) for record in records])


def landed(treated: Treated) -> list[dict[str, Any]]:
    """The records that land, without what all of them have."""
    rows = [orjson.loads(bytes(record)) for record in treated.verdict.accepted]
    return [
        {name: value for name, value in row.items() if name not in GOOD or GOOD[name] != value}
        for row in rows
    ]


def out(treated: Treated) -> dict[int, list[str]]:
    return {
        index: [f"{fault.keyword} {fault.pointer}".strip() for fault in faults]
        for index, faults in treated.verdict.rejected
    }


def reasons(treated: Treated) -> dict[str, int]:
    return dict(treated.found.reasons) if treated.found else {}


def evolved(treated: Treated) -> dict[str, Collection[str]]:
    return dict(treated.found.evolved) if treated.found else {}


@pytest.mark.parametrize("mode", [None, *(mode.value for mode in Mode)])
def test_a_page_without_drift_is_left_alone_in_every_mode(mode: str | None) -> None:
    """And the very sequence that came is what lands: nothing was copied."""
    records = [orjson.dumps({**GOOD, "id": n}) for n in range(3)]
    treated = drift(mode).check(records)

    assert records is treated.verdict.accepted
    assert [0, 1, 2] == treated.verdict.keys
    assert (None, ()) == (treated.found, treated.trimmed)


def test_by_default_an_open_contract_keeps_a_new_field_and_says_so() -> None:
    treated = check(drift(), {}, {"note": "x"})

    assert [{}, {"note": "x"}] == landed(treated)
    assert {"note"} == treated.found.undeclared  # type: ignore[union-attr]
    assert {} == evolved(treated)


def test_by_default_a_closed_contract_refuses_the_record() -> None:
    treated = check(drift(contract=CLOSED), {}, {"note": "x"})

    assert {1: ["additionalProperties"]} == out(treated)
    assert {"additionalProperties": 1} == reasons(treated)


@pytest.mark.parametrize("contract", [CONTRACT, CLOSED])
def test_freeze_fails_and_names_the_fields(contract: Contract) -> None:
    with pytest.raises(
        Violation, match=r"2 records have fields .* declare: note, tag; contract_mode is freeze"
    ):
        check(drift("freeze", contract=contract), {"note": "x"}, {}, {"tag": 1, "note": 2})


@pytest.mark.parametrize("contract", [CONTRACT, CLOSED])
def test_discard_row_refuses_the_record_with_the_name_of_the_field(contract: Contract) -> None:
    treated = check(drift({"columns": "discard_row"}, contract=contract), {"note": "x"}, {})

    assert [{}] == landed(treated)
    assert [0] == list(out(treated))
    assert 1 == len(out(treated)[0])


@pytest.mark.parametrize("contract", [CONTRACT, CLOSED])
def test_discard_value_lands_the_record_without_the_field_and_keeps_it_as_it_came(contract: Contract) -> None:
    treated = check(
        drift({"columns": "discard_value"}, contract=contract), {"note": "x", "due": "2024-01-01"}, {}
    )

    assert [{"due": "2024-01-01"}, {}] == landed(treated)
    ((record, (fault,)),) = treated.trimmed
    assert ("x", "/note", "undeclared") == (orjson.loads(record)["note"], fault.pointer, fault.keyword)
    assert {"undeclared /note": 1} == reasons(treated)
    assert (1, 0) == (treated.found.trimmed, treated.found.broken)  # type: ignore[union-attr]


@pytest.mark.parametrize("contract", [CONTRACT, CLOSED])
def test_evolve_lands_new_fields_and_says_what_kinds_they_have(contract: Contract) -> None:
    one = drift("evolve", contract=contract)
    first = check(one, {"note": 1}, {}, {"note": 1.5, "tag": None})
    second = check(one, {"note": "x", "tag": "2024-01-01"}, {})

    assert [{"note": 1}, {}, {"note": 1.5, "tag": None}] == landed(first)
    assert {"note": {"integer", "number"}, "tag": set()} == evolved(first)
    assert {"note": {"string"}, "tag": {"date"}} == evolved(second)
    assert second.verdict.closed  # what is known by now costs no second look
    assert ["note", "tag"] == list(one.added)


def test_what_earlier_runs_found_is_known_from_the_start() -> None:
    """Also what they found of a declared field; but not what the contract says by now."""
    one = drift("evolve", known={"note": ["integer"], "total": ["string"], "due": ["date"]})
    treated = check(one, {"note": 1, "total": "n/a"}, {"total": 3})

    assert treated.verdict.closed
    assert {"note": {"integer"}, "total": {"string", "integer"}} == evolved(treated)
    assert ["note"] == list(one.added)
    assert [] == list(drift("discard_row", known={"note": ["integer"]}).added)


def test_values_in_the_place_of_names_do_not_become_columns() -> None:
    with pytest.raises(Violation, match=f"more than {MOST_FIELDS} fields are new"):
        check(drift("evolve"), *({f"customer-{n}": 1} for n in range(MOST_FIELDS + 1)))


WRONG: dict[str, tuple[dict[str, Any], str, str, set[str]]] = {
    "number": ({"total": "1,50"}, "/total", "total", {"string"}),
    "format": ({"due": "soon"}, "/due", "due", {"string"}),
    "timestamp in a date": ({"due": "2024-01-01T00:00:00Z"}, "/due", "due", {"timestamp"}),
    "object": ({"total": {"net": 1}}, "/total", "total", {"json"}),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_value_of_another_type_keeps_the_record_out_by_default(case: str) -> None:
    record, pointer, _, _ = WRONG[case]
    treated = check(drift(), record, {})

    assert [pointer] == [reason.partition(" ")[2] for reason in out(treated)[0]]
    assert [{}] == landed(treated)


@pytest.mark.parametrize("case", WRONG)
def test_evolve_takes_values_of_another_type_and_widens_by_their_kind(case: str) -> None:
    record, _, name, kinds = WRONG[case]
    treated = check(drift({"data_type": "evolve"}), record)

    assert [record] == landed(treated)
    assert {name: kinds} == evolved(treated)


@pytest.mark.parametrize("case", WRONG)
def test_discard_value_drops_just_that_value_also_one_that_is_required(case: str) -> None:
    record, pointer, name, _ = WRONG[case]
    treated = check(drift({"data_type": "discard_value"}), record, {})

    assert [{}, {}] == landed(treated)
    assert name not in orjson.loads(bytes(treated.verdict.accepted[0]))
    assert [[pointer]] == [[fault.pointer for fault in faults] for _, faults in treated.trimmed]
    assert 1 == treated.found.broken  # type: ignore[union-attr]


def test_freeze_of_types_names_the_place() -> None:
    with pytest.raises(
        Violation, match="values of another type than the contract says: /address/zip, /total"
    ):
        check(drift({"data_type": "freeze"}), {"total": "x"}, {"address": {"zip": 1}})


@pytest.mark.parametrize("mode", ["evolve", "discard_value", "freeze", "discard_row"])
@pytest.mark.parametrize(
    "record",
    [
        {"total": None},
        {"id": None},
        {"state": "lost"},
        {"at": "yesterday"},
        {"address": {"city": "Bonn"}},
        {"total": "x", "state": "lost"},
    ],
)
def test_what_is_no_drift_keeps_the_record_out_in_every_mode(mode: str, record: dict[str, Any]) -> None:
    """A promise about a value or its presence is broken; so is the cursor that places a record in time."""
    if mode == "freeze" and record.get("total") == "x":
        return
    treated = check(drift({"data_type": mode}), record, {})

    assert [0] == list(out(treated))
    assert [{}] == landed(treated)


def test_a_record_that_is_missing_what_another_one_was_trimmed_of_is_refused() -> None:
    treated = check(drift({"data_type": "discard_value"}), {"total": "x"})
    without = orjson.dumps({"id": 2, "at": GOOD["at"]})

    one = drift({"data_type": "discard_value"})
    assert [{}] == landed(check(one, {"total": "x"}))
    assert {0: ["required"]} == out(one.check([without]))
    assert 1 == len(treated.trimmed)


def test_nested_values_evolve_and_are_dropped_where_they_are() -> None:
    record = {"address": {"zip": 53113, "city": "Bonn"}}
    evolving = check(drift("evolve"), record)

    assert [record] == landed(evolving)
    assert {} == evolved(evolving)  # its column is JSON, which holds it already
    assert [{"address": {"city": "Bonn"}}] == landed(check(drift({"data_type": "discard_value"}), record))
    flat = check(drift("evolve", flat=True), record)
    assert {"address.zip": {"integer"}} == evolved(flat)


def test_a_key_of_another_type_evolves_and_is_never_dropped() -> None:
    assert [{"id": "a1"}] == landed(check(drift("evolve"), {"id": "a1"}))
    assert {0: ["type /id"]} == out(check(drift("discard_value"), {"id": "a1"}))


def test_masked_fields_do_not_widen_columns() -> None:
    """What lands of them is text in any case."""
    treated = check(drift("evolve", hidden=["total"]), {"total": "x"})

    assert [{"total": "x"}] == landed(treated)
    assert {} == evolved(treated)


RECORDS = st.fixed_dictionaries(
    {"id": st.integers(1, 9) | st.none() | st.text(max_size=2)},
    optional={
        "at": st.just("2024-03-01T10:00:00Z") | st.text(max_size=3),
        "total": st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(max_size=2)
        | st.none(),
        "due": st.just("2024-01-01") | st.text(max_size=3),
        "address": st.dictionaries(st.sampled_from(["zip", "city"]), st.text(max_size=2) | st.integers()),
        "note": st.none() | st.integers() | st.text(max_size=2),
        "a/b~c.d": st.booleans(),
    },
)


@given(
    st.sampled_from([mode.value for mode in Mode if mode is not Mode.FREEZE]),
    st.sampled_from(["evolve", "discard_row", "discard_value"]),
    st.booleans(),
    st.lists(st.lists(RECORDS, min_size=1, max_size=4), max_size=3),
)
def test_every_record_lands_or_is_told_of(
    columns: str, types: str, closed: bool, pages: list[list[dict[str, Any]]]
) -> None:
    """In whatever mode: landed whole, or landed and kept as it came, or refused with its reasons; in order."""
    one = drift({"columns": columns, "data_type": types}, contract=CLOSED if closed else CONTRACT)
    for page in pages:
        records = [json.dumps(record).encode() for record in page]
        treated = one.check(records)
        refused = {index for index, _ in treated.verdict.rejected}
        trimmed = [bytes(record) for record, _ in treated.trimmed]
        stays = [record for index, record in enumerate(records) if index not in refused]

        assert len(stays) == len(treated.verdict.accepted) == len(treated.verdict.keys)
        for before, after in zip(stays, treated.verdict.accepted, strict=True):
            whole, kept = json.loads(before), json.loads(bytes(after))
            assert kept == whole or before in trimmed
            assert kept.items() <= whole.items() or kept.get("address") != whole.get("address")
        if refused or trimmed:
            assert treated.found is not None
            assert treated.found.reasons


@pytest.mark.parametrize("mode", [None, *(mode.value for mode in Mode)])
@pytest.mark.parametrize("name", ['a"b', "a\\b", "a\x01b", "a\nb"])
def test_names_that_a_decoder_cannot_be_told(name: str, mode: str | None) -> None:
    new = drift(mode)
    if mode == "freeze":
        with pytest.raises(Violation, match="does not declare"):
            check(new, {name: 1})
        return
    treated = check(new, {name: 1}, {})
    again = check(new, {name: 1.5})

    assert (mode == "discard_row") == bool(treated.verdict.rejected)
    if mode == "evolve":
        assert [{name: {"integer"}}, {name: {"number"}}] == [evolved(treated), evolved(again)]


@pytest.mark.parametrize("name", ['a"b', "a\\b", "a\x01b"])
def test_a_declared_name_that_a_decoder_cannot_be_told(name: str) -> None:
    contract = Contract.from_schema({"type": "object", "properties": {name: {"type": "integer"}}})
    records = [orjson.dumps(record) for record in ({name: 1}, {name: "x"}, {name: 2, "new": 3})]
    for how in (
        ContractMode(),
        ContractMode.model_validate("evolve"),
        ContractMode.model_validate("discard_value"),
    ):
        treated = Drift(contract, how, key_fields=(name,)).check(records)

        assert orjson.dumps({name: 1}) in [bytes(record) for record in treated.verdict.accepted]
