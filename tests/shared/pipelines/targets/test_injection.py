"""No text of a definition, in whatever field, becomes part of what an engine executes: for every target."""

# ruff: noqa: E501 - a step of a definition is one line

from __future__ import annotations

import ast
import copy
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from yaml import safe_load

from shared.common.errors import Misconfigured
from shared.pipelines.plan import Plan
from shared.pipelines.platform import Platform
from shared.pipelines.read import read_definition
from shared.pipelines.targets.catalogue import target
from shared.pipelines.targets.target import Options, TargetName

MARK = "HOSTILE"
TOLD = {"method": "webhook", "recipients": ["https://hooks.example.com/x"]}
REF = {
    "name": "i",
    "type": "s3",
    "path": "s3://lake/x",
    "query": "q",
    "stream": "t",
    "secret": "K",
    "format": "csv",
}
EVERYWHERE: list[dict[str, Any]] = [
    {"name": "a b", "type": "check", "description": "said", "query": "select 1", "pool": "db"},
    {"name": "copy", "type": "ingestion", "inputs": [REF], "outputs": [REF | {"table": "t"}], "config": {"k": {"x": ["y"]}}},
    {"name": "land", "type": "ingestion", "source": "acme", "streams": ["plans"]},
    {"name": "fill", "type": "load", "source": "acme", "depends_on": ["land"]},
    {"name": "sum", "type": "transformation", "transformation_query": "select ${params.n}", "outputs": [REF | {"table": "t"}]},
    {"name": "ask", "type": "call", "url": "https://x.example.com/a", "method": "POST", "headers": {"H": "v"}, "query": {"q": "v"}, "body": {"k": ["v"]}},
    {"name": "flow", "type": "job", "service": "function", "function": "https://x.example.com/f", "config": {"k": "v"}, "input": {"k": "v"}},
    {"name": "next", "type": "pipeline", "pipeline": "other", "parameters": {"k": {"x": "v"}}},
]  # fmt: skip
NOT_YAML: list[dict[str, Any]] = [
    {"name": "each", "type": "foreach", "items": ["x", {"k": "v"}], "steps": [{"name": "in", "type": "check", "query": "${item}"}]},
    {"name": "if", "type": "check", "query": "q", "condition": "params.m == 'x'", "notifications": {"on_failure": [TOLD]}},
    {"name": "choose", "type": "branch", "condition": "params.m in ['x', 'y']", "then": ["yes"]},
    {"name": "yes", "type": "wait", "duration": "1s"},
]  # fmt: skip
OF_AWS: list[dict[str, Any]] = [
    {"name": "lam", "type": "lambda", "function": "f", "payload": {"k": ["v", "${params.m}!"]}},
]
OWN: dict[TargetName, list[dict[str, Any]]] = {
    TargetName.AIRFLOW: [*EVERYWHERE, *NOT_YAML, *OF_AWS, {"name": "pod", "type": "container", "image": "i", "command": ["c"], "environment": {"E": "v"}}],
    TargetName.STEPFUNCTIONS: [*(one for one in EVERYWHERE if one["name"] != "flow"), *NOT_YAML, *OF_AWS, {"name": "flow", "type": "job", "service": "function", "function": "f", "config": {"k": "v"}}],
    TargetName.WORKFLOWS: [*EVERYWHERE, *NOT_YAML],
    TargetName.DAGFACTORY: [*EVERYWHERE, *OF_AWS],
    TargetName.MERMAID: [*EVERYWHERE, *NOT_YAML, *OF_AWS],
}  # fmt: skip
OPTIONS = Options(Platform("p", "r", intermediate=""))
PIECES = [
    '"', "'", '"""', "\\", "\n", "\r\n", "\u2028", "\u202e", "\x00", "{{ 1 }}", "{% x %}", "{#", "}}", "$HOME", "${HOME}", "$${",
    "${sys.now()}", "}", "$.a", "$$.b", ".$", "States.Format('{}', $)", "*a", "&a", "!!python/object:os", ": ", " #", "- ", "%s", "<br/>",
    "]", ")", '"); import os #', "-->", "subgraph", "é", "\U0001f600", "__type__", " ",
]  # fmt: skip
TEXT = st.builds(
    lambda before, between, after: f"{''.join(before)}{MARK}{''.join(between)}{MARK}{''.join(after)}",
    st.lists(st.sampled_from(PIECES), max_size=3),
    st.lists(st.sampled_from(PIECES), max_size=4),
    st.lists(st.sampled_from(PIECES), max_size=3),
)


