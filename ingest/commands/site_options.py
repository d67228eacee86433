"""The options shared by `sluice sites add` and `sluice sites change`."""

import re
import secrets
from collections.abc import Callable
from datetime import date
from typing import Any, Final, TypeVar

import click

from ingest.sites.site import RateLimit

_KEY_BYTES: Final = 24

Command = TypeVar("Command", bound=Callable[..., Any])


def read_limit(_: click.Context, __: click.Parameter, text: str | None) -> RateLimit | None:
    """Read `EVENTS/SECONDS`."""
    if text is None:
        return None
    found = re.fullmatch(r"([0-9]{1,18})/([0-9]{1,18})", text)
    if found is None:
        raise click.BadParameter(f"expected events/seconds such as 1000000/3600, got {text!r}")
    return RateLimit(int(found[1]), int(found[2]))


def read_day(_: click.Context, __: click.Parameter, text: str | None) -> date | None:
    """Read a date."""
    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError:
        raise click.BadParameter(f"expected a date such as 2027-01-01, got {text!r}") from None


def rule_options(command: Command) -> Command:
    """Add the options for a site's previous domain and its limits."""
    for option in (
        click.option(
            "--until",
            metavar="YYYY-MM-DD",
            callback=read_day,
            help="The last day, in UTC, whose events are taken.",
        ),
        click.option(
            "--rate-limit",
            metavar="EVENTS/SECONDS",
            callback=read_limit,
            help="More events are dropped; 0 events block it.",
        ),
        click.option("--previous-domain", metavar="DOMAIN", help="Still accepted after a change."),
    ):
        command = option(command)
    return command


def new_key() -> str:
    """A server key from the system's secure random source."""
    return secrets.token_urlsafe(_KEY_BYTES)
