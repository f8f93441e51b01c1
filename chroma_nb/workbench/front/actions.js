// What can be done with the collection and the selection: a record added, records tagged, deleted and exported, undo.

import { make } from "./dom.js";
import { changesOf, editor, textArea, typeChoice, valueEditor } from "./editor.js";
import { visible } from "./format.js";

const TARGETS = { variable: ["a new variable (DataFrame)", "name"], csv: ["a CSV file", "path, such as records.csv"],
  parquet: ["a Parquet file", "path, such as records.parquet"], collection: ["a new collection", "name"] };
const records = (n) => `${n.toLocaleString("en-US")} record${n === 1 ? "" : "s"}`;

export function actions(host, bench) {
  const { store } = bench;
  let leave = null;
  const button = (text, onclick, given = {}) => make("button", { type: "button", class: "cw-quiet", text, onclick, ...given });
  const undo = button("Undo", () => act("undo", {}, (said) => bench.say(`Undone: ${visible(said.done)}`)));
  const create = opener("New record…", createForm), tag = opener("Tag…", tagForm), remove = opener("Delete…", deleteForm), save = opener("Export…", exportForm);
  host.append(undo, create, tag, remove, save);

  async function act(kind, given, done, failed = (text) => bench.say(text, true)) {
    try {
      const said = await bench.request(kind, given, { inTurn: true });
      if (said) done(said);
    } catch (error) { failed(visible(error.message)); }
  }

  // --- Forms that open below their button; what was typed stays when one is closed ---
  function opener(text, build) {
    const one = button(text, () => (leave?.of === one ? leave() : open(one, build)), { "aria-haspopup": "dialog", "aria-expanded": "false" });
    return one;
  }
  function open(near, build) {
    leave?.();
    const notice = make("div", { class: "cw-rec-notice", role: "alert", hidden: true });
    const failed = (text) => { notice.hidden = !text; notice.textContent = text ?? ""; };
    const panel = make("form", { class: "cw-menu cw-form", role: "dialog", "aria-label": near.textContent });
    const { parts, does, go } = build(failed, () => leave?.());
    const send = make("button", { type: "submit", class: "cw-quiet cw-primary" });
    const label = () => { send.textContent = does(); };      // the selection may still be on its way when a form opens
    label();
    const last = make("div", { class: "cw-ed-line" }, send, button("Cancel", () => leave?.()));
    panel.append(...parts, notice, last);
    panel.addEventListener("submit", (event) => { event.preventDefault(); failed(null); go(); });
    panel.addEventListener("keydown", (event) => { event.stopPropagation(); if (event.key === "Escape") leave?.(); });
    bench.root.append(panel);
    const frame = bench.root.getBoundingClientRect(), box = near.getBoundingClientRect();
    panel.style.left = `${Math.max(4, Math.min(box.left - frame.left, frame.width - panel.offsetWidth - 6))}px`;
    panel.style.top = `${box.bottom - frame.top + 2}px`;
    panel.style.maxHeight = `${Math.max(160, frame.bottom - box.bottom - 10)}px`;
    near.setAttribute("aria-expanded", "true");
    leave = Object.assign(() => { panel.remove(); near.setAttribute("aria-expanded", "false"); leave = null; near.focus({ preventScroll: true }); }, { of: near, label });
    (panel.querySelector("input:not([type=checkbox]), select, textarea") ?? last.lastChild).focus({ preventScroll: true });
  }
  const field = (text, input) => make("label", {}, make("span", { class: "cw-dim", text }), input);
  const input = (given) => make("input", { class: "cw-input", dir: "auto", ...given });

  let fresh = null;                    // the record that is being made
  function createForm(failed, done) {
    fresh ??= { id: "", document: "", rows: [] };
    const id = input({ value: fresh.id, oninput: () => { fresh.id = id.value; } });
    const text = textArea(fresh.document, (now) => { fresh.document = now; }, { rows: 3 });
    return { parts: [field("Id", id), field("Document (will be embedded)", text), editor(fresh.rows, () => store.get()._known, () => {})], does: () => "Create",
      go: () => act("create", { id: fresh.id, document: fresh.document, set: changesOf(fresh.rows)?.set }, (said) => {
        const made = fresh.id;
        fresh = null;
        done();
        bench.set({ record: made });
        bench.say(`Done: ${visible(said.done)}`);
      }, failed) };
  }
  let given = { key: "", field: { type: "text", text: "" } };
  function tagForm(failed, done) {
    const count = () => store.get()._selected, key = input({ value: given.key, oninput: () => { given.key = key.value; } });
    // Enter in a text sends the form, as in every other field; with Shift it is a new line.
    const row = make("div", { onkeydown: (event) => { if (event.key === "Enter" && !event.shiftKey && !event.isComposing && event.target.tagName === "TEXTAREA") { event.preventDefault(); event.target.form.requestSubmit(); } } });
    const draw = () => row.replaceChildren(make("div", { class: "cw-ed-line" }, make("span", { class: "cw-dim cw-name", text: "Value" }), typeChoice(given.field, "the value", (next) => { given.field = next; draw(); })),
      valueEditor(given.field, "Value", (next) => { given.field = next; }));
    draw();
    return { parts: [field("Key", key), row], does: () => `Tag ${records(count())}`,
      go: () => act("tag", { ...given, confirmed: count() }, (said) => { done(); bench.say(`Done: ${visible(said.done)}`); }, failed) };
  }
  function deleteForm(failed, done) {
    const count = () => store.get()._selected, question = make("strong");
    return { parts: [make("span", {}, question, " Undo brings them back.")],
      does: () => { question.textContent = `Delete ${records(count())}?`; return `Yes, delete ${count().toLocaleString("en-US")}`; },
      go: () => act("delete", { confirmed: count() }, (said) => { done(); bench.say(`Done: ${visible(said.done)}`); }, failed) };
  }
  let chosen = { to: "variable", target: "" };
  function exportForm(failed, done) {
    const { _selected, counts } = store.get(), choice = (options) => make("select", { class: "cw-input" }, ...options.map(([value, text]) => make("option", { value, text })));
    const rows = choice([["all", counts ? `all that are shown: ${records(counts.shown)}` : "all that are shown"], ...(_selected ? [["selected", `the selected: ${records(_selected)}`]] : [])]);
    const to = choice(Object.entries(TARGETS).map(([value, [text]]) => [value, text])), target = input({ value: chosen.target });
    if (_selected) rows.value = "selected";
    to.value = chosen.to;
    const hint = () => { target.placeholder = TARGETS[to.value][1]; chosen = { to: to.value, target: target.value }; };
    to.addEventListener("change", hint);
    target.addEventListener("input", hint);
    hint();
    return { parts: [field("Which", rows), field("To", to), field("Called", target)], does: () => "Export",
      go: () => act("export", { rows: rows.value, to: to.value, target: target.value }, (said) => { done(); bench.say(visible(said.done)); }, failed) };
  }

  function draw() {
    const { _about, _undoable, _selected } = store.get(), writes = !_about.readonly;
    undo.hidden = !writes || !_undoable;
    undo.title = `Undo: ${visible(_undoable)}`;
    create.hidden = !writes;
    tag.hidden = remove.hidden = !writes || !_selected;
  }
  draw();
  return { update(changed) { if (["_about", "_undoable", "_selected"].some((key) => changed.has(key))) draw(); if (changed.has("_selected")) leave?.label(); }, focus: () => save.focus(), destroy() { leave?.(); } };
}
