// A live list that never moves what one is about to read or click. The anchor is the row with the focus, else the row
// under the pointer: it keeps its neighbour above it, and the scroll position follows whatever comes and goes around it.

import { h } from "./dom.js";

const ROWS_MAX = 200; // more rows than this are shown on request: nobody reads them at a glance

export class LiveList {
  /** `render(item)` makes `{row, focus, update(item)}`; `id(item)` is its key. */
  constructor({ scroller, label, render, id, above, more }) {
    Object.assign(this, { scroller, render, id });
    this.tellAbove = above || (() => {});
    this.space = h("div", { class: "list-space", "aria-hidden": "true" });
    this.element = h("ol", { class: "rows", "aria-label": label });
    this.moreButton = h("button", { type: "button", class: "more", hidden: true, onclick: () => this.showMore(more) });
    this.rows = new Map();
    this.order = [];
    this.cap = ROWS_MAX;
    this.hovered = null;
    this.space_px = 0;
    this.unseen = new Set();
    this.element.addEventListener("pointerover", (event) => this.hover(event));
    this.element.addEventListener("pointerleave", () => this.release());
    this.element.addEventListener("focusin", (event) => this.setCurrent(this.rowOf(event.target)));
    this.scroller.addEventListener("scroll", () => this.scrolled(), { passive: true });
    this.scroller.append(this.space, this.element, this.moreButton);
  }

  rowOf(node) {
    return node.closest?.("li")?.dataset.id ?? null;
  }

  hover(event) {
    if (event.pointerType === "mouse") this.hovered = this.rowOf(event.target);
  }

  /** The pointer has left: what was held in place may settle. */
  release() {
    this.hovered = null;
    if (this.items) this.draw(this.items, this.moreText);
  }

  anchor() {
    const focused = this.element.contains(document.activeElement) ? this.rowOf(document.activeElement) : null;
    const id = focused ?? this.hovered;
    return id && this.rows.has(id) ? id : null;
  }

  /** Show `items` in this order; `moreText(rest)` labels the button for those above the cap. */
  draw(items, moreText) {
    this.items = items;
    this.moreText = moreText;
    const anchor = this.anchor();
    const before = anchor && this.rows.get(anchor).row.getBoundingClientRect().top;
    const shown = this.held(items.slice(0, this.cap), anchor, items);
    this.reconcile(shown, anchor);
    // Held, though it no longer belongs here: shown as leaving.
    if (anchor) this.rows.get(anchor).row.classList.toggle("gone", !items.some((item) => this.id(item) === anchor));
    const asked = document.activeElement === this.moreButton;
    this.moreButton.hidden = items.length <= this.cap && !this.hasMore;
    if (!this.moreButton.hidden) this.moreButton.textContent = moreText(items.length - this.cap);
    else if (asked) this.focusRow(this.order[this.cap - ROWS_MAX] ?? this.order.at(-1)); // where what was asked for begins
    if (anchor) this.keep(this.rows.get(anchor).row, before);
    else this.relax();
    this.scrolled();
  }

  /** The anchor stays behind the row that it was behind. */
  held(items, anchor, all) {
    if (!anchor) return items;
    const held = all.find((item) => this.id(item) === anchor) ?? this.rows.get(anchor).item;
    const rest = items.filter((item) => this.id(item) !== anchor);
    const ids = new Map(rest.map((item, index) => [this.id(item), index]));
    const at = this.order.indexOf(anchor);
    for (let before = at - 1; before >= 0; before -= 1) {
      const index = ids.get(this.order[before]);
      if (index !== undefined) return rest.toSpliced(index + 1, 0, held);
    }
    const after = this.order.slice(at + 1).find((id) => ids.has(id));
    return rest.toSpliced(after === undefined ? 0 : ids.get(after), 0, held);
  }

  reconcile(items, anchor) {
    const ids = new Set(items.map(this.id));
    for (const [id, entry] of this.rows) {
      if (ids.has(id)) continue;
      entry.row.remove();
      this.rows.delete(id);
      this.unseen.delete(id);
    }
    let next = this.element.firstElementChild;
    for (const item of items) {
      const id = this.id(item);
      let entry = this.rows.get(id);
      if (!entry) {
        entry = this.render(item);
        entry.row.dataset.id = id;
        this.rows.set(id, entry);
        if (anchor || this.scroller.scrollTop > 4) this.unseen.add(id);
      } else if (entry.item !== item) entry.update(item);
      entry.item = item;
      if (entry.row === next) next = next.nextElementSibling;
      else if (id === anchor) {
        this.moveAround(entry.row, next);
        next = entry.row.nextElementSibling;
      }
      else this.element.insertBefore(entry.row, next);
    }
    this.order = items.map(this.id);
    this.setCurrent(this.current);
  }

  /** Moving a focused element would take its focus: the rows before it move behind it instead. */
  moveAround(row, next) {
    while (next && next !== row) {
      const after = next.nextElementSibling;
      this.element.append(next);
      next = after;
    }
  }

  keep(row, before) {
    let off = row.getBoundingClientRect().top - before;
    if (Math.abs(off) < 0.5) return;
    this.scroller.scrollTop += off;
    off = row.getBoundingClientRect().top - before;
    // Nothing left to scroll by: room above the list does the rest, until the anchor is let go.
    if (Math.abs(off) >= 0.5) this.setSpace(Math.max(0, this.space_px - off));
  }

  relax() {
    if (this.space_px) this.setSpace(0);
  }

  setSpace(px) {
    this.space_px = px;
    this.space.style.height = `${px}px`;
  }

  scrolled() {
    const top = this.scroller.getBoundingClientRect().top;
    for (const id of this.unseen) {
      const row = this.rows.get(id)?.row;
      if (!row || row.getBoundingClientRect().bottom > top + 8) this.unseen.delete(id);
    }
    this.tellAbove(this.unseen.size);
  }

  toTop() {
    this.setSpace(0);
    this.unseen.clear();
    this.scroller.scrollTop = 0;
    this.tellAbove(0);
  }

  showMore(more) {
    this.cap += ROWS_MAX;
    if (this.items.length < this.cap) more?.();
    this.draw(this.items, this.moreText);
  }

  /** One row is in the tab order; the arrows and j/k go on from there. */
  setCurrent(id) {
    if (!this.rows.has(id)) id = this.order[0] ?? null;
    if (this.current !== id) this.rows.get(this.current)?.focus.setAttribute("tabindex", "-1");
    this.current = id;
    this.rows.get(id)?.focus.setAttribute("tabindex", "0");
  }

  step(by) {
    if (!this.order.length) return null;
    const focused = this.element.contains(document.activeElement);
    const at = this.order.indexOf(this.current);
    const to = focused ? Math.min(this.order.length - 1, Math.max(0, at + by)) : Math.max(0, at);
    return this.focusRow(this.order[to]);
  }

  focusRow(id) {
    const entry = this.rows.get(id);
    if (!entry) return null;
    entry.focus.focus({ preventScroll: true });
    entry.row.scrollIntoView({ block: "nearest" });
    this.setCurrent(id);
    return entry.item;
  }

  currentItem() {
    return this.rows.get(this.current)?.item ?? null;
  }
}
