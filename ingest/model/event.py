"""The event at each stage of the pipeline: as requested, for one domain, enriched.

All of these are frozen and hold plain data only, so they can be passed between tasks or serialised.
They are msgspec structs: a frozen dataclass of twenty fields sets each field through
`object.__setattr__`, which takes ten times as long. They take part in no reference cycles, so the
garbage collector need not track them (`gc=False`). Where each event creates one, its fields are
given by position: msgspec compares each keyword with all fields, which takes 10,000 instructions
for twenty. Structs that the log keeps are written as arrays (`array_like=True`), without field
names: fields may be added at the end, with a default, but never be moved or removed.

Text from a percent-decoded URL may contain bytes that are not UTF-8. It is kept as `str` with those
bytes as surrogate escapes (PEP 383). Rows are encoded with `surrogateescape`, so the store receives
the bytes that the client sent.
"""

from decimal import Decimal

import msgspec

ENGAGEMENT = "engagement"
PAGEVIEW = "pageview"

Props = tuple[tuple[str, str], ...]
"""Custom properties as (key, value) pairs, sorted by key (spec/ingestion.md §7)."""


class Revenue(msgspec.Struct, frozen=True, gc=False):
    """An amount as the client sent it (spec/ingestion.md §8).

    Attributes:
        amount: In units of the currency, not yet rounded.
        currency: ISO 4217 code, upper case.
    """

    amount: Decimal
    currency: str


class EventRequest(msgspec.Struct, frozen=True, gc=False):
    """A valid request, shared by all its domains (spec/ingestion.md §2 to §9).

    Attributes:
        timestamp: Server time when the request was parsed, whole Unix seconds.
        name: The event's name, 1 to 120 grapheme clusters.
        domains: As sent, cleaned; at least one, duplicates kept, may hold empty strings.
        hostname: The page's host without `www.`, or `(none)`.
        pathname: The page's decoded path, with the fragment in hash mode; never empty.
        query: The page URL's query parameters, decoded, last one wins.
        referrer: The referring URL as sent, at most 2000 characters; None when absent.
        props: At most 30 pairs.
        revenue: None when absent or unusable.
        interactive: Whether the event ends a bounce.
        scroll_depth: Percent for engagement events (255 unknown), 0 for others.
        engagement_time: Milliseconds for engagement events, 0 for others.
        tracker_version: The script's version, 0 when unknown.
        client_ip: The visitor's address as text. Never stored nor logged.
        user_agent: The header as sent; None when absent. Never logged, and never in a row. A dead
            letter keeps it until it is redriven.
        ip_type: What a trusted proxy says of the address (`X-Plausible-IP-Type`); None when absent.
        received: For a past event, when it was received, in Unix seconds; None for an event that
            happens now.
    """

    timestamp: int
    name: str
    domains: tuple[str, ...]
    hostname: str
    pathname: str
    query: dict[str, str]
    referrer: str | None
    props: Props
    revenue: Revenue | None
    interactive: bool
    scroll_depth: int
    engagement_time: int
    tracker_version: int
    client_ip: str
    user_agent: str | None
    ip_type: str | None
    received: int | None = None


