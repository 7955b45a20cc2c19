"""A runtime of containers that is runc, but leaves limits of resources as they are.

Podman asks for higher ones than its own, which needs CAP_SYS_RESOURCE; a root in a container of its own has not got
that.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

RUNC = "/usr/sbin/runc"


def main(words: list[str]) -> None:
    if "create" in words:
        at = next(n for n, word in enumerate(words) if word in ("--bundle", "-b"))
        config = Path(words[at + 1]) / "config.json"
        document = json.loads(config.read_text())
        document["process"].pop("rlimits", None)
        config.write_text(json.dumps(document))
    os.execv(RUNC, ["runc", *words])  # noqa: S606 - with the words of podman


if __name__ == "__main__":
    main(sys.argv[1:])
