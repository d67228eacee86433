/* Shows a site's statistics. Each figure is asked for by itself, so each has its own place for a failure. */

import { element, fill, find, say } from "./dom.js";
import { snippet, word } from "./start.js";
import { Box } from "./stats_box.js";
import { Chart } from "./stats_chart.js";
import { days, minutes } from "./stats_words.js";
import { count, many } from "./words.js";

const BOXES = [
  ["Pages", { pages: "Top", entry_pages: "Entry", exit_pages: "Exit" }],
  ["Sources", { sources: "Source", channels: "Channel" }],
  ["Countries", { countries: "Country" }],
  ["Devices", { browsers: "Browser", systems: "System", devices: "Size" }],
  ["Goals", { goals: "Custom event" }],
];

const SCHEME = "https:";

/* The page's own address depends on the site; the script's does not. */
const at = (path) => new URL(`../${path}`, import.meta.url);

const siteOfAddress = () => {
  const encoded = location.pathname.slice(at("stats/").pathname.length);
  if (encoded === "") return null;
  try {
    return decodeURIComponent(encoded);
  } catch {
    return encoded; // which is no site
  }
};

let stop = new AbortController();
let totals = {};
let unit = "day";

/** What the address asks for, as the parameters of a request. */
const wanted = () => {
  const parameters = new URLSearchParams();
  const given = new URLSearchParams(location.search);
  for (const name of ["period", "from", "to"]) if (given.has(name)) parameters.set(name, given.get(name));
  const site = siteOfAddress();
  if (site !== null) parameters.set("site", site);
  return parameters;
};

const ask = async (of, { signal }) => {
  const address = at("api/stats");
  address.search = wanted();
  if (of) address.searchParams.set("of", of);
  let answer;
  try {
    answer = await fetch(address, { signal, cache: "no-store" });
  } catch (failure) {
    if (failure.name === "AbortError") throw failure;
    throw new Error("The server cannot be reached.");
  }
  if (answer.ok) return answer.json();
  if (answer.status === 401 || answer.status === 403) throw new Error("Signed out: load the page again.");
  const told = await answer.json().catch(() => null);
  const problem = Object.values(told?.errors ?? {})[0]?.[0] ?? `The server answers with status ${answer.status}.`;
  throw Object.assign(new Error(problem), { away: answer.status === 503 });
};

/** Ask for a figure, and show it or why it cannot be shown; nothing if other figures are wanted by then. */
const load = async (of, show, fail) => {
  const turn = stop;
  try {
    const answer = await ask(of, turn);
    if (turn === stop) show(answer);
    return answer;
  } catch (failure) {
    if (turn === stop && failure.name !== "AbortError") fail(failure.message, failure.away);
    return null;
  }
};

const TILES = [
  ["visitors", "visitors", "Visitors", count],
  ["visits", "visits", "Visits", count],
  ["visitors", "pageviews", "Pageviews", count],
  ["visits", "views_per_visit", "Views per visit", (views) => views.toFixed(2)],
  ["visits", "bounce_rate", "Bounce rate", (percent) => `${percent} %`],
  ["visits", "visit_duration", "Visit duration", minutes],
];

const remark = (figures, name, format) => {
  const change = figures.change[name];
  if (change === null) return null;
  if (change === 0) return element("span", { class: "remark" }, "as before");
  const sign = change > 0 ? "▲" : "▼";
  const size = `${count(Math.abs(change))} ${name === "bounce_rate" ? "points" : "%"}`;
  // Fewer bounces are better.
  const good = name === "bounce_rate" ? change < 0 : change > 0;
  return element(
    "span",
    { class: "remark", title: "compared with the period before" },
    element("span", { class: "change", "data-good": String(good) }, `${sign} ${size}`),
    ` from ${format(figures.before[name])}`,
  );
};

const showTiles = () =>
  fill(find("tiles"), totals, () =>
    TILES.map(([figure, name, title, format]) => {
      const figures = totals[figure];
      const value = figures?.change ? format(figures[name]) : "–";
      return element(
        "div",
        {},
        element("dt", {}, title),
        element(
          "dd",
          {},
          value,
          figures?.change ? remark(figures, name, format) : null,
          figures?.failure ? element("span", { class: "remark failed" }, figures.failure) : null,
        ),
      );
    }),
  );

