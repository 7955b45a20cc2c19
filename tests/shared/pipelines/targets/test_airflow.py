"""Files for Airflow: what is in them, that no text breaks out, what is refused. Airflow itself is in tests/oracle."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from yaml import safe_dump

from shared.common.errors import Misconfigured
from shared.pipelines.plan import Plan
from shared.pipelines.platform import Platform
from shared.pipelines.read import read_definition, read_plan
from shared.pipelines.targets.airflow import AIRFLOW
from shared.pipelines.targets.airflow_dag import LINES, names_of
from shared.pipelines.targets.airflow_parts import PARTS, text_of
from shared.pipelines.targets.target import Feature, Options

ROOT = Path(__file__).parents[4]
PLATFORM = Platform(project="p", region="r", intermediate="between")


def yaml(*steps: dict[str, Any], **keys: Any) -> Plan:
    """A plan of steps in the YAML form."""
    document = {"pipeline": {"name": "orders", **keys, "steps": list(steps)}}
    return read_definition(safe_dump(document, width=10_000, sort_keys=False), file="orders.yaml")


def source(plan: Plan, **options: Any) -> str:
    """The Python file of a plan."""
    made = AIRFLOW.compile(plan, Options(platform=PLATFORM, **options))
    return made[f"dags/{plan.name}.py"].decode()


def calls(text: str, name: str) -> list[ast.Call]:
    """The calls of a function, outside of the pieces that every file has."""
    *_, pipeline = ast.parse(text).body
    found = [node for node in ast.walk(pipeline) if isinstance(node, ast.Call)]
    return [node for node in found if ast.unparse(node.func) == name]


def lamb(name: str, **keys: Any) -> dict[str, Any]:
    return {"name": name, "type": "lambda", "function": "f", **keys}


def tasks(text: str) -> list[str]:
    return [ast.literal_eval(call.args[0]) for call in calls(text, "step")]


def plans(folder: Path) -> list[Plan]:
    files = [*(folder / "definitions").glob("*.yaml"), *(folder / "aef").glob("definitions-*/*.json")]
    return [read_plan(file, same_names="qualify") for file in sorted(files)]


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("local", [False, True])
def test_every_published_definition_becomes_one_file_that_is_python(
    samples: Path, version: int, local: bool
) -> None:
    options = Options(platform=PLATFORM, engine_version=version, local=local)
    glued = (ROOT / "tests/shared/pipelines/every_key.yaml").read_text()
    glued = glued.replace("service: dataflow", "service: glue").replace(
        ', input: "${steps.shrink.output}"', ""
    )
    for plan in [*plans(samples), read_definition(glued, file="every.yaml")]:
        if plan.file.endswith("own.yaml"):
            continue  # the same as the last one, before its job can be done by Airflow
        made = AIRFLOW.compile(plan, options)
        tree = ast.parse(made[f"dags/{plan.name}.py"])

        assert ast.unparse(tree.body[-1]).startswith(f"with DAG(dag_id='{plan.name}'")


def test_every_feature_has_an_answer() -> None:
    assert set(Feature) == set(AIRFLOW.features)


@pytest.mark.parametrize("version", [2, 3])
def test_every_piece_is_python_and_names_the_pieces_that_it_calls(version: int) -> None:
    trees = {name: ast.parse(text_of(name, version)) for name in PARTS}
    made = {
        node.name: name
        for name, tree in trees.items()
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and name != "undecided"
    }

    def all_needs(name: str) -> set[str]:
        return {name}.union(*(all_needs(other) for other in PARTS[name].needs))

    for name, tree in trees.items():
        called = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
        used = {func.id for func in called if isinstance(func, ast.Name)}
        wanted = {made[one] for one in used & set(made)} - {"decide"}  # `decide` is there in one of two forms

        assert set() == wanted - all_needs(name) - {"run"}


def test_the_head_names_definition_version_and_digest_and_nothing_in_the_first_two_lines() -> None:
    plan = yaml(lamb("a"), version="1.0\n# coding: utf-7")
    first, second, third, fourth, *_ = source(plan).splitlines()

    assert "coding" not in first + second
    assert '# pipeline "orders", version "1.0\\n# coding: utf-7", of "orders.yaml"' == third
    assert f"# digest {plan.digest()}, for Airflow 3, layout 1" == fourth


def test_a_plain_pipeline_reads_as_a_person_would_write_it() -> None:
    plan = yaml(
        lamb("extract", payload={"day": "${run.date}"}, retries={"count": 2, "delay": "10s", "backoff": 1}),
        lamb("load it", depends_on=["extract"], payload={"rows": "${steps.extract.output.rows}"}),
        schedule={"type": "cron", "expression": "0 3 * * *"},
    )
    text = source(plan)
    pipeline = text[text.index("with DAG(") :]

    assert (
        pipeline[pipeline.index("    @step") :]
        == """\
    @step("extract", retries=2, retry_delay=timedelta(seconds=10))
    def extract(run):
        return invoke("f", {"day": run.date})

    @step("load_it", outlets=[Asset("sluice://pipelines/orders")])
    def load_it(run):
        return invoke("f", {"rows": run.output("extract", "rows")})

    extract >> load_it
