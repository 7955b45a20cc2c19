"""`sluice contract` and `sluice validate`, from the files of an author to the landing store of a run."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from shared.contracts.compatibility.verdict import Mode
from shared.ingestion.spec import Stream
from src.cli.app import sluice
from src.cli.contract import _MODES

Call = Callable[..., Result]
DATA = Path(__file__).parents[4] / "shared" / "data" / "records"
LEAST = {"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": False}
MORE = LEAST | {"properties": {"a": {"type": "string"}, "b": {"type": "integer"}}}


@pytest.fixture
def files(place: Path) -> Path:
    for name, schema in {"least.json": LEAST, "more.json": MORE}.items():
        (place / name).write_text(json.dumps(schema))
    return place


def columns(place: Path, text: str) -> None:
    """Change what the streams of src/shop/source.yml declare."""
    file = place / "src" / "shop" / "source.yml"
    before = file.read_text()
    start = before.index("  columns:")
    file.write_text(before[:start] + f"  {text}\n" + before[before.index("\n", start) + 1 :])


def test_check_says_what_breaks_and_ends_with_4(call: Call, files: Path) -> None:
    """The path and what to do, without a traceback."""
    done, fine = (
        call("contract", "check", "more.json", "least.json"),
        call("contract", "check", "least.json", "more.json"),
    )

    assert (4, 0) == (done.exit_code, fine.exit_code)
    assert "breaks  PROPERTY_REMOVED_FROM_CLOSED_CONTENT_MODEL  #/properties/b" in done.stdout
    assert "not compatible (BACKWARD)" in done.stdout
    assert "compatible (BACKWARD)" in fine.stdout


def test_check_answers_programs(call: Call, files: Path, last_line: Callable[[str], Any]) -> None:
    """One object: the verdict, and each difference with kind, path and verdict."""
    done = call("contract", "check", "more.json", "least.json", "--json")
    answer = last_line(done.stdout)

    assert 4 == done.exit_code
    assert 1 == len(done.stdout.splitlines())
    assert {"compatible", "differences"} == answer.keys()
    assert not answer["compatible"]
    assert ("PROPERTY_REMOVED_FROM_CLOSED_CONTENT_MODEL", "#/properties/b", False) == tuple(
        answer["differences"][0][key] for key in ("type", "path", "compatible")
    )


@pytest.mark.parametrize(
    ("mode", "code"), [("forward", 0), ("FULL", 4), ("NONE", 0), ("BACKWARD_TRANSITIVE", 4)]
)
def test_check_takes_all_modes(call: Call, files: Path, mode: str, code: int) -> None:
    """Also in small letters; several old versions are given in their order."""
    assert code == call("contract", "check", "more.json", "least.json", "--mode", mode).exit_code
    assert [mode.value for mode in Mode] == sorted(_MODES, key=[mode.value for mode in Mode].index)
    assert set(_MODES) == set(Stream.model_json_schema()["properties"]["compatibility"]["enum"])


def test_check_is_lenient_when_asked(call: Call, place: Path) -> None:
    """An optional property may then be added to an open model."""
    (place / "old.yml").write_text("type: object\n")
    (place / "new.yml").write_text("type: object\nproperties: {a: {type: string}}\n")
    arguments = ("contract", "check", "old.yml", "new.yml")

    assert (4, 0) == (call(*arguments).exit_code, call(*arguments, "--lenient").exit_code)


def test_check_takes_older_drafts(call: Call, place: Path) -> None:
    """Also without `$schema`, when lists of items tell it."""
    for name, items in {"old.json": [{"type": "string"}], "new.json": [{"type": "string"}, {}]}.items():
        (place / name).write_text(json.dumps({"type": "array", "items": items, "additionalItems": False}))
    done = call("contract", "check", "old.json", "new.json")

    assert 0 == done.exit_code, done.output
    assert "ITEM_ADDED_TO_CLOSED_CONTENT_MODEL  #/items/1" in done.stdout


def test_diff_shows_and_does_not_judge(call: Call, files: Path) -> None:
    """Exit code 0 whatever it shows; the shorthand is a schema, too."""
    (files / "columns.yml").write_text("columns: {a: string, b: {type: integer, nullable: true}}\n")
    done = call("contract", "diff", "columns.yml", "least.json")

    assert 0 == done.exit_code
    assert "REQUIRED_ATTRIBUTE_REMOVED  #/required/a" in done.stdout
    assert "no differences" in call("contract", "diff", "least.json", "least.json").stdout


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"type": "strng"}', "the schema is not valid"),
        ('{"$schema": "http://json-schema.org/draft-04/schema#"}', "unknown JSON Schema dialect"),
        ("[]", "a schema is an object"),
        ("{", "bad.json:1"),
        ('{"$ref": "#/$defs/none"}', "none"),
    ],
)
def test_what_is_no_schema_is_exit_code_2(call: Call, files: Path, text: str, says: str) -> None:
    """With the name of the file."""
    (files / "bad.json").write_text(text)
    done = call("contract", "check", "least.json", "bad.json")

    assert 2 == done.exit_code, done.output
    assert says in done.stderr
    assert "Traceback" not in done.output


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("none.json", "no file and no subject"),
        ("shop.ordrs", 'did you mean "orders"'),
        ("shop.orders@9", "known: none"),
        ("shop.orders@x", "no version"),
    ],
)
def test_an_unknown_name_is_exit_code_2(call: Call, place: Path, name: str, says: str) -> None:
    """And says what is known."""
    done = call("contract", "show", name)

    assert 2 == done.exit_code
    assert says in done.stderr


def test_a_contract_is_registered_once_and_checked_against_its_versions(call: Call, place: Path) -> None:
    """What an author does: register, change, register again; and what `make lint` says meanwhile."""
    assert "2 unregistered" in call("contract", "check-all").stdout
    first, again = call("contract", "register", "shop.orders"), call("contract", "register", "shop")
    columns(place, "columns: {id: string, name: {type: string, nullable: true}, updated_at: timestamp}")
    changed = call("contract", "check-all")
    second = call("contract", "register", "shop")

    assert "shop.orders: version 1" in first.stdout
    assert "shop.orders: version 1 already" in again.stdout
    assert 2 == changed.exit_code
    assert "sluice contract register shop.orders" in changed.stderr
    assert "shop.orders: version 2" in second.stdout
    assert (place / "src/shop/contracts/versions/orders/2.json").is_file()
    assert 0 == call("contract", "check-all").exit_code
    assert "TYPE_EXTENDED" not in call("contract", "diff", "shop.orders@2", "shop.orders").stdout
    assert 0 == call("contract", "check", "shop.orders@1", "shop.orders@2").exit_code


def test_an_unlawful_successor_is_refused_at_lint_and_by_register(
    call: Call, place: Path, last_line: Callable[[str], Any]
) -> None:
    """Exit code 4 with the difference and its path, and no new file; the mode is the stream's own."""
    call("contract", "register", "shop")
    columns(place, "columns: {id: integer, name: string, updated_at: timestamp}")
    lint, register = call("contract", "check-all", "--json"), call("contract", "register", "shop.orders")

    assert (4, 4) == (lint.exit_code, register.exit_code)
    for said in (lint.stderr, register.stderr):
        assert "may not follow version 1 (BACKWARD)" in said
        assert "TYPE_CHANGED #/properties/id" in said
    assert ["broken", "broken"] == [one["state"] for one in last_line(lint.stdout)["contracts"]]
    assert not (place / "src/shop/contracts/versions/orders/2.json").exists()

    columns(place, "columns: {id: integer, name: string, updated_at: timestamp}\n  compatibility: NONE")
    assert "shop.orders: version 2" in call("contract", "register", "shop.orders").stdout


