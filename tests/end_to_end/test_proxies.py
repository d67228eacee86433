"""The visitor's address behind a proxy, with each setting in `docs/proxy.md`."""

import itertools
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.documentation import PLAUSIBLE, blocks
from tests.end_to_end.pages import Pages
from tests.end_to_end.proxy import Proxy
from tests.end_to_end.sluice import CHROME, Sluice

Visitor = Callable[[str, Mapping[str, str]], int]
"""Sends a pageview from a loopback address, with headers; returns the visitor's id."""

FORGED = {"x-forwarded-for": "203.0.113.1"}
FORGED_OTHERWISE = {
    "x-plausible-ip": "203.0.113.2",
    "cf-connecting-ip": "203.0.113.3",
    "b-forwarded-for": "203.0.113.4",
    "forwarded": "for=203.0.113.5",
}
ONE, OTHER = "127.0.0.2", "127.0.0.3"
PAGES = itertools.count()
SCRIPTS = ("/js/script.js", "/js/plausible.tagged-events.hash.js", "/js/p.js", "/js/analytics.js")


def visitors(server: Sluice, proxy: Proxy, url: str = "http://127.0.0.1") -> Visitor:
    def visitor(address: str, headers: Mapping[str, str]) -> int:
        page = f"/{next(PAGES)}"
        body = {"n": "pageview", "u": f"https://example.com{page}", "d": "example.com"}
        # Caddy's own certificate is not known.
        transport = httpx.HTTPTransport(local_address=address, verify=not url.startswith("https"))
        with httpx.Client(transport=transport, timeout=60) as client:
            answer = client.post(
                f"{url}:{proxy.port}/api/event",
                content=json.dumps(body),
                headers={"content-type": "text/plain", "user-agent": CHROME, **headers},
            )
        assert (answer.status_code, answer.text) == (202, "ok"), answer.text
        (event,) = server.events(f"pathname = '{page}'")
        return int(event["user_id"])

    return visitor


@contextmanager
def behind(
    kind: str, directory: Path, trusted: str, **options: Any
) -> Iterator[tuple[Sluice, Visitor]]:
    with (
        Sluice(directory, "chdb://chdb", SLUICE_TRUSTED_PROXIES=trusted) as server,
        Proxy(kind, directory / "proxy", server.port, **options) as proxy,
    ):
        yield server, visitors(server, proxy)


@pytest.mark.parametrize("kind", ["nginx", "caddy"])
@pytest.mark.parametrize("trusted", ["private", "127.0.0.1/32"])
def test_a_proxy_that_says_who_came(tmp_path: Path, kind: str, trusted: str) -> None:
    with behind(kind, tmp_path, trusted) as (server, visitor):
        one = visitor(ONE, {})
        assert visitor(OTHER, {}) != one
        assert visitor(ONE, FORGED) == one
        assert visitor(ONE, FORGED_OTHERWISE) == one
        assert server.client.get("/metrics").status_code == 200


def test_the_proxy_of_the_composition(tmp_path: Path) -> None:
    with (
        Sluice(tmp_path, "chdb://chdb") as server,
        Proxy("caddy-tls", tmp_path / "proxy", server.port) as proxy,
    ):
        visitor = visitors(server, proxy, "https://localhost")
        one = visitor(ONE, {})
        assert visitor(OTHER, {}) != one
        assert visitor(ONE, FORGED | FORGED_OTHERWISE) == one


@pytest.mark.parametrize("trusted", ["127.0.0.1/32", "10.0.0.0/8, 127.0.0.1"])
def test_one_that_appends_needs_the_networks_named(tmp_path: Path, trusted: str) -> None:
    with behind("nginx", tmp_path, trusted, appends=True) as (_, visitor):
        one = visitor(ONE, {})
        assert visitor(OTHER, {}) != one
        assert visitor(ONE, FORGED) == one


