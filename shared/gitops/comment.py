"""A preview as Markdown for a pull request: the summary first, then each pipeline, cut where the host's limit is."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime

from shared.contracts.compatibility.verdict import Verdict
from shared.gitops.change import Change, Kind
from shared.gitops.news import Host
from shared.gitops.preview import Preview

MARKER = "sluice-plan"

LIMIT = {Host.GITHUB: 60_000, Host.GITLAB: 900_000, Host.BITBUCKET: 30_000}
"""Characters of one comment: below 65,536, 1,000,000 and 32,768, to leave room for what is put around them."""

LONGEST_DIFF = 400
"""Lines of one artifact's diff; it is there to be looked at, and the whole of it is `sluice plan`'s."""

_ANY_TIME = datetime(2026, 1, 1, tzinfo=UTC)

_SIGNS = {
    Kind.CREATED: "➕ created",
    Kind.CHANGED: "✏️ changed",
    Kind.DELETED: "➖ deleted",
    Kind.RENAMED: "🔀 renamed",
    Kind.BROKEN: "❌ broken",
}


def comments(preview: Preview, *, now: datetime, limit: int) -> list[str]:
    """The comments, each below `limit` characters; one piece is never cut within."""
    pieces = list(_pieces(preview, now, limit))
    found = [""]
    for piece in pieces:
        if found[-1] and len(found[-1]) + len(piece) + 2 > limit - 100:
            found.append("")
        found[-1] += ("\n\n" if found[-1] else "") + piece
    if len(found) == 1:
        return found
    return [f"{text}\n\n_Part {place} of {len(found)}._" for place, text in enumerate(found, start=1)]


def version(preview: Preview) -> str:
    """A name for what the comments of a preview say, whenever they say it: of the same version none is written anew."""
    text = "\n".join(_pieces(preview, _ANY_TIME, max(LIMIT.values())))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def headline(preview: Preview) -> str:
    """One line: what it comes to.

    >>> headline(Preview("a", "b"))
    'no pipeline changes'
    """
    counts = [(kind, sum(change.kind is kind for change in preview.changes)) for kind in _SIGNS]
    told = [f"{count} {kind.value}" for kind, count in counts if count]
    refused = sum(isinstance(one, str) or not one.compatible for one in preview.contracts.values())
    told += [f"{refused} of {len(preview.contracts)} contracts incompatible"] if refused else []
    told += ["stale: the base has changed the same files"] if preview.overlap else []
    return ", ".join(told) or "no pipeline changes"


def _pieces(preview: Preview, now: datetime, limit: int) -> Iterator[str]:
    state = "✅" if preview.passes else "❌"
    yield (
        f"## {state} Pipelines: {headline(preview)}\n\n"
        f"Planned for merging `{preview.head[:12]}` into `{preview.base[:12]}`; it is planned anew when either moves."
    )
    if preview.overlap:
        listed = "\n".join(f"- `{path}`" for path in preview.overlap)
        yield f"**Stale**: the base has changed these files, too. Update the branch to plan it anew.\n\n{listed}"
    yield from _table(preview, now, limit)
    for path, verdict in preview.contracts.items():
        yield _contract(path, verdict)
    for change in preview.visible:
        yield from _detail(change, now, limit)


def _table(preview: Preview, now: datetime, limit: int) -> Iterator[str]:
    """Rows of the summary, in tables that fit."""
    if not preview.visible:
        return
    head = "| pipeline | | schedule | steps | needs new | USD in 30 days |\n|---|---|---|---|---|---|"
    rows = [head]
    for change in preview.visible:
        row = _row(change, now)
        if sum(map(len, rows)) + len(rows) + len(row) > limit - 1000:
            yield "\n".join(rows)
            rows = [head]
        rows.append(row)
    yield "\n".join(rows)


def _row(change: Change, now: datetime) -> str:
    new, gone, changed = change.steps()
    counts = [f"{sign}{len(names)}" for sign, names in (("+", new), ("-", gone), ("~", changed)) if names]
    needed = sum(len(names) for names in change.needed.values())
    before, after = change.cost(now)
    cost = f"{before:.2f} → {after:.2f}" if (before or after) and change.kind is not Kind.BROKEN else ""
    when = "changes" if change.rescheduled and change.kind in (Kind.CHANGED, Kind.RENAMED) else ""
    return f"| {_cell(change.name)} | {_SIGNS[change.kind]} | {when} | {' '.join(counts)} | {needed or ''} | {cost} |"


def _detail(change: Change, now: datetime, limit: int) -> Iterator[str]:
    title = f"### {_SIGNS[change.kind]}: {_text(change.name)}\n\n`{change.path}`"
    if change.kind is Kind.RENAMED and change.before.path != change.path:
        title += f", formerly `{change.before.path}`"
    lines = [title]
    if change.after.error:
        lines.append(_block(change.after.error, "", limit))
    if change.rescheduled and change.after.plan:
        runs = change.runs(now)
        told = ", ".join(runs) if runs else "none: it is started by hand or by an event"
        lines.append(f"**Next runs**: {told}")
    for kind, names in change.needed.items():
        lines.append(f"**New {kind}**: {', '.join(f'`{_cell(name)}`' for name in names)}")
    for sign, steps in zip(("New steps", "Steps that go", "Steps that change"), change.steps(), strict=True):
        if steps and change.kind is not Kind.BROKEN:
            listed = ", ".join(f"`{_cell(name)}`" for name in steps[:50])
            lines.append(f"**{sign}**: {listed}{' …' if len(steps) > 50 else ''}")
    yield "\n\n".join(lines)
    if change.kind is Kind.BROKEN:
        return
    for path, diff in change.diffs().items():
        shown = diff.split("\n")
        more = f"\n… {len(shown) - LONGEST_DIFF} lines more" if len(shown) > LONGEST_DIFF else ""
        block = _block("\n".join(shown[:LONGEST_DIFF]) + more, "diff", limit)
        yield f"<details><summary><code>{_text(path)}</code></summary>\n\n{block}\n\n</details>"


def _contract(path: str, verdict: Verdict | str) -> str:
    if isinstance(verdict, str):
        return f"**Contract** `{path}`: ❌ {_text(verdict)}"
    state = "✅ compatible" if verdict.compatible else "❌ incompatible"
    shown = [f"- `{one.type}` at `{one.path}`" for one in (verdict.breaking or verdict.differences)[:20]]
    return "\n".join([f"**Contract** `{path}`: {state}", "", *shown]).rstrip()


def _block(text: str, language: str, limit: int) -> str:
    """Text in a fence that it cannot close, and that fits into one comment."""
    longest = limit // 2
    cut = text if len(text) <= longest else text[:longest] + "\n…"
    fence = "```"
    while fence in cut:
        fence += "`"
    return f"{fence}{language}\n{cut}\n{fence}"


def _cell(text: str) -> str:
    """Text in a cell of a table or in code."""
    return _text(text).replace("|", "\\|").replace("`", "'").replace("\n", " ")


def _text(text: str) -> str:
    """Text that makes no HTML, mentions nobody and links nothing."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("@", "@\u200b")
