// The map: points on a canvas, moved, zoomed, lassoed; hits of a search and what is selected above them.

import { make } from "./dom.js";
import { nameOf, show } from "./format.js";
import { crowdOf, levels, placed } from "./labels.js";
import { legend } from "./legend.js";
import { boxOf, indexOf, inside, nearest, unpacked } from "./pick.js";
import { canvasRoom, draw, fit, lens, lifted, limited, radius, SIDE, viewOf } from "./raster.js";
import { bytes, QUESTION } from "./store.js";

// Pixels: around the map, from the pointer to a point, of a drag. Pixels of a picture at most.
const EDGE = 26, NEAR = 9, DRAG = 4, MOST_PIXELS = 4e6;
// Milliseconds: until a text is asked for, between two looks at how far a map is, that points move to their new places,
// until names are placed anew after the map was moved.
const REST = 60, POLL = 400, MOVING = 600, SETTLE = 160;
// Milliseconds between the clicks of a double click.
const TWICE = 300;
const RINGS = 60, NUMBERED = 20, PLAIN = [[154, 154, 154], [42, 111, 219]];
const MODES = { pan: ["Move", "Drag moves the map"], lasso: ["Lasso", "Drag around records to select them (or Shift and drag)"], box: ["Box", "Drag a box around records to select them (or Alt and drag)"] };