def test_the_policy_is_the_streams_own(call: Call, place: Path) -> None:
    """`compatibility_policy: lenient` lets the columns of the (open) shorthand grow."""
    call("contract", "register", "shop")
    more = "columns: {id: string, name: string, updated_at: timestamp, extra: {type: string, nullable: true}}"
    columns(place, more)
    strict = call("contract", "check-all")
    columns(place, f"{more}\n  compatibility_policy: lenient")
    lenient = call("contract", "register", "shop")

    assert 4 == strict.exit_code
    assert "an optional property is no safe addition here" in strict.stderr
    assert 0 == lenient.exit_code, lenient.output


def test_a_version_that_was_edited_is_found_at_lint(call: Call, place: Path) -> None:
    """Whoever changes it by hand."""
    call("contract", "register", "shop.orders")
    file = place / "src/shop/contracts/versions/orders/1.json"
    file.write_text(file.read_text().replace('"string"', '"integer"', 1))
    done = call("contract", "check-all")

    assert 4 == done.exit_code
    assert "version 1 of shop.orders is not what was registered" in done.stderr
    assert str(file.relative_to(place)) in done.stderr


def test_versions_are_published_to_the_landing_store(
    call: Call, place: Path, last_line: Callable[[str], Any]
) -> None:
    """Under the numbers they have in git; an unregistered change is not published."""
    call("contract", "register", "shop.orders")
    columns(place, "columns: {id: string, name: {type: string, nullable: true}, updated_at: timestamp}")
    early = call("contract", "register", "--to", "landing", "shop.orders")
    call("contract", "register", "shop.orders")
    done = last_line(call("contract", "register", "--to", "landing", "shop.orders", "--json").stdout)
    again = last_line(call("contract", "register", "--to", "landing", "shop.orders", "--json").stdout)
    there = place / ".sluice/landing/contracts/shop/orders"

    assert 2 == early.exit_code
    assert [(2, True)] == [(one["version"], one["new"]) for one in done["registered"]]
    assert [(2, False)] == [(one["version"], one["new"]) for one in again["registered"]]
    assert ["1.json", "2.json"] == sorted(path.name for path in there.iterdir())
    assert [("shop.orders", 2, 2)] == [
        (one["subject"], one["versions"], one["current"])
        for one in last_line(call("contract", "list", "shop.orders", "--in", "landing", "--json").stdout)[
            "contracts"
        ]
    ]


