"""Shared defaults: what a definition leaves out comes from them, and a fault is told where it stands."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from shared.common.documents import read_yaml
from shared.common.errors import Misconfigured
from shared.pipelines.defaults import files_above, read_defaults, under
from shared.pipelines.json_schema import json_schema
from shared.pipelines.lint import lint
from shared.pipelines.plan import Parameter, Plan, Pool
from shared.pipelines.read import defaults_above, read_definition, read_plan
from shared.pipelines.step import Retry
from shared.pipelines.work import Kind

DEFAULTS = """
pipeline:
  domain: sales
  owners: [{name: data, email: data@example.com}]
  schedule: {type: cron, expression: "0 5 * * *", timezone: Europe/Berlin}
  parameters: {region: eu, mode: fast}
  pools: {vendor: 2}
  notifications:
    on_failure: [{method: slack, channel: "#data"}]
  deadline: 6h
resources: {compute_cluster: small}
steps:
  retries: {count: 2, delay: 1m}
  timeout: 2h
"""
ORDERS = """
pipeline:
  name: orders
  steps:
    - {name: fetch, type: ingestion, source: shop}
    - {name: rest, type: wait, duration: 1s}
"""


def planned(definition: str, *defaults: str) -> Plan:
    """The plan; `defaults` are those of pipelines/sales, pipelines and the top."""
    files = ("pipelines/sales/_defaults.yml", "pipelines/_defaults.yml", "_defaults.yml")
    read = [read_defaults(text, file=file) for file, text in zip(files, defaults, strict=False)]
    return read_definition(definition, file="pipelines/sales/orders.yml", defaults=lambda: read)


def faults(definition: str, *defaults: str) -> list[str]:
    with pytest.raises(Misconfigured) as caught:
        planned(definition, *defaults)
    return str(caught.value).splitlines()


def test_what_a_definition_leaves_out_is_the_defaults() -> None:
    plan = planned(ORDERS, DEFAULTS)

    assert ("sales", "Europe/Berlin", 21_600.0) == (
        plan.domain,
        plan.schedule and plan.schedule.timezone,
        plan.deadline_seconds,
    )
    assert ("data", "small") == (plan.owners[0].name, plan.resources.compute_cluster)
    assert ["#data"] == [target.channel for target in plan.notifications.on_failure]
    assert (Retry(2, 60.0), 7200.0) == (plan.step("fetch").retry, plan.step("fetch").timeout_seconds)
    # A wait has neither, and so takes neither.
    assert (Kind.WAIT, Retry(), None) == (
        plan.step("rest").kind,
        plan.step("rest").retry,
        plan.step("rest").timeout_seconds,
    )


def test_what_a_definition_says_itself_wins() -> None:
    own = ORDERS.replace(
        "  steps:\n",
        "  domain: ''\n  schedule: null\n  deadline: 1h\n  parameters: {mode: full}\n  pools: {own: 1}\n"
        "  notifications: {on_success: [{method: slack, channel: '#ok'}]}\n  steps:\n",
    ).replace("source: shop}", "source: shop, retries: 0, timeout: null}")

    plan = planned(own, DEFAULTS)

    assert ("", None, 3600.0) == (plan.domain, plan.schedule, plan.deadline_seconds)
    assert (Retry(), None) == (plan.step("fetch").retry, plan.step("fetch").timeout_seconds)
    # Parameters, pools and notifications are taken over one by one.
    assert (Parameter("mode", "full"), Parameter("region", "eu")) == plan.parameters
    assert (Pool("own", 1), Pool("vendor", 2)) == plan.pools
    assert (["#ok"], ["#data"]) == (
        [one.channel for one in plan.notifications.on_success],
        [one.channel for one in plan.notifications.on_failure],
    )


def test_the_nearest_defaults_win() -> None:
    near, top = (
        "pipeline: {domain: near, parameters: {a: 1}}",
        "pipeline: {domain: top, max_runs: 3}\nsteps: {retries: 1}",
    )

    plan = planned(ORDERS, near, "# nothing yet\n", top)

    assert ("near", 3, Retry(1)) == (plan.domain, plan.max_runs, plan.step("fetch").retry)
    assert (Parameter("a", 1),) == plan.parameters


def test_steps_inside_a_foreach_have_them_too() -> None:
    one = "{name: one, type: call, url: 'https://a.example/', retries: 7}"
    two = "{name: two, type: lambda, function: f}"
    text = f"{ORDERS}    - {{name: each, type: foreach, items: [1], steps: [{one}, {two}]}}\n"

    plan = planned(text, DEFAULTS)

    assert (Retry(7), Retry(2, 60.0)) == (plan.step("one").retry, plan.step("two").retry)


@pytest.mark.parametrize("text", ["pipeline: 1\n", "pipelines: {}\n", "- 1\n"])
def test_a_definition_that_is_none_is_told_as_ever(text: str) -> None:
    assert faults(text) == faults(text, DEFAULTS)


def test_faults_of_defaults_are_told_in_their_file_all_at_once() -> None:
    wrong = "pipeline:\n  name: x\n  max_runs: 0\nsteps:\n  retires: 3\n  pool: 1\n"

    assert [
        'pipelines/sales/_defaults.yml:2:3 pipeline: unknown key "name"',
        "pipelines/sales/_defaults.yml:3:13 pipeline.max_runs: ",
        'pipelines/sales/_defaults.yml:5:3 steps: unknown key "retires"',
        "pipelines/sales/_defaults.yml:6:9 steps.pool: ",
    ] == [
        told[: len(want)]
        for told, want in zip(
            faults(ORDERS, wrong),
            [
                'pipelines/sales/_defaults.yml:2:3 pipeline: unknown key "name"',
                "pipelines/sales/_defaults.yml:3:13 pipeline.max_runs: ",
                'pipelines/sales/_defaults.yml:5:3 steps: unknown key "retires"',
                "pipelines/sales/_defaults.yml:6:9 steps.pool: ",
            ],
            strict=True,
        )
    ]


def test_what_only_shows_together_is_told_where_it_is_written() -> None:
    both = ORDERS.replace("duration: 1s", "duration: 1s, depends_on: [fetsh]")

    assert [
        'pipelines/sales/orders.yml:6:59 unknown step "fetsh"; did you mean "fetch"?',
        'pipelines/_defaults.yml:3:10 unknown pool "vendr"; did you mean "vendor"?',
    ] == [
        told.partition(" known")[0]
        for told in faults(both, "pipeline: {pools: {vendor: 1}}", "\nsteps:\n   pool: vendr\n")
    ]


def test_defaults_are_no_definition() -> None:
    with pytest.raises(Misconfigured, match=r"_defaults.yaml:1:1 is not read by anybody"):
        read_definition("pipeline: {}", file="sales/_defaults.yaml")
    with pytest.raises(Misconfigured, match=r"sales/_defaults.yml:1:1 holds shared defaults and no pipeline"):
        read_definition(DEFAULTS, file="sales/_defaults.yml")


def test_level_files_have_none() -> None:
    def never() -> Any:
        raise AssertionError("nobody asks for them")

    step = '{"JOB_ID": "1", "JOB_NAME": "a", "TYPE": "sync", "FUNCTION_NAME": "f"}'
    level = f'[{{"LEVEL_ID": "1", "THREADS": [{{"THREAD_ID": "1", "STEPS": [{step}]}}]}}]'
    with_none = read_definition(level, file="demo.json")

    assert with_none == read_definition(level, file="demo.json", defaults=never)


def test_what_a_whole_folder_has_need_not_be_used_by_each() -> None:
    defaults = [read_defaults(DEFAULTS, file="_defaults.yml")]
    plan = planned(ORDERS, DEFAULTS)

    assert ["unused"] * 3 == [one.rule for one in lint(plan)]
    assert [] == lint(plan, shared={"region", "mode", "vendor"})
    assert defaults[0].data["pipeline"]["pools"] == {"vendor": 2}


def test_one_definition_changes_no_other() -> None:
    """Aliases share what is read; what is laid under one must not show in the other."""
    steps = "    - &s {name: a, type: load, source: x}\n    - {<<: *s, name: b, timeout: 1h}\n"
    text = f"pipeline:\n  name: a\n  steps:\n{steps}"
    document, defaults = read_yaml(text, file="a.yml"), read_defaults(DEFAULTS, file="_defaults.yml")
    before = repr(document), repr(defaults)

    under(document, [defaults, defaults])

    assert before == (repr(document), repr(defaults))


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Defaults in the repository, in a folder without definitions, beside a definition, and above it all."""
    place = tmp_path / "repository" / "pipelines" / "sales"
    place.mkdir(parents=True)
    for folder in (tmp_path, tmp_path / "repository", place):
        (folder / "_defaults.yml").write_text(f"pipeline: {{domain: {folder.name}}}\n")
    (place / "orders.yml").write_text(ORDERS)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_they_are_looked_for_up_to_the_top_of_the_repository(
    folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folders / "repository" / ".git").mkdir()
    names = ["repository/pipelines/sales/_defaults.yml", "repository/_defaults.yml"]

    assert names == [str(path) for path in files_above(Path("repository/pipelines/sales/orders.yml"))]
    assert names == [
        str(path.relative_to(folders))
        for path in files_above(folders / "repository/pipelines/sales/orders.yml")
    ]
    monkeypatch.chdir(folders / "repository" / "pipelines")
    assert ["sales/_defaults.yml", "../_defaults.yml"] == [
        str(path) for path in files_above(Path("sales/orders.yml"))
    ]
    assert "sales" == read_plan(Path("../pipelines/sales/orders.yml")).domain


