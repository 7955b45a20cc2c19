"""`sluice generate`: pipeline definitions as artifacts for an engine."""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from shared.common.errors import Misconfigured, SluiceError
from src.cli.app import json_option, verb
from src.cli.outcome import Exit
from src.cli.pipeline import FILES, plans_of, same_names_option, warn_of_same_names

if TYPE_CHECKING:
    from shared.pipelines.levels import SameNames
    from shared.pipelines.targets.target import Options
    from src.cli.screen import Screen

NAMES = ("airflow", "stepfunctions", "workflows", "dagfactory", "mermaid")


@verb(
    "generate",
    "sluice generate airflow pipelines/*.yaml -o dags",
    "sluice generate airflow pipelines/orders.yaml --engine-version 2 --local",
    "sluice generate stepfunctions pipelines/orders.yaml --app sluice-prod -o machines",
    "sluice generate workflows demo.json --parameters platform-dev.json -o workflows",
    "sluice generate airflow pipelines/*.yaml -o dags --check   is there what would be written?",
)
@click.argument("target", type=click.Choice(NAMES))
@click.argument("definition", nargs=-1, required=True, type=FILES)
@click.option("--parameters", type=FILES, help="The platform's parameter file, for jobs of LEVEL files.")
@click.option(
    "--engine-version", type=click.Choice(["3", "2"]), default="3", show_default=True, help="Of Airflow."
)
@click.option("--layout", type=click.IntRange(1), help="The layout of the artifacts. [the newest]")
@click.option(
    "--app", default="sluice", show_default=True, help="The beginning of the names of the functions."
)
@click.option("--local", is_flag=True, help="Steps of this product run its command line on the engine.")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, file_okay=False), default=Path("generated"), show_default=True,
    help="The folder that artifacts are written to.",
)  # fmt: skip
@click.option("--force", is_flag=True, help="Also overwrite files that Sluice has not made.")
@click.option("--check", is_flag=True, help="Write nothing; fail with a diff where files are not up to date.")
@same_names_option
@json_option
@click.pass_context
def generate(
    context: click.Context,
    /,
    target: str,
    definition: tuple[Path, ...],
    same_names: SameNames,
    check: bool,
    force: bool,
    output: Path,
    **said: Any,
) -> None:
    """Compile definitions for an engine: airflow, stepfunctions, workflows, dagfactory, or a mermaid picture.

    What an engine can do is in docs/targets.md. A definition that it cannot express is refused with file and line, and
    nothing of it is written; the others are.
    """
    from shared.pipelines.defaults_place import is_defaults
    from shared.pipelines.targets.catalogue import target as target_by_name

    screen: Screen = context.obj
    found, options = target_by_name(target), options_of(**said)
    answer: list[dict[str, Any]] = []
    owners: dict[str, Path] = {}
    code = Exit.DONE
    read = plans_of(definition, same_names)
    for path in definition:
        if is_defaults(path.name):  # A pattern of the shell names it with the definitions.
            screen.say(f"no pipeline: {path} holds shared defaults")
            continue
        try:
            plan = read[path]()
            warn_of_same_names(screen, plan)
            artifacts = found.compile(plan, options)
            for name in artifacts:
                if owners.setdefault(name, path) != path:
                    raise Misconfigured(
                        f"{path} would write {name}, which is that of {owners[name]}",
                        hint="pipelines need names of their own",
                    )
            if not (check or force):
                _refuse_foreign(output, artifacts)
        except SluiceError as error:
            code = Exit.USAGE
            screen.warn(str(error))
            answer.append({"file": str(path), "faults": str(error).splitlines(), "artifacts": []})
            continue
        stale = _differences(screen, output, artifacts) if check else _write(screen, output, artifacts)
        if check and stale and code is Exit.DONE:
            code = Exit.FAILED
        answer.append({"file": str(path), "faults": [], "artifacts": sorted(artifacts), "stale": stale})
    screen.answer(answer)
    if code is not Exit.DONE:
        context.exit(code)


def options_of(
    *, parameters: Path | None, engine_version: str, layout: int | None, app: str, local: bool
) -> Options:
    """The options of a compilation. Raises `Misconfigured`."""
    from shared.pipelines.platform import Platform, read_platform
    from shared.pipelines.targets.target import LAYOUT, Options

    platform = Platform()
    if parameters is not None:
        try:
            platform = read_platform(parameters.read_bytes(), file=str(parameters))
        except OSError as error:
            raise Misconfigured(f"{parameters} cannot be read: {error.strerror}") from None
    if layout is not None and layout > LAYOUT:
        raise Misconfigured(f"layout {layout} is not known", hint=f"known: 1 to {LAYOUT}")
    return Options(platform, int(engine_version), layout or LAYOUT, local, app)


def _refuse_foreign(folder: Path, artifacts: Mapping[str, bytes]) -> None:
    """Raises `Misconfigured` where a file of that name is there that somebody has written by hand.

    It shows in formats whose artifacts say who made them.
    """
    from shared.pipelines.targets.target import says_who_made_it

    for name, content in sorted(artifacts.items()):
        path = folder / name
        if says_who_made_it(content) and path.is_file() and not says_who_made_it(path.read_bytes()):
            raise Misconfigured(
                f"{path} is there, and Sluice has not made it",
                hint="name the pipeline otherwise, move the file away, or say --force",
            )


def _write(screen: Screen, folder: Path, artifacts: Mapping[str, bytes]) -> list[str]:
    """Write what is not there as it is; the names of those."""
    written = []
    for name, content in sorted(artifacts.items()):
        path = folder / name
        if path.is_file() and path.read_bytes() == content:
            screen.say(f"unchanged: {path}")
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch = path.with_name(f".{path.name}.{os.getpid()}")
        scratch.write_bytes(content)
        scratch.replace(path)
        written.append(name)
        screen.say(f"written: {path}")
    return written


def _differences(screen: Screen, folder: Path, artifacts: Mapping[str, bytes]) -> list[str]:
    """Show how files differ from what would be written; the names of those."""
    stale = []
    for name, content in sorted(artifacts.items()):
        path = folder / name
        there = path.read_bytes() if path.is_file() else b""
        if there == content and path.is_file():
            continue
        stale.append(name)
        lines = difflib.unified_diff(
            there.decode("utf-8", "replace").splitlines(),
            content.decode().splitlines(),
            str(path) if path.is_file() else "/dev/null",
            f"{path} (as it should be)",
            lineterm="",
        )
        for line in lines:
            screen.say(line)
    return stale
