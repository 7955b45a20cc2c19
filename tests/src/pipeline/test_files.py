"""Files as inputs and outputs of steps, in a folder and in S3 (moto): what lands, once, with which types; what is refused."""

# ruff: noqa: E501 - a step of a definition is one line

from __future__ import annotations

import gzip
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from click.testing import CliRunner, Result
from moto import mock_aws

from src.cli.app import sluice
from tests.shared.aws.servers import CREDENTIALS

CSV = 'id,zip,price,day,at,ok,note\n1,007,1.5,2026-01-02,2026-01-02T03:04:05Z,true,"a, b"\n2,123,2,2026-01-03,2026-01-03T00:00:00Z,FALSE,\n'


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Runs a pipeline of these steps in a folder of its own."""
    for name in ("ENVIRONMENT", "LANDING_URL", "WAREHOUSE_URL", "BUCKET_NAME", "SECRET_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)

    def runs(*steps: str) -> Result:
        Path("p.yaml").write_text(
            "pipeline:\n  name: p\n  steps:\n" + "".join(f"    - {step}\n" for step in steps)
        )
        return CliRunner().invoke(sluice, ["pipeline", "run", "p.yaml", "--json"])

    return runs


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A bucket `lake`."""
    import boto3

    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    with mock_aws():
        made = boto3.resource("s3").create_bucket(Bucket="lake")
        yield made


def write(name: str, text: str | bytes) -> None:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())


def parquet(sql: str) -> bytes:
    with duckdb.connect() as connection:
        connection.execute(f"COPY ({sql}) TO 'made.parquet' (FORMAT parquet)")
    data = Path("made.parquet").read_bytes()
    Path("made.parquet").unlink()
    return data


def rows(sql: str) -> list[Any]:
    with duckdb.connect(".sluice/warehouse.duckdb", read_only=True) as connection:
        return connection.execute(sql).fetchall()


def output(done: Result, step: str) -> dict[str, Any]:
    assert 0 == done.exit_code, done.output
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])["steps"][step]["output"]
    return found


def land(path: str, *, kind: str = "file", more: str = "") -> str:
    return f"{{name: a, type: ingestion, inputs: [{{name: in, type: {kind}, path: '{path}'{more}}}], outputs: [{{name: o, type: duckdb, table: raw.orders}}]}}"


def test_files_of_a_folder_land_once_and_with_the_types_of_all_their_lines(
    run: Callable[..., Result],
) -> None:
    write("in/1.csv", CSV)
    first = output(run(land("in/")), "a")
    write("in/2.csv", "id,price,more\n3,n/a,x\n")
    second = output(run(land("in/")), "a")
    write("in/deep/3.jsonl", '{"id": 4, "price": "5", "more": "y", "nested": {"a": [1]}}\n')
    third = output(run(land("in/")), "a")

    assert [(2, 2), (1, 1), (1, 1)] == [(one["rows"], one["loaded"]) for one in (first, second, third)]
    assert [
        (1, "007", "a, b", None),
        (2, "123", None, None),
        (3, None, None, "x"),
        (4, None, None, "y"),
    ] == rows("select id, zip, note, more from raw.orders order by id")
    types = dict(
        rows("select column_name, data_type from information_schema.columns where table_name = 'orders'")
    )
    assert ["BIGINT", "VARCHAR", "DATE", "BOOLEAN"] == [types[name] for name in ("id", "zip", "day", "ok")]


