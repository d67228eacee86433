from datetime import date

import pytest

from ingest.sites.shields import Shields
from ingest.sites.site import RateLimit, Site, SiteScript
from ingest.sites.site_change import SiteChange

SECRET = "a-secret-of-16-or-more"


@pytest.mark.parametrize(
    ("before", "after", "lines"),
    [
        pytest.param(None, Site(1, "a"), ["+ site 1 a"], id="new"),
        pytest.param(
            Site(1, "a", "b", RateLimit(1, 2), date(2027, 1, 1), True, server_key=SECRET),
            Site(1, "c"),
            [
                "~ site 1 c",
                "    domain: a -> c",
                "    previous domain: b -> none",
                "    rate limit: 1 events in 2 s -> none",
                "    accepts traffic until: 2027-01-01 -> none",
                "    server clients: dropped -> accepted",
                "    server key: taken away",
            ],
            id="keys",
        ),
        pytest.param(
            Site(1, "a", shields=Shields(("192.0.2.1",)), revenue_goals={"x": "EUR", "y": "EUR"}),
            Site(1, "a", shields=Shields(pages=("/b",)), revenue_goals={"x": "USD", "y": "EUR"}),
            [
                "~ site 1 a",
                "    ip rules: - 192.0.2.1",
                "    page rules: + /b",
                "    revenue goals: + x (USD), - x (EUR)",
            ],
            id="rules",
        ),
        pytest.param(
            Site(1, "a", script=SiteScript("x")),
            Site(1, "a", script=SiteScript("x", outbound_links=True, hash_based_routing=True)),
            ["~ site 1 a", "    script: pa-x.js -> pa-x.js (outbound links, hash based routing)"],
            id="script",
        ),
    ],
)
def test_lines(before: Site | None, after: Site, lines: list[str]) -> None:
    assert list(SiteChange(before, after).lines()) == lines


def test_a_secret_is_not_shown() -> None:
    text = "\n".join(SiteChange(Site(1, "a"), Site(1, "a", server_key=SECRET)).lines())
    assert "server key: a new one" in text
    assert SECRET not in text
