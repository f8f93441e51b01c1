// The table: rows of a live collection, of which only those in view are there and only those are asked for.

import { copyText, make } from "./dom.js";
import { ALIGNED_END, nameOf, plainText, show, tabbed, TYPES } from "./format.js";
import { openMenu } from "./menu.js";
import { HITS } from "./search.js";
import { extent, firstRow, missing, reveal, topOf, widths } from "./scroll.js";
import { QUESTION } from "./store.js";

const HEAD = 30, ROW = 28, WRAPPED = 70, TICK = 34;
// Rows asked for beyond those in view, rows kept; milliseconds from the last movement of the scroll bar to a request, and
// in which rows of the question before look as ever. They fade all at once: a transition of each cell would be a layer of
// the browser each, and keep the new rows waiting.
const BEYOND = 40, KEPT = 4000, PAUSE = 40, LATE = 150;
const NARROWEST = 40, KEY_STEP = 16;

export function table(host, bench) {
  const { store } = bench;
  const rows = new Map();              // place -> {id, at: key -> place in cells, cells, selected, fresh}
  let columns = [], keys = [], width = [], left = [], wide = 0, epoch = 0, total = 0;
  let current = [0, 1];                // row (-1: the head), column (0: the tick)
  let anchor = 0, timer = 0, frame = 0, fading = 0, coming = null, leave = null;

  // --- Elements ---
  const status = make("span", { class: "cw-where" });
  const picked = make("button", { type: "button", class: "cw-quiet", hidden: true, title: "Clear selection",
    onclick: () => select({ do: "none" }) });
  const chooserButton = make("button", { type: "button", class: "cw-quiet", "aria-haspopup": "dialog", "aria-expanded": "false", text: "Columns", onclick: () => toggleChooser() });
  const wrapButton = make("button", { type: "button", class: "cw-quiet", text: "Wrap", title: "Show three lines in each row",
    onclick: () => bench.set({ wrap: !store.get().wrap }) });
  const tools = make("div", { class: "cw-tools" }, chooserButton, wrapButton, picked, status);
  const head = make("div", { class: "cw-head", role: "row", "aria-rowindex": "1" });
  const space = make("div", { class: "cw-space", role: "rowgroup" });
  const top = make("div", { class: "cw-heads", role: "rowgroup" }, head);
  const mark = make("div", { class: "cw-drop", hidden: true });
  const grid = make("div", { class: "cw-grid", role: "grid", tabindex: "-1", "aria-label": "Records", "aria-multiselectable": "true" }, top, space, mark);
  host.append(tools, grid);
  const pool = [];

  // --- Columns ---
  const tall = () => (store.get().wrap ? WRAPPED : ROW);
  const at = () => extent(total, tall(), Math.max(tall(), grid.clientHeight - HEAD));
  function layout() {
    const state = store.get(), known = new Map(state._known.map((one) => [one.key, one]));
    const all = (state.columns ?? state._known.map((one) => ({ key: one.key }))).filter((one) => known.has(one.key));
    const ofSearch = HITS.filter((one) => state.search && !(one.key === "#distance" && state.search.by === "words"));   // words have no distance
    const chosen = [...ofSearch, ...all].map((one) => ({ ...known.get(one.key), ...one, name: one.name ?? nameOf(one.key), pinned: one.pinned ?? one.key === "#id" }));
    columns = [...chosen.filter((one) => one.pinned), ...chosen.filter((one) => !one.pinned)];
    keys = columns.map((one) => one.key);
    wide = grid.clientWidth;
    width = widths(columns, wide - TICK);
    let x = TICK;
    left = columns.map((one, k) => { const from = x; x += width[k]; return one.pinned ? from : null; });
    // Columns that stand still must leave room for the others.
    if (columns.reduce((sum, one, k) => sum + (one.pinned ? width[k] : 0), TICK) > wide * 0.6) left = left.map(() => null);
    grid.style.setProperty("--cw-row", `${tall()}px`);
    grid.classList.toggle("cw-wrapped", state.wrap);
    wrapButton.setAttribute("aria-pressed", String(state.wrap));
    space.style.width = top.style.width = `${x}px`;
    current = [current[0], Math.min(current[1], columns.length)];
    heads();
    paint();
  }
  function place(cell, k) {            // k: column, -1 is the tick
    cell.style.width = `${k < 0 ? TICK : width[k]}px`;
    const still = k < 0 ? 0 : left[k];
    cell.classList.toggle("cw-still", still !== null);
    cell.style.left = still === null ? "" : `${still}px`;
    cell.setAttribute("aria-colindex", k + 2);
  }
  // What a person changes is said to Python column by column, as it stands now.
  function save(change) {
    const hits = new Set(HITS.map((one) => one.key));
    bench.set({ columns: change(columns.map(({ key, pinned }) => {
      const stated = store.get().columns?.find((one) => one.key === key);
      return { key, pinned, ...(stated?.width === undefined ? {} : { width: stated.width }) };
    })).filter((one) => !hits.has(one.key)) });
  }
  const resize = (k, pixels) => save((all) => all.map((one, j) => (j === k ? { ...one, width: Math.max(NARROWEST, Math.round(pixels)) } : one)));
  function move(from, to) {
    if (to < 0 || to >= columns.length || from === to) return;
    save((all) => {
      const [one] = all.splice(from, 1);
      // Among those that stand still it stands still, too.
      const beside = all[Math.min(to, all.length - 1)];
      all.splice(to, 0, { ...one, pinned: to < all.filter((other) => other.pinned).length ? beside.pinned : one.pinned && to <= all.filter((other) => other.pinned).length });
      return all;
    });
    current = [current[0], to + 1];
    focusSoon();
  }
  const pin = (k) => save((all) => {
    const changed = all.map((one, j) => (j === k ? { ...one, pinned: !one.pinned } : one));
    return [...changed.filter((one) => one.pinned), ...changed.filter((one) => !one.pinned)];
  });
  const hide = (k) => save((all) => all.filter((_, j) => j !== k));
  const showColumn = (key) => save((all) => [...all, { key }]);
  function sort(key, way) {            // way: null as stored; undefined: ascending, descending, as stored in turn
    if (HITS.some((one) => one.key === key)) return bench.set({ order: null });
    const order = store.get().order, same = order?.by === key;
    const next = way !== undefined ? way : !same ? false : order.descending ? null : true;
    bench.set({ order: next === null ? null : { by: key, descending: next } });
  }

  // --- The head ---
  function heads() {
    const { order } = store.get();
    const focused = head.contains(host.getRootNode().activeElement);
    const every = make("input", { type: "checkbox", tabindex: "-1", "aria-label": "Select all that are shown, or none", title: "Select all that are shown, or none",
      onclick: () => select({ do: every.checked ? "all" : "none" }) });
    every.checked = total > 0 && store.get()._selected >= total;
    every.indeterminate = !every.checked && store.get()._selected > 0;
    const tick = make("div", { class: "cw-h cw-tick", role: "columnheader", tabindex: "-1" }, make("span", { class: "cw-unseen", text: "Selected" }), every);
    place(tick, -1);
    head.replaceChildren(tick, ...columns.map((one, k) => {
      const sorted = order?.by === one.key;
      const cell = make("div", { class: "cw-h", role: "columnheader", tabindex: "-1", title: `${one.name}: ${TYPES[one.type]}. Click to sort`,
        "aria-sort": sorted ? (order.descending ? "descending" : "ascending") : "none" },
      make("span", { class: "cw-name", dir: "auto", text: one.name }),
      make("span", { class: "cw-sort", "aria-hidden": "true", text: sorted ? (order.descending ? "▼" : "▲") : "" }),
      make("span", { class: "cw-more", "aria-hidden": "true", text: "⋮", onclick: (event) => { event.stopPropagation(); current = [-1, k + 1]; columnMenu(k, cell); } }),
      make("span", { class: "cw-grip", "aria-hidden": "true", onpointerdown: (event) => drag(event, k, cell), onclick: (event) => event.stopPropagation(), ondblclick: (event) => { event.stopPropagation(); fit(k); } }));
      if (ALIGNED_END.has(one.type)) cell.classList.add("cw-end");
      cell.addEventListener("pointerdown", (event) => carry(event, k, cell));
      cell.addEventListener("contextmenu", (event) => { stop(event); current = [-1, k + 1]; columnMenu(k, cell, event); });
      place(cell, k);
      return cell;
    }));
    grid.setAttribute("aria-colcount", columns.length + 1);
    rove();
    if (focused) focus();
  }
  function columnMenu(k, near, event = null) {
    const one = columns[k], order = store.get().order, sorted = order?.by === one.key;
    openMenu(bench.root, near, [
      { text: "Sort ascending", do: () => sort(one.key, false), off: sorted && !order.descending },
      { text: "Sort descending", do: () => sort(one.key, true), off: sorted && order.descending },
      { text: "As stored", do: () => sort(one.key, null), off: !order },
      null,
      { text: "Pin to the left", checked: one.pinned, do: () => pin(k) },
      { text: "Move left", do: () => move(k, k - 1), off: k === 0 },
      { text: "Move right", do: () => move(k, k + 1), off: k === columns.length - 1 },
      { text: "Fit the width", do: () => fit(k) },
      null,
      { text: "Hide", do: () => hide(k), off: columns.length === 1 },
      { text: "Copy name", do: () => copyText(one.key, host) },
    ], event ? { x: event.clientX, y: event.clientY } : {});
  }
  // The column as wide as what is in view needs.
  function fit(k) {
    const cells = [head, ...pool.filter((row) => !row.hidden)].map((row) => row.children[k + 1]);
    const before = cells.map((cell) => cell.style.width);
    for (const cell of cells) cell.style.width = "max-content";
    const most = Math.max(...cells.map((cell) => cell.offsetWidth));
    cells.forEach((cell, j) => { cell.style.width = before[j]; });
    resize(k, Math.min(most + 2, 600));
  }
  const rightToLeft = () => getComputedStyle(grid).direction === "rtl";
  function drag(event, k, cell) {      // the edge of a column
    stop(event);
    const grip = event.currentTarget, from = event.clientX, before = width[k];
    grip.setPointerCapture(event.pointerId);
    const now = (moved) => Math.max(NARROWEST, before + (rightToLeft() ? -1 : 1) * (moved.clientX - from));
    grip.onpointermove = (moved) => {
      const pixels = `${now(moved)}px`;
      for (const row of [head, ...pool]) if (row.children[k + 1]) row.children[k + 1].style.width = pixels;
    };
    grip.onpointerup = (moved) => {
      grip.onpointermove = grip.onpointerup = null;
      if (moved.clientX === from) place(cell, k); else resize(k, now(moved));
    };
  }
  function carry(event, k, cell) {     // a head: a click sorts, a drag moves the column
    if (event.button !== 0 || event.defaultPrevented || event.target.closest(".cw-more, .cw-grip")) return;
    const from = event.clientX;
    let goal = null;
    cell.setPointerCapture(event.pointerId);
    cell.onpointermove = (moved) => {
      if (goal === null && Math.abs(moved.clientX - from) < 6) return;
      const boxes = [...head.children].slice(1).map((one) => one.getBoundingClientRect());
      goal = boxes.findIndex((box) => moved.clientX < box.left + box.width / 2);
      if (goal < 0) goal = boxes.length;
      const frame = grid.getBoundingClientRect(), box = boxes[Math.min(goal, boxes.length - 1)];
      mark.hidden = false;
      mark.style.left = `${(goal < boxes.length ? box.left : box.right) - frame.left + grid.scrollLeft - 1}px`;
    };
    cell.onpointerup = () => {
      cell.onpointermove = cell.onpointerup = null;
      mark.hidden = true;
      current = [-1, k + 1];
      if (goal === null) { sort(columns[k].key); rove(); focus(); }
      else move(k, goal > k ? goal - 1 : goal);
    };
  }

  // --- Which columns ---
  function toggleChooser() {
    if (leave) return leave();
    const search = make("input", { type: "search", class: "cw-input", placeholder: "Find a column", "aria-label": "Find a column", oninput: () => list() });
    const box = make("div", { class: "cw-columns" });
    const panel = make("div", { class: "cw-menu cw-panel", role: "dialog", "aria-label": "Columns shown" }, search, box,
      make("div", { class: "cw-row" },
        make("button", { type: "button", class: "cw-quiet", text: "Show all", onclick: () => { bench.set({ columns: null }); list(null); } })));
    function list(chosen = store.get().columns) {
      const shown = new Set((chosen ?? store.get()._known).map((one) => one.key)), wanted = search.value.toLowerCase();
      box.replaceChildren(...store.get()._known.filter((one) => nameOf(one.key).toLowerCase().includes(wanted)).map((one) => {
        const tick = make("input", { type: "checkbox" });
        tick.checked = shown.has(one.key);
        tick.addEventListener("change", () => {
          if (tick.checked) showColumn(one.key);
          else if (columns.length > 1) hide(keys.indexOf(one.key));
          else tick.checked = true;
        });
        return make("label", {}, tick, make("span", { class: "cw-name", dir: "auto", text: nameOf(one.key) }), make("span", { class: "cw-dim", text: TYPES[one.type] }));
      }));
    }
    list();
    search.hidden = store.get()._known.length < 10;
    bench.root.append(panel);
    const frame = bench.root.getBoundingClientRect(), by = chooserButton.getBoundingClientRect();
    panel.style.left = `${by.left - frame.left}px`;
    panel.style.top = `${by.bottom - frame.top + 2}px`;
    panel.style.maxHeight = `${Math.max(140, frame.bottom - by.bottom - 10)}px`;
    chooserButton.setAttribute("aria-expanded", "true");
    const outside = (event) => { if (!panel.contains(event.target) && event.target !== chooserButton) leave?.(); };
    const root = host.getRootNode();
    root.addEventListener("pointerdown", outside, true);
    panel.addEventListener("keydown", (event) => { event.stopPropagation(); if (event.key === "Escape") { leave(); chooserButton.focus(); } });
    leave = () => {
      root.removeEventListener("pointerdown", outside, true);
      chooserButton.setAttribute("aria-expanded", "false");
      panel.remove();
      leave = null;
    };
    (search.hidden ? box.querySelector("input") : search)?.focus({ preventScroll: true });
  }

  // --- Rows ---
  function rowElement(k) {
    if (!pool[k]) {
      const tick = make("input", { type: "checkbox", tabindex: "-1", "aria-label": "Select this record" });
      const row = make("div", { class: "cw-row-of", role: "row" }, make("div", { class: "cw-c cw-tick", role: "gridcell" }, tick));
      pool[k] = row;
      space.append(row);
    }
    return pool[k];
  }
  function paint() {
    frame = 0;
    const state = store.get(), see = at(), scrolled = grid.scrollTop;
    const first = Math.max(0, Math.floor(firstRow(see, scrolled))), many = Math.max(0, Math.min(see.seen + 2, total - first));
    space.style.height = `${see.tall}px`;
    let holes = false;
    for (let k = 0; k < Math.max(many, pool.length); k++) {
      const row = rowElement(k);
      row.hidden = k >= many;
      if (row.hidden) continue;
      const i = first + k, one = rows.get(i);
      holes ||= !there(i);
      row.dataset.row = i;
      row.style.transform = `translateY(${topOf(see, i, scrolled)}px)`;
      row.setAttribute("aria-rowindex", i + 2);
      row.setAttribute("aria-selected", String(Boolean(one?.selected)));
      row.classList.toggle("cw-waits", !one);
      row.classList.toggle("cw-stale", Boolean(one && one.epoch !== epoch));
      row.classList.toggle("cw-gone", Boolean(one && !one.cells));
      row.classList.toggle("cw-now", i === current[0]);
      row.classList.toggle("cw-open", Boolean(one && one.id === state.record));
      row.firstChild.firstChild.checked = Boolean(one?.selected);
      fill(row, one, i);
    }
    while (pool.length > many + 30) pool.pop().remove();
    const last = Math.min(first + see.seen, total);
    status.textContent = state.counts === null ? "Reading…" : total ? `${(first + 1).toLocaleString("en-US")}–${last.toLocaleString("en-US")} of ${total.toLocaleString("en-US")}` : "No records";
    grid.setAttribute("aria-rowcount", total + 1);
    grid.setAttribute("aria-busy", String(holes));
    if (holes) askSoon(); else clearTimeout(timer);
    follow();
  }
  function fill(row, one, i) {
    while (row.children.length > columns.length + 1) row.lastChild.remove();
    place(row.firstChild, -1);
    row.firstChild.tabIndex = i === current[0] && current[1] === 0 ? 0 : -1;
    columns.forEach((column, k) => {
      let cell = row.children[k + 1];
      if (!cell) { cell = make("div", { role: "gridcell", dir: "auto" }); row.append(cell); }
      const known = one?.cells && one.at.has(column.key), value = known ? one.cells[one.at.get(column.key)] : undefined;
      const { text, kind, parts } = known ? show(value, column) : { text: one && !one.cells ? (k ? "" : `${one.id}: deleted meanwhile`) : "", kind: "waits" };
      const style = `cw-c cw-k-${kind}${column.key === "#id" ? " cw-id" : ""}`;
      if (cell.className !== style) cell.className = style;
      cell.style.setProperty("--cw-share", value?.share ?? 0);
      const content = parts ? JSON.stringify(parts) : text;
      if (cell.content !== content) cell.replaceChildren(...(parts ? parts.map(([part, marked]) => (marked ? make("mark", { text: part }) : part)) : [text]));
      cell.content = content;
      cell.tabIndex = i === current[0] && k + 1 === current[1] ? 0 : -1;
      place(cell, k);
    });
  }
  const paintSoon = () => { frame ||= requestAnimationFrame(paint); };

  // --- Asking ---
  function there(i) {
    const one = rows.get(i);
    return Boolean(one) && one.epoch === epoch && (!one.cells || keys.every((key) => one.at.has(key)));
  }
  // After a fling what is asked for is where it ends, not all that it passes.
  function askSoon() {
    clearTimeout(timer);
    timer = setTimeout(ask, PAUSE);
  }
  function ask() {
    const see = at(), first = Math.max(0, Math.floor(firstRow(see, grid.scrollTop)));
    const range = missing(first, Math.min(total, first + see.seen + 2), total, there, BEYOND);
    const onItsWay = coming && range && coming.from <= range[0] && coming.to >= range[1] && keys.every((key) => coming.wanted.includes(key));
    if (range && !onItsWay) request(...range);
  }
  async function request(from, to) {
    const mine = epoch, wanted = [...keys], now = coming = { from, to, wanted };
    try {
      const said = await bench.request("rows", { from, count: to - from, keys: wanted });
      if (said && mine === epoch) take(said, wanted, mine);
    } catch (error) {
      bench.say(error.message, true);
    } finally {
      if (coming === now) coming = null;
    }
  }
  function take(said, wanted, mine) {
    const where = new Map(wanted.map((key, j) => [key, j]));
    said.ids.forEach((id, j) => rows.set(said.from + j, { id, cells: said.rows[j], at: where, selected: said.selected[j], epoch: mine }));
    if (JSON.stringify(said.counts) !== JSON.stringify(store.get().counts)) { store.set({ counts: said.counts }); reckon(); }
    for (const i of rows.keys()) {     // memory stays flat
      if (rows.size <= KEPT) break;
      if (i < said.from - KEPT / 4 || i > said.from + said.ids.length + KEPT / 4) rows.delete(i);
    }
    if (said.columns.length !== store.get()._known.length) bench.set({ _known: said.columns });
    else paint();                      // at once: a busy browser may keep the next frame waiting
  }
  // How many rows there are by now; whether these are others than before.
  function reckon() {
    const before = total;
    total = store.get().counts?.shown ?? 0;
    if (total === before) return false;
    for (const i of rows.keys()) if (i >= total) rows.delete(i);
    current = [Math.min(current[0], Math.max(0, total - 1)), current[1]];
    return true;
  }
  function forget(fromTop) {
    epoch++;
    coming = null;
    clearTimeout(fading);
    grid.classList.remove("cw-late");
    fading = setTimeout(() => grid.classList.add("cw-late"), LATE);
    if (fromTop) {
      grid.scrollTop = 0;
      current = [current[0] < 0 ? -1 : 0, current[1]];
      anchor = 0;
      request(0, at().seen + 2 + BEYOND); // its first rows, together with their number, which nobody knows yet
    } else askSoon();
    paintSoon();
  }

  // --- Selecting ---
  async function select(body) {
    try {
      await bench.request("select", body, { inTurn: true });
    } catch (error) {
      bench.say(error.message, true);
    }
  }
  function tick(i, range) {
    const one = rows.get(i);
    if (!one) return;
    const chosen = !one.selected, [a, b] = range ? [Math.min(anchor, i), Math.max(anchor, i)] : [i, i];
    for (let j = a; j <= b; j++) if (rows.has(j)) rows.get(j).selected = chosen;
    if (!range) anchor = i;
    select({ do: chosen ? "add" : "remove", ...(a === b ? { ids: [one.id] } : { places: [a, b + 1] }) });
    paintSoon();
  }
  // Somebody selected: the rows in view are asked again, those out of view when they come into it.
  async function selection() {
    const count = store.get()._selected;
    picked.hidden = !count;
    heads();
    picked.textContent = `${count.toLocaleString("en-US")} selected ✕`;
    const see = at(), first = Math.floor(firstRow(see, grid.scrollTop)), shown = [];
    for (const [i, one] of rows) if (i >= first && i <= first + see.seen + 2) shown.push(one); else rows.delete(i);
    if (!shown.length) return;
    const said = await bench.request("selected", { ids: shown.map((one) => one.id) }).catch(() => null);
    if (!said) return;
    shown.forEach((one, j) => { one.selected = said.selected[j]; });
    paintSoon();
  }

  // --- Copying ---
  async function copy(ids, wanted, what) {
    const found = new Map([...rows.values()].map((one) => [one.id, one]));
    try {
      const said = await bench.request("cells", { ids, keys: wanted });
      if (!said) return;
      const text = wanted.length === 1 && ids.length === 1 ? plainText(said.rows[0]?.[0])
        : [...(ids.length > 1 ? [wanted.map((key) => tabbed(nameOf(key)))] : []), ...said.rows.map((row) => row.map((one) => tabbed(plainText(one))))].map((row) => row.join("\t")).join("\n");
      bench.say((await copyText(text, host)) ? `Copied ${what}` : "The browser does not allow this page to copy", !found.size);
    } catch (error) {
      bench.say(error.message, true);
    }
  }
  const copyCell = (i, k) => rows.has(i) && copy([rows.get(i).id], [keys[k]], `${columns[k].name} of ${rows.get(i).id}`);
  const copyRow = (i) => rows.has(i) && copy([rows.get(i).id], keys, `the row ${rows.get(i).id}`);
  function open(i) {
    const one = rows.get(i);
    if (one?.cells) bench.set({ record: one.id, place: i });
  }
  function cellMenu(i, k, near, event = null) {
    const one = rows.get(i);
    if (!one) return;
    openMenu(bench.root, near, [
      { text: "Open the record", do: () => open(i) },
      { text: "More like this", do: () => bench.set({ search: { like: one.id } }) },
      { text: one.selected ? "Unselect" : "Select", do: () => tick(i, false) },
      null,
      { text: "Copy the cell", do: () => copyCell(i, k), off: k < 0 },
      { text: "Copy the row", do: () => copyRow(i) },
    ], event ? { x: event.clientX, y: event.clientY } : {});
  }

  // --- Moving ---
  function cellAt(i, k) {
    return i < 0 ? head.children[k] : pool.find((row) => !row.hidden && Number(row.dataset.row) === i)?.children[k];
  }
  function rove() {
    [...head.children].forEach((cell, k) => { cell.tabIndex = current[0] < 0 && k === current[1] ? 0 : -1; });
  }
  function focus() {
    const cell = cellAt(...current);
    if (!cell) return grid.focus({ preventScroll: true });
    cell.focus({ preventScroll: true });
    if (cell.classList.contains("cw-still")) return;
    const still = Math.max(TICK, ...left.map((one, k) => (one === null ? 0 : one + width[k])));
    const a = cell.offsetLeft, b = a + cell.offsetWidth;
    if (a - still < grid.scrollLeft) grid.scrollLeft = a - still;
    else if (b > grid.scrollLeft + grid.clientWidth) grid.scrollLeft = Math.min(a - still, b - grid.clientWidth);
  }
  const focusSoon = () => requestAnimationFrame(() => { paint(); rove(); focus(); });
  // Rows are used again for other records; what has the focus stays with its record, or waits for it.
  function follow() {
    const active = host.getRootNode().activeElement;
    if (!active || !space.contains(active) || active.closest("[role=menu]")) return;
    const cell = cellAt(...current);
    if (cell !== active) (cell ?? grid).focus({ preventScroll: true });
  }
  function go(i, k) {
    current = [Math.min(Math.max(i, -1), total - 1), Math.min(Math.max(k, 0), columns.length)];
    if (current[0] >= 0) grid.scrollTop = reveal(at(), current[0], grid.scrollTop);
    paint();
    rove();
    focus();
  }
  const stop = (event) => { event.preventDefault(); event.stopPropagation(); };
  function key(event) {
    const [i, k] = current, page = Math.max(1, at().seen - 1), far = event.ctrlKey || event.metaKey, inHead = i < 0;
    const forward = rightToLeft() ? "ArrowLeft" : "ArrowRight", back = rightToLeft() ? "ArrowRight" : "ArrowLeft";
    event.stopPropagation();           // JupyterLab's commands of one letter stay out of it
    if (inHead && k > 0 && event.altKey && (event.key === forward || event.key === back)) { stop(event); return move(k - 1, k - 1 + (event.key === forward ? 1 : -1)); }
    if (inHead && k > 0 && event.shiftKey && (event.key === forward || event.key === back)) { stop(event); resize(k - 1, width[k - 1] + (event.key === forward ? KEY_STEP : -KEY_STEP)); return focusSoon(); }
    if ((event.altKey && event.key === "ArrowDown") || event.key === "ContextMenu" || (event.shiftKey && event.key === "F10")) {
      stop(event);
      if (inHead) { if (k > 0) columnMenu(k - 1, cellAt(i, k)); } else cellMenu(i, k - 1, cellAt(i, k) ?? grid);
      return;
    }
    const goal = { ArrowDown: [i + 1, k], ArrowUp: [i - 1, k], [forward]: [i, k + 1], [back]: [i, k - 1], PageDown: [i + page, k], PageUp: [Math.max(0, i - page), k],
      Home: far ? [0, 0] : [i, 0], End: far ? [total - 1, columns.length] : [i, columns.length] }[event.key];
    if (goal) { stop(event); return go(...goal); }
    if (event.key === "Enter") { stop(event); return inHead ? k > 0 && sort(keys[k - 1]) : open(i); }
    if (event.key === " ") { stop(event); return inHead ? k === 0 && select({ do: store.get()._selected ? "none" : "all" }) : tick(i, event.shiftKey); }
    if (event.key === "Escape" && store.get()._selected) { stop(event); return select({ do: "none" }); }
    if (far && event.key === "a") { stop(event); return select({ do: "all" }); }
    if (far && event.key === "c" && !inHead && !String(getSelection())) { stop(event); return k > 0 ? copyCell(i, k - 1) : copyRow(i); }
  }
  function pressed(event) {
    const cell = event.target.closest("[role=gridcell]");
    if (!cell) return;
    const i = Number(cell.parentNode.dataset.row), k = [...cell.parentNode.children].indexOf(cell);
    if (k === 0) { if (event.target !== cell || event.type === "click") { event.target.blur?.(); tick(i, event.shiftKey); } }
    else if (keys[k - 1] === "#id" && !String(getSelection())) open(i);
    current = [i, k];
    paint();
    rove();
    focus();
  }
  grid.addEventListener("scroll", paintSoon, { passive: true });
  grid.addEventListener("keydown", key);
  space.addEventListener("click", pressed);
  space.addEventListener("dblclick", (event) => { const row = event.target.closest("[role=row]"); if (row && !event.target.closest(".cw-tick")) open(Number(row.dataset.row)); });
  space.addEventListener("contextmenu", (event) => {
    const cell = event.target.closest("[role=gridcell]");
    if (!cell || event.shiftKey) return; // with Shift: the browser's own
    stop(event);
    current = [Number(cell.parentNode.dataset.row), [...cell.parentNode.children].indexOf(cell)];
    paint();
    focus();
    cellMenu(current[0], current[1] - 1, cell, event);
  });
  // What is cut off is read by pointing at it.
  space.addEventListener("mouseover", (event) => {
    const cell = event.target.closest(".cw-c");
    if (cell && !cell.classList.contains("cw-tick")) cell.title = cell.scrollWidth > cell.clientWidth || cell.scrollHeight > cell.clientHeight ? cell.textContent.slice(0, 1000) : "";
  });
  const watch = new ResizeObserver(() => { if (grid.clientWidth === wide) paint(); else layout(); });
  watch.observe(grid);
  total = store.get().counts?.shown ?? 0;
  layout();
  selection();

  return {
    update(changed) {
      const has = (...names) => names.some((name) => changed.has(name));
      const resized = has("counts") && reckon();
      if (has("columns", "_known", "wrap", "order", "search")) layout();
      if (QUESTION.some((name) => changed.has(name))) forget(!changed.has("_renewed"));
      else if (resized || has("record") || (has("counts") && !total)) paintSoon();
      if (has("_selected")) selection();
    },
    focus: () => focus(),
    destroy() {
      watch.disconnect();
      clearTimeout(timer);
      clearTimeout(fading);
      cancelAnimationFrame(frame);
      leave?.();
    },
  };
}
