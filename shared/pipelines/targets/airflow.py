"""Compiles a plan for Apache Airflow: one static Python file per pipeline, for Airflow 3 or 2.

The file stands alone: it reads nothing, calls nobody and computes nothing when it is parsed, and brings the few pieces
along that keep decision 7 (airflow_parts.py). Every text of a definition is in it as a literal made by `repr`; what
was written is parsed once before it is given out.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator, Mapping
from functools import cache

from shared.pipelines.names import identifiers
from shared.pipelines.plan import Plan
from shared.pipelines.step import ForEach
from shared.pipelines.targets.airflow_dag import LINES, dag_head, end_of_run, header, names_of, start_of_file
from shared.pipelines.targets.airflow_features import FEATURES
from shared.pipelines.targets.airflow_parts import PARTS, imports_of, text_of, with_needs
from shared.pipelines.targets.airflow_refused import check
from shared.pipelines.targets.airflow_tasks import edges, gated, last_of_all, pool_name, tasks
from shared.pipelines.targets.airflow_text import quoted, variables
from shared.pipelines.targets.airflow_works import Writing
from shared.pipelines.targets.target import Options, Target, TargetName

_OWN = ("ANY", "PIPELINE", "ZONE", "Run", "dag", "run", "step", "item", "annotations")


def compile_airflow(plan: Plan, options: Options) -> Mapping[str, bytes]:
    """`dags/NAME.py`, and `pools/NAME.json` (for `airflow pools import`) where the plan needs pools.

    Raises `Misconfigured` with the place of all that Airflow cannot do.
    """
    check(plan, options)
    found = {f"dags/{plan.name}.py": _source(plan, options).encode()}
    found |= pools_of(plan)
    return found


def _source(plan: Plan, options: Options) -> str:
    writing = writing_of(plan, options)
    body = "".join(tasks(plan.steps, writing, 4))
    between = [f"    {line}\n" for line in edges(plan.steps, writing)]
    body += "".join(between) + ("\n" if between and not writing.last else "") + end_of_run(plan, writing)
    body = body.rstrip("\n") + "\n"
    head = dag_head(plan, writing)
    writing.use("run", "step" if "Step(" in body or "@step(" in body else "run")
    if "step" in writing.parts and "decide" not in with_needs(writing.parts):
        writing.use("undecided")
    if "before" in writing.parts and "decide" not in with_needs(writing.parts):
        writing.use("undecided")
    parts = with_needs(writing.parts)
    version = options.engine_version
    pieces = [text for name in parts if (text := _piece(name, version))]
    start = start_of_file(version, imports_of(parts, version), head + body)
    zone = plan.schedule.timezone if plan.schedule else "UTC"
    names = f"PIPELINE = {quoted(plan.name)}\nZONE = {quoted(zone)}\n"
    about = "# How steps run here. These pieces are the same in every such file; the pipeline itself stands below."
    begin = f"{header(plan, options)}\n{start}\n{names}\n{about}"
    ast.parse(f"{begin}\n{head}{body}")
    return "\n\n\n".join([begin, *pieces, f"{head}{body}"])


@cache
def _piece(name: str, version: int) -> str:
    """The text of a piece, parsed as well: once, for it is the same in all files."""
    text = text_of(name, version)
    ast.parse(text)
    return text


def writing_of(plan: Plan, options: Options) -> Writing:
    """The names of tasks and variables of a file, before anything is written."""
    names = [step.name for step in plan.all_steps()]
    each = [step.name for step in plan.all_steps() if isinstance(step.work, ForEach)]
    names += [f"{name}\0{word}" for name in each for word in ("items", "each")]
    ids = identifiers([*names, "run\0ended"], allowed="A-Za-z0-9_-", first="A-Za-z0-9_", longest=150)
    spelled = variables([*names, "run\0ended"], _reserved())
    behind = gated(plan.steps)
    writing = Writing(plan, options, ids, spelled, behind, last=last_of_all(plan, behind))
    for step in plan.all_steps():  # ruff's AIR001: what is assigned has the name of its task
        if writing.native(step) and spelled[step.name] not in ids.values():
            ids[step.name] = spelled[step.name]
    return writing


@cache
def _reserved() -> frozenset[str]:
    """Names that the pieces and imports of a file have: no step's variable is one of them."""
    return frozenset(_names_of_pieces())


def _names_of_pieces() -> Iterator[str]:
    yield from _OWN
    for part in PARTS.values():
        for node in ast.parse(part.text).body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                yield node.name
            elif isinstance(node, ast.Assign):
                yield from (target.id for target in node.targets if isinstance(target, ast.Name))
        for line in (*part.imports, *part.only_2, *part.only_3):
            yield from names_of(line)
    for line in LINES:
        yield from names_of(line)


def pools_of(plan: Plan) -> Mapping[str, bytes]:
    """`pools/NAME.json`, for `airflow pools import`; nothing where the plan needs none."""
    pools = dict(_pools(plan))
    return {f"pools/{plan.name}.json": (json.dumps(pools, indent=2) + "\n").encode()} if pools else {}


def _pools(plan: Plan) -> Iterator[tuple[str, dict[str, object]]]:
    """Pools by the names that tasks use. What is deferred counts too: it is at work elsewhere."""
    wanted = [(pool.name, pool.slots) for pool in plan.pools]
    for step in plan.all_steps():
        match step.work:
            case ForEach(steps=steps, max_parallel=int(most)) if len(steps) > 1:
                wanted.append((step.name, most))
    if not wanted:
        return
    writing = writing_of(plan, Options())
    for name, slots in wanted:
        yield (
            pool_name(writing, name),
            {"slots": slots, "description": f"of {plan.name}", "include_deferred": True},
        )


AIRFLOW = Target(TargetName.AIRFLOW, compile_airflow, FEATURES, version=3)
