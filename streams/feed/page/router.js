// The address is the state: view, opened alert or call, and every filter, so that a link shows what its sender saw.

export const VIEWS = ["alerts", "floor", "incidents", "coverage", "history", "call"];
const KEPT = ["site", "queue"]; // what one filters the whole page by survives a change of view
const listeners = new Set();

/** `/floor` or `/calls/ID` are addresses that people write down; the page itself lives at `/`. */
export function settle() {
  const [, place, ...rest] = location.pathname.split("/");
  const id = decoded(rest.join("/")); // an id may hold slashes
  if (!place) return;
  const params = new URLSearchParams(location.search);
  if (place === "calls" && id) params.set("call", id);
  params.set("view", place === "calls" ? (id ? "call" : "history") : place);
  if (place === "alerts" && id) params.set("alert", id);
  history.replaceState(null, "", `/?${params}`);
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // not an address that anybody made; what it names is not there, and is told so
  }
}

export function route() {
  const params = new URLSearchParams(location.search);
  const view = params.get("view");
  return { view: VIEWS.includes(view) ? view : params.get("call") && !params.get("alert") ? "call" : "alerts", params };
}

/** The address of a view with these parameters; `null` and "" leave one out. */
export function href(view, values = {}) {
  const params = new URLSearchParams();
  if (view !== "alerts") params.set("view", view);
  const current = new URLSearchParams(location.search);
  for (const name of KEPT) if (!(name in values)) for (const value of current.getAll(name)) params.append(name, value);
  for (const [name, value] of Object.entries(values)) put(params, name, value);
  const text = params.toString();
  return text ? `?${text}` : "/";
}

/** The present address with some parameters changed. */
export function changed(values) {
  const params = new URLSearchParams(location.search);
  for (const [name, value] of Object.entries(values)) put(params, name, value);
  const text = params.toString();
  return text ? `?${text}` : "/";
}

function put(params, name, value) {
  params.delete(name);
  for (const item of [value].flat()) if (item !== null && item !== undefined && item !== "") params.append(name, item);
}

export function go(address, { replace = false } = {}) {
  if (address === (location.search || "/")) return;
  history[replace ? "replaceState" : "pushState"](null, "", address);
  tell();
}

export function onRoute(listener) {
  listeners.add(listener);
}

function tell() {
  for (const listener of listeners) listener(route());
}

addEventListener("popstate", tell);

/** Plain clicks on links of this page stay in this page. */
addEventListener("click", (event) => {
  const link = event.target.closest?.("a[href]");
  if (!link || event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey) return;
  const address = link.getAttribute("href");
  if (!address.startsWith("?") && address !== "/") return;
  event.preventDefault();
  // An alert opens beside the list as it is now, not as it was when the link was drawn.
  go(link.dataset.alert && route().view === "alerts" ? changed({ alert: link.dataset.alert }) : address);
});
