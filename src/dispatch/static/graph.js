// The live graph: nodes in layers from left to right, laid out anew when the graph changes, repainted in place else.

import { brief, count, lately, many, rate, s, said } from "./dom.js";

const WIDE = 224, HIGH = 96, ACROSS = 104, BETWEEN = 30, TICKS = 12;

// Layers by the longest way from an input, dummies where a link passes a layer, and fewer crossings by barycentres.
export function layout(names, links) {
  const into = new Map(names.map((name) => [name, []]));
  const pairs = new Map();
  for (const link of links) {
    if (!into.has(link.from) || !into.has(link.to)) continue;
    pairs.set(JSON.stringify([link.from, link.to]), [link.from, link.to]);
  }
  for (const [from, to] of pairs.values()) into.get(to).push(from);
  const depth = new Map();
  const deep = (name) => {
    if (!depth.has(name)) {
      depth.set(name, 0);
      depth.set(name, Math.max(-1, ...into.get(name).map(deep)) + 1);
    }
    return depth.get(name);
  };
  names.forEach(deep);
  const layers = Array.from({ length: Math.max(0, ...depth.values()) + 1 }, () => []);
  const spots = new Map();
  const put = (key, layer, high) => {
    const spot = { key, layer, high, y: 0, before: [], after: [] };
    spots.set(key, spot);
    layers[layer].push(spot);
    return spot;
  };
  for (const name of names) put(name, depth.get(name), HIGH);
  const ways = new Map();
  for (const [key, [from, to]] of pairs) {
    const way = [spots.get(from)];
    for (let layer = depth.get(from) + 1; layer < depth.get(to); layer++) way.push(put(`${key}${layer}`, layer, 26));
    way.push(spots.get(to));
    for (let i = 1; i < way.length; i++) { way[i].before.push(way[i - 1]); way[i - 1].after.push(way[i]); }
    ways.set(key, way);
  }
  for (let sweep = 0; sweep < 8; sweep++) order(layers, sweep % 2 === 0);
  place(layers);
  const all = [...spots.values()];
  const top = Math.min(0, ...all.map((one) => one.y - one.high / 2));
  for (const one of all) { one.y -= top; one.x = one.layer * (WIDE + ACROSS); }
  return {
    spots, ways,
    width: layers.length * (WIDE + ACROSS) - ACROSS,
    height: Math.max(HIGH, ...all.map((one) => one.y + one.high / 2)),
  };
}

const mean = (ones, of) => ones.reduce((sum, one) => sum + of(one), 0) / ones.length;

function order(layers, forward) {
  const walk = forward ? layers : [...layers].reverse();
  for (const layer of layers) layer.forEach((one, i) => { one.place = i; });
  for (const layer of walk) {
    const weights = new Map(layer.map((one) => {
      const near = forward ? one.before : one.after;
      return [one, near.length ? mean(near, (other) => other.place) : one.place];
    }));
    layer.sort((a, b) => weights.get(a) - weights.get(b) || a.place - b.place);
    layer.forEach((one, i) => { one.place = i; });
  }
}

// Each node near the middle of its neighbours, as far as those above and below leave room.
function place(layers) {
  for (const layer of layers) {
    let y = 0;
    for (const one of layer) { one.y = y + one.high / 2; y += one.high + BETWEEN; }
    for (const one of layer) one.y -= (y - BETWEEN) / 2;
  }
  for (let sweep = 0; sweep < 12; sweep++) {
    for (const layer of sweep % 2 ? [...layers].reverse() : layers) {
      const wish = layer.map((one) => {
        const near = sweep % 2 ? one.after : one.before;
        return near.length ? mean(near, (other) => other.y) : one.y;
      });
      layer.forEach((one, i) => { one.y = wish[i]; });
      for (let i = 1; i < layer.length; i++) layer[i].y = Math.max(layer[i].y, layer[i - 1].y + apart(layer, i));
      const over = layer.length ? mean(layer.map((one, i) => one.y - wish[i]), (one) => one) : 0;
      for (const one of layer) one.y -= over;
    }
  }
}

const apart = (layer, i) => (layer[i].high + layer[i - 1].high) / 2 + BETWEEN;

function curve(way) {
  const points = way.flatMap((one, i) => {
    if (i === 0) return [[one.x + WIDE, one.y]];
    if (i === way.length - 1) return [[one.x - 7, one.y]];
    return [[one.x, one.y], [one.x + WIDE, one.y]];
  });
  let path = `M${points[0]}`;
  for (let i = 1; i < points.length; i++) {
    const [x0, y0] = points[i - 1], [x1, y1] = points[i], bend = (x1 - x0) / 2;
    path += y0 === y1 ? `L${x1},${y1}` : `C${x0 + bend},${y0} ${x1 - bend},${y1} ${x1},${y1}`;
  }
  return { path, middle: [(points[0][0] + points[1][0]) / 2, (points[0][1] + points[1][1]) / 2] };
}

