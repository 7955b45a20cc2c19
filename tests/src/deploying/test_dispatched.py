"""What `sluice deploy template` makes of dispatch.yml, and what it refuses because no function can do it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from shared.common.errors import Misconfigured
from src.cli.app import sluice
from src.deploying.dispatched import Dispatched, deployed_dispatch
from src.deploying.template import TEMPLATE, generated

ROOT = Path(__file__).parents[3]
PROCESS = "  - {name: p, type: lambda, execution_context: {function: score}}\n"
INPUT = "  - {name: i, type: landing, connection_string: recurly}\n"


def written(folder: Path, *, inputs: str = INPUT, processes: str = PROCESS) -> Path:
    file = folder / "dispatch.yml"
    file.write_text(f"input:\n{inputs}process:\n{processes}links:\n  - {{from: i, to: p}}\n")
    return file


def read(folder: Path, **parts: str) -> Dispatched:
    found = deployed_dispatch(written(folder, **parts))
    assert found is not None
    return found


def region(name: str, dispatched: Dispatched | None) -> Any:
    """What a region becomes, with the short forms of CloudFormation's functions as their values."""

    class Loader(yaml.SafeLoader):
        """Knows every tag."""

    def value(loader: yaml.SafeLoader, suffix: str, node: Any) -> Any:
        if isinstance(node, yaml.ScalarNode):
            return loader.construct_scalar(node)
        return loader.construct_sequence(node, deep=True)

    Loader.add_multi_constructor("!", value)
    text = generated(f"# >>> {name}\n# <<< {name}\n", [], dispatched=dispatched)
    return yaml.load(text, Loader)  # noqa: S506 - a safe loader that knows tags


def rights(dispatched: Dispatched) -> dict[str, Any]:
    return {one["Sid"]: one["Resource"] for one in region("dispatch-rights", dispatched)}


def test_without_a_document_there_is_only_the_queue(tmp_path: Path) -> None:
    assert deployed_dispatch(tmp_path / "dispatch.yml") is None
    assert [None, None, None] == [
        region(name, None) for name in ("dispatch", "dispatch-rights", "dispatch-settings")
    ]
    assert ["Events"] == list(region("dispatch-sources", None))


@pytest.mark.parametrize(
    ("line", "place", "said"),
    [
        (
            "{name: i, type: postgres, connection_string: 'postgresql://db/x'}",
            "2:21",
            "cannot wait for postgres",
        ),
        ("{name: i, type: webhook, connection_string: /x}", "2:12", "give the webhook a secret"),
        ("{name: i, type: sqs, connection_string: '${ORDERS}'}", "2:45", "named by its URL"),
        ("{name: i, type: objects, connection_string: 'file:///data'}", "2:49", "s3://bucket/prefix"),
        (
            "{name: i, type: schedule, connection_string: rate(90 seconds)}",
            "2:50",
            "no whole number of minutes",
        ),
        ("{name: i, type: python, connection_string: 'a:b'}", "2:21", "`sluice dispatch serve`"),
    ],
)
def test_an_input_that_a_function_cannot_have_is_refused_with_its_place(
    tmp_path: Path, line: str, place: str, said: str
) -> None:
    with pytest.raises(Misconfigured) as told:
        read(tmp_path, inputs=f"  - {line}\n")

    assert f"dispatch.yml:{place} " in told.value.message
    assert said in told.value.message


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{name: p, type: container, execution_context: {image: x}}", "type ecs"),
        ("{name: p, type: subprocess, execution_context: {command: [x]}}", "type lambda"),
        ("{name: p, type: ingest, execution_context: {source: recurly}}", "type stepfunctions"),
        (
            "{name: p, type: ecs, execution_context: {cluster: '${C}', task_definition: t, container: c}}",
            "in words",
        ),
    ],
)
def test_a_process_that_a_function_cannot_run_is_refused(tmp_path: Path, line: str, said: str) -> None:
    with pytest.raises(Misconfigured, match=rf"dispatch\.yml:4:.*{said}"):
        read(tmp_path, processes=f"  - {line}\n")


@pytest.mark.parametrize(
    "promise",
    ["order_by: payload.id", "rate: {starts: 1, seconds: 1}", "concurrency: 1", "breaker: {failures: 3}"],
)
def test_what_functions_side_by_side_cannot_keep_is_not_promised(tmp_path: Path, promise: str) -> None:
    name = promise.partition(":")[0]
    with pytest.raises(Misconfigured, match=rf"dispatch\.yml:4:\d+ .*{name} would not hold"):
        read(tmp_path, processes=PROCESS.replace("}}", f"}}, {promise}}}"))