def test_a_stream_that_is_not_in_git_is_registered_in_the_landing_store_alone(
    call: Call, place: Path
) -> None:
    """With the same rules."""
    first = call("contract", "register", "--to", "landing", "shop.orders")
    columns(place, "columns: {id: integer, name: string, updated_at: timestamp}")
    second = call("contract", "register", "--to", "landing", "shop.orders")

    assert (0, 4) == (first.exit_code, second.exit_code)


def test_list_and_show(call: Call, place: Path, last_line: Callable[[str], Any]) -> None:
    """What there is, and one of them."""
    call("contract", "register", "shop.orders")
    rows = call("contract", "list").stdout.splitlines()
    schema = last_line(call("contract", "show", "shop.orders@1", "--json").stdout)

    assert ["shop.orders", "1", "1", "BACKWARD"] == rows[2].split()
    assert ["shop.customers", "0", "-", "BACKWARD"] == rows[1].split()
    assert json.loads(call("contract", "show", "shop.orders").stdout) == schema
    assert ["id", "name", "updated_at"] == list(schema["properties"])


def test_a_contract_is_proposed_from_what_landed(
    call: Call, place: Path, last_line: Callable[[str], Any]
) -> None:
    """The same each time, and every landed record passes it."""
    call("run", "shop", "--no-load")
    done = call("contract", "infer", "shop.orders", "--json")
    again = call("contract", "infer", "shop.orders")
    proposal = last_line(done.stdout)
    (place / "proposal.json").write_text(again.stdout)
    part = next((place / ".sluice/landing/landing/shop/orders/data").rglob("*.jsonl.gz"))

    assert 120 == proposal["rows"]
    assert {"type": "string", "format": "date-time"} == proposal["schema"]["properties"]["updated_at"]
    assert ["id", "name", "updated_at"] == proposal["schema"]["required"]
    assert proposal["schema"] == json.loads(again.stdout)
    assert "120 of 120 lines are valid" in call("validate", "proposal.json", str(part)).stdout


def test_a_proposal_is_written_once(call: Call, place: Path) -> None:
    """Beside the source; an author's file is never overwritten."""
    call("run", "shop", "--no-load", "--streams", "orders")
    done, again = (
        call("contract", "infer", "shop.orders", "--write"),
        call("contract", "infer", "shop.orders", "--write"),
    )

    assert (0, 2) == (done.exit_code, again.exit_code)
    assert (place / "src/shop/contracts/orders.json").is_file()
    assert "contract: contracts/orders.json" in done.stderr

    file = place / "src/shop/source.yml"
    file.write_text(
        file.read_text().replace(
            "path: /orders,", "path: /orders, columns: null, contract: contracts/orders.json,"
        )
    )
    wired = call("contract", "register", "shop.orders")

    assert "shop.orders: version 1" in wired.stdout, wired.output
    assert "is there already" in again.stderr
    assert "nothing has landed" in call("contract", "infer", "shop.customers").stderr
    assert 2 == call("contract", "infer", "shop.none").exit_code


def test_of_masked_fields_a_proposal_says_nothing(call: Call, place: Path) -> None:
    """They landed as something else."""
    columns(place, "columns: {id: string, name: string, updated_at: timestamp}\n  mask: {name: drop}")
    call("run", "shop", "--no-load", "--streams", "orders")
    schema = json.loads(call("contract", "infer", "shop.orders", "--limit", "5").stdout)

    assert {} == schema["properties"]["name"]
    assert "name" not in schema["required"]


