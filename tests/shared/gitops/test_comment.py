"""What a comment says of contracts, and that nothing in it is taken for more than text."""

from __future__ import annotations

from datetime import UTC, datetime

from shared.contracts.compatibility.verdict import Verdict, check
from shared.gitops.change import Change, Side
from shared.gitops.comment import comments, headline, version
from shared.gitops.preview import Preview
from shared.pipelines.read import read_definition

NOW = datetime(2026, 11, 20, 10, tzinfo=UTC)
OLD = {"type": "object", "properties": {"id": {"type": "string"}}, "additionalProperties": False}
NEW = {"type": "object", "properties": {"id": {"type": "integer"}}, "additionalProperties": False}


def test_contracts_are_told_with_what_breaks_them() -> None:
    verdicts: dict[str, Verdict | str] = {
        "a.json": check(NEW, [OLD]),
        "b.json": check(OLD, [OLD]),
        "c.json": "deleted: @all <b>",
    }
    preview = Preview("a" * 40, "b" * 40, contracts=verdicts)

    (text,) = comments(preview, now=NOW, limit=60_000)

    assert "2 of 3 contracts incompatible" in headline(preview)
    assert (
        "### ❌ incompatible contract\n\n`a.json`\n\n- `TYPE_CHANGED` at `#/properties/id`: string became"
        in text
    )
    assert "### ✅ compatible contract\n\n`b.json`" in text
    assert "@all" not in text
    assert "<b>" not in text


def test_the_version_is_that_of_what_is_said_and_a_secret_of_who_says_it() -> None:
    one, other = Preview("a" * 40, "b" * 40), Preview("a" * 40, "c" * 40)

    assert version(one, key="k") == version(one, key="k")
    assert 3 == len({version(one, key="k"), version(other, key="k"), version(one, key="l")})


def test_what_lint_tells_that_is_new_is_told() -> None:
    text = (
        "pipeline: {name: p, parameters: {x: 1}, steps: [{name: a, type: call, url: 'http://a.example%s'}]}"
    )
    before, after = (
        Side("p.yml", read_definition(text % end, file="p.yml"), {"p.py": end.encode()})
        for end in ("", "/?token=<b>")
    )

    (shown,) = comments(Preview("a" * 40, "b" * 40, changes=(Change(before, after),)), now=NOW, limit=60_000)

    assert ["secret"] == [one.rule for one in Change(before, after).findings]
    assert '**Look at**:\n\n- `p.yml:1:71 "token" of step "a" looks like a secret' in shown
    assert "sends over http" not in shown
    assert ["plain-http", "secret"] == [one.rule for one in Change(Side(), after).findings]


def test_an_error_cannot_close_its_fence() -> None:
    change = Change(Side(), Side("a.yml", error="a.yml:1:1 ```\n````\n# not a heading"))

    (text,) = comments(Preview("a" * 40, "b" * 40, changes=(change,)), now=NOW, limit=60_000)

    assert "`````\na.yml:1:1 ```" in text
