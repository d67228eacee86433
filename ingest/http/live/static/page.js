/* Asks the server how it is every two seconds, follows its events, and says when it is gone. */

import { Chart } from "./chart.js";
import { fill, find, say } from "./dom.js";
import { Events } from "./events.js";
import { History } from "./history.js";
import {
  showChoice,
  showCluster,
  showJournal,
  showPipeline,
  showProcess,
  showSettings,
  showSites,
  showStore,
  showTiles,
  showVerdict,
} from "./panels.js";
import { showStart } from "./start.js";
import { clockSeconds } from "./words.js";

const ASK_MS = 2000;
const PATIENCE_MS = 5000;
const YOUNG_SECONDS = 600;

/** Paths are relative to the page, which a proxy may have put anywhere. */
const address = (path) => new URL(path, location.origin + location.pathname);

const history = new History();
const chart = new Chart(find("chart"), find("readout"), find("chart-words"), find("chart-table"));
let last = null;
let timer = null;
let asking = false;
// A server that was started anew has other settings and no past: it is asked for everything.
let whole = true;

const show = (report) => {
  report.received = performance.now() / 1000;
  const restarted = last !== null && report.uptime_seconds < last.uptime_seconds;
  history.take(report.history);
  showVerdict(report);
  showStart(report, address);
  showTiles(report);
  showCluster(report);
  showSites(report, events.filter);
  showChoice(report, events.site);
  showPipeline(report);
  showStore(report);
  showJournal(report);
  showProcess(report, restarted ? null : last);
  if (report.settings) showSettings(report);
  say(find("version"), report.version);
  // An hour says little of a server that has just started; who has chosen, has chosen.
  if (last === null && report.uptime_seconds < YOUNG_SECONDS) choose(300);
  chart.show(history);
  last = report;
  whole = restarted;
  document.body.classList.remove("stale");
  find("connection").dataset.state = "live";
  say(find("connection-text"), "Live");
};

const showLost = (failure) => {
  document.body.classList.add("stale");
  find("connection").dataset.state = "lost";
  const since = last ? `; figures are those of ${clockSeconds(last.now)}` : "";
  say(find("connection-text"), `No connection${since}`);
  find("verdict").dataset.status = "down";
  say(find("sign"), "✕");
  say(find("headline"), failure);
  say(find("summary"), "The page tries again every two seconds and goes on by itself.");
  fill(find("findings"), [], () => []);
  whole = true;
  say(document.querySelector("title"), `✕ Sluice – ${location.host}`);
};

const ask = async () => {
  if (asking) return;
  asking = true;
  clearTimeout(timer);
  try {
    const path = address("api/status");
    if (!whole) path.searchParams.set("since", String(history.since));
    const answer = await fetch(path, { signal: AbortSignal.timeout(PATIENCE_MS), cache: "no-store" });
    if (answer.status === 401 || answer.status === 403) showLost("Signed out: load the page again");
    else if (!answer.ok) showLost(`The server answers with status ${answer.status}`);
    else show(await answer.json());
  } catch (failure) {
    if (failure instanceof TypeError || failure.name === "TimeoutError" || failure.name === "AbortError") {
      showLost(failure.name === "TimeoutError" ? "The server does not answer in time" : "The server cannot be reached");
    } else {
      throw failure;
    }
  } finally {
    asking = false;
    clearTimeout(timer);
    if (!document.hidden) timer = setTimeout(ask, ASK_MS);
  }
};

const events = new Events(
  {
    table: find("events"),
    state: find("events-state"),
    show: find("show"),
    site: find("site"),
    clear: find("clear"),
    pause: find("pause"),
    box: find("events-box"),
  },
  address,
  ask,
  () => last && showSites(last, events.filter),
);

const spans = [...document.querySelectorAll('input[name="span"]')];

const choose = (span) => {
  for (const choice of spans) choice.checked = Number(choice.value) === span;
  chart.span = span;
};

for (const choice of spans) {
  choice.addEventListener("change", () => chart.show(history, Number(choice.value)));
}

// What nobody sees is not asked for.
document.addEventListener("visibilitychange", () => {
  if (document.hidden) {
    clearTimeout(timer);
    events.close();
  } else {
    ask();
    events.open();
  }
});

if (!document.hidden) {
  ask();
  events.open();
}
