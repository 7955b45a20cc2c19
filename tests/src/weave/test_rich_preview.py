"""One rich pull request on each host, as its reader sees it: rich_preview.md is the comment, but for diffs and SHAs."""

from __future__ import annotations

import json
import re
from pathlib import Path

from shared.gitops.comment import LIMIT, MARKER
from shared.gitops.news import Host
from shared.gitops.repository import Verdict
from tests.src.weave.yard import Yard

WANTED = Path(__file__).with_name("rich_preview.md")
SUM = "select day, sum(total) as total from shop.orders group by day"
MORE = """\
    - {name: tell, type: call, depends_on: [sums], method: POST, url: "https://hooks.example.com/done",
       headers: {authorization: "Bearer ${secrets.HOOK_TOKEN}"}}
    - {name: score, type: lambda, depends_on: [sums], function: score-orders, payload: {day: "${run.date}"}}
"""


def definition(name: str, cron: str = "0 3 * * *", more: str = "") -> bytes:
    return f"""
pipeline:
  name: {name}
  schedule: {{type: cron, expression: "{cron}", timezone: Europe/Berlin}}
  steps:
    - {{name: fetch, type: ingestion, source: shop}}
    - name: sums
      type: transformation
      depends_on: [fetch]
      transformation_query: {SUM}
      outputs: [{{name: sums, type: snowflake, table_name: analytics.{name}}}]
{more}""".encode()


def contract(**types: str) -> bytes:
    properties = {name: {"type": kind} for name, kind in types.items()}
    return json.dumps({"type": "object", "properties": properties, "additionalProperties": False}).encode()


BEFORE = {
    "pipelines/orders.yml": definition("orders"),
    "pipelines/old.yml": definition("old_report"),
    "pipelines/sales.yml": definition("sales"),
    "pipelines/margins.yml": definition("margins"),
    "pipelines/same.yml": definition("same"),
    "src/shop/contracts/orders.json": contract(id="integer", total="number"),
    "src/shop/contracts/customers.json": contract(id="integer"),
}
CHANGE: dict[str, bytes | None] = {
    "pipelines/orders.yml": definition("orders", "30 6 * * 1-5", MORE),
    "pipelines/old.yml": None,
    "pipelines/sales.yml": None,
    "pipelines/eu/sales.yml": definition("sales"),
    "pipelines/returns.yml": definition("returns", "*/15 * * * *"),
    "pipelines/margins.yml": definition("margins").replace(b"type: transformation", b"type: transformaton"),
    "pipelines/same.yml": definition("same") + b"# a remark\n",
    "src/shop/contracts/orders.json": contract(id="integer", total="string"),
    "src/shop/contracts/customers.json": contract(id="integer", name="string"),
    "README.md": b"more",
}


def told(yard: Yard, number: int) -> list[str]:
    return list(yard.server.dialect.remarks.get(number, {}).values())


def shown(text: str) -> str:
    """A comment without what differs from host to host, and from version to version of a target."""
    text = text.partition("\n\n" if text.startswith("[//]") else "\n")[2]
    folded = r"<details><summary><code>(.*?)</code></summary>\n\n(```diff.*?```)\n\n</details>"
    text = re.sub(folded, r"`\1`\n\n\2", text, flags=re.DOTALL)
    text = re.sub(r"```diff\n.*?\n```", "```diff\n…\n```", text, flags=re.DOTALL)
    return re.sub(r"`[0-9a-f]{12}`", "`a commit`", text) + "\n"


def test_a_rich_change_reads_well(yard: Yard) -> None:
    yard.model.push("main", {**BEFORE})
    yard.model.push("work", CHANGE, parent=yard.model.branches["main"])
    yard.pull_changed(yard.model.open_pull("work"))
    assert 0 == yard.work()

    (comment,) = told(yard, 1)

    assert WANTED.read_text(encoding="utf-8") == shown(comment)
    assert ("<details>" in comment) == (yard.host != "bitbucket")
    assert "\n+" in comment
    head = yard.model.branches["work"]
    verdict, said = yard.model.statuses[head, "sluice/pipelines"]
    assert (Verdict.FAILURE, ["1 broken", "1 of 2 contracts incompatible"]) == (verdict, said.split(", ")[:2])


def test_a_large_change_is_split_below_the_limit_of_the_host(yard: Yard) -> None:
    limit = LIMIT[Host(yard.host)]
    count = 12
    yard.model.push("main", {"pipelines/p0.yml": definition("p0")})
    files: dict[str, bytes | None] = {
        f"pipelines/p{n}.yml": definition(f"p{n}", more=MORE.replace("tell", "t" * 60))
        for n in range(1, count)
    }
    yard.model.push("work", files, parent=yard.model.branches["main"])
    yard.pull_changed(yard.model.open_pull("work"))
    assert 0 == yard.work()
    parts = told(yard, 1)

    assert all(len(part) <= limit for part in parts)
    assert all(MARKER in part.partition("\n")[0] for part in parts)
    assert all(any(f"`pipelines/p{n}.yml`" in part for part in parts) for n in range(1, count))
    assert (len(parts) > 1) == (sum(map(len, parts)) > limit)

    # What is left over of a larger plan goes.
    yard.model.push("work", dict.fromkeys(list(files)[2:]))
    yard.pull_changed(1)
    assert 0 == yard.work()
    assert 1 == len(told(yard, 1))
