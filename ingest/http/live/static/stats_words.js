/* How times, countries and lengths of visits read. */

/* Days and months are named in UTC: they have been cut in the site's time zone already. */
const DAY = new Intl.DateTimeFormat("en", { day: "numeric", month: "short", timeZone: "UTC" });
const MONTH = new Intl.DateTimeFormat("en", { month: "short", year: "numeric", timeZone: "UTC" });
const DATE = new Intl.DateTimeFormat("en", { day: "numeric", month: "short", year: "numeric", timeZone: "UTC" });
export const moment = (unit, name) => (unit === "hour" ? name : (unit === "day" ? DAY : MONTH).format(new Date(name)));
export const days = ({ from, to }) =>
  from === to ? DATE.format(new Date(from)) : DATE.formatRange(new Date(from), new Date(to));

const COUNTRY = new Intl.DisplayNames(["en"], { type: "region", fallback: "code" });
export const country = (code) => {
  try {
    return COUNTRY.of(code);
  } catch {
    return code;
  }
};

export const minutes = (seconds) => (seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`);
