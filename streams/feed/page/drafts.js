// What one is writing about an alert is kept until the server has it: a session that ends takes the page away, a server
// that is down refuses. It stays in this tab, with the name of who wrote it, and goes when that one leaves.

const STORED = "vigie.drafts";
const KEPT_MAX = 20;

function all() {
  try {
    return JSON.parse(sessionStorage.getItem(STORED)) || [];
  } catch {
    return []; // storage may be refused; then a text lives as long as its dialog
  }
}

function put(drafts) {
  try {
    sessionStorage.setItem(STORED, JSON.stringify(drafts.slice(-KEPT_MAX)));
  } catch {
    // as above
  }
}

const is = (by, alert_id, action) => (draft) => draft.by === by && draft.alert_id === alert_id && draft.action === action;

/** The text of one action on one alert: `read()`, and `write(text)`, where "" forgets it. */
export function draft(by, alert_id, action) {
  const mine = is(by, alert_id, action);
  return {
    read: () => all().find(mine)?.text ?? "",
    write: (text) => put([...all().filter((other) => !mine(other)), ...(text.trim() ? [{ by, alert_id, action, text }] : [])]),
  };
}

/** What `by` wrote last and nobody has yet. */
export const lastDraft = (by) => all().findLast((one) => one.by === by) ?? null;

export function forgetDrafts() {
  put([]);
}
