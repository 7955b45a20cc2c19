"""A container engine of our own: podman with runc, its images and its socket in a folder that is gone afterwards.

Where the programs are missing they are installed with apt-get, when the tests run as root; else there is a reason to
skip.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.sam import runc_without_limits

PACKAGES = ("podman", "runc", "netavark", "iptables")
PROGRAMS = ("podman", "runc", "iptables")
IMAGE = "localhost/sluice-lambda:3.13"

CONF = """[engine]
runtime = "bare"
cgroup_manager = "cgroupfs"
events_logger = "file"
[engine.runtimes]
bare = ["{runtime}"]
"""


@dataclass(frozen=True)
class Engine:
    """A running engine: what speaks Docker's API finds it by `environ`; containers reach this machine at `gateway`."""

    folder: Path
    gateway: str = ""

    @property
    def environ(self) -> dict[str, str]:
        return {
            "CONTAINERS_CONF": str(self.folder / "containers.conf"),
            "DOCKER_HOST": f"unix://{self.socket}",
        }

    @property
    def socket(self) -> Path:
        return self.folder / "podman.sock"

    def podman(self, *words: str) -> list[str]:
        return ["podman", "--root", str(self.folder / "root"), "--runroot", str(self.folder / "run"), *words]

    def ask(self, *words: str) -> str:
        """What podman answers; a test is skipped when it cannot do it here."""
        done = subprocess.run(
            self.podman(*words),
            env=os.environ | self.environ,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        if done.returncode:
            pytest.skip(f"podman cannot {words[0]} here: {done.stderr.strip()[-500:]}")
        return done.stdout.strip()


@contextmanager
def engine(folder: Path, image: Path) -> Iterator[Engine]:
    """The engine, with the files below `image` as IMAGE. Skips with the reason, and with what would be needed."""
    if os.geteuid():
        pytest.skip(
            f"containers are made by root here (and need the packages {', '.join(PACKAGES)} of Debian)"
        )
    _install()
    runtime = folder / "runtime"
    runtime.write_text(f'#!/bin/sh\nexec {sys.executable} -I {runc_without_limits.__file__} "$@"\n')
    runtime.chmod(0o755)
    (folder / "containers.conf").write_text(CONF.format(runtime=runtime))
    found = Engine(folder)
    tar = folder / "image.tar"
    subprocess.run(["tar", "-C", str(image), "-cf", str(tar), "."], check=True)
    found.ask("import", str(tar), IMAGE)
    tar.unlink()
    said = json.loads(found.ask("network", "inspect", "podman"))[0]["subnets"][0]["gateway"]
    found.ask("run", "--rm", "--memory=64m", IMAGE, "/bin/sh", "-c", "exit 0")
    with _serving(found):
        yield Engine(folder, said)
    # Whatever a run that was broken off has left; a folder with a mount in it cannot be deleted.
    subprocess.run(
        found.podman("rm", "--all", "--force", "--time=0"), env=os.environ | found.environ, check=False,
        capture_output=True,
    )  # fmt: skip


@contextmanager
def _serving(found: Engine) -> Iterator[None]:
    with (found.folder / "log").open("wb") as log:
        command = found.podman("system", "service", "--time=0", f"unix://{found.socket}")
        # In a folder of its own: a container that is out of memory leaves a file "oom" where the engine works.
        process = subprocess.Popen(
            command, env=os.environ | found.environ, cwd=found.folder, stdout=log, stderr=log
        )
        try:
            for _ in range(200):
                if found.socket.exists() or process.poll() is not None:
                    break
                time.sleep(0.05)
            if process.poll() is not None:
                pytest.skip(f"podman does not serve: {(found.folder / 'log').read_text()[-500:]}")
            yield
        finally:
            process.terminate()
            process.wait(20)


def _install() -> None:
    missing = [program for program in PROGRAMS if not shutil.which(program)]
    if missing and shutil.which("apt-get"):
        quiet = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        for words in (["update"], ["install", "-y", "--no-install-recommends", *PACKAGES]):
            command = ["apt-get", "-o", "DPkg::Lock::Timeout=300", "-qq", *words]
            subprocess.run(command, env=quiet, capture_output=True, timeout=600, check=False)
        missing = [program for program in PROGRAMS if not shutil.which(program)]
    if missing:
        pytest.skip(f"missing: {', '.join(missing)} (Debian: apt-get install {' '.join(PACKAGES)})")
