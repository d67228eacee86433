"""The requests of `traffic.lua`, for benchmarks in one process."""

import random
from typing import Final

SITES: Final = 50
PAGES: Final = 200

_SYSTEMS: Final = (
    "Windows NT 10.0; Win64; x64",
    "Macintosh; Intel Mac OS X 10_15_7",
    "X11; Linux x86_64",
    "Linux; Android 10; K",
    "iPhone; CPU iPhone OS 18_1 like Mac OS X",
)
_REFERRERS: Final = (
    "https://www.google.com/",
    "https://news.ycombinator.com/item?id=1",
    "https://t.co/abc",
    "https://www.bing.com/search?q=x",
    "https://example.org/links",
    "https://github.com/a/b",
)


def requests(number: int, visitors: int) -> list[bytes]:
    """Return requests as `wrk` sends them.

    Args:
        number: How many.
        visitors: They take turns; each has a visit after its first one.
    """
    chance = random.Random(42)  # noqa: S311 - the same traffic each time
    return [_request(chance, i, i % visitors, i < visitors) for i in range(number)]


def _request(chance: random.Random, number: int, visitor: int, is_first: bool) -> bytes:
    body = _body(chance, 50 if is_first else chance.randint(1, 100), visitor)
    head = {
        "Host": "stats.example",
        "User-Agent": _agent(visitor),
        "Accept": "*/*",
        "Accept-Language": "en-US,en;q=0.5",
        "Accept-Encoding": "gzip, deflate, br",
        "Content-Type": "text/plain",
        "Origin": f"https://site{visitor % SITES}.example",
        "X-Forwarded-For": f"198.{visitor % 100}.{visitor // 100}.7",
        "Content-Length": str(len(body)),
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in head.items())
    return f"POST /api/event HTTP/1.1\r\n{lines}\r\n{body}".encode()


def _agent(visitor: int) -> str:
    system = _SYSTEMS[visitor % len(_SYSTEMS)]
    if "iPhone" in system:
        return (
            f"Mozilla/5.0 ({system}) AppleWebKit/605.1.15 (KHTML, like Gecko)"
            f" Version/18.{visitor % 3} Mobile/15E148 Safari/604.1"
        )
    return (
        f"Mozilla/5.0 ({system}) AppleWebKit/537.36 (KHTML, like Gecko)"
        f" Chrome/{110 + visitor % 30}.0.0.0 Safari/537.36"
    )


def _body(chance: random.Random, kind: int, visitor: int) -> str:
    """Return an event: 70 % pageviews, 20 % engagement, 10 % custom events with properties."""
    site = f"site{visitor % SITES}.example"
    url = f"https://{site}/blog/post-{chance.randint(1, PAGES)}"
    if kind <= 70:
        referrer = f'"{chance.choice(_REFERRERS)}"' if kind <= 40 else "null"
        if kind <= 5:
            url += "?utm_source=newsletter&utm_medium=email"
        return f'{{"n":"pageview","v":36,"u":"{url}","d":"{site}","r":{referrer}}}'
    if kind <= 90:
        return (
            f'{{"n":"engagement","v":36,"sd":{chance.randint(1, 100)},"d":"{site}","u":"{url}"'
            f',"e":{chance.randint(1, 60_000)}}}'
        )
    return (
        f'{{"n":"Signup","v":36,"u":"{url}","d":"{site}","r":null'
        f',"p":{{"plan":"pro","seats":{chance.randint(1, 9)},"trial":true}}}}'
    )
