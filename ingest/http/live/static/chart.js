/* Draws rates over time as stacked bars, and reads them out to pointer and keyboard. */

import { drawn, element, fill, say } from "./dom.js";
import { HOUR, KINDS } from "./history.js";
import { clock, clockSeconds, count, rate } from "./words.js";

const HEIGHT = 190;
const LEFT = 44;
const RIGHT = 6;
const TOP = 10;
const BOTTOM = 22;
const WIDTHS = [1, 2, 5, 10, 15, 30, 60, 120];
const NARROWEST = 4;

/** The least round number that is not below a value, to end an axis with. */
export const roundUp = (value) => {
  if (value <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 1.5, 2, 3, 4, 5, 6, 8, 10].map((step) => step * power).find((step) => step >= value * 0.999);
};

export class Chart {
  constructor(target, readout, words, table) {
    this.target = target;
    this.readout = readout;
    this.words = words;
    this.table = table;
    this.span = HOUR;
    this.history = null;
    this.pieces = [];
    this.cursor = null;
    target.addEventListener("pointermove", (event) => this.point(event.clientX));
    target.addEventListener("pointerdown", (event) => this.point(event.clientX));
    target.addEventListener("pointerleave", () => this.moveTo(null));
    target.addEventListener("keydown", (event) => this.key(event));
    target.addEventListener("blur", () => this.moveTo(null));
    new ResizeObserver(() => this.draw()).observe(target);
  }

  show(history, span = this.span) {
    this.history = history;
    this.span = span;
    this.draw();
    this.tell();
  }

  draw() {
    const width = this.target.clientWidth;
    if (!this.history || !width) return;
    const inner = width - LEFT - RIGHT;
    const seconds = WIDTHS.find((one) => (inner * one) / this.span >= NARROWEST) ?? 120;
    const moment = this.cursor === null ? null : this.pieces[this.cursor]?.from;
    this.pieces = this.history.pieces(this.span, seconds);
    if (moment !== null) {
      const kept = this.pieces.findIndex((piece) => piece.from + piece.seconds > moment);
      this.cursor = kept < 0 ? null : kept;
    }
    const end = this.history.first + this.history.length - 1;
    this.begin = end - this.span;
    this.scale = inner / this.span;
    const peak = Math.max(0, ...this.pieces.map((piece) => piece.accepted + piece.dropped + piece.refused));
    const top = roundUp(peak);
    const height = HEIGHT - TOP - BOTTOM;
    const y = (value) => TOP + height * (1 - value / top);
    const svg = drawn("svg", { width, height: HEIGHT, viewBox: `0 0 ${width} ${HEIGHT}`, "aria-hidden": "true", focusable: "false" });
    for (const part of [0, 0.5, 1]) {
      const at = Math.round(y(top * part)) + 0.5;
      svg.append(
        drawn("line", { class: part ? "grid" : "axis", x1: LEFT, x2: width - RIGHT, y1: at, y2: at }),
        drawn("text", { class: "tick", x: LEFT - 8, y: at + 4, "text-anchor": "end" }, part ? rate(top * part) : "0"),
      );
    }
    this.drawTimes(svg, width, end);
    for (const kind of KINDS) svg.append(drawn("path", { class: `bars ${kind}`, d: this.path(kind, y) }));
    this.mark = drawn("rect", { class: "mark", y: TOP, height, width: 0 });
    svg.append(this.mark);
    this.target.replaceChildren(svg);
    this.readOut();
  }

  drawTimes(svg, width, end) {
    const room = width < 520 ? 4 : 7;
    const step = [60, 120, 300, 600, 900, 1200].find((one) => this.span / one <= room) ?? 1200;
    const offset = new Date(end * 1000).getTimezoneOffset() * 60;
    let at = Math.ceil((this.begin - offset) / step) * step + offset;
    for (; at <= end; at += step) {
      const x = this.x(at);
      if (x < LEFT + 12 || x > width - RIGHT - 16) continue;
      svg.append(
        drawn("line", { class: "grid", x1: x, x2: x, y1: HEIGHT - BOTTOM, y2: HEIGHT - BOTTOM + 4 }),
        drawn("text", { class: "tick", x, y: HEIGHT - 4, "text-anchor": "middle" }, clock(at)),
      );
    }
  }

  x(moment) {
    return LEFT + (moment - this.begin) * this.scale;
  }

