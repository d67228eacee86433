"""A site's statistics as lines for a terminal."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from ingest.commands.output import printable

Figures = Mapping[str, Mapping[str, Any]]

_EIGHTHS: Final = " ▏▎▍▌▋▊▉"
_LEAST_BAR: Final = 8
_MOST_BAR: Final = 40
_LONGEST_NAME: Final = 48
_LEAST_NAME: Final = 12

_LISTS: Final = {
    "pages": "top pages",
    "entry_pages": "entry pages",
    "exit_pages": "exit pages",
    "sources": "sources",
    "channels": "channels",
    "countries": "countries",
    "devices": "sizes of screens",
    "browsers": "browsers",
    "systems": "operating systems",
    "goals": "custom events",
}


def report_lines(
    report: Mapping[str, Any], limit: int, columns: int, snippet: str
) -> Iterator[str]:
    """Return a report.

    Args:
        report: As `sluice stats --json` prints it.
        limit: Rows of a list.
        columns: The terminal's width.
        snippet: What makes the site's pages send events, for a site without any.
    """
    period, figures = report["period"], report["figures"]
    before = period["before"]
    so_far = ", up to the same time of day" if period["so_far"] else ""
    yield printable(report["site"])
    yield f"{_days(period)} ({period['timezone']}), compared with {_days(before)}{so_far}"
    yield ""
    if figures["visitors"].get("visitors") == 0 and figures["visits"].get("visits") == 0:
        yield "No events in this period. Choose a longer one with --period or --from."
        yield "If the site is new, put this into the <head> of its pages:"
        yield ""
        yield f"  {printable(snippet)}"
        yield ""
        yield "If nothing comes then, `sluice drops` says which events are dropped, and why."
        return
    yield from _totals(figures)
    yield ""
    yield from _list(f"visitors by {period['unit']}", figures["series"], columns, None)
    for name, title in _LISTS.items():
        yield ""
        yield from _list(title, figures[name], columns, limit)


def bar(value: float, most: float, width: int) -> str:
    """Return a bar; what is there is seen, however little it is.

    Args:
        value: What it stands for.
        most: What a whole bar stands for.
        width: Characters of a whole bar.
    """
    if value <= 0:
        return ""
    eighths = max(1, round(8 * width * value / most))
    return "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()


def _days(period: Mapping[str, str]) -> str:
    if period["from"] == period["to"]:
        return period["from"]
    return f"{period['from']} to {period['to']}"


def _whole(number: float) -> str:
    return f"{number:,}"


def _minutes(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


_TOTALS: Final[Sequence[tuple[str, str, Callable[[float], str]]]] = (
    ("visitors", "visitors", _whole),
    ("visits", "visits", _whole),
    ("visitors", "pageviews", _whole),
    ("visits", "views_per_visit", lambda views: f"{views:.2f}"),
    ("visits", "bounce_rate", lambda percent: f"{percent} %"),
    ("visits", "visit_duration", _minutes),
)


def _totals(figures: Figures) -> Iterator[str]:
    for figure, name, text in _TOTALS:
        found, title = figures[figure], f"  {name.replace('_', ' '):<16}"
        if "error" in found:
            yield f"{title}{printable(found['error'])}"
            continue
        change = found["change"][name]
        sign = "points" if name == "bounce_rate" else "%"
        compared = f"{change:+,} {sign}" if change else ""
        was = f"from {text(found['before'][name])}" if change else ""
        if change == 0:
            was = "as before"
        yield f"{title}{text(found[name]):>12}  {compared:>12}  {was}".rstrip()
    now = figures["now"]
    yield f"  {'visitors now':<16}" + (
        printable(now["error"]) if "error" in now else f"{_whole(now['visitors']):>12}"
    )


def _list(title: str, found: Mapping[str, Any], columns: int, limit: int | None) -> Iterator[str]:
    """A title, and a line with a bar for each row."""
    if "error" in found:
        yield title
        yield f"  {printable(found['error'])}"
        return
    rows = found["rows"][:limit]
    if not rows:
        yield title
        yield "  none"
        return
    counts = [name for name in rows[0] if name != "name"]
    # The bar stands for visitors, or for what a list counts instead.
    counts.sort(key=lambda name: name != "visitors")
    widths = [max(len(name), *(len(_whole(row[name])) for row in rows)) for name in counts]
    names = [printable(row["name"]) for row in rows]
    numbers = sum(widths) + 2 * len(widths)
    longest = min(max(len(title) - 2, *map(len, names)), _LONGEST_NAME)
    name_width = max(_LEAST_NAME, min(longest, columns - 4 - numbers - _LEAST_BAR))
    bar_width = min(max(_LEAST_BAR, columns - 4 - numbers - name_width), _MOST_BAR)
    most = max(row[counts[0]] for row in rows) or 1
    heads = "".join(f"  {name:>{width}}" for name, width in zip(counts, widths, strict=True))
    yield f"{title:<{2 + name_width + 2 + bar_width}}{heads}"
    for name, row in zip(names, rows, strict=True):
        drawn = bar(row[counts[0]], most, bar_width)
        values = "".join(
            f"  {_whole(row[count]):>{width}}" for count, width in zip(counts, widths, strict=True)
        )
        yield f"  {_cut(name, name_width):<{name_width}}  {drawn:<{bar_width}}{values}"
    left = len(found["rows"]) - len(rows)
    if left:
        yield f"  and {left} more"


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"
