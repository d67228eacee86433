"""`sluice sites`: the sites of the sites file, listed and edited."""

from datetime import UTC, date, datetime
from pathlib import Path

import click

from ingest.commands.change_site import change, rates
from ingest.commands.configuration import settings_of_command
from ingest.commands.loading import CommandGroup, CommandToLoad
from ingest.commands.output import json_option, print_json, print_lines, print_none, table
from ingest.commands.site_facts import shield_rules, site_facts
from ingest.commands.site_options import new_key, rule_options
from ingest.commands.sites_file import (
    edit_sites_file,
    find_site,
    registry_of,
    report_edit,
    show_key,
    sites_path,
)
from ingest.settings import Settings
from ingest.sites.site import MAX_SITE_ID, RateLimit, Site
from ingest.sites.site_change import script_text
from ingest.sites.site_file import parse_sites
from ingest.sites.site_file_edit import EditError, next_site_id, put_sites, remove_site


@click.group("sites", cls=CommandGroup)
def sites() -> None:
    """The sites whose events are stored: list and edit the file of SLUICE_SITES.

    Comments, order and formatting of the file are kept. An edit that would be invalid is not
    written. If SLUICE_SITES names Plausible's PostgreSQL, the sites are listed from there, and
    edited in Plausible's dashboard.
    """


def read_host(_context: click.Context, _option: click.Parameter, host: str | None) -> str | None:
    """Check where browsers reach the server: a snippet without a scheme would not work.

    Raises:
        click.BadParameter: It is no URL.
    """
    if host is not None and not host.startswith(("https://", "http://")):
        raise click.BadParameter("expected a URL such as https://stats.your.site")
    return host


@sites.command("add")
@click.argument("domain")
@click.option(
    "--id",
    "site_id",
    type=click.IntRange(1, MAX_SITE_ID),
    help="The site_id of its rows. Default: one above all that were given.",
)
@rule_options
@click.option(
    "--drop-server-clients", is_flag=True, help="python-requests and others count as bots."
)
@click.option(
    "--server-key",
    "with_key",
    is_flag=True,
    help="Make a secret for servers that send events of others and of the past.",
)
@click.option(
    "--host",
    default="https://your-host",
    metavar="URL",
    callback=read_host,
    help="Where browsers reach this server, for the snippet.",
)
@json_option
def add(
    domain: str,
    site_id: int | None,
    previous_domain: str | None,
    rate_limit: RateLimit | None,
    until: date | None,
    drop_server_clients: bool,
    with_key: bool,
    host: str,
    as_json: bool,
) -> None:
    """Add a site, and print the HTML snippet for its pages.

    DOMAIN is the tracker's data-domain, without "www.".
    """
    settings = settings_of_command()
    key = new_key() if with_key else None
    added: list[Site] = []

    def edit(text: str) -> str:
        registry = parse_sites(text, str(settings.sites))
        site = Site(
            site_id if site_id is not None else next_site_id(text, registry),
            domain,
            previous_domain,
            rate_limit,
            until,
            drop_server_clients,
            server_key=key,
        )
        known = registry.by_id(site.id)
        if known is not None:
            raise EditError(f"the id {site.id} belongs to {known.domain}")
        for name in filter(None, (site.domain, site.previous_domain)):
            owner = registry.find(name)
            if owner is not None:
                raise EditError(f"{name} belongs to the site {owner.id} {owner.domain}")
        added.append(site)
        return put_sites(text, [site], str(settings.sites))

    new = "" if sites_path(settings).exists() else ", a new file"
    edit_sites_file(settings, edit)
    (site,) = added
    html = snippet(site.domain, host)
    report_edit(
        settings,
        [f"{site.domain} is site {site.id} in {settings.sites}{new}."],
        {"site": site_facts(site), "server_key": key, "snippet": html} if as_json else None,
    )
    if key is not None:
        show_key(settings, key, as_json=as_json)
    if not as_json:
        click.echo(f"\nFor the <head> of its pages:\n\n  {html}")


