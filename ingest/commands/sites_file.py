"""Shared by the commands that edit the sites file: read, write, and wait for the reload."""

import errno
import json
import stat
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import click

from actors.files.atomic import FileChangedError, edit_file
from ingest.client.running_server import RunningServer, RunningServerError
from ingest.commands.output import print_json, print_lines
from ingest.server.state_files import StateFiles
from ingest.settings import Settings
from ingest.sites.site import Site, SiteRegistry
from ingest.sites.site_file import SitesFileError, decode_sites, read_sites
from ingest.sites.site_file_edit import EditError

RELOAD_SECONDS: Final = 10.0
"""How long a command waits for the running server to reload the file, which it checks each second
unless the machine is busy."""

_POLL_SECONDS: Final = 0.1
_ANSWER_SECONDS: Final = 10.0


def registry_of(settings: Settings) -> SiteRegistry:
    """The sites of the settings' file, or of Plausible's PostgreSQL.

    Raises:
        click.ClickException: They cannot be read.
    """
    try:
        if isinstance(settings.sites, Path):
            return read_sites(settings.sites)
        return _sites_of_plausible(settings)
    except SitesFileError as error:
        raise click.ClickException(str(error)) from None


def _sites_of_plausible(settings: Settings) -> SiteRegistry:
    from ingest.plausible.postgres import PlausibleError
    from ingest.server.start_files import read_plausible_sites

    try:
        followed, problem = read_plausible_sites(settings, StateFiles(settings.state_dir))
    except PlausibleError as error:
        raise click.ClickException(error.explanation) from None
    if problem is None:
        click.echo("These are the sites of Plausible's PostgreSQL (SLUICE_SITES).", err=True)
    else:
        click.echo(
            f"{problem.explanation}. These are the sites that were last read there.", err=True
        )
    return followed.registry


def sites_path(settings: Settings) -> Path:
    """The file of the sites.

    Raises:
        click.ClickException: They are in Plausible's PostgreSQL.
    """
    if isinstance(settings.sites, Path):
        return settings.sites
    advice = "put it into a sites file that SLUICE_LOCAL_SITES names"
    if settings.local_sites is not None:
        advice = f"edit {settings.local_sites}"
    raise click.ClickException(
        "the sites are in Plausible's PostgreSQL (SLUICE_SITES), which is only read: change them "
        f"in Plausible's dashboard; for what Plausible does not have, {advice}"
    )


def find_site(registry: SiteRegistry, name: str) -> Site:
    """Find a site by its domain, its previous domain, or its id.

    Raises:
        click.ClickException: There is none.
    """
    site = registry.find(name)
    if site is None and name.isascii() and name.isdigit():
        site = registry.by_id(int(name))
    if site is None:
        raise click.ClickException(
            f"no site has the domain or the id {name!r}; `sluice sites list` shows all"
        )
    return site


def edit_sites_file(
    settings: Settings, edit: Callable[[str], str], *, dry_run: bool = False
) -> bool:
    """Edit the file.

    Args:
        settings: Say where the file is.
        edit: From the old text to the new one; raises `EditError` to leave the file as it is.
        dry_run: Whether to do all but write.

    Returns:
        Whether it has changed.

    Raises:
        click.ClickException: Nothing was written, for the reason given.
    """
    path = sites_path(settings)

    def edited(content: bytes) -> bytes:
        new = edit(decode_sites(content, str(path))).encode()
        return content if dry_run else new

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return edit_file(path, edited)
    except (SitesFileError, EditError, FileChangedError) as error:
        raise click.ClickException(str(error)) from None
    except OSError as error:
        problem = error.strerror or type(error).__name__
        if error.errno == errno.EBUSY:
            # The file itself is mounted into a container, so it cannot be replaced.
            problem = "it is mounted by itself; mount its directory instead"
        raise click.ClickException(f"{path} cannot be edited: {problem}") from None


def report_edit(
    settings: Settings,
    lines: Iterable[str],
    facts: Mapping[str, object] | None = None,
    *,
    changed: bool = True,
) -> None:
    """Print what was done to the file, and whether the running server has reloaded it.

    Args:
        settings: Say where the file is.
        lines: What was done.
        facts: The same as JSON data, which is printed instead; None for text.
        changed: Whether the file was changed; otherwise the server is not asked.
    """
    if facts is None:
        print_lines(lines)
    server = wait_for_reload(settings, time.monotonic, time.sleep) if changed else None
    if facts is not None:
        print_json({"changed": changed, "file": str(settings.sites), "server": server, **facts})
    elif server is not None:
        click.echo(server)


def wait_for_reload(
    settings: Settings, clock: Callable[[], float], sleep: Callable[[float], None]
) -> str:
    """Wait for the running server to reload the file.

    Args:
        settings: Say how the server is reached.
        clock: Seconds of a clock that does not go back.
        sleep: Waits for a number of seconds.

    Returns:
        The result, as a sentence.
    """
    path = sites_path(settings)
    written = path.stat().st_mtime_ns if path.exists() else None
    deadline = clock() + RELOAD_SECONDS
    while True:
        report = _registry_report(settings)
        if report is None:
            return (
                f"No server was found running with the state directory {settings.state_dir}; one "
                "that uses this file takes it over in two seconds."
            )
        if written is not None and report.get("file_written_ns") == written:
            problem = report.get("reason")
            if problem:
                return f"The running server has refused the file: {problem}"
            return "The running server has taken it over."
        if clock() >= deadline:
            return (
                f"The running server has not taken it over within {RELOAD_SECONDS:g} seconds; "
                "does it use this file?"
            )
        sleep(_POLL_SECONDS)


def _registry_report(settings: Settings) -> dict[str, Any] | None:
    """The running server's report on its sites; None if it does not answer."""
    try:
        server = RunningServer.find(StateFiles(settings.state_dir).server)
        body = server.ask("/ready", seconds=_ANSWER_SECONDS)
    except RunningServerError as error:
        body = error.body  # The readiness report, also of a server that is not ready.
    try:
        report = json.loads(body)["registry"]
    except (ValueError, KeyError, TypeError):
        return None
    return report if isinstance(report, dict) else None


def show_key(settings: Settings, key: str, *, as_json: bool) -> None:
    """Print a new server key, and warn if all users of the machine can read it in the file."""
    if not as_json:
        click.echo(f"\nIts servers send with\n\n  Authorization: Bearer {key}\n")
    path = sites_path(settings)
    if stat.S_IMODE(path.stat().st_mode) & stat.S_IROTH:
        click.echo(f"Everybody on this machine can read {path}: consider chmod o-r.", err=True)
