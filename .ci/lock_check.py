"""Looks at a Pipfile.lock without the network: one exact version of each package, by digest, from the one index.

Whether a version was withdrawn (yanked) or has a known hole only the index knows: pip warns when it installs one.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

_EXACT = re.compile(r"==[A-Za-z0-9.!+_-]+")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_ELSEWHERE = ("git", "path", "file", "editable", "hg", "svn", "ref")


def faults(lock: dict) -> Iterator[str]:
    """What is wrong with a lock, one sentence each."""
    sources = [source["name"] for source in lock["_meta"]["sources"]]
    if len(sources) != 1:
        yield f"packages come from {len(sources)} indexes ({', '.join(sources)}); a name could be taken in one of them"
    seen: dict[str, str] = {}
    for group in ("default", "develop"):
        for name, entry in lock[group].items():
            plain = re.sub(r"[-_.]+", "-", name).lower()
            version = entry.get("version", "")
            if elsewhere := [key for key in _ELSEWHERE if key in entry]:
                yield f"{name} does not come from the index but by {elsewhere[0]}"
                continue
            if not _EXACT.fullmatch(version):
                yield f'{name} has no exact version but "{version}"'
            if not entry.get("hashes"):
                yield f"{name} has no digests: whatever the index sends would be installed"
            if wrong := [one for one in entry.get("hashes", ()) if not _DIGEST.fullmatch(one)]:
                yield f"{name} has a digest that is no sha256: {wrong[0]}"
            if entry.get("index", sources[0]) not in sources:
                yield f"{name} comes from an unknown index, {entry['index']}"
            if seen.setdefault(plain, version) != version:
                yield f"{name} is locked twice, as {seen[plain]} and {version}"


if __name__ == "__main__":
    found = list(faults(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))))
    if found:
        sys.exit("\n".join(found))
