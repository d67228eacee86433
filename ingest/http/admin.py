"""Access control of the operator's routes."""

import base64
import binascii
import hmac
import ipaddress
import re
from collections.abc import Mapping

PROXY_HEADERS = (
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-forwarded-port",
    "x-forwarded-server",
    "forwarded",
    "via",
    "x-real-ip",
    "cf-connecting-ip",
    "b-forwarded-for",
    "x-plausible-ip",
)

_PORT = re.compile(r"(?::[0-9]*)?\Z", re.ASCII)


def may_administer(headers: Mapping[str, str], peer: str, token: str | None) -> bool:
    """Whether a request may access the operator's routes.

    If a token is set, the request must carry it: as `Authorization: Bearer …`, or as the password
    of `Authorization: Basic …`, which browsers can prompt for. Browsers send the password
    automatically, so it does not count in requests of another origin's page. Without a token, the
    request must come from this machine: without a header that a proxy adds; not from a page of
    another origin; and to a host name of this machine, to prevent DNS rebinding.

    Args:
        headers: By lower-case name.
        peer: Address of the connection's other end.
        token: The configured token; None when unset.
    """
    if token is not None:
        if has_bearer_token(headers, token):
            return True
        return has_password(headers, token) and not is_cross_origin(headers)
    return (
        is_loopback(peer)
        and is_loopback_host(headers.get("host", ""))
        and not any(name in headers for name in PROXY_HEADERS)
        and not is_cross_origin(headers)
    )


def has_bearer_token(headers: Mapping[str, str], token: str) -> bool:
    """Check, in constant time, whether the request carries a bearer token."""
    scheme, _, given = headers.get("authorization", "").partition(" ")
    matches = hmac.compare_digest(given.strip().encode(), token.encode())
    return matches and scheme.lower() == "bearer"


def has_password(headers: Mapping[str, str], password: str) -> bool:
    """Check, in constant time, whether the request has a password, for any user (RFC 7617)."""
    scheme, _, credentials = headers.get("authorization", "").partition(" ")
    try:
        decoded = base64.b64decode(credentials.strip().encode(), validate=True)
    except binascii.Error:
        decoded = b""
    given = decoded.partition(b":")[2]
    matches = hmac.compare_digest(given, password.encode())
    return matches and scheme.lower() == "basic"


def is_cross_origin(headers: Mapping[str, str]) -> bool:
    """Whether a page of another origin has caused a browser's request.

    Browsers send `Sec-Fetch-Site` (Fetch Metadata) to servers with TLS and to this machine. A
    followed link does not count, even if it was on a page of another origin. Without that header,
    `Origin` is compared with `Host`, from which some proxies remove the port.
    """
    site = headers.get("sec-fetch-site")
    if site is not None:
        own = site in ("same-origin", "none")
        return not own and headers.get("sec-fetch-mode") != "navigate"
    origin = headers.get("origin")
    if origin is None:
        return False
    scheme, separator, named = origin.lower().partition("://")
    host = headers.get("host", "").lower()
    if ":" not in host.rpartition("]")[2]:
        named = named[: len(named) - len(_port(named))]
    return not separator or scheme not in ("http", "https") or named != host


def is_loopback_host(host: str) -> bool:
    """Whether a `Host` header, with or without a port, can only mean this machine."""
    name = host[: len(host) - len(_port(host))].lower()
    if name.startswith("[") and name.endswith("]"):
        return is_loopback(name[1:-1]) and ":" in name
    return name == "localhost" or (is_loopback(name) and ":" not in name)


def _port(host: str) -> str:
    """Return the port at the end of a host, with its colon; empty if there is none."""
    return _PORT.search(host)[0]  # type: ignore[index]


def is_loopback(peer: str) -> bool:
    """Whether an address is this machine's own."""
    try:
        address = ipaddress.ip_address(peer)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback
