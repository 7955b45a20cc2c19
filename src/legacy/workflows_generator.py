"""`python3 workflows_generator.py DEFINITION PARAMETERS OUTPUT True|False`, as pipelines of CI call it.

The fourth says whether this runs in CI/CD: with True the parameters file lies beside this program, with False in the
working directory. OUTPUT is the workflow; for a definition of the engine composer it is the DAG of Airflow. A JOB_NAME
that comes back in a later level is told apart by its JOB_ID, and stderr says so. Exit codes: 0 written, 1 refused (the
reasons are on stderr, nothing is written), 2 a wrong command line.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:  # it is called by its path, from anywhere
    sys.path.insert(0, str(ROOT))

USAGE = "usage: python3 workflows_generator.py <definition.json> <parameters.json> <output> <True|False>\n"
FLAGS = {"true": True, "false": False}


def main(arguments: Sequence[str]) -> int:
    """Compile one definition. Returns the exit code."""
    if len(arguments) != 4 or arguments[3].lower() not in FLAGS:
        sys.stderr.write(USAGE)
        return 2
    from shared.common.errors import Misconfigured

    definition, parameters, output, flag = arguments
    folder = Path(__file__).parent if FLAGS[flag.lower()] else Path()
    try:
        content = compiled(Path(definition), folder / parameters)
    except Misconfigured as error:
        sys.stderr.write(f"{error}\n")
        return 1
    Path(output).write_bytes(content)
    return 0


def compiled(definition: Path, parameters: Path) -> bytes:
    """The artifact of a definition; of names that are there twice it warns on stderr. Raises `Misconfigured`."""
    from shared.common.errors import Misconfigured
    from shared.pipelines.lint import same_names
    from shared.pipelines.plan import Engine
    from shared.pipelines.platform import read_platform
    from shared.pipelines.read import read_plan
    from shared.pipelines.targets.catalogue import target
    from shared.pipelines.targets.target import Options

    try:
        platform = read_platform(parameters.read_bytes(), file=str(parameters))
    except OSError as error:
        raise Misconfigured(f"{parameters} cannot be read: {error.strerror}") from None
    plan = read_plan(definition)
    for finding in same_names(plan):
        sys.stderr.write(f"warning: {finding}\n")
    name, end = ("airflow", ".py") if plan.engine is Engine.COMPOSER else ("workflows", ".workflows.json")
    artifacts = target(name).compile(plan, Options(platform))
    (content,) = [content for path, content in artifacts.items() if path.endswith(end)]
    return content


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
