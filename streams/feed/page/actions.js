// What a supervisor does about an alert. Each answers once the server has it on calls.feedback; each but a note can be
// taken back.

import { get, post } from "./api.js";
import { h } from "./dom.js";
import { ask, choices, field, tellError, toast } from "./dialogs.js";
import { draft, lastDraft } from "./drafts.js";
import { live } from "./live.js";
import { duration, t } from "./i18n.js";
import { sentence } from "./describe.js";

const SNOOZE_MINUTES = [5, 15, 30, 60, 240];
const REASONS = ["false_alert", "handled", "known", "not_important", "other"];
const UNDONE_BY = { acknowledge: "unacknowledge", unacknowledge: "acknowledge", unassign: "assign", snooze: "reopen", dismiss: "reopen" };
const UNSURE = [0, 500, 502, 503, 504]; // statuses after which it may have happened
const RETRIED = [...UNSURE, 429];
let undo = null;
let sending = null; // the stream may show an action before its answer is here; who undoes it then means that one
const people = new Set();

/** Names of colleagues, as they appear in what others did. */
export function remember(alert) {
  const feedback = alert.feedback || {};
  for (const person of [feedback.acknowledged_by, feedback.assigned_to, feedback.dismissed?.by]) if (person) people.add(person);
}

export async function act(action, alert) {
  if (!alert) return;
  const body = await details(action, alert);
  if (!body) return;
  const taken = action === "assign" && !body.to && alert.feedback?.assigned_to;
  sending = taken ? send("unassign", alert, {}) : send(action, alert, body);
  await sending;
}

async function details(action, alert) {
  const about = sentence(alert).text;
  if (action === "snooze") {
    const answer = await ask(t("action.snooze"), choices("minutes", SNOOZE_MINUTES.map((n) => [String(n), duration(n * 60_000)]), "15"), { submit: t("action.snooze"), about });
    return answer && { minutes: Number(answer.minutes) };
  }
  if (action === "assign") {
    if (live.me?.user) people.add(live.me.user);
    const had = alert.feedback?.assigned_to;
    const field_ = h("input", { name: "to", required: !had, list: "people", autocomplete: "off", maxlength: 120, value: had || live.me?.user || "", autofocus: true });
    const names = h("datalist", { id: "people" }, [...people].map((person) => h("option", { value: person })));
    const fields = [field(t("assign.to"), field_), names, had ? h("p", { class: "soft" }, t("assign.empty")) : null];
    const answer = await ask(t("action.assign"), fields, { submit: t("action.assign"), about });
    return answer && { to: answer.to.trim() };
  }
  if (action === "dismiss") {
    const more = h("textarea", { name: "text", rows: 2, maxlength: 1000 });
    const answer = await ask(t("action.dismiss"), [h("p", { class: "question" }, t("dismiss.why")), choices("reason", REASONS.map((reason) => [reason, t(`reason.${reason}`)]), REASONS[0]), field(t("dismiss.more"), more)], { submit: t("action.dismiss"), about, draft: kept(action, alert) });
    return answer && { reason: [answer.reason, answer.text.trim()].filter(Boolean).join(": "), right: answer.reason !== "false_alert" };
  }
  if (action === "note") {
    const answer = await ask(t("action.note"), field(t("note.text"), h("textarea", { name: "text", rows: 4, required: true, maxlength: 2000, autofocus: true })), { submit: t("note.save"), about, draft: kept(action, alert) });
    return answer && answer.text.trim() && { text: answer.text.trim() };
  }
  return {};
}

async function send(action, alert, body, { quiet = false } = {}) {
  try {
    const answer = await post(`/api/alerts/${encodeURIComponent(alert.alert_id)}/${action}`, body);
    live.tellAlert(answer);
    kept(action, alert).write("");
    if (quiet) return;
    const back = action === "assign" ? (alert.feedback?.assigned_to ? "assign" : "unassign") : UNDONE_BY[action];
    undo = back && (() => takeBack(back, alert));
    toast(t(`done.${action}`, { who: body.to || "", span: body.minutes ? duration(body.minutes * 60_000) : "" }), back ? { action: t("action.undo"), run: runUndo } : {});
  } catch (error) {
    // Where nobody answered it may have happened all the same. What was written is still there to be sent.
    const again = RETRIED.includes(error.status) && { action: t("action.retry"), run: () => act(action, alert) };
    tellError(error, { ...again, more: UNSURE.includes(error.status) ? t("action.unsure") : "" });
  }
}

const kept = (action, alert) => draft(live.me?.user, alert.alert_id, action);

/** After the page was taken away: what one was writing can be gone on with. */
export async function offerDraft() {
  const last = lastDraft(live.me?.user);
  if (!last) return;
  const asked = () => get(`/api/alerts/${encodeURIComponent(last.alert_id)}`);
  const alert = await asked().catch(() => null);
  if (alert && isThere(last, alert.feedback)) return kept(last.action, alert).write("");
  const goOn = async () => act(last.action, await asked());
  toast(t("draft.kept"), { action: t("draft.go_on"), run: () => goOn().catch(tellError), stays: true });
}

/** The server had it, though the page went before the answer came. */
function isThere({ action, by, text }, { notes = [], dismissed }) {
  if (action === "note") return notes.some((note) => note.by === by && note.text === text.trim());
  return dismissed?.by === by && dismissed.reason.endsWith(text.trim());
}

const takeBack = (action, alert) => send(action, alert, action === "assign" ? { to: alert.feedback.assigned_to } : {}, { quiet: true });

export async function runUndo() {
  await sending;
  const run = undo;
  undo = null;
  if (run) run().then(() => toast(t("done.undo")));
  else toast(t("undo.nothing"));
}
