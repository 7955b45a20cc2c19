"""The same definition is the same bytes for every target: from any folder, hash seed, locale and time zone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from shared.pipelines.targets.target import TargetName
from tests.shared.pipelines.conftest import job, levels

ROOT = Path(__file__).parents[4]
PROGRAM = """
import hashlib, json, sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from shared.common.errors import Misconfigured
from shared.pipelines.platform import Platform
from shared.pipelines.read import read_plan
from shared.pipelines.targets.catalogue import targets
from shared.pipelines.targets.target import Options
from tests.shared.pipelines.targets.cells.table import EXAMPLES

found = {}
for target in targets():
    options = Options(Platform("p", "r", intermediate="between"), local=True)
    plans = [example.plan(target.name) for example in EXAMPLES.values()]
    plans += [read_plan(Path(sys.argv[2]) / name) for name in ("orders.yaml", "demo.json")]
    for number, plan in enumerate(plans):
        try:
            made = target.compile(plan, options)
        except Misconfigured:
            made = {"refused": b""}
        for path, data in made.items():
            found[f"{target.name} {number} {path}"] = hashlib.sha256(data).hexdigest()
json.dump(found, sys.stdout)
"""


def test_the_same_definition_is_the_same_bytes_anywhere(tmp_path: Path) -> None:
    definition = """\
pipeline:
  name: orders
  description: "é \N{GREEK SMALL LETTER OMEGA}"
  parameters: {b: 1, a: {z: 1, y: [é]}}
  steps:
    - {name: ä b, type: check, query: "select 'é'"}
    - {name: c, type: check, query: "${params.a}", depends_on: [ä b]}
"""
    written = {"orders.yaml": definition, "demo.json": levels([[job("J1", "a")], [job("J2", "b")]])}

    def run(folder: Path, **environment: str) -> dict[str, str]:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in written.items():
            (folder / name).write_text(text, encoding="utf-8")
        env = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **environment}
        words = [sys.executable, "-c", PROGRAM, str(ROOT), str(folder)]
        done = subprocess.run(words, cwd=folder, env=env, check=True, capture_output=True, text=True)
        found: dict[str, str] = json.loads(done.stdout)
        return found

    first = run(tmp_path / "a", PYTHONHASHSEED="1", LC_ALL="C", TZ="Asia/Tokyo")
    more = {"PYTHONHASHSEED": "2", "LC_ALL": "C.UTF-8", "TZ": "America/St_Johns", "PYTHONUTF8": "1"}
    second = run(tmp_path / "b" / "deeper", **more)

    assert {*TargetName} == {name.partition(" ")[0] for name in first}
    assert first == second
