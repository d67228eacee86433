"""The queries of the dashboards, as fixed text with numbers as their only parameters.

They compute what Plausible's dashboards show, without sampling and without imported data. A visit
has rows in `sessions_v2` whose signs add up to 1, so its figures are sums weighted with the sign.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from ingest.stats.period import Period, Span

ROWS: Final = 100
"""Rows of a list, at most."""

_EVENTS: Final = """\
FROM events_v2
WHERE site_id = site AND timestamp >= since AND timestamp < until"""

_SESSIONS: Final = """\
FROM sessions_v2
WHERE site_id = site AND start >= since - INTERVAL 7 DAY AND timestamp >= since AND start < until"""
"""Every visit that overlaps the period. No visit is longer than a week."""

_VISITORS: Final = "uniqIf(user_id, name != 'engagement') AS visitors"
_PAGEVIEWS: Final = "countIf(name = 'pageview') AS pageviews"
_BOUNCE_RATE: Final = "ifNotFinite(round(100 * sum(sign * is_bounce) / sum(sign)), 0)"
_DURATION: Final = "ifNotFinite(round(sum(sign * duration) / sum(sign)), 0)"
_VIEWS: Final = "ifNotFinite(round(sum(sign * pageviews) / sum(sign), 2), 0)"

_PERIOD: Final = ("site", "since", "until")


@dataclass(frozen=True, slots=True)
class Query:
    """A query.

    Attributes:
        name: What it asks for.
        body: The statement behind the parameters.
        label: The column that says what a row is about; empty if there is only one row.
        parameters: The names that the body uses: of `site`, `since`, `until` and `buckets`.
    """

    name: str
    body: str
    label: str = ""
    parameters: tuple[str, ...] = _PERIOD


VISITORS: Final = Query("visitors and pageviews", f"SELECT {_VISITORS}, {_PAGEVIEWS}\n{_EVENTS}")

BY_DAY: Final = Query(
    "pageviews by day",
    f"SELECT toDate(timestamp) AS day, {_PAGEVIEWS}, {_VISITORS}\n{_EVENTS}\n"
    "GROUP BY day\nORDER BY day",
    "day",
)

BY_BUCKET: Final = Query(
    "visitors by hour, day or month",
    "SELECT roundDown(toUnixTimestamp(timestamp), buckets) AS bucket, "
    f"{_PAGEVIEWS}, {_VISITORS}\n{_EVENTS}\nGROUP BY bucket\nORDER BY bucket",
    "bucket",
    (*_PERIOD, "buckets"),
)
"""Buckets follow the site's time zone, which ClickHouse need not know."""

BOUNCE_RATE: Final = Query("bounce rate", f"SELECT {_BOUNCE_RATE} AS percent\n{_SESSIONS}")

VISIT_DURATION: Final = Query("visit duration", f"SELECT {_DURATION} AS seconds\n{_SESSIONS}")

VIEWS_PER_VISIT: Final = Query("views per visit", f"SELECT {_VIEWS} AS views\n{_SESSIONS}")

VISITS: Final = Query(
    "visits",
    f"SELECT greatest(sum(sign), 0) AS visits,\n    {_VIEWS} AS views_per_visit,\n"
    f"    {_BOUNCE_RATE} AS bounce_rate,\n    {_DURATION} AS visit_duration\n{_SESSIONS}",
)

TIME_ON_PAGE: Final = Query(
    "time on page",
    "SELECT pathname, round(sum(engagement_time) / 1000 / uniq(session_id)) AS seconds\n"
    f"{_EVENTS} AND name = 'engagement'\n"
    f"GROUP BY pathname\nORDER BY seconds DESC, pathname\nLIMIT {ROWS}",
    "pathname",
)

SCROLL_DEPTH: Final = Query(
    "scroll depth",
    f"""\
SELECT pathname, round(avg(deepest)) AS percent
FROM (
    SELECT pathname, user_id, max(scroll_depth) AS deepest
    FROM events_v2
    WHERE site_id = site AND timestamp >= since AND timestamp < until
        AND name = 'engagement' AND scroll_depth <= 100
    GROUP BY pathname, user_id
)
GROUP BY pathname
ORDER BY percent DESC, pathname
LIMIT {ROWS}""",  # noqa: S608 - constants
    "pathname",
)

VISITORS_NOW: Final = Query(
    "visitors now",
    "SELECT uniq(user_id) AS visitors\nFROM events_v2\n"
    "WHERE site_id = site AND timestamp >= now() - INTERVAL 5 MINUTE",
    parameters=("site",),
)

COUNTRIES: Final = Query(
    "countries",
    "SELECT country_code AS country, uniq(user_id) AS visitors\n"
    f"{_SESSIONS}\n    AND country_code NOT IN ('', '\\0\\0', 'ZZ')\n"
    "GROUP BY country\nHAVING sum(sign) > 0\nORDER BY visitors DESC, country",
    "country",
)


