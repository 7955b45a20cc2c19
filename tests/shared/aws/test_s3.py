"""The S3 store on a real server over HTTP, and every way in which S3 and the wire may fail."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import NoCredentialsError

from shared.aws.clients import client
from shared.aws.s3 import LARGEST_PUT, S3Store
from shared.common.errors import Misconfigured, Refused, Transient, Violation
from shared.common.fakes import FakeClock
from tests.shared.aws.servers import CREDENTIALS, Fault, FaultProxy, s3_client
from tests.shared.landing.store_suite import StoreSuite, keys, scratch_file, sha256

Make = Callable[..., S3Store]


class TestS3(StoreSuite):
    @pytest.fixture
    def store(self, s3: Any, bucket: str, tmp_path: Path) -> S3Store:
        return S3Store(bucket, "some/prefix/", clock=FakeClock(), client=s3, scratch=tmp_path)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def faulty(proxy: FaultProxy, bucket: str, tmp_path: Path, clock: FakeClock) -> Make:
    """A store behind the proxy; its clock is `clock`, and it waits the longest that the jitter allows."""

    def make(*faults: Fault, **settings: Any) -> S3Store:
        settings = {"client": s3_client(proxy.url), "jitter": lambda: 1.0, **settings}
        store = S3Store(bucket, "p", clock=clock, scratch=tmp_path, **settings)
        proxy.play(*faults)
        return store

    return make


SLOW_DOWN = Fault("PUT", "status", 503, "SlowDown")
CONFLICT = Fault("PUT", "status", 409, "ConditionalRequestConflict")
BROKEN = Fault("PUT", "status", 500, "InternalError")
CORRUPT = Fault("PUT", "status", 400, "BadDigest")


def test_keys_lie_below_the_prefix(s3: Any, bucket: str) -> None:
    store = S3Store(bucket, "/a/b/", clock=FakeClock(), client=s3)
    store.put_new("k", b"")
    S3Store(bucket, clock=FakeClock(), client=s3).put_new("a/bc", b"")

    assert keys(store.list("")) == ["k"]
    assert store.url("k") == f"s3://{bucket}/a/b/k"
    assert S3Store("x", clock=FakeClock(), client=s3).url("k") == "s3://x/k"
    assert keys(S3Store(bucket, clock=FakeClock(), client=s3).list("a/b")) == ["a/b/k", "a/bc"]


def test_a_long_listing_is_asked_for_page_by_page(proxy: FaultProxy, faulty: Make) -> None:
    pages_of_three = s3_client(proxy.url)
    pages_of_three.meta.events.register(
        "provide-client-params.s3.ListObjectsV2", lambda params, **_: {**params, "MaxKeys": 3}
    )
    store = faulty(client=pages_of_three)
    for number in range(7):
        store.put_new(f"log/{number}", b"")
    proxy.play()
    found = store.list("log/")
    first = [next(found).key for _ in range(3)]

    assert len(proxy.seen) == 1
    assert [*first, *keys(found)] == [f"log/{number}" for number in range(7)]
    assert len(proxy.seen) == 3
    assert keys(store.list("log/", after="log/3")) == ["log/4", "log/5", "log/6"]
    assert len(proxy.seen) == 4


def test_a_put_is_conditional_and_carries_its_checksum(proxy: FaultProxy, faulty: Make) -> None:
    store = faulty()
    store.put_new("k", b"hello")
    store.put_file("f", scratch_file(store, b"hello"), sha256=sha256(b"hello"))

    for headers in proxy.heard:
        assert headers["If-None-Match"] == "*"
        assert headers["x-amz-checksum-sha256"] == "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ="


def test_putting_over_is_one_request_without_a_condition(
    proxy: FaultProxy, faulty: Make, tmp_path: Path
) -> None:
    store = faulty()
    for body in (b"old", b"hello"):
        store.put_over("f", scratch_file(store, body), sha256=sha256(body))

    assert b"hello" == store.get("f")
    assert ["PUT", "PUT", "GET"] == [one.split()[0] for one in proxy.seen]
    assert "If-None-Match" not in proxy.heard[1]
    assert "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=" == proxy.heard[1]["x-amz-checksum-sha256"]


@pytest.mark.parametrize("fault", [SLOW_DOWN, CONFLICT, BROKEN, CORRUPT, Fault("PUT", "reset")])
def test_a_put_that_failed_for_now_is_repeated(faulty: Make, clock: FakeClock, fault: Fault) -> None:
    store = faulty(fault, fault)
    store.put_new("k", b"body")

    assert store.get("k") == b"body"
    assert clock.slept == [0.2, 0.4]


@pytest.mark.parametrize("kind", ["lost", "hang"])
def test_a_put_whose_answer_was_lost_is_known_as_our_own(proxy: FaultProxy, faulty: Make, kind: str) -> None:
    store = faulty(Fault("PUT", kind), client=s3_client(proxy.url, read_timeout=1))
    etag = store.put_new("k", b"run 1")
    info = store.head("k")

    assert [line.split()[0] for line in proxy.seen] == ["PUT", "PUT", "HEAD", "GET", "HEAD"]
    assert info is not None
    assert info.etag == etag


def test_a_retry_inside_botocore_counts_as_ours(proxy: FaultProxy, faulty: Make) -> None:
    patient = s3_client(proxy.url, retries={"total_max_attempts": 3, "mode": "standard"})
    store = faulty(Fault("PUT", "lost"), client=patient)
    store.put_new("k", b"run 1")

    assert store.get("k") == b"run 1"


@pytest.mark.parametrize("fault", [BROKEN, CONFLICT, Fault("PUT", "reset")])
def test_a_commit_of_another_run_is_not_taken_for_ours(faulty: Make, fault: Fault) -> None:
    store = faulty()
    store.put_new("k", b"run 2")

    store = faulty(fault)
    with pytest.raises(FileExistsError):
        store.put_new("k", b"run 1")
    assert store.get("k") == b"run 2"


def test_a_412_without_doubt_costs_no_further_request(proxy: FaultProxy, faulty: Make) -> None:
    store = faulty()
    store.put_new("k", b"same")
    with pytest.raises(FileExistsError):
        store.put_new("k", b"same")

    assert len(proxy.seen) == 2


@pytest.mark.parametrize("kind", ["lost", "hang", "reset"])
def test_a_file_whose_upload_broke_is_sent_again_from_its_beginning(
    proxy: FaultProxy, faulty: Make, kind: str
) -> None:
    body = bytes(range(256)) * 8000
    store = faulty(Fault("PUT", kind), client=s3_client(proxy.url, read_timeout=1))
    store.put_file("part", scratch_file(store, body), sha256=sha256(body))

    assert store.get("part") == body


def test_a_server_without_checksums_is_asked_for_the_bytes(s3: Any, bucket: str, tmp_path: Path) -> None:
    store = S3Store(bucket, clock=FakeClock(), client=s3, scratch=tmp_path)
    s3.put_object(Bucket=bucket, Key="part", Body=b"one")

    assert store.put_file("part", scratch_file(store, b"one"), sha256=sha256(b"one"))
    with pytest.raises(FileExistsError):
        store.put_file("part", scratch_file(store, b"two"), sha256=sha256(b"two"))


def test_giving_up_is_transient_and_says_what_was_tried(faulty: Make, clock: FakeClock) -> None:
    store = faulty(*[SLOW_DOWN] * 4, attempts=4)
    with pytest.raises(Transient, match=r"put_object, tried 4 times; at last: .*SlowDown.*s3://b-\w+/p/k"):
        store.put_new("k", b"")

    assert clock.slept == [0.2, 0.4, 0.8]
    assert store.head("k") is None


def test_no_retry_begins_after_the_patience_is_over(faulty: Make, clock: FakeClock) -> None:
    store = faulty(*[SLOW_DOWN] * 9, attempts=100, patience=5)
    with pytest.raises(Transient, match="tried 6 times"):
        store.put_new("k", b"")

    assert sum(clock.slept) == pytest.approx(6.2)


def test_a_wait_is_never_longer_than_the_longest(faulty: Make, clock: FakeClock) -> None:
    store = faulty(*[SLOW_DOWN] * 8, attempts=9)
    store.put_new("k", b"")

    assert max(clock.slept) == 8.0


@pytest.mark.parametrize("code", ["AccessDenied", "ExpiredToken"])
def test_a_denial_names_bucket_key_and_action(faulty: Make, clock: FakeClock, code: str) -> None:
    store = faulty(Fault("PUT", "status", 403, code))
    with pytest.raises(Refused, match=rf"403 {code}.*bucket b-\w+, key p/k\]\n.*s3:PutObject") as caught:
        store.put_new("k", b"")

    assert (caught.value.status, caught.value.kind) == (403, code)
    assert clock.slept == []


def test_a_denied_head_says_that_the_listing_right_may_be_missing(faulty: Make) -> None:
    with pytest.raises(Refused, match="s3:ListBucket"):
        faulty(Fault("HEAD", "status", 403, "")).head("k")


def test_a_bucket_that_is_not_there_is_a_wrong_setting(s3: Any) -> None:
    store = S3Store("no-such-bucket", clock=FakeClock(), client=s3)
    for ask in (lambda: store.put_new("k", b""), lambda: list(store.list("")), lambda: store.get("k")):
        with pytest.raises(Misconfigured, match='there is no bucket "no-such-bucket"'):
            ask()


def test_missing_credentials_are_a_wrong_setting(faulty: Make, clock: FakeClock) -> None:
    class Anonymous:
        def put_object(self, **_: object) -> None:
            raise NoCredentialsError

    with pytest.raises(Misconfigured, match="Unable to locate credentials"):
        faulty(client=Anonymous()).put_new("k", b"")
    assert clock.slept == []


def test_reading_goes_on_where_the_connection_broke(proxy: FaultProxy, faulty: Make) -> None:
    body = bytes(range(256)) * 4000
    store = faulty()
    store.put_new("k", body)
    proxy.play(Fault("GET", "cut"), Fault("GET", "status", 500), Fault("GET", "cut"))

    assert store.get("k") == body
    assert [headers.get("Range") for headers in proxy.heard] == [
        None,
        "bytes=512000-",
        "bytes=512000-",
        "bytes=768000-",
    ]


def test_an_object_replaced_while_it_is_read_is_a_violation(
    proxy: FaultProxy, faulty: Make, s3: Any, bucket: str
) -> None:
    store = faulty()
    store.put_new("k", b"x" * 1_000_000)
    proxy.play(Fault("GET", "cut"))
    with store.open("k") as stream:
        s3.put_object(Bucket=bucket, Key="p/k", Body=b"y" * 1_000_000)
        with pytest.raises(Violation, match="changed while it was read"):
            stream.read()


def test_reading_gives_up_as_transient(proxy: FaultProxy, faulty: Make) -> None:
    store = faulty(attempts=3)
    store.put_new("k", b"x" * 1_000_000)
    proxy.play(*[Fault("GET", "cut")] * 30)
    with pytest.raises(Transient, match="S3 broke off at byte"), store.open("k") as stream:
        stream.read()


def test_a_listing_survives_a_slow_down(faulty: Make) -> None:
    store = faulty(Fault("GET", "status", 503, "SlowDown"))
    store.put_new("k", b"")

    assert keys(store.list("")) == ["k"]


def test_a_part_too_large_for_one_put_is_refused_before_it_is_sent(s3: Any, tmp_path: Path) -> None:
    file = tmp_path / "sparse"
    with file.open("wb") as stream:
        stream.truncate(LARGEST_PUT + 1)
    with pytest.raises(Misconfigured, match="larger than S3 takes at once"):
        S3Store("b", clock=FakeClock(), client=s3).put_file("k", file, sha256="00")


def test_scratch_files_lie_in_a_private_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    folder = S3Store("b", clock=FakeClock()).scratch()

    assert folder.parent == tmp_path
    assert folder.stat().st_mode & 0o777 == 0o700

    folder.rmdir()
    folder.symlink_to(tmp_path)
    with pytest.raises(Misconfigured, match="belongs to somebody else"):
        S3Store("b", clock=FakeClock()).scratch()


def test_the_store_makes_its_own_client_when_it_is_first_used(
    moto: str, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {**CREDENTIALS, "AWS_ENDPOINT_URL": moto}.items():
        monkeypatch.setenv(name, value)
    store = S3Store(bucket, clock=FakeClock())
    store.put_new("k", b"mine")

    assert store.get("k") == b"mine"
    assert client("s3", max_pool_connections=32, attempts=1).meta.endpoint_url == moto


def test_many_threads_share_a_store(s3: Any, bucket: str) -> None:
    store = S3Store(bucket, clock=FakeClock(), client=s3)
    threads = [threading.Thread(target=store.put_new, args=(f"k/{n}", b"x")) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert keys(store.list("k/")) == [f"k/{n}" for n in range(8)]
