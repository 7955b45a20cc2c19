"""Versions are numbered, immutable, lawful successors; identical schemas are one version; races end in one."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shared.common.errors import Misconfigured, Transient, Violation
from shared.common.fakes import MemoryStore
from shared.contracts.compatibility.verdict import Mode
from shared.contracts.contract import Contract
from shared.contracts.registry import DictShelf, Registry, Shelf, Version
from shared.contracts.shelves import FolderShelf, StoreShelf
from shared.landing.folder import FolderStore

SUBJECT = "shop.orders"
SHELVES: dict[str, Callable[[Path], Shelf]] = {
    "dict": lambda _: DictShelf(),
    "folder": lambda folder: FolderShelf(folder / "versions"),
    "memory": lambda _: StoreShelf(MemoryStore()),
    "disk": lambda folder: StoreShelf(FolderStore(folder)),
}


@pytest.fixture(params=SHELVES)
def shelf(request: pytest.FixtureRequest, tmp_path: Path) -> Shelf:
    return SHELVES[request.param](tmp_path)


def contract(*names: str, subject: str = SUBJECT, **kinds: str) -> Contract:
    properties = {name: {"type": kinds.get(name, "string")} for name in names}
    return Contract.from_schema({"properties": properties, "additionalProperties": False}, name=subject)


def test_versions_count_from_one_and_the_same_schema_is_the_same_version(shelf: Shelf) -> None:
    """Also one that is not the last, and however its keys are ordered."""
    registry = Registry(shelf)
    first, made = registry.register(contract("a"))
    second, _ = registry.register(contract("a", "b"))
    again, made_again = registry.register(contract("a"))
    turned, _ = registry.register(contract("b", "a"))

    assert (1, True) == (first.number, made)
    assert (1, False) == (again.number, made_again)
    assert (2, 2) == (second.number, turned.number)
    assert [1, 2] == [one.number for one in registry.versions(SUBJECT)]
    assert contract("a").digest == registry.version(SUBJECT, 1).digest == registry.versions(SUBJECT)[0].digest


def test_an_unlawful_successor_is_refused_with_its_differences(shelf: Shelf) -> None:
    """And nothing is written."""
    registry = Registry(shelf)
    registry.register(contract("a", "b"))

    with pytest.raises(Violation, match="PROPERTY_REMOVED_FROM_CLOSED_CONTENT_MODEL #/properties/b"):
        registry.register(contract("a"))
    assert not registry.check(contract("a")).compatible
    assert [1] == shelf.numbers(SUBJECT)


def test_the_mode_decides(shelf: Shelf) -> None:
    """NONE lets everything pass, FORWARD the other direction, and transitive looks further back."""
    registry = Registry(shelf)
    registry.register(contract("a", a="integer"))
    registry.register(contract(), Mode.FORWARD)

    assert registry.check(contract("a"), Mode.BACKWARD).compatible
    assert not registry.check(contract("a"), Mode.BACKWARD_TRANSITIVE).compatible
    assert registry.register(contract("c"), Mode.NONE)[1]


def test_subjects_do_not_know_each_other(shelf: Shelf) -> None:
    """`shop.orders` is not `shop.orders_old`."""
    registry = Registry(shelf)
    registry.register(contract("a"))
    registry.register(contract("z", subject="shop.orders_old"))

    assert 1 == len(registry.versions(SUBJECT))
    assert () == registry.versions("shop.none")


def test_a_race_of_registrars_ends_in_one_version(shelf: Shelf) -> None:
    """Eight at once with the same contract."""
    results: list[tuple[Version, bool]] = []
    start = threading.Barrier(8)

    def work() -> None:
        start.wait()
        results.append(Registry(shelf).register(contract("a", "b")))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [1] == shelf.numbers(SUBJECT)
    assert {1} == {version.number for version, _ in results}
    assert 1 == sum(made for _, made in results)


class Slow(DictShelf):
    """Somebody else registers between our look and our write."""

    def __init__(self, *others: Contract) -> None:
        super().__init__()
        self.others = list(others)

    def put_new(self, subject: str, number: int, body: bytes) -> None:
        if self.others:
            other = self.others.pop(0)
            super().put_new(subject, number, Version(subject, number, other.digest, other.schema).encode())
        super().put_new(subject, number, body)


def test_who_comes_second_is_compared_with_who_came_first() -> None:
    """A lawful one gets the next number, another is refused."""
    later, _ = Registry(Slow(contract("a"))).register(contract("a", "b"))
    same, made = Registry(Slow(contract("a"))).register(contract("a"))

    assert (2, 1, False) == (later.number, same.number, made)
    with pytest.raises(Violation, match="may not follow version 1"):
        Registry(Slow(contract("a", a="integer"))).register(contract("a"))


def test_a_registrar_who_always_comes_second_gives_up() -> None:
    """It may be tried again."""
    others = [contract(*(f"p{n}" for n in range(count))) for count in range(60)]

    with pytest.raises(Transient, match="always faster"):
        Registry(Slow(*others)).register(contract("z"), Mode.NONE)


def test_a_version_that_was_changed_is_found(shelf: Shelf) -> None:
    """The digest in the file is that of the schema that was registered."""
    registry = Registry(shelf)
    body = Version(SUBJECT, 1, contract("a").digest, contract("a", "b").schema).encode()
    shelf.put_new(SUBJECT, 1, body)

    with pytest.raises(Violation, match="not what was registered"):
        registry.register(contract("a", "b"))


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"subject": 1, "version": 1, "digest": ""}'])
def test_what_is_no_version_is_said_so(shelf: Shelf, body: bytes) -> None:
    """With its place."""
    shelf.put_new(SUBJECT, 1, body)

    with pytest.raises(Violation, match="not a registered version"):
        Registry(shelf).versions(SUBJECT)


def test_a_gap_is_found(shelf: Shelf) -> None:
    """Somebody deleted version 1."""
    shelf.put_new(SUBJECT, 2, b"{}")

    with pytest.raises(Violation, match=r"version 1 of shop\.orders is missing"):
        Registry(shelf).versions(SUBJECT)


def test_a_number_is_written_once(shelf: Shelf) -> None:
    """Whoever holds it."""
    shelf.put_new(SUBJECT, 1, b"a")

    with pytest.raises(FileExistsError):
        shelf.put_new(SUBJECT, 1, b"b")
    assert b"a" == shelf.get(SUBJECT, 1)
    with pytest.raises(KeyError):
        shelf.get(SUBJECT, 2)


def test_versions_are_taken_over_under_their_numbers(shelf: Shelf) -> None:
    """What the authors registered in git is what the run-time registry holds; twice does no harm."""
    authors = Registry(DictShelf())
    for names in (("a",), ("a", "b"), ("a", "b", "c")):
        authors.register(contract(*names))
    here = Registry(shelf)

    assert [1, 2, 3] == [one.number for one in here.adopt(authors.versions(SUBJECT))]
    assert [] == here.adopt(authors.versions(SUBJECT))
    assert authors.versions(SUBJECT) == here.versions(SUBJECT)


def test_a_number_that_is_another_schema_here_is_not_taken_over(shelf: Shelf) -> None:
    """Two histories are never mixed."""
    authors, here = Registry(DictShelf()), Registry(shelf)
    authors.register(contract("a"))
    here.register(contract("b"))

    with pytest.raises(Violation, match="another schema here"):
        here.adopt(authors.versions(SUBJECT))


@pytest.mark.parametrize("subject", ["orders", "../x.y", "a.b/c", "a.b.c", ""])
def test_a_subject_is_a_source_and_a_stream(subject: str) -> None:
    """It becomes a path."""
    with pytest.raises(Misconfigured, match="no subject"):
        Registry(DictShelf()).versions(subject)


def test_an_unknown_version_lists_the_known_ones() -> None:
    """1 and 2."""
    registry = Registry(DictShelf())
    registry.register(contract("a"))

    with pytest.raises(Misconfigured, match="known: 1"):
        registry.version(SUBJECT, 3)


def test_nothing_is_left_beside_the_versions(tmp_path: Path) -> None:
    """Files are readable by everybody who has the repository, and there is no other one."""
    Registry(FolderShelf(tmp_path)).register(contract("a"))
    files: list[Any] = [path for path in tmp_path.rglob("*") if path.is_file()]

    assert [tmp_path / "orders" / "1.json"] == files
    assert 0o644 == files[0].stat().st_mode & 0o777
    assert files[0].read_text().startswith('{\n  "subject": "shop.orders",\n  "version": 1,')
