// The list of events, and the list of dead letters.

import { $, act, api, fill, h, many, mark, said, time } from "./dom.js";
import { decisions, openEvent } from "./panel.js";

const first = (text) => (text ?? "").split("\n")[0];

export class Events {
  constructor(section) {
    this.pages = [];
    this.told = "";
    const field = (name, label, input) => h("label", {}, label, input);
    this.form = h("form", { class: "tools", onsubmit: (event) => { event.preventDefault(); this.again(); } },
      field("standing", "Standing", h("select", { name: "standing", onchange: () => this.again() },
        ["", "open", "done", "dead"].map((one) => h("option", { value: one }, one || "all")))),
      field("trigger", "Input", h("select", { name: "trigger", onchange: () => this.again() }, h("option", { value: "" }, "all"))),
      field("process", "Process", h("select", { name: "process", onchange: () => this.again() }, h("option", { value: "" }, "all"))),
      field("location", "Location", h("input", { name: "location", placeholder: "public.*", size: 16, onchange: () => this.again() })),
      field("id", "Id", h("input", { name: "id", size: 12, onchange: () => this.again() })));
    this.body = h("tbody");
    this.sheet = h("div", { class: "sheet" }, h("table", {}, h("thead", {}, h("tr", {}, h("th", { class: "number" }, "Event"), h("th", {}, "Stands"), h("th", {}, "What"),
      h("th", {}, "Id"), h("th", { class: "second" }, "Input"), h("th", { class: "second" }, "Way"), h("th", {}, "Taken"))), this.body));
    this.none = h("p", { class: "empty", hidden: true }, "No event is like this.");
    this.more = h("button", { class: "more", hidden: true, onclick: () => this.further() }, "Older events");
    section.append(this.form, this.sheet, this.none, this.more);
  }

  names(graph) {
    for (const [name, all] of [["trigger", graph.inputs], ["process", graph.processes]]) {
      const select = this.form.elements[name];
      const wanted = ["", ...all.map((one) => one.name)];
      if (JSON.stringify([...select.options].map((one) => one.value)) === JSON.stringify(wanted)) continue;
      const kept = select.value;
      fill(select, wanted.map((one) => h("option", { value: one }, one || "all")));
      select.value = wanted.includes(kept) ? kept : "";
    }
  }

  query(before = 0) {
    const query = new URLSearchParams({ limit: 50, before });
    for (const [name, value] of new FormData(this.form)) if (value) query.set(name, value);
    return query;
  }

  async again() {
    this.pages = [];
    await this.refresh();
  }

  async refresh() {
    const asked = this.query();
    const { plain } = await api("GET", `/events?${asked}`);
    if (`${this.query()}` !== `${asked}`) return;
    this.pages[0] = plain;
    this.show();
  }

  async further() {
    const last = this.pages.at(-1);
    const { plain } = await api("GET", `/events?${this.query(last.next)}`);
    this.pages.push(plain);
    this.show();
  }

  show() {
    const seen = new Set();
    const all = this.pages.flatMap((page) => page.events).filter((one) => !seen.has(one.number) && seen.add(one.number));
    const text = JSON.stringify([all, Math.floor(Date.now() / 20000)]);
    this.more.hidden = !this.pages.at(-1).next;
    this.none.hidden = all.length > 0;
    this.sheet.hidden = all.length === 0;
    if (text !== this.told) fill(this.body, all.map(row));
    this.told = text;
  }
}

function row(one) {
  const bad = one.journey.find((stop) => stop.phase === "dead");
  const done = one.journey.filter((stop) => stop.phase === "done" || stop.phase === "dropped").length;
  const way = bad ? `${bad.process}: ${first(bad.error)}` : `${done} of ${many(one.journey.length, "process", "processes")}`;
  return h("tr", {},
    h("td", { class: "number" }, h("button", { class: "text", "data-key": `event ${one.number}`, "aria-label": `Event ${one.number}`, onclick: () => openEvent(one.number) }, `${one.number}`)),
    h("td", {}, mark(one.standing)), h("td", { class: "wide" }, `${one.event.operation} ${one.event.location}`),
    h("td", { class: "wide" }, one.event.id), h("td", { class: "second" }, one.event.trigger),
    h("td", { class: `wide second ${bad ? "fault" : "soft"}` }, way), h("td", { class: "when" }, time(one.at)));
}

