"""Prints the steps of each tracker and their rows, as Markdown.

`python -m tests.end_to_end.trackers_table` starts a browser, a collector and a page server, runs
every journey, and finally prints the number of rows and the differences from the expected rows.
"""

import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.end_to_end.browser import find_chromium, running_browser
from tests.end_to_end.journeys import (
    Journey,
    Row,
    Walked,
    collector_for,
    expected_rows,
    expected_visits,
    in_order,
    walk,
)
from tests.end_to_end.own_tracker import FEATURES, NEVER_TOLD
from tests.end_to_end.pages import Pages
from tests.end_to_end.server_clients import SERVER_CLIENTS, SITE, expected, run
from tests.end_to_end.sluice import Sluice
from tests.end_to_end.trackers import JOURNEYS

LONGEST = 120
"""Maximum number of characters shown of a row's properties."""


class Table:
    """Prints the table, and collects the summary for its end."""

    def __init__(self) -> None:
        """Start with an empty summary."""
        self.rows = 0
        self.wrong: list[str] = []

    def begin(self, title: str) -> None:
        """Print a tracker's heading."""
        print(f"\n### {title}\n\n| did | rows |\n|---|---|")

    def add(self, did: str, rows: Sequence[Row], expected: Sequence[Row]) -> None:
        """Print a step and its rows."""
        self.rows += len(rows)
        right = in_order(rows) == in_order(expected)
        if not right:
            self.wrong.append(did)
        told = "<br>".join(map(in_short, in_order(rows))) or "none"
        print(f"| {did} | {told}{'' if right else ' **not as expected**'} |", flush=True)

    def end(self, visits: Sequence[Row], expected: Sequence[Row]) -> None:
        """Print the sessions of a tracker."""
        self.rows += len(visits)
        if list(visits) != list(expected):
            self.wrong.append("the visit")
        for visit in visits:
            print(f"\nThe visit: {visit_in_short(visit)}")


def in_short(row: Row) -> str:
    """Return a one-line summary of an event's row, depending on its kind."""
    props = ", ".join(f"{name}={value}" for name, value in sorted(row["props"].items()))
    if len(props) > LONGEST:
        props = f"{props[:LONGEST]}…"
    parts = [
        f"**{row['name']}** `{row['pathname']}`",
        f"{{{props}}}" if props else "",
        f"{row['scroll_depth']} % in {row['engagement_time']} ms"
        if row["name"] == "engagement"
        else "",
        f"{row['revenue_source_amount']} {row['revenue_source_currency']} = "
        f"{row['revenue_reporting_amount']} {row['revenue_reporting_currency']}"
        if row["revenue_source_amount"] is not None
        else "",
    ]
    return " ".join(part for part in parts if part)


def visit_in_short(visit: Row) -> str:
    """Return a one-line summary of a session's row."""
    source = ", ".join(
        str(visit[name])
        for name in ("referrer_source", "utm_campaign", "acquisition_channel")
        if visit[name]
    )
    return (
        f"`{visit['entry_page']}` to `{visit['exit_page']}`, {visit['pageviews']} pageviews, "
        f"{visit['events']} events, bounce {visit['is_bounce']}; {source}; {visit['browser']} "
        f"{visit['browser_version']} on {visit['operating_system']}, {visit['screen_size']}"
    )


def walks(program: Path, sluice: Sluice) -> Iterator[tuple[Journey, Walked, int]]:
    """Run all journeys, one after the other."""
    with running_browser(program) as browser, Pages() as pages:
        for journey in [*JOURNEYS, *FEATURES, *NEVER_TOLD]:
            yield journey, walk(journey, browser, pages, sluice), pages.port


def main() -> None:
    """Print the table; exit with 1 if a row differed from the expected one."""
    program = find_chromium()
    if program is None:
        sys.exit("no Chromium on this machine: tests/end_to_end/provide_chromium installs it")
    table = Table()
    journeys = [*JOURNEYS, *FEATURES, *NEVER_TOLD]
    with (
        tempfile.TemporaryDirectory() as directory,
        collector_for(journeys, Path(directory), SITE) as sluice,
    ):
        for journey, walked, port in walks(program, sluice):
            table.begin(journey.tracker)
            for step, rows in zip(journey.steps, walked.rows, strict=True):
                table.add(step.did, rows, expected_rows(journey, step, port))
            table.end(walked.visits, expected_visits(journey))
            table.wrong += walked.problems
        table.begin("programs without a browser")
        for client in SERVER_CLIENTS:
            table.add(f"{client.name} {client.did}", run(client, sluice), expected(client))
    print(f"\n{table.rows} rows; not as they had to be: {len(table.wrong)}")
    if table.wrong:
        sys.exit("\n".join(table.wrong))


if __name__ == "__main__":
    main()