def document(name: TargetName) -> dict[str, Any]:
    pipeline = {
        "name": "p", "version": "1", "domain": "sales", "description": "said",
        "owners": [{"name": "me", "email": "me@example.com"}], "pools": {"db": 1}, "parameters": {"n": 1, "m": "x", "o": {"k": ["v"]}},
        "steps": OWN[name],
    }  # fmt: skip
    if name is not TargetName.DAGFACTORY:
        pipeline["notifications"] = {"on_success": [TOLD]}
    return {"pipeline": pipeline, "resources": {"compute_cluster": "c", "storage_location": "s"}}


def texts(data: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where texts stand: values, and the names of what is free."""
    match data:
        case str():
            yield path
        case dict():
            for key, value in data.items():
                yield from texts(value, (*path, key))
        case list():
            for index, value in enumerate(data):
                yield from texts(value, (*path, index))


PATHS = {
    name: [path for path in texts(document(name)) if path[-1] not in ("type", "method")]
    for name in TargetName
}


def with_text(name: TargetName, path: tuple[Any, ...], text: str) -> Plan:
    made = copy.deepcopy(document(name))
    here: Any = made
    for key in path[:-1]:
        here = here[key]
    here[path[-1]] = f"https://x.example.com/{text}" if str(here[path[-1]]).startswith("https:") else text
    return read_definition(json.dumps(made), file="p.yaml")


def leaves(data: Any) -> Iterator[tuple[str, str]]:
    """Every text of a document with the key that it stands at, and every key as such."""
    match data:
        case dict():
            for key, value in data.items():
                yield "", str(key)
                yield from ((key, value),) if isinstance(value, str) else leaves(value)
        case list():
            for value in data:
                yield from (("", value),) if isinstance(value, str) else leaves(value)


def executed(name: TargetName, path: str, data: bytes) -> Iterator[str]:
    """What the engine would execute of an artifact, literals left out."""
    text = data.decode()
    match name:
        case TargetName.AIRFLOW if path.endswith(".py"):
            tree = ast.parse(text)
            for node in ast.walk(tree):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    node.value = ""
            yield ast.unparse(tree)
            yield from (line for line in text.splitlines()[:2] if "coding" in line)
        case TargetName.STEPFUNCTIONS:
            yield from (
                value
                for key, value in leaves(json.loads(text))
                if key.endswith((".$", "Path", "Variable", "Resource"))
            )
        case TargetName.WORKFLOWS:
            expressions = [value for _, value in leaves(json.loads(text)) if "${" in value]
            yield from (re.sub(r'"(?:[^"\\]|\\.)*"', '""', value) for value in expressions)
        case TargetName.DAGFACTORY:
            yield from re.findall(r"\$.*", text)
            tasks = [task for dag in safe_load(text).values() for task in dag.get("tasks", ())]
            rendered = [value for key, value in leaves(tasks) if key not in ("doc_md", "task_id")]
            for value in rendered:  # all else is never given to Jinja
                yield from re.findall(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*", value, re.DOTALL)
        case TargetName.MERMAID:
            yield re.sub(r'"[^"\n]*"', "", text)


def compiled(name: TargetName, path: tuple[Any, ...], text: str) -> dict[str, bytes]:
    """The artifacts; none where the text is none that may stand there, which is said with its place."""
    try:
        return dict(target(name).compile(with_text(name, path, text), OPTIONS))
    except Misconfigured as error:
        if "p.yaml" not in str(error):
            raise
        return {}


def of_names(found: list[str]) -> list[str]:
    """The same with any identifier that is made of a name; texts put together of variables are left out."""
    same = [re.sub(rf"\w*{MARK}\w*", "NAME", one) for one in found]
    return [one for one in same if not re.fullmatch(r"\$\{NAME( \+ NAME)*\}", one)]


@pytest.mark.parametrize("name", TargetName)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_no_text_is_executed_by_an_engine(name: TargetName, data: st.DataObject) -> None:
    path, text = data.draw(st.sampled_from(PATHS[name])), data.draw(TEXT)
    names_a_step = path[-1] == "name" and path[-3:-2] == ("steps",)
    plain = compiled(name, path, MARK) if names_a_step else {}
    for artifact, content in compiled(name, path, text.replace("$${", "${").replace("${", "$${")).items():
        found = [one for one in executed(name, artifact, content) if MARK in one]
        known = [one for one in executed(name, artifact, plain[artifact]) if MARK in one] if plain else []

        assert set() == {*of_names(found)} - {*of_names(known)}, (path, text)


@pytest.mark.parametrize("name", TargetName)
def test_every_document_of_these_compiles_and_most_of_its_texts_arrive(name: TargetName) -> None:
    """So that the test above is one of texts and not of refusals."""
    arrived = 0
    for path in PATHS[name]:
        made = compiled(name, path, f"a {MARK}")
        arrived += any(MARK in content.decode() for content in made.values())

    assert arrived >= (len(PATHS[name]) // 2 if name is not TargetName.MERMAID else 10)
