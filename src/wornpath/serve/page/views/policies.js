// The policies: which one acts now, what came before, promote and roll back.

import { get, post } from "../lib/api.js";
import { button, confirm, fill, h, icon, toast } from "../lib/dom.js";
import { fail, store } from "../lib/data.js";
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
      const { current, trial, policies = [] } = await get("policies");
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
        learnt.length ? list(policies, current, trial) : empty("policy", t("no_policies"), t("no_policies_hint")),
      );
    } catch (problem) {
      fill(body, problemCard(problem, load));
    }
  }

  function list(policies, current, trial) {
    return h(
      "ul",
      { class: "policy-list" },
      policies.map((one) => item(one, one.version === current, one.version === trial)),
    );
  }

  function item(one, now, tried) {
    const facts = [
      one.algorithm?.toUpperCase(),
      one.episodes ? t("episodes_n", { n: number(one.episodes) }) : "",
      moment(one.created),
    ];
    const tag = (key) => h("span", { class: `tag policy-${key}` }, known(`policy_${key}`) ?? key);
    const can = !now && !one.removed && one.version !== "prior";
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
          tag(one.status),
          tried ? tag("trial") : null,
          one.imported ? tag("imported") : null,
        ),
        h("p", { class: "muted small" }, facts.filter(Boolean).join(" · ")),
        one.why ? h("p", { class: "small" }, one.why) : null,
        metrics(one.metrics),
      ),
      h(
        "div",
        { class: "row wrap" },
        can ? button(t("promote"), { mark: "check", kind: "small", onclick: () => act(one, "promote") }) : null,
        now && one.version !== "prior"
          ? button(t("roll_back"), { mark: "undo", kind: "plain small", onclick: () => act(one, "rollback") })
          : null,
      ),
    );
  }

  async function act(one, word) {
    const yes = word === "promote" ? "promote" : "roll_back";
    const kind = word === "promote" ? "primary" : "danger";
    if (!(await confirm(t(`${word}_question`, { version: one.version }), { yes: t(yes), no: t("keep"), kind }))) return;
    try {
      await post(`policies/${encodeURIComponent(one.version)}/${word}`);
      toast(t(`${word}_done`, { version: one.version }));
    } catch (problem) {
      fail(problem);
    }
    load();
  }

  load();
  let seen = store.state.policyChanges;
  return {
    element,
    update() {
      if (store.state.policyChanges === seen) return;
      seen = store.state.policyChanges;
      load();
    },
  };
}

function metrics(values) {
  const told = Object.entries(values ?? {}).filter(([, value]) => ["number", "string"].includes(typeof value));
  if (!told.length) return null;
  const said = (value) => (typeof value === "number" ? number(value, Number.isInteger(value) ? 0 : 3) : value);
  const pair = ([name, value]) => h("div", null, h("dt", null, name.replaceAll("_", " ")), h("dd", null, said(value)));
  return h("dl", { class: "metrics" }, told.slice(0, 8).map(pair));
}
