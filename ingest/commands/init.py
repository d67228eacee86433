"""`sluice init`: a first sites file, and what to do next."""

import importlib.util
import json
import shlex
import sys
from importlib import resources
from pathlib import Path
from typing import Final
from urllib.parse import quote

import click

from ingest.commands.configuration import settings_of_command
from ingest.commands.output import json_option, print_json
from ingest.commands.sites import read_host, snippet
from ingest.commands.sites_file import edit_sites_file, registry_of, sites_path
from ingest.settings import Settings
from ingest.sites.site import Site, SiteRegistry, domain_problem
from ingest.sites.site_file_edit import put_sites
from ingest.sites.toml_edit import literal

_SHOWN: Final = 3
"""Sites whose snippets are shown."""

_NAMED: Final = 10
"""Sites that are named in a sentence."""

_EVERYWHERE: Final = frozenset({"0.0.0.0", "::", "*"})  # noqa: S104 - only compared


@click.command("init")
@click.argument(
    "directory",
    metavar="[DIR]",
    default=".",
    type=click.Path(file_okay=False, path_type=Path),
)
@click.option(
    "--domain",
    "domains",
    multiple=True,
    metavar="DOMAIN",
    help='A site: the tracker\'s data-domain, without "www.". May be repeated. Asked for if there '
    "is no sites file yet.",
)
@click.option(
    "--host",
    metavar="URL",
    callback=read_host,
    help="Where browsers reach this server. Default: this machine's PORT.",
)
@json_option
def init(directory: Path, domains: tuple[str, ...], host: str | None, as_json: bool) -> None:
    """Make a sites file and a state directory in DIR (default: here), and say what to do next.

    The file is that of SLUICE_SITES, config/sites.toml. A file that exists is kept as it is.
    """
    settings = settings_of_command()
    path = directory / sites_path(settings)
    settings = settings.model_copy(
        update={"sites": path, "state_dir": directory / settings.state_dir}
    )
    _check(domains)
    made = not path.exists()
    if made:
        text = _first_file(domains or (_ask(),))
        edit_sites_file(settings, lambda old: old or text)
    registry = registry_of(settings)
    try:
        settings.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise click.ClickException(
            f"{settings.state_dir} cannot be made: {error.strerror}"
        ) from None
    address = (host or _own_address(settings)).rstrip("/")
    if as_json:
        print_json(_facts(settings, registry, address, made=made))
        return
    click.echo(_outcome(path, registry, made=made))
    for domain in domains:
        if registry.find(domain) is None:
            click.echo(f"{domain} is not in it: `sluice sites add {domain}` adds it.")
    for line in _advice(settings, registry, address, directory):
        click.echo(line)


def embedded_store_installed() -> bool:
    """Whether the embedded store, an optional extra, is installed."""
    return importlib.util.find_spec("chdb") is not None


def on_terminal() -> bool:
    """Whether somebody can be asked."""
    return sys.stdin.isatty()


def _check(domains: tuple[str, ...]) -> None:
    for number, domain in enumerate(domains):
        problem = domain_problem(domain)
        if problem is not None:
            raise click.UsageError(f"{domain!r}: expected {problem}")
        if domain in domains[:number]:
            raise click.UsageError(f"{domain} is named twice")


def _ask() -> str:
    if not on_terminal():
        raise click.UsageError("name the site's domain, as in: sluice init --domain your.site")
    return str(click.prompt("Domain of your site, such as example.com", value_proc=_domain))


def _domain(text: str) -> str:
    _check((text.strip(),))
    return text.strip()


def _first_file(domains: tuple[str, ...]) -> str:
    """The sites file with the first site, all that is optional as comments, and further sites."""
    sample = resources.files("ingest.sites").joinpath("first_sites.toml").read_text()
    text = sample.replace('"example.com"', literal(domains[0]), 1)
    sites = [Site(number, domain) for number, domain in enumerate(domains, 1)]
    return put_sites(text, sites, "the new sites file")


def _own_address(settings: Settings) -> str:
    name = "localhost" if settings.host in _EVERYWHERE else settings.host
    return f"http://{f'[{name}]' if ':' in name else name}:{settings.port}"


def _facts(settings: Settings, registry: SiteRegistry, address: str, *, made: bool) -> object:
    return {
        "file": str(settings.sites),
        "made": made,
        "state_directory": str(settings.state_dir),
        "page": f"{address}/",
        "sites": [
            {"id": site.id, "domain": site.domain, "snippet": snippet(site.domain, address)}
            for site in registry
        ],
    }


def _outcome(path: Path, registry: SiteRegistry, *, made: bool) -> str:
    sites = list(registry)
    if not sites:
        named = "it has no sites"
    elif len(sites) > _NAMED:
        named = f"{len(sites)} sites, which `sluice sites list` shows"
    else:
        named = ", ".join(f"{site.domain} is site {site.id}" for site in sites)
    return f"{path} is {'new' if made else 'kept as it is'}: {named}."


def _advice(settings: Settings, registry: SiteRegistry, address: str, directory: Path) -> list[str]:
    sites = list(registry)
    lines = ["", "While `sluice serve` runs:", f"  its page            {address}/"]
    if sites:
        domain = sites[0].domain
        lines.append(f"  the statistics      {address}/stats/{quote(domain)}")
        lines.append(f"  an event by hand    {_curl(address, domain)}")
    for site in sites[: _SHOWN if len(sites) <= _NAMED else 1]:
        lines.append(f"  for the <head> of the pages of {site.domain}")
        lines.append(f"    {snippet(site.domain, address)}")
    lines.append("")
    if settings.clickhouse_url.startswith("chdb:") and not embedded_store_installed():
        lines.append(
            "First a store: pip install 'sluice-collector[embedded]', or set "
            "CLICKHOUSE_URL=clickhouse://user:password@host:9000/database."
        )
    where = "" if directory == Path() else f"change to {directory}, "
    lines.append(
        f"Next: {where}start `sluice serve`, open its page, and send the event: it appears there."
    )
    lines.append(
        "`sluice sites add your.site` adds a site, and `sluice check` tests the configuration."
    )
    return lines


def _curl(address: str, domain: str) -> str:
    event = {"n": "pageview", "u": f"https://{domain}/", "d": domain}
    data = shlex.quote(json.dumps(event))
    return f"curl {address}/api/event -H 'Content-Type: application/json' --data {data}"
