// Elements without a framework and without innerHTML: what a call says can never become markup.

const SVG = "http://www.w3.org/2000/svg";

export function h(tag, props, ...children) {
  return filled(document.createElement(tag), props, children);
}

export function svg(tag, props, ...children) {
  return filled(document.createElementNS(SVG, tag), props, children);
}

function filled(element, props, children) {
  for (const [name, value] of Object.entries(props || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "value") element.value = value;
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  append(element, children);
  return element;
}

export function append(element, children) {
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    element.append(child instanceof Node ? child : String(child));
  }
  return element;
}

export function replace(element, ...children) {
  element.replaceChildren();
  return append(element, children);
}

const LIKE = ["data-action", "data-alert", "data-turn", "href", "id"]; // what says of two elements that they do the same

/**
 * Does `change`, which draws `root` again. An element that is taken out of the page loses the focus, even where it is
 * put back at once: the focus goes to the element that does the same, else to what `otherwise(held)` gives.
 */
export function keepingFocus(root, change, otherwise = () => null) {
  const held = root.contains(document.activeElement) ? document.activeElement : null;
  const at = held ? alike(root, held).indexOf(held) : 0;
  change();
  if (!held || root.contains(document.activeElement)) return;
  const same = alike(root, held);
  giveFocus(root.contains(held) ? held : same[at] ?? same.at(-1), () => otherwise(held));
}

/** Gives the focus back to `held`, which had it before, or to what does the same by now, else to the title of what is shown. */
export function giveBack(held, root = document.body) {
  if (!held || held === document.body) return; // nothing had it
  giveFocus(root.contains(held) ? held : alike(root, held)[0], () => document.querySelector("#alert-title, #view-title") || document.getElementById("main"));
}

/** What is hidden, folded up or switched off takes no focus. */
function giveFocus(element, otherwise) {
  element?.focus({ preventScroll: true });
  if (document.activeElement !== element) otherwise()?.focus({ preventScroll: true });
}

/** What does the same in `root`, in the order of the page; of a card (data-id), only what is on the same card. */
function alike(root, held) {
  const name = LIKE.find((attribute) => held.hasAttribute(attribute));
  if (!name) return [];
  const card = (node) => node.closest("[data-id]")?.dataset.id;
  return [...root.querySelectorAll(`${held.localName}[${name}="${CSS.escape(held.getAttribute(name))}"]`)].filter((node) => card(node) === card(held));
}

/** Text that may be of another direction than the page: names, ids, words. */
export function bdi(text, lang) {
  return h("bdi", { lang }, text ?? "–");
}

/** Writes only what differs: a page that is open all day repaints as little as it can. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Text for screen readers alone. */
export function hidden(text) {
  return h("span", { class: "sr" }, text);
}

const ICONS = {
  critical: ["M7.7 1.5h8.6l6.2 6.2v8.6l-6.2 6.2H7.7L1.5 16.3V7.7z", "M12 6.5v7M12 17.2v.3"],
  warning: ["M12 2.2 23 21.5H1z", "M12 9v6M12 18v.3"],
  info: ["M12 1.5a10.5 10.5 0 1 0 0 21 10.5 10.5 0 0 0 0-21z", "M12 11v6.5M12 6.8v.3"],
};

/** Severity by shape first, colour second: octagon, triangle, disc. */
export function severityIcon(severity) {
  const [shape, sign] = ICONS[severity] || ICONS.info;
  return svg("svg", { class: `sev ${severity}`, viewBox: "0 0 24 24", "aria-hidden": "true", focusable: "false" },
    svg("path", { class: "shape", d: shape }), svg("path", { class: "sign", d: sign }));
}

const GLYPHS = {
  check: "M4 12.5l5.2 5.5L20 6.5",
  clock: "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM12 7v5.5l3.5 2",
  close: "M5 5l14 14M19 5L5 19",
  user: "M12 12.5a4.5 4.5 0 1 0 0-9 4.5 4.5 0 0 0 0 9zM3.5 21c.8-4.5 4.3-6.5 8.5-6.5s7.7 2 8.5 6.5",
  note: "M5 3.5h14v12l-5 5H5zM8.5 8.5h7M8.5 12.5h4",
  dismiss: "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM5.8 5.8l12.4 12.4",
  undo: "M8 4L4 8.5 8 13M4.5 8.5H15a5.5 5.5 0 0 1 0 11H9",
  play: "M7 4.5v15l13-7.5z",
  pause: "M8 5v14M16 5v14",
  sound: "M4 9.5v5h3.5L13 19V5L7.5 9.5zM16.5 9a4 4 0 0 1 0 6M19 6.5a8 8 0 0 1 0 11",
  mute: "M4 9.5v5h3.5L13 19V5L7.5 9.5zM17 9.5l5 5M22 9.5l-5 5",
  alerts: "M12 3a6 6 0 0 0-6 6c0 6-2.5 7-2.5 8.5h17C20.5 16 18 15 18 9a6 6 0 0 0-6-6zM9.5 20.5c1.3 1.3 3.7 1.3 5 0",
  floor: "M3.5 3.5h7v7h-7zM13.5 3.5h7v7h-7zM3.5 13.5h7v7h-7zM13.5 13.5h7v7h-7z",
  incidents: "M12 5.5a2.2 2.2 0 1 0 0-4.4 2.2 2.2 0 0 0 0 4.4zM5 21a2.2 2.2 0 1 0 0-4.4A2.2 2.2 0 0 0 5 21zM19 21a2.2 2.2 0 1 0 0-4.4 2.2 2.2 0 0 0 0 4.4zM12 5.5V12M12 12l-5.6 5M12 12l5.6 5",
  coverage: "M2 12s3.6-6.5 10-6.5S22 12 22 12s-3.6 6.5-10 6.5S2 12 2 12zM12 15a3 3 0 1 0 0-6 3 3 0 0 0 0 6z",
  history: "M10.5 4a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13zM15.5 15.5L21 21",
  help: "M8.5 9a3.5 3.5 0 1 1 5 3.2c-1 .5-1.5 1-1.5 2.3M12 18.2v.3",
  back: "M14.5 5l-7 7 7 7",
  up: "M12 20V5M5.5 11L12 4.5 18.5 11",
  down: "M6 9.5l6 6 6-6",
};

export function icon(name) {
  return svg("svg", { class: `icon i-${name}`, viewBox: "0 0 24 24", "aria-hidden": "true", focusable: "false" },
    svg("path", { d: GLYPHS[name] }));
}

export function brand() {
  return svg("svg", { class: "brand-mark", viewBox: "0 0 28 28", "aria-hidden": "true" },
    svg("path", { class: "shield", d: "M14 2l10 3.5v8.2c0 6-4.3 10.4-10 12.3C8.3 24.1 4 19.7 4 13.7V5.5z" }),
    svg("path", { class: "pulse", d: "M7.5 14h3.3l2-4.2 3 7.8 1.9-3.6h3" }));
}
