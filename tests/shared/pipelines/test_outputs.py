"""Outputs that cannot be are told with their place when a definition is read."""

# ruff: noqa: E501 - a case is a line

from __future__ import annotations

import pytest

from shared.common.errors import Misconfigured
from shared.pipelines.read import read_definition

HEAD = "pipeline:\n  name: p\n  steps:\n    - name: a\n"
QUERY = HEAD + "      type: transformation\n      transformation_query: select 1\n"
INGEST = HEAD + "      type: ingestion\n      source: s\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (QUERY + "      outputs:\n        - {name: o, type: duckdb, table: t}\n        - {name: u, type: duckdb, table: u}\n", "p.yaml:9:11 a transformation has one output"),
        (QUERY + "      outputs: [{name: o, type: file, path: out/*.csv}]\n", "out/*.csv is a pattern"),
        (QUERY + "      outputs: [{name: o, type: file, path: out/y.parquet.gz}]\n", "call it .parquet"),
        (QUERY + "      outputs: [{name: o, type: file, path: out/y.gz, format: parquet}]\n", "call it .parquet"),
        (QUERY + "      outputs: [{name: o, type: file, path: out/y.csv.zst}]\n", "packed by gzip only"),
        (QUERY + "      write: append\n      outputs: [{name: o, type: file, path: o.csv}]\n", "nothing is appended to the file o.csv"),
        (QUERY + "      inputs: [{name: i, type: file, path: in/}]\n", "files are read on the way to an output"),
        (INGEST + "      outputs: [{name: o, type: file, path: out/landed.csv}]\n", "an ingestion adds files, and out/landed.csv is one"),
    ],
)  # fmt: skip
def test_an_output_that_cannot_be_is_refused_with_its_place(text: str, words: str) -> None:
    with pytest.raises(Misconfigured) as error:
        read_definition(text, file="p.yaml")

    assert words in str(error.value)
    assert "p.yaml:" in str(error.value)


@pytest.mark.parametrize("path", ["o.csv.gz", "o.jsonl.gz", "o.parquet", "out/", "s3://lake/o.csv"])
def test_what_can_be_written_is_read(path: str) -> None:
    kind = "s3" if path.startswith("s3:") else "file"
    text = f"{QUERY}      outputs: [{{name: o, type: {kind}, path: '{path}'}}]\n"

    assert "a" == read_definition(text, file="p.yaml").step("a").name