"""
    )


def test_only_steps_that_may_be_skipped_or_go_on_after_a_failure_decide_by_themselves() -> None:
    plan = yaml(
        lamb("a"),
        lamb("b", depends_on=["a"], continue_if_fail=True),
        lamb("c", depends_on=["b"]),
        lamb("d", depends_on=["a"]),
    )
    found = {
        ast.literal_eval(call.args[0]): {k.arg for k in call.keywords} for call in calls(source(plan), "step")
    }

    assert {"a": set(), "b": set(), "d": set()} == {name: found[name] for name in "abd"}
    assert {"trigger_rule", "needs"} == found["c"]
    assert "run_ended" in found


@pytest.mark.parametrize(
    "word", ["class", "print", "run", "step", "dag", "Step", "1st", "run_ended", "__x", "ü", "a-b", "match"]
)
def test_any_name_is_a_task_and_a_variable_of_its_own(word: str) -> None:
    text = source(yaml(lamb(word), lamb(f"{word} "[:-1] + "!"), lamb("x y", depends_on=[word]), lamb("x-y")))
    compile(text, "orders.py", "exec")
    functions = [
        node.name for node in ast.walk(ast.parse(text).body[-1]) if isinstance(node, ast.FunctionDef)
    ]

    assert 5 == len(set(tasks(text))) == len(set(functions))
    assert not {"run", "step", "print"} & set(functions)


@pytest.mark.parametrize("version", [2, 3])
def test_no_step_takes_a_name_that_the_file_has_already(version: int) -> None:
    """Steps are called as all that a file can bind, and each of those names is still bound once."""
    about: dict[str, Any] = {
        "schedule": {"type": "event", "expression": "pipeline:other"}, "parameters": {"day": 1},
        "notifications": {"on_failure": [{"method": "slack", "channel": "#x"}]},
    }  # fmt: skip
    words = {name for line in LINES for name in names_of(line)} | set(
        _bound(source(yaml(lamb("a"), **about)))
    )
    for part in PARTS:
        words |= set(_bound(text_of(part, version)))
    names = [word for word in sorted(words) if word != "_"]
    bound = _bound(source(yaml(*(lamb(name) for name in names), **about), engine_version=version))

    assert {"Asset", "timezone", "Param", "Run", "annotations"} <= words
    assert [] == [name for name, times in Counter(bound).items() if times > 1]


def _bound(text: str) -> list[str]:
    """The names that a file binds at its top and in its `with` blocks."""
    found, open_blocks = _imported(text), [ast.parse(text).body]
    while open_blocks:
        for node in open_blocks.pop():
            match node:
                case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                    found.append(name)
                case ast.Assign(targets=targets):
                    found += [target.id for target in targets if isinstance(target, ast.Name)]
                case ast.With(body=body):
                    open_blocks.append(body)
    return found


def _imported(text: str) -> list[str]:
    nodes = [node for node in ast.parse(text).body if isinstance(node, ast.Import | ast.ImportFrom)]
    return [(name.asname or name.name).partition(".")[0] for node in nodes for name in node.names]


def test_a_job_of_levels_is_called_by_way_of_the_platform_and_polled_as_long_as_it_says() -> None:
    step = {
        "JOB_ID": "J1", "JOB_NAME": "a-b", "TYPE": "async", "FUNCTION_ID_NAME": "starter",
        "FUNCTION_STATUS_NAME": "asker", "WAIT_TIME_SECONDS": "20", "ASYNC_TIMEOUT_LOOP_IN_MINUTES": "12",
        "COMPOSER_STEP": "dataform-tag-executor", "STEP_PROPERTIES": '{"x": "{{ 1 }}"}',
    }  # fmt: skip
    document = [{"LEVEL_ID": "1", "THREADS": [{"THREAD_ID": "1", "STEPS": [step]}]}]
    (call,) = calls(source(read_definition(json.dumps(document), file="w.json")), "function_job")
    base = "https://r-p.cloudfunctions.net/"

    assert [f"{base}dataform-tag-executor"] * 2 == [ast.literal_eval(one) for one in call.args[1:]]
    assert {
        "every": 20.0,
        "longest": 720.0,
        "job": {
            "name": "a-b",
            "properties": {"x": "{{ 1 }}"},
            "by_way_of": f"{base}between",
            "seconds": 60.0,
        },
    } == {one.arg: ast.literal_eval(one.value) for one in call.keywords}


def test_pools_are_written_for_an_import_of_pools() -> None:
    inner = [lamb("i"), lamb("j", depends_on=["i"])]
    each = {"name": "each", "type": "foreach", "items": "${params.x}", "max_parallel": 3, "steps": inner}
    plan = yaml(lamb("a", pool="db"), each, pools={"db": 2}, parameters={"x": [1]})
    made = AIRFLOW.compile(plan, Options())

    assert {"orders.db": 2, "orders.each": 3} == {
        name: one["slots"] for name, one in json.loads(made["pools/orders.json"]).items()
    }


REFUSED: dict[str, dict[str, Any]] = {
    "a job of dataflow needs an executor function": {"name": "a", "type": "job", "service": "dataflow", "job": "x"},
    'nobody knows where function "x" is': {"name": "a", "type": "job", "service": "function", "function": "x"},
    "a foreach inside of another one": {
        "name": "a", "type": "foreach", "items": [],
        "steps": [{"name": "b", "type": "foreach", "items": [], "steps": [lamb("c")]}],
    },
    "a pipeline is not started for each item": {
        "name": "a", "type": "foreach", "items": [], "steps": [{"name": "b", "type": "pipeline", "pipeline": "p"}],
    },
    "such a job takes no input": {"name": "a", "type": "job", "service": "glue", "job": "x", "input": "${run.id}"},
}  # fmt: skip


@pytest.mark.parametrize("said", REFUSED)
def test_what_airflow_cannot_do_is_refused_with_its_place(said: str) -> None:
    plan = yaml(REFUSED[said])

    with pytest.raises(Misconfigured, match=rf"orders\.yaml:\d+:\d+ .*{said}"):
        AIRFLOW.compile(plan, Options())


@pytest.mark.parametrize("options", [Options(engine_version=1), Options(layout=2)])
def test_unknown_versions_are_refused(options: Options) -> None:
    with pytest.raises(Misconfigured, match="known: "):
        AIRFLOW.compile(yaml(lamb("a")), options)


TEXT = st.text(st.characters(codec="utf-8"), max_size=40) | st.sampled_from(
    [
        '"""',
        "'''",
        "\\",
        '"); import os #',
        "${run.id",
        "{{ x }}",
        "x.md",
        "\u2028",
        "\u202e",
        "a\nb\r\nc",
        "%s",
        "{}",
    ]
)
NAME = st.text(st.characters(categories=("L", "N", "P", "S")), min_size=1, max_size=20)
DATA = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)


