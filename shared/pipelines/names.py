"""Names of steps as identifiers of an engine: the same every time, never the same for two steps."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable


def identifiers(
    names: Iterable[str],
    *,
    allowed: str = "A-Za-z0-9_",
    longest: int = 64,
    first: str = "A-Za-z_",
    prefix: str = "_",
) -> dict[str, str]:
    """An identifier for every name. `allowed` and `first` are characters as in a class of a regular expression.

    A name that is one already stays. Other characters become `_`, and `prefix` stands before a name that begins with
    none of `first`; what would be too long, or the same as another one,
    ends with a digest of the name, so it does not depend on the other names' order.

    >>> identifiers(["load", "load it", "load-it", "1st"])
    {'load': 'load', 'load it': 'load_it_a74f01', 'load-it': 'load_it_812b12', '1st': '_1st'}
    """
    known = list(names)
    made = {name: _identifier(name, allowed, first, prefix) for name in known}
    counts = Counter(made.values())
    for name, made_up in made.items():
        if (made_up != name and counts[made_up] > 1) or len(made_up) > longest:
            digest = hashlib.sha256(name.encode()).hexdigest()[:6]
            made[name] = f"{made_up[: longest - 7]}_{digest}"
    if len(set(made.values())) < len(known):  # a name that looks like the digest of another one
        made = {name: f"s{hashlib.sha256(name.encode()).hexdigest()}"[:longest] for name in known}
    return made


def _identifier(name: str, allowed: str, first: str, prefix: str) -> str:
    text = re.sub(f"[^{allowed}]", "_", name)
    return text if re.match(f"[{first}]", text) else prefix + text
