// Elements, words for numbers and times, and the way to the API. Text is only ever set as text: nothing that an event
// holds can become markup.

const SVG = "http://www.w3.org/2000/svg";

export const $ = (id) => document.getElementById(id);

export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "class") element.className = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((one) => one !== null && one !== undefined && one !== false));
  return element;
}

export function s(tag, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

// New content, unless it is what is there; whoever has the focus keeps it (by data-key).
export function fill(element, content) {
  const held = element.contains(document.activeElement) ? document.activeElement.dataset.key : undefined;
  const open = new Set([...element.querySelectorAll("details[open]")].map((one) => one.dataset.key));
  element.replaceChildren(...[content].flat(2).filter((one) => one !== null && one !== undefined && one !== false));
  for (const one of element.querySelectorAll("details")) one.open = one.open || open.has(one.dataset.key);
  if (held) element.querySelector(`[data-key="${CSS.escape(held)}"]`)?.focus({ preventScroll: true });
}

const whole = new Intl.NumberFormat("en");
const short = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
export const count = (number) => (number < 100000 ? whole : short).format(number);
export const brief = (number) => (number < 10000 ? whole : short).format(number);
export const rate = (number) => `${number >= 100 ? count(Math.round(number)) : number.toFixed(number < 10 ? 1 : 0)}/s`;
export const many = (number, one, more = `${one}s`) => `${count(number)} ${number === 1 ? one : more}`;

export function lasting(seconds) {
  if (seconds < 0.0001) return "under 0.1 ms";
  if (seconds < 1) return `${Math.max(seconds * 1000, 0).toFixed(seconds < 0.01 ? 1 : 0)} ms`;
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${Math.floor(seconds % 60)} s`;
  return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
}

export function ago(at) {
  const passed = Date.now() / 1000 - at;
  if (passed < 5) return "just now";
  if (passed < 60) return `${Math.floor(passed)} s ago`;
  if (passed < 3600) return `${Math.floor(passed / 60)} min ago`;
  if (passed < 86400) return `${Math.floor(passed / 3600)} h ago`;
  return new Date(at * 1000).toLocaleDateString();
}

export const time = (at) => h("time", { datetime: new Date(at * 1000).toISOString(), title: new Date(at * 1000).toLocaleString() }, ago(at));
export const mark = (state, word = state) => h("span", { class: `mark ${state}` }, word);
export const STATES = { resting: "circuit open", dead: "dead letter", retry: "tries again", done: "done" };
// A look every second and a half hardly ever meets a quick process at work.
export const lately = (node) => (node.state === "idle" && (node.rate || node.failing) ? "running" : node.state);
export const said = (state) => STATES[state] ?? state;

export function toast(text, bad = false) {
  const one = h("p", { class: bad ? "bad" : "" }, text);
  $("toasts").append(one);
  setTimeout(() => one.remove(), bad ? 9000 : 3500);
}

let token = sessionStorage.getItem("token") ?? "";
export const hasToken = () => token !== "";
export function keepToken(text) {
  token = text;
  sessionStorage.setItem("token", text);
}

export class Refusal extends Error {
  constructor(status, problem) {
    super([problem.detail ?? `The dispatcher answered ${status}`, problem.hint].filter(Boolean).join("\n"));
    this.status = status;
    this.problem = problem;
  }
}

// Numbers that JavaScript's own would round keep the digits they were sent with.
export function read(text) {
  if (!JSON.rawJSON) return JSON.parse(text);
  return JSON.parse(text, (_, value, { source } = {}) => {
    if (typeof value !== "number" || !source) return value;
    const isExact = Number.isInteger(value) ? Number.isSafeInteger(value) : source.replace(/e.*|\D/gi, "").replace(/^0+/, "").length <= 17;
    return isExact ? value : JSON.rawJSON(source);
  });
}

export async function api(method, path, body, headers = {}) {
  const sent = { ...headers };
  if (token) sent.Authorization = `Bearer ${token}`;
  if (method !== "GET") sent["Content-Type"] ??= "application/json";
  const answer = await fetch(`/api${path}`, { method, headers: sent, body, cache: "no-store", credentials: "omit" });
  const text = await answer.text();
  const plain = text && /json/.test(answer.headers.get("content-type") ?? "") ? read(text) : {};
  if (!answer.ok) throw new Refusal(answer.status, plain);
  return { plain, text, kind: (answer.headers.get("content-type") ?? "").split(";")[0], etag: answer.headers.get("etag") };
}

// Do what a button says, tell what came of it, and let nobody press twice.
export async function act(button, what, done) {
  button.disabled = true;
  try {
    const answer = await what();
    toast(done);
    return answer;
  } catch (error) {
    toast(error.message, true);
    return null;
  } finally {
    button.disabled = false;
  }
}

// What cannot be taken back is asked for twice.
export function twice(label, question, then, key) {
  let timer = 0;
  const button = h("button", { "data-key": key, onclick: () => {
    if (timer) return then(button);
    button.textContent = question;
    button.classList.add("sure");
    timer = setTimeout(() => { timer = 0; button.textContent = label; button.classList.remove("sure"); }, 4000);
  } }, label);
  return button;
}
