// A small menu at a place: items by arrows, Enter, Escape or the mouse.

import { make } from "./dom.js";

// items: {text, do, checked, off} or null for a line. `root` is the workbench, `near` what it belongs to.
export function openMenu(root, near, items, { x = null, y = null } = {}) {
  const menu = make("div", { class: "cw-menu", role: "menu" });
  const before = root.getRootNode().activeElement;
  for (const item of items) {
    if (!item) { menu.append(make("div", { class: "cw-line", role: "separator" })); continue; }
    const toggles = item.checked !== undefined;
    menu.append(make("button", { type: "button", role: toggles ? "menuitemcheckbox" : "menuitem", tabindex: "-1",
      "aria-checked": toggles ? String(item.checked) : null, disabled: item.off, text: item.text,
      onclick: () => { close(); item.do(); } }));
  }
  root.append(menu);
  const frame = root.getBoundingClientRect(), box = near.getBoundingClientRect();
  const left = (x ?? box.left) - frame.left, top = (y ?? box.bottom) - frame.top;
  menu.style.left = `${Math.max(0, Math.min(left, frame.width - menu.offsetWidth - 4))}px`;
  menu.style.top = `${Math.max(0, Math.min(top, frame.height - menu.offsetHeight - 4))}px`;
  const buttons = [...menu.querySelectorAll("button:not(:disabled)")];
  buttons[0]?.focus({ preventScroll: true });
  const place = () => buttons.indexOf(root.getRootNode().activeElement);
  menu.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) buttons[(place() + step + buttons.length) % buttons.length].focus();
    else if (event.key === "Home") buttons[0].focus();
    else if (event.key === "End") buttons.at(-1).focus();
    else if (event.key === "Escape" || event.key === "Tab") close();
    else if (event.key !== "Enter" && event.key !== " ") return event.stopPropagation();
    if (event.key !== "Enter" && event.key !== " ") event.preventDefault();
    event.stopPropagation();
  });
  menu.addEventListener("focusout", (event) => { if (!menu.contains(event.relatedTarget)) close(false); });
  menu.addEventListener("contextmenu", (event) => event.preventDefault());
  let open = true;
  function close(back = true) {
    if (!open) return;
    open = false;
    menu.remove();
    if (back) before?.focus?.({ preventScroll: true });
  }
  return close;
}
