"""What a file seems to be whose lines are refused: a guess that tells its owner what to change."""

from __future__ import annotations

from collections.abc import Collection, Sequence

_SEPARATORS = {b";": "semicolons", b"\t": "tabs", b"|": "bars"}


def looks_like(
    form: str, refused: bytes, *, header: Sequence[str] = (), columns: Collection[str] = ()
) -> str:
    """What is wrong with a whole file, by its first refused line and, of CSV, its header; empty where nobody knows.

    >>> looks_like("jsonl", b"[")
    'it looks like one JSON array; write one object per line: jq -c ".[]"'
    """
    if b"\x00" in refused:
        return "it looks like UTF-16; write it as UTF-8: iconv -f UTF-16 -t UTF-8"
    try:
        refused.decode()
    except UnicodeDecodeError:
        return "its text is no UTF-8; if it is Latin-1: iconv -f ISO-8859-1 -t UTF-8"
    if form == "csv":
        return _table(header, columns)
    if refused.lstrip()[:1] == b"[":
        return 'it looks like one JSON array; write one object per line: jq -c ".[]"'
    if refused.lstrip()[:1] not in (b"{", b'"') and b"," in refused:
        return "it looks like CSV; say --format csv"
    return ""


def _table(header: Sequence[str], columns: Collection[str]) -> str:
    if len(header) == 1:
        for sign, name in _SEPARATORS.items():
            if sign.decode() in header[0]:
                return f"its columns seem to be separated by {name}; write commas between them"
    strange = [name for name in header if name not in columns]
    if not strange:
        return ""
    near = {name.casefold().strip(): name for name in columns}
    meant = [f'"{name}" for "{near[key]}"' for name in strange if (key := name.casefold().strip()) in near]
    if meant:
        return f"its header has {', '.join(meant)}: names are written as the schema writes them"
    return f"its header has {', '.join(strange[:10])}; the schema has {', '.join(sorted(columns)[:10])}"