export function map(host, bench) {
  const { store } = bench;
  const tool = (text, title, onclick, more = {}) => make("button", { type: "button", class: "cw-quiet", text, title, onclick, ...more });
  const modes = Object.fromEntries(Object.entries(MODES).map(([name, [text, title]]) => [name, tool(text, title, () => setMode(name))]));
  const near = tool("To selection", "Zoom to what is selected (z)", () => zoomTo((i) => chosen?.[i]));
  const none = tool("", "Clear the selection (Escape)", () => select("only", new Int32Array(0)), { class: "cw-quiet cw-map-count", "aria-label": "Clear the selection" });
  const by = make("select", { class: "cw-input", onchange: () => bench.set({ colour: by.value || null }) });
  const tools = make("div", { class: "cw-tools cw-map-tools", role: "toolbar", "aria-label": "Map" },
    make("span", { class: "cw-map-modes" }, ...Object.values(modes)),
    tool("−", "Zoom out (−)", () => zoomBy(1 / 1.6), { "aria-label": "Zoom out" }), tool("+", "Zoom in (+)", () => zoomBy(1.6), { "aria-label": "Zoom in" }),
    tool("Fit", "Show the whole map (0)", home), near, none, make("label", { class: "cw-map-by" }, "Colour ", by));
  const base = make("canvas", { class: "cw-map-canvas", "aria-hidden": "true" });
  const over = make("canvas", { class: "cw-map-canvas cw-map-over", tabindex: "0", role: "img", "aria-label": "Map of the records", "aria-keyshortcuts": "ArrowLeft ArrowRight ArrowUp ArrowDown + - 0 z F2" });
  const tip = make("div", { class: "cw-map-tip", role: "status", hidden: true }), note = make("div", { class: "cw-map-note", text: "Making the map…" });
  const hint = make("div", { class: "cw-map-hint", text: "Zoom with Ctrl and the wheel, or click first", hidden: true });
  const bar = make("progress", { max: "1", "aria-label": "A better map" }), stage = make("span");
  const making = make("div", { class: "cw-map-making", hidden: true }, stage, bar,
    tool("Stop", "Keep the map that is shown", () => ask("map_stop", {}, { inTurn: true })));
  const face = make("div", { class: "cw-map-face" }, base, over, note, tip, hint, making);
  const part = tool("", "", () => ask("map_within", { all: store.get()._within[0] >= 0 }, { inTurn: true }));
  none.after(part);
  const key = make("div", { class: "cw-map-legend", role: "group", "aria-label": "Legend", hidden: true });
  host.append(tools, make("div", { class: "cw-map-room" }, make("div", { class: "cw-map-row" }, face, key)));
  const meaning = legend(key, { only: isolate, values: async (text) => (await ask("map_values", { key: store.get().colour, text }))?.values, first: (value) => { first.push(value); colour(); } });

  const paper = base.getContext("2d"), pen = over.getContext("2d"), room = canvasRoom();
  let version = null, points = new Uint16Array(0), n = 0, homeBox = [0, 0, 1, 1], index = null;
  let codes = new Uint8Array(0), palette = PLAIN, shown = null, chosen = null, hits = [], only = null, lists = false, first = [], names = [], shownNames = [], settling = 0, picking = 0;
  let width = 0, height = 0, ratio = 1, image = null, layout = null, view = { x: 0.5, y: 0.5, zoom: 1 }, moved = false;
  let mode = "pan", active = false, line = null, hovered = -1, reticle = false, weight = null;
  let frame = 0, timer = 0, poll = 0, fading = 0, begun = false, gone = false;
  // Moments and milliseconds, for those who measure.
  const stats = { draws: 0, ms: 0, asked: 0, came: 0, first: 0 };

  async function ask(kind, body = {}, how = {}) {
    try {
      return await bench.request(kind, body, how);
    } catch (error) {
      if (!gone) bench.say(error.message, true);
      return null;
    }
  }
  const takes = (i) => (shown === null || shown[i]) && (only === null || only[i]);

  // --- What is drawn ---
  async function load(renew = false) {
    clearTimeout(poll);
    let said;
    stats.asked ||= performance.now();
    try {
      said = await bench.request("map", { have: version, renew });
    } catch (error) {
      if (!n) tell(`There is no map: ${error.message}`); else bench.say(error.message, true);
      return;
    }
    if (!said || gone) return;
    stats.came ||= performance.now();
    if (said.points) take(said);
    making.hidden = !said.making;
    if (said.making) {
      stage.textContent = said.making.stage === "waiting" ? "A better map is being prepared" : `A better map: ${said.making.stage}`;
      if (said.making.stage === "waiting" || said.making.share === 0) bar.removeAttribute("value"); else bar.value = said.making.share;
      poll = setTimeout(load, POLL);
    } else {
      if (said.note) bench.say(said.note);
      regions();
    }
  }
  function take(said) {
    const fresh = bytes(said.points, Uint16Array), same = n > 0 && fresh.length === points.length;
    const wasHome = !moved;
    version = said.version;
    n = said.records;
    homeBox = said.home;
    hovered = -1;
    tip.hidden = true;
    names = shownNames = [];
    if (codes.length !== n) { codes = new Uint8Array(n).fill(1); shown = chosen = null; hits = []; }
    if (same && n <= 2e5 && !matchMedia("(prefers-reduced-motion: reduce)").matches) glide(points, fresh); else points = fresh;
    index = null;
    tell(n ? "" : "There is nothing to draw: no record has an embedding.");
    layout = width ? fit(homeBox, width, height, EDGE) : null;
    if (wasHome) home();
    now();
    marks();
    selection();
    colour();
  }
  // What the regions of the map are called; of the first map nobody wants to know it.
  async function regions() {
    const said = n ? await ask("map_labels") : null;
    if (!said || said.version !== version) return;
    names = said.labels;
    store.set({ mapped: said.labels.map((one) => one.text).join("\n") + version });
    later();
  }
  // A field over a name; what is written there is the name from now on.
  function rename(one) {
    const [left, top, right] = one.now, before = one.whole;
    const field = make("input", { class: "cw-input cw-map-rename", type: "text", maxlength: "120", dir: "auto", "aria-label": `Name of the region ${before}` });
    let done = false;
    const end = async (keep) => {
      if (done) return;
      done = true;
      const name = field.value.trim();
      field.remove();
      over.focus({ preventScroll: true });
      if (!keep || !name || name === before) return;
      const said = await ask("map_rename", { version, region: one.number, level: one.level, name }, { inTurn: true });
      if (!said || gone) return;
      bench.say(said.kept ? `Renamed to “${said.name}” and saved with the map` : `Renamed to “${said.name}” in this view`);
      regions();
      if (store.get().colour === "#region") colour();
    };
    field.value = before;
    field.addEventListener("keydown", (event) => {
      event.stopPropagation();
      if (event.key === "Enter") end(true); else if (event.key === "Escape") end(false);
    });
    field.addEventListener("blur", () => end(true));
    face.append(field);
    const room = Math.max(160, right - left + 40);
    field.style.width = `${Math.min(room, width - 8)}px`;
    field.style.left = `${Math.max(4, Math.min((left + right - room) / 2, width - room - 4))}px`;
    field.style.top = `${Math.max(4, Math.min(top - 4, height - 34))}px`;
    field.focus({ preventScroll: true });
    field.select();
  }
  // The name that stands nearest to the middle.
  function nearestName() {
    const far = ({ now: [l, t, r, b] }) => Math.hypot((l + r - width) / 2, (t + b - height) / 2);
    return shownNames.filter((one) => one.now).sort((a, b) => far(a) - far(b))[0];
  }
  // Points move from where they were: whoever looks at one keeps it in sight.
  function glide(from, to) {
    const start = performance.now(), now = new Uint16Array(to.length);
    points = now;
    now.set(from);
    (function step() {
      if (points !== now || gone) return;
      const t = Math.min(1, (performance.now() - start) / MOVING), s = t * t * (3 - 2 * t);
      if (t === 1) { points = to; index = null; return paint(); }
      for (let i = 0; i < to.length; i++) now[i] = from[i] + (to[i] - from[i]) * s;
      paint();
      requestAnimationFrame(step);
    })();
  }
  async function marks() {
    const state = store.get(), filtered = state.where !== null || state.where_document !== null || state._within[0] >= 0, search = Boolean(state.search);
    const said = filtered || search ? await ask("map_shown", { hits: search }) : { version, all: true };
    if (!said) return;
    if (said.version !== version) return load();
    shown = said.all ? null : unpacked(bytes(said.marks, Uint8Array), n);
    hits = said.hits ? bytes(said.hits, Int32Array) : [];
    now();
  }
  async function selection() {
    const count = store.get()._selected, said = count ? await ask("map_selected") : { version };
    if (!said) return;
    if (said.version !== version) return load();
    chosen = said.marks ? unpacked(bytes(said.marks, Uint8Array), n) : null;
    near.hidden = none.hidden = !count;
    none.textContent = `${count.toLocaleString("en-US")} selected ✕`;
    later();
  }
  function offer() {
    const { _known, colour: now } = store.get(), keys = _known.filter((one) => !one.key.startsWith("#") && one.type !== "sparse").map((one) => one.key);
    by.replaceChildren(...[["", "nothing"], ["#region", "region of the map"], ...keys.map((one) => [one, nameOf(one)])].map(([value, text]) => make("option", { value, text })));
    by.value = now ?? "";
  }
  async function colour() {
    const { colour: wanted } = store.get();
    by.value = wanted ?? "";
    only = null;
    if (wanted === null) { codes = new Uint8Array(n).fill(1); palette = PLAIN; meaning.show(null); return later(); }
    const said = n ? await ask("map_colour", { key: wanted, first }) : null;
    if (!said || said.key !== store.get().colour) return;
    if (said.version !== version) return load();
    codes = bytes(said.codes, Uint8Array);
    palette = said.colours.map((one) => [1, 3, 5].map((i) => parseInt(one.slice(i, i + 2), 16)));
    lists = said.kind === "items";
    said.rest = said.others ? codes.reduce((sum, code) => sum + (code === palette.length - 1), 0) : 0;
    now();
    meaning.show(said, wanted === "#region" ? "region" : nameOf(wanted));
  }
  // Only the records of these codes; of a list those that have the item, whatever their colour.
  async function isolate(some) {
    only = null;
    if (some && lists) {
      only = new Uint8Array(n);
      for (const code of some) {
        const said = code > 0 && code < palette.length - (palette.length > 21 ? 1 : 0) ? await ask("map_members", { version, key: store.get().colour, code }) : null;
        const has = said ? unpacked(bytes(said.marks, Uint8Array), n) : codes.map((one) => (one === code ? 1 : 0));
        for (let i = 0; i < n; i++) only[i] |= has[i];
      }
    } else if (some) only = codes.map((code) => (some.has(code) ? 1 : 0));
    later();
  }
  // Only what is selected is shown, in the table too.
  function narrowed() {
    const [count] = store.get()._within, on = count >= 0;
    part.hidden = !on && !store.get()._selected;
    part.textContent = on ? `Only ${count.toLocaleString("en-US")} shown ✕` : "Only these";
    part.title = on ? "Show the others again" : "Show only what is selected, in the table too";
    part.setAttribute("aria-pressed", String(on));
  }
  function tell(text) {
    note.textContent = text;
    note.hidden = !text;
  }

  // --- Drawing ---
  const later = () => { frame ||= requestAnimationFrame(() => { frame = 0; paint(); }); };
  const at = (r = 1) => lens(view, layout, width, height, r);
  const spot = (i, to) => to.to(points[2 * i] / SIDE, points[2 * i + 1] / SIDE);
  function paint() {
    if (!width || !n || gone) return;
    const began = performance.now(), w = base.width, h = base.height;
    if (!image || image.width !== w || image.height !== h) image = paper.createImageData(w, h);
    weight = draw({ points, codes, shown, chosen, only, palette: palette.map((one) => lifted(one, dim())), out: ink(0.5), lens: at(ratio), radius: radius(n, view.zoom) * ratio, width: w, height: h, pixels: image.data, room });
    paper.putImageData(image, 0, 0);
    clearTimeout(settling);
    settling = setTimeout(settle, shownNames.length ? SETTLE : 0);
    paintOver();
    stats.ms = performance.now() - began;
    stats.draws++;
    stats.first ||= performance.now();
  }
  // Names keep their places beside what they name while the map moves, and get better ones when it rests.
  function settle() {
    if (gone) return;
    const box = looked();
    if (JSON.stringify(box) !== JSON.stringify(store.get().looked)) store.set({ looked: box });
    if (!names.length || !weight || !width) return;
    const to = at(), most = Math.max(4, Math.round((width * height) / 15000)), largest = names[0].records;
    const wanted = levels(names, to.to, view.zoom, width, height).map((one) => {
      const [x, y] = to.to(one.x, one.y), size = 11 + 3 * Math.sqrt(one.records / largest);
      pen.font = `600 ${size}px system-ui,sans-serif`;
      return { ...one, size, x, y, ux: one.x, uy: one.y, w: pen.measureText(one.text).width + 8, h: size + 6 };
    }).filter((one) => one.x > 0 && one.y > 0 && one.x < width && one.y < height);
    const discs = Array.from(hits, (i) => spot(i, to)).map(([x, y]) => [x - 12, y - 12, x + 12, y + 12]);
    shownNames = placed(wanted.slice(0, most), crowdOf(weight, base.width, base.height, ratio), width, height, discs);
    paintOver();
  }
  function paintNames(to, front, back) {
    pen.lineJoin = "round";
    for (const one of shownNames) {
      const [x, y] = to.to(one.ux, one.uy), dx = x - one.x, dy = y - one.y, [[ax, ay], [bx, by]] = one.line;
      one.now = [one.box[0] + dx, one.box[1] + dy, one.box[2] + dx, one.box[3] + dy];
      if (Math.hypot(ax - bx, ay - by) > 8) for (const [wide, ink_, alpha] of [[3, back, 0.7], [1, front, 0.75]]) {
        pen.globalAlpha = alpha; pen.lineWidth = wide; pen.strokeStyle = ink_;
        pen.beginPath(); pen.moveTo(ax + dx, ay + dy); pen.lineTo(bx + dx, by + dy); pen.stroke();
        pen.beginPath(); pen.arc(ax + dx, ay + dy, wide + 0.5, 0, 7); pen.fillStyle = ink_; pen.fill();
      }
      pen.globalAlpha = 1;
      pen.font = `600 ${one.size}px system-ui,sans-serif`;
      const middle = [(one.now[0] + one.now[2]) / 2, (one.now[1] + one.now[3]) / 2];
      pen.lineWidth = one.level ? 3 : 4; pen.strokeStyle = back; pen.strokeText(one.text, ...middle);
      pen.fillStyle = front; pen.fillText(one.text, ...middle);
    }
  }
  const nameAt = ([X, Y]) => shownNames.find(({ now: box }) => box && X > box[0] && X < box[2] && Y > box[1] && Y < box[3]);
  // What has come is drawn at once: a busy browser may keep the next frame waiting.
  function now() {
    cancelAnimationFrame(frame);
    frame = 0;
    paint();
  }
  // The colour of the text, or a mixture of it with that of the page.
  function ink(share) {
    const [front, back] = colours();
    return front.map((v, k) => v * share + back[k] * (1 - share));
  }
  let seenColours = null;
  function colours() {
    if (seenColours) return seenColours;
    const style = getComputedStyle(face), one = make("canvas", { width: 1, height: 1 }).getContext("2d", { willReadFrequently: true });
    seenColours = [style.color, style.backgroundColor].map((colour) => {
      one.fillStyle = colour;
      one.fillRect(0, 0, 1, 1);
      return [...one.getImageData(0, 0, 1, 1).data.slice(0, 3)];
    });
    return seenColours;
  }
  const dim = () => ink(0).reduce((sum, one) => sum + one, 0) < 384;
  const css = ([r, g, b]) => `rgb(${r} ${g} ${b})`;
  function paintOver() {
    const to = at(), front = css(ink(1)), back = css(ink(0)), size = radius(n, view.zoom);
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, width, height);
    pen.textAlign = "center";
    pen.textBaseline = "middle";
    const circle = (x, y, r) => { pen.beginPath(); pen.arc(x, y, r, 0, 7); };
    const count = store.get()._selected;
    if (chosen && count <= RINGS) {
      for (let i = 0; i < n; i++) if (chosen[i]) {
        const [x, y] = spot(i, to);
        circle(x, y, size + 2.5);
        pen.lineWidth = 3.5; pen.strokeStyle = back; pen.stroke();
        pen.lineWidth = 1.75; pen.strokeStyle = front; pen.stroke();
      }
    }
    paintNames(to, front, back);
    if (hits.length) paintHits(to, front, back, circle);
    if (hovered >= 0 && hovered < n) { const [x, y] = spot(hovered, to); circle(x, y, size + 4); pen.lineWidth = 2; pen.strokeStyle = front; pen.stroke(); }
    if (reticle) { pen.lineWidth = 1.5; pen.strokeStyle = front; pen.beginPath(); for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) { pen.moveTo(width / 2 + 4 * dx, height / 2 + 4 * dy); pen.lineTo(width / 2 + 11 * dx, height / 2 + 11 * dy); } pen.stroke(); }
    if (line) {
      pen.beginPath();
      line.forEach(([x, y], i) => (i ? pen.lineTo(x, y) : pen.moveTo(x, y)));
      pen.closePath();
      pen.lineWidth = 1.5; pen.strokeStyle = front; pen.setLineDash([4, 3]); pen.stroke(); pen.setLineDash([]);
      pen.globalAlpha = 0.08; pen.fillStyle = front; pen.fill(); pen.globalAlpha = 1;
    }
  }
  // The nearest on top, with its rank; lines come from where the question lies among its hits.
  function paintHits(to, front, back, circle) {
    const places = Array.from(hits, (i) => spot(i, to)), weights = places.map((_, k) => 1 / (k + 1)), all = weights.reduce((sum, one) => sum + one, 0);
    const [sx, sy] = [0, 1].map((k) => places.reduce((sum, one, j) => sum + one[k] * weights[j], 0) / all);
    pen.globalAlpha = 0.45; pen.lineWidth = 1; pen.strokeStyle = front;
    pen.beginPath();
    for (const [x, y] of places) { pen.moveTo(sx, sy); pen.lineTo(x, y); }
    pen.stroke();
    pen.globalAlpha = 1;
    for (let k = places.length - 1; k >= 0; k--) {
      const [x, y] = places[k], numbered = k < NUMBERED;
      circle(x, y, numbered ? (k < 9 ? 9 : 10) : 5);
      pen.fillStyle = front; pen.fill();
      pen.lineWidth = 2; pen.strokeStyle = back; pen.stroke();
      if (!numbered) continue;
      pen.fillStyle = back; pen.font = `700 ${k < 9 ? 11 : 10}px system-ui,sans-serif`;
      pen.fillText(String(k + 1), x, y + 0.5);
    }
    pen.beginPath();
    for (let k = 0; k < 10; k++) { const r = k % 2 ? 4.5 : 11, a = (k * Math.PI) / 5 - Math.PI / 2; pen[k ? "lineTo" : "moveTo"](sx + r * Math.cos(a), sy + r * Math.sin(a)); }
    pen.closePath();
    pen.fillStyle = back; pen.strokeStyle = front; pen.lineWidth = 2; pen.fill(); pen.stroke();
  }

  // What of the map is looked at, as shares of its square; null for all of it.
  function looked() {
    if (!moved || !layout) return null;
    const to = at(), [left, top] = to.from(0, 0), [right, bottom] = to.from(width, height);
    return [left, bottom, right, top];
  }

  // --- Moving ---
  function look(next) {
    view = next;
    moved = true;
    later();
  }
  function home() {
    if (!layout) return;
    look({ x: layout.x, y: layout.y, zoom: 1 });
    moved = false;
  }
  function zoomBy(factor, X = width / 2, Y = height / 2) {
    if (!layout) return;
    const [x, y] = at().from(X, Y), zoom = limited(view.zoom * factor), now = lens({ ...view, zoom }, layout, width, height), [a, b] = now.from(X, Y);
    look({ x: view.x + x - a, y: view.y + y - b, zoom });
  }
  function zoomTo(which) {
    const box = n ? boxOf(points, which) : null;
    if (box) look(viewOf(box, layout, width, height, 2 * EDGE));
  }
  function pan(dx, dy) {
    const { kx, ky } = at();
    look({ ...view, x: view.x - dx / kx, y: view.y + dy / ky });
  }
  function resize() {
    const w = face.clientWidth, h = face.clientHeight, r = Math.min(devicePixelRatio || 1, Math.sqrt(MOST_PIXELS / Math.max(1, w * h)));
    if (!w || !h || (w === width && h === height && r === ratio)) return;
    [width, height, ratio] = [w, h, r];
    if (!begun) { begun = true; recolour(); load(); }   // a map that nobody sees is not made
    for (const canvas of [base, over]) { canvas.width = Math.round(w * r); canvas.height = Math.round(h * r); }
    layout = fit(homeBox, width, height, EDGE);
    if (!moved) view = { x: layout.x, y: layout.y, zoom: 1 };
    shownNames = [];                   // they are placed anew at once: their old places may lie on each other
    now();                             // a canvas that was resized is blank
  }
  function setMode(name) {
    mode = name;
    for (const [one, button] of Object.entries(modes)) button.setAttribute("aria-pressed", String(one === name));
    over.style.cursor = name === "pan" ? "grab" : "crosshair";
  }

  // --- Pointing ---
  const place = (event) => { const box = over.getBoundingClientRect(); return [event.clientX - box.left, event.clientY - box.top]; };
  function under([X, Y], reach = NEAR) {
    if (!n) return -1;
    const to = at(), [x, y] = to.from(X, Y), size = Math.max(reach, radius(n, view.zoom) + 2);
    index ??= indexOf(points);
    return nearest(index, x * SIDE, y * SIDE, (size / to.kx) * SIDE, (size / to.ky) * SIDE, takes);
  }
  function hover(i) {
    if (i === hovered) return;
    hovered = i;
    paintOver();
    clearTimeout(timer);
    if (i < 0) { tip.hidden = true; return; }
    timer = setTimeout(() => text(i), REST);
  }
  async function text(i) {
    const { colour } = store.get(), said = await ask("map_hover", { version, row: i, key: colour ?? null });
    if (!said || said.row !== hovered) return;
    const column = colour && store.get()._known.find((one) => one.key === colour);
    tip.replaceChildren(make("div", { class: "cw-map-id", dir: "auto", text: show(said.id, { type: "text" }).text }),
      ...(said.gone ? [make("div", { class: "cw-dim", text: "deleted meanwhile" })] : []),
      ...(said.text ? [make("div", { class: "cw-map-text", dir: "auto", text: show(said.text, { type: "text" }).text })] : []),
      ...(column ? [make("div", { class: "cw-dim", dir: "auto", text: `${nameOf(colour)}: ${show(said.value, column).text}` })] : []));
    tip.hidden = false;
    const [x, y] = spot(i, at()), side = x > width / 2;
    tip.style.left = `${Math.max(4, Math.min(side ? x - tip.offsetWidth - 14 : x + 14, width - tip.offsetWidth - 4))}px`;
    tip.style.top = `${Math.max(4, Math.min(y + 12, height - tip.offsetHeight - 4))}px`;
  }
  async function open(i) {
    const said = await ask("map_hover", { version, row: i });
    if (said && !said.gone) bench.set({ record: said.id });
  }
  async function select(how, rows) {
    if (how === "only") chosen = rows.length ? Uint8Array.from({ length: n }, () => 0) : null; else chosen ??= new Uint8Array(n);
    for (const i of rows) chosen[i] = how === "remove" ? 0 : 1;
    now();
    await ask("map_select", { version, do: how, rows }, { inTurn: true });
  }
  function lassoed(polygon, more) {
    if (polygon.length < 3) return;
    const to = at(), units = polygon.map(([X, Y]) => to.from(X, Y).map((v) => v * SIDE));
    const began = performance.now();
    select(more ? "add" : "only", inside(points, units, takes)).then(() => { stats.lasso = performance.now() - began; });
  }
  function pressed(event) {
    if (event.button !== 0 || !n) return;
    over.setPointerCapture(event.pointerId);
    active = true;
    reticle = false;
    hint.hidden = true;
    const start = place(event), how = event.shiftKey ? "lasso" : event.altKey ? "box" : mode;
    let last = start, dragged = false;
    const move = (now) => {
      const [x, y] = place(now);
      if (!dragged && Math.hypot(x - start[0], y - start[1]) < DRAG) return;
      dragged = true;
      hover(-1);
      if (how === "pan") { over.style.cursor = "grabbing"; pan(x - last[0], y - last[1]); }
      else { line = how === "box" ? [start, [x, start[1]], [x, y], [start[0], y]] : [...(line ?? [start]), [x, y]]; paintOver(); }
      last = [x, y];
    };
    const end = (now) => {
      over.removeEventListener("pointermove", move);
      for (const name of ["pointerup", "pointercancel"]) over.removeEventListener(name, end);
      setMode(mode);
      const drawn = line, more = event.ctrlKey || event.metaKey;
      line = null;
      if (now.type === "pointercancel") return paintOver();
      if (drawn) { paintOver(); return lassoed(drawn, more); }
      if (dragged) return;
      const named = nameAt(start), i = named ? -1 : under(start);
      if (named) {                     // a second click renames, and selects nothing
        clearTimeout(picking);
        picking = setTimeout(() => ask("map_select", { version, do: more || event.shiftKey ? "add" : "only", region: named.number, level: named.level }, { inTurn: true }), TWICE);
        return;
      }
      if (i < 0) return;
      if (event.shiftKey || more) select(chosen?.[i] ? "remove" : "add", Int32Array.of(i)); else open(i);
    };
    over.addEventListener("pointermove", move);
    for (const name of ["pointerup", "pointercancel"]) over.addEventListener(name, end);
  }
  over.addEventListener("pointerdown", pressed);
  over.addEventListener("pointermove", (event) => {
    if (event.buttons) return;
    const named = nameAt(place(event));
    over.title = named ? `${named.whole}: ${named.records.toLocaleString("en-US")} records. A click selects them, a double click renames.` : "";
    over.style.cursor = named ? "pointer" : mode === "pan" ? "grab" : "crosshair";
    hover(named ? -1 : under(place(event)));
  });
  over.addEventListener("pointerleave", () => { active = false; hover(-1); });
  over.addEventListener("dblclick", (event) => {
    const named = nameAt(place(event));
    clearTimeout(picking);
    if (named) rename(named); else zoomBy(2, ...place(event));
  });
  over.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.metaKey && !active) {
      hint.hidden = false;
      clearTimeout(fading);
      fading = setTimeout(() => { hint.hidden = true; }, 1500);
      return;                          // the page scrolls
    }
    event.preventDefault();
    event.stopPropagation();
    zoomBy(Math.exp(-event.deltaY * (event.deltaMode === 1 ? 20 : 1) * (Math.abs(event.deltaY) < 20 ? 0.01 : 0.0025)), ...place(event));
  }, { passive: false });
  over.addEventListener("blur", () => { active = reticle = false; hover(-1); later(); });
  over.addEventListener("keydown", (event) => {
    const far = event.shiftKey ? 200 : 40, step = { ArrowLeft: [far, 0], ArrowRight: [-far, 0], ArrowUp: [0, far], ArrowDown: [0, -far] }[event.key];
    const middle = () => under([width / 2, height / 2], 40);
    const done = { "+": () => zoomBy(1.6), "=": () => zoomBy(1.6), "-": () => zoomBy(1 / 1.6), 0: home, z: () => zoomTo((i) => chosen?.[i]), F2: () => { const one = nearestName(); if (one) rename(one); },
      Enter: () => { const i = middle(); if (i >= 0) open(i); }, " ": () => { const i = middle(); if (i >= 0) select(chosen?.[i] ? "remove" : "add", Int32Array.of(i)); },
      Escape: () => { if (line) { line = null; later(); } else if (chosen) select("only", new Int32Array(0)); active = false; } }[event.key];
    if (event.ctrlKey || event.metaKey || (!step && !done)) return;
    event.preventDefault();
    event.stopPropagation();
    if (step) pan(...step); else done();
    if (event.key === "Escape" || event.key === "F2") return;
    reticle = true;
    paint();
    hover(middle());
  });

  const watch = new ResizeObserver(resize), recolour = () => { seenColours = null; host.classList.toggle("cw-map-dim", dim()); later(); };
  watch.observe(face);
  const theme = new MutationObserver(recolour), dark = matchMedia("(prefers-color-scheme: dark)");
  theme.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-light", "class"] });
  dark.addEventListener("change", recolour);
  setMode("pan");
  offer();
  narrowed();
  near.hidden = none.hidden = true;

  return {
    stats,
    look: () => ({ view, layout, width, height, version, count: n, hits: hits.length, dimmed: shown !== null, names: shownNames.map(({ text, now, level, number }) => ({ text, box: now, level, number })) }),
    spot: (i) => spot(i, at()),
    update(changed) {
      const has = (...names) => names.some((name) => changed.has(name));
      if (has("_within", "_selected")) narrowed();
      if (!begun) return;
      if (changed.has("_renewed")) load(true).then(marks);
      else if (QUESTION.some((name) => name !== "order" && changed.has(name))) marks();
      if (has("_selected")) selection();
      if (has("_known")) offer();
      if (has("colour")) { first = []; colour(); }
      if (has("view", "folded", "tab")) resize();
    },
    focus: () => over.focus({ preventScroll: true }),
    destroy() {
      gone = true;
      watch.disconnect();
      theme.disconnect();
      dark.removeEventListener("change", recolour);
      for (const one of [timer, poll, fading, settling, picking]) clearTimeout(one);
      cancelAnimationFrame(frame);
    },
  };
}
