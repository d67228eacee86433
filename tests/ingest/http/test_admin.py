"""Who may see the operator's pages."""

import base64
import hmac

import pytest

from ingest.http.admin import (
    has_bearer_token,
    has_password,
    is_loopback,
    is_loopback_host,
    may_administer,
)
from ingest.request.client_address import ADDRESS_HEADERS

TOKEN = "s3cret"
HERE = {"accept": "*/*", "host": "localhost:8000"}


def basic(credentials: str) -> str:
    return f"Basic {base64.b64encode(credentials.encode()).decode()}"


@pytest.mark.parametrize(
    ("peer", "expected"),
    [
        ("127.0.0.1", True),
        ("127.8.9.10", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("::ffff:203.0.113.9", False),
        ("10.0.0.1", False),
        ("192.168.0.1", False),
        ("/run/socket", False),
        ("203.0.113.9", False),
        ("2001:db8::1", False),
        ("0.0.0.0", False),
        ("localhost", False),
        ("", False),
    ],
)
def test_loopback(peer: str, expected: bool) -> None:
    assert is_loopback(peer) is expected


@pytest.mark.parametrize(
    ("authorization", "expected"),
    [
        ("Bearer s3cret", True),
        ("bearer s3cret", True),
        ("BEARER  s3cret ", True),
        ("Bearer S3cret", False),
        ("Bearer s3cret2", False),
        ("Bearer s3cre", False),
        ("Bearer", False),
        ("Bearer ", False),
        ("s3cret", False),
        ("Basic s3cret", False),
        ("Bearer s3cr\u00e9t", False),
        ("Bearer \xff\xfe", False),
        ("", False),
        (None, False),
    ],
)
def test_bearer_tokens(authorization: str | None, expected: bool) -> None:
    headers = {} if authorization is None else {"authorization": authorization}
    assert has_bearer_token(headers, TOKEN) is expected


@pytest.mark.parametrize(
    ("authorization", "expected"),
    [
        (basic("operator:s3cret"), True),
        (basic(":s3cret"), True),
        (basic("operator:s3cret").replace("Basic", "bASIC "), True),
        (basic("operator:S3cret"), False),
        (basic("operator:s3cret:"), False),
        (basic("s3cret:"), False),
        (basic("s3cret"), False),
        (basic("operator:s3cr\u00e9t"), False),
        (basic("operator:s3cret").replace("Basic", "Bearer"), False),
        (basic("operator:s3cret")[:-3], False),
        ("Basic operator:s3cret", False),
        ("Basic \xff", False),
        ("Basic", False),
        ("", False),
        (None, False),
    ],
)
def test_passwords(authorization: str | None, expected: bool) -> None:
    headers = {} if authorization is None else {"authorization": authorization}
    assert has_password(headers, TOKEN) is expected
    assert may_administer(headers, "203.0.113.9", TOKEN) is expected


@pytest.mark.parametrize("peer", ["127.0.0.1", "203.0.113.9", ""])
@pytest.mark.parametrize("carried", [True, False])
def test_with_a_token_only_the_token_counts(peer: str, carried: bool) -> None:
    headers = {"authorization": f"Bearer {TOKEN}"} if carried else {}
    assert may_administer(headers, peer, TOKEN) is carried


@pytest.mark.parametrize(("peer", "expected"), [("127.0.0.1", True), ("203.0.113.9", False)])
def test_without_a_token_only_this_machine_may(peer: str, expected: bool) -> None:
    assert may_administer(HERE, peer, None) is expected


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("localhost", True),
        ("LocalHost:8000", True),
        ("127.0.0.1", True),
        ("127.0.0.1:8000", True),
        ("127.1.2.3:1", True),
        ("[::1]", True),
        ("[::1]:8000", True),
        ("[::ffff:127.0.0.1]:80", True),
        ("rebound.example", False),
        ("rebound.example:8000", False),
        ("localhost.rebound.example", False),
        ("127.0.0.1.rebound.example", False),
        ("203.0.113.9", False),
        ("0.0.0.0", False),
        ("[2001:db8::1]:8000", False),
        ("[::1", False),
        ("[::1]x", False),
        ("::1", False),
        ("localhost:", True),
        ("localhost:x", False),
        ("localhost:8000:1", False),
        ("localhost:\u0663", False),
        ("user@localhost", False),
        ("", False),
    ],
)
def test_a_name_that_leads_here_is_not_this_machine(host: str, expected: bool) -> None:
    """DNS rebinding: a page's own name is made to mean 127.0.0.1, so that its origin is ours."""
    assert is_loopback_host(host) is expected
    assert may_administer({"host": host}, "127.0.0.1", None) is expected


def test_without_a_host_nobody_knows_what_was_asked() -> None:
    assert not may_administer({}, "127.0.0.1", None)


