"""What a pull request would change: planned as merged, told in comments that fit, and never stale."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from shared.common.errors import Violation
from shared.gitops.change import Kind, Side
from shared.gitops.comment import comments, headline
from shared.gitops.fake import FakeRepository
from shared.gitops.manifest import Manifest, Woven
from shared.gitops.preview import Preview, plan
from shared.gitops.stale import Scope
from shared.pipelines.read import read_definition

NOW = datetime(2026, 11, 20, 10, tzinfo=UTC)
SCOPE = Scope(
    "main",
    definitions=("flows/*.yml",),
    shared=("defaults.yml",),
    generated="made",
    contracts=("contracts/*.json",),
)
ORDERS = """
pipeline:
  name: orders
  schedule: {type: cron, expression: "0 3 * * *", timezone: UTC}
  steps:
    - {name: fetch, type: ingestion, source: shop}
    - {name: tell, type: call, depends_on: [fetch], method: POST, url: "https://a.example/x"}
"""


class Reader:
    """Compiles a definition to one artifact that names its steps."""

    def inspect(self, path: str, content: bytes, read: Callable[[str], bytes]) -> Side:
        found = read_definition(content, file=path, read_file=lambda name: read(f"flows/{name}").decode())
        steps = "\n".join(step.name for step in found.all_steps())
        return Side(path, found, {f"{found.name}.txt": steps.encode()})


def previewed(repository: FakeRepository, *, before: Manifest | None = None) -> Preview:
    base, head = repository.branches["main"], repository.branches["work"]
    return plan(repository, SCOPE, base=base, head=head, inspector=Reader(), before=before)


def changed(files: dict[str, bytes | None], *, base: dict[str, bytes | None] | None = None) -> FakeRepository:
    """A repository with a branch `work` that changes `files`."""
    repository = FakeRepository()
    start = repository.push("main", {"flows/orders.yml": ORDERS.encode(), **(base or {})})
    repository.push("work", files, parent=start)
    return repository


def shown(preview: Preview, limit: int = 60_000) -> str:
    return "\n".join(comments(preview, now=NOW, limit=limit))


def test_a_pull_request_that_touches_no_pipeline_changes_none() -> None:
    preview = previewed(changed({"README.md": b"x"}))

    assert ((), True, "no pipeline changes") == (preview.visible, preview.passes, headline(preview))


def test_a_new_schedule_is_shown_with_its_next_five_runs() -> None:
    text = ORDERS.replace("0 3 * * *", "30 6 * * 1")

    preview = previewed(changed({"flows/orders.yml": text.encode()}))

    (change,) = preview.changes
    assert (Kind.CHANGED, True) == (change.kind, change.rescheduled)
    assert ["11-23 06:30", "11-30 06:30", "12-07 06:30", "12-14 06:30", "12-21 06:30"] == [
        f"{run:%m-%d %H:%M}" for run in change.runs(NOW)
    ]
    text = shown(preview)
    assert "**Schedule**: `cron 0 3 * * * UTC` → `cron 30 6 * * 1 UTC`" in text
    assert "**Next runs** (UTC): Mon 2026-11-23 06:30, Mon 2026-11-30 06:30, Mon 2026-12-07 06:30," in text


def test_next_runs_are_told_in_the_zone_of_the_schedule() -> None:
    text = ORDERS.replace("timezone: UTC", "timezone: America/New_York")

    preview = previewed(changed({"flows/orders.yml": text.encode()}))

    assert "**Next runs** (America/New_York): Sat 2026-11-21 03:00" in shown(preview)


def test_a_schedule_that_goes_has_no_next_runs() -> None:
    text = ORDERS.replace('  schedule: {type: cron, expression: "0 3 * * *", timezone: UTC}\n', "")

    preview = previewed(changed({"flows/orders.yml": text.encode()}))

    assert "`when it is started`\n\n**Next runs**: none: it is started by hand or by an event" in shown(
        preview
    )


def test_what_is_needed_that_was_not_before_is_named() -> None:
    text = ORDERS.replace("https://a.example/x", "https://b.example/x") + (
        '    - {name: more, type: call, method: GET, url: "https://a.example/y", '
        'headers: {x-key: "${secrets.B_KEY}"}}\n'
    )

    preview = previewed(changed({"flows/orders.yml": text.encode()}))

    (change,) = preview.changes
    assert {"secrets": ("B_KEY",), "hosts": ("b.example",)} == change.needed
    assert (["more"], [], ["tell"]) == change.steps()
    assert "**Needs new**: secret `B_KEY`, host `b.example`" in shown(preview)


def test_created_deleted_and_renamed_pipelines() -> None:
    other = ORDERS.replace("name: orders", "name: refunds")
    files = {"flows/orders.yml": None, "flows/sales.yml": ORDERS.encode(), "flows/new.yml": other.encode()}

    preview = previewed(changed(files))

    assert [(Kind.CREATED, "refunds"), (Kind.RENAMED, "orders")] == [
        (c.kind, c.name) for c in preview.changes
    ]
    assert "formerly `flows/orders.yml`" in shown(preview)
    assert [Kind.DELETED] == [c.kind for c in previewed(changed({"flows/orders.yml": None})).changes]


def test_a_definition_that_cannot_be_compiled_is_shown_with_its_line_and_fails_the_preview() -> None:
    preview = previewed(changed({"flows/orders.yml": ORDERS.replace("type: call", "type: cal").encode()}))

    assert (Kind.BROKEN, False) == (preview.changes[0].kind, preview.passes)
    assert "flows/orders.yml:7" in shown(preview)
    assert "1 broken" in headline(preview)


def test_pipelines_that_would_wait_for_each_other_fail_the_preview_at_their_lines() -> None:
    text = "pipeline:\n  name: {}\n  steps:\n    - {{name: s, type: pipeline, pipeline: {}}}"
    pairs = (("p1", "p2"), ("p2", "p1"), ("p3", "p1"))
    files = {f"flows/{name}.yml": text.format(name, other).encode() for name, other in pairs}
    preview = previewed(changed({**files}))

    found = {change.name: change.after.error for change in preview.changes if change.kind is Kind.BROKEN}
    assert not preview.passes
    assert {"flows/p1.yml", "flows/p2.yml"} == found.keys()
    assert "flows/p1.yml:4:" in found["flows/p1.yml"]
    assert "p1 -> p2 -> p1" in found["flows/p1.yml"]


def test_the_cost_of_30_days_is_estimated() -> None:
    preview = previewed(changed({"flows/orders.yml": ORDERS.replace("0 3 * * *", "0 * * * *").encode()}))

    assert "Costs are estimates by list prices, with a minute of half a GB for each step" in shown(preview)
    before, after = preview.changes[0].cost(NOW)
    assert pytest.approx(30 * (2 * 0.000025 + 60 * 0.5 * 0.0000133334)) == before
    assert pytest.approx(24 * before) == after


def test_each_artifact_is_shown_as_a_diff() -> None:
    text = ORDERS + '    - {name: more, type: call, method: GET, url: "https://a.example/y"}\n'

    preview = previewed(changed({"flows/orders.yml": text.encode()}))

    assert {"orders.txt": "--- a/orders.txt\n+++ b/orders.txt\n@@ -1,2 +1,3 @@\n fetch\n tell\n+more"} == (
        preview.changes[0].diffs()
    )


SCHEMA = {"type": "object", "properties": {"id": {"type": "integer"}}, "additionalProperties": False}


@pytest.mark.parametrize(
    ("new", "compatible"),
    [
        ({**SCHEMA, "properties": {"id": {"type": "number"}}}, True),
        ({**SCHEMA, "properties": {"id": {"type": "string"}}}, False),
        ({**SCHEMA, "properties": {}}, False),
    ],
)
def test_a_contract_that_changes_has_its_verdict(new: Any, compatible: bool) -> None:
    repository = changed(
        {"contracts/a.json": json.dumps(new).encode()}, base={"contracts/a.json": json.dumps(SCHEMA).encode()}
    )

    preview = previewed(repository)

    verdict = preview.contracts["contracts/a.json"]
    assert not isinstance(verdict, str)
    assert (compatible, compatible) == (verdict.compatible, preview.passes)
    assert ("compatible" if compatible else "incompatible") in shown(preview)


@pytest.mark.parametrize("content", [None, b"{"])
def test_a_contract_that_is_gone_or_none_fails_the_preview(content: bytes | None) -> None:
    repository = changed(
        {"contracts/a.json": content}, base={"contracts/a.json": json.dumps(SCHEMA).encode()}
    )

    assert not previewed(repository).passes


def test_the_result_of_the_merge_is_planned_and_not_the_head() -> None:
    repository = changed({"defaults.yml": b"2"}, base={"defaults.yml": b"1"})
    repository.push("main", {"flows/late.yml": ORDERS.replace("name: orders", "name: late").encode()})

    preview = previewed(repository)

    assert [("late", Kind.SAME), ("orders", Kind.SAME)] == [(c.name, c.kind) for c in preview.changes]


def test_a_plan_whose_base_changed_the_same_files_is_stale_and_refused() -> None:
    repository = changed({"flows/orders.yml": ORDERS.replace("0 3", "0 4").encode()})
    repository.push("main", {"flows/orders.yml": ORDERS.replace("0 3", "0 5").encode()})

    preview = previewed(repository)

    assert (("flows/orders.yml",), False) == (preview.overlap, preview.passes)
    assert "stale" in headline(preview)


def test_what_needs_to_be_looked_at_comes_first() -> None:
    other = ORDERS.replace("name: orders", "name: refunds")
    files: dict[str, bytes | None] = {
        "flows/a.yml": other.encode(),
        "flows/orders.yml": None,
        "flows/z.yml": b"pipeline: 1",
        "contracts/a.json": json.dumps(SCHEMA).encode(),
        "contracts/b.json": b"{",
    }

    text = shown(previewed(changed(files)))

    assert text.startswith("## ❌ Pipelines: 1 broken, 1 of 2 contracts incompatible, 1 created, 1 deleted")
    places = [text.index(one) for one in ("### ❌ broken", "b.json", "### ➖", "### ➕", "contracts/a.json")]
    assert sorted(places) == places


def test_a_file_that_definitions_read_has_them_planned() -> None:
    text = """