def test_two_inputs_that_would_be_one_name_are_refused(tmp_path: Path) -> None:
    same = INPUT + INPUT.replace("name: i", "name: I")
    with pytest.raises(Misconfigured, match='"i" and "I" would be one name'):
        read(tmp_path, inputs=same)


def test_functions_may_be_named_by_arn_version_or_a_setting(tmp_path: Path) -> None:
    contexts = (
        "{function: score, qualifier: live}",
        "{function: 'arn:aws:lambda:eu-west-1:123456789012:function:far'}",
        "{function: '${STAGE}-tell'}",
    )
    lines = [
        f"  - {{name: p{n or ''}, type: lambda, execution_context: {one}}}\n"
        for n, one in enumerate(contexts)
    ]
    dispatched = read(tmp_path, processes="".join(lines))
    here = "arn:${AWS::Partition}:lambda:${AWS::Region}:${AWS::AccountId}:function"

    assert [
        f"{here}:score:live",
        "arn:aws:lambda:eu-west-1:123456789012:function:far",
        f"{here}:${{SettingStage}}-tell",
    ] == rights(dispatched)["CallFunctions"]
    assert {"STAGE": "SettingStage"} == region("dispatch-settings", dispatched)
    assert "${STAGE} in dispatch.yml." == region("settings", dispatched)["SettingStage"]["Description"]


def test_executions_of_a_machine_are_followed_also_where_a_setting_names_it(tmp_path: Path) -> None:
    process = "  - {name: p, type: stepfunctions, execution_context: {machine: '${ORDERS_MACHINE}'}}\n"
    found = rights(read(tmp_path, processes=process))
    split = {"Fn::Split": [":stateMachine:", {"Fn::Sub": "${SettingOrdersMachine}"}]}

    assert ["${SettingOrdersMachine}"] == found["StartMachines"]
    assert [{"Fn::Join": ["", [{"Fn::Join": [":execution:", split]}, ":*"]]}] == found["FollowWhatItStarted"]


def test_a_long_name_of_an_input_leaves_the_rule_a_name(tmp_path: Path) -> None:
    name = "i" * 90
    inputs = INPUT + INPUT.replace("name: i", f"name: {name}")
    rules = region("dispatch", read(tmp_path, inputs=inputs))
    names = [
        one["Properties"]["Name"].replace("${AppName}-${Environment}", "a" * 25) for one in rules.values()
    ]

    assert 2 == len(set(names))
    assert max(map(len, names)) <= 64


def test_a_paused_input_is_not_listened_to(tmp_path: Path) -> None:
    lines = (
        "{name: i, type: landing, connection_string: recurly, paused: true}",
        "{name: q, type: sqs, paused: true, connection_string: 'https://sqs.eu-west-1.amazonaws.com/123456789012/q'}",
        "{name: t, type: schedule, connection_string: rate(120 seconds), paused: true}",
    )
    dispatched = read(tmp_path, inputs="".join(f"  - {line}\n" for line in lines))
    made = region("dispatch", dispatched)

    assert "DISABLED" == made["DispatchIRule"]["Properties"]["State"]
    assert "DISABLED" == made["DispatchTSchedule"]["Properties"]["State"]
    assert "rate(2 minutes)" == made["DispatchTSchedule"]["Properties"]["ScheduleExpression"]
    assert False is region("dispatch-sources", dispatched)["FromQ"]["Properties"]["Enabled"]


def test_there_is_a_public_url_only_where_there_are_webhooks(tmp_path: Path) -> None:
    hook = "  - {name: i, type: webhook, connection_string: /x, secret: '${S}'}\n"
    without, with_one = region("dispatch", read(tmp_path)), region("dispatch", read(tmp_path, inputs=hook))

    assert ["DispatchIRule"] == list(without)
    assert {"HasDispatch"} == {one["Condition"] for one in with_one.values()}
    assert "DispatchDoorFunction" in with_one
    assert "DispatchUrl" in region("outputs", read(tmp_path, inputs=hook))


def test_the_command_brings_the_template_in_line_with_the_document(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / TEMPLATE).parent.mkdir(parents=True)
    (tmp_path / TEMPLATE).write_text("Resources:\n  # >>> dispatch\n  # <<< dispatch\n")
    written(tmp_path)
    monkeypatch.chdir(tmp_path)
    codes = [
        CliRunner().invoke(sluice, ["deploy", "template", *words]).exit_code
        for words in (["--check"], [], ["--check"])
    ]

    assert [1, 0, 0] == codes
    assert "DispatchIRule:" in (tmp_path / TEMPLATE).read_text()
