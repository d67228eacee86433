"""Generates an access log like a small site's: `python -m benchmarks.access_logs LINES`.

The lines are the same each time, and in order of time. They have sessions of a few pageviews, with
the pages' images and scripts, some crawlers, probes for missing files, redirects and forms.
"""

import argparse
import heapq
import json
import random
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

START = 1_788_220_800
"""1 September 2026, 00:00 UTC."""

LINES_PER_DAY = 20_000

_BROWSERS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/{version}.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/{version}.1 Safari/605.1.15",
    "Mozilla/5.0 (X11; Linux x86_64; rv:{version}.0) Gecko/20100101 Firefox/{version}.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_{version} like Mac OS X) AppleWebKit/605.1.15 "
    "(KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (Linux; Android 14; Pixel {version}) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/131.0.0.0 Mobile Safari/537.36",
)
_CRAWLERS = (
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
    "python-requests/2.32.3",
    "curl/8.5.0",
)
_REFERRERS = (
    "-",
    "-",
    "https://www.google.com/",
    "https://news.ycombinator.com/item?id=4242",
    "https://t.co/abc",
    "https://duckduckgo.com/",
)
_ASSETS = ("/static/site.css", "/static/site.js", "/favicon.ico", "/img/logo.svg", "/img/a.webp")
_PROBES = ("/wp-login.php", "/.env", "/xmlrpc.php", "/admin/config")


@dataclass(frozen=True, slots=True, order=True)
class Request:
    """A line of a log, independent of the format."""

    timestamp: int
    number: int
    address: str
    method: str
    target: str
    status: int
    referrer: str
    user_agent: str


def requests(lines: int, host: str = "example.com", seed: int = 42) -> Iterator[Request]:
    """Yield this many requests, in order of time."""
    chance = random.Random(seed)  # noqa: S311 - the same log each time
    waiting: list[Request] = []
    time = float(START)
    number = written = 0
    while written < lines:
        # A session, crawl or probe has about seven lines.
        time += chance.expovariate(LINES_PER_DAY / 7 / 86_400)
        while waiting and waiting[0].timestamp <= time and written < lines:
            yield heapq.heappop(waiting)
            written += 1
        for request in _visit(chance, int(time), host, number):
            number += 1
            heapq.heappush(waiting, request)


def _visit(chance: random.Random, start: int, host: str, number: int) -> Iterator[Request]:
    address = f"198.51.{chance.randrange(100)}.{chance.randrange(1, 255)}"
    kind = chance.random()
    if kind < 0.15:
        agent = chance.choice(_CRAWLERS)
        for step in range(chance.randint(1, 6)):
            target = f"/blog/post-{chance.randrange(300)}"
            yield Request(start + step, number + step, address, "GET", target, 200, "-", agent)
        return
    agent = chance.choice(_BROWSERS).format(version=chance.randrange(5, 26))
    if kind < 0.2:
        target = chance.choice(_PROBES)
        yield Request(start, number, address, "GET", target, 404, "-", agent)
        return
    referrer, time, step = chance.choice(_REFERRERS), start, 0
    tag = "?utm_source=newsletter&utm_campaign=autumn" if chance.random() < 0.05 else ""
    for page in range(min(1 + int(chance.expovariate(0.8)), 12)):
        path = "/" if chance.random() < 0.3 else f"/blog/post-{chance.randrange(300)}"
        target = path + (tag if page == 0 else "")
        status = 200 if chance.random() < 0.95 else chance.choice((301, 304, 404, 500))
        yield Request(time, number + step, address, "GET", target, status, referrer, agent)
        step += 1
        page_address = f"https://{host}{path}"
        for asset in chance.sample(_ASSETS, chance.randint(0, 3)):
            yield Request(time + 1, number + step, address, "GET", asset, 200, page_address, agent)
            step += 1
        if chance.random() < 0.03:
            yield Request(
                time + 2, number + step, address, "POST", "/contact", 303, page_address, agent
            )
            step += 1
        referrer = page_address
        time += 1 + int(chance.expovariate(1 / 90))


def combined(request: Request) -> str:
    """Format a request like Apache and nginx do by default."""
    time = datetime.fromtimestamp(request.timestamp, UTC).strftime("%d/%b/%Y:%H:%M:%S +0000")
    return (
        f'{request.address} - - [{time}] "{request.method} {request.target} HTTP/1.1" '
        f'{request.status} 5120 "{request.referrer}" "{request.user_agent}"'
    )


def caddy(request: Request, host: str = "example.com") -> str:
    """Format a request like Caddy does by default."""
    headers = {"User-Agent": [request.user_agent]}
    if request.referrer != "-":
        headers["Referer"] = [request.referrer]
    return json.dumps(
        {
            "level": "info",
            "ts": request.timestamp + 0.25,
            "logger": "http.log.access.log0",
            "msg": "handled request",
            "request": {
                "remote_ip": request.address,
                "remote_port": "50000",
                "client_ip": request.address,
                "proto": "HTTP/2.0",
                "method": request.method,
                "host": host,
                "uri": request.target,
                "headers": headers,
            },
            "status": request.status,
            "size": 5120,
            "resp_headers": {"Server": ["Caddy"]},
        }
    )


def main() -> None:
    """Write a log to standard output."""
    parser = argparse.ArgumentParser()
    parser.add_argument("lines", type=int)
    parser.add_argument("--caddy", action="store_true")
    parser.add_argument("--seed", type=int, default=42)
    arguments = parser.parse_args()
    write = caddy if arguments.caddy else combined
    for request in requests(arguments.lines, seed=arguments.seed):
        sys.stdout.write(write(request) + "\n")


if __name__ == "__main__":
    main()
