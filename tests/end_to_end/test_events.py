"""The stored rows of events sent over HTTP."""

import json
from typing import Any

import pytest

from tests.end_to_end.sluice import CHROME, SINGLE_PROCESS, Sluice
from tests.waiting import wait_until

COLUMNS = (
    "name, hostname, pathname, referrer_source, browser, operating_system, screen_size, "
    "`meta.key`, `meta.value`, site_id, session_id, user_id, acquisition_channel"
)


def test_the_documented_examples(sluice: Sluice) -> None:
    """Send the two requests of the README as one visitor."""
    for body in (
        {
            "name": "pageview",
            "url": "https://example.com/documented",
            "domain": "example.com",
            "referrer": "https://news.ycombinator.com/",
        },
        {
            "name": "Signup",
            "url": "https://example.com/documented",
            "domain": "example.com",
            "props": {"plan": "pro", "seats": 3},
        },
    ):
        response = sluice.client.post(
            "/api/event", json=body, headers={"x-forwarded-for": "198.51.100.1"}
        )
        assert (response.status_code, response.text) == (202, "ok")
        assert response.headers["content-type"] == "text/plain; charset=utf-8"
        assert response.headers["access-control-allow-origin"] == "*"
        assert "x-plausible-dropped" not in response.headers
    pageview, signup = sluice.rows(
        f"SELECT {COLUMNS} FROM events_v2 WHERE pathname = '/documented' ORDER BY timestamp, name "
        "DESC",
        2,
    )
    assert (pageview["name"], signup["name"]) == ("pageview", "Signup")
    assert pageview["referrer_source"] == signup["referrer_source"] == "Hacker News"
    assert pageview["browser"] == "Chrome"
    assert pageview["operating_system"] == "Mac"
    assert pageview["screen_size"] == "Desktop"
    assert pageview["acquisition_channel"] == "Organic Social"
    assert (signup["meta.key"], signup["meta.value"]) == (["plan", "seats"], ["pro", "3"])
    assert pageview["session_id"] == signup["session_id"]
    assert pageview["user_id"] == signup["user_id"]
    (visit,) = sluice.rows(
        "SELECT sum(sign) AS visits, sum(sign * pageviews) AS pageviews, sum(sign * events) AS "
        f"events, sum(sign * is_bounce) AS bounces FROM sessions_v2 "
        f"WHERE session_id = {pageview['session_id']}"
    )
    wait_until(
        lambda: (
            sluice.query(
                f"SELECT sum(sign * events) AS n FROM sessions_v2 "
                f"WHERE session_id = {pageview['session_id']}"
            )
            == [{"n": 2}]
        ),
    )
    assert visit["visits"] == 1
    assert visit["pageviews"] == 1


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        pytest.param("text/plain", '{"n":"pageview","u":"%s","d":"example.com"}', id="text"),
        pytest.param("application/json", '{"n":"pageview","u":"%s","d":"example.com"}', id="json"),
        pytest.param(
            "application/x-www-form-urlencoded",
            "n=pageview&d=example.com&p[key]=value&u=%s",
            id="form",
        ),
        pytest.param(
            "multipart/form-data; boundary=x",
            '--x\r\nContent-Disposition: form-data; name="n"\r\n\r\npageview\r\n'
            '--x\r\nContent-Disposition: form-data; name="d"\r\n\r\nexample.com\r\n'
            '--x\r\nContent-Disposition: form-data; name="u"\r\n\r\n%s\r\n--x--\r\n',
            id="multipart",
        ),
    ],
)
def test_content_types(sluice: Sluice, content_type: str, body: str) -> None:
    path = "/type-" + content_type.partition(";")[0].replace("/", "-")
    response = sluice.client.post(
        "/api/event",
        content=body % f"https://example.com{path}",
        headers={"content-type": content_type},
    )
    assert (response.status_code, response.text) == (202, "ok")
    (row,) = sluice.events(f"pathname = '{path}'")
    assert row["name"] == "pageview"


