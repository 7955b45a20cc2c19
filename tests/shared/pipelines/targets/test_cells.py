"""docs/targets.md cell by cell: every feature on every target does what is said there, or is refused with its place."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from yaml import safe_load

from shared.common.errors import Misconfigured
from shared.pipelines.draw import as_text_lines
from shared.pipelines.platform import Platform
from shared.pipelines.read import read_definition
from shared.pipelines.targets.catalogue import target
from shared.pipelines.targets.target import Feature, Level, Options, TargetName
from tests.shared.pipelines.targets.cells.engines import OPTIONS, artifacts, step_functions, workflows
from tests.shared.pipelines.targets.cells.example import check
from tests.shared.pipelines.targets.cells.flow import check_run_fields
from tests.shared.pipelines.targets.cells.table import (
    EXAMPLES,
    HEAD,
    LOOKED_AT,
    NOT_RUN,
    PARTLY,
    READS,
    REFUSED,
    Cell,
    Reads,
)
from tests.shared.pipelines.targets.cells.world import World
from tests.shared.pipelines.targets.emulator import Emulator
from tests.shared.pipelines.targets.machines import Machines

CELLS = [(feature, name) for feature in Feature for name in TargetName]


def known(cells: list[Cell]) -> Any:
    return pytest.mark.parametrize(
        "cell", cells, ids=lambda cell: f"{cell[1]}-{cell[0].name.lower()}" if cell else ""
    )


def level(cell: Cell) -> Level:
    return target(cell[1]).features[cell[0]].level


def test_no_feature_is_without_a_case() -> None:
    refused = {cell for cell in CELLS if level(cell) is Level.REFUSED}

    assert set(Feature) == set(EXAMPLES)
    assert refused == set(REFUSED)
    for feature in Feature:
        assert EXAMPLES[feature].picture
    for cell in [*((f, name) for f in LOOKED_AT for name in TargetName), *NOT_RUN]:
        assert cell in READS or cell in REFUSED or cell[1] is TargetName.MERMAID, cell


@known(sorted(REFUSED))
def test_what_is_refused_says_where_and_what_to_do(cell: Cell) -> None:
    feature, name = cell
    with pytest.raises(Misconfigured) as caught:
        artifacts(EXAMPLES[feature], name)

    line = EXAMPLES[feature].line_of(REFUSED[cell].at)
    (said, *_) = [text for text in str(caught.value).splitlines() if text.startswith(f"p.yaml:{line}:")]
    assert re.search(REFUSED[cell].says, said), said


@pytest.mark.parametrize("what", PARTLY)
def test_what_is_refused_in_part_says_where_and_what_to_do(what: str) -> None:
    (feature, name), text, refused = PARTLY[what]
    options = Options(Platform("p", "r")) if name is TargetName.WORKFLOWS else OPTIONS[name]
    line = next(number for number, one in enumerate((HEAD + text).splitlines(), start=1) if refused.at in one)
    with pytest.raises(Misconfigured) as caught:
        target(name).compile(read_definition(HEAD + text, file="p.yaml"), options)

    assert level((feature, name)) is not Level.REFUSED
    (said, *_) = [text for text in str(caught.value).splitlines() if text.startswith(f"p.yaml:{line}:")]
    assert re.search(re.escape(refused.says), said), said


def found(made: dict[str, bytes], reads: Reads) -> Any:
    (data,) = [data for name, data in made.items() if name == reads.artifact]
    if reads.artifact.endswith(".py"):
        return reads.path if reads.path in data.decode() else data.decode()
    document = safe_load(data) if reads.artifact.endswith(".yaml") else json.loads(data)
    first, _, rest = reads.path.partition("/")
    here = (
        list(_anywhere(document, rest.split("/"))) if first == "*" else [_at(document, reads.path.split("/"))]
    )
    if isinstance(reads.value, int) and here and isinstance(here[0], list):
        return len(here[0])
    if isinstance(reads.value, str) and isinstance(here[0], str) and reads.value in here[0]:
        return reads.value
    return here[0]


def _at(data: Any, path: list[str]) -> Any:
    for key in path:
        data = data[int(key)] if isinstance(data, list) else data[key]
    return data


def _anywhere(data: Any, path: list[str]) -> Iterator[Any]:
    if isinstance(data, dict):
        if path[0] in data:
            yield _at(data, path)
        for value in data.values():
            yield from _anywhere(value, path)
    elif isinstance(data, list):
        for value in data:
            yield from _anywhere(value, path)


@known(sorted(READS))
def test_what_no_run_shows_is_in_the_artifact(cell: Cell) -> None:
    feature, name = cell
    made = artifacts(EXAMPLES[feature], name)

    for reads in READS[cell]:
        assert (reads.path if reads.value is None else reads.value) == found(made, reads)


@known([cell for cell in CELLS if cell not in REFUSED])
def test_what_is_not_refused_compiles_to_the_same_bytes_again(cell: Cell) -> None:
    feature, name = cell
    local = cell == (Feature.CONTAINER, TargetName.DAGFACTORY)
    made = artifacts(EXAMPLES[feature], name, local=local)

    assert made
    assert made == artifacts(EXAMPLES[feature], name, local=local)
    for path, data in made.items():
        if path.endswith(".json"):
            json.loads(data)


@pytest.mark.parametrize("feature", Feature, ids=lambda feature: feature.name.lower())
def test_what_the_picture_does_not_draw_the_graph_says_in_text(feature: Feature) -> None:
    example = EXAMPLES[feature]
    drawn = level((feature, TargetName.MERMAID)) is Level.SUPPORTED
    (picture,) = artifacts(example, TargetName.MERMAID).values()
    text = picture.decode() if drawn else as_text_lines(example.plan(TargetName.MERMAID))

    assert example.picture in text


def runs_on(name: TargetName) -> Any:
    features = [feature for feature in Feature if (feature, name) not in REFUSED]
    return pytest.mark.parametrize("feature", features, ids=lambda feature: feature.name.lower())


@runs_on(TargetName.STEPFUNCTIONS)
def test_step_functions_does_it(aws: Machines, feature: Feature) -> None:
    seen = step_functions(EXAMPLES[feature], aws, World())

    check(EXAMPLES[feature], seen, TargetName.STEPFUNCTIONS)
    if feature is Feature.RUN_FIELDS:
        check_run_fields(seen.asked)


@runs_on(TargetName.WORKFLOWS)
def test_workflows_does_it(google: Emulator, feature: Feature) -> None:
    seen = workflows(EXAMPLES[feature], google, World())

    check(EXAMPLES[feature], seen, TargetName.WORKFLOWS)
    if feature is Feature.RUN_FIELDS:
        check_run_fields(seen.asked)
