"""A plan as a drawing: lines of text, a Mermaid flowchart, or SVG. No text of a definition can break out of its
place.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from xml.sax.saxutils import escape, quoteattr

from shared.pipelines.describe import what, when, why
from shared.pipelines.notes import about_plan, about_step
from shared.pipelines.plan import Plan
from shared.pipelines.step import ForEach, Step

_WIDTH, _HEIGHT, _GAP, _DROP = 220, 52, 28, 46
_STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#1b2430}"
    ".s{font-size:11px;fill:#5b6775}"
    "rect{fill:#fff;stroke:#5b6775;rx:6}"
    ".branch{fill:#fff7e0;stroke:#b98900}"
    ".foreach{fill:#eef4ff;stroke:#3b6fd1}"
    "path{fill:none;stroke:#5b6775;stroke-width:1.3}"
    ".passive{stroke-dasharray:4 3}"
)


def depths(plan: Plan) -> dict[str, int]:
    """How many steps at least lie one behind the other before each step."""
    found: dict[str, int] = {}
    for step in plan.steps:
        found[step.name] = 1 + max((found[edge.source] for edge in step.needs), default=-1)
    return found


def as_text_lines(plan: Plan) -> str:
    """The plan for a terminal: steps in order, with what they do, wait for and ask for; numbers are depths.

    Characters that would move the cursor are shown as what they are not: a question mark.
    """
    depth = depths(plan)
    width = max(len(step.name) for step in plan.all_steps())
    lines = [f"{plan.name}: {when(plan.schedule)}", *(f"     {note}" for note in about_plan(plan))]
    for step in plan.steps:
        lines += _lines(step, f"{depth[step.name] + 1:>3}  ", width, plan)
    return "\n".join(_printable(line) for line in lines) + "\n"


def _lines(step: Step, head: str, width: int, plan: Plan) -> list[str]:
    after = ", ".join(f"{edge.source}{f' ({why(edge)})' if why(edge) else ''}" for edge in step.needs)
    line = f"{head}{step.name:<{width}}  {step.kind:<14}  {what(step)}"
    lines = [f"{line}  after {after}" if after else line]
    if notes := "; ".join(about_step(step, plan)):
        lines.append(f"{' ' * (len(head) + width)}  {notes}")
    if isinstance(step.work, ForEach):
        for inner in step.work.steps:
            lines += _lines(inner, f"{' ' * len(head)}- ", width, plan)
    return lines


def as_mermaid(plan: Plan) -> str:
    """A Mermaid flowchart. Everything but letters and digits of ASCII is an entity, so labels cannot end early."""
    number: dict[str, str] = {}
    lines = ["flowchart TD"]
    for step in plan.steps:
        lines += _mermaid(step, number, "  ")
    return "\n".join(lines) + "\n"


def _mermaid(step: Step, number: dict[str, str], indent: str) -> list[str]:
    own = number[step.name] = f"s{len(number) + 1}"
    label = f'"{_entities(step.name)}<br/>{_entities(step.kind)}"'
    if isinstance(step.work, ForEach):
        lines = [f"{indent}subgraph {own}[{label}]"]
        for inner in step.work.steps:
            lines += _mermaid(inner, number, indent + "  ")
        lines.append(f"{indent}end")
    else:
        shape = f"{{{label}}}" if step.kind == "branch" else f"[{label}]"
        lines = [f"{indent}{own}{shape}"]
    for edge in step.needs:
        arrow = "-.->" if edge.passive else "-->"
        word = f"|{why(edge)}|" if edge.side is not None else ""
        lines.append(f"{indent}{number[edge.source]} {arrow}{word} {own}")
    return lines


def as_svg(plan: Plan) -> str:
    """An SVG picture, steps in rows by their depth; the same bytes for the same plan."""
    depth = depths(plan)
    rows: dict[int, list[Step]] = {}
    for step in plan.steps:
        rows.setdefault(depth[step.name], []).append(step)
    widest = max(map(len, rows.values()))
    width = widest * (_WIDTH + _GAP) + _GAP
    height = len(rows) * (_HEIGHT + _DROP) + _GAP
    place = {
        step.name: (
            (width - len(row) * (_WIDTH + _GAP) + _GAP) // 2 + index * (_WIDTH + _GAP),
            _GAP + level * (_HEIGHT + _DROP),
        )
        for level, row in rows.items()
        for index, step in enumerate(row)
    }
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">',
        f"<title>{_xml(plan.name)}</title>",
        f"<style>{_STYLE}</style>",
        *(line for step in plan.steps for line in _arrows(step, place)),
        *(line for step in plan.steps for line in _box(step, place)),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _arrows(step: Step, place: Mapping[str, tuple[int, int]]) -> list[str]:
    lines = []
    x, y = place[step.name][0] + _WIDTH // 2, place[step.name][1]
    for edge in step.needs:
        from_x, from_y = place[edge.source][0] + _WIDTH // 2, place[edge.source][1] + _HEIGHT
        middle = (from_y + y) // 2
        kind = ' class="passive"' if edge.passive else ""
        lines.append(f'<path{kind} d="M{from_x},{from_y} C{from_x},{middle} {x},{middle} {x},{y}"/>')
        lines.append(f'<path d="M{x - 4},{y - 7} L{x},{y} L{x + 4},{y - 7}"/>')
        if edge.side is not None:
            lines.append(f'<text class="s" x="{(from_x + x) // 2 + 6}" y="{middle}">{why(edge)}</text>')
    return lines


def _box(step: Step, place: Mapping[str, tuple[int, int]]) -> list[str]:
    x, y = place[step.name]
    tip = f"{step.name}: {what(step)} ({step.place})"
    return [
        f"<g><title>{_xml(tip)}</title>",
        f'<rect class={quoteattr(str(step.kind))} x="{x}" y="{y}" width="{_WIDTH}" height="{_HEIGHT}"/>',
        f'<text x="{x + 12}" y="{y + 21}">{_xml(_cut(step.name, 28))}</text>',
        f'<text class="s" x="{x + 12}" y="{y + 39}">{_xml(_cut(f"{step.kind} {what(step)}", 34))}</text></g>',
    ]


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _printable(text: str) -> str:
    return "".join("?" if unicodedata.category(c)[0] == "C" or c in "\u2028\u2029" else c for c in text)


def _xml(text: str) -> str:
    """Text for XML 1.0, which cannot hold control characters at all."""
    return escape(_printable(text))


def _entities(text: str) -> str:
    return "".join(c if c.isascii() and (c.isalnum() or c in " _.-") else f"#{ord(c)};" for c in text)
