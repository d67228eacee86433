"""An event as shown to the operator: its content, its site and its verdict."""

from typing import Any, Final

import msgspec

from ingest.enrichment.user_agent import describe
from ingest.model.event import UNKNOWN_DEVICE, Device, EnrichedEvent, Event
from ingest.model.verdict import DropReason

DOMAIN_LENGTH: Final = 255
NAME_LENGTH: Final = 120
HOSTNAME_LENGTH: Final = 255
PATHNAME_LENGTH: Final = 200
RULE_LENGTH: Final = 250
"""Maximum number of characters kept of values from clients, to bound the memory."""

_AGENT_READ: Final = frozenset({DropReason.BOT, DropReason.INVALID})
"""Reasons that are found after the user agent was parsed."""


class EventSummary(msgspec.Struct, frozen=True, gc=False):
    """An event with its verdict, without address and user agent.

    Attributes:
        number: Increases with each event, also over a restart.
        at: When it was received, Unix seconds.
        domain: As the client sent it, cut to `DOMAIN_LENGTH`.
        site_id: The site's; None when no site has the domain.
        reason: Why it was dropped; None when it was accepted.
        rule: What matched, as in `Drop`; empty for accepted events.
        name: The event's name.
        hostname: The page's host.
        pathname: The page's path, cut to `PATHNAME_LENGTH`.
        referrer_source: Where the visit came from; empty when unknown, or not looked at before the
            drop. The same holds for the fields below.
        country_code: ISO 3166-1 alpha-2.
        browser: Family.
        operating_system: Family.
        screen_size: `Mobile`, `Tablet`, `Desktop` or empty.
    """

    number: int
    at: int
    domain: str
    site_id: int | None
    reason: DropReason | None
    rule: str
    name: str
    hostname: str
    pathname: str
    referrer_source: str = ""
    country_code: str = ""
    browser: str = ""
    operating_system: str = ""
    screen_size: str = ""


def summarize(
    number: int,
    event: Event | EnrichedEvent,
    site_id: int | None = None,
    reason: DropReason | None = None,
    rule: str = "",
) -> EventSummary:
    """Summarise an event with the data that may be kept and shown.

    Args:
        number: The event's, as `RecentEvents` counts.
        event: The event as it was at the last step.
        site_id: Its site's, if the event does not know.
        reason: Why it was dropped.
        rule: What matched.
    """
    if isinstance(event, EnrichedEvent):
        page = (event.name, event.hostname, event.pathname)
        site_id, device, place = event.site_id, event.device, event.place
        source, country = event.attribution.referrer_source, place.country_code
    else:
        request = event.request
        page = (request.name, request.hostname, request.pathname)
        device = _device_of(event, reason)
        source = country = ""
    name, hostname, pathname = page
    return EventSummary(
        number=number,
        at=event.received,
        domain=cut(event.domain, DOMAIN_LENGTH),
        site_id=site_id,
        reason=reason,
        rule=cut(rule, RULE_LENGTH),
        name=cut(name, NAME_LENGTH),
        hostname=cut(hostname, HOSTNAME_LENGTH),
        pathname=cut(pathname, PATHNAME_LENGTH),
        referrer_source=cut(source, HOSTNAME_LENGTH),
        country_code=country,
        browser=device.browser,
        operating_system=device.operating_system,
        screen_size=device.screen_size,
    )


def as_json(summary: EventSummary) -> dict[str, Any]:
    """The summary as JSON, for routes and the command line."""
    return {
        "number": summary.number,
        "at": summary.at,
        "domain": summary.domain,
        "site_id": summary.site_id,
        "reason": None if summary.reason is None else summary.reason.value,
        "rule": summary.rule,
        "name": summary.name,
        "hostname": summary.hostname,
        "pathname": summary.pathname,
        "referrer_source": summary.referrer_source,
        "country_code": summary.country_code,
        "browser": summary.browser,
        "operating_system": summary.operating_system,
        "screen_size": summary.screen_size,
    }


def cut(text: str, length: int) -> str:
    """A text cut to a length, with an ellipsis if it was longer."""
    return text if len(text) <= length else f"{text[: length - 1]}…"


def _device_of(event: Event, reason: DropReason | None) -> Device:
    return describe(event.request.user_agent).device if reason in _AGENT_READ else UNKNOWN_DEVICE
