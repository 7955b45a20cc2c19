"""The wiring: settings become adapters, and only the chosen one is imported."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from shared.common.errors import Misconfigured
from src.wiring import open_store

ROOT = Path(__file__).parents[2]


def test_a_file_url_opens_a_folder(tmp_path: Path) -> None:
    store = open_store((tmp_path / "a folder").as_uri())
    store.put_new("x/y", b"z")

    assert (tmp_path / "a folder" / "x" / "y").read_bytes() == b"z"


def test_an_s3_url_opens_a_bucket_without_asking_it() -> None:
    assert open_store("s3://bucket/some/prefix").url("key") == "s3://bucket/some/prefix/key"


def test_any_other_url_is_refused() -> None:
    with pytest.raises(Misconfigured, match='unknown kind of landing zone "gs"'):
        open_store("gs://bucket")


def test_a_folder_needs_no_boto3() -> None:
    code = "import sys; from src.wiring import open_store; open_store('file:///x'); print('boto3' in sys.modules)"

    assert (
        subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
        == "False\n"
    )
