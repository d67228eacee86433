"""`sluice shield`: a site's rules on addresses, countries, pages and hostnames."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Final

import click

from ingest.commands.configuration import settings_of_command
from ingest.commands.output import json_option, print_json, print_none
from ingest.commands.sites_file import edit_sites_file, find_site, registry_of, report_edit
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
@json_option
def add(name: str, kind: str, values: Sequence[str], as_json: bool) -> None:
    """Add rules to a site: sluice shield add SITE ip|country|page|hostname VALUE..."""
    _edit(name, kind, values, _with, as_json=as_json)


@shield.command("remove")
@_rule_arguments
@json_option
def remove(name: str, kind: str, values: Sequence[str], as_json: bool) -> None:
    """Remove rules from a site: sluice shield remove SITE ip|country|page|hostname VALUE..."""
    _edit(name, kind, values, _without, as_json=as_json)


@shield.command("list")
@click.argument("name", metavar="SITE")
@json_option
def list_rules(name: str, as_json: bool) -> None:
    """List all rules of a site, one per line."""
    site = find_site(registry_of(settings_of_command()), name)
    rules = [
        (kind, rule)
        for kind, attribute in SHIELD_LISTS.items()
        for rule in getattr(site.shields, attribute)
    ]
    for kind, rule in rules:
        if as_json:
            print_json({"kind": kind, "rule": rule})
        else:
            click.echo(f"{kind:8}  {rule}")
    if not rules and not as_json:
        print_none(f"{site.domain} has no shields.")


def _edit(name: str, kind: str, values: Sequence[str], change: _Change, *, as_json: bool) -> None:
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
    report_edit(
        settings,
        _done(site, kind, rules) if changed else [_nothing(site, kind)],
        {"domain": site.domain, "kind": kind, "rules": rules} if as_json else None,
        changed=changed,
    )


def _done(site: Site, kind: str, rules: Sequence[str]) -> Iterator[str]:
    yield f"{kind} rules of {site.domain}: {', '.join(rules) or 'none'}"
    if kind == "hostname" and rules:
        yield "Events from all other hostnames are dropped."
    elif kind == "hostname":
        yield "Events from all hostnames are taken."


def _nothing(site: Site, kind: str) -> str:
    return f"{site.domain} has these {kind} rules already; nothing was changed."


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
