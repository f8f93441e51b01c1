// Search as you type: words, meaning or both; or records like another one. The searches made are kept as chips.

import { make } from "./dom.js";
import { visible } from "./format.js";

// Columns that the table has while it is searched. Their values come from Python, with the rows.
export const HITS = [
  { key: "#rank", name: "rank", type: "integer", letters: 6, pinned: true },
  { key: "#distance", name: "distance", type: "near", letters: 11, pinned: false },
  { key: "#why", name: "found by", type: "text", letters: 24, pinned: false },
];
// Milliseconds from the last letter to the search; searches that are kept.
const TYPED = 250, KEPT = 6;
const WAYS = [["both", "Both"], ["meaning", "Meaning"], ["words", "Words"]];

export function search(host, bench) {
  const { store } = bench;
  let timer = 0, by = "both", exact = false, kept = [], embeds = true, seen = null;   // the last text that was searched for

  const field = make("input", { type: "search", class: "cw-input cw-search-field", placeholder: "Search", "aria-label": "Search", dir: "auto",
    oninput: () => { clearTimeout(timer); timer = setTimeout(go, TYPED); }, onchange: () => { go(); keep(); },
    onkeydown: (event) => { if (event.key === "Enter") { event.stopPropagation(); go(); keep(); } } });
  const ways = make("span", { class: "cw-ways", role: "group", "aria-label": "Search by" }, ...WAYS.map(([name, text]) =>
    make("button", { type: "button", class: "cw-quiet", text, "data-by": name, onclick: () => { by = name; draw(); go(); } })));
  const letters = make("button", { type: "button", class: "cw-quiet", text: "Aa", title: "Match upper and lower case", "aria-label": "Match case",
    onclick: () => { exact = !exact; draw(); go(); } });
  const told = make("span", { class: "cw-dim cw-search-told", role: "status" }), wrong = make("span", { class: "cw-search-wrong", role: "alert" });
  const chips = make("span", { class: "cw-search-chips" });
  host.append(make("div", { class: "cw-search" }, field, ways, letters, told, wrong, chips));

  const now = () => (field.value.trim() ? { text: field.value, by, case: exact } : null);
  const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);
  const nameOf = (one) => (one.like !== undefined ? `like ${one.like}` : one.text.trim());
  function go() {
    clearTimeout(timer);
    if (!same(now(), store.get().search) && (now() || store.get().search?.text !== undefined)) bench.set({ search: now() });
  }
  function keep(one = store.get().search) {
    if (!one) return;
    kept = [...kept.filter((other) => !same(other, one)), one].slice(-KEPT);
    draw();
  }
  function draw() {
    const { search: one } = store.get();
    for (const button of ways.children) {
      button.setAttribute("aria-pressed", String(button.dataset.by === by));
    }
    letters.setAttribute("aria-pressed", String(exact));
    letters.disabled = by === "meaning";
    const shown = [...kept, ...(one?.like !== undefined && !kept.some((other) => same(other, one)) ? [one] : [])];
    chips.replaceChildren(...shown.map((other) => make("span", { class: "cw-chip", "data-on": same(other, one) ? "" : null },
      make("button", { type: "button", class: "cw-quiet cw-search-chip", dir: "auto", text: visible(nameOf(other)), title: visible(nameOf(other)), "aria-pressed": String(same(other, one)), onclick: () => bench.set({ search: same(other, one) ? null : other }) }),
      make("button", { type: "button", class: "cw-quiet", text: "✕", "aria-label": `Remove the search ${visible(nameOf(other))}`, onclick: () => {
        kept = kept.filter((left) => !same(left, other));
        if (same(other, store.get().search)) bench.set({ search: null }); else draw();
      } }))));
  }
  // Somebody searched: here, by a chip, or in Python.
  function follow() {
    const { search: one } = store.get();
    if (one?.text !== undefined) {
      ({ by, case: exact } = one);
      if (!same(now(), one)) field.value = one.text;
      seen = field.value;
    } else if (host.getRootNode().activeElement !== field || one?.like !== undefined || field.value === seen) field.value = "";
    draw();
    tell();
  }
  async function tell() {
    const { search: one } = store.get();
    if (!one) { told.textContent = wrong.textContent = ""; field.removeAttribute("aria-invalid"); }
    else told.textContent = "Searching…";
    try {
      const said = await bench.request("found");
      if (!said) return;
      if (said.embeds !== embeds) { embeds = said.embeds; if (!embeds && by !== "words" && !one) by = "words"; draw(); }
      if (!store.get().search) return;
      told.textContent = said.wrong ? "" : said.note || (said.count ? `${said.count.toLocaleString("en-US")} found` : "Nothing found");
      wrong.textContent = said.wrong;
      field.toggleAttribute("aria-invalid", Boolean(said.wrong));
    } catch (error) {
      told.textContent = "";
      wrong.textContent = error.message;
    }
  }
  follow();
  return {
    update(changed) {
      if (changed.has("search")) follow();
      else if (["where", "where_document", "_renewed"].some((one) => changed.has(one)) && store.get().search) tell();
    },
    focus: () => field.focus({ preventScroll: true }),
    destroy() { clearTimeout(timer); },
  };
}
