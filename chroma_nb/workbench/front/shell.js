// The workbench around its parts: layout, the bar with filter and counts, messages, tabs and folding.

import { copyText, make } from "./dom.js";
import { pythonText } from "./format.js";
import { PARTS } from "./parts.js";
import { makeStore, SAVED } from "./store.js";

// Pixels of width above which parts stand side by side (the style sheet has the same number); milliseconds in which a
// kernel says that it is there, and without a change after which what is seen is what is saved.
const NARROW = 1099, ALIVE = 3000, SETTLED = 1500, GONE = "The kernel is gone. Run the cell again to go on.";

export function render({ model, el }) {
  const store = makeStore(model);
  const root = make("div", { class: "cw" }), frame = make("div", { class: "cw-frame" });
  // Classes of our own making, in a style sheet that goes when this view does.
  const hiding = make("style");
  root.append(hiding, frame);

  // --- What every part is given ---
  let fading = 0;
  function say(text, error = false) {
    clearTimeout(fading);
    store.set({ message: text ? { text, error } : null });
    if (text && !error) fading = setTimeout(() => store.set({ message: null }), 4000);
  }
  const bench = { store, root, say, request: store.request, set: store.set };

  // --- The bar ---
  const name = make("strong", { class: "cw-title", dir: "auto" }), counts = make("span", { class: "cw-counts" });
  const filters = make("span", { class: "cw-filters" });
  const places = make("span", { class: "cw-places" });
  const again = make("button", { type: "button", class: "cw-quiet", text: "Refresh", title: "Read again: what others wrote appears",
    onclick: () => { store.request("refresh", {}, { inTurn: true }).catch((error) => say(error.message, true)); } });
  const tools = make("span", { class: "cw-slot-bar" });
  const bar = make("div", { class: "cw-bar" }, name, counts, filters, make("span", { class: "cw-space-between" }), tools, places, again);
  const note = make("div", { class: "cw-note cw-dim", role: "note", dir: "auto" });
  const message = make("div", { class: "cw-message", role: "status" });
  const tabs = make("div", { class: "cw-tabs", role: "tablist", "aria-label": "Parts" });
  const slots = Object.fromEntries(["top", "left", "centre", "right"].map((slot) => [slot, make("div", { class: `cw-slot cw-${slot}` })]));
  const { top, ...sides } = slots;
  frame.append(bar, note, top, message, tabs, make("div", { class: "cw-body" }, ...Object.values(sides)));

  // --- The parts ---
  const made = {};
  for (const [part, { title, slot, make: makePart }] of Object.entries(PARTS)) {
    const host = slot === "bar" ? make("span", { class: `cw-in-bar cw-part-${part}`, role: "group", "aria-label": title }) : make("section", { class: `cw-part cw-part-${part}`, "aria-label": title });
    (slots[slot] ?? tools).append(host);
    made[part] = { host, part: null, make: makePart };
  }
  const names = Object.keys(PARTS).filter((part) => PARTS[part].slot !== "bar");
  let narrow = false;
  const isDrawer = (part) => narrow && PARTS[part].slot === "left";
  function folded(part) {
    const { needs } = PARTS[part], { folded: chosen, drawer } = store.get();
    if (isDrawer(part)) return drawer !== part;
    return chosen.includes(part) || Boolean(needs && store.get()[needs] === null);
  }
  function fold(part) {
    if (isDrawer(part)) return store.set({ drawer: store.get().drawer === part ? null : part });
    const now = store.get().folded;
    store.set({ folded: now.includes(part) ? now.filter((one) => one !== part) : [...now, part] });
  }

  function drawLayout() {
    const state = store.get(), there = names.filter((part) => PARTS[part].slot !== "top" && (!PARTS[part].needs || state[PARTS[part].needs] !== null));
    const tab = there.includes(state.tab) ? state.tab : there.includes(state.view) ? state.view : there[0];
    for (const part of names) {
      const { host } = made[part];
      host.hidden = PARTS[part].slot !== "top" && folded(part) && tab !== part;
      host.classList.toggle("cw-folded", folded(part));
      host.classList.toggle("cw-tab", part === tab);
      host.classList.toggle("cw-drawer", state.drawer === part);
      host.classList.toggle("cw-front", part === state.view);
    }
    tabs.replaceChildren(...there.map((part) => make("button", { type: "button", role: "tab", text: PARTS[part].title,
      "aria-selected": String(part === tab), onclick: () => store.set({ tab: part }) })));
    tabs.hidden = there.length < 2;
    const foldable = names.filter((part) => !PARTS[part].needs && PARTS[part].slot !== "top");
    places.replaceChildren(...(foldable.length < 2 ? [] : foldable).map((part) => make("button", { type: "button", class: "cw-quiet", text: PARTS[part].title,
      "aria-pressed": String(!folded(part)), title: `Show or hide: ${PARTS[part].title}`, onclick: () => fold(part) })));
    hiding.textContent = (state._twins ?? []).filter((one) => /^[\w-]+$/.test(one)).map((one) => `.${one}{display:none}`).join("");
    root.style.setProperty("--cw-height", `${state.height}px`);
  }
  function drawBar() {
    const { _about, counts: found, where, where_document, _given, _selected } = store.get();
    name.textContent = _about.name;
    note.textContent = _about.note ?? "";
    note.hidden = !note.textContent;
    const of = (n) => n.toLocaleString("en-US");
    counts.textContent = found === null ? "" : (found.shown === found.total ? `${of(found.total)} records` : `${of(found.shown)} of ${of(found.total)} records`) + (found.note ? ` (${found.note})` : "");
    filters.replaceChildren(...[["where", where], ["where_document", where_document]].filter(([, filter]) => filter !== null).map(([kind, filter]) => {
      const text = `${kind}=${pythonText(filter)}`;
      const always = JSON.stringify(filter) === JSON.stringify(_given[kind] ?? null);
      return make("span", { class: "cw-chip" },
        make("code", { class: "cw-code", dir: "ltr", title: text.slice(0, 1000), text: text.slice(0, 300) }),
        make("button", { type: "button", class: "cw-quiet", text: "Copy", "aria-label": `Copy ${kind}`, onclick: async () => say((await copyText(text, root)) ? `Copied ${kind}` : "The browser does not allow this page to copy") }),
        ...(always ? [] : [make("button", { type: "button", class: "cw-quiet", text: "✕", "aria-label": `Clear ${kind}`, title: "Clear this filter", onclick: () => store.set({ [kind]: _given[kind] ?? null }) })]));
    }));
  }
  function drawMessage() {
    const { message: said, waiting, gone } = store.get();
    const text = gone ? GONE : said ? said.text : waiting ? "Waiting for the kernel…" : "";
    if (message.textContent !== text) {
      message.replaceChildren(text, ...(said?.error && !gone ? [make("button", { type: "button", class: "cw-quiet", text: "✕", "aria-label": "Close the message", onclick: () => say(null) })] : []));
    }
    message.classList.toggle("cw-error", Boolean(gone || said?.error));
    message.hidden = !text;
    root.classList.toggle("cw-dead", gone);
  }
  // How many records there are; of a new question the table's rows say it.
  async function count() {
    try {
      const found = await store.request("count");
      if (found) store.set({ counts: { shown: found.shown, total: found.total, note: found.note } });
    } catch (error) {
      say(error.message, true);
    }
  }
  function update(changed) {
    const has = (...keys) => keys.some((key) => changed.has(key));
    if (has("view", "folded", "tab", "drawer", "height", "record", "_twins")) drawLayout();
    if (has("_about", "counts", "where", "where_document", "_given")) drawBar();
    if (has("message", "waiting", "gone")) drawMessage();
    if (has("_renewed")) count();
    if (has(...SAVED)) settle();
    for (const { part } of Object.values(made)) part?.update(changed);
  }
  // What was seen is what is saved: the static twin follows when nothing changes any more.
  let settling = 0;
  function settle() {
    clearTimeout(settling);
    settling = setTimeout(() => store.request("settled", { box: store.get().looked }).catch(() => {}), SETTLED);
  }
  const stop = store.onChange(update);
  // JupyterLab says that the line to the kernel has changed, not how: whoever answers is there.
  let asking = 0;
  const live = () => {
    clearTimeout(asking);
    asking = setTimeout(() => store.set({ gone: true }), ALIVE);
    store.request("alive").then(() => clearTimeout(asking));
  };
  model.on("comm_live_update", live);
  // Keys that a part does not use are not JupyterLab's either while somebody types here.
  root.addEventListener("keydown", (event) => { if (event.key !== "Escape") event.stopPropagation(); });

  const watch = new ResizeObserver(([{ contentRect: { width } }]) => {
    if (!width || narrow === width <= NARROW) return;
    narrow = !narrow;
    drawLayout();
  });

  el.append(root);
  watch.observe(root);
  drawLayout();
  drawBar();
  drawMessage();
  for (const one of Object.values(made)) one.part = one.make(one.host, bench);
  count();
  root.bench = { store, request: store.request, parts: made };
  return () => {
    stop();
    watch.disconnect();
    clearTimeout(fading);
    clearTimeout(asking);
    clearTimeout(settling);
    model.off("comm_live_update", live);
    for (const { part } of Object.values(made)) part?.destroy();
    store.close();
    root.remove();
  };
}