class Visitor(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """The visitor's anonymous ids, which cannot be computed again once the salts are deleted.

    Attributes:
        user_id: 64-bit id under the current salt.
        previous_user_id: Id under the previous salt; None when there is none (spec/sessions.md §1).
    """

    user_id: int
    previous_user_id: int | None


class Place(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """Where the address is (spec/enrichment.md §3); empty strings and 0 mean unknown.

    Attributes:
        country_code: ISO 3166-1 alpha-2.
        subdivision1_code: `<country>-<code>`, ISO 3166-2.
        subdivision2_code: As above, one level down.
        city_geoname_id: GeoNames id, districts mapped to their city.
    """

    country_code: str = ""
    subdivision1_code: str = ""
    subdivision2_code: str = ""
    city_geoname_id: int = 0


NOWHERE = Place()


class Device(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """What the visitor uses (spec/enrichment.md §2); empty strings mean unknown.

    Attributes:
        browser: Family, e.g. `Chrome`.
        browser_version: First two parts, e.g. `131.0`.
        operating_system: Family, e.g. `Mac`.
        operating_system_version: First two parts.
        screen_size: `Mobile`, `Tablet`, `Desktop` or empty.
    """

    browser: str = ""
    browser_version: str = ""
    operating_system: str = ""
    operating_system_version: str = ""
    screen_size: str = ""


UNKNOWN_DEVICE = Device()


class Attribution(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """Where the session came from (spec/enrichment.md §4 to §7); empty strings mean none.

    Attributes:
        referrer: Referring host and path, without scheme and query.
        referrer_source: Canonical name of the source.
        utm_source: Raw value of `utm_source`, `source` or `ref`.
        utm_medium: Raw value, or inferred from a click id.
        utm_campaign: Raw value.
        utm_content: Raw value.
        utm_term: Raw value.
        click_id_param: Name (never the value) of the click id parameter.
        acquisition_channel: E.g. `Organic Search`.
    """

    referrer: str = ""
    referrer_source: str = ""
    utm_source: str = ""
    utm_medium: str = ""
    utm_campaign: str = ""
    utm_content: str = ""
    utm_term: str = ""
    click_id_param: str = ""
    acquisition_channel: str = "Direct"


class RevenueAmounts(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """An event's revenue for a site that has a goal for it (spec/ingestion.md §8).

    Attributes:
        source_amount: As sent, rounded to 3 fraction digits.
        source_currency: As sent.
        reporting_amount: In the goal's currency; None when no exchange rate is known.
        reporting_currency: The goal's currency; empty when the amount is None.
    """

    source_amount: Decimal
    source_currency: str
    reporting_amount: Decimal | None
    reporting_currency: str


class Source(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """The producer of a record that this log's process did not receive itself.

    The fold takes each record of a source once: it remembers the highest number of each source and
    skips records that are not above it.

    Attributes:
        name: `letter:<id>`, `import:<id>`, or `front:<source id>`.
        number: The record's place in the source's sequence, from 1.
    """

    name: str
    number: int


class Event(msgspec.Struct, frozen=True, gc=False):
    """One event for one domain, as the front half receives it.

    Attributes:
        ticket: Number under which a request waits for its verdicts; 0 when nobody waits.
        position: Which of the request's domains this is, from 0.
        domain: As the client sent it, cleaned.
        request: The request, shared by its domains.
        visitor: Ids computed earlier, for redriven events whose address is gone; None for events
            directly from a client.
        source: Where the event comes from; None if it comes directly from a client.
        partition: The visitor's, if the ids were computed earlier.
    """

    ticket: int
    position: int
    domain: str
    request: EventRequest
    visitor: Visitor | None = None
    source: Source | None = None
    partition: int = 0

    @property
    def timestamp(self) -> int:
        """Unix seconds."""
        return self.request.timestamp

    @property
    def received(self) -> int:
        """When it was received, Unix seconds."""
        received = self.request.received
        return self.request.timestamp if received is None else received

    @property
    def tracker_version(self) -> int:
        """The script's version."""
        return self.request.tracker_version


class EnrichedEvent(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=0):
    """An event that passed all steps, with everything that its rows need; the log keeps it.

    It holds no address, no user agent and no live object.

    Attributes:
        domain: As in `Event`; part of the counter's key.
        tracker_version: Part of the counter's key.
        site_id: The site's id in the rows.
        visitor: Who sent it.
        timestamp: When it happened, Unix seconds.
        received: When it was received, Unix seconds; its verdict is counted at this time.
        name: The event's name.
        hostname: The page's host.
        pathname: The page's path.
        props: Custom properties, sorted by key.
        interactive: Whether the event ends a bounce.
        scroll_depth: Percent, 255 unknown.
        engagement_time: Milliseconds.
        place: Where the visitor is.
        device: What the visitor uses.
        attribution: Where the visitor came from.
        revenue: None unless the site has a revenue goal of this name.
        nonce: Random 64-bit number; if this event starts a session, the session's id.
        partition: The log's partition for all events of this visitor.
        source: Who produced it; None when this log's process received it itself.
    """

    domain: str
    tracker_version: int
    site_id: int
    visitor: Visitor
    timestamp: int
    received: int
    name: str
    hostname: str
    pathname: str
    props: Props
    interactive: bool
    scroll_depth: int
    engagement_time: int
    place: Place
    device: Device
    attribution: Attribution
    revenue: RevenueAmounts | None
    nonce: int
    partition: int = 0
    source: Source | None = None
