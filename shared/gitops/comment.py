"""A preview as Markdown for a pull request: the summary first, then each pipeline, cut where the host's limit is."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from datetime import UTC, datetime

from shared.contracts.compatibility.verdict import Verdict
from shared.gitops.change import Change, Kind
from shared.gitops.news import Host
from shared.gitops.preview import Preview

MARKER = "sluice-plan"

LIMIT = {Host.GITHUB: 60_000, Host.GITLAB: 900_000, Host.BITBUCKET: 30_000}
"""Characters of one comment: below 65,536, 1,000,000 and 32,768, to leave room for what is put around them."""

LONGEST_DIFF, LONGEST_OPEN = 400, 40
"""Lines of one artifact's diff, folded and where nothing can be folded; the whole of it is `sluice plan`'s."""

MOST = 50
"""Names of one kind that are listed: a piece must fit into a comment."""

FOLDS = {Host.GITHUB, Host.GITLAB}
"""Hosts whose Markdown may hold HTML, and so parts that are folded; Bitbucket shows tags as text."""

_COSTS = (
    "Costs are estimates by list prices, with a minute of half a GB for each step that Sluice runs itself."
    " What steps took before is not known; the warehouse, and what calls, containers and jobs cost elsewhere, are not"
    " in them."
)

_ANY_TIME = datetime(2026, 1, 1, tzinfo=UTC)

_SIGNS = {
    Kind.BROKEN: "❌ broken",
    Kind.CREATED: "➕ created",
    Kind.CHANGED: "✏️ changed",
    Kind.DELETED: "➖ deleted",
    Kind.RENAMED: "🔀 renamed",
}


def comments(preview: Preview, *, now: datetime, limit: int, folds: bool = True) -> list[str]:
    """The comments, each below `limit` characters; one piece is never cut within. `folds`: diffs may be folded."""
    found = [""]
    for piece in _pieces(preview, now, limit, folds=folds):
        if found[-1] and len(found[-1]) + len(piece) + 2 > limit - 100:
            found.append("")
        found[-1] += ("\n\n" if found[-1] else "") + piece
    if len(found) == 1:
        return found
    return [f"{text}\n\n_Part {place} of {len(found)}._" for place, text in enumerate(found, start=1)]


def version(preview: Preview, *, key: str) -> str:
    """A name for what the comments of a preview say, whenever they say it: of the same version none is written anew.

    `key` is a secret: nobody else can know the version of a comment before it is there, and write it in our stead.
    """
    text = "\n".join(_pieces(preview, _ANY_TIME, max(LIMIT.values()), folds=True))
    return hmac.new(key.encode(), b"sluice preview\n" + text.encode(), hashlib.sha256).hexdigest()[:16]


def headline(preview: Preview) -> str:
    """One line: what it comes to.

    >>> headline(Preview("a", "b"))
    'no pipeline changes'
    """
    counts = {kind: sum(change.kind is kind for change in preview.changes) for kind in _SIGNS}
    told = ["stale: the base has changed the same files"] if preview.overlap else []
    told += [f"{counts.pop(Kind.BROKEN)} broken"] if counts[Kind.BROKEN] else []
    refused = len(preview.refused)
    told += [f"{refused} of {len(preview.contracts)} contracts incompatible"] if refused else []
    told += [f"{count} {kind.value}" for kind, count in counts.items() if count]
    return ", ".join(told) or "no pipeline changes"


def _pieces(preview: Preview, now: datetime, limit: int, *, folds: bool) -> Iterator[str]:
    """What has to be looked at first, what is only good to know last."""
    yield f"## {'✅' if preview.passes else '❌'} Pipelines: {headline(preview)}"
    if preview.overlap:
        more = len(preview.overlap) - MOST
        listed = "\n".join(f"- `{_cell(path)}`" for path in preview.overlap[:MOST])
        listed += f"\n- … and {more} more" if more > 0 else ""
        yield f"**Stale**: the base has changed these files, too. Update the branch to plan it anew.\n\n{listed}"
    yield from _table(preview, now, limit)
    yield f"Planned for merging `{preview.head[:12]}` into `{preview.base[:12]}`, and anew when either moves."
    if preview.visible:
        yield _COSTS
    broken = [change for change in preview.visible if change.kind is Kind.BROKEN]
    for change in broken:
        yield from _detail(change, now, limit, folds=folds)
    for path in preview.refused:
        yield _contract(path, preview.contracts[path])
    for change in preview.visible[len(broken) :]:
        yield from _detail(change, now, limit, folds=folds)
    for path in sorted(preview.contracts.keys() - set(preview.refused)):
        yield _contract(path, preview.contracts[path])


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
    costs = [change.cost(now) for change in preview.visible if change.kind is not Kind.BROKEN]
    if len(costs) > 1:
        before, after = (sum(side) for side in zip(*costs, strict=True))
        rows.append(f"| **all of these** |  |  |  |  | {before:.2f} → {after:.2f} |")
    yield "\n".join(rows)


def _row(change: Change, now: datetime) -> str:
    if change.kind is Kind.BROKEN:
        return f"| {_cell(change.name)} | {_SIGNS[change.kind]} |  |  |  |  |"
    new, gone, changed = change.steps()
    counts = [f"{sign}{len(names)}" for sign, names in (("+", new), ("-", gone), ("~", changed)) if names]
    needed = [
        f"{len(names)} {kind if len(names) > 1 else kind[:-1]}" for kind, names in change.needed.items()
    ]
    before, after = change.cost(now)
    cost = f"{before:.2f} → {after:.2f}" if before or after else ""
    when = "changes" if change.rescheduled and change.kind in (Kind.CHANGED, Kind.RENAMED) else ""
    cells = [_cell(change.name), _SIGNS[change.kind], when, " ".join(counts), ", ".join(needed), cost]
    return f"| {' | '.join(cells)} |"


def _detail(change: Change, now: datetime, limit: int, *, folds: bool) -> Iterator[str]:
    title = f"### {_SIGNS[change.kind]}: {_text(change.name)}\n\n`{_cell(change.path)}`"
    if change.kind is Kind.RENAMED and change.before.path != change.path:
        title += f", formerly `{_cell(change.before.path)}`"
    if change.kind is Kind.BROKEN:
        yield "\n\n".join([title, _block(change.after.error, "", limit)])
        return
    yield "\n\n".join([title, *_findings(change), *_schedule(change, now), *_named(change)])
    for path, diff in change.diffs().items():
        shown, longest = diff.split("\n"), LONGEST_DIFF if folds else LONGEST_OPEN
        more = f"\n… {len(shown) - longest} lines more: sluice plan" if len(shown) > longest else ""
        block = _block("\n".join(shown[:longest]) + more, "diff", limit)
        if folds:
            yield f"<details><summary><code>{_text(path)}</code></summary>\n\n{block}\n\n</details>"
        else:
            yield f"`{_cell(path)}`\n\n{block}"


def _findings(change: Change) -> Iterator[str]:
    """What lint tells that is new."""
    if found := change.findings:
        more = [f"- … and {len(found) - MOST} more"] if len(found) > MOST else []
        yield "\n".join(["**Look at**:", "", *(f"- `{_cell(str(one))}`" for one in found[:MOST]), *more])


def _schedule(change: Change, now: datetime) -> Iterator[str]:
    if not change.rescheduled:
        return
    before, after = (f"`{_cell(text)}`" if text else "" for text in change.schedules)
    if change.kind is Kind.DELETED:
        yield f"**Schedule**: {before}; it runs no more"
        return
    yield f"**Schedule**: {before + ' → ' if before else ''}{after}"
    runs = [f"{run:%a %Y-%m-%d %H:%M}" for run in change.runs(now)]
    zone = f" ({change.runs(now)[0].tzinfo})" if runs else ""
    yield f"**Next runs**{zone}: {', '.join(runs) or change.why_no_runs}"


def _named(change: Change) -> Iterator[str]:
    """What it needs that is new, and which steps differ."""
    if needed := [f"{kind[:-1]} `{_cell(name)}`" for kind, names in change.needed.items() for name in names]:
        yield f"**Needs new**: {', '.join(needed[:MOST])}{' …' if len(needed) > MOST else ''}"
    for sign, steps in zip(("New steps", "Steps that go", "Steps that change"), change.steps(), strict=True):
        if steps and change.kind is not Kind.DELETED:
            listed = ", ".join(f"`{_cell(name)}`" for name in steps[:MOST])
            yield f"**{sign}**: {listed}{' …' if len(steps) > MOST else ''}"


def _contract(path: str, verdict: Verdict | str) -> str:
    if isinstance(verdict, str):
        return f"### ❌ contract\n\n`{_cell(path)}`\n\n{_text(verdict)}"
    state = "✅ compatible" if verdict.compatible else "❌ incompatible"
    shown = [
        f"- `{one.type}` at `{_cell(one.path)}`: {_text(one.message)}"
        for one in (verdict.breaking or verdict.differences)[:20]
    ]
    return "\n".join([f"### {state} contract", "", f"`{_cell(path)}`", "", *shown]).rstrip()


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
