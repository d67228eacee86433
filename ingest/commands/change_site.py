"""`sluice sites change` and `sluice sites rates`: change a site, or the exchange rates."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

import click

from ingest.commands.configuration import settings_of_command
from ingest.commands.output import json_option, print_json
from ingest.commands.site_facts import site_facts
from ingest.commands.site_options import new_key, rule_options
from ingest.commands.sites_file import (
    edit_sites_file,
    find_site,
    registry_of,
    report_edit,
    show_key,
)
from ingest.sites.site import RateLimit
from ingest.sites.site_change import SiteChange
from ingest.sites.site_file import parse_sites
from ingest.sites.site_file_edit import EditError, put_exchange_rates, put_sites


@click.command("change")
@click.argument("name", metavar="SITE")
@click.option("--domain", metavar="DOMAIN", help="Its new domain; the old one is still accepted.")
@rule_options
@click.option("--no-previous-domain", is_flag=True)
@click.option("--no-rate-limit", is_flag=True)
@click.option("--no-until", is_flag=True)
@click.option("--drop-server-clients/--no-drop-server-clients", default=None)
@click.option(
    "--server-key/--no-server-key", "with_key", default=None, help="Make a new secret, or none."
)
@click.option(
    "--goal",
    "goals",
    metavar="EVENT=CURRENCY",
    multiple=True,
    help="An event with an amount, and the currency in which it is reported.",
)
@click.option("--no-goal", "dropped_goals", metavar="EVENT", multiple=True)
@json_option
def change(
    name: str,
    domain: str | None,
    previous_domain: str | None,
    rate_limit: RateLimit | None,
    until: date | None,
    no_previous_domain: bool,
    no_rate_limit: bool,
    no_until: bool,
    drop_server_clients: bool | None,
    with_key: bool | None,
    goals: Sequence[str],
    dropped_goals: Sequence[str],
    as_json: bool,
) -> None:
    """Change a site; SITE is a domain or an id. Its id and its stored rows stay.

    Settings that are not given stay unchanged.
    """
    settings = settings_of_command()
    source = str(settings.sites)
    given = (
        ("domain", domain, False),
        ("previous_domain", previous_domain, no_previous_domain),
        ("rate_limit", rate_limit, no_rate_limit),
        ("accept_traffic_until", until, no_until),
        ("drop_server_clients", drop_server_clients, False),
    )
    values: dict[str, Any] = {
        key: value for key, value, cleared in given if value is not None or cleared
    }
    if with_key is not None:
        values["server_key"] = new_key() if with_key else None
    new_goals = dict(_read_goal(goal) for goal in goals)
    changes: list[SiteChange] = []

    def edit(text: str) -> str:
        site = find_site(parse_sites(text, source), name)
        if domain not in (None, site.domain):
            values.setdefault("previous_domain", site.domain)
        kept = {e: c for e, c in site.revenue_goals.items() if e not in dropped_goals}
        unknown = [event for event in dropped_goals if event not in site.revenue_goals]
        if unknown:
            raise EditError(f"no revenue goal of {site.domain} has the event {unknown[0]!r}")
        changes.append(SiteChange(site, replace(site, **values, revenue_goals=kept | new_goals)))
        return put_sites(text, [changes[-1].site], source)

    changed = edit_sites_file(settings, edit)
    facts = {"site": site_facts(changes[-1].site), "server_key": values.get("server_key")}
    report_edit(
        settings,
        changes[-1].lines() if changed else ["It is so already; nothing was changed."],
        facts if as_json else None,
        changed=changed,
    )
    if with_key:
        show_key(settings, values["server_key"], as_json=as_json)


def _read_goal(text: str) -> tuple[str, str]:
    event, sign, currency = text.rpartition("=")
    if not sign or not event:
        raise click.BadParameter(
            f"expected event=currency such as Purchase=EUR, got {text!r}", param_hint="--goal"
        )
    return event, currency.upper()


@click.command("rates")
@click.argument("rates", metavar="[CURRENCY=RATE]...", nargs=-1)
@json_option
def rates(rates: Sequence[str], as_json: bool) -> None:
    """Show the exchange rates, or set some: units per US dollar, as in EUR=0.92."""
    settings = settings_of_command()
    if rates:
        read = dict(map(_read_rate, rates))
        changed = edit_sites_file(
            settings, lambda text: put_exchange_rates(text, read, str(settings.sites))
        )
        if changed and not as_json:
            report_edit(settings, ())
    for currency, rate in sorted(registry_of(settings).exchange_rates.items()):
        if as_json:
            print_json({"currency": currency, "rate": f"{rate:f}"})
        else:
            click.echo(f"{currency}  {rate:f}")


def _read_rate(text: str) -> tuple[str, Decimal]:
    currency, _, rate = text.partition("=")
    try:
        read = Decimal(rate)
    except InvalidOperation:
        read = Decimal("NaN")
    if not read.is_finite():
        raise click.BadParameter(
            f"expected currency=rate such as EUR=0.92, got {text!r}", param_hint="RATE"
        )
    return currency.upper(), read
