"""Which streams of a source have landed."""

from __future__ import annotations

from shared.common.ports import ObjectStore
from shared.landing.layout import ROOT


def landed_streams(store: ObjectStore, source: str) -> list[str]:
    """The streams of a source that have anything in the landing zone, by name; one listing of one key for each."""
    home, found = f"{ROOT}/{source}/", list[str]()
    after = ""
    while first := next(store.list(home, after=after), None):
        stream = first.key.removeprefix(home).partition("/")[0]
        found.append(stream)
        after = f"{home}{stream}/\U0010ffff"
    return found