const ruler = document.createElement("canvas").getContext("2d");
function fit(text, font, most) {
  ruler.font = font;
  if (ruler.measureText(text).width <= most) return text;
  let end = text.length;
  while (end > 1 && ruler.measureText(`${text.slice(0, end)}…`).width > most) end--;
  return `${text.slice(0, end)}…`;
}

const FONT = "620 14px system-ui, sans-serif";

export class Graph {
  constructor(canvas, choose) {
    this.canvas = canvas;
    this.choose = choose;
    this.shape = "";
    this.chosen = "";
    this.nodes = new Map();
    this.links = new Map();
    new ResizeObserver(() => this.scale()).observe(canvas);
    canvas.addEventListener("keydown", (event) => this.walk(event));
  }

  show(graph) {
    const nodes = [...graph.inputs, ...graph.processes];
    const shape = JSON.stringify([nodes.map((one) => [one.name, one.type]), graph.links.map((one) => [one.from, one.to])]);
    if (shape !== this.shape) this.draw(nodes.map((one) => one.name), graph);
    this.shape = shape;
    for (const one of graph.inputs) this.paintInput(one);
    for (const one of graph.processes) this.paintProcess(one);
    for (const one of graph.links) this.paintLink(one);
  }

  draw(names, graph) {
    const held = document.activeElement?.dataset?.name;
    this.made = layout(names, graph.links);
    this.nodes.clear();
    this.links.clear();
    const arrow = s("marker", { id: "arrow", viewBox: "0 0 8 8", refX: 2, refY: 4, markerWidth: 8, markerHeight: 8, orient: "auto", markerUnits: "userSpaceOnUse" },
      s("path", { d: "M0,0.5 L8,4 L0,7.5 Z", class: "arrow" }));
    const under = s("g"), over = s("g"), labels = s("g");
    for (const [key, way] of this.made.ways) {
      const { path, middle } = curve(way);
      const text = s("text", { x: middle[0], y: middle[1] + 4 });
      const plate = s("rect", { class: "plate", rx: 6, height: 20, y: middle[1] - 10 });
      const title = s("title");
      const group = s("g", { class: "link" }, title, s("path", { class: "way", d: path, "marker-end": "url(#arrow)" }), s("path", { class: "flow", d: path }));
      const label = s("g", { class: "link" }, plate, text);
      under.append(group);
      labels.append(label);
      this.links.set(key, { group, label, text, plate, title, middle });
    }
    for (const name of names) over.append(this.node(name, this.made.spots.get(name)));
    this.svg = s("svg", { viewBox: `-4 -4 ${this.made.width + 8} ${this.made.height + 8}`, role: "group", "aria-label": "Graph of inputs and processes" }, s("defs", {}, arrow), under, labels, over);
    this.canvas.replaceChildren(this.svg);
    this.scale();
    this.highlight(this.chosen);
    if (held) this.nodes.get(held)?.group.focus();
  }

  node(name, spot) {
    const part = (x, y, more = {}) => s("text", { x, y, ...more });
    const parts = {
      name: part(18, 26, { class: "name" }), kind: part(18, 45), rate: part(WIDE - 14, 65, { class: "rate", "text-anchor": "end" }),
      count: s("tspan"), fault: s("tspan", { class: "fault", dx: 8 }),
      state: part(31, 84), wait: part(WIDE - 14, 84, { "text-anchor": "end" }), title: s("title"),
      ticks: Array.from({ length: TICKS }, (_, i) => s("rect", { class: "tick", x: WIDE - 14 - (i + 1) * 7, y: 36, width: 4.5, height: 10, rx: 2 })),
    };
    parts.name.textContent = fit(name, FONT, WIDE - 32);
    const group = s("g", { class: "node", transform: `translate(${spot.x},${spot.y - HIGH / 2})`, tabindex: "0", role: "button", "data-name": name },
      parts.title, s("rect", { class: "box", width: WIDE, height: HIGH, rx: 12 }), s("rect", { class: "strip", x: 0, y: 14, width: 4, height: HIGH - 28, rx: 2 }),
      parts.name, parts.kind, parts.rate, s("text", { x: 18, y: 65, class: "count" }, parts.count, parts.fault), s("circle", { class: "dot", cx: 22, cy: 80, r: 4 }), parts.state, parts.wait, ...parts.ticks);
    group.addEventListener("click", () => this.choose(name));
    this.nodes.set(name, { group, ...parts });
    return group;
  }