def test_without_a_repository_up_to_where_one_works(folders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    orders = Path("repository/pipelines/sales/orders.yml")

    assert 3 == len(files_above(orders))
    monkeypatch.chdir(folders / "repository" / "pipelines")
    assert 1 == len(files_above(Path("sales/orders.yml")))
    (folders / "elsewhere").mkdir()
    monkeypatch.chdir(folders / "elsewhere")
    assert [folders / "repository/pipelines/sales/_defaults.yml"] == list(files_above(folders / orders))


def test_defaults_that_cannot_be_read_are_told(folders: Path) -> None:
    (folders / "repository" / "_defaults.yml").write_bytes(b"\xff")

    with pytest.raises(Misconfigured, match=r"repository/_defaults.yml:1:1 is not UTF-8"):
        defaults_above(Path("repository/pipelines/sales/orders.yml"))


@pytest.mark.parametrize(
    ("text", "right"),
    [
        (DEFAULTS, True),
        ("pipeline: {name: x}", False),
        ("steps: {retires: 1}", False),
        ("steps: {retries: 1}", True),
    ],
)
def test_the_schema_and_the_reader_agree(text: str, right: bool) -> None:
    data = yaml.safe_load(text)

    assert right == jsonschema.Draft202012Validator(json_schema("pipeline-defaults.schema.json")).is_valid(
        data
    )
    if right:
        read_defaults(text, file="_defaults.yml")
    else:
        with pytest.raises(Misconfigured):
            read_defaults(text, file="_defaults.yml")
