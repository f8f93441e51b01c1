// The facets: each key with its values or ranges, counted under all filters but its own. A click changes `where`.

import { make } from "./dom.js";
import { moment, nameOf, pythonText, show, TYPES } from "./format.js";
import { openMenu } from "./menu.js";

// Keys that are open at the beginning; milliseconds between two requests of one drag, and from a letter typed to one.
const OPEN = 12, DRAG = 60, TYPED = 180;
const count = (n) => n.toLocaleString("en-US");

export function facets(host, bench) {
  const { store } = bench;
  const boxes = new Map();             // key -> what its box needs to be drawn again
  const pending = new Map();           // key -> what is newly chosen of it, until Python has said the filter
  const options = {}, open = new Map();
  let drawn = null, mine = null, dirty = true, timer = 0;

  const other = make("div", { class: "cw-facet-other", hidden: true });
  const sample = make("div", { class: "cw-dim cw-facet-note", role: "status", hidden: true });
  const clear = make("button", { type: "button", class: "cw-quiet", text: "Clear all", onclick: () => { pending.clear(); bench.set({ where: store.get()._given.where ?? null }); } });
  const list = make("div", { class: "cw-facet-list" });
  host.append(make("div", { class: "cw-facet-top" }, make("span", { class: "cw-facet-title", text: "Filter" }), clear), sample, other, list);

  // Texts of which each record has its own come last, and folded: there is little to choose.
  const columns = () => store.get()._known.filter((one) => !one.key.startsWith("#") && one.type !== "sparse").sort((a, b) => a.own - b.own);
  const isOpen = (key) => open.get(key) ?? columns().filter((one) => !one.own).slice(0, OPEN).some((one) => one.key === key);
  const visible = () => host.clientWidth > 0 && !host.hidden;

  // --- Asking ---
  async function ask(blame = null) {
    clearTimeout(timer);
    if (!visible()) { dirty = true; return; }
    dirty = false;
    const sent = Object.fromEntries(pending), keys = columns().map((one) => one.key).filter(isOpen);
    host.setAttribute("aria-busy", "true");
    try {
      const said = await bench.request("facets", { given: store.get()._given, keys, options, changes: sent });
      if (!said) return;
      for (const [key, one] of Object.entries(sent)) if (pending.get(key) === one) pending.delete(key);
      mine = JSON.stringify(said.where);
      for (const box of boxes.values()) box.blame(null);
      drawn = said;
      draw();
      if (mine !== JSON.stringify(store.get().where)) bench.set({ where: said.where });
    } catch (error) {
      for (const key of Object.keys(sent)) pending.delete(key);
      if (blame && boxes.has(blame)) boxes.get(blame).blame(error.message);
      else bench.say(error.message, true);
      if (drawn) draw();
    } finally {
      host.removeAttribute("aria-busy");
    }
  }
  function choose(key, wanted) {
    pending.set(key, wanted);
    ask(key);
  }
  function look(key, change, wait = 0) {
    options[key] = { ...options[key], ...change };
    clearTimeout(timer);
    timer = setTimeout(() => ask(key), wait);
  }

  // --- Drawing ---
  function draw() {
    const said = new Map((drawn?.facets ?? []).map((one) => [one.key, one]));
    const known = columns();
    for (const column of known) {
      if (!boxes.has(column.key)) { const box = makeBox(column.key); boxes.set(column.key, box); list.append(box.element); }
      boxes.get(column.key).draw(column, said.get(column.key), isOpen(column.key));
    }
    clear.hidden = JSON.stringify(store.get().where) === JSON.stringify(store.get()._given.where ?? null) && (mine === null || mine === JSON.stringify(store.get()._given.where ?? null));
    const notes = [drawn?.sample ? `Counted in the first ${count(drawn.sample)} matching records` : "", store.get().search && drawn && !drawn.hits ? "Counts of all records that pass the filter, not of the search results" : ""].filter(Boolean);
    sample.hidden = !notes.length;
    sample.textContent = notes.join(". ");
    other.hidden = !drawn?.other.length;
    other.replaceChildren(...(drawn?.other ?? []).map((term) => make("code", { class: "cw-code", dir: "ltr", title: "Part of the filter that no facet shows", text: pythonText(term).slice(0, 300) })));
    host.toggleAttribute("data-ready", Boolean(drawn));
  }

  // One key: its head, and what it shows as bars or ranges.
  function makeBox(key) {
    let facet = null, column = null, shown = null;
    const name = make("span", { class: "cw-name", dir: "auto" }), state = make("span", { class: "cw-dim" });
    const head = make("button", { type: "button", class: "cw-facet-head", onclick: () => { open.set(key, !isOpen(key)); draw(); if (isOpen(key)) ask(key); } },
      make("span", { class: "cw-facet-fold", "aria-hidden": "true" }), name, state);
    const undo = make("button", { type: "button", class: "cw-quiet cw-facet-x", text: "✕", onclick: () => choose(key, null) });
    const more = make("button", { type: "button", class: "cw-quiet cw-facet-x", text: "⋮", "aria-haspopup": "menu", onclick: () => menu() });
    const body = make("div", { class: "cw-facet-body" });
    const wrong = make("div", { class: "cw-facet-wrong", role: "alert", hidden: true });
    const element = make("section", { class: "cw-facet" }, make("div", { class: "cw-facet-line" }, head, undo, more), wrong, body);

    function menu() {
      const option = options[key] ?? {}, ranges = facet?.view === "ranges", logs = ranges && facet.ends.length && !["date", "epoch_s", "epoch_ms"].includes(column.type) && facet.ends[0] >= 0;
      openMenu(bench.root, more, [
        ...(facet?.view === "bars" ? [
          { text: "Most frequent first", checked: option.sort !== "value", do: () => look(key, { sort: "count" }) },
          { text: "In the order of values", checked: option.sort === "value", do: () => look(key, { sort: "value" }) },
          null, { text: "Show all values", checked: Boolean(option.all), do: () => look(key, { all: !option.all }) }, null] : []),
        ...(logs ? [{ text: "Linear", checked: !facet.log, do: () => look(key, { scale: "linear" }) }, { text: "Logarithmic", checked: facet.log, do: () => look(key, { scale: "log" }) }, null] : []),
        ...(drawn?.exists && facet?.everMissing ? [{ text: "Only records without it", checked: facet.withoutKey === true, do: () => choose(key, { missing: facet.withoutKey === true ? null : true }) },
          { text: "Only records that have it", checked: facet.withoutKey === false, do: () => choose(key, { missing: facet.withoutKey === false ? null : false }) }, null] : []),
        { text: "Sort the table by it", do: () => bench.set({ order: { by: key, descending: false } }) },
        { text: "Clear", off: !facet?.chosen, do: () => choose(key, null) },
      ]);
    }
    return {
      element,
      blame(text) { wrong.hidden = !text; wrong.textContent = text ?? ""; },
      draw(about, said, opened) {
        column = about;
        facet = said ?? facet;
        const chosen = Boolean(facet?.chosen);
        name.textContent = nameOf(key);
        element.setAttribute("aria-label", nameOf(key));
        head.title = `${nameOf(key)}: ${TYPES[column.type]}`;
        head.setAttribute("aria-expanded", String(opened));
        state.textContent = facet && facet.view === "bars" && facet.ever > 2 ? `${count(facet.distinct)}` : "";
        state.title = "Different values";
        undo.hidden = !chosen;
        undo.title = `Clear ${nameOf(key)}`;
        undo.setAttribute("aria-label", undo.title);
        more.setAttribute("aria-label", `Options of ${nameOf(key)}`);
        element.classList.toggle("cw-chosen", chosen);
        body.hidden = more.hidden = !opened;
        if (!opened || !said) return;
        if (shown?.view !== said.view) {
          shown = { view: said.view, ...(said.view === "ranges" ? ranges(key, choose) : said.view === "bars" ? bars(key, choose, look) : { element: make("div", { class: "cw-dim", text: "No values" }), draw() {} }) };
          body.replaceChildren(shown.element);
        }
        shown.draw(said, column, drawn.exists);
      },
    };
  }

  const watch = new ResizeObserver(() => { if (dirty && visible()) ask(); });
  watch.observe(host);
  draw();
  ask();
  return {
    update(changed) {
      const has = (...names) => names.some((one) => changed.has(one));
      if (has("where_document", "search", "_renewed", "_known", "_given", "_within") || (has("where") && JSON.stringify(store.get().where) !== mine)) ask();
      else if (has("where")) draw();
    },
    focus: () => list.querySelector("button")?.focus({ preventScroll: true }),
    destroy() { watch.disconnect(); clearTimeout(timer); },
  };
}

