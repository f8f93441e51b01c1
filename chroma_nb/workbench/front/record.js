// One record in full, beside the table: read, walked from, copied; and, where writing is allowed, changed and deleted.

import { copyText, make } from "./dom.js";
import { changesOf, editor, textArea } from "./editor.js";
import { nameOf, number, plainText, pythonText, show, TYPES, visible } from "./format.js";
import { openMenu } from "./menu.js";
import { QUESTION } from "./store.js";

export function record(host, bench) {
  const { store } = bench, drafts = new Map(); // id -> {version, document, rows}: what was begun stays until it is saved
  let id = null, found = null, near = null, beside = null, picture = null, at = 0, whole = false, editing = false, trail = [], asking = false, finding = null;

  // --- Elements ---
  const of = (n) => n.toLocaleString("en-US");
  const button = (text, onclick, given = {}) => make("button", { type: "button", class: "cw-quiet", text, onclick, ...given });
  const before = button("‹", () => step("before"), { "aria-label": "Previous record", title: "Previous (Alt+↑)" });
  const after = button("›", () => step("after"), { "aria-label": "Next record", title: "Next (Alt+↓)" });
  const place = make("span", { class: "cw-dim cw-rec-place" });
  const copy = button("Copy", () => copyMenu(), { "aria-haspopup": "menu" });
  const head = make("div", { class: "cw-tools" }, before, after, place, make("span", { class: "cw-space-between" }), copy,
    button("✕", () => close(), { "aria-label": "Close the record", title: "Close (Escape)" }));
  const body = make("div", { class: "cw-rec-body", tabindex: "0", role: "group", "aria-label": "What the record holds" });
  const notice = make("div", { class: "cw-rec-notice", role: "alert", hidden: true });
  const foot = make("div", { class: "cw-rec-foot" });
  host.append(head, body, notice, foot);

  // --- Asking ---
  async function ask(kind, given = {}) {
    const wanted = id;
    try {
      const said = await bench.request(kind, { id: wanted, ...given });
      return said && wanted === id ? said : null;
    } catch (error) {
      if (wanted === id) bench.say(error.message, true);
      return null;
    }
  }
  async function load(fresh) {
    if (fresh) { found = near = beside = picture = null; asking = false; editing = drafts.has(id); tell(null); }
    host.setAttribute("aria-busy", "true");
    finding = whereIsIt();
    const said = await ask("record", { whole });
    if (!said) return;
    host.removeAttribute("aria-busy");
    const old = found;
    found = said;
    const draft = drafts.get(id);
    if (draft && !draft.saving && said.there && draft.version !== said.version) overtaken(draft);
    if (!(editing && draft && old?.there && said.there && old.version)) draw(fresh);
    else drawFoot();
    ask("near").then((answer) => { if (answer) { near = answer.near; drawNear(); } });
    if (said.uri !== null && said.there) lookAt();
  }
  async function whereIsIt() {
    const said = await ask("beside", { at });
    if (!said) return;
    beside = said;
    if (said.place !== null) at = said.place;
    const total = store.get().counts?.shown;
    place.textContent = said.place === null ? "not among those shown" : `${of(said.place + 1)}${total ? ` of ${of(total)}` : ""}`;
    before.disabled = !said.before && said.before !== "";
    after.disabled = !said.after && said.after !== "";
  }
  async function lookAt(load = false) {
    try {
      picture = await bench.request("image", { id, load });
    } catch (error) {
      picture = { id, error: error.message };
    }
    if (picture?.id === id) drawPicture();
  }
  async function step(side) {          // also before it is known what stands there
    const mine = id;
    await finding;
    if (mine === id) go(beside?.[side]);
  }
  function go(other, walked = false) {
    if (other === null || other === undefined) return;
    if (walked) trail.push(id); else trail = [];
    at += beside?.after === other ? 1 : beside?.before === other ? -1 : 0;
    bench.set({ record: other });
  }
  function close() {
    if (drafts.has(id)) bench.say(`Your changes to ${visible(id)} are kept, but not saved yet`);
    trail = [];
    bench.set({ record: null });
    bench.root.bench?.parts.table?.part?.focus();
  }

  // --- Reading ---
  const slot = { picture: make("div"), near: make("div") };
  function draw(fromTop) {
    const top = fromTop ? 0 : body.scrollTop, active = host.getRootNode().activeElement, inside = body.contains(active) && active !== body;
    const title = make("h3", { class: "cw-rec-id", dir: "auto", tabindex: "-1", text: visible(id) });
    const back = trail.length ? [button(`‹ Back to ${visible(trail.at(-1)).slice(0, 40)}`, () => { const last = trail.pop(); bench.set({ record: last }); }, { class: "cw-quiet cw-rec-back" })] : [];
    if (!found.there) {
      body.replaceChildren(...back, title, make("p", { text: "This record was deleted." }));
    } else {
      drawPicture();
      drawNear();
      body.replaceChildren(...back, title, slot.picture, ...(editing ? form() : facts()), slot.near);
    }
    body.scrollTop = top;
    copy.disabled = !found.there;
    drawFoot();
    if (inside) title.focus({ preventScroll: true });
  }
  function facts() {
    const { document: parts, metadata, uri, embedding } = found;
    const values = make("dl", { class: "cw-rec-facts" }, ...metadata.flatMap(({ key, value, column, field }) => [
      make("dt", { dir: "auto", text: nameOf(key), title: TYPES[column.type] }),
      make("dd", { class: `cw-k-${show(value, column).kind}`, dir: "auto", title: plainText(value).slice(0, 1000), ondblclick: () => edit(key) }, ...shown(value, column, field)),
    ]), ...(uri === null ? [] : [make("dt", { text: "uri" }), make("dd", { dir: "auto", text: visible(uri) })]),
    ...(embedding === null ? [] : [make("dt", { text: "embedding" }), make("dd", { dir: "ltr" },
      `[${embedding.first.map((one) => number(one)).join(", ")}${embedding.count > embedding.first.length ? ", …" : ""}] `,
      make("span", { class: "cw-dim", text: `${of(embedding.count)} numbers, length ${number(embedding.length)}` }))]));
    const text = parts === null ? make("p", { class: "cw-dim", text: "No document" })
      : make("div", { class: "cw-rec-text", dir: "auto", ondblclick: () => edit(null) }, ...parts.map(([part, marked]) => (marked ? make("mark", { text: visible(part) }) : visible(part))));
    const rest = found.whole ? [] : [button(`Show all ${of(found.letters)} letters`, () => { whole = true; load(false); })];
    return [text, ...rest, values];
  }
  function shown(value, column, field) {
    if (field.type === "list") return field.items.map((one) => make("span", { class: "cw-chip cw-rec-item", dir: "auto", text: visible(one) }));
    return [field.type === "text" && !field.as && value !== "" ? visible(value) : show(value, column).text];
  }
  function drawNear() {
    if (!near?.length) return slot.near.replaceChildren();
    const like = "search" in store.get() ? [button("More like this", () => bench.set({ search: { like: id, by: "meaning" } }))] : [];
    slot.near.replaceChildren(make("div", { class: "cw-ed-line" }, make("h4", { text: "Nearest records" }), ...like), ...near.map((one) =>
      button("", () => go(one.id, true), { class: "cw-quiet cw-rec-near", "aria-label": `Open ${visible(one.id)}` })));
    near.forEach((one, j) => slot.near.children[j + 1].append(
      make("span", { class: "cw-id", dir: "auto", text: visible(one.id) }), make("span", { class: "cw-dim", text: number(one.distance) }),
      make("span", { class: "cw-rec-gist", dir: "auto", text: one.document === null ? "no document" : visible(one.document) })));
  }
  function drawPicture() {
    if (!picture || picture.id !== id) return slot.picture.replaceChildren();
    const { image, host: from, error } = picture;
    slot.picture.replaceChildren(...(image ? [make("img", { class: "cw-rec-image", src: image, alt: `Image of ${visible(id)}` })]
      : from ? [button(`Load the image from ${visible(from)}`, () => lookAt(true))]
        : error ? [make("p", { class: "cw-dim", text: `No image: ${visible(error)}` })] : []));
  }
  async function copyWhole(form, what) {
    try {
      const said = await bench.request("copied", { id, form }, { inTurn: true });
      bench.say((await copyText(said.text, bench.root)) ? `Copied ${what}` : "The browser does not allow this page to copy");
    } catch (error) { bench.say(error.message, true); }
  }
  function copyMenu() {
    const text = (value, what) => async () => bench.say((await copyText(value, bench.root)) ? `Copied ${what}` : "The browser does not allow this page to copy");
    openMenu(bench.root, copy, [
      { text: "The record as JSON", do: () => copyWhole("json", "the record") },
      { text: "The document", do: () => copyWhole("document", "the document"), off: found?.document === null },
      { text: "The id", do: text(id, "the id") },
      { text: "The call that gets it", do: text(`collection.get(ids=[${pythonText(id)}])`, "the call") },
    ]);
  }

  // --- Changing ---
  const writes = () => !store.get()._about.readonly;
  const draftOf = () => drafts.get(id) ?? { version: found.version, document: null, rows: found.metadata.map(({ key, field }) => ({ key, field, was: field })) };
  function changes(draft) {
    const metadata = changesOf(draft.rows);
    return draft.document === null && !metadata ? null : { ...(draft.document === null ? {} : { document: draft.document }), ...metadata };
  }
  async function edit(key) {
    if (!writes() || !found?.there || editing) return;
    if (!found.whole) { whole = true; await load(false); }
    editing = true;
    draw(false);
    const to = key === null ? body.querySelector("textarea") : [...body.querySelectorAll(".cw-ed-row")][found.metadata.findIndex((one) => one.key === key)]?.querySelector(".cw-input, input, textarea");
    (to ?? body).focus();
  }
  function form() {
    const draft = draftOf(), text = found.document?.map(([part]) => part).join("") ?? "";
    const note = () => { const said = changes(draft); if (said) drafts.set(id, draft); else drafts.delete(id); drawFoot(); };
    const area = textArea(draft.document ?? text, (now) => { draft.document = now === text ? null : now; note(); }, { "aria-label": "Document", placeholder: "No document" });
    return [area, editor(draft.rows, () => store.get()._known, note)];
  }
  function drawFoot() {
    foot.hidden = !writes() || !found?.there;
    const draft = drafts.get(id), others = [...drafts.keys()].filter((one) => one !== id);
    const row = asking ? [make("span", { text: `Delete this record? Undo brings it back.` }), button("Yes, delete", remove, { class: "cw-quiet cw-danger" }), button("No", () => { asking = false; drawFoot(); foot.querySelector(".cw-danger")?.focus(); })]
      : editing ? [button("Save", save, { class: "cw-quiet cw-primary", disabled: !draft, title: "Ctrl+Enter. A changed document is embedded again" }), button(draft ? "Discard" : "Done", discard)]
        : [button("Edit", () => edit(null), { class: "cw-quiet cw-primary" }), button("Delete…", () => { asking = true; drawFoot(); foot.lastChild.focus(); }, { class: "cw-quiet cw-danger" })];
    const kept = others.length ? [make("div", { class: "cw-dim cw-rec-kept" }, "Not saved: ", ...others.slice(0, 5).map((one) => button(visible(one).slice(0, 30), () => go(one))))] : [];
    const focused = foot.contains(host.getRootNode().activeElement) ? [...foot.querySelectorAll("button")].indexOf(host.getRootNode().activeElement) : -1;
    foot.replaceChildren(make("div", { class: "cw-ed-line", role: asking ? "alertdialog" : null, "aria-label": asking ? "Delete this record?" : null }, ...row), ...kept);
    if (focused >= 0) ([...foot.querySelectorAll("button:not(:disabled)")][Math.min(focused, 1)] ?? body).focus();
  }
  function tell(text, ...more) {
    notice.hidden = !text;
    notice.replaceChildren(text ?? "", ...more);
  }
  // Somebody else has written what is being changed here: nothing is overwritten unseen.
  function overtaken(draft) {
    tell("This record was changed meanwhile. ", button("Show the current record", () => { drafts.delete(id); editing = false; tell(null); draw(false); }),
      button("Apply my changes", () => {
        const mine = changes(draft);
        drafts.set(id, { version: found.version, document: draft.document, rows: [
          ...found.metadata.map(({ key, field }) => ({ key, field: mine?.set?.[key] ?? field, was: field, gone: mine?.remove?.includes(key) })),
          ...draft.rows.filter((row) => row.key !== null && mine?.set?.[row.key] && !found.metadata.some((one) => one.key === row.key)).map((row) => ({ ...row, was: null })) ] });
        editing = true;
        tell(null);
        draw(false);
      }));
  }
  async function write(kind, given, done) {
    const mine = id;
    try {
      const said = await bench.request(kind, given, { inTurn: true });
      tell(null);
      done(said);
    } catch (error) {
      if (mine === id) tell(visible(error.message)); else bench.say(visible(error.message), true);
      if (/meanwhile/.test(error.message)) load(false);
    }
  }
  function save() {
    const draft = drafts.get(id), mine = id;
    if (!draft || draft.saving) return;
    draft.saving = true;
    write("edit", { id, version: draft.version, ...changes(draft) }, (said) => {
      drafts.delete(mine);
      bench.say(`Saved: ${visible(said.done)}`);
      if (mine !== id) return;
      editing = false;
      load(false).then(() => foot.querySelector("button")?.focus());
    }).finally(() => { draft.saving = false; });
  }
  function discard() {
    drafts.delete(id);
    editing = false;
    tell(null);
    draw(false);
    foot.querySelector("button")?.focus();
  }
  function remove() {
    write("delete", { ids: [id] }, (said) => {
      asking = false;
      drafts.delete(id);
      close();
      bench.say(`Done: ${visible(said.done)}`);
    });
  }

  // --- Keys ---
  host.addEventListener("keydown", (event) => {
    const far = event.ctrlKey || event.metaKey, used = (does) => { event.preventDefault(); event.stopPropagation(); does(); };
    if (event.altKey && event.key === "ArrowUp") used(() => step("before"));
    else if (event.altKey && event.key === "ArrowDown") used(() => step("after"));
    else if (far && (event.key === "Enter" || event.key === "s") && editing) used(save);
    else if (event.key === "Escape") used(() => { if (asking) { asking = false; drawFoot(); } else if (editing && !drafts.has(id)) discard(); else close(); });
  });

  function open(other) {
    id = other;
    whole = false;
    if (id === null) return;
    at = store.get().place ?? at;
    bench.set({ place: null, tab: "record" }); // which is in front where the parts are tabs
    load(true);
  }
  open(store.get().record);
  return {
    update(changed) {
      if (changed.has("record") && store.get().record !== id) return open(store.get().record);
      if (id === null) return;
      if (QUESTION.some((key) => key !== "order" && changed.has(key))) load(false);
      else if (changed.has("order") || changed.has("counts")) finding = whereIsIt();
      if (changed.has("_about")) drawFoot();
    },
    focus: () => body.focus(),
    destroy() {},
  };
}
