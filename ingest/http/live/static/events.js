/* The last events, as they come: a stream from the server, which the browser reconnects. */

import { cell, element, say } from "./dom.js";
import { ALL, fragment, parse, pick, query, same } from "./filter.js";
import { clockSeconds, count, many, reason, reasons } from "./words.js";

const SHOWN = 100;
const REPLAYED = 50;
const DRAW_MS = 250;
const AGAIN_MS = 3000;

export class Events {
  /**
   * @param {object} parts `table`, `state`, `show`, `site`, `clear`, `pause`, `box`: elements of the page.
   * @param {(path: string) => URL} address Where a path of the server is.
   * @param {() => void} lost Called when the connection has broken.
   * @param {() => void} filtered Called when another filter holds.
   */
  constructor(parts, address, lost, filtered) {
    Object.assign(this, parts);
    this.address = address;
    this.lost = lost;
    this.filtered = filtered;
    this.filter = ALL;
    this.source = null;
    this.again = null;
    this.waiting = [];
    this.missed = 0;
    this.unseen = 0;
    this.last = 0;
    this.drawing = null;
    this.paused = false;
    this.show.append(
      element("optgroup", { label: "dropped, for one reason" }, reasons.map((code) => element("option", { value: code }, reason(code)))),
    );
    for (const choice of [this.show, this.site]) {
      choice.addEventListener("change", () => this.go({ site: this.site.value, show: this.show.value }));
    }
    this.clear.addEventListener("click", () => {
      this.box.focus({ preventScroll: true });
      this.go(ALL);
    });
    this.pause.addEventListener("click", () => this.setPaused(!this.paused));
    addEventListener("hashchange", () => this.follow());
    document.addEventListener("click", (click) => this.lead(click));
    this.follow();
  }

  /** Have the page's address name a filter, and follow it. */
  go(filter) {
    const { pathname, search } = location;
    window.history.pushState(null, "", same(filter, ALL) ? pathname + search : fragment(filter));
    this.follow();
  }

  /** List what the page's address names. */
  follow() {
    const filter = parse(location.hash);
    // The link that skips to the figures has an address, too.
    if (location.hash === "#main" || same(filter, this.filter)) return;
    this.filter = filter;
    this.show.value = filter.show;
    if (![...this.site.options].some((option) => option.value === filter.site)) this.site.append(new Option(filter.site));
    this.site.value = filter.site;
    this.clear.hidden = same(filter, ALL);
    this.filtered();
    if (this.source) this.restart();
  }

  /** A link to a filter leads to the list. */
  lead(click) {
    if (!click.target.closest?.("a.pick") || click.ctrlKey || click.metaKey || click.shiftKey) return;
    this.box.focus({ preventScroll: true });
    this.box.closest("section").scrollIntoView({ block: "nearest" });
  }

  open() {
    this.close();
    const address = this.address("api/live");
    address.search = new URLSearchParams({ ...query(this.filter), replay: String(REPLAYED) });
    this.source = new EventSource(address);
    this.source.addEventListener("open", () => this.tell());
    for (const kind of ["accepted", "dropped"]) {
      this.source.addEventListener(kind, (message) => this.take(JSON.parse(message.data)));
    }
    this.source.addEventListener("missed", (message) => this.miss(JSON.parse(message.data)));
    this.source.addEventListener("error", () => {
      const given_up = this.source?.readyState === EventSource.CLOSED;
      this.tell(given_up ? "refused" : "broken");
      this.lost();
      // The browser tries again by itself, unless the answer was an error.
      if (given_up) this.again = setTimeout(() => this.open(), AGAIN_MS);
    });
  }

  close() {
    clearTimeout(this.again);
    this.source?.close();
    this.source = null;
  }

  restart() {
    this.waiting = [];
    this.missed = this.unseen = this.last = 0;
    this.table.tBodies[0].replaceChildren();
    this.open();
    this.tell();
  }

  take(event) {
    // After a break the server may send again what it has sent.
    if (event.number <= this.last) return;
    this.last = event.number;
    this.waiting.push(event);
    if (this.waiting.length > SHOWN) this.waiting.splice(0, this.waiting.length - SHOWN);
    if (this.paused) this.unseen += 1;
    this.drawing ??= setTimeout(() => this.draw(), DRAW_MS);
  }

  miss(message) {
    this.missed += message.missed;
    this.drawing ??= setTimeout(() => this.draw(), DRAW_MS);
  }

  setPaused(paused) {
    this.paused = paused;
    this.pause.dataset.paused = String(paused);
    say(this.pause, paused ? "Go on" : "Pause");
    if (!paused) this.unseen = 0;
    this.draw();
  }

  draw() {
    clearTimeout(this.drawing);
    this.drawing = null;
    if (!this.paused && this.waiting.length) {
      const body = this.table.tBodies[0];
      const atTop = this.box.scrollTop < 4;
      const before = this.box.scrollHeight;
      body.prepend(...this.waiting.map((event) => row(event, this.filter)).reverse());
      this.waiting = [];
      while (body.rows.length > SHOWN) body.lastElementChild.remove();
      // Who reads further down keeps the place.
      if (!atTop) this.box.scrollTop += this.box.scrollHeight - before;
    }
    this.tell();
  }

  tell(trouble = null) {
    const rows = this.table.tBodies[0].rows.length;
    const parts = [];
    if (trouble === "broken") parts.push("The stream has broken off; trying again.");
    else if (trouble === "refused") parts.push("The server does not stream now; trying again.");
    else if (this.paused) parts.push(`Paused. ${this.unseen ? `${many(this.unseen, "event")} since.` : ""}`);
    else if (!rows) parts.push(`No ${same(this.filter, ALL) ? "event" : "such event"} yet; they show here as they come.`);
    else parts.push(`The last ${rows === 1 ? "one" : count(rows)}, newest first.`);
    if (this.missed) parts.push(`${many(this.missed, "event")} came too fast to show.`);
    say(this.state, parts.join(" ").trim());
  }
}

/** Links in the list take no part in the order of the keyboard, which has the choices above it. */
const row = (event, filter) => {
  const link = (more, attributes, ...children) => pick({ ...filter, ...more }, ALL, { tabindex: -1, ...attributes }, ...children);
  const dropped = event.reason !== null && event.reason !== undefined;
  const visitor = [event.referrer_source, event.country_code, event.browser, event.operating_system, event.screen_size];
  return element(
    "tr",
    { "data-verdict": dropped ? "dropped" : "accepted" },
    cell("Time", { class: "time" }, clockSeconds(event.at)),
    cell(
      "Verdict",
      { class: "verdict-cell" },
      dropped
        ? link({ show: event.reason }, { class: "pick badge dropped", title: event.reason }, reason(event.reason))
        : link({ show: "accepted" }, { class: "pick badge accepted" }, "accepted"),
      event.rule ? element("span", { class: "rule" }, event.rule) : null,
    ),
    cell("Site", { class: "site" }, link({ site: event.domain }, {}, event.domain)),
    cell(
      "Event and page",
      { class: "page" },
      event.name === "pageview" ? null : element("strong", {}, event.name, " "),
      element("span", { class: "path" }, pageOf(event)),
    ),
    cell("Visitor", { class: "visitor quiet" }, visitor.filter(Boolean).join(" · ")),
  );
};

/** The page's path, with its host if that does not go without saying. */
const pageOf = (event) =>
  event.hostname && event.hostname !== "(none)" && event.hostname !== event.domain && event.hostname !== `www.${event.domain}`
    ? `${event.hostname}${event.pathname}`
    : event.pathname;
