from typing import Any

import pytest

from ingest.past.pageview import LoggedRequest, is_asset, is_page, pageview
from ingest.past.past_event import BrokenLineError, NoHostError, SkipReason
from tests.examples import NOON
from tests.ingest.past.lines import options, told


def a_request(**changes: Any) -> LoggedRequest:
    fields: dict[str, Any] = {
        "timestamp": NOON - 100,
        "peer": "203.0.113.9",
        "method": "GET",
        "target": "/a",
        "status": 200,
        "host": "",
        "referrer": None,
        "user_agent": "x",
    }
    return LoggedRequest(**(fields | changes))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        pytest.param({"method": "POST"}, SkipReason.METHOD, id="form"),
        pytest.param({"method": "HEAD"}, SkipReason.METHOD, id="head"),
        pytest.param({"method": ""}, SkipReason.METHOD, id="no request at all"),
        pytest.param({"target": "*"}, SkipReason.METHOD, id="no path"),
        pytest.param({"target": "ftp://example.com/a"}, SkipReason.METHOD, id="another scheme"),
        pytest.param({"status": 301}, SkipReason.STATUS, id="redirect"),
        pytest.param({"status": 404}, SkipReason.STATUS, id="not found"),
        pytest.param({"status": 500}, SkipReason.STATUS, id="error"),
        pytest.param({"status": 206}, SkipReason.STATUS, id="a part"),
        pytest.param({"target": "/a.css"}, SkipReason.ASSET, id="style"),
        pytest.param({"target": "/a.css", "status": 404}, SkipReason.ASSET, id="missing style"),
        pytest.param({"target": "/A.JPG?v=1"}, SkipReason.ASSET, id="upper case"),
        pytest.param({"target": "/robots.txt"}, SkipReason.ASSET, id="robots"),
        pytest.param({"content_type": "image/png"}, SkipReason.ASSET, id="type"),
        pytest.param({"content_type": "application/json"}, SkipReason.ASSET, id="data"),
        pytest.param({"purpose": "prefetch"}, SkipReason.PREFETCH, id="prefetch"),
        pytest.param({"purpose": "prefetch;prerender"}, SkipReason.PREFETCH, id="prerender"),
        pytest.param({"purpose": "preview"}, SkipReason.PREFETCH, id="preview"),
    ],
)
def test_skipped(changes: dict[str, Any], reason: SkipReason) -> None:
    assert pageview(a_request(**changes), options()) is reason


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param({}, {"hostname": "example.com", "pathname": "/a"}, id="site's host"),
        pytest.param({"host": "WWW.Example.com:8080"}, {"hostname": "example.com"}, id="own host"),
        pytest.param({"host": "blog.example.com"}, {"hostname": "blog.example.com"}, id="part"),
        pytest.param(
            {"target": "http://example.com/b?ref=c", "host": "proxy"},
            {"hostname": "example.com", "pathname": "/b", "query": {"ref": "c"}},
            id="whole address",
        ),
        pytest.param({"target": "/a%20b"}, {"pathname": "/a b"}, id="decoded"),
        pytest.param({"status": 304}, {"name": "pageview"}, id="not modified"),
        pytest.param({"content_type": "Text/HTML; charset=utf-8"}, {"pathname": "/a"}, id="page"),
        pytest.param({"target": "/v1.2/about"}, {"pathname": "/v1.2/about"}, id="dot in a folder"),
        pytest.param({"target": "/index.php"}, {"pathname": "/index.php"}, id="program"),
        pytest.param(
            {"forwarded": "198.51.100.1"}, {"client_ip": "203.0.113.9"}, id="anybody's word"
        ),
        pytest.param(
            {"peer": "10.0.0.1", "forwarded": "198.51.100.1, 10.0.0.2"},
            {"client_ip": "198.51.100.1"},
            id="a proxy's word",
        ),
        pytest.param(
            {"peer": "10.0.0.1", "forwarded": "-"}, {"client_ip": "10.0.0.1"}, id="no word"
        ),
        pytest.param(
            {"peer": "10.0.0.1", "client": "198.51.100.7", "forwarded": "198.51.100.1"},
            {"client_ip": "198.51.100.7"},
            id="server's finding",
        ),
        pytest.param({"peer": "host.example"}, {"client_ip": "host.example"}, id="name"),
    ],
)
def test_page_views(changes: dict[str, Any], expected: dict[str, Any]) -> None:
    event = told(pageview(a_request(**changes), options()))
    assert expected.items() <= event.items()
    assert (event["domains"], event["received"]) == (("example.com",), NOON)


def test_a_page_that_is_not_there_may_be_an_event() -> None:
    event = told(pageview(a_request(status=404, target="/b?c"), options(with_not_found=True)))
    assert (event["name"], event["pathname"], event["props"]) == ("404", "/b", (("path", "/b"),))


def test_the_host_names_the_site_if_nobody_else_does() -> None:
    event = told(pageview(a_request(host="www.example.com"), options(site=None)))
    assert (event["domains"], event["hostname"]) == (("example.com",), "example.com")
    with pytest.raises(NoHostError):
        pageview(a_request(), options(site=None))


def test_an_address_that_is_too_long_is_no_event() -> None:
    with pytest.raises(BrokenLineError, match="url: must be a valid url"):
        pageview(a_request(target=f"/{'a' * 2000}"), options())


@pytest.mark.parametrize(
    ("path", "asset"),
    [("/", False), ("", False), ("/a.", False), ("/.env", True), ("/a.b/c", False)],
)
def test_extensions(path: str, asset: bool) -> None:
    assert is_asset(path) is asset


@pytest.mark.parametrize(
    ("content_type", "page"),
    [("", True), ("text/html", True), ("application/xhtml+xml;x", True), ("text/plain", False)],
)
def test_types(content_type: str, page: bool) -> None:
    assert is_page(content_type) is page
