// The document: edited as it was written (TOML, YAML or JSON), checked while one types, saved as the next version; all versions at the side.

import { act, api, fill, h, time, toast } from "./dom.js";

const WRITTEN = { Accept: "application/toml, application/yaml, application/json;q=0.9" };

export class Editor {
  constructor(section, changed) {
    this.changed = changed;
    this.etag = "";
    this.kind = "application/json";
    this.saved = "";
    this.timer = 0;
    this.pages = 1; // of the list of versions
    this.label = h("span", { class: "soft" });
    this.note = h("input", { placeholder: "why (for the list of versions)", "aria-label": "Note", size: 28 });
    this.undo = h("button", { class: "quiet", onclick: () => this.load(true) }, "Discard changes");
    this.save = h("button", { class: "main", onclick: () => this.put() }, "Save");
    this.lines = h("pre", { "aria-hidden": "true" });
    this.text = h("textarea", { spellcheck: "false", wrap: "off", "aria-label": "Document as JSON", "aria-describedby": "faults",
      oninput: () => this.typed(), onscroll: () => { this.lines.scrollTop = this.text.scrollTop; }, onkeydown: (event) => this.key(event) });
    this.faults = h("ul", { id: "faults", class: "plain", role: "status", "aria-live": "polite" });
    this.versions = h("div", { id: "versions" });
    section.append(h("div", { class: "tools" }, h("h2", {}, "Document"), this.label, h("span", { class: "end row" }, this.undo, this.note, this.save)),
      h("div", { class: "editor" }, this.lines, this.text), this.versions, this.faults);
  }

  get dirty() { return this.text.value !== this.saved; }

  async refresh(version) {
    if (!this.etag || (`"${version}"` !== this.etag && !this.dirty)) await this.load();
    else if (`"${version}"` !== this.etag) this.label.textContent = `changed on ${this.etag.replaceAll('"', "version ").trim()}; the dispatcher is at version ${version}`;
  }

  async load(anyway = false) {
    const found = await api("GET", "/document", undefined, WRITTEN);
    if (this.dirty && this.etag && !anyway) return;
    this.etag = found.etag;
    this.saved = this.text.value = this.shown(found);
    this.tell([]);
    await this.list();
  }

  shown({ plain, text, kind }) {
    this.kind = kind;
    this.text.setAttribute("aria-label", `Document as ${kind.split("/")[1].toUpperCase()}`);
    return kind === "application/json" ? JSON.stringify(plain, null, 2) : text;
  }

  async list() {
    const found = [];
    let next = 0;
    for (let page = 0; page < this.pages && next !== null; page++) {
      const { plain } = await api("GET", `/versions?limit=30&before=${next}`);
      found.push(...plain.versions);
      next = plain.next;
    }
    fill(this.versions, [h("h3", {}, "Versions"), h("ul", { class: "plain" }, found.map((one) => h("li", {},
      h("button", { class: "text", onclick: () => this.look(one.number) }, `Version ${one.number}`), h("span", { class: "soft" }, " ", time(one.at)),
      one.note && h("div", { class: "soft" }, one.note)))),
    next !== null && h("button", { class: "more", "data-key": "older", onclick: () => { this.pages += 1; this.list(); } }, "Older versions")]);
  }

  async look(number) {
    this.text.value = this.shown(await api("GET", `/versions/${number}`, undefined, WRITTEN));
    this.note.value = `back to version ${number}`;
    this.typed();
    toast(`Version ${number} is in the editor; Save puts it into effect`);
  }

  typed() {
    clearTimeout(this.timer);
    this.number();
    this.timer = setTimeout(() => this.check(), 500);
  }

  async check() {
    const text = this.text.value;
    try {
      await api("POST", "/document/check", text, { "Content-Type": this.kind });
      if (text === this.text.value) this.tell([]);
    } catch (error) {
      if (text === this.text.value) this.tell(faultsOf(error));
    }
  }

  async put() {
    clearTimeout(this.timer);
    this.save.disabled = true;
    try {
      const note = this.note.value ? `?note=${encodeURIComponent(this.note.value)}` : "";
      const { etag } = await api("PUT", `/document${note}`, this.text.value, { "If-Match": this.etag, "Content-Type": this.kind });
      this.etag = etag;
      this.saved = this.text.value;
      this.note.value = "";
      this.tell([]);
      await this.list();
      toast(`Saved as version ${etag.replaceAll('"', "")}`);
      await this.changed();
    } catch (error) {
      this.tell(faultsOf(error));
      toast(error.status === 412 ? "Somebody else changed the document: discard your changes, or copy them first" : "Not saved: it has faults", true);
    } finally {
      this.number();
    }
  }

  tell(faults) {
    this.bad = new Map(faults.map((one) => [one.line, one]));
    fill(this.faults, faults.length ? faults.map((one) => h("li", { class: "fault" }, one.line
      ? h("button", { class: "text fault", onclick: () => this.go(one) }, `Line ${one.line}, column ${one.column}: ${one.message}`) : one.message))
      : this.dirty ? h("li", { class: "soft" }, "No faults. Save puts it into effect at once.") : []);
    this.number();
  }

  number() {
    const many = this.text.value.split("\n").length;
    const parts = Array.from({ length: many }, (_, i) => (this.bad?.has(i + 1) ? h("b", {}, `${i + 1}\n`) : `${i + 1}\n`));
    this.lines.replaceChildren(...parts, "\n\n");
    this.lines.scrollTop = this.text.scrollTop;
    this.save.disabled = this.undo.disabled = !this.dirty;
    this.label.textContent = `${this.dirty ? "changed, on " : ""}version ${this.etag.replaceAll('"', "")}`;
  }

  go({ line, column }) {
    const before = this.text.value.split("\n").slice(0, line - 1).join("\n").length + (line > 1 ? 1 : 0);
    this.text.focus();
    this.text.setSelectionRange(before + column - 1, before + column - 1);
    this.text.scrollTop = Math.max(0, (line - 6) * 20);
  }

  key(event) {
    if ((event.ctrlKey || event.metaKey) && event.key === "s") {
      event.preventDefault();
      if (!this.save.disabled) this.put();
    }
  }
}

function faultsOf(error) {
  return error.problem?.errors ?? [{ message: error.message }];
}
