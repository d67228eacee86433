"""Checks Plausible's PostgreSQL, if its sites and salts are followed."""

from collections.abc import Generator
from contextlib import closing

from ingest.check.report import CheckResult, ok, problem, warning
from ingest.plausible.followed_sites import followed_sites
from ingest.plausible.postgres import PlausibleError, PlausibleReader
from ingest.plausible.salts import rotates, salts_in_force
from ingest.server.state_files import StateFiles
from ingest.sites.site import SiteRegistry


def check_plausible(
    url: str, local: SiteRegistry, files: StateFiles, now: float
) -> Generator[CheckResult, None, SiteRegistry | None]:
    """Read the database as a server does.

    Args:
        url: The database's.
        local: The sites of the local file.
        files: The server's state files.
        now: Unix seconds.

    Returns:
        The sites; None if the database cannot be read.
    """
    try:
        with closing(PlausibleReader(url)) as reader:
            data = reader.read_changes(everything=True)
    except PlausibleError as error:
        advice = error.advice or "see docs/plausible.md"
        if files.plausible.exists():
            yield warning(f"{error}; a server uses the sites that were last read there", advice)
        else:
            yield problem(str(error), advice)
        return None
    assert data is not None  # noqa: S101 - everything was read
    yield ok("Plausible's PostgreSQL can be read")
    salts = salts_in_force(data.salts, now)[0]
    if rotates(salts, now):
        yield ok("Plausible's salts are used")
    else:
        yield warning(
            "Plausible has made no salt today that this user may read: Sluice makes its own, and "
            "visitors have other ids than in Plausible",
            "start Plausible, and GRANT SELECT ON salts",
        )
    followed = followed_sites(data, local)
    for line in followed.not_usable:
        yield warning(f"not used: {line}", "change it in Plausible's dashboard")
    for site in followed.only_local:
        yield warning(
            f"{site.domain} is in the local sites file, but is no site of Plausible: its events "
            "are dropped",
            "correct its domain, or remove it",
        )
    for line in followed.notes:
        yield warning(line)
    return followed.registry