const showHead = (head) => {
  ({ unit } = head.period);
  say(find("site"), head.site);
  document.title = `${head.site} – Sluice`;
  say(find("dates"), `${days(head.period)}, compared with ${days(head.period.before)}${head.period.so_far ? ", up to the same time of day" : ""}`);
  say(find("zone"), head.period.timezone);
  const sites = head.sites.includes(head.site) ? head.sites : [head.site, ...head.sites];
  find("sites-label").hidden = sites.length < 2;
  fill(find("sites"), sites, () => sites.map((site) => element("option", { value: site }, site)));
  find("sites").value = head.site;
  find("period").value = head.period.name;
  find("days").hidden = head.period.name !== "custom";
  find("from").value = head.period.from;
  find("to").value = head.period.to;
  say(find("snippet"), snippet(head.site, at("js/script.js")));
  const body = JSON.stringify({ name: "pageview", url: `${SCHEME}//${head.site}/`, domain: head.site });
  say(
    find("curl"),
    `curl -i ${at("api/event")} -H 'Content-Type: application/json' \\\n` +
      `  -H 'User-Agent: ${navigator.userAgent.replaceAll("'", "")}' \\\n` +
      `  --data ${word(body)}`,
  );
};

const showFailure = (failure) => {
  say(find("failure"), failure);
  find("failure").hidden = false;
  showContent(false);
  document.body.setAttribute("aria-busy", "false");
};

const showContent = (shown) => {
  for (const part of document.querySelectorAll(".tiles, [data-box]")) part.hidden = !shown;
};

const total = (figure) =>
  load(
    figure,
    (answer) => {
      totals[figure] = answer;
      showTiles();
    },
    (failure, away) => {
      totals[figure] = { failure, away };
      showTiles();
    },
  );

const showAll = async () => {
  stop.abort();
  stop = new AbortController();
  find("failure").hidden = true;
  find("empty").hidden = true;
  find("now").hidden = true;
  document.body.setAttribute("aria-busy", "true");
  const turn = stop;
  const head = await load(null, showHead, showFailure);
  if (head === null || turn !== stop) return;
  totals = {};
  showContent(true);
  const [people, visits] = await Promise.all([total("visitors"), total("visits")]);
  if (turn !== stop) return;
  // Without a store all figures would say the same, each after its own wait.
  if (totals.visitors.away && totals.visits.away) {
    showFailure(totals.visitors.failure);
    return;
  }
  const nothing = people?.visitors === 0 && visits?.visits === 0;
  find("empty").hidden = !nothing;
  showContent(!nothing);
  const now = load(
    "now",
    ({ visitors }) => {
      find("now").hidden = false;
      find("now").dataset.state = visitors ? "live" : "waiting";
      say(find("now-text"), `${many(visitors, "visitor")} now`);
    },
    () => {},
  );
  const bySeries = () =>
    load("series", ({ rows }) => chart.show(unit, rows), (failure) => chart.show(unit, [], failure));
  const rest = nothing ? [] : [bySeries(), ...boxes.map((box) => box.load())];
  await Promise.all([now, ...rest]);
  if (turn === stop) document.body.setAttribute("aria-busy", "false");
};

/** Go to another period or site, as another address of this page. */
const go = (path, parameters) => {
  const address = new URL(path);
  address.search = new URLSearchParams(parameters);
  history.pushState(null, "", address);
  showAll();
};

const here = () => new URL(location.pathname, location.origin);

find("period").addEventListener("change", ({ target }) => {
  find("days").hidden = target.value !== "custom";
  if (target.value !== "custom") go(here(), { period: target.value });
});
find("choose").addEventListener("submit", (event) => {
  event.preventDefault();
  if (find("period").value === "custom") go(here(), { period: "custom", from: find("from").value, to: find("to").value });
});
find("sites").addEventListener("change", ({ target }) =>
  go(at(`stats/${encodeURIComponent(target.value)}`), new URLSearchParams(location.search)),
);
addEventListener("popstate", showAll);

const chart = new Chart(find("chart"), find("readout"), find("chart-state"), find("chart-table"));
const boxes = BOXES.map(([title, lists]) => new Box(title, lists, load, () => totals.visitors?.visitors));
find("boxes").append(...boxes.map((box) => box.card));
showAll();
