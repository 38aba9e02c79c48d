// A list of any length of which only the rows in view are in the document. All rows have one height, read from the style sheet.

import { h } from "./dom.js";

const BEYOND = 6; // rows kept above and below what is in view, so that scrolling shows no gaps

/**
 * `draw(item)` gives the element of a row; rows are drawn anew when `version(item)` changed. `pick(item, index)` is called for a
 * click, Enter or Space. Arrow keys, Home, End and the page keys move through the rows; one row at a time is in the tab order.
 */
export class VirtualList {
  constructor({ label, draw, version = () => 0, pick, onFollow }) {
    this.items = [];
    this.focus = 0;
    this.following = true;
    this.selected = null;
    Object.assign(this, { draw, version, pick, onFollow });
    this.drawn = new Map(); // index → {element, item, version}
    this.canvas = h("div", { class: "rows", role: "list", "aria-label": label });
    this.element = h(
      "div",
      { class: "scroller", on: { scroll: () => this._scrolled(), keydown: (event) => this._key(event) } },
      this.canvas,
    );
    this._size = new ResizeObserver(() => this._resized());
    this._size.observe(this.element);
    this._height = 0;
  }

  /** The height of a row in pixels, as the style sheet has it now. */
  get rowHeight() {
    if (!this._height) this._height = parseFloat(getComputedStyle(this.element).getPropertyValue("--row")) || 48;
    return this._height;
  }

  show(items) {
    this.items = items;
    this.focus = Math.min(this.focus, Math.max(items.length - 1, 0));
    this.canvas.style.setProperty("height", `${items.length * this.rowHeight}px`);
    if (this.following) this.toEnd();
    this._draw();
  }

  toEnd() {
    this.element.scrollTop = this.element.scrollHeight;
    this._follow(true);
    this._draw();
  }

  /** Bring row INDEX into view, and give it the focus if FOCUS. */
  reveal(index, { focus = false } = {}) {
    const top = index * this.rowHeight;
    const view = this.element;
    if (top < view.scrollTop) view.scrollTop = top;
    else if (top + this.rowHeight > view.scrollTop + view.clientHeight) view.scrollTop = top + this.rowHeight - view.clientHeight;
    this._follow(this._atEnd());
    this.focus = index;
    this._draw();
    if (focus) this.drawn.get(index)?.element.querySelector("button")?.focus({ preventScroll: true });
  }

  select(key) {
    this.selected = key;
    for (const { element, item } of this.drawn.values()) this._mark(element, item);
  }

  close() {
    this._size.disconnect();
  }

  _mark(element, item) {
    element.classList.toggle("selected", item.key === this.selected);
    element.querySelector("button")?.setAttribute("aria-pressed", String(item.key === this.selected));
  }

  _atEnd() {
    const view = this.element;
    return view.scrollTop + view.clientHeight >= view.scrollHeight - this.rowHeight / 2;
  }

  _follow(on) {
    if (on === this.following) return;
    this.following = on;
    this.onFollow?.(on);
  }

  _scrolled() {
    this._follow(this._atEnd());
    this._draw();
  }

  _resized() {
    const before = this._height;
    this._height = 0;
    if (before !== this.rowHeight) {
      for (const { element } of this.drawn.values()) element.remove();
      this.drawn.clear();
    }
    this.show(this.items);
  }

  _draw() {
    const height = this.rowHeight;
    const view = this.element;
    const first = Math.max(0, Math.floor(view.scrollTop / height) - BEYOND);
    const last = Math.min(this.items.length - 1, Math.ceil((view.scrollTop + view.clientHeight) / height) + BEYOND);
    const wanted = new Set();
    for (let i = first; i <= last; i += 1) wanted.add(i);
    if (this.canvas.contains(document.activeElement) && this.focus < this.items.length) wanted.add(this.focus); // never lose the focus
    for (const [index, { element }] of this.drawn) {
      if (wanted.has(index)) continue;
      element.remove();
      this.drawn.delete(index);
    }
    for (const index of [...wanted].sort((a, b) => a - b)) this._drawRow(index, height);
  }

  _drawRow(index, height) {
    const item = this.items[index];
    const version = this.version(item);
    const old = this.drawn.get(index);
    if (!old || old.item !== item || old.version !== version) {
      const element = h("div", {
        class: "slot",
        role: "listitem",
        "aria-posinset": index + 1,
        style: { transform: `translateY(${index * height}px)` },
      });
      element.append(this.draw(item, index));
      const focused = old?.element.contains(document.activeElement);
      if (old) old.element.replaceWith(element);
      else this._insert(element, index);
      this.drawn.set(index, { element, item, version });
      element.addEventListener("click", () => this._pick(index));
      this._mark(element, item);
      if (focused) element.querySelector("button")?.focus({ preventScroll: true });
    }
    const { element } = this.drawn.get(index);
    element.setAttribute("aria-setsize", String(this.items.length));
    element.querySelector("button")?.setAttribute("tabindex", index === this.focus ? "0" : "-1");
  }

  /** In the order of the rows, so that a screen reader reads them so. */
  _insert(element, index) {
    let next = null;
    let best = Infinity;
    for (const [other, { element: there }] of this.drawn) {
      if (other > index && other < best) [best, next] = [other, there];
    }
    this.canvas.insertBefore(element, next);
  }

  _pick(index) {
    this.focus = index;
    this._draw();
    this.pick?.(this.items[index], index);
  }

  _key(event) {
    const page = Math.max(1, Math.floor(this.element.clientHeight / this.rowHeight) - 1);
    const last = this.items.length - 1;
    const to = {
      ArrowDown: this.focus + 1,
      ArrowUp: this.focus - 1,
      PageDown: this.focus + page,
      PageUp: this.focus - page,
      Home: 0,
      End: last,
    }[event.key];
    if (to === undefined || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    this.reveal(Math.max(0, Math.min(last, to)), { focus: true });
  }
}
