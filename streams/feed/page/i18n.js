// The page's words. Numbers, dates and plurals are Intl's; times are in the viewer's zone.

import { now } from "./clock.js";

export const LANGUAGES = {
  // `units`: how short a second is written; English alone writes "secs" otherwise.
  fr: { name: "Français", locale: "fr" },
  en: { name: "English", locale: "en-GB", units: "narrow" },
  // The Maghreb writes Arabic with European digits.
  ar: { name: "العربية", locale: "ar-MA-u-nu-latn", rtl: true },
  pt: { name: "Português", locale: "pt-PT" },
};
const STORED = "vigie.language";
const state = { code: "en", words: {}, plural: null, cache: new Map() };

export const language = () => state.code;
export const rtl = () => Boolean(LANGUAGES[state.code].rtl);

export function preferredLanguage() {
  const asked = new URLSearchParams(location.search).get("lang");
  const wanted = [asked, read(STORED), ...(navigator.languages || [navigator.language])];
  for (const tag of wanted) {
    const code = String(tag || "").slice(0, 2).toLowerCase();
    if (code in LANGUAGES) return code;
  }
  return "en";
}

export async function useLanguage(code, { remember = false } = {}) {
  const response = await fetch(new URL(`i18n/${code}.json`, import.meta.url));
  if (!response.ok) throw new Error(`i18n/${code}.json: ${response.status}`);
  state.words = await response.json();
  state.code = code;
  state.plural = new Intl.PluralRules(LANGUAGES[code].locale);
  state.cache.clear();
  if (remember) write(STORED, code);
  document.documentElement.lang = code;
  document.documentElement.dir = rtl() ? "rtl" : "ltr";
}

export const has = (key) => key in state.words;

/** The sentence of a key; `{name}` is filled in, and `n` chooses the plural. */
export function t(key, values = {}) {
  let template = state.words[key];
  if (template === undefined) return key;
  if (typeof template === "object") template = template[state.plural.select(values.n)] ?? template.other;
  return template.replace(/\{(\w+)\}/g, (whole, name) => {
    const value = values[name];
    if (value === undefined) return whole;
    return typeof value === "number" ? number(value) : String(value);
  });
}

/** A name that may be unknown to this version of the page: its own id then, readable. */
export function named(prefix, id) {
  const key = `${prefix}.${id}`;
  return has(key) ? t(key) : String(id).replaceAll("_", " ");
}

/** A text that records carry in several languages; another language's is better than none. */
export function inLanguage(texts) {
  if (!texts) return { text: "", lang: state.code };
  for (const code of [state.code, "en", "fr", ...Object.keys(texts)]) {
    if (texts[code]) return { text: texts[code], lang: code };
  }
  return { text: "", lang: state.code };
}

function format(kind, options) {
  const key = kind.name + JSON.stringify(options);
  if (!state.cache.has(key)) state.cache.set(key, new kind(LANGUAGES[state.code].locale, options));
  return state.cache.get(key);
}

export const number = (value, options = { maximumFractionDigits: 2 }) => format(Intl.NumberFormat, options).format(value);
export const percent = (value) => format(Intl.NumberFormat, { style: "percent", maximumFractionDigits: 0 }).format(value);

const unit = (value, name, digits = 0) =>
  format(Intl.NumberFormat, { style: "unit", unit: name, unitDisplay: LANGUAGES[state.code].units || "short", maximumFractionDigits: digits }).format(value);

/** A length of time: 8.4 s, 2 min 05 s, 3 h 10 min. */
export function duration(ms) {
  if (ms < 100 && ms > 0) return unit(ms, "millisecond");
  const seconds = ms / 1000;
  if (seconds < 10) return unit(seconds, "second", 1);
  if (seconds < 60) return unit(Math.floor(seconds), "second");
  const minutes = Math.floor(seconds / 60);
  if (minutes < 10) return join(unit(minutes, "minute"), Math.floor(seconds % 60) && unit(Math.floor(seconds % 60), "second"));
  if (minutes < 60) return unit(minutes, "minute");
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return join(unit(hours, "hour"), minutes % 60 && unit(minutes % 60, "minute"));
  return unit(Math.floor(hours / 24), "day");
}

/** How long ago, coarse enough not to flicker: a row that is read must not tick. */
export function age(ms) {
  const seconds = Math.max(0, ms / 1000);
  if (seconds < 60) return unit(Math.floor(seconds / 5) * 5, "second");
  if (seconds < 3600) return unit(Math.floor(seconds / 60), "minute");
  if (seconds < 86400) return unit(Math.floor(seconds / 3600), "hour");
  return unit(Math.floor(seconds / 86400), "day");
}

const join = (first, second) => (second ? `${first} ${second}` : first);

/** A position in the call, as players show it: 1:05. */
export function clock(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const two = (value) => String(value).padStart(2, "0");
  const hours = Math.floor(seconds / 3600);
  const rest = `${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
  return hours ? `${hours}:${rest}` : rest.replace(/^0/, "");
}

export const time = (at) => format(Intl.DateTimeFormat, { hour: "2-digit", minute: "2-digit" }).format(at);
export const exactTime = (at) => format(Intl.DateTimeFormat, { hour: "2-digit", minute: "2-digit", second: "2-digit" }).format(at);
export const dateTime = (at) => format(Intl.DateTimeFormat, { day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit", timeZoneName: "short" }).format(at);

/** Today's times are times; others carry their day. */
export function when(at) {
  const same = new Date(at).toDateString() === new Date(now()).toDateString();
  if (same) return time(at);
  return format(Intl.DateTimeFormat, { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" }).format(at);
}

export function read(key) {
  try {
    return localStorage.getItem(key);
  } catch {
    return null; // storage may be refused; the page works without it
  }
}

export function write(key, value) {
  try {
    localStorage.setItem(key, value);
  } catch {
    // as above
  }
}
