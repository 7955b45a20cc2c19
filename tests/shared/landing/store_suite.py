"""What every ObjectStore keeps, told as tests: each store's test file inherits them and says how one is made."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.common.ports import ObjectInfo, ObjectStore

NAMES = st.lists(
    st.text("ab-./=_~0Zé", min_size=1, max_size=6).filter(
        lambda part: part.strip(".") == part and "/" not in part
    ),
    min_size=1,
    max_size=3,
).map("/".join)


def sha256(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def scratch_file(store: ObjectStore, body: bytes, name: str = "upload.scratch") -> Path:
    store.scratch().mkdir(parents=True, exist_ok=True)
    path = store.scratch() / name
    path.write_bytes(body)
    return path


def keys(found: object) -> list[str]:
    return [info.key for info in found]  # type: ignore[attr-defined]


class StoreSuite:
    """Inherit it in a class `Test…` and give it a fixture `store` with an empty one."""

    fresh_now = True
    """Whether `modified` follows the real clock."""

    def test_what_is_put_is_read_back(self, store: ObjectStore) -> None:
        etag = store.put_new("a/b", b"hello")

        assert store.get("a/b") == b"hello"
        with store.open("a/b") as stream:
            assert stream.read(2) == b"he"
            assert stream.read() == b"llo"
        info = store.head("a/b")
        assert info == ObjectInfo("a/b", 5, etag, info.modified if info else datetime.now(UTC))
        assert list(store.list("")) == [info]

    def test_the_time_of_change_is_in_utc_and_now(self, store: ObjectStore) -> None:
        store.put_new("k", b"")
        info = store.head("k")

        assert info is not None
        assert info.modified.utcoffset() == timedelta(0)
        if self.fresh_now:
            assert abs(datetime.now(UTC) - info.modified) < timedelta(minutes=1)

    def test_a_key_is_given_once(self, store: ObjectStore) -> None:
        store.put_new("k", b"first")
        for body in (b"second", b"first"):
            with pytest.raises(FileExistsError):
                store.put_new("k", body)

        assert store.get("k") == b"first"

    def test_what_is_not_there_is_told_so(self, store: ObjectStore) -> None:
        store.put_new("folder/k", b"")

        assert store.head("nothing") is None
        assert store.head("folder") is None
        assert store.head("folder/k/below") is None
        assert list(store.list("nothing/")) == []
        with pytest.raises(KeyError, match="nothing"):
            store.get("nothing")
        with pytest.raises(KeyError, match="folder"):
            store.open("folder")

    def test_a_file_is_taken_in(self, store: ObjectStore) -> None:
        body = bytes(range(256)) * 1000
        etag = store.put_file("x/part", scratch_file(store, body), sha256=sha256(body))
        info = store.head("x/part")

        assert store.get("x/part") == body
        assert info is not None
        assert (info.size, info.etag) == (len(body), etag)

    def test_the_same_file_may_come_twice_but_no_other(self, store: ObjectStore) -> None:
        etag = store.put_file("part", scratch_file(store, b"one"), sha256=sha256(b"one"))

        assert store.put_file("part", scratch_file(store, b"one"), sha256=sha256(b"one")) == etag
        with pytest.raises(FileExistsError):
            store.put_file("part", scratch_file(store, b"two"), sha256=sha256(b"two"))
        assert store.get("part") == b"one"

    def test_deleting_is_final_and_may_be_repeated(self, store: ObjectStore) -> None:
        store.put_new("a/b", b"1")
        store.delete("a/b")
        store.delete("a/b")
        store.delete("never/was")

        assert store.head("a/b") is None
        assert list(store.list("")) == []
        store.put_new("a/b", b"2")
        assert store.get("a/b") == b"2"

    def test_scratch_files_are_no_objects(self, store: ObjectStore) -> None:
        store.put_new("a", b"")
        path = scratch_file(store, b"x")

        assert path.is_file()
        assert keys(store.list("")) == ["a"]
        path.unlink()

    def test_a_listing_ascends_by_key_as_text(self, store: ObjectStore) -> None:
        names = ["a", "a-b/c", "a.b", "b/c/d", "b/c-d", "b/c0", "b0", "é/x"]
        for name in reversed(names):
            store.put_new(name, b"")

        assert keys(store.list("")) == sorted(names)
        assert keys(store.list("b/c")) == ["b/c-d", "b/c/d", "b/c0"]
        assert keys(store.list("b/c/")) == ["b/c/d"]
        assert keys(store.list("b/", after="b/c/d")) == ["b/c0"]
        assert keys(store.list("b/", after="b/c")) == ["b/c-d", "b/c/d", "b/c0"]
        assert keys(store.list("b/", after="a")) == ["b/c-d", "b/c/d", "b/c0"]
        assert keys(store.list("b/", after="c")) == []
        assert keys(store.list("a", after="a")) == ["a-b/c", "a.b"]
        assert keys(store.list("a.b")) == ["a.b"]

    def test_a_url_names_the_object(self, store: ObjectStore) -> None:
        assert store.url("a/b").endswith("a/b")


class ListingSuite:
    """Any keys, any prefix, any start: a listing is the sorted keys that fit. For stores that are quick to fill."""

    @settings(
        deadline=None,
        max_examples=60,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
    )
    @given(
        names=st.sets(NAMES, max_size=8),
        prefix=st.one_of(st.just(""), NAMES),
        after=st.one_of(st.just(""), NAMES),
    )
    def test_a_listing_is_the_sorted_keys_that_fit(
        self, store: ObjectStore, names: set[str], prefix: str, after: str
    ) -> None:
        for info in list(store.list("")):
            store.delete(info.key)
        made = {
            n for n in names if not any(other.startswith(f"{n}/") for other in names)
        }  # no file is a folder
        for name in sorted(made):
            try:
                store.put_new(name, b"")
            except FileExistsError:  # a folder that an earlier example left
                made.discard(name)

        for start in (prefix, prefix[:-1]):
            assert keys(store.list(start, after=after)) == sorted(
                name for name in made if name.startswith(start) and name > after
            )
