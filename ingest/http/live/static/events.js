/* The last events, as they come: a stream from the server, which the browser reconnects. */

import { cell, element, say } from "./dom.js";
import { clockSeconds, count, many, reason } from "./words.js";

const SHOWN = 100;
const REPLAYED = 50;
const DRAW_MS = 250;
const AGAIN_MS = 3000;

export class Events {
  /**
   * @param {object} parts `table`, `state`, `kind`, `site`, `pause`, `box`: elements of the page.
   * @param {(path: string) => URL} address Where a path of the server is.
   * @param {() => void} lost Called when the connection has broken.
   */
  constructor(parts, address, lost) {
    Object.assign(this, parts);
    this.address = address;
    this.lost = lost;
    this.source = null;
    this.again = null;
    this.waiting = [];
    this.missed = 0;
    this.unseen = 0;
    this.last = 0;
    this.drawing = null;
    this.paused = false;
    for (const choice of [this.kind, this.site]) {
      choice.addEventListener("change", () => this.restart());
    }
    this.pause.addEventListener("click", () => this.setPaused(!this.paused));
  }

  open() {
    this.close();
    const address = this.address("api/live");
    address.searchParams.set("kind", this.kind.value);
    if (this.site.value) address.searchParams.set("site", this.site.value);
    address.searchParams.set("replay", String(REPLAYED));
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
      body.prepend(...this.waiting.map(row).reverse());
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
    else if (!rows) parts.push("No event yet; they show here as they come.");
    else parts.push(`The last ${rows === 1 ? "one" : count(rows)}, newest first.`);
    if (this.missed) parts.push(`${many(this.missed, "event")} came too fast to show.`);
    say(this.state, parts.join(" ").trim());
  }
}

const row = (event) => {
  const dropped = event.reason !== null && event.reason !== undefined;
  const visitor = [event.referrer_source, event.country_code, event.browser, event.operating_system, event.screen_size];
  return element(
    "tr",
    { "data-verdict": dropped ? "dropped" : "accepted" },
    cell("Time", { class: "time" }, clockSeconds(event.at)),
    cell(
      "Verdict",
      { class: "verdict-cell" },
      element("span", { class: `badge ${dropped ? "dropped" : "accepted"}`, title: event.reason }, dropped ? reason(event.reason) : "accepted"),
      event.rule ? element("span", { class: "rule" }, event.rule) : null,
    ),
    cell("Site", { class: "site" }, event.domain),
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