def snippet(domain: str, host: str) -> str:
    """The HTML that makes a page send its events here.

    Args:
        domain: The site's.
        host: Where browsers reach this server, with its scheme.
    """
    source = _attribute(f"{host.rstrip('/')}/js/script.js")
    return f'<script defer data-domain="{_attribute(domain)}" src="{source}"></script>'


def _attribute(text: str) -> str:
    return text.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")


@sites.command("list")
@json_option
def list_sites(as_json: bool) -> None:
    """List all sites, in the order of the file."""
    settings = settings_of_command()
    registry = registry_of(settings)
    if as_json:
        for site in registry:
            print_json(site_facts(site))
        return
    rows = [
        (
            str(site.id),
            site.domain,
            _limit(site.rate_limit),
            str(site.accept_traffic_until or "-"),
            str(sum(map(len, shield_rules(site).values())) or "-"),
            str(len(site.revenue_goals) or "-"),
        )
        for site in registry
    ]
    print_lines(table(("ID", "DOMAIN", "LIMIT", "UNTIL", "SHIELDS", "GOALS"), rows))
    if not rows:
        print_none(_no_sites(settings))


def _no_sites(settings: Settings) -> str:
    if isinstance(settings.sites, Path):
        return f"{settings.sites} has no sites; `sluice sites add your.site` adds one."
    return "Plausible has no sites; add them in its dashboard."


@sites.command("show")
@click.argument("name", metavar="SITE")
@json_option
def show(name: str, as_json: bool) -> None:
    """Show one site with all its rules; SITE is a domain or an id. Its server key is not shown."""
    site = find_site(registry_of(settings_of_command()), name)
    if as_json:
        print_json(site_facts(site))
        return
    rows = [
        ("id", str(site.id)),
        ("domain", site.domain),
        ("previous domain", site.previous_domain or "-"),
        ("rate limit", _limit(site.rate_limit)),
        ("accepts traffic until", str(site.accept_traffic_until or "-")),
        ("server clients", "dropped" if site.drop_server_clients else "accepted"),
        ("server key", "set" if site.server_key else "-"),
        ("time zone", site.timezone or "UTC"),
        ("script", script_text(site.script) or "-"),
        *(
            (f"shield: {kind}", ", ".join(rules) or "-")
            for kind, rules in shield_rules(site).items()
        ),
        *((f"revenue goal: {event}", currency) for event, currency in site.revenue_goals.items()),
    ]
    width = max(len(title) for title, _ in rows)
    for title, value in rows:
        click.echo(f"{title.ljust(width)}  {value}")


@sites.command("remove")
@click.argument("name", metavar="SITE")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def remove(name: str, yes: bool, as_json: bool) -> None:
    """Remove a site from the file; its events are then dropped. SITE is a domain or an id.

    Stored rows stay. A comment in the file prevents the id from being reused for another site.
    """
    settings = settings_of_command()
    site = find_site(registry_of(settings), name)
    if not yes:
        click.confirm(
            f"Remove site {site.id} {site.domain}? Its events will be dropped; "
            "what is stored stays.",
            abort=True,
        )
    edit_sites_file(settings, lambda text: _without(text, site, settings))
    report_edit(
        settings,
        [
            f"{site.domain} is removed from {settings.sites}. Its stored rows stay, under site_id "
            f"{site.id}; `sluice sites add {site.domain} --id {site.id}` brings it back without "
            "its rules."
        ],
        {"removed": site_facts(site)} if as_json else None,
    )


def _without(text: str, site: Site, settings: Settings) -> str:
    if parse_sites(text, str(settings.sites)).by_id(site.id) != site:
        raise EditError(f"site {site.id} was changed by somebody else at the same time")
    return remove_site(text, site.id, datetime.now(UTC).date(), str(settings.sites))


def _limit(limit: RateLimit | None) -> str:
    if limit is None:
        return "-"
    return f"{limit.events}/{limit.seconds}" if limit.events else "blocked"


for _command in (
    change,
    rates,
    CommandToLoad(
        "import-plausible", "import_plausible:import_plausible", "Import sites from Plausible."
    ),
):
    sites.add_command(_command)