// --- Bars: a value each -----------------------------------------------------------------------------------------------
function bars(key, choose, look) {
  let facet = null;
  const find = make("input", { type: "search", class: "cw-input", placeholder: "Find a value", oninput: () => look(key, { find: find.value }, TYPED) });
  const rows = make("ul", { class: "cw-values" });
  const all = make("button", { type: "button", class: "cw-quiet", onclick: () => look(key, { all: !all.open }) });
  const element = make("div", {}, find, rows, all);

  // All that is chosen, also of values that are not listed now, with one value changed.
  function changed(token, way) {
    const chosen = { values: [], excluded: [], missing: facet.withoutKey };
    for (const one of facet.values) if (one.token !== token) { if (one.on) chosen.values.push(one.token); if (one.off) chosen.excluded.push(one.token); }
    chosen.values.push(...facet.hidden.on); chosen.excluded.push(...facet.hidden.off);
    if (way === "on") { chosen.values.push(token); chosen.excluded = []; }
    if (way === "off") { chosen.excluded.push(token); chosen.values = []; }
    if (way === "off" && chosen.missing) chosen.missing = null;
    if (way === "on" && chosen.missing === false) chosen.missing = null;
    choose(key, chosen.values.length || chosen.excluded.length || chosen.missing !== null ? chosen : null);
  }
  function row(i) {
    if (!rows.children[i]) {
      const pick = make("button", { type: "button", class: "cw-value" }, make("span", { class: "cw-ghost", "aria-hidden": "true" }), make("span", { class: "cw-fill", "aria-hidden": "true" }),
        make("span", { class: "cw-value-name", dir: "auto" }), make("span", { class: "cw-count" }));
      const not = make("button", { type: "button", class: "cw-not", text: "−" });
      rows.append(make("li", {}, pick, not));
    }
    return rows.children[i];
  }
  function paint(i, { text, now, ghost, most, on, off, quiet, pick, exclude }) {
    const li = row(i), [button, not] = li.children, [grey, bar, name, counter] = button.children;
    grey.style.width = `${(100 * (ghost ?? 0)) / most}%`;
    bar.style.width = `${(100 * now) / most}%`;
    name.textContent = text;
    name.classList.toggle("cw-dim", Boolean(quiet));
    counter.textContent = count(now);
    button.title = `${text}: ${count(now)}${ghost !== null && ghost !== undefined && ghost !== now ? ` of ${count(ghost)}` : ""}`;
    button.setAttribute("aria-pressed", String(on));
    button.disabled = !pick;
    button.onclick = (event) => (event.altKey && exclude ? exclude() : pick());
    not.hidden = !exclude;
    not.title = off ? `Do not leave out ${text}` : `Leave out ${text}`;
    not.setAttribute("aria-label", not.title);
    not.setAttribute("aria-pressed", String(off));
    not.onclick = exclude;
    li.classList.toggle("cw-on", on);
    li.classList.toggle("cw-off", off);
    li.classList.toggle("cw-none", !now && !on);
  }
  return {
    element,
    draw(said, column, exists) {
      facet = said;
      find.hidden = said.ever <= 12;
      find.setAttribute("aria-label", `Find a value of ${nameOf(key)}`);
      const most = Math.max(1, ...said.values.map((one) => Math.max(one.all ?? 0, one.now)), said.everMissing && said.ever < 50 ? Math.min(said.everMissing, said.records) : 0);
      said.values.forEach((one, i) => paint(i, { text: show(one.cell, column).text, now: one.now, ghost: one.all, most, on: one.on, off: one.off,
        pick: () => changed(one.token, one.on ? "none" : "on"), exclude: () => changed(one.token, one.off ? "none" : "off") }));
      let rowsDrawn = said.values.length;
      if (said.everMissing && !find.value) {
        paint(rowsDrawn++, { text: "missing", quiet: true, now: said.missing, ghost: said.everMissing, most: Math.max(most, said.everMissing), on: said.withoutKey === true, off: said.withoutKey === false,
          pick: exists ? () => choose(key, said.withoutKey === true ? null : { missing: true }) : null, exclude: exists ? () => choose(key, said.withoutKey === false ? null : { missing: false }) : null });
      }
      while (rows.children.length > rowsDrawn) rows.lastChild.remove();
      all.open = said.open;
      all.hidden = said.more <= 0 && !all.open;
      all.textContent = said.more > 0 ? (all.open ? `${count(said.more)} more: find them above` : `Show all ${count(said.more + said.values.length)}`) : "Show fewer";
    },
  };
}

