// Numbers, times and calls for people.

import { currentLanguage, t } from "./i18n.js";

const locale = () => (currentLanguage() === "zh" ? "zh-CN" : "en");

export const number = (value, digits = 0) =>
  new Intl.NumberFormat(locale(), { maximumFractionDigits: digits, minimumFractionDigits: digits }).format(value ?? 0);

/** 1234 as 1.2k: for places where a row has little room. */
export function short(value) {
  const n = value ?? 0;
  if (Math.abs(n) < 1000) return String(n);
  if (Math.abs(n) < 999_500) return `${(n / 1000).toFixed(n < 9950 ? 1 : 0)}k`;
  return `${(n / 1_000_000).toFixed(1)}M`;
}

export const signed = (value, digits = 2) => `${value >= 0 ? "+" : "−"}${Math.abs(value).toFixed(digits)}`;
/** The class for a reward: talking and acting cost a little at every step, and only more than that is worth a colour. */
export const tone = (reward) => (reward > 0 ? "plus" : reward < -0.04 ? "minus" : "muted");

export const percent = (value) => `${Math.round(value * 100)}%`;
export const money = (value) => `$${(value ?? 0).toFixed(value < 0.1 ? 4 : 2)}`;

export function seconds(value) {
  if (value === null || value === undefined) return "";
  if (value < 10) return t("unit_s", { s: value.toFixed(value < 0.1 ? 2 : 1) });
  if (value < 59.5) return t("unit_s", { s: Math.round(value) });
  const minutes = Math.floor(value / 60);
  if (minutes < 60) return t("unit_min_s", { min: minutes, s: Math.floor(value % 60) });
  return t("unit_h_min", { h: Math.floor(minutes / 60), min: minutes % 60 });
}

export function bytes(value) {
  if (value < 1024) return `${value} B`;
  if (value < 1024 * 1024) return `${(value / 1024).toFixed(1)} KiB`;
  return `${(value / 1024 / 1024).toFixed(1)} MiB`;
}

/** Seconds since the epoch, or an ISO date, as a Date. */
export const asDate = (value) => (typeof value === "number" ? new Date(value * 1000) : new Date(value));

export function ago(value) {
  if (!value) return "";
  const past = (Date.now() - asDate(value).getTime()) / 1000;
  if (past < 45) return t("just_now");
  const relative = new Intl.RelativeTimeFormat(locale(), { numeric: "always", style: "short" });
  if (past < 3600) return relative.format(-Math.round(past / 60), "minute");
  if (past < 86_400) return relative.format(-Math.round(past / 3600), "hour");
  if (past < 7 * 86_400) return relative.format(-Math.round(past / 86_400), "day");
  return new Intl.DateTimeFormat(locale(), { dateStyle: "medium" }).format(asDate(value));
}

export const moment = (value) =>
  value ? new Intl.DateTimeFormat(locale(), { dateStyle: "medium", timeStyle: "short" }).format(asDate(value)) : "";

/** Control characters made visible, so that what is shown is what is there. */
export const visible = (text) =>
  String(text ?? "")
    .replaceAll("\r\n", "\n")
    .replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]/g, (c) => {
      const code = c.codePointAt(0);
      return code < 0x20 ? String.fromCodePoint(0x2400 + code) : `\\u${code.toString(16).padStart(4, "0")}`;
    });

export const oneLine = (text, most = 300) =>
  visible(
    String(text ?? "")
      .slice(0, most * 2)
      .replace(/\s+/g, " ")
      .trim(),
  ).slice(0, most);

/** The arguments of a call on one line: short ones before long ones, and a whole file's text only where there is nothing else. */
export function argumentsLine(values) {
  const entries = Object.entries(values ?? {}).map(([name, value]) => [name, plain(value)]);
  const telling = entries.filter(([, value]) => value.length <= 120 && !value.includes("\n"));
  const shown = telling.length ? telling : entries;
  if (shown.length === 1) return oneLine(shown[0][1]);
  shown.sort((a, b) => a[1].length - b[1].length);
  return shown.map(([name, value]) => `${name}: ${oneLine(value, 80)}`).join("  ");
}

export const plain = (value) => (typeof value === "string" ? value : JSON.stringify(value));

export const textOf = (observation) =>
  (observation?.parts ?? [])
    .filter((part) => (part.kind ?? "text") === "text")
    .map((part) => part.text ?? "")
    .join("\n");

/** The line of TEXT that says most: a traceback's last, anything else's first. */
export function tellingLine(text) {
  const lines = String(text ?? "")
    .split("\n")
    .filter((line) => line.trim());
  return oneLine(lines[0]?.includes("Traceback") ? lines.at(-1) : lines[0]);
}
