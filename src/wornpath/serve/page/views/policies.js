// The policies: which one acts now, what came before, promote and roll back.

import { get, post } from "../lib/api.js";
import { button, confirm, fill, h, icon, toast } from "../lib/dom.js";
import { fail } from "../lib/data.js";
import { moment, number } from "../lib/format.js";
import { known, t } from "../lib/i18n.js";
import { empty, problemCard, skeleton } from "./marks.js";

export function policyCard() {
  const body = h("div", null, skeleton(3));
  const element = h(
    "section",
    { class: "card policies", "aria-labelledby": "policies-title" },
    h("h2", { class: "card-head", id: "policies-title" }, icon("policy"), h("span", null, t("policies"))),
    body,
  );

  async function load() {
    try {
      const { current, policies = [] } = await get("policies");
      const learnt = policies.filter((one) => one.version !== "prior");
      fill(
        body,
        h(
          "p",
          { class: "current-policy" },
          h("span", { class: "muted" }, t("acts_now")),
          h("strong", null, current ?? "prior"),
          (current ?? "prior") === "prior" ? h("span", { class: "muted" }, t("prior_hint")) : null,
        ),
        learnt.length ? list(policies, current) : empty("policy", t("no_policies"), t("no_policies_hint")),
      );
    } catch (problem) {
      fill(body, problemCard(problem, load));
    }
  }

  function list(policies, current) {
    return h(
      "ul",
      { class: "policy-list" },
      policies.map((one) => item(one, one.version === current)),
    );
  }

  function item(one, now) {
    const metrics = Object.entries(one.metrics ?? {}).filter(([, value]) => ["number", "string"].includes(typeof value));
    return h(
      "li",
      { class: `policy-item ${now ? "current" : ""}` },
      h(
        "div",
        { class: "policy-main" },
        h(
          "p",
          null,
          h("strong", null, one.version),
          h("span", { class: `tag policy-${one.status}` }, known(`policy_${one.status}`) ?? one.status),
        ),
        h(
          "p",
          { class: "muted small" },
          [
            one.algorithm ? one.algorithm.toUpperCase() : "",
            one.episodes ? t("episodes_n", { n: number(one.episodes) }) : "",
            moment(one.created),
          ]
            .filter(Boolean)
            .join(" · "),
        ),
        metrics.length
          ? h(
              "dl",
              { class: "metrics" },
              metrics
                .slice(0, 8)
                .map(([name, value]) =>
                  h(
                    "div",
                    null,
                    h("dt", null, name.replaceAll("_", " ")),
                    h("dd", null, typeof value === "number" ? number(value, Number.isInteger(value) ? 0 : 3) : value),
                  ),
                ),
            )
          : null,
      ),
      h(
        "div",
        { class: "row wrap" },
        !now && one.status !== "promoted"
          ? button(t("promote"), { mark: "check", kind: "small", onclick: () => act(one, "promote") })
          : null,
        now && one.version !== "prior"
          ? button(t("roll_back"), { mark: "undo", kind: "plain small", onclick: () => act(one, "rollback") })
          : null,
      ),
    );
  }

  async function act(one, word) {
    if (
      !(await confirm(t(`${word}_question`, { version: one.version }), {
        yes: t(word === "promote" ? "promote" : "roll_back"),
        no: t("keep"),
        kind: word === "promote" ? "primary" : "danger",
      }))
    )
      return;
    try {
      await post(`policies/${encodeURIComponent(one.version)}/${word}`);
      toast(t(`${word}_done`, { version: one.version }));
    } catch (problem) {
      fail(problem);
    }
    load();
  }

  load();
  return { element, update() {} };
}
