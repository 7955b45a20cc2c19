"""A commit as a document: the golden file is what readers outside of Sluice may rely on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.common.errors import Violation
from shared.landing.commit import Commit, Draft, Part
from shared.landing.log import decode, encode

GOLDEN = Path(__file__).parent / "golden" / "commit.json"

TEXT = st.text(max_size=20)
COUNT = st.integers(0, 2**63)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
PARTS = st.lists(
    st.builds(Part, key=TEXT, rows=COUNT, bytes=COUNT, raw_bytes=COUNT, sha256=TEXT, etag=TEXT), max_size=3
).map(tuple)
DRAFTS = st.builds(
    Draft,
    run=TEXT,
    attempt=st.integers(1, 99),
    kind=st.sampled_from(["data", "rewind", "reset"]),
    parts=PARTS,
    rejected=COUNT,
    rejected_parts=PARTS,
    cursor=JSON,
    resume=JSON,
    window=st.none() | st.dictionaries(TEXT, JSON, max_size=3),
    snapshot=st.booleans(),
    format=TEXT,
    contract=st.none() | TEXT,
    expected_rows=st.none() | COUNT,
    seconds=st.floats(0, 1e9),
    api_calls=COUNT,
    retries=COUNT,
    code_version=TEXT,
    note=TEXT,
    trimmed=COUNT,
    reasons=st.dictionaries(TEXT, COUNT, max_size=3),
    undeclared=st.lists(TEXT, max_size=3).map(tuple),
    evolved=st.dictionaries(TEXT, st.lists(TEXT, max_size=2).map(tuple), max_size=3),
)
COMMITS = st.builds(
    Commit, source=TEXT, stream=TEXT, sequence=st.integers(1, 10**19), committed_at=TEXT, draft=DRAFTS
)


def example() -> Commit:
    folder = "landing/recurly/accounts/data/dt=2026-11-20/20261120T101500Z-9f3a61"
    part = Part(
        key=f"{folder}/a001-w00000-part-00000.jsonl.gz",
        rows=2,
        bytes=71,
        raw_bytes=62,
        sha256="5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03",
        etag="47-18a2c5f0",
    )
    draft = Draft(
        run="20261120T101500Z-9f3a61",
        attempt=1,
        parts=(part,),
        rejected=1,
        rejected_parts=(),
        cursor="2026-11-20T10:14:00Z",
        resume={"url": "https://v3.recurly.com/accounts", "params": [["cursor", "abc"]]},
        window={"since": "2026-11-19T00:00:00Z", "until": "2026-11-20T10:14:00Z"},
        contract="3",
        expected_rows=3,
        seconds=1.25,
        api_calls=4,
        retries=1,
        code_version="0.1.0",
        note="Grüße",
    )
    return Commit("recurly", "accounts", 12, committed_at="2026-11-20T10:15:02Z", draft=draft)


def test_the_document_is_the_golden_one() -> None:
    assert GOLDEN.read_bytes() == encode(example())


def test_the_golden_document_is_read_as_it_was_meant() -> None:
    assert example() == decode(GOLDEN.read_bytes(), "golden")


@given(COMMITS)
def test_a_commit_survives_its_document(commit: Commit) -> None:
    assert decode(encode(commit), "k") == commit
    assert encode(commit).count(b"\n") == 1


def test_lone_surrogates_survive_too() -> None:
    commit = Commit("s", "t", 1, committed_at="", draft=Draft(run="r", attempt=1, cursor="\ud800"))

    assert decode(encode(commit), "k") == commit


def test_what_a_later_version_adds_is_left_alone() -> None:
    document = {**json.loads(GOLDEN.read_text()), "lineage": ["new"]}

    assert decode(json.dumps(document).encode(), "k") == example()


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"null", b"{}", b'{"version": 1}', b"\xff", GOLDEN.read_bytes()[:-40]]
)
def test_what_is_no_commit_is_a_violation_naming_the_key(body: bytes) -> None:
    with pytest.raises(Violation, match=r"this is not a commit.*\[key log/1\]"):
        decode(body, "log/1")


def test_a_commit_of_a_later_format_is_refused() -> None:
    document = {**json.loads(GOLDEN.read_text()), "version": 2}

    with pytest.raises(Violation, match="needs a newer Sluice"):
        decode(json.dumps(document).encode(), "k")
