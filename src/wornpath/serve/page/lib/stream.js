// The live event stream. It is taken up again after a break where it left off (Last-Event-ID, or `after`), so nothing is lost.

import { address } from "./api.js";
import { parseJson } from "./json.js";

const HIDDEN_FOR = 60_000; // a browser gives one host six connections over all tabs: a tab nobody looks at gives its one back
const SLOWEST = 15_000;

/**
 * Listen to the server. `onEvent(event)`, `onText(piece)`, `onRun(row)` get what comes; `onState("live" | "lost" | "resting")` how it
 * stands; `onOpen()` is called at every connection, for what may have been missed without a position to go on from.
 */
export function listen({ onEvent, onText, onRun, onState, onOpen }) {
  let source = null;
  let position = null;
  let wait = 500;
  let retry = 0;
  let rest = 0;
  let closed = false;

  const parse = (message, take) => {
    try {
      take(parseJson(message.data));
    } catch (error) {
      console.warn("an event of the stream could not be used", error);
    }
  };

  function open() {
    clearTimeout(retry);
    source?.close();
    source = new EventSource(address("events", { after: position }), { withCredentials: true });
    source.addEventListener("open", () => {
      wait = 500;
      onState("live");
      onOpen();
    });
    source.addEventListener("event", (message) => {
      if (message.lastEventId) position = message.lastEventId;
      parse(message, onEvent);
    });
    source.addEventListener("text", (message) => parse(message, onText));
    source.addEventListener("run", (message) => parse(message, onRun));
    source.addEventListener("error", () => {
      // The browser tries again by itself only after some kinds of failure, so this page does it in every case.
      source?.close();
      source = null;
      if (closed) return;
      onState("lost");
      retry = setTimeout(open, wait);
      wait = Math.min(wait * 2, SLOWEST);
    });
  }

  function seen() {
    clearTimeout(rest);
    if (document.hidden) {
      rest = setTimeout(() => {
        clearTimeout(retry);
        source?.close();
        source = null;
        onState("resting");
      }, HIDDEN_FOR);
    } else if (!source) open();
  }

  document.addEventListener("visibilitychange", seen);
  window.addEventListener("online", () => !source && !closed && open());
  window.addEventListener("pagehide", () => source?.close());
  window.addEventListener("pageshow", (event) => event.persisted && open());
  open();
  return {
    reconnect: open,
    close() {
      closed = true;
      clearTimeout(retry);
      source?.close();
    },
  };
}
