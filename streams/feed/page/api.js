// Requests to the server, and its refusals in words with a remedy.

import { tellClock } from "./clock.js";
import { has, t } from "./i18n.js";

const TOLD_BY_SERVER = [403, 409, 422, 503]; // where the server knows more than "not found"; its words are English

export class ApiError extends Error {
  constructor(status, detail, retryAfterS) {
    const key = has(`error.${status}`) ? `error.${status}` : status >= 500 ? "error.500" : "error.other";
    super(t(key, { status, seconds: retryAfterS || 30 }));
    this.status = status;
    this.detail = TOLD_BY_SERVER.includes(status) ? detail : "";
    this.remedy = t(`${key}.remedy`, { seconds: retryAfterS || 30 });
  }
}

const ANSWER_MS_MAX = 60_000; // proxies wait no longer; a line that died breaks nothing off, and a list would wait, and ask nothing else, for ever

let me = { user: null, csrf: "" };

/** Whose actions these are; `csrf` is what each must bring. */
export function useSession(given) {
  me = given;
}

export async function get(path, query, { signal } = {}) {
  const late = AbortSignal.timeout(ANSWER_MS_MAX);
  return answered(path + search(query), { signal: signal ? AbortSignal.any([signal, late]) : late });
}

/** Where a call is asked for: no address can end in "." or "..", which are names as good as any. */
export const callPath = (call_id) => (/^\.{1,2}$/.test(call_id) ? `/api/calls/?id=${call_id}` : `/api/calls/${encodeURIComponent(call_id)}`);

export async function post(path, body) {
  try {
    return await posted(path, body);
  } catch (error) {
    if (error.status !== 403 || !(await renewed())) throw error;
    return posted(path, body);
  }
}

/** Whether one has logged in again since, in another tab: the session that this page began with is then over. */
async function renewed() {
  const now = await get("/api/me");
  // This page shows what somebody else may see: nothing is done under another's name.
  if (now.user !== me.user) return location.reload(), false;
  const other = now.csrf !== me.csrf;
  me = now;
  return other;
}

async function posted(path, body) {
  const headers = { "Content-Type": "application/json", "X-CSRF-Token": me.csrf || "" };
  return answered(path, { method: "POST", headers, body: JSON.stringify(body || {}) });
}

async function answered(url, options) {
  let response;
  const asked = Date.now();
  try {
    response = await fetch(url, { credentials: "same-origin", cache: "no-store", ...options });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, "");
  }
  tellClock(response, asked);
  if (response.status === 401) goToLogin();
  const body = await response.json().catch((error) => {
    if (error.name === "AbortError") throw error;
    if (response.ok && error.name !== "SyntaxError") throw new ApiError(0, ""); // broken off half way, it is no answer
    return null;
  });
  if (!response.ok) throw new ApiError(response.status, detailOf(body), Number(response.headers.get("Retry-After")));
  return body;
}

function detailOf(body) {
  if (!body) return "";
  if (typeof body.detail === "string") return body.detail;
  if (typeof body.title === "string") return [body.field, body.title, body.remedy].filter(Boolean).join(": ");
  return "";
}

/** Back to the login page, and from there to where one was. */
export function goToLogin() {
  const next = location.pathname + location.search;
  location.assign(`/login?next=${encodeURIComponent(next)}`);
}

/** `{site: ["a", "b"], q: ""}` as `?site=a&site=b`; what is empty is left out. */
export function search(query) {
  const params = new URLSearchParams();
  for (const [name, value] of Object.entries(query || {})) {
    for (const item of [value].flat()) {
      if (item !== null && item !== undefined && item !== "") params.append(name, item);
    }
  }
  const text = params.toString();
  return text ? `?${text}` : "";
}
