"""What a plan needs of the world around it."""

from __future__ import annotations

from shared.pipelines.facts import Needs, needs
from shared.pipelines.read import read_definition

TEXT = """
pipeline:
  name: orders
  notifications:
    on_failure: [{method: webhook, recipients: ["https://hooks.example/a"]}, {method: slack, channel: "#data"}]
    on_success: [{method: email, recipients: [ada@example.com]}]
  steps:
    - {name: fetch, type: ingestion, source: shop}
    - {name: ask, type: call, method: GET, url: "https://${params.host}/x", headers: {k: "${secrets.KEY}"}}
    - {name: count, type: lambda, function: count-rows}
    - {name: pack, type: container, image: "packer:1"}
    - {name: more, type: pipeline, pipeline: refunds}
    - name: sums
      type: transformation
      transformation_query: select 1
      inputs: [{name: raw, type: postgres, table: orders, host: db.example, secret: DB}]
      outputs: [{name: sums, type: snowflake, table: analytics.sums}]
  parameters: {host: a.example}
"""


def test_all_that_has_to_be_granted_is_named() -> None:
    plan = read_definition(TEXT, file="orders.yml")

    assert Needs(
        secrets=("DB", "KEY"),
        hosts=("${params.host}", "db.example", "hooks.example"),
        functions=("count-rows",),
        images=("packer:1",),
        sources=("shop",),
        pipelines=("refunds",),
        tables=("analytics.sums",),
        channels=("email: ada@example.com", "slack: #data"),
    ) == needs(plan)


def test_what_is_new_is_what_was_not_there() -> None:
    assert {"hosts": ("b",)} == Needs(hosts=("a", "b"), secrets=("S",)).beyond(
        Needs(hosts=("a",), secrets=("S", "T"))
    )
