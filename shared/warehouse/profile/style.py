"""The style of the page of a profile: two palettes, one layout, and a form for paper."""

from __future__ import annotations

CSS = """
:root {
  color-scheme: light dark;
  --paper: #fcfcfb; --card: #ffffff; --ink: #1c1e21; --soft: #5c636b; --line: #e3e5e8; --rule: #c9cdd2;
  --fill: #2a6fbb; --wash: #e9eef4; --alarm: #b3261e; --alarm-wash: #fcebe9;
  --c0: #2a6fbb; --c1: #e08a1e; --c2: #2f9e77; --c3: #c2528b; --c4: #7a63c0; --c5: #8a8f98;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #15171a; --card: #1c1f23; --ink: #e7e9ec; --soft: #a2a9b1; --line: #2b2f35; --rule: #434951;
    --fill: #6aa9e9; --wash: #262b31; --alarm: #ff8a80; --alarm-wash: #3a2222;
    --c0: #6aa9e9; --c1: #f0ad55; --c2: #5cc59f; --c3: #e58bb8; --c4: #a898e8; --c5: #9aa0a8;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; scroll-behavior: smooth; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto,
  "Helvetica Neue", "Noto Sans", sans-serif; font-variant-numeric: tabular-nums; }
main { max-width: 1080px; margin: 0 auto; padding: 40px 24px 64px; }
h1 { font-size: 30px; line-height: 1.2; margin: 0; overflow-wrap: anywhere; }
h2 { font-size: 18px; margin: 44px 0 12px; }
h3 { font-size: 16px; margin: 0 0 10px; overflow-wrap: anywhere; }
h3 code { font-weight: 400; font-size: 12px; color: var(--soft); margin-left: 6px; }
a { color: inherit; text-decoration-color: var(--rule); text-underline-offset: 3px; }
a:hover { text-decoration-color: currentColor; }
a:focus-visible, summary:focus-visible { outline: 2px solid var(--fill); outline-offset: 2px;
  border-radius: 3px; }
code { font: 12.5px/1.4 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
.kicker { margin: 0 0 2px; color: var(--soft); font-size: 13px; }
.quiet { color: var(--soft); }
header > .quiet { margin: 4px 0 0; }
.facts { display: flex; flex-wrap: wrap; gap: 12px 40px; margin: 22px 0 0; }
.facts dt { color: var(--soft); font-size: 13px; }
.facts dd { margin: 0; font-size: 24px; line-height: 1.25; }
.changes { list-style: none; margin: 0; padding: 0; border-top: 1px solid var(--line); }
.changes li { padding: 7px 12px 7px 34px; border-bottom: 1px solid var(--line); position: relative;
  overflow-wrap: anywhere; }
.changes a, .changes strong { font-weight: 600; }
.changes .mark { position: absolute; left: 12px; width: 12px; text-align: center; font-weight: 700;
  color: var(--soft); }
.changes .strong { background: var(--alarm-wash); }
.changes .strong .mark { color: var(--alarm); }
figure { margin: 0; min-width: 0; }
figcaption { font-size: 13px; color: var(--soft); margin-bottom: 6px; }
svg { display: block; width: 100%; height: 60px; overflow: visible; }
.wide svg { height: 150px; }
.charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(300px, 1fr)); gap: 28px;
  margin-top: 28px; }
.charts svg { height: 100px; }
.axis { stroke: var(--rule); stroke-width: 1; vector-effect: non-scaling-stroke; }
rect.c0 { fill: var(--c0); } rect.c1 { fill: var(--c1); } rect.c2 { fill: var(--c2); }
rect.c3 { fill: var(--c3); } rect.c4 { fill: var(--c4); } rect.c5 { fill: var(--c5); }
rect:hover { opacity: .75; }
.dot { display: inline-block; width: 10px; height: 10px; border-radius: 3px; margin-right: 6px; }
.dot.c0 { background: var(--c0); } .dot.c1 { background: var(--c1); } .dot.c2 { background: var(--c2); }
.dot.c3 { background: var(--c3); } .dot.c4 { background: var(--c4); } .dot.c5 { background: var(--c5); }
.legend { list-style: none; display: flex; flex-wrap: wrap; gap: 4px 16px; margin: 8px 0 0; padding: 0;
  font-size: 13px; }
.legend li { overflow-wrap: anywhere; }
.ends { display: flex; justify-content: space-between; gap: 16px; font-size: 12px; color: var(--soft);
  margin-top: 4px; }
details { margin-top: 18px; } summary { cursor: pointer; color: var(--soft); font-size: 13px; }
details table { width: auto; min-width: 280px; margin-top: 8px; }
.scroll { overflow-x: auto; } .scroll tbody th { min-width: 120px; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: 7px 12px 7px 0; border-bottom: 1px solid var(--line);
  vertical-align: middle; }
thead th { font-size: 13px; font-weight: 400; color: var(--soft); border-bottom-color: var(--rule);
  white-space: nowrap; }
tbody th { font-weight: 500; overflow-wrap: anywhere; }
.filled { white-space: nowrap; }
td code { color: var(--soft); white-space: nowrap; }
.number { text-align: right; white-space: nowrap; padding-right: 20px; }
.value { max-width: 190px; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; color: var(--soft); }
.meter { display: inline-block; width: 84px; height: 8px; border-radius: 4px; background: var(--wash);
  overflow: hidden;
  vertical-align: middle; }
.meter > span { display: block; height: 100%; background: var(--fill); border-radius: 4px; }
.share { display: inline-block; min-width: 56px; padding-left: 10px; color: var(--soft); font-size: 13px; }
article { background: var(--card); border: 1px solid var(--line); border-radius: 10px;
  padding: 16px 18px 18px; margin: 0 0 14px;
  scroll-margin-top: 16px; break-inside: avoid; }
article:target { border-color: var(--fill); box-shadow: 0 0 0 1px var(--fill); }
.card { display: grid; grid-template-columns: 190px minmax(0, 1fr) minmax(0, 1.35fr); gap: 14px 32px;
  align-items: start; }
.card dl { margin: 0; grid-column: 1; }
.card dl div { display: flex; justify-content: space-between; gap: 12px; padding: 2px 0; }
.card dt { color: var(--soft); font-size: 13px; white-space: nowrap; }
.card dd { margin: 0; text-align: right; overflow-wrap: anywhere; }
.card figure:last-child:nth-child(2) { grid-column: 2 / -1; }
.top { table-layout: fixed; } .top td:nth-child(2) { width: 32%; } .top td:nth-child(n+3) { width: 15%; }
.top th { font-weight: 400; } .top th, .top td { padding: 3px 10px 3px 0; border: 0;
  font-size: 14px; }
.top .number { padding-right: 0; } .top .meter { width: 100%; min-width: 40px; } .top em { color: var(--soft); }
.card dl:only-child { grid-column: 1 / -1; display: flex; flex-wrap: wrap; gap: 4px 32px; }
.card dl:only-child div { display: block; padding: 0; } .card dl:only-child dd { text-align: left; }
.card p { margin: 6px 0 0; font-size: 13px; }
footer { margin-top: 44px; color: var(--soft); font-size: 13px; }
@media (max-width: 760px) {
  main { padding: 24px 16px 48px; }
  .card { grid-template-columns: minmax(0, 1fr); } .card dl, .card figure { grid-column: 1 !important; }
}
@media print { body { font-size: 11px; } main { max-width: none; padding: 0; } details { display: none; } }
@media (prefers-reduced-motion: reduce) { html { scroll-behavior: auto; } }
"""
