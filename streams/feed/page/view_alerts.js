// The alerts: a list that lives, worst first, and beside it the one that is open.

import { act, remember } from "./actions.js";
import { AlertPanel } from "./alert_panel.js";
import { alertRow } from "./alert_row.js";
import { append, h, icon, replace, setText } from "./dom.js";
import { tellError } from "./dialogs.js";
import { isOpen, newestFirst, worstFirst } from "./describe.js";
import { placeBar, matcher, query } from "./filters.js";
import { LiveList } from "./list.js";
import { batched, Collection, live } from "./live.js";
import { t } from "./i18n.js";
import { failure } from "./app_parts.js";
import { changed, go } from "./router.js";

const NAMES = ["severity", "site", "queue", "agent", "cause", "rule", "party"];
const RECOUNT_MS = 60_000; // what time alone opens and closes: snoozes that end, calls that fell silent

export class AlertsView {
  title = "nav.alerts";

  mount(main, params) {
    this.bar = h("div", { class: "bar-slot" });
    this.pill = h("button", { type: "button", class: "pill", hidden: true, onclick: () => this.list.toTop() });
    this.scroller = h("div", { class: "list-scroll" });
    this.count = h("p", { class: "count soft" });
    this.note = h("div", { class: "empty", hidden: true });
    this.list = new LiveList({
      scroller: this.scroller, label: t("nav.alerts"), id: (alert) => alert.alert_id, above: (n) => this.tellAbove(n), more: () => this.collection.more().catch(tellError),
      render: (alert) => alertRow(alert, { onack: live.me?.role === "analyst" ? null : (item) => act(item.feedback?.acknowledged_by ? "unacknowledge" : "acknowledge", item) }),
    });
    this.scroller.prepend(this.columnHeads());
    append(this.scroller, [this.note]);
    this.side = h("div", { class: "side" });
    this.layout = h("div", { class: "split" }, h("div", { class: "list-pane" }, this.pill, this.scroller), this.side);
    replace(main, h("div", { class: "alerts-view" }, this.bar, this.layout));
    this.draw = batched(() => this.paint());
    this.timer = setInterval(() => this.recount(), RECOUNT_MS);
    this.update(params);
  }

  columnHeads() {
    const heads = ["severity", "what", "who", "where", "call", "cause", "hands", "since"];
    return h("div", { class: "heads", "aria-hidden": "true" }, heads.map((name) => h("span", { class: `cell ${name}` }, t(`head.${name}`))));
  }

  update(params) {
    const all = params.get("state") === "all";
    const asked = [...NAMES, "q", "state", "call"].map((name) => params.getAll(name).join("\n")).join("\t");
    if (asked !== this.asked) {
      this.asked = asked;
      this.reload(params, all);
    }
    this.openAlert(params.get("alert"));
  }

  reload(params, all) {
    const state = h("div", { class: "segments", role: "group", "aria-label": t("filter.state") }, ["open", "all"].map((value) =>
      h("button", { type: "button", id: `state-${value}`, class: (value === "all") === all ? "on" : "", "aria-pressed": String((value === "all") === all), onclick: () => go(changed({ state: value === "all" ? "all" : null })) }, t(`filter.state.${value}`))));
    placeBar(this.bar, NAMES, params, { search: "filter.search", extra: [state, this.count] });
    const matches = matcher(params, NAMES);
    this.all = all;
    this.collection?.close();
    this.collection = new Collection({
      path: "/api/alerts", kind: "alert", query: { ...query(params, NAMES), state: all ? "all" : "open" },
      matches: (alert) => matches(alert) && (all || isOpen(alert)), change: () => this.draw(), added: remember, whole: params.has("q"),
    });
    replace(this.note, t("loading"));
    this.note.hidden = false;
    const { collection } = this;
    collection.load().catch((error) => {
      if (collection.closed) return;
      this.list.draw([], () => ""); // what other filters had found would stand there as the answer to these
      failure(this.note, error, () => collection.load());
    });
  }

  recount() {
    if (!this.collection.loaded || document.hidden) return;
    this.collection.load().catch(() => {}); // the connection's state is told at the head of the page
  }

  paint() {
    if (this.closed || !this.collection.loaded) return;
    const items = [...this.collection.items.values()].sort(this.all ? newestFirst : worstFirst);
    items.forEach(remember);
    this.list.hasMore = Boolean(this.collection.next);
    this.list.draw(items, (rest) => t("list.more", { n: Math.max(rest, this.collection.count - this.list.cap) }));
    setText(this.count, t("list.count", { n: this.collection.count }));
    this.note.hidden = items.length > 0;
    if (!items.length) replace(this.note, icon("check"), h("p", null, t(this.asked.trim() ? "list.none.filtered" : "list.none")));
    this.mark();
  }

  tellAbove(n) {
    this.pill.hidden = n === 0;
    if (n) replace(this.pill, icon("up"), t("list.above", { n }));
  }

  mark() {
    for (const [id, { row, focus }] of this.list.rows) {
      const open = id === this.panel?.alert_id;
      row.classList.toggle("open", open);
      if (open) focus.setAttribute("aria-current", "true");
      else focus.removeAttribute("aria-current");
    }
  }

  openAlert(id) {
    if ((this.panel?.alert_id ?? null) === id) return;
    const had = this.panel?.element.contains(document.activeElement);
    const before = this.panel?.alert_id;
    this.panel?.close();
    this.panel = id ? new AlertPanel(id, () => this.closeAlert()) : null;
    this.layout.classList.toggle("opened", Boolean(id));
    if (this.panel) {
      this.side.replaceChildren(this.panel.element);
      this.panel.open(this.collection.items.get(id));
      if (had || !this.stepping) this.panel.focus();
    } else if (had) this.list.focusRow(before) || this.list.step(0);
    this.stepping = false;
    this.mark();
  }

  closeAlert() {
    const id = this.panel?.alert_id;
    go(changed({ alert: null }));
    if (!this.list.focusRow(id)) this.list.step(0);
  }

  /** j and k; an open panel follows. */
  step(by) {
    const at = this.panel && !this.list.element.contains(document.activeElement) ? this.panel.alert_id : null;
    if (at) this.list.focusRow(at);
    const alert = this.list.step(by);
    if (!alert || !this.panel || alert.alert_id === this.panel.alert_id) return;
    clearTimeout(this.stepTimer);
    this.stepTimer = setTimeout(() => {
      this.stepping = true;
      go(changed({ alert: alert.alert_id }), { replace: true });
    }, 120);
  }

  key(name) {
    if (name === "j") this.step(1);
    else if (name === "k") this.step(-1);
    else if (name === "Enter") this.enter();
    else if (name === "Escape") return this.panel ? (this.closeAlert(), true) : false;
    else if (name === "p") this.panel?.player?.toggle();
    else if (name === "u" && this.panel?.asleep()) act("reopen", this.panel.alert);
    else return this.action(name);
    return true;
  }

  enter() {
    if (this.panel?.alert_id === this.list.current) this.panel.focus();
    else this.list.rows.get(this.list.current)?.focus.click();
  }

  action(name) {
    const verb = { a: "acknowledge", s: "snooze", d: "dismiss", n: "note", m: "assign" }[name];
    if (!verb) return false;
    const inPanel = this.panel && !this.list.element.contains(document.activeElement);
    const alert = inPanel ? this.panel.alert : this.list.currentItem();
    if (alert) act(verb === "acknowledge" && alert.feedback?.acknowledged_by ? "unacknowledge" : verb, alert);
    return true;
  }

  close() {
    this.closed = true;
    clearInterval(this.timer);
    this.collection?.close();
    this.panel?.close();
  }
}