def escaped(data: Any) -> Any:
    """Data as a definition writes it, so that no text is a reference."""
    match data:
        case str():
            return data.replace("${", "$${")
        case list():
            return [escaped(item) for item in data]
        case dict():
            return {key: escaped(item) for key, item in data.items()}
    return data


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    names=st.lists(NAME, min_size=2, max_size=2, unique=True),
    payload=DATA,
    said=TEXT,
    default=DATA,
    name=NAME,
)
def test_no_text_breaks_out_of_its_literal(
    names: list[str], payload: Any, said: str, default: Any, name: str
) -> None:
    told = {"on_failure": [{"method": "slack", "channel": said or "x"}]}
    plan = yaml(
        lamb(names[0], payload=escaped(payload), description=said, notifications=told),
        lamb(names[1], depends_on=[names[0]], payload={"x": f"${{params[{json.dumps(name)}]}}"}),
        description=said, domain=said, owners=[{"name": said or "x"}], parameters={name: default},
    )  # fmt: skip
    text = source(plan)
    first, second = calls(text, "invoke")
    (dag,) = calls(text, "DAG")
    given = {one.arg: one.value for one in dag.keywords}
    (step, _) = [call for call in calls(text, "step") if call.args][:2]
    settings_of_step = {one.arg: one.value for one in step.keywords}

    assert payload == ast.literal_eval(first.args[1])
    assert f"run.param({name!r})" == ast.unparse(second.args[1]).removeprefix("{'x': ").removesuffix("}")
    assert said == (ast.literal_eval(given["description"]) if said else "")
    assert {"owner": said or "x"} == ast.literal_eval(given["default_args"])
    params = given["params"]
    assert isinstance(params, ast.Dict)
    assert {name: default} == {
        ast.literal_eval(key): ast.literal_eval(value.args[0])
        for key, value in zip(params.keys, params.values, strict=True)
        if key is not None and isinstance(value, ast.Call)
    }
    assert not said or said == ast.literal_eval(settings_of_step["doc_md"])
    assert (said or "x") == ast.literal_eval(calls(text, "tell")[0].args[2])
    assert not ast.literal_eval(given["doc_md"]).endswith(".md")