def test_visitors_behind_other_proxies_in_front_of_both_programs(
    tmp_path: Path, pages: Pages
) -> None:
    """The page on Plausible has the proxy's configuration. A page server is Plausible."""
    pages.content["/js/dashboard.js"] = pages.content["/js/script.js"] = "plausible()"
    locations = "\n".join(blocks(PLAUSIBLE, "nginx"))
    locations = locations.replace("127.0.0.1:8000", f"127.0.0.1:{pages.port}")
    server = f"server {{ listen 80; {locations} }}".replace(":8080", ":8000")
    with (
        Sluice(tmp_path, "chdb://chdb") as sluice,
        Proxy("nginx", tmp_path / "proxy", sluice.port, server=server) as proxy,
    ):
        visitor = visitors(sluice, proxy)
        one = visitor(ONE, {"x-forwarded-for": "203.0.113.1"})
        assert visitor(ONE, {"x-forwarded-for": "203.0.113.2"}) != one
        assert visitor(OTHER, {"x-forwarded-for": "203.0.113.1"}) == one
        assert visitor(ONE, {}) not in (one, visitor(OTHER, {}))
        url = f"http://127.0.0.1:{proxy.port}"
        for path in SCRIPTS:
            assert "plausible_ignore" in httpx.get(f"{url}{path}", timeout=60).text
        assert httpx.get(f"{url}/js/pa-unknown.js", timeout=60).json()["errors"]
        assert httpx.get(f"{url}/js/dashboard.js", timeout=60).text == "plausible()"


def test_else_a_visitor_chooses_an_address(tmp_path: Path) -> None:
    with behind("nginx", tmp_path, "private", appends=True) as (_, visitor):
        assert visitor(ONE, FORGED) != visitor(ONE, {})


def test_one_that_is_not_trusted_is_the_only_visitor(tmp_path: Path) -> None:
    with behind("nginx", tmp_path, "192.0.2.0/24") as (_, visitor):
        assert visitor(ONE, {}) == visitor(OTHER, {}) == visitor(ONE, FORGED)


def test_errors_bear_the_id_that_the_proxy_gave(tmp_path: Path) -> None:
    with (
        Sluice(tmp_path, "chdb://chdb") as server,
        Proxy("nginx", tmp_path / "proxy", server.port) as proxy,
    ):
        url = f"http://127.0.0.1:{proxy.port}/api/event"
        answer = httpx.post(url, content="{}", headers={"x-request-id": "mine"}, timeout=60)
    assert answer.status_code == 400
    # nginx generates 32 hexadecimal digits, Sluice 16.
    assert len(answer.headers["x-request-id"]) == 32


@pytest.mark.parametrize("kind", ["nginx", "caddy"])
def test_figures_are_not_shown_through_a_proxy(tmp_path: Path, kind: str) -> None:
    with (
        Sluice(tmp_path, "chdb://chdb") as server,
        Proxy(kind, tmp_path / "proxy", server.port) as proxy,
    ):
        url = f"http://127.0.0.1:{proxy.port}"
        assert httpx.get(f"{url}/metrics", timeout=60).status_code == 403
        assert httpx.get(f"{url}/health", timeout=60).status_code == 200


@pytest.mark.parametrize(
    ("trusted", "believed"),
    [("127.0.0.1/32", True), ("private", True), ("192.0.2.0/24", False)],
)
def test_cloudflare_s_header(tmp_path: Path, trusted: str, believed: bool) -> None:
    """Simulate Cloudflare by requests from this machine with its headers."""
    with Sluice(tmp_path, "chdb://chdb", SLUICE_TRUSTED_PROXIES=trusted) as server:
        found = []
        for address in ("203.0.113.1", "203.0.113.2"):
            page = f"/{next(PAGES)}"
            headers = {"cf-connecting-ip": address, "x-forwarded-for": f"{address}, 198.51.100.7"}
            server.send(url=f"https://example.com{page}", headers=headers)
            (event,) = server.events(f"pathname = '{page}'")
            found.append(event["user_id"])
    assert (found[0] != found[1]) is believed


def test_nginx_behind_cloudflare(tmp_path: Path) -> None:
    with behind("nginx", tmp_path, "private", cloudflare="127.0.0.2/32") as (_, visitor):
        one = visitor(ONE, {"cf-connecting-ip": "203.0.113.1"})
        assert visitor(ONE, {"cf-connecting-ip": "203.0.113.2"}) != one
        assert visitor(ONE, {"cf-connecting-ip": "203.0.113.1", **FORGED}) == one
        # Without Cloudflare, the visitor is the connecting client.
        other = visitor(OTHER, {})
        assert visitor(OTHER, {"cf-connecting-ip": "203.0.113.1"}) == other != one
