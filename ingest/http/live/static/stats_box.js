/* A card with lists, of which the reader chooses one: the most frequent pages, sources and so on. */

import { cell, drawn, element, fill, say } from "./dom.js";
import { country } from "./stats_words.js";
import { count, rate } from "./words.js";

const NAMES = { pages: "Page", entry_pages: "Entry page", exit_pages: "Exit page" };
const SHOWN = 9;

/** A card with lists of which one is shown. */
export class Box {
  constructor(title, lists, load, everybody) {
    this.ask = load;
    this.everybody = everybody;
    this.lists = lists;
    this.chosen = Object.keys(lists)[0];
    this.all = false;
    const id = title.toLowerCase();
    this.table = element("table", { "aria-labelledby": `${id}-title` }, element("thead"), element("tbody"));
    this.state = element("p", { class: "quiet small state" }, "Loading …");
    this.more = element("button", { type: "button", class: "more", hidden: true });
    this.more.addEventListener("click", () => {
      this.all = !this.all;
      this.show(this.answer);
    });
    const choice = Object.entries(lists).map(([figure, name]) => {
      const input = element("input", { type: "radio", name: id, value: figure, checked: figure === this.chosen });
      input.addEventListener("change", () => {
        this.chosen = figure;
        this.load();
      });
      return element("label", {}, input, element("span", {}, name));
    });
    const heading = element("h2", { id: `${id}-title` }, title);
    const legend = element("legend", { class: "unseen" }, `${title} by`);
    this.card = element(
      "section",
      { class: "card", "aria-labelledby": `${id}-title`, "data-box": id },
      element(
        "div",
        { class: "card-head" },
        heading,
        choice.length > 1 ? element("fieldset", { class: "choice" }, legend, ...choice) : null,
      ),
      this.state,
      this.table,
      this.more,
    );
  }

  load() {
    const { chosen } = this;
    this.all = false;
    return this.ask(
      chosen,
      (answer) => chosen === this.chosen && this.show(answer),
      (failure) => chosen === this.chosen && this.fail(failure),
    );
  }

  fail(failure) {
    this.answer = { rows: [] };
    this.show(this.answer);
    this.state.classList.add("failed");
    say(this.state, failure);
  }

  show(answer) {
    this.answer = answer;
    const { chosen } = this;
    const rows = this.all ? answer.rows : answer.rows.slice(0, SHOWN);
    this.state.classList.remove("failed");
    say(this.state, answer.rows.length ? "" : chosen === "goals" ? "No custom events." : "Nothing in this period.");
    this.table.hidden = !answer.rows.length;
    this.more.hidden = answer.rows.length <= SHOWN;
    say(this.more, this.all ? "Show fewer" : `Show all ${answer.rows.length}`);
    this.more.setAttribute("aria-expanded", String(this.all));
    if (!rows.length) return;
    const counts = Object.keys(rows[0]).filter((name) => name !== "name");
    const most = Math.max(...answer.rows.map((row) => row[counts[0]]));
    const everybody = this.everybody();
    const converts = chosen === "goals" && everybody;
    fill(this.table.tHead, [chosen, counts, Boolean(converts)], () => [
      element(
        "tr",
        {},
        element("th", { scope: "col" }, NAMES[chosen] ?? this.lists[chosen]),
        ...counts.map((name) => element("th", { scope: "col", class: "number" }, name[0].toUpperCase() + name.slice(1))),
        converts ? element("th", { scope: "col", class: "number" }, "Conversion") : null,
      ),
    ]);
    fill(this.table.tBodies[0], [chosen, rows, everybody], () =>
      rows.map((row) =>
        element(
          "tr",
          {},
          element(
            "th",
            { scope: "row" },
            drawn(
              "svg",
              { class: "bar", "aria-hidden": "true", focusable: "false" },
              drawn("rect", { width: `${(100 * row[counts[0]]) / most}%`, height: "100%" }),
            ),
            element("span", {}, chosen === "countries" ? country(row.name) : row.name),
          ),
          ...counts.map((name) => cell(name, { class: "number" }, count(row[name]))),
          converts ? cell("Conversion", { class: "number" }, `${rate((100 * row.visitors) / everybody)} %`) : null,
        ),
      ),
    );
  }
}
