// The legend of the map: values or a ramp, with their colours; a click shows the records of a value alone.

import { make } from "./dom.js";
import { visible } from "./format.js";

const count = (n) => n.toLocaleString("en-US");

// `tell.only(codes)`: a Set of codes, or null for all. `tell.values(text)`: values to choose from. `tell.first(value)`: give it a colour.
export function legend(host, tell) {
  let scale = null, only = new Set();

  function toggle(code, more) {
    const alone = only.size === 1 && only.has(code);
    if (more) { if (only.has(code)) only.delete(code); else only.add(code); } else only = new Set(alone ? [] : [code]);
    mark();
    tell.only(only.size ? only : null);
  }
  function mark() {
    for (const button of host.querySelectorAll("[data-code]")) button.setAttribute("aria-pressed", String(only.has(Number(button.dataset.code))));
  }
  function entry(code, text, records, title = text) {
    return make("button", { type: "button", class: "cw-map-entry", "data-code": String(code), "aria-pressed": "false", title: `${visible(title)}: ${count(records)} records`, onclick: (event) => toggle(code, event.ctrlKey || event.metaKey || event.shiftKey) },
      make("span", { class: "cw-map-dot", style: `background-color:${scale.colours[code]}` }), make("span", { class: "cw-map-name", dir: "auto", text: visible(text) }), make("span", { class: "cw-map-number", text: count(records) }));
  }
  function ramp() {
    const colours = scale.colours.slice(1).map((colour, i, all) => `${colour} ${((100 * i) / (all.length - 1)).toFixed(1)}%`);
    const said = scale.ticks.map((tick) => tick.text).join(", ");
    return make("div", { class: "cw-map-ramp", role: "img", "aria-label": `From little to much: ${said}` }, make("div", { class: "cw-map-band", style: `background:linear-gradient(to right,${colours.join(",")})` }),
      make("div", { class: "cw-map-ticks" }, ...scale.ticks.map((tick) => make("span", { class: tick.at < 0.12 ? "cw-first" : tick.at > 0.88 ? "cw-last" : null, style: `inset-inline-start:${100 * tick.at}%`, text: tick.text }))));
  }
  function others() {
    const list = make("div", { class: "cw-map-values" }), field = make("input", { class: "cw-input", type: "search", placeholder: "Find a value", "aria-label": "Find a value to colour" });
    const look = async () => {
      const found = await tell.values(field.value);
      if (found) list.replaceChildren(...found.map((one) => make("button", { type: "button", class: "cw-map-entry", title: "Give it a colour", onclick: () => tell.first(one.value) }, make("span", { class: "cw-map-name", dir: "auto", text: visible(one.text) }), make("span", { class: "cw-map-number", text: count(one.records) }))));
    };
    field.addEventListener("input", look);
    return make("details", { class: "cw-map-others", ontoggle: (event) => { if (event.target.open) look(); } }, make("summary", { text: `${count(scale.others)} more values` }), field, list);
  }
  return {
    // A scale as Python gives it, with the `name` of its key; null where nothing is coloured by.
    show(next, name) {
      scale = next;
      only = new Set();
      host.hidden = !scale;
      if (!scale) return host.replaceChildren();
      const last = scale.colours.length - 1;
      host.replaceChildren(make("div", { class: "cw-map-title", dir: "auto", text: name + (scale.note && scale.ticks.length ? ` (${scale.note})` : "") }),
        ...(scale.ticks.length ? [ramp()] : []), ...scale.entries.map((one) => entry(one.code, one.text, one.records, one.whole)),
        ...(scale.others ? [entry(last, "others", scale.rest), others()] : []), ...(scale.missing ? [entry(0, "missing", scale.missing)] : []),
        ...(scale.note && !scale.ticks.length ? [make("div", { class: "cw-dim", text: scale.note })] : []));
    },
  };
}
