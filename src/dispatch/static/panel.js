// The panel at the side: a node with its last runs and logs, or an event with its journey.

import { $, act, api, count, fill, h, lasting, lately, many, mark, said, time, twice } from "./dom.js";

const panel = $("panel");
let shown = null; // {node: name} or {event: number}
let told = "";
let before = null;
let older = { runs: [], next: null }; // runs that somebody asked for, behind those that are always shown
let changed = () => {};
let chosen = () => {};

export function watchPanel(onChange, onChoose) {
  changed = onChange;
  chosen = onChoose;
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && shown && !document.querySelector("dialog[open]")) closePanel();
  });
}

export function openNode(name) { open({ node: name }); }
export function openEvent(number) { open({ event: number }); }

function open(what) {
  if (!shown) before = document.activeElement;
  shown = what;
  told = "";
  older = { runs: [], next: null };
  chosen(what.node ?? "");
  refreshPanel().then(() => panel.querySelector("h2")?.focus());
}

export function closePanel() {
  shown = null;
  panel.hidden = true;
  chosen("");
  if (before?.isConnected) before.focus();
}

export async function refreshPanel() {
  const what = shown;
  if (!what) return;
  try {
    const [parts, content] = what.node ? await node(what.node) : await event(what.event);
    if (what !== shown) return;
    const text = JSON.stringify(parts);
    if (panel.querySelector(".sure")) return; // somebody is about to decide
    if (text !== told) fill(panel, content());
    told = text;
  } catch (error) {
    if (what !== shown || error.status === 401) return;
    if (error.status !== 404) throw error;
    fill(panel, [head(what.node ?? `Event ${what.event}`), h("p", { class: "soft" }, "This is not there any more.")]);
  }
  panel.hidden = false;
}

const head = (title) => h("div", { class: "top" }, h("h2", { tabindex: "-1" }, title),
  h("button", { class: "quiet", "aria-label": "Close", "data-key": "close", onclick: closePanel }, "✕"));

const fact = (name, value) => h("div", {}, h("dt", {}, name), h("dd", {}, value));

async function node(name) {
  const { plain } = await api("GET", `/nodes/${encodeURIComponent(name)}`);
  const isInput = plain.kind === "input";
  const more = isInput
    ? (await api("GET", `/events?limit=15&trigger=${encodeURIComponent(name)}`)).plain.events
    : await runs(name);
  const { rate: _, failing: __, ...still } = plain.state ?? {};
  const minute = Math.floor(Date.now() / 20000); // "20 s ago" has to move on
  return [[name, plain.kind, plain.settings, still, lately(plain.state ?? {}), plain.links.map((one) => [one.from, one.to, one.where, one.location, one.operation]), more, minute],
    () => nodeContent(name, isInput, plain, more)];
}

async function runs(name) {
  const { plain } = await api("GET", `/nodes/${encodeURIComponent(name)}/runs?limit=20`);
  if (!older.runs.length) older.next = plain.next;
  const seen = new Set();
  const key = (one) => `${one.event}.${one.attempt}`;
  return [...plain.runs, ...older.runs].filter((one) => !seen.has(key(one)) && seen.add(key(one)));
}

async function further(name) {
  const { plain } = await api("GET", `/nodes/${encodeURIComponent(name)}/runs?limit=20&before=${older.next}`);
  older = { runs: [...older.runs, ...plain.runs], next: plain.next };
  await refreshPanel();
}

function nodeContent(name, isInput, plain, more) {
  const state = plain.state ?? { state: "starting" };
  const paused = plain.settings.paused === true;
  const button = h("button", { class: paused ? "main" : "", "data-key": "pause", onclick: async () => {
    const how = paused ? "resume" : "pause";
    await act(button, () => api("POST", `/nodes/${encodeURIComponent(name)}/${how}`), paused ? `${name} goes on` : `${name} is paused`);
    await changed();
  } }, paused ? "Resume" : "Pause");
  return [
    head(name),
    h("div", { class: "row" }, h("span", { class: `chip ${lately(state)}` }, said(lately(state))),
      h("span", { class: "soft" }, `${isInput ? "input" : "process"}, ${plain.settings.type ?? ""}`), button),
    h("dl", { class: "facts" }, isInput ? inputFacts(state) : processFacts(state)),
    state.last_error && h("pre", { class: "fault" }, state.last_error),
    h("h3", {}, "Links"), links(name, plain.links),
    h("h3", {}, isInput ? "Last events" : "Last runs"),
    more.length ? h("div", {}, more.map(isInput ? eventLine : runLine)) : h("p", { class: "soft" }, isInput ? "None is kept." : "It has not run."),
    !isInput && older.next !== null && h("button", { class: "more", "data-key": "older", onclick: () => further(name) }, "Older runs"),
    h("h3", {}, "Settings"), h("pre", {}, JSON.stringify(plain.settings, null, 2)),
  ];
}

