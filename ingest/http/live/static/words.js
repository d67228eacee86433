/* How things are called, and how numbers and times read. */

const REASONS = {
  spam_referrer: "spam referrer",
  not_found: "unknown site",
  payment_required: "no traffic accepted any more",
  block: "site blocked",
  throttle: "over the site’s limit",
  verification_agent: "installation check",
  dc_ip: "data centre",
  threat_ip: "threat address",
  site_hostname_allowlist: "hostname not allowed",
  site_page_blocklist: "page blocked",
  site_ip_blocklist: "address blocked",
  site_country_blocklist: "country blocked",
  bot: "bot",
  invalid: "invalid",
  no_session_for_engagement: "no open visit",
  lock_timeout: "no verdict in time",
  persist_timeout: "could not be kept in time",
  persist_error: "could not be kept",
};

const STATUSES = {
  400: "not valid",
  401: "not signed in",
  404: "no such page",
  405: "wrong method",
  406: "JSON not accepted",
  408: "too slow",
  413: "too large",
  415: "unknown encoding",
  429: "too many from one address",
  500: "internal error",
  503: "no room",
};

export const reasons = Object.keys(REASONS);
export const reason = (code) => REASONS[code] ?? code.replaceAll("_", " ");
export const status = (code) => STATUSES[code] ?? `status ${code}`;

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const precise = new Intl.NumberFormat("en", { maximumSignificantDigits: 2 });

/** A number of things. */
export const count = (number) => (number === null || number === undefined ? "–" : whole.format(number));

/** A number of things with their name. */
export const many = (number, noun) => `${count(number)} ${noun}${number === 1 ? "" : "s"}`;

/** A rate or another number that need not be whole. */
export const rate = (number) => (number >= 100 ? whole : precise).format(number);

export const share = (part, all) => {
  if (!all || !part) return "0 %";
  const percent = (part / all) * 100;
  if (percent < 0.1) return "< 0.1 %";
  return `${percent >= 99.5 && part < all ? "> 99" : (percent < 10 ? precise : whole).format(percent)} %`;
};

/** A length of time, given in seconds. */
export const duration = (seconds) => {
  if (seconds === null || seconds === undefined) return "–";
  if (seconds < 0.0005) return "< 1 ms";
  if (seconds < 1) return `${precise.format(seconds * 1000)} ms`;
  if (seconds < 10) return `${precise.format(seconds)} s`;
  if (seconds < 120) return `${whole.format(seconds)} s`;
  if (seconds < 7200) return `${whole.format(seconds / 60)} min`;
  if (seconds < 172800) return `${whole.format(seconds / 3600)} h`;
  return `${whole.format(seconds / 86400)} days`;
};

export const bytes = (number) => {
  if (number === null || number === undefined) return "–";
  const units = ["B", "kB", "MB", "GB", "TB"];
  let size = number;
  let unit = 0;
  while (size >= 1000 && unit < units.length - 1) {
    size /= 1000;
    unit += 1;
  }
  return `${(size >= 10 || unit === 0 ? whole : precise).format(size)} ${units[unit]}`;
};

const minute = new Intl.DateTimeFormat([], { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const second = new Intl.DateTimeFormat([], {
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  hourCycle: "h23",
});

export const clock = (unix) => minute.format(unix * 1000);
export const clockSeconds = (unix) => second.format(unix * 1000);
