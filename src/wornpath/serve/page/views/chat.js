// A conversation about the run: the model answers from the run's events. It is not part of the run and not kept.

import { post } from "../lib/api.js";
import { button, fill, h, icon } from "../lib/dom.js";
import { onStreamedText } from "../lib/data.js";
import { visible } from "../lib/format.js";
import { t } from "../lib/i18n.js";
import { renderMarkdown } from "../lib/markdown.js";
import { empty } from "./marks.js";

const talks = new Map(); // run id → {said: [{who, text}], waiting, partial, draw}, for as long as the page is open; draw() is of the panel in view

export function chatPanel(run) {
  if (!talks.has(run.id)) talks.set(run.id, { said: [], waiting: false, partial: "", draw() {} });
  const talk = talks.get(run.id);

  const log = h("div", { class: "chat-log", role: "log", "aria-label": t("chat"), tabindex: "0" });
  const text = h("textarea", {
    class: "input",
    id: "chat-text",
    rows: "2",
    placeholder: t("chat_placeholder"),
    on: { keydown: key },
  });
  const submit = button(t("send"), { mark: "send", kind: "primary", type: "submit" });
  const form = h(
    "form",
    { class: "chat-form", on: { submit: send } },
    h("label", { class: "visually-hidden", for: "chat-text" }, t("chat_placeholder")),
    text,
    submit,
  );
  const element = h("div", { class: "chat" }, log, form);

  function key(event) {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    form.requestSubmit();
  }

  async function send(event) {
    event.preventDefault();
    const message = text.value.trim();
    if (!message || talk.waiting) return;
    text.value = "";
    talk.said.push({ who: "me", text: message });
    Object.assign(talk, { waiting: true, partial: "" });
    talk.draw();
    const stop = onStreamedText((piece) => {
      if (piece.run_id !== run.id || piece.purpose !== "chat") return;
      talk.partial += piece.text;
      talk.draw();
    });
    try {
      const { answer } = await post(`runs/${encodeURIComponent(run.id)}/chat`, { message });
      talk.said.push({ who: "model", text: answer });
    } catch (problem) {
      talk.said.push({ who: "problem", text: problem.offline ? t("offline") : problem.message });
    }
    stop();
    talk.waiting = false;
    talk.draw();
  }

  const bubble = (one) =>
    h(
      "div",
      { class: `bubble ${one.who}` },
      h("span", { class: "visually-hidden" }, `${t(`chat_${one.who}`)}: `),
      one.who === "model" ? renderMarkdown(visible(one.text)) : one.text,
    );

  function draw() {
    if (!talk.said.length) {
      const ask = (question) => {
        text.value = question;
        form.requestSubmit();
      };
      fill(
        log,
        empty(
          "chat",
          t("chat_empty"),
          h(
            "div",
            { class: "examples" },
            ["chat_example_1", "chat_example_2", "chat_example_3"].map((one) =>
              h(
                "button",
                { type: "button", class: "example", on: { click: () => ask(t(one)) } },
                icon("right"),
                h("span", null, t(one)),
              ),
            ),
          ),
        ),
      );
    } else
      fill(
        log,
        talk.said.map(bubble),
        talk.waiting
          ? h(
              "div",
              { class: "bubble model" },
              talk.partial
                ? renderMarkdown(visible(talk.partial))
                : h("span", { class: "typing", role: "img", "aria-label": t("thinking") }, h("i"), h("i"), h("i")),
            )
          : null,
      );
    submit.disabled = talk.waiting;
    log.scrollTop = log.scrollHeight;
  }

  talk.draw = draw;
  draw();
  return { element, update() {}, close: () => (talk.draw = () => {}) };
}
