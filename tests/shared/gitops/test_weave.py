"""Whatever happens in a repository, and wherever a worker dies: the artifacts end up as those of the head."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.common.errors import Superseded, Transient
from shared.gitops.delivery_git import Committed, Proposed
from shared.gitops.delivery_shelf import Shelved
from shared.gitops.fake import FakeRepository
from shared.gitops.manifest import NAME, Manifest
from shared.gitops.stale import Scope
from shared.gitops.weave import ROUNDS, Outcome, weave
from tests.shared.gitops.toy import Box, Toy

SCOPE = Scope("main", definitions=("flows/**/*.yml",), shared=("defaults.yml",), generated="made")


def committed(repository: FakeRepository, compiler: Toy | None = None) -> Outcome:
    delivery = Committed(repository, "main", "made")
    return weave(repository, SCOPE, compiler=compiler or Toy(), delivery=delivery)


def proposed(repository: FakeRepository, compiler: Toy | None = None) -> Outcome:
    delivery = Proposed(repository, "main", "sluice/made", "made")
    return weave(repository, SCOPE, compiler=compiler or Toy(), delivery=delivery)


def shelved(repository: FakeRepository, box: Box, compiler: Toy | None = None) -> Outcome:
    return weave(repository, SCOPE, compiler=compiler or Toy(), delivery=Shelved(box))


def made(repository: FakeRepository, branch: str = "main") -> dict[str, bytes]:
    """The artifacts on a branch."""
    tree = repository.commits[repository.branches[branch]].tree
    there = {
        path.removeprefix("made/"): content for path, content in tree.items() if path.startswith("made/")
    }
    there.pop(NAME, None)
    return there


def test_the_first_time_everything_is_compiled() -> None:
    repository = FakeRepository()
    repository.push(
        "main", {"flows/a.yml": b"a", "flows/x/b.yml": b"b", "README.md": b"c", "other.yml": b"d"}
    )

    outcome = committed(repository)

    assert ("flows/a.yml", "flows/x/b.yml") == outcome.compiled
    assert {"a.py": b"1 a", "b.py": b"1 b"} == made(repository)
    assert outcome.delivered == repository.branches["main"]


def test_only_what_changed_is_compiled_again() -> None:
    repository = FakeRepository()
    repository.push("main", {"flows/a.yml": b"a", "flows/b.yml": b"b"})
    committed(repository)
    repository.push("main", {"flows/a.yml": b"a2"})
    compiler = Toy()

    outcome = committed(repository, compiler)

    assert ["flows/a.yml"] == compiler.compiled
    assert ({"a2.py": b"1 a2", "b.py": b"1 b"}, ("a2.py",), ("a.py",)) == (
        made(repository),
        outcome.written,
        outcome.deleted,
    )


def test_a_definition_that_is_deleted_or_renamed_takes_its_artifacts_along() -> None:
    repository = FakeRepository()
    repository.push("main", {"flows/a.yml": b"a", "flows/b.yml": b"b"})
    committed(repository)
    repository.push("main", {"flows/a.yml": None, "flows/b.yml": None, "flows/c.yml": b"b"})

    outcome = committed(repository)

    assert {"b.py": b"1 b"} == made(repository)
    assert (("flows/a.yml", "flows/b.yml"), ("a.py",)) == (outcome.removed, outcome.deleted)


def test_our_own_commit_makes_no_further_one() -> None:
    repository = FakeRepository()
    repository.push("main", {"flows/a.yml": b"a"})
    committed(repository)
    head = repository.branches["main"]

    outcome = committed(repository)

    assert ("", head) == (outcome.delivered, repository.branches["main"])


def test_what_somebody_changed_or_deleted_by_hand_is_made_anew() -> None:
    repository = FakeRepository()
    repository.push("main", {f"flows/{name}.yml": name.encode() for name in "abc"})
    committed(repository)
    repository.push("main", {"made/a.py": b"edited", "made/b.py": None})
    compiler = Toy()

    outcome = committed(repository, compiler)

    assert {"a.py": b"1 a", "b.py": b"1 b", "c.py": b"1 c"} == made(repository)
    assert ["flows/a.yml", "flows/b.yml"] == compiler.compiled
    assert ("a.py", "b.py") == outcome.written
    assert "" == committed(repository).delivered


def test_a_shelf_is_mended_as_well() -> None:
    repository, box = FakeRepository(), Box()
    repository.push("main", {"flows/a.yml": b"a", "flows/b.yml": b"b"})
    shelved(repository, box)
    box.content["a.py"] = b"edited"
    del box.content["b.py"]

    assert ("a.py", "b.py") == shelved(repository, box).written
    assert (b"1 a", b"1 b") == (box.content["a.py"], box.content["b.py"])


@pytest.mark.parametrize("way", [committed, proposed])
def test_files_of_others_are_left_as_they_are(way: Callable[[FakeRepository], Outcome]) -> None:
    repository = FakeRepository()
    ours = b"# Made by Sluice from a definition, by an older release"
    repository.push("main", {"made/a.py": b"by hand", "made/b.py": ours, "made/c.py": b"1 c"})
    repository.push("main", {f"flows/{name}.yml": name.encode() for name in "abc"})

    outcome = way(repository)

    assert {"flows/a.yml": (
        "flows/a.yml: a.py is there, and Sluice has not made it\n"
        "  give the pipeline another name, or move that file away"
    )} == outcome.failed  # fmt: skip
    branch = "main" if way is committed else "sluice/made"
    assert {"a.py": b"by hand", "b.py": b"1 b", "c.py": b"1 c"} == made(repository, branch)
    assert "" == way(repository).delivered or way is proposed

    repository.push("main", {"made/a.py": None})
    way(repository)
    assert b"1 a" == made(repository, branch)["a.py"]


def test_files_of_others_stay_on_a_shelf() -> None:
    repository, box = FakeRepository(), Box({"a.py": b"by hand"})
    repository.push("main", {"flows/a.yml": b"a", "flows/b.yml": b"b"})

    assert {"flows/a.yml"} == shelved(repository, box).failed.keys()
    assert (b"by hand", b"1 b") == (box.content["a.py"], box.content["b.py"])


def test_what_lies_among_the_artifacts_is_no_definition() -> None:
    scope = Scope("main", definitions=("**/*.yml",), generated="made")

    assert scope.is_definition("flows/a.yml")
    assert not scope.is_definition("made/a.yml")


def test_one_bad_file_fails_alone_and_what_it_was_before_stays() -> None:
    repository = FakeRepository()
    repository.push("main", {"flows/a.yml": b"a", "flows/b.yml": b"b", "flows/c.yml": b"c"})
    committed(repository)
    repository.push("main", {"flows/a.yml": b"bad", "flows/b.yml": b"bug", "flows/c.yml": b"c2"})

    outcome = committed(repository)

    assert {"a.py": b"1 a", "b.py": b"1 b", "c2.py": b"1 c2"} == made(repository)
    assert "flows/a.yml:1:1 is bad" == outcome.failed["flows/a.yml"]
    assert "ZeroDivisionError" in outcome.failed["flows/b.yml"]
    assert "2 failed" in outcome.title


def test_a_failed_definition_is_tried_again_whatever_is_pushed_next() -> None:
    repository = FakeRepository()
    repository.push("main", {"flows/a.yml": b"a < a.sql"})
    assert committed(repository).failed
    repository.push("main", {"a.sql": b"SELECT 1"})

    outcome = committed(repository)

    assert {} == outcome.failed
    assert {"a.py": b"1 a < a.sql SELECT 1"} == made(repository)


def test_a_file_that_a_definition_reads_has_it_compiled_again() -> None:
    repository = FakeRepository()
    repository.push("main", {"flows/a.yml": b"a < a.sql", "flows/b.yml": b"b", "a.sql": b"SELECT 1"})
    committed(repository)
    repository.push("main", {"a.sql": b"SELECT 2"})
    compiler = Toy()

    committed(repository, compiler)

    assert ["flows/a.yml"] == compiler.compiled
    assert b"1 a < a.sql SELECT 2" == made(repository)["a.py"]


@pytest.mark.parametrize("change", [{"defaults.yml": b"x"}, {"defaults.yml": None}])
def test_a_change_of_what_is_shared_has_all_compiled_again(change: dict[str, bytes | None]) -> None:
    repository = FakeRepository()
    repository.push("main", {"flows/a.yml": b"a", "flows/b.yml": b"b", "defaults.yml": b"1"})
    committed(repository)
    repository.push("main", change)
    compiler = Toy()

    committed(repository, compiler)

    assert ["flows/a.yml", "flows/b.yml"] == compiler.compiled


@pytest.mark.parametrize("change", [{"flows/x/_defaults.yml": b"2"}, {"flows/x/_defaults.yml": None}])
def test_shared_defaults_that_change_have_those_below_them_compiled_again(
    change: dict[str, bytes | None],
) -> None:
    repository = FakeRepository()
    there = {"flows/a.yml": b"a", "flows/x/b.yml": b"b", "flows/x/y/c.yml": b"c"}
    repository.push("main", {**there, "flows/x/_defaults.yml": b"1", "flows/xx.yml": b"xx"})
    assert ("flows/a.yml", "flows/x/b.yml", "flows/x/y/c.yml", "flows/xx.yml") == committed(
        repository
    ).compiled
    repository.push("main", change)
    compiler = Toy()

    committed(repository, compiler)

    assert ["flows/x/b.yml", "flows/x/y/c.yml"] == compiler.compiled
    manifest = repository.commits[repository.branches["main"]].tree[f"made/{NAME}"]
    assert b"_defaults.yml" not in manifest


def test_new_shared_defaults_at_the_top_have_all_compiled_again() -> None:
    repository = FakeRepository()
    repository.push("main", {"flows/a.yml": b"a", "flows/x/b.yml": b"b"})
    committed(repository)
    repository.push("main", {"_defaults.yml": b"1"})
    compiler = Toy()

    committed(repository, compiler)

    assert ["flows/a.yml", "flows/x/b.yml"] == compiler.compiled


def test_another_version_of_the_compiler_has_all_compiled_again() -> None:
    repository = FakeRepository()
    repository.push("main", {"flows/a.yml": b"a", "flows/b.yml": b"b"})
    committed(repository)

    committed(repository, Toy("2"))

    assert {"a.py": b"2 a", "b.py": b"2 b"} == made(repository)
    assert "" == committed(repository, Toy("2")).delivered


def test_two_definitions_that_make_the_same_artifact_both_fail() -> None:
    repository = FakeRepository()
    repository.push("main", {"flows/a.yml": b"a", "flows/b.yml": b"a", "flows/c.yml": b"c"})

    outcome = committed(repository)

    assert ["flows/a.yml", "flows/b.yml"] == list(outcome.failed)
    assert "a.py" in outcome.failed["flows/a.yml"]
    assert {"c.py": b"1 c"} == made(repository)


def test_a_branch_that_is_gone_deletes_nothing() -> None:
    repository, box = FakeRepository(), Box()
    repository.push("main", {"flows/a.yml": b"a"})
    shelved(repository, box)
    del repository.branches["main"]

    assert Outcome(None) == shelved(repository, box)
    assert b"1 a" == box.content["a.py"]


def test_a_force_push_to_another_history_is_compiled_as_a_whole() -> None:
    repository, box = FakeRepository(), Box()
    first = repository.push("main", {"flows/a.yml": b"a"})
    repository.push("main", {"flows/b.yml": b"b"})
    shelved(repository, box)
    old = repository.branches["main"]
    repository.push("main", {"flows/c.yml": b"c"}, parent=first)
    del repository.commits[old]

    shelved(repository, box)

    assert {"a.py", "c.py", NAME} == set(box.content)


def test_a_squash_merge_is_compiled_as_any_other_commit() -> None:
    repository = FakeRepository()
    repository.push("main", {"flows/a.yml": b"a"})
    committed(repository)
    repository.push("work", {"flows/b.yml": b"b"}, parent=repository.branches["main"])
    repository.push("work", {"flows/a.yml": b"a2"})
    repository.merge(repository.open_pull("work"))

    committed(repository)

    assert {"a2.py": b"1 a2", "b.py": b"1 b"} == made(repository)


def test_a_pull_request_is_used_again_until_it_is_merged() -> None:
    repository = FakeRepository()
    repository.push("main", {"flows/a.yml": b"a"})
    proposed(repository)
    repository.push("main", {"flows/b.yml": b"b"})
    proposed(repository)

    assert [1] == [number for number, pull in repository.pulls.items() if pull.open]
    assert {"a.py": b"1 a", "b.py": b"1 b"} == made(repository, "sluice/made")
    assert "flows/b.yml" in repository.bodies[1]

    repository.merge(1)
    after = proposed(repository)

    assert ("", {"a.py": b"1 a", "b.py": b"1 b"}) == (after.delivered, made(repository))
    assert "sluice/made" not in repository.branches


def test_a_proposal_that_nobody_needs_any_more_is_withdrawn() -> None:
    repository = FakeRepository()
    first = repository.push("main", {"README.md": b""})
    proposed(repository)
    repository.push("main", {"flows/a.yml": b"a"})
    proposed(repository)
    repository.push("main", {}, parent=first)
    repository.branches["main"] = first

    proposed(repository)

    assert not any(pull.open for pull in repository.pulls.values())


def test_a_branch_that_moves_meanwhile_is_done_again() -> None:
    repository = FakeRepository()
    repository.push("main", {"flows/a.yml": b"a"})

    class Slow(Toy):
        def compile(self, path: str, content: bytes, read: Any) -> Any:
            if not self.compiled:
                repository.push("main", {"flows/b.yml": b"b"})
            return super().compile(path, content, read)

    committed(repository, Slow())

    assert {"a.py": b"1 a", "b.py": b"1 b"} == made(repository)


def test_a_worker_whose_lease_went_to_another_writes_nothing() -> None:
    repository, box = FakeRepository(), Box()
    repository.push("main", {"flows/a.yml": b"a"})

    def check() -> None:
        raise Superseded("the lease went to another worker")

    with pytest.raises(Superseded):
        weave(repository, SCOPE, compiler=Toy(), delivery=Shelved(box, check))

    assert {} == box.content


def test_a_push_of_400_files_is_read_at_once() -> None:
    repository, box = FakeRepository(), Box()
    repository.push("main", {f"flows/{n}.yml": f"p{n}".encode() for n in range(400)})

    shelved(repository, box)

    assert 401 == len(box.content)
    assert 2 >= repository.calls["read"]


NAMES = st.sampled_from([f"flows/{name}.yml" for name in "abc"])
TEXTS = st.sampled_from([b"x", b"y", b"z", b"bad", b"x < q.sql", None])
PUSHES = st.tuples(
    st.just("push"), st.dictionaries(NAMES | st.just("q.sql"), TEXTS, max_size=3), st.booleans()
)
WEAVES = st.tuples(st.just("weave"), st.none() | st.integers(0, 4), st.booleans())


@given(st.lists(PUSHES | WEAVES, max_size=10))
def test_any_history_ends_as_if_the_head_were_compiled_at_once(story: list[Any]) -> None:
    repository, box = FakeRepository(), Box()
    first = repository.push("main", {})
    for verb, what, flag in story:
        if verb == "push":
            repository.push("main", what, parent=first if flag else None)
            continue
        box.breaks = None if what is None else box.writes + what
        try:
            shelved(repository, box)
        except Transient:
            continue
    box.breaks = None
    shelved(repository, box)

    clean = Box()
    failed = shelved(repository, clean).failed
    manifest = Manifest.of(box.content.get(NAME))
    # A definition that fails now keeps what it was when it compiled last, unless another makes that by now.
    kept = {
        path for one in failed if one in manifest.definitions for path in manifest.definitions[one].artifacts
    }

    def artifacts(of: Box) -> dict[str, bytes]:
        return {path: content for path, content in of.content.items() if path != NAME and path not in kept}

    assert () == manifest.pending
    if not failed and not manifest.failed:
        assert artifacts(clean) == artifacts(box)
    assert artifacts(box).items() <= artifacts(clean).items() or manifest.failed


def test_a_branch_that_never_stands_still_is_left_to_the_next_news() -> None:
    repository = FakeRepository()
    repository.push("main", {"flows/a.yml": b"a"})

    class Restless(Toy):
        def compile(self, path: str, content: bytes, read: Any) -> Any:
            repository.push("main", {"flows/a.yml": b"a%d" % len(repository.commits)})
            return super().compile(path, content, read)

    compiler = Restless()
    with pytest.raises(Superseded, match="moves faster"):
        proposed(repository, compiler)

    assert ROUNDS == len(compiler.compiled)
