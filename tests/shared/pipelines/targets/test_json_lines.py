"""JSON of artifacts is the text that the standard library writes, character by character."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from shared.pipelines.targets.json_lines import json_lines

DATA = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.lists(inner).map(tuple) | st.dictionaries(st.text(), inner),
)


@given(DATA)
def test_is_what_the_standard_library_writes_with_an_indent_of_one(data: object) -> None:
    assert json.dumps(data, ensure_ascii=True, indent=1) == json_lines(data)
