"""`sluice stats`: a site's statistics in a terminal."""

import shutil
import sys
import time
from datetime import UTC
from typing import Any

import click

from ingest.client.query import QueryError, ask_all
from ingest.commands.configuration import settings_of_command
from ingest.commands.output import json_option, print_json, print_lines
from ingest.commands.sites import snippet
from ingest.commands.sites_file import find_site, registry_of
from ingest.commands.stats_text import report_lines
from ingest.settings import Settings
from ingest.sites.site import Site
from ingest.sites.time_zone import find_time_zone
from ingest.stats.figures import DEFAULT_PERIOD, describe_period, figure_of, problem_of, read_period
from ingest.stats.period import CUSTOM, PERIODS, PeriodError
from ingest.stats.queries import FIGURES, ROWS, statements


@click.command("stats")
@click.argument("site", metavar="[SITE]", required=False)
@click.option(
    "--period",
    type=click.Choice([*PERIODS, CUSTOM]),
    help=f"Which days; {DEFAULT_PERIOD} if none are given.",
)
@click.option("--from", "first", metavar="YYYY-MM-DD", help=f"First day of the period {CUSTOM}.")
@click.option("--to", "last", metavar="YYYY-MM-DD", help="Its last day; without it, today.")
@click.option(
    "--limit",
    "-n",
    type=click.IntRange(1, ROWS),
    default=9,
    show_default=True,
    help="Rows of each list, at most.",
)
@json_option
def stats(
    site: str | None,
    period: str | None,
    first: str | None,
    last: str | None,
    limit: int,
    as_json: bool,
) -> None:
    """Show a site's visitors, pages, sources and more, as Plausible's dashboards would.

    SITE is its domain, its previous domain or its id, and is not needed if there is one site only.
    The page /stats/DOMAIN of a running server shows the same. The exit code is 1 if a figure could
    not be had.
    """
    settings = settings_of_command(as_owner=True)
    found = _site(settings, site)
    zone = find_time_zone(found.timezone) or UTC
    try:
        chosen = read_period(period, first, last, time.time(), zone)
    except PeriodError as mistake:
        raise click.BadParameter(str(mistake), param_hint=f"--{mistake.field}") from None
    asked = {name: statements(name, found.id, chosen) for name in FIGURES}
    try:
        answers = iter(ask_all(settings, [sql for each in asked.values() for sql in each]))
    except QueryError as error:
        raise click.ClickException(str(error)) from None
    figures: dict[str, dict[str, Any]] = {}
    for name, each in asked.items():
        results = [next(answers) for _ in each]
        errors = [problem_of(str(result)) for result in results if isinstance(result, QueryError)]
        rows = [result for result in results if not isinstance(result, QueryError)]
        figures[name] = {"error": errors[0]} if errors else figure_of(name, chosen, rows)
    report = {
        "site": found.domain,
        "id": found.id,
        "period": describe_period(chosen),
        "figures": figures,
    }
    if as_json:
        print_json(report)
    else:
        columns = shutil.get_terminal_size().columns
        script = snippet(found.domain, "https://your-host")
        print_lines(report_lines(report, limit, columns, script))
    sys.exit(1 if any("error" in figure for figure in figures.values()) else 0)


def _site(settings: Settings, name: str | None) -> Site:
    """The site with a name, or the only one.

    Raises:
        click.ClickException: There is none, or no name and several sites.
    """
    registry = registry_of(settings)
    if name is None:
        if len(registry.sites) == 1:
            return registry.sites[0]
        raise click.UsageError("name one of the sites; `sluice sites list` shows all")
    try:
        return find_site(registry, name)
    except click.ClickException:
        accepted = registry.accepting(name) if settings.unknown_sites == "accept" else None
        if accepted is None:
            raise
        return accepted
