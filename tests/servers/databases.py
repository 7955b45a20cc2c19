"""A real PostgreSQL and a real MariaDB on a free port, in a folder of their own, gone when the tests are over.

Where the programs are missing they are installed with apt-get, when the tests run as root; else there is a reason to
skip. Nothing that is already running on the machine is touched.
"""

from __future__ import annotations

import contextlib
import fcntl
import getpass
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_APT = ["apt-get", "-o", "DPkg::Lock::Timeout=300", "-qq"]
_INSTALLED: dict[str, bool] = {}


class Missing(Exception):
    """The database cannot be had here; the message says why."""


@contextmanager
def postgres(*, durable: bool = False) -> Iterator[str]:
    """A PostgreSQL server; yields the URL of its database. No test kills it, so nothing waits for the disk."""
    initdb = program("initdb", "postgresql", "/usr/lib/postgresql/*/bin/initdb")
    server = initdb.with_name("postgres")
    with _folder("postgres") as folder:
        data, port = folder / "data", _free_port()
        _done([*_as("postgres"), str(initdb), "-D", str(data), "-U", "sluice", "-A", "trust", "-E", "UTF8"])
        options = f"-p {port} -h 127.0.0.1 -k {folder} -c max_wal_size=2GB" + (
            "" if durable else _NOT_DURABLE
        )
        command = [*_as("postgres"), str(server), "-D", str(data), *options.split()]
        with _running(command, folder, port, stop="-INT"):
            yield f"postgresql://sluice@127.0.0.1:{port}/postgres"


@contextmanager
def mariadb() -> Iterator[str]:
    """A MariaDB server; yields its URL."""
    server = program("mariadbd", "mariadb-server", "/usr/sbin/mariadbd")
    install = program("mariadb-install-db", "mariadb-server", "/usr/bin/mariadb-install-db")
    with _folder("mysql") as folder:
        data, port, user = folder / "data", _free_port(), getpass.getuser()
        common = ["--no-defaults", f"--datadir={data}", f"--user={user}"]
        _done([str(install), *common, "--auth-root-authentication-method=normal", "--skip-test-db"])
        command = [str(server), *common, f"--socket={folder}/my.sock", f"--port={port}", *_MARIADB]
        with _running(command, folder, port, stop="-TERM"):
            yield f"mysql://root@127.0.0.1:{port}"


_NOT_DURABLE = " -F -c synchronous_commit=off"
_MARIADB = [
    "--bind-address=127.0.0.1",
    "--innodb-flush-log-at-trx-commit=0",
    "--innodb-buffer-pool-size=128M",
    "--max-allowed-packet=64M",
    "--skip-name-resolve",
]


def program(name: str, package: str, pattern: str) -> Path:
    """The path of a program, which is installed first where that can be done. Raises `Missing`."""
    if found := _found(name, pattern):
        return found
    if os.geteuid() or not shutil.which("apt-get"):
        raise Missing(f"{name} is not installed (Debian: apt-get install {package})")
    _install(package)
    if found := _found(name, pattern):
        return found
    raise Missing(f"{name} is not installed, and apt-get could not install {package}")


def _found(name: str, pattern: str) -> Path | None:
    if path := shutil.which(name):
        return Path(path).resolve()
    return max(Path("/").glob(pattern.removeprefix("/")), default=None)


def _install(package: str) -> None:
    """Once per process, one process at a time, and without the servers that the package would start."""
    if package in _INSTALLED:
        return
    _INSTALLED[package] = True
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    with (Path(tempfile.gettempdir()) / "sluice-apt.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for verb in (["update"], ["install", "-y", "--no-install-recommends", package]):
            subprocess.run([*_APT, *verb], env=env, check=False, capture_output=True, timeout=600)


def _as(user: str) -> list[str]:
    """PostgreSQL refuses to run as root."""
    return ["runuser", "-u", user, "--"] if os.geteuid() == 0 else []


@contextmanager
def _folder(user: str) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="sluice-db-"))
    folder.chmod(0o755)
    if os.geteuid() == 0 and user == "postgres":
        shutil.chown(folder, user)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _done(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/", timeout=120)
    if done.returncode:
        raise Missing(f"{Path(command[0]).name} failed: {done.stderr.strip()[-500:]}")


@contextmanager
def _running(command: list[str], folder: Path, port: int, *, stop: str) -> Iterator[None]:
    log = folder / "log"
    with log.open("wb") as out, subprocess.Popen(command, cwd="/", stdout=out, stderr=out) as process:
        try:
            _wait(process, port, log)
            yield
        finally:
            # runuser stands between us and the server, and passes a TERM on; a server that hangs is not waited for.
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=20)
            if process.poll() is None:
                process.kill()


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    for _ in range(600):
        if process.poll() is not None:
            break
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            # It listens a moment before it lets anybody in; both kinds of server write that they are "ready …" then.
            if " ready " in log.read_text(errors="replace"):
                return
        time.sleep(0.05)
    raise Missing(f"the server did not start: {log.read_text(errors='replace')[-500:]}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
