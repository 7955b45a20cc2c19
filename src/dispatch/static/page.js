// Puts the page together: the views, what is asked for when, and the token.

import { $, Refusal, api, count, fill, h, keepToken, rate } from "./dom.js";
import { Editor } from "./editor.js";
import { Graph } from "./graph.js";
import { Dead, Events } from "./lists.js";
import { openNode, refreshPanel, watchPanel } from "./panel.js";

const PAUSE = 1500; // milliseconds between two looks
const VIEWS = ["graph", "events", "dead", "document"];
const changed = () => look();
const graph = new Graph($("canvas"), openNode);
const events = new Events($("events"));
const dead = new Dead($("dead"), changed);
const editor = new Editor($("document"), changed);
let view = "graph";
let timer = 0;
let looking = null;

watchPanel(changed, (name) => graph.highlight(name));

// One look at a time; whoever asks meanwhile gets the next one.
function look() {
  looking = (looking ?? Promise.resolve()).then(once);
  return looking;
}

async function once() {
  clearTimeout(timer);
  try {
    const { plain } = await api("GET", "/graph");
    show(plain);
    if (view === "events") await events.refresh();
    if (view === "dead") await dead.refresh();
    if (view === "document") await editor.refresh(plain.version);
    await refreshPanel();
    document.body.classList.remove("stale");
  } catch (error) {
    failed(error);
  }
  clearTimeout(timer);
  if (!document.hidden && !$("key").open) timer = setTimeout(look, PAUSE);
}

function show(plain) {
  health(plain.trouble ? "bad" : plain.draining ? "paused" : "good", plain.trouble ? "journal in trouble" : plain.draining ? "draining" : "running");
  $("trouble").hidden = !plain.trouble;
  $("trouble").textContent = plain.trouble;
  const letters = plain.dead_letters >= 200 ? "200+" : count(plain.dead_letters);
  $("dead-count").hidden = !plain.dead_letters;
  $("dead-count").textContent = letters;
  const speed = plain.inputs.reduce((sum, one) => sum + one.rate, 0);
  const all = [["events per second", rate(speed).replace("/s", "")], ["under way", count(plain.events.open)], ["done", count(plain.events.done)],
    ["dead letters", letters, plain.dead_letters ? "dead" : ""], ["version", count(plain.version)]];
  fill($("totals"), all.map(([name, value, kind]) => h("div", {}, h("dt", {}, name), h("dd", { class: kind }, value))));
  $("graph-empty").hidden = plain.inputs.length + plain.processes.length > 0;
  graph.show(plain);
  events.names(plain);
  dead.names(plain);
  document.title = plain.dead_letters ? `(${letters}) Sluice dispatch` : "Sluice dispatch";
}

function health(kind, word) {
  $("health").className = `chip ${kind}`;
  if ($("health").textContent !== word) $("health").textContent = word;
}

function failed(error) {
  if (error instanceof Refusal && error.status === 401) return ask(error.problem.detail);
  document.body.classList.add("stale");
  if (error instanceof Refusal) health("bad", `answered ${error.status}`);
  else if (error instanceof TypeError) health("bad", "no connection");
  else { health("bad", "fault of this page"); console.error(error); }
  return undefined;
}

function ask(why) {
  health("paused", "locked");
  $("key-fault").textContent = sessionStorage.getItem("token") ? `${why}.` : "";
  if (!$("key").open) $("key").showModal();
}

$("key").addEventListener("cancel", (event) => event.preventDefault());
$("key").addEventListener("close", () => {
  if ($("key").returnValue !== "given") keepToken($("key-text").value.trim());
  $("key").returnValue = "";
  $("key-text").value = "";
  look();
});

function turn(to, focus = false) {
  view = VIEWS.includes(to) ? to : "graph";
  for (const one of VIEWS) {
    const tab = $(`tab-${one}`);
    $(one).hidden = one !== view;
    tab.setAttribute("aria-selected", one === view);
    tab.tabIndex = one === view ? 0 : -1;
    if (one === view && focus) tab.focus();
  }
  if (location.hash !== `#${view}`) history.replaceState(null, "", `#${view}`);
  look();
}

for (const one of VIEWS) $(`tab-${one}`).addEventListener("click", () => turn(one));
document.querySelector("nav").addEventListener("keydown", (event) => {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (step) turn(VIEWS[(VIEWS.indexOf(view) + step + VIEWS.length) % VIEWS.length], true);
});
document.addEventListener("visibilitychange", () => { if (!document.hidden) look(); });
window.addEventListener("beforeunload", (event) => { if (editor.etag && editor.dirty) event.preventDefault(); });

const themes = ["", "light", "dark"];
const paint = (theme) => { if (theme) document.documentElement.dataset.theme = theme; else delete document.documentElement.dataset.theme; };
paint(localStorage.getItem("theme") ?? "");
$("theme").addEventListener("click", () => {
  const isDark = matchMedia("(prefers-color-scheme: dark)").matches;
  const now = localStorage.getItem("theme") || (isDark ? "dark" : "light");
  const next = themes[now === "dark" ? 1 : 2];
  localStorage.setItem("theme", next);
  paint(next);
});

// The token comes behind the #, which browsers send to nobody, and does not stay in the address.
function arrive() {
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (given) {
    keepToken(given);
    history.replaceState(null, "", location.pathname);
    if ($("key").open) $("key").close("given");
  }
  turn(location.hash.slice(1));
}
window.addEventListener("hashchange", arrive);
arrive();
