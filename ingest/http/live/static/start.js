/* What to do on a server that has no events yet. */

import { element, fill, find } from "./dom.js";

const AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";

/**
 * Show how to send a first event, until there is one.
 *
 * @param {object} report The server's.
 * @param {(path: string) => URL} address Where a path of the server is.
 */
export const showStart = (report, address) => {
  // Visits of an earlier process tell that events have come before.
  find("start").hidden = report.events_since_start > 0 || report.sessions_open > 0;
  const site = report.sites.quiet[0] ?? (report.sites.unknown_accepted ? "your.site" : null);
  fill(find("start-steps"), [site, report.registry.source], () =>
    site === null ? addSite(report.registry.source) : sendEvent(site, address),
  );
};

const addSite = (source) =>
  source
    ? [step("Add your site in Plausible’s dashboard.")]
    : [step("Add your site:", "sluice sites add your.site")];

const sendEvent = (site, address) => [
  step(
    "Put this into the <head> of your pages:",
    snippet(site, address("js/script.js")),
    `${address("").host} stands for the name under which browsers reach this server. On a page of this machine, add data-local.`,
  ),
  step("Or send an event by hand:", curl(site, address("api/event"))),
];

const step = (words, code = null, remark = null) =>
  element(
    "li",
    {},
    element("p", {}, words),
    code === null ? null : element("pre", {}, element("code", {}, code)),
    remark === null ? null : element("p", { class: "small quiet" }, remark),
  );

const attribute = (text) => text.replaceAll("&", "&amp;").replaceAll('"', "&quot;").replaceAll("<", "&lt;");

/** What makes a site's pages send events. */
export const snippet = (site, script) => `<script defer data-domain="${attribute(site)}" src="${attribute(script.href)}"></script>`;

/** A text as one word of a shell. */
export const word = (text) => `'${text.replaceAll("'", "'\\''")}'`;

const curl = (site, endpoint) =>
  [
    `curl -i ${word(endpoint.href)}`,
    `  -A ${word(AGENT)}`,
    `  -H 'Content-Type: application/json'`,
    `  --data ${word(JSON.stringify({ name: "pageview", url: `https://${site}/`, domain: site }))}`,
  ].join(" \\\n");