def test_one_of_two_domains_is_dropped(sluice: Sluice) -> None:
    response = sluice.send(url="https://example.com/two", domain="example.com,unknown.example")
    assert (response.status_code, response.text) == (202, "ok")
    assert response.headers["x-plausible-dropped"] == "1"
    assert len(sluice.events("pathname = '/two'")) == 1
    assert sluice.dropped("(unknown)", "not_found")


DROPS: list[Any] = [
    pytest.param("people.example", {}, {"user-agent": "curl/8.5.0"}, "bot", id="library"),
    pytest.param(
        "example.com",
        {},
        {"user-agent": "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"},
        "bot",
        id="crawler",
    ),
    pytest.param(
        "example.com",
        {},
        {"user-agent": CHROME.replace("Chrome", "HeadlessChrome")},
        "bot",
        id="headless",
    ),
    pytest.param(
        "example.com",
        {"r": "https://www.0-0.fr/x"},
        {},
        "spam_referrer",
        id="spam",
    ),
    pytest.param(
        "example.com",
        {},
        {"user-agent": "Plausible Verification Agent - if abused, contact support@plausible.io"},
        "verification_agent",
        id="verification agent",
    ),
    pytest.param("example.com", {}, {"x-plausible-ip-type": "dc_ip"}, "dc_ip", id="datacentre"),
    pytest.param("example.com", {}, {"x-plausible-ip-type": "threat_ip"}, "threat_ip", id="threat"),
    pytest.param("blocked.example", {}, {}, "block", id="blocked"),
    pytest.param("ended.example", {}, {}, "payment_required", id="ended"),
    pytest.param(
        "shielded.example",
        {"u": "https://elsewhere.example/"},
        {},
        "site_hostname_allowlist",
        id="hostname shield",
    ),
    pytest.param(
        "shielded.example",
        {"u": "https://shielded.example/admin/users/1"},
        {},
        "site_page_blocklist",
        id="page shield",
    ),
    pytest.param(
        "shielded.example",
        {"u": "https://shielded.example/"},
        {"x-forwarded-for": "203.0.113.7"},
        "site_ip_blocklist",
        id="address shield",
    ),
    pytest.param(
        "shielded.example",
        {"u": "https://a.shielded.example/"},
        {"forwarded": 'for="[2001:db8::1]:443"'},
        "site_ip_blocklist",
        id="network shield",
    ),
    pytest.param(
        "shielded.example",
        {"u": "https://shielded.example/"},
        {"x-forwarded-for": "198.51.100.1"},
        "site_country_blocklist",
        id="country shield",
    ),
]


@pytest.mark.parametrize(("domain", "fields", "headers", "reason"), DROPS)
def test_drops(
    sluice: Sluice, domain: str, fields: dict[str, Any], headers: dict[str, str], reason: str
) -> None:
    before = sluice.query("SELECT count() AS n FROM events_v2")
    body = {"n": "pageview", "u": f"https://{domain}/dropped", "d": domain, **fields}
    response = sluice.client.post(
        "/api/event", content=json.dumps(body), headers={"content-type": "text/plain", **headers}
    )
    assert (response.status_code, response.text) == (202, "ok")
    assert response.headers["x-plausible-dropped"] == "1"
    assert sluice.dropped(domain, reason)
    assert sluice.query("SELECT count() AS n FROM events_v2") == before


# In a cluster only workers know of visits: tests/end_to_end/test_cluster.py has the same there.
@SINGLE_PROCESS
def test_engagement_without_a_visit_is_dropped(sluice: Sluice) -> None:
    response = sluice.send("engagement", headers={"x-forwarded-for": "198.51.100.77"}, sd=50)
    assert (response.status_code, response.text) == (202, "ok")
    assert response.headers["x-plausible-dropped"] == "1"
    assert sluice.dropped("example.com", "no_session_for_engagement")
    assert (
        sluice.query("SELECT * FROM events_v2 WHERE name = 'engagement' AND pathname = '/'") == []
    )


