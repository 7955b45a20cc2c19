"""The manifest survives being written, and says so when it is none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.common.errors import Misconfigured
from shared.gitops.manifest import Manifest, Woven

NAMES = st.lists(st.text(), max_size=3).map(lambda names: tuple(sorted(names)))
WOVEN = st.builds(Woven, st.dictionaries(st.text(), st.text(), max_size=3), NAMES, st.text(), st.text())
MANIFESTS = st.builds(
    Manifest, st.text(), st.text(), st.dictionaries(st.text(), WOVEN, max_size=3), NAMES, NAMES
)


@given(MANIFESTS)
def test_what_is_written_is_read(manifest: Manifest) -> None:
    assert manifest == Manifest.of(manifest.to_bytes())
    assert manifest.to_bytes() == Manifest.of(manifest.to_bytes()).to_bytes()


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"version": 2}', b'{"version": 1, "definitions": []}'])
def test_what_is_no_manifest_says_what_to_do(body: bytes) -> None:
    with pytest.raises(Misconfigured, match="cannot be read") as caught:
        Manifest.of(body, file="generated/.sluice.json")

    assert "compiled anew" in caught.value.hint
