// The whole of what the views need of a framework: elements, icons, keyed lists. Text goes in as text nodes, never as markup.

const SVG = "http://www.w3.org/2000/svg";

/**
 * An element. PROPS: `class`, `on` ({event: handler}), `style` ({property: value}, set through the CSSOM, which a strict
 * content security policy allows), `prop` ({name: value} as DOM properties), anything else as an attribute; null, undefined and
 * false leave an attribute out, true sets it empty. CHILDREN are nodes, strings, numbers, nested arrays, or nothing.
 */
export function h(tag, props, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "class") element.className = value;
    else if (name === "on") for (const [type, handler] of Object.entries(value)) element.addEventListener(type, handler);
    else if (name === "style") for (const [key, to] of Object.entries(value)) element.style.setProperty(key, to);
    else if (name === "prop") Object.assign(element, value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  append(element, children);
  return element;
}

function append(element, children) {
  for (const child of children) {
    if (child === null || child === undefined || child === false) continue;
    if (Array.isArray(child)) append(element, child);
    else element.append(child instanceof Node ? child : String(child));
  }
}

/** Put CHILDREN in the place of what ELEMENT holds. */
export function fill(element, ...children) {
  element.replaceChildren();
  append(element, children);
  return element;
}

/** An SVG element with attributes. */
export function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false) element.setAttribute(name, String(value));
  }
  append(element, children);
  return element;
}

/** The drawings of icons.svg, to be in the document once: fetched one by one they would be gone when the server is. */
export const sprite = await fetch(new URL("static/icons.svg", document.baseURI))
  .then((answer) => answer.text())
  .then((text) => document.importNode(new DOMParser().parseFromString(text, "image/svg+xml").documentElement, true))
  .catch(() => svg("svg"));
for (const symbol of sprite.querySelectorAll("symbol")) symbol.id = `icon-${symbol.id}`;
sprite.setAttribute("class", "hidden");

/** A mark out of icons.svg; hidden from screen readers, for the words beside it say the same. */
export function icon(name, extra = "") {
  const mark = svg("svg", { class: `icon ${extra}`.trim(), "aria-hidden": "true", focusable: "false", viewBox: "0 0 24 24" });
  mark.append(svg("use", { href: `#icon-${name}` }));
  return mark;
}

/** A button with an icon and words; with `quiet` the words are its label only. */
export function button(words, { mark, onclick, kind = "", quiet = false, ...more } = {}) {
  const label = quiet ? { "aria-label": words, title: words } : {};
  return h(
    "button",
    {
      type: "button",
      class: `button ${kind} ${quiet ? "icon-only" : ""}`.trim(),
      on: onclick ? { click: onclick } : {},
      ...label,
      ...more,
    },
    mark ? icon(mark) : null,
    quiet ? null : h("span", null, words),
  );
}

/**
 * Make PARENT's children stand for ITEMS, keeping the elements whose key is still there, so that focus and scroll stay.
 * `make(item)` gives a new element; `update(element, item)` brings one up to date.
 */
export function keyed(parent, items, key, make, update) {
  const old = new Map([...parent.children].map((element) => [element.dataset.key, element]));
  let at = parent.firstElementChild;
  for (const item of items) {
    const name = String(key(item));
    let element = old.get(name);
    if (element) old.delete(name);
    else {
      element = make(item);
      element.dataset.key = name;
    }
    update?.(element, item);
    if (element === at) at = at.nextElementSibling;
    else parent.insertBefore(element, at);
  }
  for (const element of old.values()) element.remove();
}

let polite = null;
let urgent = null;

/** The two regions that screen readers listen to. */
export function liveRegions() {
  polite = h("div", { class: "visually-hidden", role: "status", "aria-live": "polite" });
  urgent = h("div", { class: "visually-hidden", role: "alert", "aria-live": "assertive" });
  return [polite, urgent];
}

/** Say TEXT to screen readers. */
export function announce(text, now = false) {
  const region = now ? urgent : polite;
  if (region && region.textContent !== text) region.textContent = text;
}

/** Ask before something that cannot be taken back; resolves to true or false. */
export function confirm(question, { yes, no, kind = "danger" }) {
  return new Promise((resolve) => {
    const dialog = h(
      "dialog",
      { class: "dialog", "aria-labelledby": "dialog-question" },
      h("p", { id: "dialog-question" }, question),
      h(
        "div",
        { class: "row end" },
        button(no, { kind: "plain", onclick: () => dialog.close("no") }),
        button(yes, { kind, onclick: () => dialog.close("yes") }),
      ),
    );
    dialog.addEventListener("close", () => {
      resolve(dialog.returnValue === "yes");
      dialog.remove();
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}

let shelf = null;

/** A short message at the foot of the page; it goes by itself, an error stays until it is closed. */
export function toast(text, { error = false, closeWord = "" } = {}) {
  if (!shelf) {
    shelf = h("div", { class: "toasts" });
    document.body.append(shelf);
  }
  const message = h("div", { class: error ? "toast error" : "toast", role: error ? "alert" : "status" }, h("span", null, text));
  if (error) message.append(button(closeWord, { mark: "x", quiet: true, kind: "plain", onclick: () => message.remove() }));
  else setTimeout(() => message.remove(), 4000);
  shelf.append(message);
  while (shelf.children.length > 4) shelf.firstChild.remove();
}
