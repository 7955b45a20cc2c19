"""What `sluice deploy template` writes, and what it refuses."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from shared.common.errors import Misconfigured
from src.cli.app import sluice
from src.deploying.source import resources
from src.deploying.sources import Deployed, deployed_sources
from src.deploying.template import TEMPLATE, generated
from src.deploying.text import Noted, Tag, att, lines, ref, sub

ROOT = Path(__file__).parents[3]
SHOP = Deployed(
    name="web_shop",
    description="The shop",
    streams=("orders",),
    database=True,
    memory=1024,
    timeout=300,
    reserved_concurrency=3,
    schedules=("cron(0 0 13 * ? *)", "cron(0 0 ? * 6 *)"),
    timezone="Europe/Berlin",
    flexible=timedelta(minutes=15),
    fresh_within=timedelta(hours=5),
    settings=(("SHOP_DB_URL", None),),
)


def region(name: str, *sources: Deployed) -> str:
    return generated(f"# >>> {name}\nold\n# <<< {name}\n", list(sources))


def test_the_template_in_the_repository_is_what_its_sources_make_of_it() -> None:
    """Else somebody changed a source.yml: `sluice deploy template`."""
    text = (ROOT / TEMPLATE).read_text("utf-8")

    assert generated(text, deployed_sources()) == text


def test_what_is_written_by_hand_stays() -> None:
    text = "Parameters:\n  Mine: {}\n  # >>> settings\n  # <<< settings\nResources: {}\n"
    written = generated(text, [SHOP])

    assert written.startswith(
        "Parameters:\n  Mine: {}\n  # >>> settings\n  SettingShopDbUrl: { Type: String, "
    )
    assert written.endswith("# <<< settings\nResources: {}\n")
    assert written == generated(written, [SHOP])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x\n# >>> surces\n# <<< surces\n", 'unknown region "surces".*:2'),
        ("# >>> sources\n", 'the region "sources" has no end'),
    ],
)
def test_a_region_that_is_unknown_or_open_is_refused(text: str, said: str) -> None:
    with pytest.raises(Misconfigured, match=said):
        generated(text, [])


def test_a_function_has_the_memory_time_and_concurrency_of_its_source() -> None:
    written = region("sources", SHOP)

    assert "MemorySize: 1024" in written
    assert "Timeout: 300" in written
    assert "ReservedConcurrentExecutions: 3" in written
    assert (
        "Layers: [!Ref DependenciesLayer, !Ref WarehouseLayer, !Ref SharedLayer, !Ref ConfigLayer]" in written
    )
    assert "SHOP_DB_URL: !Ref SettingShopDbUrl" in written


def test_unix_runs_on_either_of_two_days_so_there_are_two_schedules() -> None:
    written = region("sources", SHOP)

    assert 1 == written.count("ScheduleExpression: cron(0 0 13 * ? *)")
    assert 1 == written.count("ScheduleExpression: cron(0 0 ? * 6 *)")
    assert 2 == written.count("ScheduleExpressionTimezone: Europe/Berlin")
    assert 2 == written.count("FlexibleTimeWindow: { Mode: FLEXIBLE, MaximumWindowInMinutes: 15 }")
    assert 2 == written.count("State: !If [IsScheduled, ENABLED, DISABLED]")


def test_the_freshness_alarm_waits_as_long_as_the_source_says() -> None:
    assert "EvaluationPeriods: 5 # `fresh_within`" in region("sources", SHOP)


def test_a_source_that_nobody_schedules_has_no_schedule_and_no_freshness_alarm() -> None:
    quiet = Deployed(**{**{n: getattr(SHOP, n) for n in SHOP.__slots__}, "schedules": ()})
    written = region("sources", quiet)

    assert "ScheduleV2" not in written
    assert "FreshnessAlarm" not in written
    assert "# >>> conditions\n# <<< conditions\n" == region("conditions", quiet)


def test_what_is_written_reads_back_as_it_was() -> None:
    document = {
        "Text": "a: b # c",
        "Yes": "yes",
        "Number": 5,
        "True": True,
        "Json": '{"a": "<b>"}',
        "Lines": "one\ntwo ${X}",
        "Deep": {"List": [{"a": 1, "b": [1, "2", "[x]"]}, {"c": Noted("*", "why")}], "Empty": {}},
    }
    expected = {**document, "Deep": {"List": [{"a": 1, "b": [1, "2", "[x]"]}, {"c": "*"}], "Empty": {}}}

    assert expected == yaml.safe_load("\n".join(lines(document)))


def test_functions_of_cloudformation_have_their_short_form() -> None:
    document = {"A": ref("B"), "C": [att("D.Arn"), sub("${E}/*")], "F": Tag("If", ["G", ref("H"), "i"])}

    assert ["A: !Ref B", 'C: [!GetAtt D.Arn, !Sub "${E}/*"]', "F: !If [G, !Ref H, i]"] == lines(document)


def _source(folder: Path, name: str, text: str) -> None:
    (folder / "src" / name).mkdir(parents=True)
    (folder / "src" / name / "source.yml").write_text(
        f"source: {name}\nbase_url: {text}\nstreams: {{a: {{path: /a}}}}\n"
    )


@pytest.mark.parametrize(
    ("sources", "said"),
    [
        ({"a_b": "https://x.test", "ab": "${HOST}\ntimezone: Mars/Olympus"}, "no time zone"),
        (
            {"a_b": "https://x.test", "a__b": "https://x.test"},
            "would both be AB",
        ),
        (
            {"a": "${HOST:-https://x.test}", "b": "${HOST:-https://y.test}"},
            "one default in a and another one in b",
        ),
    ],
)
def test_sources_that_cannot_stand_side_by_side_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sources: dict[str, str], said: str
) -> None:
    for name, text in sources.items():
        _source(tmp_path, name, text)
    monkeypatch.chdir(tmp_path)

    with pytest.raises(Misconfigured, match=said):
        deployed_sources()


def test_the_command_says_what_is_not_in_line_and_brings_it_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _source(tmp_path, "shop", "https://x.test")
    (tmp_path / TEMPLATE).parent.mkdir(parents=True)
    (tmp_path / TEMPLATE).write_text("Outputs:\n  # >>> outputs\n  # <<< outputs\n")
    monkeypatch.chdir(tmp_path)
    runner = CliRunner()
    codes = [
        runner.invoke(sluice, ["deploy", "template", *words]).exit_code
        for words in (["--check"], [], ["--check"])
    ]

    assert [1, 0, 0] == codes
    assert "ShopMachine:" in (tmp_path / TEMPLATE).read_text()


API = """
source: shop
base_url: https://api.shop.test
streams: {orders: {path: /orders}}
"""
CRM = """
{kind}
source: crm
url: {url}
auth: {{username: CRM_USER, password: CRM_PASSWORD}}
schedule: 0 4 * * *
streams:
  orders: {{table: public.orders, cursor_field: changed_at}}
  customers: {{table: customers}}
"""


@pytest.mark.parametrize("kind", ["type: sql", 'type: "sql" # a database', '"type": sql'])
@pytest.mark.parametrize("url", ["postgresql://db.acme.internal:5432/crm", "${CRM_URL}"])
def test_the_function_of_a_database_has_the_layer_with_the_drivers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, url: str
) -> None:
    """From its source.yml; a source that is an API gets along without."""
    for name, text in (("crm", CRM.format(kind=kind, url=url)), ("shop", API)):
        (tmp_path / "src" / name).mkdir(parents=True)
        (tmp_path / "src" / name / "source.yml").write_text(text)
    monkeypatch.chdir(tmp_path)
    found = deployed_sources()
    layers = {
        name: [layer.value for layer in function["Properties"]["Layers"]]
        for source in found
        for name, function in resources(source).items()
        if function["Type"] == "AWS::Serverless::Function"
    }

    assert {
        "CrmFunction": ["DependenciesLayer", "WarehouseLayer", "SharedLayer", "ConfigLayer"],
        "ShopFunction": ["DependenciesLayer", "SharedLayer", "ConfigLayer"],
    } == layers
    assert ("orders", "customers") == found[0].streams
