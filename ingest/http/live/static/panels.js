/* Shows a report of the server, panel by panel. */

import { cell, drawn, element, facts, fill, find, say } from "./dom.js";
import { pick } from "./filter.js";
import { bytes, count, duration, many, rate, reason, share, status } from "./words.js";

const SIGNS = { ok: "✓", degraded: "!", down: "✕" };
const SEVERITIES = { down: "Down", degraded: "Needs care", note: "Note" };
const STAGES = {
  gate: "site, limits, shields",
  enrichment: "bots, device, source",
  recorder: "appends to the log",
  forwarder: "sends to Kafka",
  sessions: "visits, rows",
  batcher: "gathers a batch",
  writer: "stores it",
};

export const showVerdict = (report) => {
  const verdict = find("verdict");
  verdict.dataset.status = report.status;
  say(find("sign"), SIGNS[report.status] ?? "");
  say(find("headline"), report.headline);
  say(find("summary"), summary(report));
  fill(find("findings"), report.findings, (findings) =>
    findings.map((finding) =>
      element(
        "li",
        { "data-severity": finding.severity },
        element("span", { class: "severity" }, SEVERITIES[finding.severity]),
        element(
          "div",
          {},
          element("p", { class: "what" }, finding.what),
          element("p", { class: "advice" }, finding.advice),
          finding.commands.length ? element("ul", { class: "commands" }, finding.commands.map((one) => element("li", {}, element("code", {}, one)))) : null,
        ),
      ),
    ),
  );
  const mark = report.status === "ok" ? "" : `${SIGNS[report.status]} `;
  say(document.querySelector("title"), `${mark}Sluice – ${location.host}`);
};

const summary = (report) => {
  const notes = report.findings.filter((finding) => finding.severity === "note").length;
  const parts = [];
  if (report.status === "ok") parts.push(report.store ? "Events are taken and stored." : "Events are taken and sent to Kafka.");
  const worse = report.findings.length - notes;
  if (worse) parts.push(`${many(worse, "thing")} to look at.`);
  if (notes) parts.push(`${many(notes, "note")}.`);
  return parts.join(" ");
};

export const showTiles = (report) => {
  const { hour, rates } = report;
  const all = hour.accepted + hour.dropped;
  facts(find("tiles"), [
    ["Accepted", `${rate(rates.accepted)}/s`, `${count(hour.accepted)} in an hour`],
    ["Dropped", share(hour.dropped, all), `${count(hour.dropped)} in an hour`],
    ["Refused", count(hour.refused), refusals(hour.refused_by_status), hour.refused ? "some" : null],
    ...(report.store ? storingTiles(report) : frontTiles(report)),
  ]);
};

const storingTiles = ({ store, journal, sessions_open: visits }) => {
  const events = store.inserts.events_v2;
  return [
    ["Visits open", count(visits), "may still go on"],
    [
      "Not yet stored",
      count(journal.backlog_events),
      journal.durability === "journal" ? "safe in the journal" : "in memory only",
      store.failures_in_a_row ? "some" : null,
    ],
    ["Insert time", events ? duration(events.seconds.median) : "–", events ? `usual; p95 ${duration(events.seconds.p95)}` : "none so far"],
  ];
};

const frontTiles = ({ journal, cluster }) => [
  ["Not yet in Kafka", count(journal.backlog_events), "safe in the outbox", cluster?.forwards === false ? "some" : null],
  ...(cluster
    ? [
        ["Not yet stored", count(cluster.lag_messages), cluster.lag_messages ? `messages; the oldest for ${duration(cluster.oldest_seconds)}` : "messages in Kafka"],
        [
          "Workers",
          count(cluster.workers),
          cluster.partitions_unowned ? `${many(cluster.partitions_unowned, "partition")} without one` : `for ${many(cluster.partitions, "partition")}`,
          cluster.partitions_unowned ? "some" : null,
        ],
      ]
    : []),
];

const refusals = (byStatus) => {
  const found = Object.entries(byStatus).sort((one, other) => other[1] - one[1]);
  if (!found.length) return "requests in an hour";
  const shown = found.slice(0, 2).map(([code, requests]) => `${count(requests)} ${status(code)}`);
  return shown.join(", ") + (found.length > 2 ? ", …" : "");
};

