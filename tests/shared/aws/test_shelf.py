"""A bucket as the place of artifacts (moto): what is written, what is missing, what is refused; and a weave into it."""

from __future__ import annotations

from typing import Any

import boto3
import pytest
from botocore.config import Config

from shared.aws.shelf import S3Shelf
from shared.common.errors import Refused, Transient
from shared.gitops.delivery_shelf import Shelved
from shared.gitops.fake import FakeRepository
from shared.gitops.manifest import NAME, Manifest
from shared.gitops.stale import Scope
from shared.gitops.weave import weave
from tests.shared.gitops.toy import Toy


def test_what_is_put_can_be_had_and_deleted(s3: Any, bucket: str) -> None:
    shelf = S3Shelf(bucket, "/dags/", client=s3)
    shelf.put("a b/ü.py", b"1")

    assert (b"1", None) == (shelf.get("a b/ü.py"), shelf.get("b.py"))
    assert ["dags/a b/ü.py"] == [one["Key"] for one in s3.list_objects_v2(Bucket=bucket)["Contents"]]
    assert f"s3://{bucket}/dags" == shelf.url()
    shelf.delete("a b/ü.py")
    shelf.delete("a b/ü.py")
    assert shelf.get("a b/ü.py") is None


def test_what_is_missing_is_seen_among_more_objects_than_a_page_holds(s3: Any, bucket: str) -> None:
    shelf = S3Shelf(bucket, "dags", client=s3)
    names = [f"{number}.py" for number in range(1003)]
    for name in names:
        s3.put_object(Bucket=bucket, Key=f"dags/{name}", Body=b"")
    s3.put_object(Bucket=bucket, Key="other/gone.py", Body=b"")

    assert {"gone.py"} == shelf.differing(dict.fromkeys([*names, "gone.py"], "x"))
    assert {"a"} == S3Shelf(bucket, client=s3).differing({"a": "x", "other/gone.py": "y"})


def test_who_must_act_is_told(moto: str, s3: Any) -> None:
    with pytest.raises(Refused, match="NoSuchBucket") as told:
        S3Shelf("nobody-made-this", client=s3).put("a", b"")
    nobody = boto3.client(
        "s3", endpoint_url="http://127.0.0.1:9", aws_access_key_id="a", aws_secret_access_key="b",
        region_name="eu-west-1", config=Config(retries={"total_max_attempts": 1}),
    )  # fmt: skip

    assert "s3:ListBucket" in told.value.hint
    with pytest.raises(Transient, match="S3 cannot be had"):
        S3Shelf("b", client=nobody).get("a")


def test_a_branch_is_woven_into_a_bucket_and_mended_there(s3: Any, bucket: str) -> None:
    repository, shelf = FakeRepository(), S3Shelf(bucket, "dags", client=s3)
    scope = Scope("main", definitions=("flows/*.yml",))
    repository.push("main", {"flows/a.yml": b"a", "flows/b.yml": b"b", "flows/bad.yml": b"bad"})
    shelf.put("mine.py", b"by hand")

    first = weave(repository, scope, compiler=Toy(), delivery=Shelved(shelf))
    shelf.delete("a.py")
    repository.push("main", {"flows/b.yml": None, "flows/mine.yml": b"mine"})
    second = weave(repository, scope, compiler=Toy(), delivery=Shelved(shelf))

    assert (("a.py", "b.py"), ("a.py",), ("b.py",)) == (first.written, second.written, second.deleted)
    assert {"flows/bad.yml", "flows/mine.yml"} == second.failed.keys()
    assert (b"1 a", None, b"by hand") == tuple(shelf.get(name) for name in ("a.py", "b.py", "mine.py"))
    assert {"flows/a.yml"} == Manifest.of(shelf.get(NAME)).definitions.keys()
