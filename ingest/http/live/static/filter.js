/* Which events are listed. The address of the page keeps it, behind the #: as a bookmark, and for others. */

import { element } from "./dom.js";
import { reasons } from "./words.js";

/** All events. `site` is a domain; `show` is "accepted", "dropped" or a reason of drops. */
export const ALL = { site: "", show: "" };

const SHOWN = ["accepted", "dropped", ...reasons];

export const same = (one, other) => one.site === other.site && one.show === other.show;

/** The filter that an address names; what it does not know counts for nothing. */
export const parse = (fragment) => {
  const given = new URLSearchParams(fragment.replace(/^#/, ""));
  const show = given.get("show");
  return { site: given.get("site") ?? "", show: SHOWN.includes(show) ? show : "" };
};

/** The part of an address that names a filter. */
export const fragment = (filter) =>
  `#${new URLSearchParams(Object.entries(filter).filter(([, value]) => value))}`;

/** A link to a filter; it is marked if the filter is the chosen one. */
export const pick = (wanted, chosen, attributes, ...children) =>
  element(
    "a",
    { class: "pick", ...attributes, href: fragment(wanted), "aria-current": same(wanted, chosen) ? "true" : null },
    ...children,
  );

/** What the server calls it. */
export const query = ({ site, show }) => {
  const asked = {};
  if (site) asked.site = site;
  if (reasons.includes(show)) asked.reason = show;
  else if (show) asked.kind = show;
  return asked;
};