def test_objects_of_s3_come_into_a_table_whatever_their_format(
    run: Callable[..., Result], bucket: Any
) -> None:
    bucket.put_object(Key="raw/a.csv", Body=CSV.encode())
    bucket.put_object(Key="raw/b.jsonl", Body=b'{"id": 3, "zip": "9"}\n')
    bucket.put_object(
        Key="raw/c.parquet",
        Body=parquet(
            "select 4 as id, '8' as zip, timestamp '2026-01-04 01:02:03' as at, 1.25::decimal(9,2) as price"
        ),
    )
    bucket.put_object(Key="raw/readme.txt", Body=b"no data")
    bucket.put_object(Key="rawer/d.csv", Body=b"id\n99\n")
    done = output(run(land("s3://lake/raw/", kind="s3", more=", primary_key: [id]")), "a")
    again = output(run(land("s3://lake/raw/*.csv", kind="s3", more=", primary_key: [id]")), "a")

    assert (4, 4, 0, 0) == (done["rows"], done["loaded"], again["rows"], again["loaded"])
    assert [(1, "007", 1.5), (2, "123", 2.0), (3, "9", None), (4, "8", 1.25)] == rows(
        "select id, zip, price from raw.orders order by id"
    )
    assert [("2026-01-04 01:02:03",)] == rows(
        """select strftime("at", '%Y-%m-%d %H:%M:%S') from raw.orders where id = 4"""
    )


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_a_query_goes_into_a_file_and_the_next_step_reads_it(
    run: Callable[..., Result], bucket: Any, ending: str
) -> None:
    done = run(
        f"{{name: out, type: transformation, transformation_query: \"select 1 as id, 'x, y' as note union all select 2, null\", outputs: [{{name: sums, type: s3, path: 's3://lake/out/sums.{ending}'}}]}}",
        f"{{name: back, type: transformation, depends_on: [out], inputs: [{{name: i, type: s3, path: 's3://lake/out/*.{ending}'}}], transformation_query: 'select id, note from i', outputs: [{{name: o, type: duckdb, table: back}}]}}",
    )

    assert ({"rows": 2}, {"rows": 2}) == (output(done, "out"), output(done, "back"))
    assert [(1, "x, y"), (2, None)] == rows("select id, note from back order by id")


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_an_output_that_is_called_gz_is_gzip(run: Callable[..., Result], form: str) -> None:
    step = f"{{name: out, type: transformation, transformation_query: select 1 as id, outputs: [{{name: o, type: file, path: out/o.{form}.gz}}]}}"
    output(run(step), "out")
    first = Path(f"out/o.{form}.gz").read_bytes()
    output(run(step), "out")

    assert {"csv": b"id\n1\n", "jsonl": b'{"id":1}\n'}[form] == gzip.decompress(first)
    assert first == Path(f"out/o.{form}.gz").read_bytes()


def test_an_input_that_is_broken_is_told_as_what_it_is(run: Callable[..., Result]) -> None:
    write("in/x.csv.gz", "id\n1\n")
    done = run(
        "{name: a, type: transformation, inputs: [{name: i, type: file, path: in/x.csv.gz}], transformation_query: select id from i, outputs: [{name: o, type: duckdb, table: t}]}"
    )

    assert 1 == done.exit_code
    assert 'input "i" at in/x.csv.gz cannot be read' in done.output
    assert "gzip" in done.output.lower()


def test_an_object_is_replaced_without_a_moment_in_which_it_is_not_there(
    run: Callable[..., Result], bucket: Any
) -> None:
    bucket.Versioning().enable()
    for number in (1, 2):
        output(
            run(
                f"{{name: out, type: transformation, transformation_query: select {number} as id, outputs: [{{name: o, type: s3, path: 's3://lake/o.csv'}}]}}"
            ),
            "out",
        )

    versions = list(bucket.object_versions.all())  # with a delete marker for each deletion
    assert [b"id\n1\n", b"id\n2\n"] == sorted(one.get()["Body"].read() for one in versions)


def test_what_lands_is_also_written_where_an_output_says_and_each_part_once(
    run: Callable[..., Result],
) -> None:
    step = "{name: a, type: ingestion, inputs: [{name: in, type: file, path: in/}], outputs: [{name: raw, type: file, path: lake/raw/, format: FORM}]}"
    write("in/1.csv", "id,note\n1,x\n")
    first = output(run(step.replace("FORM", "csv")), "a")
    write("in/2.csv", "id,note\n2,y\n")
    second = output(run(step.replace("FORM", "csv")), "a")
    third = output(run(step.replace("FORM", "csv")), "a")
    other = output(run(step.replace("lake/raw/", "lake/parquet/").replace("FORM", "parquet")), "a")

    assert [1, 1, 0, 2] == [one["files"] for one in (first, second, third, other)]
    assert "loaded" not in first
    names = sorted(path.name for path in Path("lake/raw").iterdir())
    assert ["0000000001-000.csv", "0000000002-000.csv"] == [name.partition("-")[2] for name in names]
    assert [True, True] == [name.startswith("p_in_") for name in names]
    assert "id,note\n1,x\n" == Path("lake/raw", names[0]).read_text()
    with duckdb.connect() as connection:
        assert [(1, "x"), (2, "y")] == connection.execute(
            "select id, note from 'lake/parquet/*.parquet' order by id"
        ).fetchall()


