// Making elements. Text is text: nothing here reads HTML.

// make("button", { class: "cw-b", text: "Clear", title: "…", onclick: f, "aria-label": "…" }, child, …)
export function make(tag, given = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(given)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "text") element.textContent = value;
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children);
  return element;
}

// Put a text on the clipboard; whether that went well. Pages that are not secure have no clipboard but the old one.
export async function copyText(text, near) {
  if (navigator.clipboard) {
    try { await navigator.clipboard.writeText(text); return true; } catch { /* the old way, below */ }
  }
  const field = make("textarea", { style: "position:fixed;opacity:0", "aria-hidden": "true" });
  field.value = text;
  const before = near.getRootNode().activeElement;
  near.append(field);
  field.select();
  let done = false;
  try { done = document.execCommand("copy"); } catch { /* said by what is returned */ }
  field.remove();
  before?.focus?.({ preventScroll: true });
  return done;
}
