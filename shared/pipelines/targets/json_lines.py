"""JSON of artifacts in lines, for people and for diffs.

The text is that of `json.dumps(data, indent=1)`. The standard library does lines in Python, node by node through
generators (its C encoder has none), and that was two fifths of a compilation; this takes a quarter of it.
"""

from __future__ import annotations

import json
from json.encoder import encode_basestring_ascii as quoted
from typing import Any


def json_lines(data: Any, line: str = "\n") -> str:
    r"""Plain data as JSON of ASCII, one value a line; `line` is a line's end and what the next one begins with.

    >>> print(json_lines({"a": [1, "\u00e9"], "b": {}}))
    {
     "a": [
      1,
      "\u00e9"
     ],
     "b": {}
    }
    """
    if isinstance(data, str):
        return quoted(data)
    inner = line + " "
    if isinstance(data, dict) and data:
        pairs = [f"{quoted(key)}: {json_lines(value, inner)}" for key, value in data.items()]
        return f"{{{inner}{f',{inner}'.join(pairs)}{line}}}"
    if isinstance(data, list | tuple) and data:
        return f"[{inner}{f',{inner}'.join([json_lines(item, inner) for item in data])}{line}]"
    return json.dumps(data)
