// Editors of metadata, one a key, by the type of its value. What they hold travels as `fields.py` says.

import { picker, stored } from "./dates.js";
import { make } from "./dom.js";
import { nameOf, TYPES } from "./format.js";

const SCALARS = ["text", "integer", "number", "boolean"];
const WRONG = { integer: /^\s*[+-]?\d+\s*$/, number: /^\s*[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?\s*$/i };
const EMPTY = { text: "", integer: "", number: "", boolean: "false" };
const SCALES = { epoch_s: 1000, epoch_ms: 1 }; // milliseconds
const today = () => new Date().toISOString().slice(0, 10);
// What can be chosen as the type of a value: name -> what it is called.
const CHOICES = { ...Object.fromEntries(SCALARS.map((type) => [type, TYPES[type]])), date: TYPES.date, epoch_s: "date, in seconds", epoch_ms: "date, in milliseconds",
  ...Object.fromEntries(SCALARS.map((type) => [`list ${type}`, `list: ${TYPES[type]}`])) };

const choiceOf = (field) => (field.type === "list" ? `list ${field.of}` : field.as ?? field.type);
// A field of another type, with what can be kept of the old one.
function turned(field, choice) {
  const [type, of] = choice.split(" "), text = field.type === "list" ? field.items[0] ?? "" : field.text;
  if (of) return { type, of, items: field.type === "list" ? field.items : text ? [text] : [""] };
  if (type === "date") return { type: "text", as: "date", text: picker({ as: "date", text }) ? text : today() };
  if (SCALES[type]) return { type: "integer", as: type, text: picker({ as: type, text }) ? text : String(Math.floor(Date.now() / SCALES[type])) };
  return { type, text: type === "boolean" ? String(text === "true") : text || EMPTY[type] };
}

// A field for text of any length; lines that end with a carriage return do so again.
export function textArea(text, changed, given = {}) {
  const area = make("textarea", { class: "cw-input cw-area", dir: "auto", rows: 1, spellcheck: "false", ...given });
  area.value = text;
  const before = area.value;           // as the browser holds it
  const fit = () => { area.rows = Math.min(14, Math.max(given.rows ?? 1, area.value.split("\n").length + Math.floor(area.value.length / 48))); };
  area.addEventListener("input", () => { fit(); changed(area.value === before ? text : text.includes("\r\n") ? area.value.replaceAll("\n", "\r\n") : area.value); });
  fit();
  return area;
}
function scalar(type, as, text, label, changed) {
  const date = as && picker({ as, text });
  if (date) {
    const input = make("input", { class: "cw-input", type: date.input, step: date.input === "date" ? null : "1", "aria-label": label, value: date.value });
    input.addEventListener("input", () => changed(stored({ as, text }, input.value)));
    return make("span", { class: "cw-ed-line" }, input, make("span", { class: "cw-dim", text: date.zone }));
  }
  if (type === "boolean") {
    const box = make("input", { type: "checkbox", "aria-label": label }), said = make("span", { text });
    box.checked = text === "true";
    box.addEventListener("change", () => { said.textContent = String(box.checked); changed(String(box.checked)); });
    return make("label", { class: "cw-ed-line" }, box, said);
  }
  if (!WRONG[type]) return textArea(text, changed, { "aria-label": label, class: `cw-input cw-area${type === "sparse" ? " cw-mono" : ""}` });
  const input = make("input", { class: "cw-input", inputmode: type === "integer" ? "numeric" : "decimal", "aria-label": label, value: text });
  const check = () => { input.setAttribute("aria-invalid", String(!WRONG[type].test(input.value))); input.title = WRONG[type].test(input.value) ? "" : `Expected: ${TYPES[type]}`; };
  input.addEventListener("input", () => { check(); changed(input.value); });
  if (text) check();
  return input;
}

// The value of one field; `changed(field)` is called with each new one.
export function valueEditor(field, label, changed) {
  if (field.type !== "list") return scalar(field.type, field.as, field.text, label, (text) => changed(field = { ...field, text }));
  const box = make("div", { class: "cw-ed-list" });
  function draw(focused = -1) {
    const set = (items) => { field = { ...field, items }; changed(field); };
    box.replaceChildren(...field.items.map((text, j) => make("div", { class: "cw-ed-line" },
      scalar(field.of, null, text, `${label}, item ${j + 1}`, (now) => set(field.items.map((one, k) => (k === j ? now : one)))),
      make("button", { type: "button", class: "cw-quiet", text: "✕", "aria-label": `Remove item ${j + 1} of ${label}`,
        onclick: () => { set(field.items.filter((_, k) => k !== j)); draw(Math.max(0, j - 1)); } }))),
    make("button", { type: "button", class: "cw-quiet", text: "Add an item", onclick: () => { set([...field.items, EMPTY[field.of]]); draw(field.items.length - 1); } }));
    if (focused >= 0) (box.children[focused].querySelector("input, textarea") ?? box.lastChild).focus();
  }
  draw();
  return box;
}
// Which type the value has.
export function typeChoice(field, label, changed) {
  const now = choiceOf(field), choices = now === "sparse" ? { sparse: TYPES.sparse, ...CHOICES } : CHOICES;
  const choice = make("select", { class: "cw-ed-type", "aria-label": `Type of ${label}`, onchange: () => changed(turned(field, choice.value)) },
    ...Object.entries(choices).map(([value, text]) => make("option", { value, text })));
  choice.value = now;
  return choice;
}

// Editors of several keys. `rows`: [{key, field, was, gone}], changed in place; `was` is null for a key that is new.
export function editor(rows, known, changed) {
  const box = make("div", { class: "cw-ed" });
  function draw(focused = null) {
    box.replaceChildren(...rows.map((row) => {
      const name = row.key === null ? "the new key" : nameOf(row.key);
      const drop = () => { if (row.was) row.gone = !row.gone; else rows.splice(rows.indexOf(row), 1); changed(); draw(row.gone ? row : null); };
      const body = () => valueEditor(row.field, name, (field) => { row.field = field; changed(); });
      let value = body();
      const retype = (field) => { row.field = field; const next = body(); value.replaceWith(next); value = next; changed(); const type = typeChoice(field, name, retype); choice.replaceWith(type); choice = type; type.focus(); };
      let choice = typeChoice(row.field, name, retype);
      const key = row.was ? make("span", { class: "cw-name", dir: "auto", text: name, title: row.key })
        : make("input", { class: "cw-input", dir: "auto", placeholder: "key", "aria-label": "Name of the new key", value: row.key ?? "" });
      if (!row.was) key.addEventListener("input", () => { row.key = key.value; changed(); });
      // A key that others have, too, has their type.
      if (!row.was) key.addEventListener("change", () => { const other = known().find((one) => one.key === key.value); if (other && !value.value) retype(turned(row.field, CHOICES[other.type] ? other.type : other.type === "list" ? "list text" : "text")); });
      return make("div", { class: `cw-ed-row${row.gone ? " cw-ed-gone" : ""}` },
        make("div", { class: "cw-ed-line" }, key, row.gone ? "" : choice,
          make("button", { type: "button", class: "cw-quiet", text: row.gone ? "Put back" : "✕", title: row.gone ? "" : "Remove this key", "aria-label": `${row.gone ? "Put back" : "Remove"} ${name}`, onclick: drop })),
        row.gone ? "" : value);
    }), make("button", { type: "button", class: "cw-quiet cw-ed-add", text: "Add a key", onclick: () => { rows.push({ key: null, field: { type: "text", text: "" }, was: null }); draw(rows.at(-1)); } }));
    if (focused) box.children[rows.indexOf(focused)].querySelector(focused.gone ? "button" : "input, textarea, button").focus();
  }
  draw();
  return box;
}
// What was changed: {set: fields by key, remove: keys}; null where nothing was.
export function changesOf(rows) {
  const same = (one, other) => JSON.stringify([one.type, one.of, one.text, one.items]) === JSON.stringify([other.type, other.of, other.text, other.items]);
  const set = Object.fromEntries(rows.filter((row) => !row.gone && !(row.was && same(row.was, row.field)) && !(row.key === null && !row.field.text)).map((row) => [row.key ?? "", row.field]));
  const remove = rows.filter((row) => row.gone).map((row) => row.key);
  return Object.keys(set).length || remove.length ? { set, remove } : null;
}