def test_inputs_of_one_name_do_not_mix_in_folders(run: Callable[..., Result]) -> None:
    """Those of two steps, and those of two pipelines."""
    step = "{{name: {0}, type: ingestion, inputs: [{{name: orders, type: file, path: in{0}/}}], outputs: [{{name: o, type: file, path: out{0}/, format: csv}}]}}"
    for name in "abc":
        write(f"in{name}/1.jsonl", f'{{"of":"{name}"}}\n')
    first = run(step.format("a"), step.format("b"))
    # The other pipeline has a step of the same name, too.
    Path("p.yaml").write_text(
        f"pipeline:\n  name: other\n  steps:\n    - {step.format('c').replace('name: c', 'name: a')}\n"
    )
    other = CliRunner().invoke(sluice, ["pipeline", "run", "p.yaml", "--json"])

    assert (0, 0) == (first.exit_code, other.exit_code), other.output
    assert [["of\na\n"], ["of\nb\n"], ["of\nc\n"]] == [
        [path.read_text() for path in Path(f"out{name}").iterdir()] for name in "abc"
    ]


def test_files_of_an_earlier_version_are_not_doubled(run: Callable[..., Result]) -> None:
    """Their stream had the name of the input alone."""
    write("in/1.csv", "id\n1\n")
    output(
        run("{name: a, type: ingestion, load: false, inputs: [{name: orders, type: file, path: in/}]}"), "a"
    )
    write("out/orders-0000000001-000.csv", "id\n1\n")
    step = "{name: a, type: ingestion, inputs: [{name: orders, type: file, path: in/}], outputs: [{name: o, type: file, path: out/, format: csv}]}"
    refused = run(step)
    Path("out/orders-0000000001-000.csv").unlink()

    assert 1 == refused.exit_code
    assert "files of an earlier version, such as orders-0000000001-000.csv" in refused.output
    assert 1 == output(run(step), "a")["files"]


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (land("nowhere/"), "there is no file at nowhere/"),
        (land("in/x.dat"), "does not say its format"),
        (land("gs://b/x/", kind="gcs"), "copy the files to S3 or into a folder first"),
        (land("s3://lake/x/"), "is of type file, and s3://lake/x/ is no path of it"),
        (land("in/x.csv").replace("table: raw.orders", "path: out/, format: xml").replace("type: duckdb", "type: file"), 'unknown format "xml"'),
        (land("in/x.csv").replace("}]}", "}], config: {sheet: 1}}"), 'unknown key of the config of files "sheet"'),
        (land("in/x.csv", more=", primary_key: [nr]"), 'unknown field in the primary key "nr"'),
        ("{name: a, type: ingestion, inputs: [{name: i, type: rest, url: 'https://x.example.com'}]}", "sluice new source NAME"),
        ("{name: a, type: ingestion, inputs: [{name: i, type: file, path: in/x.csv}, {name: j, type: mysql, table: t}]}", "has files only as inputs"),
        ("{name: a, type: transformation, transformation_query: select 1, outputs: [{name: o, type: bigquery}]}", "is no place for files here"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_refused_with_its_line(
    run: Callable[..., Result], step: str, words: str
) -> None:
    write("in/x.csv", "id,a\n1,b\n")
    write("in/x.dat", "id\n1\n")
    done = run(step)

    assert 1 == done.exit_code
    assert words in done.output


def test_a_line_that_is_broken_stops_the_file_and_a_share_lets_it_in(run: Callable[..., Result]) -> None:
    write("in/x.csv", "id,a\n1,b\n2,c\n3,d,e\n")
    strict = run(land("in/x.csv"))
    lenient = run(land("in/x.csv").replace("}]}", "}], config: {max_rejected: 0.5}}"))

    assert 1 == strict.exit_code
    assert "1 of 3 lines" in strict.output
    assert 2 == output(lenient, "a")["rows"]


def test_without_duckdb_files_need_columns(
    run: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in Lambda, whose layers have none."""
    write("in/x.csv", "id,a\n1,b\n")
    columns = land("in/x.csv").replace("}]}", "}], load: false, config: {columns: {id: integer, a: string}}}")
    monkeypatch.setitem(sys.modules, "duckdb", None)
    lacking, given = run(land("in/x.csv").replace("}]}", "}], load: false}")), run(columns)

    assert 1 == lacking.exit_code
    assert "needs DuckDB, which is not installed here" in lacking.output
    assert 1 == output(given, "a")["rows"]