@pytest.mark.skipif(not DATA.is_dir(), reason="the shared records are not there")
@pytest.mark.parametrize("how", ["file", "gzip", "stdin", "gzip on stdin"])
def test_each_faulty_line_of_the_shared_records_is_named(
    place: Path, last_line: Callable[[str], Any], how: str, tmp_path: Path
) -> None:
    """Wrong type, not JSON, missing fields, formats, not an object; 1 and 2 are valid."""
    body = (DATA / "events.jsonl").read_bytes()
    zipped = gzip.compress(body)
    (tmp_path / "events.gz").write_bytes(zipped)
    name = {"file": str(DATA / "events.jsonl"), "gzip": "events.gz"}.get(how, "-")
    given = {"stdin": body, "gzip on stdin": zipped}.get(how)
    arguments = ["validate", str(DATA / "event.schema.json"), name, "--json"]
    done = CliRunner().invoke(sluice, arguments, input=given, prog_name="sluice")
    answer = last_line(done.stdout)

    assert 4 == done.exit_code, done.output
    assert (7, 5, False) == (answer["lines"], answer["invalid"], answer["valid"])
    assert [3, 4, 5, 6, 7] == sorted({fault["line"] for fault in answer["faults"]})
    assert {"/event_time", "/data", "/data/user_email", "/processing_date"} == {
        fault["pointer"] for fault in answer["faults"] if fault["line"] == 6
    }


def test_lines_are_held_to_strict_json(call: Call, files: Path, last_line: Callable[[str], Any]) -> None:
    """NaN, doubled keys and broken text are faults; blank lines and a byte order mark are none."""
    lines = [
        b'\xef\xbb\xbf{"a": "x"}',
        b"",
        b"  \r",
        b'{"a": NaN}',
        b'{"a": "x", "a": "y"}',
        b'{"a": "\xff"}',
        b'{"a": "z"}',
    ]
    (files / "rows.jsonl").write_bytes(b"\n".join(lines))
    answer = last_line(call("validate", "least.json", "rows.jsonl", "--json").stdout)

    assert (5, 3) == (answer["lines"], answer["invalid"])
    assert [(4, "json"), (5, "duplicate"), (6, "json")] == [
        (f["line"], f["keyword"]) for f in answer["faults"]
    ]


def test_a_file_without_faults_is_exit_code_0(call: Call, files: Path) -> None:
    """Against a contract of a source as well."""
    (files / "rows.jsonl").write_text('{"id": "1", "name": "n", "updated_at": "2024-03-01T10:00:00Z"}\n')
    done = call("validate", "shop.orders", "rows.jsonl")

    assert 0 == done.exit_code, done.output
    assert "1 of 1 lines are valid" in done.stdout


def test_a_file_that_cannot_be_read_is_exit_code_2(call: Call, files: Path) -> None:
    """Not there, or cut off in the middle of its gzip."""
    (files / "cut.gz").write_bytes(gzip.compress(b'{"a": "x"}\n' * 1000)[:40])

    for name in ("none.jsonl", "cut.gz"):
        done = call("validate", "least.json", name)
        assert 2 == done.exit_code, done.output
        assert name in done.stderr


def test_a_contract_that_evolved_is_listed_and_shown(
    call: Call, place: Path, last_line: Callable[[str], Any]
) -> None:
    """It lies in the landing zone alone, as does that of a file."""
    file = place / "src/shop/source.yml"
    file.write_text(file.read_text().replace("  customers: {", "  customers: {contract_mode: evolve, "))
    columns(place, "columns: {id: string, updated_at: timestamp}")
    assert 0 == call("run", "shop").exit_code
    (place / "f.jsonl").write_text('{"id": 1, "b": 2}\n')
    (place / "f.yml").write_text("columns: {id: integer, b: integer}\n")
    assert 0 == call("ingest-file", "f.jsonl", "--schema", "f.yml", "--table", "t").exit_code

    every = call("contract", "list", "--in", "landing", "--json")
    one = call("contract", "list", "shop.customers__evolved", "--in", "landing")
    shown = call("contract", "show", "shop.customers__evolved")
    numbered = call("contract", "show", "shop.customers__evolved@1")
    of_file = call("contract", "show", "files.t", "--json")
    unknown = call("contract", "show", "shop.customers__evolvd")

    listed = {row["subject"]: row["versions"] for row in last_line(every.stdout)["contracts"]}
    assert {"shop.customers__evolved": 1, "files.t": 1}.items() <= listed.items()
    assert "shop.customers__evolved" in one.stdout
    assert "customers " not in one.stdout
    assert (0, 0) == (shown.exit_code, numbered.exit_code)
    assert "name" in json.loads(shown.stdout)["properties"]
    assert json.loads(shown.stdout) == json.loads(numbered.stdout)
    assert ["b", "id"] == sorted(last_line(of_file.stdout)["properties"])
    assert 2 == unknown.exit_code
    assert 2 == call("contract", "list", "nope", "--in", "landing").exit_code


def test_a_contract_that_is_no_schema_is_told_with_its_line_at_lint(call: Call, place: Path) -> None:
    columns(place, "contract: orders.json")
    (place / "src/shop/orders.json").write_text(
        '{\n "properties": {\n  "id": {"type": "strin"}, "updated_at": {}}}'
    )
    done = call("contract", "check-all")

    assert 0 != done.exit_code
    assert "src/shop/orders.json:3:18 the schema is not valid: /properties/id/type" in done.output
