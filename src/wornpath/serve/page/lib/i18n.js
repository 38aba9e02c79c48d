// The words of the page in English and Chinese. What the agent and its tools say is not translated.

import en from "../words/en.js";
import zh from "../words/zh.js";

const BOOKS = { en, zh };
const KEPT = "wornpath.language";

export function storedLanguage() {
  try {
    return localStorage.getItem(KEPT);
  } catch {
    return null;
  }
}

let language = BOOKS[storedLanguage()] ? storedLanguage() : browserLanguage();

function browserLanguage() {
  const first = (navigator.languages ?? [navigator.language]).find((name) => /^(en|zh)\b/i.test(name ?? ""));
  return /^zh\b/i.test(first ?? "") ? "zh" : "en";
}

export const currentLanguage = () => language;

/** Use LANGUAGE from now on, and keep it for the next visit. */
export function setLanguage(name) {
  language = BOOKS[name] ? name : "en";
  try {
    localStorage.setItem(KEPT, language);
  } catch {
    // a browser that keeps nothing still shows the page
  }
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
}

/** The words for KEY with {names} filled in. A count `n` of 1 takes KEY_one where there is one. */
export function t(key, values = {}) {
  const book = BOOKS[language];
  const one = values.n === 1 ? book[`${key}_one`] : undefined;
  const text = one ?? book[key] ?? en[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
}

/** The words for KEY, or nothing where the books have none: for values that come from the server. */
export const known = (key) => BOOKS[language][key] ?? en[key];

document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
