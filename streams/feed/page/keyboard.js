// One key, one thing to do; nothing while one types, and nothing at all where single keys are switched off.

import { show } from "./dialogs.js";
import { h } from "./dom.js";
import { read, t, write } from "./i18n.js";

const STORED = "vigie.keys";
const GROUPS = [
  ["keys.move", [["j", "keys.next"], ["k", "keys.previous"], ["Enter", "keys.open"], ["Esc", "keys.close"], ["/", "keys.search"]]],
  ["keys.act", [["a", "action.acknowledge"], ["m", "action.assign"], ["s", "action.snooze"], ["d", "action.dismiss"], ["n", "action.note"], ["u", "action.undo"], ["p", "keys.play"]]],
  ["keys.views", [["1", "nav.alerts"], ["2", "nav.floor"], ["3", "nav.incidents"], ["4", "nav.coverage"], ["5", "nav.history"], ["?", "keys.help"]]],
];
const TYPING = "input:not([type=checkbox]):not([type=radio]):not([type=range]),textarea,select,[contenteditable]";
const HELD = ["j", "k"]; // what is done once a key is pressed is not done again while it is held
const ARROWS = { ArrowDown: "j", ArrowUp: "k" };

export const keysOn = () => read(STORED) !== "off";

/** `handle(key)` says whether it did something; the browser's own meaning of the key stays where it did not. */
export function listen(handle) {
  addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (document.querySelector("dialog[open]")) return;
    const typing = event.target.matches?.(TYPING);
    if (typing) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    const arrow = event.target.closest?.(".rows") ? ARROWS[event.key] : null;
    if (event.repeat && !HELD.includes(arrow || event.key)) return;
    if (event.key === "Enter" || event.key === " ") {
      // A focused button or link does its own thing.
      if (event.key === " " || event.target.closest?.("a,button,summary,input,[role=button]")) return;
    }
    const single = event.key.length === 1;
    if (single && !keysOn() && event.key !== "?") return;
    if (handle(arrow || event.key)) event.preventDefault();
  });
}

export function showHelp() {
  const toggle = h("input", { type: "checkbox", checked: keysOn(), onchange: () => write(STORED, toggle.checked ? "on" : "off") });
  const groups = GROUPS.map(([title, keys]) => h("section", null, h("h3", null, t(title)), h("dl", { class: "keys" }, keys.map(([key, what]) => h("div", null, h("dt", null, h("kbd", null, key)), h("dd", null, t(what)))))));
  show(t("keys.title"), [h("div", { class: "key-groups" }, groups), h("label", { class: "option" }, toggle, h("span", null, t("keys.switch")))], { wide: true });
}