const inputFacts = (state) => [fact("events", count(state.events ?? 0)), fact("failures", count(state.failures ?? 0)),
  fact("last", state.last_at ? time(state.last_at) : "–")];

const processFacts = (state) => [
  fact("done", count(state.done ?? 0)), fact("failed", count(state.failed ?? 0)), fact("dead letters", count(state.dead ?? 0)),
  fact("at work", count(state.running ?? 0)), fact("ready", count(state.ready ?? 0)), fact("tried later", count(state.later ?? 0)),
  fact("pending", count(state.pending ?? 0)),
  fact("on average", state.done + state.failed ? lasting(state.seconds / (state.done + state.failed)) : "–"),
  fact("last", state.last_at ? time(state.last_at) : "–"),
];

function links(name, all) {
  if (!all.length) return h("p", { class: "soft" }, "None leads here or on.");
  return h("ul", { class: "plain" }, all.map((one) => {
    const other = one.from === name ? one.to : one.from;
    const only = [one.operation.join(", "), one.location, one.where].filter(Boolean).join("; ");
    return h("li", {}, h("span", { class: "soft" }, one.from === name ? "to " : "from "),
      h("button", { class: "text", "data-key": `link ${one.from} ${one.to}`, onclick: () => openNode(other) }, other),
      only && h("span", { class: "soft" }, ` only ${only}`));
  }));
}

function eventLine(one) {
  return h("details", { "data-key": `e${one.number}` },
    h("summary", {}, mark(one.standing, said(one.standing)), `${one.event.operation} ${one.event.location}`, h("span", { class: "end" }, time(one.at))),
    h("p", {}, h("button", { class: "text", onclick: () => openEvent(one.number) }, `Journey of event ${one.number}`), ` id ${one.event.id}`));
}

function runLine(one) {
  const extra = one.attempt > 1 ? `, attempt ${one.attempt}` : "";
  return h("details", { "data-key": `r${one.event}.${one.attempt}` },
    h("summary", {}, mark(one.phase, said(one.phase)), `event ${one.event}${extra}`, h("span", { class: "end" }, `${lasting(one.seconds)} · `, time(one.at))),
    one.error && h("pre", { class: "fault" }, one.error),
    one.logs ? h("pre", {}, one.logs) : !one.error && h("p", { class: "soft" }, "It wrote nothing."),
    h("p", {}, h("button", { class: "text", onclick: () => openEvent(one.event) }, `Journey of event ${one.event}`)));
}

async function event(number) {
  const { plain } = await api("GET", `/events/${number}`);
  return [[plain, Math.floor(Date.now() / 20000)], () => eventContent(plain)];
}

function eventContent(one) {
  return [
    head(`Event ${one.number}`),
    h("div", { class: "row" }, h("span", { class: `chip ${one.standing}` }, one.standing === "dead" ? "has a dead letter" : one.standing),
      h("span", { class: "soft" }, "taken ", time(one.at))),
    h("dl", { class: "facts" }, fact("operation", one.event.operation), fact("location", one.event.location), fact("id", one.event.id),
      fact("raised by", h("button", { class: "text", onclick: () => openNode(one.event.trigger) }, one.event.trigger))),
    h("h3", {}, `Journey, ${many(one.journey.length, "process", "processes")}`),
    h("ol", { class: "journey" }, one.journey.map((stop) => stopLine(one.number, stop))),
    one.event.payload && [h("h3", {}, "Payload"), h("pre", {}, JSON.stringify(one.event.payload, null, 2))],
    h("h3", {}, "Key"), h("pre", {}, one.key),
  ].flat();
}

function stopLine(number, stop) {
  const tried = stop.attempt ? `, attempt ${stop.attempt}, ${lasting(stop.seconds)}, ` : "";
  return h("li", { class: stop.phase },
    h("button", { class: "text", "data-key": `stop ${stop.process}`, onclick: () => openNode(stop.process) }, stop.process),
    h("div", { class: "soft" }, said(stop.phase), stop.phase === "waiting" && stop.after.length ? `, behind ${stop.after.join(" and ")}` : "", tried, stop.attempt ? time(stop.at) : ""),
    stop.error && h("pre", { class: "fault" }, stop.error), stop.logs && h("pre", {}, stop.logs),
    stop.phase === "dead" && h("div", { class: "row" }, decisions(number, stop.process)));
}

// The two buttons of a dead letter.
export function decisions(number, process) {
  const query = `?process=${encodeURIComponent(process)}`;
  const retry = h("button", { class: "main", "data-key": `retry ${number} ${process}`, "aria-label": `Retry event ${number} by ${process}`, onclick: async () => {
    await act(retry, () => api("POST", `/dead/${number}/retry${query}`), `Event ${number} is tried again by ${process}`);
    await changed();
  } }, "Retry");
  const drop = twice("Drop", "Really drop?", async (button) => {
    await act(button, () => api("POST", `/dead/${number}/drop${query}`), `Event ${number} need not be done by ${process}`);
    await changed();
  }, `drop ${number} ${process}`);
  return [retry, drop];
}
