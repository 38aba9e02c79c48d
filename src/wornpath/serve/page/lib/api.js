// Requests to the server this page came from. All addresses are relative to the document, so that it works under /t/TOKEN/ too.

import { parseJson } from "./json.js";

const ROOT = new URL("api/v1/", document.baseURI);

/** What a refused request said: `title` and `detail` of its problem document, `status`, and `offline` when there was no answer. */
export class Problem extends Error {
  constructor(detail, { status = 0, title = "" } = {}) {
    super(detail || title || `HTTP ${status}`);
    this.status = status;
    this.title = title;
    this.offline = status === 0;
  }
}

export function address(path, query = {}) {
  const url = new URL(path, ROOT);
  for (const [name, value] of Object.entries(query)) {
    if (value !== null && value !== undefined && value !== "") url.searchParams.set(name, value);
  }
  return url;
}

async function request(method, path, { query, body, signal } = {}) {
  const options = { method, signal, credentials: "same-origin", headers: { Accept: "application/json" } };
  if (body instanceof FormData) options.body = body;
  else if (body !== undefined) {
    options.body = JSON.stringify(body);
    options.headers["Content-Type"] = "application/json";
  }
  let response;
  try {
    response = await fetch(address(path, query), options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem("", { title: "offline" });
  }
  const text = await response.text();
  let data = null;
  try {
    data = text ? parseJson(text) : null;
  } catch {
    data = null;
  }
  if (!response.ok) throw new Problem(data?.detail, { status: response.status, title: data?.title ?? response.statusText });
  return data;
}

export const get = (path, query, signal) => request("GET", path, { query, signal });
export const post = (path, body = {}) => request("POST", path, { body });
export const remove = (path) => request("DELETE", path);

/** A path inside a run's workspace as part of an address: its slashes stay, everything else is escaped. */
export const escaped = (path) => path.split("/").map(encodeURIComponent).join("/");

export const artifactAddress = (run, path, inline = false) =>
  address(`runs/${encodeURIComponent(run)}/artifacts/${escaped(path)}`, inline ? { inline: 1 } : {}).href;

/** The first LIMIT bytes of an artefact as text, and whether that is all of it. */
export async function artifactText(run, path, limit = 400_000) {
  let response;
  try {
    response = await fetch(artifactAddress(run, path, true), { credentials: "same-origin" });
  } catch {
    throw new Problem("", { title: "offline" });
  }
  if (!response.ok) {
    const problem = await response.json().catch(() => ({}));
    throw new Problem(problem.detail, { status: response.status, title: problem.title });
  }
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  let text = "";
  let bytes = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return { text: text + decoder.decode(), whole: true };
    bytes += value.length;
    text += decoder.decode(value, { stream: true });
    if (bytes > limit) {
      await reader.cancel();
      return { text: text.slice(0, limit), whole: false };
    }
  }
}