  /** One path for all bars of a kind; each stands on those of the kinds before it. */
  path(kind, y) {
    const below = KINDS.slice(0, KINDS.indexOf(kind));
    const parts = [];
    for (const piece of this.pieces) {
      if (!piece[kind]) continue;
      const base = below.reduce((sum, one) => sum + piece[one], 0);
      const left = this.x(piece.from);
      const right = left + Math.max(0.8, piece.seconds * this.scale - (piece.seconds * this.scale > 3 ? 1 : 0));
      // What is there is seen, however little it is beside the rest.
      const bottom = y(base);
      const top = Math.min(y(base + piece[kind]), bottom - 1.5);
      parts.push(`M${left.toFixed(1)} ${bottom.toFixed(1)}V${top.toFixed(1)}H${right.toFixed(1)}V${bottom.toFixed(1)}Z`);
    }
    return parts.join("");
  }

  point(clientX) {
    if (!this.pieces.length) return;
    const moment = this.begin + (clientX - this.target.getBoundingClientRect().left - LEFT) / this.scale;
    const found = this.pieces.findIndex((piece) => moment < piece.from + piece.seconds);
    this.moveTo(found < 0 ? this.pieces.length - 1 : found);
  }

  key(event) {
    const last = this.pieces.length - 1;
    if (last < 0) return;
    const at = this.cursor ?? last + 1;
    const steps = {
      ArrowLeft: at - 1,
      ArrowDown: at - 1,
      ArrowRight: at + 1,
      ArrowUp: at + 1,
      PageDown: at - 10,
      PageUp: at + 10,
      Home: 0,
      End: last,
    };
    if (event.key === "Escape") this.moveTo(null);
    else if (event.key in steps) this.moveTo(Math.min(Math.max(steps[event.key], 0), last));
    else return;
    event.preventDefault();
  }

  moveTo(cursor) {
    this.cursor = cursor;
    this.readOut();
  }

  readOut() {
    const piece = this.cursor === null ? null : this.pieces[this.cursor];
    const latest = this.pieces.at(-1)?.from ?? 0;
    this.tellValue("aria-valuemin", this.pieces[0]?.from ?? 0);
    this.tellValue("aria-valuemax", latest);
    // A moment, not its place among those shown: that changes as time goes on, and a screen reader would say
    // so every two seconds. For the same reason "now" does not go on while it has the focus.
    if (piece) this.tellValue("aria-valuenow", piece.from);
    else if (document.activeElement !== this.target) this.tellValue("aria-valuenow", latest);
    if (!piece) {
      this.mark?.setAttribute("width", 0);
      say(this.readout, "");
      this.tellValue("aria-valuetext", "now");
      return;
    }
    this.mark.setAttribute("x", this.x(piece.from));
    this.mark.setAttribute("width", Math.max(1.5, piece.seconds * this.scale));
    const amounts = KINDS.filter((kind) => piece[kind] || kind === "accepted").map(
      (kind) => `${rate(piece[kind])} ${kind}`,
    );
    const text = `${clockSeconds(piece.from)} · ${amounts.join(", ")}`;
    say(this.readout, text);
    this.tellValue("aria-valuetext", `${text} per second`);
  }

  tellValue(name, value) {
    if (this.target.getAttribute(name) !== String(value)) this.target.setAttribute(name, value);
  }

  /** The same in words, and as a table. */
  tell() {
    const seconds = this.history.pieces(this.span, 1);
    const totals = Object.fromEntries(KINDS.map((kind) => [kind, seconds.reduce((sum, one) => sum + one[kind], 0)]));
    const peak = seconds.reduce(
      (most, one) => (one.accepted + one.dropped > most.accepted + most.dropped ? one : most),
      { accepted: 0, dropped: 0 },
    );
    const most = peak.accepted + peak.dropped;
    say(
      this.words,
      totals.accepted + totals.dropped + totals.refused === 0
        ? `Nothing in the last ${this.span === HOUR ? "hour" : "five minutes"}.`
        : `${count(totals.accepted)} accepted, ${count(totals.dropped)} dropped and ${count(totals.refused)} refused in the last ` +
            `${this.span === HOUR ? "hour" : "five minutes"}; ` +
            (most ? `the most in one second: ${count(most)}, at ${clockSeconds(peak.from)}.` : "no event was taken."),
    );
    const rows = this.history
      .pieces(HOUR, 300)
      .map((one) => [one.from, ...KINDS.map((kind) => Math.round(one[kind] * one.seconds))])
      .reverse();
    fill(this.table.tBodies[0], rows, () =>
      rows.map(([from, ...counts]) =>
        element(
          "tr",
          {},
          element("th", { scope: "row" }, clock(from)),
          ...counts.map((one) => element("td", { class: "number" }, count(one))),
        ),
      ),
    );
  }
}