  paintInput(one) {
    const parts = this.nodes.get(one.name);
    parts.count.textContent = many(one.events, "event");
    parts.fault.textContent = one.failures ? many(one.failures, "failure") : "";
    this.paint(parts, one, `input, ${one.type}`, one.rate, "");
  }

  paintProcess(one) {
    const parts = this.nodes.get(one.name);
    parts.count.textContent = `${brief(one.done)} done`;
    parts.fault.textContent = one.failed ? `${brief(one.failed)} failed` : "";
    parts.ticks.forEach((tick, i) => tick.setAttribute("class", `tick ${one.last?.[i]?.phase ?? ""}`));
    const state = lately(one);
    const wait = one.running ? `${count(one.running)} at work` : "";
    this.paint(parts, { ...one, state }, one.type, one.rate, one.pending > one.running ? `${count(one.pending - one.running)} waiting` : wait);
  }

  paint(parts, one, kind, speed, wait) {
    parts.kind.textContent = kind;
    const failing = one.failing > speed;
    const told = parts.count.textContent.length + parts.fault.textContent.length;
    parts.rate.textContent = failing ? `${rate(one.failing)}${told < 22 ? " fail" : ""}` : speed ? rate(speed) : "";
    parts.state.textContent = said(one.state);
    parts.wait.textContent = wait;
    parts.title.textContent = one.last_error ? `${one.name}\n${one.last_error}` : one.name;
    parts.group.setAttribute("class", `node ${one.state}${failing ? " troubled" : ""}`);
    parts.group.setAttribute("aria-label", `${one.name}, ${kind}, ${said(one.state)}, ${parts.count.textContent}${parts.fault.textContent && `, ${parts.fault.textContent}`}${wait && `, ${wait}`}`);
  }

  paintLink(one) {
    const parts = this.links.get(JSON.stringify([one.from, one.to]));
    const only = [one.operation.join(", "), one.location, one.where].filter(Boolean).join("; ");
    const label = `${count(one.events)}${one.rate ? ` · ${rate(one.rate)}` : ""}${only ? " ▽" : ""}`;
    parts.title.textContent = `${one.from} → ${one.to}: ${many(one.events, "event")}${only ? `\nonly ${only}` : ""}`;
    if (parts.text.textContent !== label) {
      parts.text.textContent = label;
      ruler.font = "600 11.5px system-ui, sans-serif";
      const wide = ruler.measureText(label).width + 10;
      parts.plate.setAttribute("width", wide);
      parts.plate.setAttribute("x", parts.middle[0] - wide / 2);
    }
    for (const group of [parts.group, parts.label]) group.classList.toggle("flows", one.rate > 0);
  }

  highlight(name) {
    this.chosen = name;
    for (const [key, { group }] of this.nodes) group.setAttribute("aria-expanded", key === name);
    for (const [key, { group }] of this.links) group.classList.toggle("near", JSON.parse(key).includes(name));
  }

  // As large as it fits, but never so small that it cannot be read: then it scrolls.
  scale() {
    if (!this.svg) return;
    const room = this.canvas.clientWidth - 20;
    const by = Math.min(1.2, Math.max(0.72, room / (this.made.width + 8)));
    this.svg.setAttribute("width", (this.made.width + 8) * by);
    this.svg.setAttribute("height", (this.made.height + 8) * by);
    this.nodes.get(this.chosen)?.group.scrollIntoView({ block: "nearest", inline: "nearest" });
  }

  // Arrows go to the nearest node in their direction.
  walk(event) {
    const name = document.activeElement?.dataset?.name;
    if (!name || !this.nodes.has(name)) return;
    if (event.key === "Enter" || event.key === " ") { event.preventDefault(); this.choose(name); return; }
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (!step) return;
    event.preventDefault();
    const here = this.made.spots.get(name);
    let best = null, least = Infinity;
    for (const other of this.nodes.keys()) {
      const spot = this.made.spots.get(other), dx = spot.x - here.x, dy = spot.y - here.y;
      const along = dx * step[0] + dy * step[1], aside = Math.abs(dx * step[1]) + Math.abs(dy * step[0]);
      if (along > 0 && along + 2 * aside < least) { least = along + 2 * aside; best = other; }
    }
    if (best) this.nodes.get(best).group.focus();
  }
}