export class Dead {
  constructor(section, changed) {
    this.told = "";
    this.open = 1; // pages
    this.process = h("select", { onchange: () => { this.open = 1; this.refresh(); } }, h("option", { value: "" }, "all"));
    this.all = h("button", { class: "end", onclick: async () => {
      const process = this.process.value;
      const events = this.events.map((one) => one.number);
      await act(this.all, () => api("POST", "/dead/retry", JSON.stringify({ events, process })), `${many(events.length, "event")} tried again`);
      await changed();
    } });
    this.body = h("tbody");
    this.sheet = h("div", { class: "sheet" }, h("table", {}, h("thead", {}, h("tr", {}, h("th", { class: "number" }, "Event"), h("th", {}, "Process"), h("th", {}, "Why"),
      h("th", { class: "second" }, "What"), h("th", {}, "When"), h("th", {}))), this.body));
    this.none = h("p", { class: "empty", hidden: true }, "No dead letters. What a process gives up is kept here until somebody decides.");
    this.tools = h("div", { class: "tools" }, h("label", {}, "Process", this.process), this.all);
    this.more = h("button", { class: "more", hidden: true, onclick: () => { this.open += 1; this.refresh(); } }, "Older dead letters");
    section.append(this.tools, this.sheet, this.none, this.more);
  }

  async refresh() {
    const found = [];
    let next = 0;
    for (let page = 0; page < this.open && next !== null; page++) {
      const { plain } = await api("GET", `/dead?limit=100&before=${next}&process=${encodeURIComponent(this.process.value)}`);
      found.push(...plain.events);
      next = plain.next;
    }
    this.events = found;
    this.more.hidden = next === null;
    const letters = this.events.flatMap((one) => one.journey.filter((stop) => stop.phase === "dead").map((stop) => [one, stop]))
      .filter(([, stop]) => !this.process.value || stop.process === this.process.value);
    this.all.textContent = `Retry ${next === null ? "all" : "these"} ${letters.length}`;
    this.tools.hidden = !letters.length && !this.process.value;
    this.all.hidden = letters.length < 2;
    this.none.hidden = letters.length > 0;
    this.sheet.hidden = letters.length === 0;
    const text = JSON.stringify([this.events, this.process.value, Math.floor(Date.now() / 20000)]);
    if (this.body.querySelector(".sure")) return; // somebody is about to decide
    if (text !== this.told) fill(this.body, letters.map(letter));
    this.told = text;
  }

  names(graph) {
    const wanted = ["", ...graph.processes.map((one) => one.name)];
    if (JSON.stringify([...this.process.options].map((one) => one.value)) === JSON.stringify(wanted)) return;
    const kept = this.process.value;
    fill(this.process, wanted.map((one) => h("option", { value: one }, one || "all")));
    this.process.value = wanted.includes(kept) ? kept : "";
  }
}

function letter([one, stop]) {
  return h("tr", {},
    h("td", { class: "number" }, h("button", { class: "text", "data-key": `event ${one.number}`, "aria-label": `Event ${one.number}`, onclick: () => openEvent(one.number) }, `${one.number}`)),
    h("td", { class: "name" }, mark("dead", stop.process)), h("td", { class: "wide fault" }, first(stop.error)),
    h("td", { class: "wide soft second" }, `${one.event.operation} ${one.event.location}, ${one.event.id}`),
    h("td", { class: "when" }, time(stop.at)), h("td", { class: "acts" }, decisions(one.number, stop.process)));
}
