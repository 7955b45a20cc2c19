"""A source file is read with all its faults at once, each with its place."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from shared.common.errors import Misconfigured
from shared.ingestion.reading import load_source
from shared.ingestion.source import Source
from tests.shared.ingestion.acme import SOURCE


def load(folder: Path, text: str, **how: dict[str, str]) -> Source:
    file = folder / "source.yml"
    file.write_text(text)
    return load_source(file, **how)


def refusal(folder: Path, text: str) -> str:
    with pytest.raises(Misconfigured) as caught:
        load(folder, text)
    return str(caught.value)


def test_an_unknown_key_is_refused_with_its_line_and_the_known_ones(tmp_path: Path) -> None:
    said = refusal(tmp_path, SOURCE.replace("    primary_key: id", "    primary_kee: id"))

    assert "source.yml:12:5" in said
    assert 'did you mean "primary_key"?' in said


def test_all_faults_of_a_file_are_said_at_once(tmp_path: Path) -> None:
    said = refusal(
        tmp_path, SOURCE.replace("type: bearer", "type: bear").replace("limit: 3}", "limit: 3}\n    x: 1")
    )

    assert "bearer" in said
    assert 'unknown key "x"' in said


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("    cursor_field: updated_at\n", "", "`incremental` needs `cursor_field`"),
        ("    primary_key: id\n", "    write_disposition: merge\n", "needs a `primary_key`"),
        ("    path: /orders\n", "    path: '/orders/{id}'\n", "no `parent`"),
        (
            "    path: /orders\n",
            "    path: /orders\n    parent: {stream: orderz}\n",
            'did you mean "orders"?',
        ),
        ("until: to, ", "window: 1d, ", "needs both `since` and `until`"),
        ("    path: /orders\n", "    path: /orders\n    nested: flatten\n", "is for `format: csv`"),
        ('start: "2024-03-01"', "start: soon", '"soon" is not a time'),
        ("base: 0.01", "base: quickly", "retry.base"),
    ],
)
def test_what_does_not_fit_together_is_refused(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in SOURCE
    assert said in refusal(tmp_path, SOURCE.replace(old, new))


@pytest.mark.parametrize("name", ["information_schema", "pg_catalog", "pg_mine", "main", "temp", "mysql"])
def test_a_name_that_a_warehouse_keeps_for_itself_is_refused(tmp_path: Path, name: str) -> None:
    said = refusal(tmp_path, SOURCE.replace("source: acme", f"source: {name}"))

    assert "source.yml:2:9" in said
    assert f'"{name}" cannot be the name of a source: it becomes a schema of the warehouse' in said


def test_defaults_are_put_under_every_stream_and_params_are_joined(tmp_path: Path) -> None:
    text = """
source: acme
base_url: https://api.acme.test
defaults: {primary_key: id, params: {limit: 200, order: asc}, records: items}
streams:
  a: {path: /a}
  b: {path: /b, records: data, params: {limit: 5, order: null}}
"""
    streams = load(tmp_path, text).spec.streams

    assert (streams["a"].records, streams["a"].params) == ("items", {"limit": "200", "order": "asc"})
    assert (streams["b"].records, streams["b"].params) == ("data", {"limit": "5"})
    assert streams["b"].primary_key == ("id",)


def test_settings_are_put_in_and_have_defaults(tmp_path: Path) -> None:
    text = SOURCE.replace("https://api.acme.test/v1", "${ACME_URL:-https://api.acme.test}")

    assert load(tmp_path, text).spec.base_url == "https://api.acme.test"
    assert (
        load(tmp_path, text, settings={"ACME_URL": "https://eu.acme.test"}).spec.base_url
        == "https://eu.acme.test"
    )


def test_a_setting_that_is_not_set_is_named_with_its_place(tmp_path: Path) -> None:
    assert "the setting ACME_URL is not set" in refusal(
        tmp_path, SOURCE.replace("https://api.acme.test/v1", "${ACME_URL}")
    )


def test_values_can_be_replaced_by_dotted_path(tmp_path: Path) -> None:
    changes = {"streams.orders.params.limit": "50", "parallel_streams": "1"}
    spec = load(tmp_path, SOURCE, changes=changes).spec

    assert (spec.streams["orders"].params["limit"], spec.parallel_streams) == ("50", 1)


def test_a_change_inside_an_inherited_value_keeps_the_rest_of_it(tmp_path: Path) -> None:
    text = """
