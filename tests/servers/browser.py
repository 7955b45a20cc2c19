"""A real Chromium, driven by playwright-core: a script of Node does what a person would do with a page.

Chromium comes from apt (as root), playwright-core from npm into .cache/playwright; where one cannot be had there is a
reason to skip.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.servers.databases import Missing, program

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / ".cache/playwright"
PACKAGE = "playwright-core@1.65.1"


def chromium() -> Path:
    """Raises `Missing`."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if found := shutil.which(name):
            return Path(found)
    return program("chromium", "chromium", "/usr/lib/chromium/chromium")


def install() -> None:
    """Put playwright-core into .cache unless it is there. Raises `Missing`."""
    if (FOLDER / "node_modules/playwright-core/package.json").exists():
        return
    if shutil.which("node") is None or shutil.which("npm") is None:
        raise Missing("playwright-core needs Node and npm, which are not here")
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER.parent / ".gitignore").write_text("*\n")
    options = ["--no-audit", "--no-fund", "--ignore-scripts", "--no-save", "--prefix", str(FOLDER)]
    done = subprocess.run(
        ["npm", "install", *options, PACKAGE],
        cwd=FOLDER, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    if done.returncode:
        raise Missing(f"npm could not install {PACKAGE}: {done.stderr.strip()[-300:]}")


@contextmanager
def browser(script: Path) -> Iterator[Callable[..., Any]]:
    """One Chromium for many things: yields what lets a function of the script do its thing, and returns its answer.

    A fault in the script fails the test. Raises `Missing`.
    """
    install()
    options = json.dumps({"modules": str(FOLDER / "node_modules"), "chromium": str(chromium())})
    command = ["node", str(script), options]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        stdin, stdout = child.stdin, child.stdout

        def browse(what: str, **given: Any) -> Any:
            stdin.write(json.dumps({"what": what, **given}) + "\n")
            stdin.flush()
            answer = json.loads(stdout.readline() or '{"failed": "the browser ended"}')

            assert "failed" not in answer, answer["failed"]
            return answer

        try:
            yield browse
        finally:
            stdin.close()
            try:
                child.wait(timeout=20)
            except subprocess.TimeoutExpired:
                child.kill()
