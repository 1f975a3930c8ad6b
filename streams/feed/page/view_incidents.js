// Incidents: many calls, one cause. What a trunk, a site, a queue or an agent has that others do not.

import { get } from "./api.js";
import { failure, pageHead } from "./app_parts.js";
import { bdi, h, keepingFocus, replace, severityIcon } from "./dom.js";
import { ago, causeChip, sentenceNode } from "./describe.js";
import { batched, live } from "./live.js";
import { has, percent, t, when } from "./i18n.js";
import { href } from "./router.js";

const RELOAD_MS = 3_000; // an incident is made of alerts: each may begin one, or widen it
const RECOUNT_MS = 60_000; // and time alone ends it
const CALLS_SHOWN_MAX = 24;

export class IncidentsView {
  title = "nav.incidents";

  mount(main) {
    this.body = h("div", { class: "incidents" }, h("p", { class: "soft" }, t("loading")));
    replace(main, h("div", { class: "page" }, pageHead(t("nav.incidents"), h("p", { class: "soft" }, t("incidents.about"))), this.body));
    this.reload = batched(() => this.load().catch(() => {}), RELOAD_MS);
    live.addEventListener("alert", this.reload);
    live.addEventListener("forgotten", this.reload);
    this.timer = setInterval(this.reload, RECOUNT_MS);
    this.load().catch((error) => failure(this.body, error, () => this.load()));
  }

  async load() {
    const { items } = await get("/api/incidents");
    if (this.closed) return;
    const open = items.filter((item) => item.open);
    const past = items.filter((item) => !item.open);
    const opened = new Set([...this.body.querySelectorAll("details[open]")].map((node) => node.dataset.id));
    const draw = () => {
      if (!items.length) replace(this.body, h("div", { class: "empty" }, h("p", null, t("incidents.none"))));
      else replace(this.body, open.map((item) => card(item, opened)), past.length ? [h("h3", null, t("incidents.past")), past.map((item) => card(item, opened))] : null);
    };
    keepingFocus(this.body, draw, (held) => this.body.querySelector(`[data-id="${CSS.escape(held.closest("[data-id]")?.dataset.id)}"] summary`));
  }

  update() {}

  close() {
    this.closed = true;
    clearInterval(this.timer);
    live.removeEventListener("alert", this.reload);
    live.removeEventListener("forgotten", this.reload);
  }
}

function card(item, opened) {
  const { kind, value } = item.scope;
  const title = has(`rule.${item.rule_id}`) ? t(`rule.${item.rule_id}`) : sentenceNode({ ...item, evidence: { value: 0, threshold: 0, words: [] } });
  const alerts = href("alerts", { rule: item.rule_id, state: "all", ...(kind === "trunk" ? { q: value } : { [kind]: value }) });
  return h("details", { class: `panel incident ${item.severity || "warning"}`, "data-id": item.incident_id, open: opened.has(item.incident_id) },
    h("summary", null, severityIcon(item.severity || "warning"), h("div", { class: "incident-what" }, h("b", null, title), h("span", { class: "soft" }, t(`scope.${kind}`), " ", bdi(value))),
      h("div", { class: "share", title: t("incidents.share") }, shareBar(item.share), h("span", null, t("incidents.calls", { n: item.calls.length }), " · ", percent(item.share))), causeChip(item.verdict), h("span", { class: "since soft" }, when(item.since_at), " · ", ago(item.last_at, { ended: !item.open }))),
    h("p", { class: "soft" }, t("incidents.why", { share: percent(item.share), place: `${t(`scope.${kind}`)} ${value}`, n: item.calls.length })),
    h("ul", { class: "call-links" }, item.calls.slice(0, CALLS_SHOWN_MAX).map((call) => h("li", null, h("a", { href: href("call", { call }) }, bdi(call)))), item.calls.length > CALLS_SHOWN_MAX ? h("li", { class: "soft" }, t("list.and_more", { n: item.calls.length - CALLS_SHOWN_MAX })) : null),
    h("p", null, h("a", { href: alerts }, t("incidents.alerts", { n: item.alerts.length }))));
}

function shareBar(share) {
  const fill = h("i");
  fill.style.width = `${Math.round(100 * Math.min(1, share))}%`;
  return h("span", { class: "bar", "aria-hidden": "true" }, fill);
}
