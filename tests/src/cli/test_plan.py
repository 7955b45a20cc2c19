"""`sluice plan`: the preview of a pull request, in a working repository."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from src.cli.app import sluice
from tests.shared.gitops.remote import Person, git

ORDERS = """
pipeline:
  name: orders
  schedule: {type: cron, expression: "%s", timezone: UTC}
  steps:
    - {name: fetch, type: ingestion, source: shop}
    - {name: sum, type: transformation, transformation_file: sum.sql, depends_on: [fetch]}
"""
TELL = '    - {name: tell, type: call, depends_on: [sum], method: POST, url: "https://hooks.example/x"}\n'


def contract(kind: str) -> bytes:
    properties = {"id": {"type": kind}}
    return json.dumps({"type": "object", "properties": properties}).encode()


@pytest.fixture
def ada(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Person:
    person = Person.of(tmp_path)
    person.push(
        {
            "pipelines/orders.yml": (ORDERS % "0 3 * * *").encode(),
            "pipelines/old.yml": (ORDERS % "0 4 * * *").replace("orders", "old").encode(),
            "pipelines/sum.sql": b"select 1 as n",
            "src/shop/contracts/orders.json": contract("integer"),
        }
    )
    monkeypatch.chdir(person.clone)
    return person


def invoke(*words: str) -> Result:
    return CliRunner().invoke(sluice, ["plan", *words])


def answer(*words: str) -> Any:
    return json.loads(invoke(*words, "--json").stdout)


def test_a_person_sees_what_a_merge_would_change(ada: Person) -> None:
    ada.push(
        {
            "pipelines/orders.yml": (ORDERS % "0 3 * * 1" + TELL).encode(),
            "pipelines/old.yml": None,
            "pipelines/new/returns.yml": (ORDERS % "0 5 * * *").replace("orders", "returns").encode(),
            "pipelines/new/sum.sql": b"select 2 as n",
        },
        branch="work",
    )

    done = invoke("origin/main", "HEAD", "--diff")

    assert 0 == done.exit_code, done.output
    for text in (
        "~ changed  orders   pipelines/orders.yml",
        "- deleted  old      pipelines/old.yml",
        "+ created  returns  pipelines/new/returns.yml",
        "steps +       tell",
        "new hosts     hooks.example",
        "    --- a/dags/orders.py",
        "USD in 30 days",
        "1 created, 1 changed, 1 deleted: it passes",
    ):
        assert text in done.stdout
    orders, *_ = [one for one in answer("origin/main")["changes"] if one["name"] == "orders"]
    assert [True] * 5 == [run.endswith("T03:00:00Z") for run in orders["next_runs"]]


def test_a_definition_whose_query_changes_is_looked_at(ada: Person) -> None:
    ada.push({"pipelines/sum.sql": b"select 3 as n"}, branch="work")

    assert [("changed", "old"), ("changed", "orders")] == [
        (one["kind"], one["name"]) for one in answer("origin/main")["changes"]
    ]


def test_what_lint_finds_that_is_new_is_told(ada: Person) -> None:
    tell = TELL.replace("}\n", ', headers: {Authorization: "Bearer abcdefgh12345678"}}\n')
    ada.push({"pipelines/orders.yml": (ORDERS % "0 3 * * *" + tell).encode()}, branch="work")

    told = invoke("origin/main").stdout
    (finding,) = answer("origin/main")["changes"][0]["findings"]

    assert ("secret", True) == (finding["rule"], finding["at"].startswith("pipelines/orders.yml:8:"))
    assert "look at       pipelines/orders.yml:8:" in told
    assert "abcdefgh12345678" not in told.partition("--- a/")[0]


def test_what_does_not_pass_exits_with_4(ada: Person) -> None:
    ada.push(
        {
            "pipelines/orders.yml": b"pipeline: {name: orders, steps: [{name: a, type: wiat}]}\n",
            "src/shop/contracts/orders.json": contract("string"),
        },
        branch="work",
    )

    done = invoke("origin/main")

    assert 4 == done.exit_code
    assert "! broken   orders" in done.stdout
    assert "pipelines/orders.yml:1:" in done.stdout
    assert "contract src/shop/contracts/orders.json: incompatible" in done.stdout
    assert "it does not pass" in done.stdout


def test_both_sides_of_a_file_make_it_stale(ada: Person) -> None:
    ada.push({"pipelines/orders.yml": (ORDERS % "0 6 * * *").encode()}, branch="work")
    git("fetch", "--quiet", at=ada.clone)
    work = ada.head("work")
    ada.push({"pipelines/orders.yml": (ORDERS % "0 7 * * *").encode()})
    git("fetch", "--quiet", at=ada.clone)

    done = invoke("origin/main", work)

    assert (4, True) == (done.exit_code, "stale: the base has changed" in done.stdout)


def test_weave_yml_says_what_is_compiled_into_what(ada: Person, tmp_path: Path) -> None:
    ada.push({"flows/a.yml": (ORDERS % "0 6 * * *").encode(), "flows/sum.sql": b"select 1"}, branch="work")
    entry = "{host: git, repository: %s, url: /x, definitions: ['flows/*.yml'], targets: [stepfunctions]}"
    file = tmp_path / "weave.yml"
    file.write_text(f"repositories:\n- {entry % 'acme/flows'}\n- {entry % 'acme/other'}\n")

    found = answer("origin/main", "--config", str(file), "--repository", "acme/flows")
    several, strange = (
        invoke("origin/main", "--config", str(file)),
        invoke("origin/main", "--config", str(file), "--repository", "acme/flow"),
    )

    (change,) = found["changes"]
    assert ("created", "orders") == (change["kind"], change["name"])
    assert all(path.endswith(".json") for path in change["diffs"])
    assert (2, 2) == (several.exit_code, strange.exit_code)
    assert "--repository says which" in several.stderr
    assert 'did you mean "acme/flows"?' in strange.stderr


def test_globs_do_without_a_file(ada: Person) -> None:
    ada.push({"flows/a.yml": (ORDERS % "0 6 * * *").encode(), "flows/sum.sql": b"select 1"}, branch="work")

    assert [] == answer("origin/main")["changes"]
    assert ["flows/a.yml"] == [
        one["path"] for one in answer("origin/main", "--definitions", "flows/*.yml")["changes"]
    ]


def test_a_name_that_is_no_commit_is_told(ada: Person, tmp_path: Path) -> None:
    wrong, outside = invoke("origin/mian"), invoke("main", "--repo", str(tmp_path))

    assert (2, 2) == (wrong.exit_code, outside.exit_code)
    assert "'origin/mian' is no commit of this repository" in wrong.stderr
    assert "not a git repository" in outside.stderr