export const showSites = ({ sites }, chosen) => {
  const rows = find("sites").tBodies[0];
  fill(rows, [sites, chosen], () =>
    sites.shown.length
      ? sites.shown.map((site) => siteRow(site, sites, chosen))
      : [element("tr", {}, element("td", { colspan: 5, class: "quiet empty" }, "No event in the last hour."))],
  );
  fill(find("sites-rest"), [sites, chosen], () => {
    const rest = [];
    if (sites.more) rest.push(`${many(sites.more, "more site")} with fewer events. `);
    if (sites.quiet_count) {
      const unnamed = sites.quiet_count - sites.quiet.length;
      const names = sites.quiet.map((name) => pick({ site: name, show: "" }, chosen, {}, name));
      rest.push(`Nothing from `, ...names.flatMap((name, at) => (at ? [", ", name] : [name])), unnamed ? ` and ${count(unnamed)} more.` : ".");
    }
    return rest.map((part) => (typeof part === "string" ? document.createTextNode(part) : part));
  });
};

const siteRow = (site, sites, chosen) =>
  element(
    "tr",
    {},
    site.registered
      ? element("th", { scope: "row" }, pick({ site: site.site, show: "" }, chosen, {}, site.site))
      : element("th", { scope: "row", class: "other" }, SPECIAL[site.site] ?? site.site),
    cell("Accepted per minute", { class: "wide" }, sparkline(site.per_minute)),
    cell("Accepted", { class: "number" }, count(site.accepted)),
    cell("Dropped", { class: "number" }, count(site.dropped)),
    cell(
      "Reasons",
      { class: "reasons" },
      ...Object.entries(site.reasons).map(([code, events]) =>
        pick({ site: site.registered ? site.site : "", show: code }, chosen, { class: "pick chip", title: code }, reason(code), " ", element("b", {}, count(events))),
      ),
      ...(site.site === UNKNOWN ? unknownDomains(sites, chosen) : []),
    ),
  );

/** Domains that are no site's, as strangers have sent them. */
const unknownDomains = (sites, chosen) => {
  const unnamed = sites.unknown_count - sites.unknown.length;
  return [
    ...sites.unknown.map(({ domain, events }) =>
      pick({ site: domain, show: "" }, chosen, { class: "pick chip domain" }, domain, " ", element("b", {}, count(events))),
    ),
    unnamed ? element("span", { class: "small quiet" }, `and ${many(unnamed, "more domain")}`) : null,
  ];
};

const UNKNOWN = "(unknown)";
const SPECIAL = { [UNKNOWN]: "unknown sites", "(other)": "other sites" };

