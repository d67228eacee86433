"""`sluice shield`: a site's rules on addresses, countries, pages and hostnames."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final

import click

from ingest.commands.configuration import settings_of_command
from ingest.commands.sites_file import edit_sites_file, find_site, registry_of, report_reload
from ingest.sites.shields import parse_network
from ingest.sites.site import Site
from ingest.sites.site_file import parse_sites
from ingest.sites.site_file_edit import EditError, put_sites
from ingest.sites.site_file_schema import SHIELD_LISTS

_Change = Callable[[Sequence[str], Sequence[str]], tuple[str, ...]]


_KINDS: Final = """\b
ip        addresses or networks, at most 30: 203.0.113.7, 2001:db8::/32
country   ISO 3166-1 codes, at most 30; ZZ for unknown: AQ
page      patterns, at most 30; quote them: '/admin/**'
hostname  the only ones allowed, at most 10: example.com, '*.example.com'
"""


@click.group("shield", epilog=_KINDS)
def shield() -> None:
    """A site's shields: events that match are dropped. SITE is a domain or an id."""


def _rule_arguments(command: Any) -> Any:
    for argument in (
        click.argument("values", metavar="VALUE...", nargs=-1, required=True),
        click.argument("kind", metavar="KIND", type=click.Choice(list(SHIELD_LISTS))),
        click.argument("name", metavar="SITE"),
    ):
        command = argument(command)
    return command


@shield.command("add")
@_rule_arguments
def add(name: str, kind: str, values: Sequence[str]) -> None:
    """Add rules to a site: sluice shield add SITE ip|country|page|hostname VALUE..."""
    _edit(name, kind, values, _with)


@shield.command("remove")
@_rule_arguments
def remove(name: str, kind: str, values: Sequence[str]) -> None:
    """Remove rules from a site: sluice shield remove SITE ip|country|page|hostname VALUE..."""
    _edit(name, kind, values, _without)


@shield.command("list")
@click.argument("name", metavar="SITE")
@click.option("--json", "as_json", is_flag=True, help="A JSON object for each rule.")
def list_rules(name: str, as_json: bool) -> None:
    """List all rules of a site, one per line."""
    site = find_site(registry_of(settings_of_command()), name)
    for kind, attribute in SHIELD_LISTS.items():
        for rule in getattr(site.shields, attribute):
            click.echo(json.dumps({"kind": kind, "rule": rule}) if as_json else f"{kind:8}  {rule}")


def _edit(name: str, kind: str, values: Sequence[str], change: _Change) -> None:
    settings = settings_of_command()
    source = str(settings.sites)
    meant = [_spelt(kind, value) for value in values]
    edited: list[Site] = []

    def edit(text: str) -> str:
        site = find_site(parse_sites(text, source), name)
        rules: dict[str, Any] = {
            SHIELD_LISTS[kind]: change(getattr(site.shields, SHIELD_LISTS[kind]), meant)
        }
        edited.append(replace(site, shields=replace(site.shields, **rules)))
        return put_sites(text, edited, source)

    changed = edit_sites_file(settings, edit)
    (site,) = edited
    rules = getattr(site.shields, SHIELD_LISTS[kind])
    if not changed:
        click.echo(f"{site.domain} has these {kind} rules already; nothing was changed.")
        return
    click.echo(f"{kind} rules of {site.domain}: {', '.join(rules) or 'none'}")
    if kind == "hostname":
        click.echo(
            "Events from all other hostnames are dropped."
            if rules
            else "Events from all hostnames are taken."
        )
    report_reload(settings)


def _spelt(kind: str, value: str) -> str:
    """A rule as the file has it.

    Raises:
        click.ClickException: It is no address.
    """
    if kind == "country":
        return value.upper()
    if kind == "ip":
        try:
            parse_network(value)
        except ValueError as error:
            raise click.ClickException(f"ip: expected {error}, got {value!r}") from None
    return value


def _with(rules: Sequence[str], values: Sequence[str]) -> tuple[str, ...]:
    known = {_same(rule) for rule in rules}
    added: dict[str, str] = {}
    for value in values:
        if _same(value) not in known:
            added.setdefault(_same(value), value)
    return (*rules, *added.values())


def _without(rules: Sequence[str], values: Sequence[str]) -> tuple[str, ...]:
    dropped = {_same(value): value for value in values}
    missing = dropped.keys() - {_same(rule) for rule in rules}
    if missing:
        names = ", ".join(sorted(dropped[key] for key in missing))
        raise EditError(f"no such rule: {names}; there are: {', '.join(rules) or 'none'}")
    return tuple(rule for rule in rules if _same(rule) not in dropped)


def _same(rule: str) -> str:
    """The normalised form of a rule: `192.0.2.1/32` becomes `192.0.2.1`."""
    try:
        return str(parse_network(rule))
    except ValueError:
        return rule
