"""The security scan: the lock is looked at without the network, and what is waived anywhere has its reason there."""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from src.delivery.template import read_template

ROOT = Path(__file__).parents[3]
TEMPLATES = sorted([*(ROOT / "deploy" / "cicd").glob("[apt]*s.yml"), *(ROOT / "deploy").glob("*/*.yml")])
TEMPLATES = sorted({path for path in TEMPLATES if "\nResources:" in path.read_text()})


def lock_check() -> Any:
    spec = importlib.util.spec_from_file_location("lock_check", ROOT / ".ci" / "lock_check.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def lock(**packages: Any) -> dict[str, Any]:
    good = {"version": "==1.0", "hashes": ["sha256:" + "0" * 64], "index": "pypi"}
    return {
        "_meta": {"sources": [{"name": "pypi"}]},
        "default": {name: {**good, **changes} for name, changes in packages.items()},
        "develop": {"click": good},
    }


def test_our_lock_has_one_exact_version_of_each_package_by_digest() -> None:
    assert [] == list(lock_check().faults(json.loads((ROOT / "Pipfile.lock").read_text())))


@pytest.mark.parametrize(
    ("document", "what"),
    [
        (lock(six={"version": "*"}), "no exact version"),
        (lock(six={"version": "==1.*"}), "no exact version"),
        (lock(six={"hashes": []}), "no digests"),
        (lock(six={"hashes": ["md5:0"]}), "no sha256"),
        (lock(six={"git": "https://host/six", "ref": "main"}), "by git"),
        (lock(six={"path": "."}), "by path"),
        (lock(six={"index": "other"}), "unknown index"),
        (lock(CLICK={"version": "==2.0"}), "locked twice"),
        ({**lock(), "_meta": {"sources": [{"name": "a"}, {"name": "b"}]}}, "2 indexes"),
    ],
)
def test_what_could_bring_in_other_code_is_told(document: dict[str, Any], what: str) -> None:
    assert what in "\n".join(lock_check().faults(document))


def test_every_rule_that_is_left_out_says_why() -> None:
    lines = (ROOT / ".ci" / "checkov.yml").read_text().splitlines()
    rules = [line for line in lines if line.strip().startswith("- CKV")]

    assert rules
    assert all(re.search(r"CKV_AWS_\d+ # \S+.{20,}", line) for line in rules)


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_what_is_left_out_for_one_resource_says_why(path: Path) -> None:
    for name, resource in read_template(path)["Resources"].items():
        metadata = resource.get("Metadata", {})
        reasons = [one.get("comment", "") for one in metadata.get("checkov", {}).get("skip", [])]

        assert all(len(reason) > 20 for reason in [*reasons, *metadata.get("waivers", {}).values()]), name


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_every_star_has_its_reason_beside_it(path: Path) -> None:
    """On its line as a comment, or in the resource's Metadata; a star that denies needs none."""
    template = read_template(path)
    stars = {
        name
        for name, resource in template["Resources"].items()
        for statement in _statements(resource.get("Properties", {}))
        if statement["Effect"] == "Allow" and ("*" in _many(statement.get("Resource", [])))
    }
    waived = {
        n
        for n, r in template["Resources"].items()
        if "iam-wildcard-resource" in r.get("Metadata", {}).get("waivers", {})
    }
    bare = [line for line in path.read_text().splitlines() if re.search(r'Resource: "?\*"?\s*$', line)]

    assert stars - waived == set() or bare == [], (stars - waived, bare)


def _statements(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        if "Effect" in node and "Action" in node:
            yield node
        for value in node.values():
            yield from _statements(value)
    elif isinstance(node, list):
        for value in node:
            yield from _statements(value)


def _many(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def test_functions_have_no_secret_in_their_variables() -> None:
    """That is what CKV_AWS_173 is left out for: names, addresses and ARNs only."""
    template = read_template(ROOT / "deploy" / "infra" / "template.yml")
    places = [template.get("Globals", {}).get("Function", {})]
    places += [
        r["Properties"] for r in template["Resources"].values() if r["Type"] == "AWS::Serverless::Function"
    ]
    variables = {
        n: v for place in places for n, v in place.get("Environment", {}).get("Variables", {}).items()
    }

    assert variables
    assert not [n for n in variables if re.search(r"TOKEN|PASSWORD|PRIVATE|API_KEY|_KEY$", n)]
