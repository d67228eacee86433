"""The visitors and their events, the same for the same seed, whatever happens to the server."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Final

from tests.chaos.events import Outcome, Sent

PAGEVIEW: Final = "pageview"
ENGAGEMENT: Final = "engagement"
SIGNUP: Final = "Signup"
IMPRESSION: Final = "Impression"
"""Name of the event that is sent with `i: false`, so that it does not end a bounce."""
POISON: Final = "Poison"
"""Name of the event that a faulty server's fold cannot handle."""

DOMAINS: Final = ("example.com", "shop.example")
UID: Final = re.compile(r"ev-(\d{6})-(\d{5})")
UID_PROP: Final = "uid"

SITES: Final = "\n".join(
    f'[[site]]\nid = {number}\ndomain = "{domain}"\n' for number, domain in enumerate(DOMAINS, 1)
)

_PAGES: Final = ("/", "/pricing", "/blog", "/blog/first-post", "/docs/install", "/about", "/café")
_REFERRERS: Final = (
    None,
    None,
    "https://www.google.com/",
    "https://news.ycombinator.com/item?id=1",
    "https://duckduckgo.com/",
)
_AGENTS: Final = (
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/{version}.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:{version}.0) Gecko/20100101 Firefox/{version}.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like "
    "Gecko) Version/17.{version} Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/{version}.0.0.0 Mobile Safari/537.36",
)
_SHORTEST_VISIT, _LONGEST_VISIT = 4, 90


@dataclass(frozen=True, slots=True)
class Planned:
    """An event that a visitor is about to send.

    Attributes:
        uid: Its unique id, `ev-VISITOR-SEQUENCE`.
        visitor: Number of the visitor.
        sequence: Number of the event among the visitor's, from 0.
        name: The event's name.
        pathname: The page's path, as stored.
        headers: Headers of the request.
        body: Body of the request.
    """

    uid: str
    visitor: int
    sequence: int
    name: str
    pathname: str
    headers: dict[str, str]
    body: bytes

    def sent(self, outcome: Outcome, status: int, port: int) -> Sent:
        """Return the event with what became of it."""
        return Sent(
            self.uid,
            self.visitor,
            self.sequence,
            self.name,
            self.pathname,
            outcome,
            status,
            port,
        )


def uid_of(visitor: int, sequence: int) -> str:
    """Return the unique id of a visitor's event."""
    return f"ev-{visitor:06d}-{sequence:05d}"


def parse_uid(uid: str) -> tuple[int, int]:
    """Return the visitor and sequence of a unique id.

    Raises:
        ValueError: The text is not such an id.
    """
    match = UID.fullmatch(uid)
    if match is None:
        raise ValueError(f"not an event of this run: {uid!r}")
    return int(match[1]), int(match[2])


def seeded(seed: int, *purpose: object) -> Random:
    """Return an independent random generator for each purpose."""
    return Random("/".join(map(str, (seed, *purpose))))  # noqa: S311 - repeatable, not secret


def visit(
    seed: int, visitor: int, *, length: int | None = None, poison: float = 0.0
) -> Iterator[Planned]:
    """Yield all events of one visitor, in order: 70 % pageviews, 20 % engagement, 10 % others.

    Args:
        seed: Seed of the run.
        visitor: The visitor's number; determines address, browser, site and events.
        length: Number of events; None for a random one.
        poison: Share of poison events.
    """
    random = seeded(seed, "visitor", visitor)
    domain = random.choice(DOMAINS)
    headers = {
        "content-type": "text/plain",
        "user-agent": random.choice(_AGENTS).format(version=random.randint(100, 140)),
        # From the networks that are reserved for benchmarks (RFC 2544).
        "x-forwarded-for": f"198.{18 + (visitor >> 16 & 1)}.{visitor >> 8 & 255}.{visitor & 255}",
    }
    referrer, page = random.choice(_REFERRERS), random.choice(_PAGES)
    if length is None:
        length = random.randint(_SHORTEST_VISIT, _LONGEST_VISIT)
    for sequence in range(length):
        uid = uid_of(visitor, sequence)
        fields: dict[str, object] = {"d": domain, "v": 34, "p": {UID_PROP: uid}}
        draw = random.random()
        if poison and random.random() < poison:
            name = POISON
        elif draw < 0.7:
            name, page = PAGEVIEW, random.choice(_PAGES)
            if sequence == 0 and referrer is not None:
                fields["r"] = referrer
        elif draw < 0.9:
            name = ENGAGEMENT
            fields |= {"sd": random.randint(0, 100), "e": random.randint(100, 60_000)}
        elif draw < 0.97:
            name = SIGNUP
            fields["p"] = {UID_PROP: uid, "plan": random.choice(("free", "pro"))}
        else:
            name = IMPRESSION
            fields["i"] = False
        fields |= {"n": name, "u": f"https://{domain}{page}"}
        yield Planned(uid, visitor, sequence, name, page, headers, json.dumps(fields).encode())
