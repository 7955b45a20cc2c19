"""The pages about deploying and operating name what exists: verbs, commands, options, AWS calls, files, alarms."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import botocore.session
import click
import pytest
from botocore import xform_name

from src.cli.app import sluice
from src.delivery.template import read_template

ROOT = Path(__file__).parents[3]
PAGES = ("deploy", "operate")
#: Commands and options of the AWS CLI that are its own and not an API's.
OF_THE_CLI = {
    ("cloudformation", "deploy"): {"stack-name", "template-file", "capabilities", "parameter-overrides"},
    ("logs", "tail"): {"since", "filter-pattern"},
    ("sso", "login"): set(),
}
GLOBAL = {"query"}


def page(name: str) -> str:
    return (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")


def blocks(name: str) -> Iterator[str]:
    """The shell blocks of a page, their indentation taken away."""
    for found in re.finditer(r"^( *)```sh\n(.*?)^ *```", page(name), re.MULTILINE | re.DOTALL):
        yield "\n".join(line.removeprefix(found[1]) for line in found[2].splitlines())


def commands(name: str) -> Iterator[list[str]]:
    """Every command: of the blocks, and those in the text that begin with a tool's name."""
    for block in blocks(name):
        text = re.sub(r"<<'END'.*?^END$", "", block, flags=re.MULTILINE | re.DOTALL)
        for line in text.splitlines():
            for part in line.split(" | "):
                if part.strip() and not part.startswith("#"):
                    yield shlex.split(part)
    for inline in re.findall(r"`((?:sluice|make|aws) [^`]+)`", page(name)):
        yield shlex.split(inline)


def of(name: str, tool: str) -> list[list[str]]:
    prefix = {"sluice": [[".venv/bin/python", "-m", "src.cli"], ["sluice"], ["pipenv", "run", "sluice"]]}.get(
        tool, [[tool]]
    )
    found = []
    for words in commands(name):
        for start in prefix:
            if words[: len(start)] == start:
                found.append(words[len(start) :])
    return found


@pytest.mark.parametrize("name", PAGES)
def test_verbs_of_make_exist(name: str) -> None:
    verbs = set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE))
    asked = {word for words in of(name, "make") for word in words if "=" not in word}

    assert asked <= verbs
    assert name != "deploy" or {"layers", "package", "deploy"} <= asked


@pytest.mark.parametrize("name", PAGES)
def test_commands_of_sluice_exist_with_these_options(name: str) -> None:
    found = of(name, "sluice")

    assert found
    for words in found:
        command: Any = sluice
        context = click.Context(sluice)
        rest = list(words)
        while isinstance(command, click.Group):
            assert rest, words
            known = command.get_command(context, rest[0])
            assert known is not None, words
            command, rest = known, rest[1:]
        options = {one for parameter in command.params for one in parameter.opts}
        assert {word for word in rest if word.startswith("--")} <= options, words


@cache
def service(name: str) -> dict[str, set[str]]:
    """The operations of a service of AWS as the CLI spells them, and their options."""
    model = botocore.session.get_session().get_service_model(
        {"stepfunctions": "stepfunctions"}.get(name, name)
    )
    shapes = {xform_name(one, "-"): model.operation_model(one).input_shape for one in model.operation_names}
    return {
        one: {xform_name(member, "-") for member in (shape.members if shape else {})}
        for one, shape in shapes.items()
    }


@pytest.mark.parametrize("name", PAGES)
def test_calls_of_aws_exist_with_these_options(name: str) -> None:
    found = [words for words in of(name, "aws") if len(words) > 1]

    assert found
    for api, operation, *rest in found:
        options = {word.removeprefix("--") for word in rest if word.startswith("--")} - GLOBAL
        known = OF_THE_CLI.get((api, operation))
        if known is None:
            assert operation in service(api), (api, operation)
            known = service(api)[operation]
        assert options <= known, (api, operation, options - known)


@pytest.mark.parametrize("name", PAGES)
def test_parameters_of_stacks_exist(name: str) -> None:
    for api, operation, *rest in of(name, "aws"):
        if (api, operation) == ("cloudformation", "deploy"):
            template = read_template(ROOT / rest[rest.index("--template-file") + 1])
            given = {
                word.partition("=")[0]
                for word in rest[rest.index("--parameter-overrides") + 1 :]
                if "=" in word
            }
            needed = {n for n, one in template["Parameters"].items() if "Default" not in one}
            assert needed <= given <= set(template["Parameters"])


@pytest.mark.parametrize("name", [*PAGES, "cost"])
def test_files_and_links_lead_somewhere(name: str) -> None:
    text = page(name)
    named = re.findall(
        r"(?<![\w/.-])((?:deploy|docs|events|src|benchmarks)/[\w./-]+\.(?:yml|json|md|py))", text
    )
    links = re.findall(r"\]\(([^)#\s]+)?(#[\w-]+)?\)", text)

    assert [] == [file for file in named if not (ROOT / file).exists() and "recurly" not in file]
    for file, anchor in links:
        if file.startswith("http"):
            continue
        path = ROOT / "docs" / file if file else ROOT / "docs" / f"{name}.md"
        assert path.exists(), file
        if anchor:
            assert anchor in anchors(path.read_text(encoding="utf-8")), (file, anchor)


def anchors(text: str) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {"#" + re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


def alarms() -> dict[str, str]:
    """Every alarm of the templates, and where its description sends people."""
    found = {}
    for template in ("infra/template.yml", "cicd/target.yml"):
        for name, resource in read_template(ROOT / "deploy" / template)["Resources"].items():
            if resource["Type"] == "AWS::CloudWatch::Alarm":
                found[name] = str(resource["Properties"].get("AlarmDescription", ""))
    return found


def test_every_alarm_says_which_part_of_the_page_to_read() -> None:
    known = anchors(page("operate"))
    found = alarms()

    assert len(found) >= 8
    for name, text in found.items():
        (anchor,) = re.findall(r"docs/operate\.md(#[\w-]+)", text) or [f"none in {text!r}"]
        assert anchor in known, (name, anchor)


def test_every_alert_of_the_page_is_an_alarm() -> None:
    """What nobody can be told of is not explained."""
    part = page("operate").partition("## Alerts")[2].partition("\n## ")[0]
    explained = {
        "#" + title.lower().replace(" ", "-") for title in re.findall(r"^### (.+)$", part, re.MULTILINE)
    }
    told = {anchor for text in alarms().values() for anchor in re.findall(r"docs/operate\.md(#[\w-]+)", text)}

    assert explained == told


def test_every_output_that_the_page_uses_is_there() -> None:
    outputs = read_template(ROOT / "deploy" / "infra" / "template.yml")["Outputs"]
    parameters = read_template(ROOT / "deploy" / "infra" / "template.yml")["Parameters"]
    text = page("deploy")

    assert [] == [
        name
        for name in ("SnowflakeRoleArn", "RecurlyMachine")
        if f"`{name}`" not in text or name not in outputs
    ]
    block = re.search(r"```json\n(.*?)```", text, re.DOTALL)
    assert block is not None
    assert [] == [
        n for n in re.findall(r'"([A-Z]\w+)":', block[1]) if n not in {*parameters, "Parameters", "Tags"}
    ]
