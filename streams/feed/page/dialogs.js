// Dialogs are the platform's: it holds the focus, closes on Escape and gives the focus back.

import { giveBack, h, icon } from "./dom.js";
import { t } from "./i18n.js";

/** Ask with a form; resolves to its fields, or null when closed. `fields` are nodes with names; `draft` keeps the one called `text`. */
export function ask(title, fields, { submit, about, draft } = {}) {
  return new Promise((resolve) => {
    const before = document.activeElement;
    const form = h("form", { method: "dialog" },
      h("header", null, h("h2", { id: "dialog-title" }, title), closeButton(() => dialog.close())),
      about ? h("p", { class: "soft" }, about) : null,
      fields,
      h("footer", null,
        h("button", { type: "button", class: "quiet", onclick: () => (draft?.write(""), dialog.close()) }, t("action.cancel")),
        h("button", { type: "submit", class: "primary" }, submit || t("action.confirm"))));
    const dialog = h("dialog", { "aria-labelledby": "dialog-title", class: "dialog" }, form);
    let answer = null;
    form.addEventListener("submit", () => (answer = Object.fromEntries(new FormData(form))));
    dialog.addEventListener("close", () => {
      dialog.remove();
      giveBack(before);
      resolve(answer);
    });
    const text = draft && form.elements.text;
    if (text) {
      text.value = draft.read();
      text.addEventListener("input", () => draft.write(text.value));
    }
    closeBeside(dialog);
    document.body.append(dialog);
    dialog.showModal();
    (dialog.querySelector("[autofocus]") || dialog.querySelector("input,textarea,select,button.primary")).focus();
  });
}

/** Something to read; closes on Escape, on the cross, on a click beside it. */
export function show(title, content, { wide = false } = {}) {
  const before = document.activeElement;
  const dialog = h("dialog", { "aria-labelledby": "dialog-title", class: `dialog ${wide ? "wide" : ""}` },
    h("header", null, h("h2", { id: "dialog-title" }, title), closeButton(() => dialog.close())), content);
  dialog.addEventListener("close", () => {
    dialog.remove();
    giveBack(before);
  });
  closeBeside(dialog);
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

/** A click beside it closes a dialog; a selection that was drawn out of it does not, nor does its own margin. */
function closeBeside(dialog) {
  const beside = ({ target, clientX, clientY }) => {
    const box = dialog.getBoundingClientRect();
    return target === dialog && (clientX < box.left || clientX > box.right || clientY < box.top || clientY > box.bottom);
  };
  let began = false;
  dialog.addEventListener("pointerdown", (event) => (began = beside(event)));
  dialog.addEventListener("click", (event) => began && beside(event) && dialog.close());
}

const closeButton = (close) =>
  h("button", { type: "button", class: "icon-button", "aria-label": t("action.close"), onclick: close }, icon("close"));

export function choices(name, options, chosen) {
  return h("div", { class: "choices", role: "radiogroup" }, options.map(([value, label]) =>
    h("label", { class: "choice" }, h("input", { type: "radio", name, value, checked: value === chosen, autofocus: value === chosen }), h("span", null, label))));
}

export function field(label, input) {
  return h("label", { class: "field" }, h("span", null, label), input);
}

const TOAST_MS = 8_000;

/** One line at the foot of the page, with at most one thing to do about it. */
export function toast(text, { action, run, error = false, stays = false } = {}) {
  const toasts = document.getElementById("toasts"); // a change of language draws another
  const close = () => {
    const had = node.contains(document.activeElement);
    node.remove();
    if (had) giveBack(node);
  };
  const node = h("div", { class: `toast ${error ? "error" : ""}` }, h("p", null, text),
    action ? h("button", { type: "button", class: "quiet", onclick: () => (close(), run()) }, action) : null,
    h("button", { type: "button", class: "icon-button", "aria-label": t("action.close"), onclick: close }, icon("close")));
  while (toasts.children.length >= 3) toasts.firstElementChild.remove();
  toasts.append(node);
  if (stays) return close;
  let timer = setTimeout(close, error ? TOAST_MS * 2 : TOAST_MS);
  node.addEventListener("pointerenter", () => clearTimeout(timer));
  node.addEventListener("focusin", () => clearTimeout(timer));
  node.addEventListener("pointerleave", () => (timer = setTimeout(close, TOAST_MS)));
  return close;
}

/** What went wrong and what helps, told where the eyes are. */
export function tellError(error, { more, ...options } = {}) {
  toast([error.message, error.detail, error.remedy, more].filter(Boolean).join(" "), { error: true, ...options });
}
