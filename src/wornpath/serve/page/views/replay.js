// Looking back on a run step by step: a slider over its moments, and a clock that goes through them.

import { button, fill, h } from "../lib/dom.js";
import { replayTo, store } from "../lib/data.js";
import { t } from "../lib/i18n.js";

const SPEEDS = [1, 4, 16];
const BEAT = 900;
const STOPS = new Set([
  "plan.made",
  "plan.changed",
  "approval.requested",
  "evaluation.made",
  "run.paused",
  "run.resumed",
  "run.finished",
]);

/** The moments of a run worth stopping at: after how many events, and what has just happened. */
export function moments(run) {
  const out = [];
  run.events.forEach((event, i) => {
    if (STOPS.has(event.type) && !(event.type === "evaluation.made" && event.data?.scope === "subtask"))
      out.push({ count: i + 1, type: event.type, step: event.step });
  });
  return out;
}

export function replayBar({ onEnd }) {
  const { run } = store.state;
  const stops = moments(run);
  let at = 0;
  let timer = 0;
  let speed = 0;

  const slider = h("input", {
    type: "range",
    class: "replay-range",
    min: "0",
    max: String(Math.max(stops.length - 1, 0)),
    step: "1",
    "aria-label": t("replay_position"),
    on: { input: () => go(Number(slider.value)) },
  });
  const told = h("output", { class: "replay-told" });
  const playing = h("span", { class: "slot-inline" });
  const element = h(
    "section",
    { class: "replay card", "aria-label": t("replay") },
    h(
      "div",
      { class: "row" },
      button(t("first_moment"), { mark: "first", quiet: true, kind: "plain small", onclick: () => go(0) }),
      button(t("previous_moment"), { mark: "left", quiet: true, kind: "plain small", onclick: () => go(at - 1) }),
      playing,
      button(t("next_moment"), { mark: "right", quiet: true, kind: "plain small", onclick: () => go(at + 1) }),
    ),
    slider,
    told,
    h(
      "div",
      { class: "row" },
      h("span", { class: "slot-inline" }),
      button(t("replay_end"), { mark: "x", quiet: true, kind: "plain small", onclick: end }),
    ),
  );
  const rate = element.querySelector(".row:last-child .slot-inline");

  function go(to, byClock = false) {
    if (!byClock) stop();
    at = Math.max(0, Math.min(stops.length - 1, to));
    const moment = stops[at];
    slider.value = String(at);
    const words = describe(moment);
    slider.setAttribute("aria-valuetext", words);
    told.textContent = t("moment_of", { n: at + 1, all: stops.length, what: words });
    replayTo(moment ? moment.count : 0);
  }

  function describe(moment) {
    if (!moment) return "";
    if (moment.type === "evaluation.made") {
      const tool = run.steps.get(moment.step)?.action?.tool ?? "";
      return tool ? `${t("step_title", { n: moment.step })}: ${tool}` : t("drawer_verdict");
    }
    return t(`moment_${moment.type.replace(".", "_")}`);
  }

  function play() {
    if (at >= stops.length - 1) go(0, true);
    const tick = () => {
      go(at + 1, true);
      if (at >= stops.length - 1) stop();
      else timer = setTimeout(tick, BEAT / SPEEDS[speed]);
    };
    timer = setTimeout(tick, BEAT / SPEEDS[speed]);
    draw(true);
  }

  function stop() {
    clearTimeout(timer);
    timer = 0;
    draw();
  }

  function draw(focus = false) {
    const had = focus || playing.contains(document.activeElement);
    fill(
      playing,
      timer
        ? button(t("pause"), { mark: "pause", quiet: true, kind: "small", onclick: stop })
        : button(t("play"), { mark: "play", quiet: true, kind: "small", onclick: play }),
    );
    if (had) playing.firstChild.focus();
    fill(
      rate,
      button(t("speed", { n: SPEEDS[speed] }), {
        kind: "plain small",
        onclick: () => {
          speed = (speed + 1) % SPEEDS.length;
          draw();
          rate.firstChild.focus();
        },
      }),
    );
  }

  function end() {
    stop();
    replayTo(null);
    onEnd();
  }

  draw();
  go(0);
  return { element, focus: () => slider.focus(), close: () => clearTimeout(timer), end };
}
