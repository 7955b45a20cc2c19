"""What is called backward compatible is: values that pass the old schema pass the new one, says an independent judge.

The judge is jsonschema_rs, which validates records in production. Defaults are put where the new schema requires what
is missing, as the rules suppose. For pairs that are called incompatible a witness is looked for, and counted only:
Confluent's rules refuse more than they must.
"""

from __future__ import annotations

import importlib.util
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.contracts.compatibility.compare import compare


def _beside(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(
        f"compatibility_{name}", Path(__file__).with_name(f"{name}.py")
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


pairs = _beside("pairs")
VALUES = 60


def judge(schema: Any) -> Any:
    return jsonschema_rs.validator_for(schema, validate_formats=True, offline=True)


def valid(schema: Any, value: Any) -> bool:
    return bool(judge(schema).is_valid(value))


def pair(seed: int) -> tuple[Any, Any]:
    dice = Random(seed)
    maker = pairs.Maker(dice, dice.choice(pairs.DIALECTS), valid)
    old = maker.document()
    return old, maker.mutated(old)


def values(old: Any, new: Any, seed: int) -> Iterator[Any]:
    """Values near the edge of both schemas that pass the old one."""
    dice, passes = Random(-seed), judge(old).is_valid
    for _ in range(VALUES):
        value = pairs.guess(old if dice.random() < 0.7 else new, old, dice)
        for _ in range(dice.choice([0, 0, 1, 2])):
            value = pairs.nudged(value, dice)
        if passes(value):
            yield value


def broken(old: Any, new: Any, seed: int) -> Any:
    """A value (in a list) that passes the old schema and not the new one, or None."""
    passes = judge(new).is_valid
    for value in values(old, new, seed):
        if not passes(value) and not passes(pairs.filled(new, value, new)):
            return [value]
    return None


def usable(old: Any, new: Any) -> bool:
    """A reference that leads back to itself is a valid document that no value can be held against."""
    circular = {"$ref": "#/$defs/it"}
    return all(doc.get("$defs", {}).get("it") != circular for doc in (old, new)) and _compiles(new)


def _compiles(schema: Any) -> bool:
    try:
        judge(schema)
    except ValueError:
        return False
    return True


@settings(max_examples=2500, deadline=None, suppress_health_check=list(HealthCheck), database=None)
@given(st.integers(min_value=0, max_value=2**40))
def test_what_passed_before_passes_what_is_called_compatible(seed: int) -> None:
    """The property that makes the verdict worth something."""
    old, new = pair(seed)
    if usable(old, new) and all(one.compatible for one in compare(old, new)):
        witness = broken(old, new, seed)

        assert witness is None, (old, new, witness)


def test_a_schema_is_compatible_with_itself() -> None:
    """In both directions and whatever it contains."""
    for seed in range(400):
        old, _ = pair(seed)
        if usable(old, old):
            assert () == compare(old, old), old


@pytest.mark.parametrize("seeds", [range(10_000, 10_600)])
def test_most_pairs_that_are_refused_have_a_witness(seeds: range) -> None:
    """A rule that refuses everything is sound, too: this one has mostly got a reason."""
    told = figures(seeds)

    assert told["compatible"] > 0.15 * told["pairs"]
    assert told["witnesses"] > 0.5 * told["incompatible"]


def figures(seeds: range) -> Counter[str]:
    """What comes of these pairs: `python test_soundness.py` prints it for 20,000 of them."""
    told: Counter[str] = Counter()
    for seed in seeds:
        old, new = pair(seed)
        if not usable(old, new) or old == new:
            continue
        told["pairs"] += 1
        fits = all(one.compatible for one in compare(old, new))
        told["compatible" if fits else "incompatible"] += 1
        witness = broken(old, new, seed)
        told["unsound"] += fits and witness is not None
        told["witnesses"] += not fits and witness is not None
    return told


if __name__ == "__main__":
    sys.stdout.write(f"{dict(figures(range(20_000)))}\n")