def test_tokens_are_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[object, object]] = []

    def compare(given: bytes, token: bytes) -> bool:
        compared.append((given, token))
        return False

    monkeypatch.setattr(hmac, "compare_digest", compare)
    assert not has_bearer_token({"authorization": "Bearer \xe9"}, TOKEN)
    assert not has_bearer_token({}, TOKEN)
    assert not has_password({"authorization": basic("me:\xe9")}, TOKEN)
    assert not has_password({"authorization": "Basic ?"}, TOKEN)
    token = TOKEN.encode()
    assert compared == [("\xe9".encode(), token), (b"", token)] * 2


FOREIGN: dict[str, dict[str, str]] = {
    "another site": {"origin": "https://example.com"},
    "another port": {"origin": "http://localhost:3000"},
    "no port": {"origin": "http://localhost"},
    "a frame without origin": {"origin": "null"},
    "an empty origin": {"origin": ""},
    "no scheme": {"origin": "localhost:8000"},
    "a scheme of its own": {"origin": "chrome-extension://localhost:8000"},
    "an image of another site": {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"},
    "a script of a site beside": {"sec-fetch-site": "same-site", "sec-fetch-mode": "no-cors"},
    "no mode": {"sec-fetch-site": "cross-site"},
    "a word that is not known": {"sec-fetch-site": "elsewhere"},
    "a browser that knows better": {
        "origin": "http://localhost:8000",
        "sec-fetch-site": "same-site",
    },
}
OWN: dict[str, dict[str, str]] = {
    "no browser": {},
    "its own page": {"origin": "http://localhost:8000"},
    "its own page behind TLS": {"origin": "https://localhost:8000"},
    "its own page in capitals": {"origin": "http://LOCALHOST:8000"},
    "its own script": {"sec-fetch-site": "same-origin", "sec-fetch-mode": "cors"},
    "its own script, whatever the proxy calls the host": {
        "origin": "https://stats.example",
        "sec-fetch-site": "same-origin",
        "sec-fetch-mode": "cors",
    },
    "the address bar": {"sec-fetch-site": "none", "sec-fetch-mode": "navigate"},
    "a link on another site": {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"},
}


@pytest.mark.parametrize("headers", FOREIGN.values(), ids=FOREIGN)
def test_another_page_in_the_operators_browser_is_not_the_operator(headers: dict[str, str]) -> None:
    assert not may_administer(HERE | headers, "127.0.0.1", None)
    signed_in = HERE | headers | {"authorization": basic(f"me:{TOKEN}")}
    assert not may_administer(signed_in, "203.0.113.9", TOKEN)
    # Nothing sends this by itself.
    bearing = HERE | headers | {"authorization": f"Bearer {TOKEN}"}
    assert may_administer(bearing, "203.0.113.9", TOKEN)


@pytest.mark.parametrize(
    ("host", "origin", "expected"),
    [
        ("stats.example", "http://stats.example:8080", True),
        ("stats.example", "http://stats.example", True),
        ("[2001:db8::1]", "http://[2001:db8::1]:8080", True),
        ("[2001:db8::1]:8080", "http://[2001:db8::1]:8080", True),
        ("[2001:db8::1]:8080", "http://[2001:db8::1]", False),
        ("stats.example", "http://stats.example.evil.example", False),
        ("stats.example", "http://evil.example:8080", False),
        ("stats.example:8080", "http://stats.example", False),
        ("", "http://stats.example", False),
    ],
)
def test_proxies_leave_out_the_port(host: str, origin: str, expected: bool) -> None:
    headers = {"host": host, "origin": origin, "authorization": basic(f"me:{TOKEN}")}
    assert may_administer(headers, "203.0.113.9", TOKEN) is expected


@pytest.mark.parametrize("headers", OWN.values(), ids=OWN)
def test_the_operators_own_page_is(headers: dict[str, str]) -> None:
    assert may_administer(HERE | headers, "127.0.0.1", None)
    signed_in = HERE | headers | {"authorization": basic(f"me:{TOKEN}")}
    assert may_administer(signed_in, "203.0.113.9", TOKEN)


@pytest.mark.parametrize(
    "header",
    [
        "via",
        "forwarded",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-proto",
        "x-forwarded-port",
        "x-forwarded-server",
        "x-real-ip",
        *ADDRESS_HEADERS,
    ],
)
@pytest.mark.parametrize("value", ["127.0.0.1", ""])
def test_a_proxy_on_this_machine_is_not_this_machine(header: str, value: str) -> None:
    assert not may_administer(HERE | {header: value}, "127.0.0.1", None)
    assert may_administer({header: value, "authorization": f"Bearer {TOKEN}"}, "127.0.0.1", TOKEN)