// --- Ranges: numbers and dates, with a brush --------------------------------------------------------------------------
function ranges(key, choose) {
  let facet = null, column = null, brush = null, sent = 0, timer = 0;
  const plot = make("div", { class: "cw-hist" }), left = make("span"), right = make("span"), scale = make("span", { class: "cw-dim" });
  const from = make("input", { class: "cw-input" }), to = make("input", { class: "cw-input" });
  const gone = make("button", { type: "button", class: "cw-quiet cw-facet-gone" });
  const axis = make("div", { class: "cw-axis" }, left, scale, right);
  const element = make("div", {}, plot, axis, make("div", { class: "cw-from-to" }, from, make("span", { class: "cw-dim", "aria-hidden": "true", text: "–" }), to), gone);
  const isDate = () => facet.periods.length > 0 || column.type.startsWith("epoch");
  const size = () => facet.now.length;

  function typed() {
    if (!from.value && !to.value) return choose(key, null);
    if (isDate()) return choose(key, { dates: [from.value || null, to.value || null] });
    const [a, b] = [from, to].map((one) => (one.value.trim() === "" ? null : Number(one.value.replaceAll(",", ""))));
    for (const [input, value] of [[from, a], [to, b]]) input.setAttribute("aria-invalid", String(Number.isNaN(value)));
    if (!Number.isNaN(a) && !Number.isNaN(b)) choose(key, { range: [a, b, true] });
  }
  from.addEventListener("change", typed);
  to.addEventListener("change", typed);
  for (const input of [from, to]) input.addEventListener("keydown", (event) => { if (event.key !== "Escape") event.stopPropagation(); });

  function send([a, b]) {
    clearTimeout(timer);
    sent = Date.now();
    if (facet.periods.length) choose(key, { dates: [facet.periods[a], facet.periods[b]] });
    else choose(key, { range: [facet.ends[a], facet.ends[b + 1], b === size() - 1] });
  }
  const binAt = (event) => {
    const box = plot.getBoundingClientRect();
    return Math.min(size() - 1, Math.max(0, Math.floor(((event.clientX - box.left) / box.width) * size())));
  };
  plot.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || !facet) return;
    event.preventDefault();
    plot.setPointerCapture(event.pointerId);
    const start = binAt(event), before = lit();
    brush = [start, start];
    light();
    plot.onpointermove = (moved) => {
      const now = binAt(moved), next = [Math.min(start, now), Math.max(start, now)];
      if (next[0] === brush[0] && next[1] === brush[1]) return;
      brush = next;
      light();
      clearTimeout(timer);
      timer = setTimeout(() => send(brush), Math.max(0, DRAG - (Date.now() - sent)));
    };
    plot.onpointerup = plot.onpointercancel = () => {
      plot.onpointermove = plot.onpointerup = plot.onpointercancel = null;
      const last = brush;
      brush = null;
      clearTimeout(timer);
      // A click on the only range that is chosen takes it back.
      if (before && before[0] === before[1] && last[0] === last[1] && before[0] === last[0]) choose(key, null); else send(last);
    };
  });
  // The first and the last range that what is chosen touches; null where nothing is.
  function lit() {
    if (brush) return brush;
    if (!facet.span) return null;
    const [low, high, included] = facet.span, { ends, periods } = facet;
    if (periods.length) {
      const letters = periods[0].length, inside = periods.map((one, i) => (one >= low.slice(0, letters) && one <= high.slice(0, letters) ? i : -1)).filter((i) => i >= 0);
      return inside.length ? [inside[0], inside.at(-1)] : null;
    }
    const inside = facet.now.map((_, i) => ((low === null || ends[i + 1] > low || (i === size() - 1 && ends[i + 1] >= low)) && (high === null || ends[i] < high || (included && ends[i] <= high)) ? i : -1)).filter((i) => i >= 0);
    return inside.length ? [inside[0], inside.at(-1)] : null;
  }
  function light() {
    const range = lit();
    [...plot.children].forEach((bar, i) => bar.classList.toggle("cw-out", Boolean(range) && (i < range[0] || i > range[1])));
  }
  const labelled = (i) => (facet.periods.length ? facet.periods[i] : `${show(facet.ends[i], column).text} – ${show(facet.ends[i + 1], column).text}`);
  const day = (value, back = 0) => (facet.periods.length ? String(value).slice(0, 10) : moment(value * (column.type === "epoch_s" ? 1000 : 1) - back).slice(0, 10));
  return {
    element,
    draw(said, about, exists) {
      facet = said;
      column = about;
      while (plot.children.length > said.now.length) plot.lastChild.remove();
      while (plot.children.length < said.now.length) plot.append(make("span", {}, make("i"), make("b")));
      const most = Math.max(1, ...said.all);
      const height = (n) => (n ? `max(2px, ${100 * Math.sqrt(n / most)}%)` : "0");
      [...plot.children].forEach((bar, i) => {
        bar.firstChild.style.height = height(said.all[i]);
        bar.lastChild.style.height = height(said.now[i]);
        bar.title = `${labelled(i)}: ${count(said.now[i])}${said.all[i] !== said.now[i] ? ` of ${count(said.all[i])}` : ""}`;
      });
      plot.setAttribute("role", "img");
      plot.setAttribute("aria-label", `${nameOf(key)}: ${count(said.records - said.missing)} records from ${labelled(0)} to ${labelled(said.now.length - 1)}; drag to choose a range, or type its ends below`);
      light();
      const whole = (i) => (said.periods.length ? said.periods[i] : show(said.ends[i], column.type.startsWith("epoch") ? column : { ...column, digits: null }).text.replace(/ 00:00$/, ""));
      left.textContent = whole(0);
      right.textContent = whole(said.periods.length ? said.periods.length - 1 : said.ends.length - 1);
      scale.textContent = said.log ? "log" : "";
      const focused = plot.getRootNode().activeElement;
      const low = said.span?.[0] ?? null, high = said.span?.[1] ?? null;
      for (const [input, name] of [[from, "From"], [to, "To"]]) {
        input.type = isDate() ? "date" : "text";
        input.inputMode = "decimal";
        input.placeholder = name.toLowerCase();
        input.setAttribute("aria-label", `${nameOf(key)}: ${name.toLowerCase()}`);
      }
      if (focused !== from) from.value = low === null ? "" : isDate() ? day(low) : String(low);
      if (focused !== to) to.value = high === null ? "" : isDate() ? day(high, said.periods.length || said.span[2] ? 0 : 1) : String(high);
      gone.hidden = !said.everMissing;
      gone.textContent = `${count(said.missing)} missing`;
      gone.disabled = !exists;
      gone.setAttribute("aria-pressed", String(said.withoutKey === true));
      gone.title = exists ? "Only records without it" : "Missing values cannot be filtered here";
      gone.onclick = () => choose(key, said.withoutKey === true ? null : { missing: true });
    },
  };
}