def test_rate_limit(sluice: Sluice) -> None:
    dropped = [
        sluice.send(url="https://limited.example/", domain="limited.example").headers.get(
            "x-plausible-dropped"
        )
        for _ in range(3)
    ]
    assert dropped == [None, None, "1"]
    assert sluice.dropped("limited.example", "throttle")


def test_the_previous_domain_is_accepted(sluice: Sluice) -> None:
    response = sluice.send(
        url="https://shielded.example/renamed",
        domain="formerly.example",
        headers={"x-plausible-ip-type": "anonymous_vpn_ip"},
    )
    assert "x-plausible-dropped" not in response.headers
    (row,) = sluice.events("pathname = '/renamed'")
    assert (row["site_id"], row["country_code"]) == (2, "A1")


def test_revenue_in_the_goals_currency(sluice: Sluice) -> None:
    sluice.send(
        "Purchase",
        "https://shop.example/revenue",
        "shop.example",
        headers={"user-agent": "python-requests/2.32"},
        **{"$": {"amount": "10.20", "currency": "USD"}},
    )
    (row,) = sluice.rows(
        "SELECT toString(revenue_source_amount) AS a, revenue_source_currency AS b, "
        "toString(revenue_reporting_amount) AS c, revenue_reporting_currency AS d "
        "FROM events_v2 WHERE pathname = '/revenue'"
    )
    assert row == {"a": "10.2", "b": "USD", "c": "5.1", "d": "EUR"}


def test_engagement_is_stored_with_its_visit(sluice: Sluice) -> None:
    headers = {"x-forwarded-for": "198.51.100.2"}
    sluice.send(url="https://example.com/engaged", headers=headers)
    # In a cluster, what the next front sends may arrive first.
    sluice.events("pathname = '/engaged'")
    response = sluice.send(
        "engagement", "https://example.com/engaged", headers=headers, sd=120, e=4000
    )
    assert "x-plausible-dropped" not in response.headers
    rows = sluice.events("pathname = '/engaged'", 2)
    assert sorted((row["name"], row["scroll_depth"], row["engagement_time"]) for row in rows) == [
        ("engagement", 100, 4000),
        ("pageview", 0, 0),
    ]
    assert len({row["session_id"] for row in rows}) == 1


def test_bytes_that_are_not_utf8_are_stored_as_sent(sluice: Sluice) -> None:
    sluice.send("Bytes", "https://example.com/caf%E9")
    (row,) = sluice.rows("SELECT hex(pathname) AS h FROM events_v2 WHERE name = 'Bytes'")
    assert row["h"] == b"/caf\xe9".hex().upper()


def test_counters(sluice: Sluice) -> None:
    sluice.send(url="https://example.com/counted", v=36)
    rows = sluice.rows(
        "SELECT domain, site_id, metric, sum(value) AS value FROM ingest_counters "
        "WHERE metric = 'buffered' AND tracker_script_version = 36 "
        "GROUP BY domain, site_id, metric"
    )
    assert rows == [{"domain": "example.com", "site_id": 1, "metric": "buffered", "value": 1}]


@pytest.mark.parametrize(
    ("body", "errors"),
    [
        pytest.param(
            "{}",
            {
                "event_name": ["can't be blank"],
                "domain": ["can't be blank"],
                "url": ["is required"],
            },
            id="empty object",
        ),
        pytest.param(
            "not json", {"request": ["Unable to parse request body as json"]}, id="no JSON"
        ),
        pytest.param(
            '{"n":"pageview","d":"example.com"}', {"url": ["is required"]}, id="no address"
        ),
    ],
)
def test_errors(sluice: Sluice, body: str, errors: dict[str, list[str]]) -> None:
    response = sluice.client.post("/api/event", content=body)
    assert response.status_code == 400
    assert response.json() == {"errors": errors}
    assert response.headers["content-type"] == "application/json"
    assert response.headers["access-control-allow-origin"] == "*"
