"""`sluice lint`, `sluice graph` and `sluice pipeline`: pipeline definitions, looked at and run here."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from shared.common.errors import SluiceError
from src.cli.app import examples, json_option, verb
from src.cli.outcome import Exit
from src.cli.screen import Screen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from shared.pipelines.levels import SameNames
    from shared.pipelines.plan import Plan

FILES = click.Path(path_type=Path, dir_okay=False)


def same_names_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """`--same-names`: what becomes of a JOB_NAME that a LEVEL file uses twice."""
    return click.option(
        "--same-names",
        type=click.Choice(["levels", "refuse", "qualify"]),
        default="levels",
        show_default=True,
        help="A JOB_NAME that is used twice: with levels it gets the JOB_ID behind it where the levels differ, and is "
        "an error within one; with refuse it is an error anywhere, with qualify nowhere.",
    )(function)


def plan_of(path: Path, same_names: SameNames) -> Plan:
    """The plan of a definition. Raises `Misconfigured` with all that is wrong."""
    from shared.pipelines.read import read_plan

    return read_plan(path, same_names=same_names)


def plans_of(paths: Iterable[Path], same_names: SameNames) -> dict[Path, Callable[[], Plan]]:
    """Gives for each definition its plan, or raises `Misconfigured` with what is wrong with it: also what only shows
    beside the others, a circle of pipelines that wait for each other. Shared defaults give what is wrong with that.
    """
    from shared.pipelines.starts import check_starts

    plans: dict[Path, Plan] = {}
    faults: dict[Path, SluiceError] = {}
    for path in paths:
        try:
            plans[path] = plan_of(path, same_names)
        except SluiceError as error:
            faults[path] = error

    def plan(path: Path) -> Plan:
        if path in faults:
            raise faults[path]
        check_starts(plans[path], plans.values())
        return plans[path]

    return {path: partial(plan, path) for path in (*plans, *faults)}


def warn_of_same_names(screen: Screen, plan: Plan) -> None:
    """Say which steps are called otherwise than their JOB_NAME, because another one has it too."""
    from shared.pipelines.lint import same_names

    for finding in same_names(plan):
        screen.warn(str(finding))


@verb(
    "lint",
    "sluice lint pipelines/orders.yaml",
    "sluice lint pipelines/*.yaml workflows/*.json --strict",
    "sluice lint workflows/demo.json --json",
)
@click.argument("definition", nargs=-1, required=True, type=FILES)
@same_names_option
@click.option("--strict", is_flag=True, help="What is perhaps not meant counts as a fault.")
@json_option
@click.pass_context
def lint(context: click.Context, definition: tuple[Path, ...], same_names: SameNames, strict: bool) -> None:
    """Check pipeline definitions: every fault of every file with its line, and what is perhaps not meant."""
    from shared.pipelines.defaults import names_in
    from shared.pipelines.defaults_place import is_defaults
    from shared.pipelines.lint import lint as look_at
    from shared.pipelines.read import defaults_above

    screen: Screen = context.obj
    answer: list[dict[str, Any]] = []
    wrong = False
    read = plans_of(definition, same_names)
    for path in definition:
        try:
            if is_defaults(path.name) and path.exists():
                defaults_above(path)
                screen.say(f"{path}: shared defaults, nothing to complain about")
                answer.append({"file": str(path), "faults": [], "findings": []})
                continue
            plan = read[path]()
            findings = [str(one) for one in look_at(plan, shared=names_in(defaults_above(path)))]
        except SluiceError as error:
            wrong = True
            screen.warn(str(error))
            answer.append({"file": str(path), "faults": str(error).splitlines(), "findings": []})
            continue
        wrong = wrong or (strict and bool(findings))
        for finding in findings:
            screen.warn(finding)
        if not findings:
            screen.say(f"{path}: {sum(1 for _ in plan.all_steps())} steps, nothing to complain about")
        answer.append({"file": str(path), "pipeline": plan.name, "faults": [], "findings": findings})
    screen.answer(answer)
    if wrong:
        context.exit(Exit.USAGE)


@verb(
    "graph",
    "sluice graph pipelines/orders.yaml",
    "sluice graph pipelines/orders.yaml --format mermaid",
    "sluice graph pipelines/orders.yaml --format svg -o orders.svg",
)
@click.argument("definition", type=FILES)
@click.option(
    "--format", "form", type=click.Choice(["text", "mermaid", "svg"]), default="text", show_default=True
)
@click.option("-o", "--output", type=FILES, help="Write to this file and not to the screen.")
@same_names_option
@click.pass_obj
def graph(screen: Screen, definition: Path, form: str, output: Path | None, same_names: SameNames) -> None:
    """Draw a pipeline: what it does, and what waits for what."""
    from shared.pipelines.draw import as_mermaid, as_svg, as_text_lines

    draw = {"text": as_text_lines, "mermaid": as_mermaid, "svg": as_svg}[form]
    text = draw(plan_of(definition, same_names))
    if output is None:
        screen.say(text.rstrip("\n"))
    else:
        output.write_text(text, encoding="utf-8")
        screen.say(f"written: {output}")


@click.group(
    "pipeline",
    epilog=examples("sluice pipeline run pipelines/orders.yaml", "sluice pipeline run orders.yaml --resume"),
    no_args_is_help=True,
)
def pipeline() -> None:
    """Run pipelines on this machine."""


@verb(
    "run",
    "sluice pipeline run pipelines/orders.yaml",
    "sluice pipeline run pipelines/orders.yaml --param mode=full --param window_days=3",
    "sluice pipeline run orders.yaml --resume        what did not end well, and what is behind it",
    "sluice pipeline run orders.yaml --from load     this step again, and what is behind it",
    "sluice pipeline run demo.json --functions http://127.0.0.1:8080/ --param start_date=2026-01-01",
)
@click.argument("definition", type=FILES)
@click.option("--from", "again", metavar="STEP", help="Go on with the last run, from this step on.")
@click.option("--resume", is_flag=True, help="Go on with the last run where it failed or was stopped.")
@click.option("--param", "params", multiple=True, metavar="NAME=VALUE", help="A parameter; JSON, or text.")
@click.option(
    "--date", "at", metavar="TIME", help="The logical time of the run: 2026-01-01 or with a time. [now]"
)
@click.option(
    "--parallel",
    "most",
    type=click.IntRange(1, 64),
    default=8,
    show_default=True,
    help="Steps at work at once.",
)
@click.option("--wait", is_flag=True, help="Wait for the end of a run of this pipeline that is at work.")
@click.option("--state", type=FILES, help="Where the run is remembered. [.sluice/pipelines/NAME.json]")
@click.option(
    "--functions", metavar="URL", help="Where executor functions of jobs are; their names go behind it."
)
@click.option("--parameters", type=FILES, help="The platform's parameter file, for jobs of LEVEL files.")
@click.option(
    "--notify", is_flag=True, help="Tell those whom the definition names. Without it nobody is told."
)
@same_names_option
@json_option
@click.pass_context
def run(context: click.Context, /, definition: Path, **options: Any) -> None:
    """Run a pipeline on this machine: threads side by side, retries, timeouts, conditions, as engines would.

    Ctrl-C ends what is at work. A run that failed or was stopped goes on with --resume.
    """
    from src.cli.pipeline_run import run_here

    context.exit(run_here(context.obj, definition, **options))


pipeline.add_command(run)


@verb(
    "step",
    "sluice pipeline step step.json",
    """echo '{"step": {"name": "a", "type": "load", "source": "recurly"}}' | sluice pipeline step -""",
)
@click.argument("document", type=click.File("rb"))
@click.option(
    "--functions", metavar="URL", help="Where executor functions of jobs are; their names go behind it."
)
@click.pass_obj
def step(screen: Screen, document: Any, functions: str | None) -> None:
    """Do one step for an engine that does the rest; its output is the last line of stdout, as JSON.

    DOCUMENT is JSON: step (as in a definition), pipeline, run (id, date, time), params, outputs of earlier steps, item.
    The exit code says whose fault a failure is, and so whether trying again makes sense: only 1 may pass by itself.
    """
    from shared.common.documents import read_json_document
    from shared.common.errors import Misconfigured
    from src.cli.stop import Stop
    from src.pipeline.http import Functions
    from src.pipeline.one import run_one
    from src.workplace import Workplace

    screen.json = True
    data = read_json_document(document.read(), file=str(getattr(document, "name", "-"))).data
    if not isinstance(data, dict):
        raise Misconfigured("the document of a step is no JSON object", hint='such as {"step": {…}}')
    place = Workplace.open()
    screen.redactor = place.redactor
    with Stop("ending the step") as stop:
        output = run_one(place, data, functions=Functions(base_url=functions or ""), stop=stop)
    screen.answer({"output": output})


pipeline.add_command(step)