source: acme
base_url: https://x.test
defaults: {cursor_field: at, incremental: {since: from, until: to, lag: 1m}}
streams: {a: {path: /a}}
"""
    changed = load(tmp_path, text, changes={"streams.a.incremental.lag": "1s"}).spec.streams["a"].incremental

    assert changed is not None
    assert (changed.since, changed.lag.total_seconds()) == ("from", 1.0)


def test_a_contract_is_found_by_the_streams_name(tmp_path: Path) -> None:
    (tmp_path / "contracts").mkdir()
    (tmp_path / "contracts" / "a.json").write_text(
        '{"type": "object", "properties": {"id": {"type": "string"}}}'
    )
    text = "source: acme\nbase_url: https://x.test\ncontracts: contracts\nstreams: {a: {path: /a}, b: {path: /b}}\n"
    source = load(tmp_path, text)

    assert [column.name for column in source.contracts["a"].columns()] == ["id"]
    assert "b" not in source.contracts


def test_a_contract_file_that_is_missing_is_named_with_the_line(tmp_path: Path) -> None:
    said = refusal(
        tmp_path, "source: acme\nbase_url: https://x.test\nstreams:\n  a: {path: /a, contract: a.json}\n"
    )

    assert "source.yml:4" in said
    assert "there is no file a.json" in said


def test_wrong_columns_are_named_with_their_lines(tmp_path: Path) -> None:
    """All of them, also those of the defaults."""
    said = refusal(
        tmp_path, SOURCE.replace("      id: integer", "      id: int").replace("type: number", "type: numbr")
    )

    assert 'source.yml:16:11 streams.orders.columns.id.type: unknown value "int"' in said
    assert 'source.yml:18:14 streams.orders.columns.total.type: unknown value "numbr"' in said
    inherited = "defaults: {columns: {id: strng}}\nstreams: {a: {path: /a}}\n"
    assert "source.yml:3:26" in refusal(tmp_path, f"source: acme\nbase_url: https://x.test\n{inherited}")


@pytest.mark.parametrize("text", ["- source: acme\n", "acme\n"])
def test_a_file_that_is_no_mapping_is_told_as_that(tmp_path: Path, text: str) -> None:
    """Also where values are changed from outside: who reads it has set nothing."""
    (tmp_path / "source.yml").write_text(text)
    with pytest.raises(Misconfigured, match=r"source.yml:1:1 expected a mapping"):
        load_source(tmp_path / "source.yml", changes={"retry.attempts": "1"})


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1"])
def test_a_file_that_is_not_utf8_is_refused_with_the_place(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "source.yml").write_bytes(f"# caf\u00e9\n{SOURCE}".encode(encoding))
    with pytest.raises(Misconfigured, match=r"source.yml:1:\d+ is not UTF-8 text; save the file as UTF-8"):
        load_source(tmp_path / "source.yml")


def test_a_hook_that_is_missing_is_refused_with_the_ones_that_are_there(tmp_path: Path) -> None:
    (tmp_path / "hooks.py").write_text("def tidy(record):\n    return record\n")

    assert 'did you mean "tidy"?' in refusal(tmp_path, SOURCE + "    map: tidi\n")


def test_a_mask_that_names_no_field_is_refused_because_it_would_let_values_through(tmp_path: Path) -> None:
    assert 'did you mean "total"?' in refusal(tmp_path, SOURCE + "    mask: {totl: drop}\n")


def test_a_stream_that_is_not_there_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="known: orders"):
        load(tmp_path, SOURCE).stream("plans")


CHECKED = """
source: acme
base_url: https://x.test
streams:
  a:
    path: /a
    columns: {id: string, total: number}
    checks:
      - expect_column_values_to_not_be_null: {column: id}
  b: {path: /b}
"""


def test_checks_come_from_the_stream_and_from_a_file_beside_it(tmp_path: Path) -> None:
    (tmp_path / "checks").mkdir()
    file = tmp_path / "checks" / "a.yml"
    file.write_text("checks: [expect_table_row_count_to_equal_commit]\n")
    source = load(tmp_path, CHECKED)

    assert ["a"] == list(source.checks)
    assert ["expect_column_values_to_not_be_null", "expect_table_row_count_to_equal_commit"] == [
        check.name() for check in source.checks["a"]
    ]


def test_a_check_of_a_column_that_the_contract_does_not_have_is_refused_with_its_line(tmp_path: Path) -> None:
    said = refusal(tmp_path, CHECKED.replace("column: id", "column: idd"))

    assert "source.yml:9" in said
    assert 'did you mean "id"?' in said


def test_a_file_of_checks_for_no_stream_is_refused(tmp_path: Path) -> None:
    (tmp_path / "checks").mkdir()
    (tmp_path / "checks" / "c.yml").write_text("checks: []\n")

    assert 'unknown stream "c"' in refusal(tmp_path, CHECKED)


def test_reading_a_source_without_checks_does_not_import_what_reads_them(tmp_path: Path) -> None:
    """A Lambda that has none pays nothing."""
    (tmp_path / "source.yml").write_text(CHECKED.partition("    checks:")[0])
    script = (
        "import sys\nfrom pathlib import Path\nfrom shared.ingestion.reading import load_source\n"
        "load_source(Path(sys.argv[1]))\nassert 'shared.contracts.expectations' not in sys.modules\n"
    )
    subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "source.yml")],
        cwd=Path(__file__).parents[3],
        check=True,
    )


def test_a_secret_in_a_text_is_refused_because_texts_are_written_into_commits(tmp_path: Path) -> None:
    text = SOURCE.replace("params: {limit: 3}", "params: {limit: 3, token: '${ACME_TOKEN}'}")

    assert "ACME_TOKEN looks like a secret" in refusal(tmp_path, text)