const sparkline = (values) => {
  const [width, height] = [180, 24];
  const most = Math.max(...values);
  const step = width / values.length;
  const bars = values
    .map((value, at) => {
      if (!value) return "";
      const tall = Math.max(1.5, (value / most) * (height - 1));
      return `M${(at * step).toFixed(1)} ${height}v${(-tall).toFixed(1)}h${(step - 0.8).toFixed(1)}v${tall.toFixed(1)}z`;
    })
    .join("");
  return drawn(
    "svg",
    { class: "spark", viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": `at most ${count(most)} in a minute`, preserveAspectRatio: "none" },
    drawn("line", { class: "grid", x1: 0, x2: width, y1: height - 0.5, y2: height - 0.5 }),
    drawn("path", { class: "bars accepted", d: bars }),
  );
};

/** The choice of sites to follow; what is chosen stays. */
export const showChoice = ({ sites }, choice) => {
  const names = [...sites.shown.filter((site) => site.registered).map((site) => site.site), ...sites.quiet].sort();
  if (choice.value && !names.includes(choice.value)) names.push(choice.value);
  if (document.activeElement === choice) return;
  const chosen = choice.value;
  fill(choice, names, () => [
    element("option", { value: "" }, "all sites"),
    ...names.map((name) => element("option", { value: name }, name)),
  ]);
  choice.value = chosen;
};

export const showCluster = ({ cluster }) => {
  find("cluster-card").hidden = !cluster;
  if (!cluster) return;
  const parts = [`${many(cluster.fronts, "front")}, ${many(cluster.workers, "worker")}`];
  if (cluster.id) parts.push(`${count(cluster.partitions - cluster.partitions_unowned)} of ${many(cluster.partitions, "partition")} with a worker`);
  if (cluster.retention_seconds) parts.push(`Kafka keeps events for ${duration(cluster.retention_seconds)}`);
  say(find("cluster-summary"), parts.join("; "));
  fill(find("cluster").tBodies[0], cluster.members, (members) =>
    members.length
      ? members.map(memberRow)
      : [element("tr", {}, element("td", { colspan: 7, class: "quiet empty" }, "No member has said anything yet."))],
  );
  say(find("cluster-rest"), cluster.more ? `${many(cluster.more, "more member")}.` : "");
};

const memberRow = (member) => {
  const state = member.running ? (member.trouble ? "restarting" : "running") : "failed";
  const words = { running: "running", restarting: "in trouble", failed: "silent" }[state];
  return element(
    "tr",
    {},
    element(
      "th",
      { scope: "row" },
      `${member.role} ${member.host}`,
      element("span", { class: "rule" }, member.self ? "this process" : member.member.slice(0, 6)),
    ),
    cell("Version", {}, member.version),
    cell("Events per second", { class: "number" }, rate(member.events_per_second)),
    cell("Partitions", { class: "number" }, member.role === "worker" ? count(member.partitions) : "–"),
    cell("Waiting", { class: "number" }, waiting(member)),
    cell("Last seen", { class: "number" }, member.seen_seconds < 1 ? "now" : `${duration(Math.round(member.seen_seconds))} ago`),
    cell("State", {}, element("span", { class: "condition", "data-condition": state }, words), member.trouble ? element("span", { class: "rule" }, member.trouble) : null),
  );
};

/** What a front has not sent, or a worker has not stored. */
const waiting = (member) => {
  if (member.role === "front") return many(member.backlog_events, "event");
  const oldest = member.lag_messages && member.oldest_seconds ? `, ${duration(member.oldest_seconds)}` : "";
  return `${many(member.lag_messages, "message")}${oldest}`;
};

export const showPipeline = (report) => {
  const byName = Object.fromEntries(report.actors.map((actor) => [actor.name, actor]));
  const held = {
    batcher: report.store && `${many(report.store.gathered, "event")} gathered`,
    writer: report.store && `${many(report.store.pending, "row")} under way`,
    sessions: `${many(report.sessions_open, "visit")} open`,
    recorder: `${many(report.journal.backlog_events, "event")} in the log`,
    gate: `${many(report.requests_waiting, "request")} waiting`,
  };
  const stages = Object.keys(STAGES)
    .filter((name) => byName[name])
    .map((name) => ({ ...byName[name], seconds_since_failure: null, held: held[name] ?? "" }));
  fill(find("stages"), stages, () =>
    stages.map((stage) =>
      element(
        "li",
        { "data-condition": stage.condition },
        element("h3", {}, stage.name, " ", condition(stage)),
        element("p", { class: "quiet small" }, STAGES[stage.name]),
        stage.room === null
          ? null
          : meter(stage.waiting, stage.room, `${count(stage.waiting)} of ${count(stage.room)} in its inbox`),
        element("p", { class: "small held" }, stage.held || " "),
      ),
    ),
  );
  const troubled = report.actors.filter((actor) => actor.restarts || actor.condition === "failed").length;
  say(
    find("actors-summary"),
    `${many(report.actors.length, "actor")}${troubled ? `, ${troubled} of them restarted` : ", none restarted"}`,
  );
  const actors = report.actors.map((actor) => [
    actor.name,
    actor.condition,
    actor.restarts,
    actor.last_error,
    actor.seconds_since_failure === null ? "" : `${duration(Math.max(1, actor.seconds_since_failure))} ago`,
  ]);
  fill(find("actors").tBodies[0], actors, () =>
    actors.map(([name, state, restarts, error, ago]) =>
      element(
        "tr",
        {},
        element("th", { scope: "row" }, name.replaceAll("_", " ")),
        cell("State", {}, condition({ condition: state })),
        cell("Restarts", { class: "number" }, count(restarts)),
        cell("Last error", {}, error ? `${error}, ${ago}` : "–"),
      ),
    ),
  );
};

const condition = ({ condition: state }) => element("span", { class: "condition", "data-condition": state }, state);

/** A bar that fills; its words stand below it. */
const meter = (value, most, words) => {
  const part = most ? Math.min(1, value / most) : 0;
  const level = part > 0.9 ? "high" : part > 0.5 ? "middle" : "low";
  return element(
    "div",
    { class: "meter" },
    drawn(
      "svg",
      { viewBox: "0 0 100 6", preserveAspectRatio: "none", "aria-hidden": "true", focusable: "false", class: level },
      drawn("rect", { class: "room", width: 100, height: 6 }),
      drawn("rect", { class: "taken", width: part ? Math.max(1.5, part * 100) : 0, height: 6 }),
    ),
    element("p", { class: "small quiet" }, words),
  );
};

export const showStore = ({ store }) => {
  find("store-card").hidden = !store;
  if (!store) return;
  facts(find("store"), [
    ["Kind", store.kind],
    ["State", store.failures_in_a_row ? `${many(store.failures_in_a_row, "failure")} in a row` : "takes rows", null, store.failures_in_a_row ? "some" : null],
    ["Circuit", store.circuit === "open" ? "open: only probed" : "closed: rows are sent", null, store.circuit === "open" ? "some" : null],
    ["Rows in memory", count(store.rows_waiting)],
  ]);
  const inserts = Object.entries(store.inserts);
  fill(find("inserts").tBodies[0], inserts, () =>
    inserts.length
      ? inserts.map(([table, one]) =>
          element(
            "tr",
            {},
            element("th", { scope: "row" }, table),
            element("td", { class: "number" }, duration(one.seconds.median)),
            element("td", { class: "number" }, duration(one.seconds.p95)),
            element("td", { class: "number" }, count(one.rows.median)),
          ),
        )
      : [element("tr", {}, element("td", { colspan: 4, class: "quiet" }, "None so far."))],
  );
};

export const showJournal = ({ journal, store, dead_letters: letters }) => {
  const [name, end] = store ? ["Journal", "not yet stored"] : ["Outbox", "not yet in Kafka"];
  say(find("journal-title"), name);
  const setAside = ["Dead letters", count(letters.kept), letters.kept ? `of at most ${count(letters.limit)}` : null, letters.kept ? "some" : null];
  const durable = journal.durability === "journal";
  fill(find("journal-meter"), [journal.bytes, journal.limit_bytes], () =>
    durable ? [meter(journal.bytes, journal.limit_bytes, `${bytes(journal.bytes)} of ${bytes(journal.limit_bytes)} on disk`)] : [],
  );
  facts(
    find("journal"),
    durable
      ? [
          ["Backlog", many(journal.backlog_events, "event"), end],
          ["Files", count(journal.segments)],
          ["Lost", count(journal.events_lost), null, journal.events_lost ? "some" : null],
          ["State", { ok: "in order", degraded: "in trouble", down: "full" }[journal.status] ?? journal.status, null, journal.status === "ok" ? null : "some"],
          setAside,
        ]
      : [
          ["Durability", "memory", "events end with the process", "some"],
          ["Backlog", many(journal.backlog_events, "event"), end],
          setAside,
        ],
  );
};

/** Of the processor's time between two reports, the part that the server has taken. */
const processorShare = (report, before) => {
  if (!before || report.uptime_seconds <= before.uptime_seconds) return "–";
  const seconds = report.received - before.received;
  return `${Math.round(((report.process.cpu_seconds - before.process.cpu_seconds) / seconds) * 100)} %`;
};

export const showProcess = (report, before) => {
  const { process, registry, geo_database: geo } = report;
  facts(find("process"), [
    ["Running for", duration(report.uptime_seconds)],
    ["Processor", processorShare(report, before), "of one core"],
    ["Memory", bytes(process.memory_bytes)],
    ["Event loop late by", duration(process.loop_lag_seconds), `at most ${duration(process.loop_lag_greatest_seconds)} in a minute`],
    ["Connections", count(process.connections), `of ${count(process.connection_limit)}`],
    ["Sites registered", count(registry.sites), registry.status === "ok" ? null : "not up to date", registry.status === "ok" ? null : "some"],
    ["Geo database", geo.loaded ? "loaded" : "none", geo.status === "ok" ? null : "not in force", geo.status === "ok" ? null : "some"],
  ]);
};

export const showSettings = ({ settings }) => {
  say(find("settings-count"), `${settings.filter((one) => one.given).length} of ${settings.length} set, the others as shipped`);
  fill(find("settings").tBodies[0], settings, () =>
    settings.map((one) =>
      element(
        "tr",
        { "data-given": String(one.given) },
        element("th", { scope: "row" }, element("code", {}, one.name)),
        cell("Value", {}, element("code", {}, one.value), one.given ? element("span", { class: "remark" }, "set") : null),
        cell("Meaning", { class: "quiet" }, one.meaning),
      ),
    ),
  );
};
