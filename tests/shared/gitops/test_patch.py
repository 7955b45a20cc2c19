"""Files out of diffs, as git itself prints them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.gitops.patch import contents

LINES = st.sampled_from(
    [b"a", b"", b"-- b", b"++ c", b"@@ d", b"diff --git a/x b/x", b"\\ No newline", b"e\r", b"\xff"]
)
TEXTS = st.builds(
    lambda lines, end: b"\n".join(lines) + end, st.lists(LINES, max_size=6), st.sampled_from([b"\n", b""])
)
NAMES = st.sampled_from(["a.yml", "b c.yml", "flows/ü#%.yml", 'q"uo\\te.yml', "tab\there.yml", "x/b/y.yml"])
TREES = st.dictionaries(NAMES, TEXTS | st.just(b"\0binary"), max_size=4)


def git(folder: Path, *command: str) -> bytes:
    return subprocess.run(["git", *command], cwd=folder, check=True, capture_output=True).stdout


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    git(tmp_path, "init", "-q")
    return tmp_path


def tree_of(folder: Path, files: dict[str, bytes]) -> str:
    listed = b""
    for path, content in files.items():
        command = ["git", "hash-object", "-w", "--stdin"]
        found = subprocess.run(
            command, cwd=folder, check=True, capture_output=True, input=content
        ).stdout.strip()
        listed += b"100644 " + found + b"\t" + path.encode() + b"\0"
    environment = {"GIT_INDEX_FILE": str(folder / "index")}
    command = ["git", "update-index", "-z", "--add", "--index-info"]
    (folder / "index").unlink(missing_ok=True)
    subprocess.run(command, cwd=folder, check=True, input=listed, env=environment)
    made = subprocess.run(["git", "write-tree"], cwd=folder, check=True, capture_output=True, env=environment)
    return made.stdout.decode().strip()


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(TREES, TREES)
def test_all_that_git_shows_is_read_byte_for_byte(
    folder: Path, old: dict[str, bytes], new: dict[str, bytes]
) -> None:
    before, after = tree_of(folder, old), tree_of(folder, new)

    found = contents(git(folder, "diff", "--no-renames", "-U100000", before, after))

    changed = {path: content for path, content in new.items() if old.get(path) != content}
    told = {
        path: content
        for path, content in changed.items()
        if (content or old.get(path)) and b"\0" not in content + old.get(path, b"")
    }
    assert told == found


def test_a_diff_that_leaves_lines_out_gives_nothing(folder: Path) -> None:
    long = b"".join(b"%d\n" % n for n in range(50))
    before, after = tree_of(folder, {"a": long}), tree_of(folder, {"a": long + b"new\n", "b": b"1\n"})

    assert {"b": b"1\n"} == contents(git(folder, "diff", before, after))


@given(st.binary())
def test_any_bytes_are_read(body: bytes) -> None:
    assert {} == contents(body)


def test_a_name_that_is_no_text_is_left_out() -> None:
    diff = b'diff --git "a/\\377" "b/\\377"\nindex 0000000..d00491f\n--- /dev/null\n+++ "b/\\377"\n@@ -0,0 +1 @@\n+1\n'

    assert {} == contents(diff)
    assert {"x": b"1\n"} == contents(diff.replace(b"\\377", b"x"))
