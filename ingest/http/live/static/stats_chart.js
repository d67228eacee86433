/* Draws visitors and pageviews over time, reads them out to the pointer, and lists them in a table. */

import { roundUp } from "./chart.js";
import { drawn, element, fill, say } from "./dom.js";
import { moment } from "./stats_words.js";
import { count, many, rate } from "./words.js";

const HEIGHT = 190;
const LEFT = 44;
const TOP = 10;
const BOTTOM = 22;
const NAME_WIDTHS = { hour: 52, day: 64, month: 74 };

export class Chart {
  constructor(target, readout, state, table) {
    this.target = target;
    this.readout = readout;
    this.state = state;
    this.table = table;
    this.rows = [];
    this.unit = "day";
    target.addEventListener("pointermove", (event) => this.point(event.clientX));
    target.addEventListener("pointerdown", (event) => this.point(event.clientX));
    target.addEventListener("pointerleave", () => this.point(null));
    new ResizeObserver(() => this.draw()).observe(target);
  }

  show(unit, rows, state = "") {
    this.unit = unit;
    this.rows = rows;
    say(this.state, state);
    this.draw();
    fill(this.table.tBodies[0], [unit, rows], () =>
      rows.map((row) =>
        element(
          "tr",
          {},
          element("th", { scope: "row" }, moment(unit, row.name)),
          element("td", { class: "number" }, count(row.visitors)),
          element("td", { class: "number" }, count(row.pageviews)),
        ),
      ),
    );
  }

  draw() {
    const width = this.target.clientWidth;
    this.target.replaceChildren();
    if (!width || !this.rows.length) return;
    const top = roundUp(Math.max(1, ...this.rows.map((row) => Math.max(row.visitors, row.pageviews))));
    const height = HEIGHT - TOP - BOTTOM;
    const y = (value) => TOP + height * (1 - value / top);
    this.step = (width - LEFT) / this.rows.length;
    const svg = drawn("svg", { width, height: HEIGHT, viewBox: `0 0 ${width} ${HEIGHT}` });
    for (const part of [0, 0.5, 1]) {
      const line = Math.round(y(top * part)) + 0.5;
      svg.append(
        drawn("line", { class: part ? "grid" : "axis", x1: LEFT, x2: width, y1: line, y2: line }),
        drawn("text", { class: "tick", x: LEFT - 8, y: line + 4, "text-anchor": "end" }, part ? rate(top * part) : "0"),
      );
    }
    svg.append(
      drawn("path", { class: "bars views", d: this.path("pageviews", 0.08, y) }),
      drawn("path", { class: "bars accepted", d: this.path("visitors", 0.2, y) }),
    );
    const every = Math.ceil(NAME_WIDTHS[this.unit] / this.step);
    for (const [place, row] of this.rows.entries()) {
      const x = LEFT + (place + 0.5) * this.step;
      if (place % every === 0 && x < width - 24) {
        svg.append(drawn("text", { class: "tick", x, y: HEIGHT - 4, "text-anchor": "middle" }, moment(this.unit, row.name)));
      }
    }
    this.mark = drawn("rect", { class: "mark", y: TOP, height, width: 0 });
    svg.append(this.mark);
    this.target.append(svg);
  }

  /** One path for all bars of a kind. What is there is seen, however little it is. */
  path(kind, inset, y) {
    const bars = this.rows.map((row, place) => {
      if (!row[kind]) return "";
      const left = (LEFT + (place + inset) * this.step).toFixed(1);
      const right = (LEFT + (place + 1 - inset) * this.step).toFixed(1);
      return `M${left} ${y(0)}V${Math.min(y(row[kind]), y(0) - 1.5).toFixed(1)}H${right}V${y(0)}Z`;
    });
    return bars.join("");
  }

  point(clientX) {
    if (!this.rows.length) return;
    if (clientX === null) {
      this.mark.setAttribute("width", 0);
      say(this.readout, "");
      return;
    }
    const found = Math.floor((clientX - this.target.getBoundingClientRect().left - LEFT) / this.step);
    const place = Math.min(Math.max(found, 0), this.rows.length - 1);
    const row = this.rows[place];
    this.mark.setAttribute("x", LEFT + place * this.step);
    this.mark.setAttribute("width", this.step);
    const name = moment(this.unit, row.name);
    say(this.readout, `${name} · ${many(row.visitors, "visitor")}, ${many(row.pageviews, "pageview")}`);
  }
}
