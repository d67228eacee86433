from typing import Any

import pytest

from ingest.past.log_address import Visitors
from ingest.past.log_fields import LogField, logged_request, parse_names
from ingest.past.past_event import BrokenLineError
from ingest.request.client_address import TrustedProxies
from tests.examples import NOON

VISITORS = Visitors(TrustedProxies.parse("private"))
WHOLE: dict[LogField, str] = {"address": "203.0.113.9", "path": "/a", "status": "200"}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param({}, {"method": "GET", "target": "/a", "status": 200}, id="no method: GET"),
        pytest.param({"method": "HEAD"}, {"method": "HEAD"}, id="method"),
        pytest.param({"method": "-"}, {"method": ""}, id="no request was sent"),
        pytest.param(
            {"request": "POST /b HTTP/1.1", "path": ""},
            {"method": "POST", "target": "/b"},
            id="request",
        ),
        pytest.param(
            {"request": "GET /b HTTP/1.1"}, {"target": "/a"}, id="the path goes before the request"
        ),
        pytest.param(
            {"request": "", "path": ""}, {"method": "", "target": ""}, id="an empty request"
        ),
        pytest.param({"query": "b=c"}, {"target": "/a?b=c"}, id="query"),
        pytest.param({"query": "?b=c"}, {"target": "/a?b=c"}, id="query with its mark"),
        pytest.param({"query": "-"}, {"target": "/a"}, id="no query"),
        pytest.param({"path": "/a?b", "query": "b"}, {"target": "/a?b"}, id="query in the path"),
        pytest.param({"status": "-"}, {"status": 0}, id="no response"),
        pytest.param({"status": "000"}, {"status": 0}, id="no response by CloudFront"),
        pytest.param({"referrer": "-", "user_agent": ""}, {"referrer": None}, id="no referrer"),
        pytest.param({"host": "_"}, {"host": ""}, id="no host"),
        pytest.param(
            {"address": "198.51.100.1, 10.0.0.1"}, {"client": "198.51.100.1"}, id="addresses"
        ),
    ],
)
def test_requests(changes: dict[LogField, str], expected: dict[str, Any]) -> None:
    request = logged_request(WHOLE | changes, NOON, VISITORS)
    assert request.timestamp == NOON
    assert {name: getattr(request, name) for name in expected} == expected


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"address": "203.0.113.9", "path": "/a"}, "has no status"),
        (WHOLE | {"status": "OK"}, "has a status that is no number"),
        (WHOLE | {"status": "٢٠٠"}, "has a status that is no number"),
        ({"path": "/a", "status": "200"}, "has no address"),
        (WHOLE | {"address": "Nov"}, "neither an address nor a host's name"),
        ({"address": "203.0.113.9", "status": "200"}, "has no path"),
        (WHOLE | {"host": "a b"}, "has a host that is neither"),
    ],
)
def test_broken(values: dict[LogField, str], problem: str) -> None:
    with pytest.raises(BrokenLineError, match=problem):
        logged_request(values, NOON, VISITORS)


def test_names() -> None:
    assert parse_names("path=uri, status=http.response.code,path=url") == (
        ("path", "uri"),
        ("status", "http.response.code"),
        ("path", "url"),
    )


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "not like path=uri"),
        ("path", "not like path=uri"),
        ("path=", "not like path=uri"),
        ("path=uri,", "not like path=uri"),
        ("code=response", "'code' is no field; there are time, address,"),
    ],
)
def test_names_that_are_none(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        parse_names(text)