pipeline:
  name: sums
  steps: [{name: sum, type: transformation, transformation_file: sum.sql}]
"""
    repository = changed(
        {"flows/sum.sql": b"SELECT 2"}, base={"flows/sums.yml": text.encode(), "flows/sum.sql": b"SELECT 1"}
    )
    before = Manifest("x", "1", {"flows/sums.yml": Woven({"sums.txt": ""}, reads=("flows/sum.sql",))})

    assert [("sums", Kind.CHANGED)] == [
        (c.name, c.kind) for c in previewed(repository, before=before).changes
    ]


def test_branches_that_have_nothing_in_common_are_refused() -> None:
    repository = FakeRepository()
    repository.push("main", {"flows/orders.yml": ORDERS.encode()})
    repository.push("work", {"flows/orders.yml": ORDERS.encode()}, message="another beginning")

    with pytest.raises(Violation, match="in common"):
        previewed(repository)


def test_comments_are_split_below_the_limit_of_the_host() -> None:
    files: dict[str, bytes | None] = {
        f"flows/p{n}.yml": ORDERS.replace("name: orders", f"name: p{n}").encode() for n in range(120)
    }

    parts = comments(previewed(changed(files)), now=NOW, limit=5_000)

    assert len(parts) > 3
    assert all(len(part) <= 5_000 for part in parts)
    assert all(any(f"`flows/p{n}.yml`" in part for part in parts) for n in range(120))
    assert all(part.count("<details>") == part.count("</details>") for part in parts)


def test_a_piece_with_many_names_still_fits_into_a_comment() -> None:
    calls = "".join(
        f'    - {{name: c{n}, type: call, method: GET, url: "https://a-host-of-some-length-{n}.example/"}}\n'
        for n in range(900)
    )
    files: dict[str, bytes | None] = {f"flows/{'x' * 60}{n}.yml": None for n in range(300)}
    base: dict[str, bytes | None] = dict.fromkeys(files, ORDERS.encode())
    repository = changed({**files, "flows/orders.yml": (ORDERS + calls).encode()}, base=base)
    repository.push("main", {**files, "flows/orders.yml": None})

    parts = comments(previewed(repository), now=NOW, limit=10_000)

    assert all(len(part) <= 10_000 for part in parts)
    assert "… and 251 more" in parts[0]


def test_what_authors_write_makes_no_markup_and_calls_nobody() -> None:
    text = ORDERS.replace("name: fetch", 'name: "<script>|@all`"').replace(
        "depends_on: [fetch]", "depends_on: []"
    )

    said = shown(previewed(changed({"flows/orders.yml": text.encode()})))

    assert "<script>|@all" not in said.split("```")[0]


def test_a_compiler_that_breaks_down_at_one_file_shows_the_others() -> None:
    class Breaking(Reader):
        def inspect(self, path: str, content: bytes, read: Callable[[str], bytes]) -> Side:
            if content == b"bug":
                raise ZeroDivisionError("by zero")
            return super().inspect(path, content, read)

    repository = changed({"flows/a.yml": b"bug", "flows/orders.yml": None})
    base, head = repository.branches["main"], repository.branches["work"]

    found = plan(repository, SCOPE, base=base, head=head, inspector=Breaking())

    assert [Kind.BROKEN, Kind.DELETED] == [change.kind for change in found.changes]
    assert "ZeroDivisionError" in found.changes[0].after.error
