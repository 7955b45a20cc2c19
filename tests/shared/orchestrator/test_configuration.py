"""Documents of the dispatcher: what is read, and where a mistake is."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from pydantic import Field

from shared.common.errors import Misconfigured
from shared.orchestrator.configuration import Configuration, Kinds, read_configuration
from shared.orchestrator.doors import Input, Process
from shared.orchestrator.event import Operation
from shared.orchestrator.settings import InputSettings, ProcessSettings, Surroundings


class Bell(InputSettings):
    type: Literal["bell"]

    def open(self, around: Surroundings) -> Input:
        raise NotImplementedError


class Whistle(InputSettings):
    type: Literal["whistle"]
    tone: int = 1


class Context(ProcessSettings):
    type: Literal["print"]
    execution_context: dict[str, Any] = Field(default_factory=dict)

    def open(self, around: Surroundings) -> Process:
        raise NotImplementedError


KINDS = Kinds([Bell, Whistle], [Context])
TOML = """\
[[input]]
name = "raw_writes"
type = "bell"
connection_string = "here"
operation = ["insert", "Remove"]

[[process]]
name = "raw_to_cleansed"
type = "print"
[process.execution_context]
image = "an/image"

[[process]]
name = "after"
type = "print"
concurrency = 2
retry = { attempts = 3, backoff = 0.5 }

[[links]]
from = "raw_writes"
to = ["raw_to_cleansed"]
where = "payload.precipitation >= `0`"

[[links]]
from = "raw_to_cleansed"
to = "after"
location = "raw.*"
"""
YAML = """\
input:
  - { name: raw_writes, type: bell, connection_string: here, operation: [insert, Remove] }
process:
  - { name: raw_to_cleansed, type: print, execution_context: { image: an/image } }
  - { name: after, type: print, concurrency: 2, retry: { attempts: 3, backoff: 0.5 } }
links:
  - { from: raw_writes, to: [raw_to_cleansed], where: payload.precipitation >= `0` }
  - { from: raw_to_cleansed, to: after, location: raw.* }
"""


def read(text: str, file: str = "dispatch.toml") -> Configuration:
    return KINDS.parse(read_configuration(text, file=file))


def test_toml_and_yaml_say_the_same() -> None:
    found = read(TOML)

    assert found == read(YAML, "dispatch.yml")
    assert (Operation.CREATE, Operation.DELETE) == found.input[0].operation
    assert (2, 3) == (found.process[1].concurrency, found.process[1].retry.attempts)
    assert ("raw_to_cleansed", "after") == found.graph().reachable("raw_writes")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('type = "bell"', 'type = "bel"', 'dispatch.toml:3:8 .*"bel".*did you mean "bell"'),
        ("connection_string", "conection_string", 'dispatch.toml:4:1 .*unknown key "conection_string"'),
        ('"Remove"', '"x"', 'dispatch.toml:5:24 .*Unknown operation "x"'),
        ("concurrency = 2", "concurrency = 0", "dispatch.toml:16:15 .*concurrency"),
        ("attempts = 3", "atempts = 3", 'dispatch.toml:17:11 .*unknown key "atempts"'),
        ('from = "raw_writes"', 'from = "raw_write"', 'dispatch.toml:20:8 unknown input or process "raw_write"; '
         'did you mean "raw_writes"'),
        ('to = "after"', 'to = "afer"', 'dispatch.toml:26:6 unknown process "afer"; did you mean "after"'),
        ('to = "after"', 'to = "raw_writes"', "dispatch.toml:26:6 .*raw_writes is an input"),
        ('to = "after"', 'to = "raw_to_cleansed"', "dispatch.toml:26:6 processes lead in a circle: raw_to_"),
        ('>= `0`"', '>= `0"', "dispatch.toml:22:9 .*is no JMESPath expression"),
        ('name = "after"', 'name = "raw_writes"', 'dispatch.toml:14:8 the name "raw_writes" is taken; '
         "the first is at dispatch.toml:2:8"),
        ("concurrency = 2", "concurrency = 2 2", "dispatch.toml:16:17 "),
        ("concurrency = 2", "concurrency = 2026-11-20", "dispatch.toml:16:15 dates and times are read as text"),
    ],
)  # fmt: skip
def test_faults_are_told_with_file_line_and_column(old: str, new: str, message: str) -> None:
    with pytest.raises(Misconfigured, match=message.replace("dispatch.toml", r"dispatch\.toml")):
        read(TOML.replace(old, new))


def test_all_faults_are_told_at_once() -> None:
    text = TOML.replace('to = "after"', 'to = "afer"').replace('from = "raw_writes"', 'from = "row_writes"')
    with pytest.raises(Misconfigured) as raised:
        read(text)

    assert 2 == len(raised.value.message.splitlines())


def test_links_to_nowhere_are_told_beside_settings_that_are_wrong() -> None:
    text = TOML.replace('to = "after"', 'to = "afer"').replace('type = "bell"', 'type = "bel"')
    with pytest.raises(Misconfigured) as raised:
        read(text)

    assert ["dispatch.toml:3:8", "dispatch.toml:26:6"] == [
        line.split()[0] for line in raised.value.message.splitlines()
    ]


def test_circles_twins_and_names_are_told_beside_kinds_that_are_unknown() -> None:
    text = """\
input:
  - { name: a, type: nix, paused: 7 }
process:
  - { name: b, type: print }
  - { name: c, type: print, bogus: 1 }
  - { name: b, type: print }
links:
  - { from: b, to: c }
  - { from: [a, a], to: b }
  - { from: c, to: b }
  - { from: [nix, c], to: c }
  - { from: b, to: c, operation: insert }
  - { from: b, to: c }
"""
    with pytest.raises(Misconfigured) as raised:
        read(text, "d.yml")

    assert [
        'd.yml:2:22 input[0].type: unknown value "nix"',
        "d.yml:2:35 input[0].paused: expected true or false, got number 7",
        'd.yml:5:29 process[1]: unknown key "bogus"',
        'd.yml:6:13 the name "b" is taken',
        "d.yml:9:5 the link from a to b is there already, in its own lists",
        "d.yml:10:20 processes lead in a circle: b -> c -> b",
        'd.yml:11:13 unknown input or process "nix"',
        "d.yml:11:27 processes lead in a circle: c -> c",
        "d.yml:13:5 the link from b to c is there already, at d.yml:8:5",
    ] == [line.partition(";")[0] for line in raised.value.message.splitlines()]


@pytest.mark.parametrize(
    "text", ["[]", "input: 3", "input: [3]", "links: [3]", "links: [{from: 3, to: [3]}]", "process: [{}]"]
)
def test_what_is_no_document_at_all_is_told(text: str) -> None:
    with pytest.raises(Misconfigured, match=r"dispatch\.yml:1:"):
        read(text, "dispatch.yml")


def test_a_name_that_is_not_set_is_told_when_a_node_is_opened() -> None:
    around = Surroundings(words={"HOST": "db"})

    assert "postgresql://db/x$y" == around.filled("postgresql://${HOST}/x$$y")
    with pytest.raises(Misconfigured, match=r"\$\{PORT\} is not set"):
        around.filled("${HOST}:${PORT}")
