"""A place in a bucket whose objects may be overwritten, such as the DAG folder of a managed Airflow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shared.aws.clients import client as aws_client
from shared.common.errors import Refused, Transient


class S3Shelf:
    """The objects of `bucket` below `prefix`. `client` is for tests."""

    def __init__(self, bucket: str, prefix: str = "", *, client: Any = None) -> None:
        self._bucket = bucket
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        self._client = client

    def get(self, path: str) -> bytes | None:
        """The object; None when there is none."""
        try:
            body: bytes = self._call("get_object", path)["Body"].read()
        except KeyError:
            return None
        return body

    def put(self, path: str, content: bytes) -> None:
        self._call("put_object", path, Body=content)

    def delete(self, path: str) -> None:
        self._call("delete_object", path)

    def differing(self, artifacts: Mapping[str, str]) -> set[str]:
        """Those that are not there; what somebody wrote over an object is not seen, as that would take reading all."""
        return artifacts.keys() - self._names()

    def _names(self) -> set[str]:
        found: set[str] = set()
        token: dict[str, str] = {}
        while True:
            page = self._ask("list_objects_v2", self._prefix, Prefix=self._prefix, **token)
            found |= {one["Key"].removeprefix(self._prefix) for one in page.get("Contents", ())}
            if not page.get("IsTruncated"):
                return found
            token = {"ContinuationToken": page["NextContinuationToken"]}

    def url(self) -> str:
        return f"s3://{self._bucket}/{self._prefix}".rstrip("/")

    def _call(self, method: str, path: str, **more: Any) -> Any:
        return self._ask(method, self._prefix + path, Key=self._prefix + path, **more)

    def _ask(self, method: str, key: str, **more: Any) -> Any:
        """One call, which botocore tries several times. Raises `KeyError` where there is no such object."""
        from botocore.exceptions import BotoCoreError, ClientError

        client = self._client or aws_client("s3", attempts=5)
        try:
            return getattr(client, method)(Bucket=self._bucket, **more)
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "")
            if code in ("NoSuchKey", "404"):
                raise KeyError(key) from None
            bucket = self._bucket
            if code in ("AccessDenied", "NoSuchBucket"):
                hint = (
                    "the role needs s3:GetObject, s3:PutObject and s3:DeleteObject there, and s3:ListBucket"
                )
                raise Refused(f"S3 refuses it: {code}", hint=hint, bucket=bucket, key=key) from None
            raise Transient(f"S3 did not do it: {error}", bucket=bucket, key=key) from None
        except BotoCoreError as error:
            raise Transient(f"S3 cannot be had: {error}", bucket=self._bucket) from None