def test_the_same_definition_is_the_same_bytes_anywhere(tmp_path: Path) -> None:
    program = (
        "import sys, hashlib; sys.path.insert(0, sys.argv[1])\n"
        "from pathlib import Path\n"
        "from shared.pipelines.read import read_definition\n"
        "from shared.pipelines.platform import Platform\n"
        "from shared.pipelines.targets.target import Options\n"
        "from shared.pipelines.targets.airflow import AIRFLOW\n"
        "text = Path(sys.argv[1], 'tests/shared/pipelines/every_key.yaml').read_text(encoding='utf-8')\n"
        "text = text.replace('service: dataflow', 'service: glue').replace(', input: \"${steps.shrink.output}\"', '')\n"
        "made = AIRFLOW.compile(read_definition(text, file='e.yaml'), Options(platform=Platform('p', 'r')))\n"
        "print([(name, hashlib.sha256(data).hexdigest()) for name, data in made.items()])\n"
    )

    def run(folder: Path, seed: str, locale: str) -> str:
        env = {**os.environ, "PYTHONHASHSEED": seed, "LC_ALL": locale, "TZ": "Asia/Tokyo"}
        words = [sys.executable, "-c", program, str(ROOT)]
        return subprocess.run(words, cwd=folder, env=env, check=True, capture_output=True, text=True).stdout

    assert run(tmp_path, "1", "C") == run(ROOT, "2", "C.UTF-8")