def _visits_by(name: str, label: str, expression: str, condition: str = "") -> Query:
    """A list of what all visits of a visitor can have, such as a source."""
    return Query(
        name,
        f"SELECT {expression} AS {label},\n    uniq(user_id) AS visitors, sum(sign) AS visits\n"
        f"{_SESSIONS}{condition}\n"
        f"GROUP BY {label}\nHAVING visits > 0\nORDER BY visitors DESC, {label}\nLIMIT {ROWS}",
        label,
    )


def _ends_of_visits(name: str, label: str, column: str, count: str) -> Query:
    """A list of pages that change during a visit: only signs tell which is the last state."""
    return Query(
        name,
        f"SELECT {column} AS {label}, sum(sign) AS {count}\n{_SESSIONS} AND {column} != ''\n"
        f"GROUP BY {label}\nHAVING {count} > 0\nORDER BY {count} DESC, {label}\nLIMIT {ROWS}",
        label,
    )


SOURCES: Final = _visits_by(
    "sources", "source", "if(referrer_source = '', 'Direct / None', referrer_source)"
)

CHANNELS: Final = _visits_by("channels", "channel", "acquisition_channel")

DEVICES: Final = _visits_by(
    "devices", "device", "if(screen_size = '', '(not set)', toString(screen_size))"
)

BROWSERS: Final = _visits_by(
    "browsers", "browser_name", "if(browser = '', '(not set)', toString(browser))"
)

SYSTEMS: Final = _visits_by(
    "operating systems",
    "system",
    "if(operating_system = '', '(not set)', toString(operating_system))",
)

PAGES: Final = Query(
    "top pages",
    f"SELECT pathname, {_VISITORS}, {_PAGEVIEWS}\n{_EVENTS}\n"
    f"GROUP BY pathname\nHAVING visitors > 0\nORDER BY visitors DESC, pathname\nLIMIT {ROWS}",
    "pathname",
)

ENTRY_PAGES: Final = _ends_of_visits("entry pages", "page", "entry_page", "entrances")

EXIT_PAGES: Final = _ends_of_visits("exit pages", "page", "exit_page", "exits")

GOALS: Final = Query(
    "goals",
    f"SELECT name AS goal, uniq(user_id) AS visitors, count() AS events\n{_EVENTS}\n"
    "    AND name NOT IN ('pageview', 'engagement')\n"
    f"GROUP BY goal\nORDER BY visitors DESC, goal\nLIMIT {ROWS}",
    "goal",
)

DOCUMENTED: Final = (
    *(VISITORS, BY_DAY, BOUNCE_RATE, VISIT_DURATION, VIEWS_PER_VISIT, TIME_ON_PAGE, SCROLL_DEPTH),
    *(SOURCES, COUNTRIES, VISITORS_NOW),
)
"""The queries of `docs/queries.md`, in their order."""

FIGURES: Final = MappingProxyType(
    {
        "now": VISITORS_NOW,
        "visitors": VISITORS,
        "visits": VISITS,
        "series": BY_BUCKET,
        "pages": PAGES,
        "entry_pages": ENTRY_PAGES,
        "exit_pages": EXIT_PAGES,
        "sources": SOURCES,
        "channels": CHANNELS,
        "countries": COUNTRIES,
        "devices": DEVICES,
        "browsers": BROWSERS,
        "systems": SYSTEMS,
        "goals": GOALS,
    }
)
"""What the page and the report show, in the report's order."""

COMPARED: Final = frozenset({"visitors", "visits"})
"""The figures that are also asked for the period before."""


def statements(figure: str, site: int, period: Period) -> tuple[str, ...]:
    """Return the statements of a figure: one, or a second one for the period before.

    Args:
        figure: One of `FIGURES`.
        site: The site's id.
        period: The period.
    """
    query = FIGURES[figure]
    starts = [bucket.start for bucket in period.buckets]
    spans = (period.span, period.before) if figure in COMPARED else (period.span,)
    return tuple(statement(query, site, span, starts) for span in spans)


def statement(query: Query, site: int, span: Span, buckets: Iterable[int] = ()) -> str:
    """Return a query with its parameters. They are numbers, so nothing can be injected.

    Args:
        query: The query.
        site: The site's id.
        span: The times.
        buckets: Where the parts of the period begin, in order; Unix seconds.
    """
    values = {
        "site": f"{site:d}",
        "since": f"toDateTime({span.since:d})",
        "until": f"toDateTime({span.until:d})",
        "buckets": f"[{', '.join(f'{start:d}' for start in buckets)}]",
    }
    return _with(query, values)


def documented(query: Query) -> str:
    """Return a query as it stands in `docs/queries.md`, for the last 30 days of site 1."""
    values = {
        "site": "1",
        "since": "toDateTime(today() - 30)",
        "until": "toDateTime(today() + 1)",
    }
    return f"-- {query.name}\n{_with(query, values)}\n"


def _with(query: Query, values: dict[str, str]) -> str:
    """Put the parameters that a query uses in front of it."""
    named = ", ".join(f"{values[name]} AS {name}" for name in query.parameters)
    return f"WITH {named}\n{query.body}"
