"""Who may see what is not for everybody."""

import base64
import binascii
import hmac
import ipaddress
from collections.abc import Mapping

FORWARDED_HEADERS = (
    "x-forwarded-for",
    "forwarded",
    "x-real-ip",
    "cf-connecting-ip",
    "b-forwarded-for",
    "x-plausible-ip",
)


def may_administer(headers: Mapping[str, str], peer: str, token: str | None) -> bool:
    """Tell whether a request may see the operator's pages.

    With a token set, the request must carry it: as `Authorization: Bearer …`, or as the password of
    `Authorization: Basic …`, which browsers know how to ask for. Browsers send the latter by
    themselves, so it does not count in what a page of another origin asks for. Without a token, the
    request must come from this machine itself: not through a proxy on it, since a forwarding header
    would show that somebody else stands behind; not for a page of another origin; and to a name
    that means this machine, so that nobody else's name can be made to lead here (DNS rebinding).

    Args:
        headers: By lower-case name.
        peer: Address of the connection's other end.
        token: The configured token; None when unset.
    """
    if token is not None:
        if bears(headers, token):
            return True
        return has_password(headers, token) and not for_another_origin(headers)
    return (
        is_loopback(peer)
        and names_loopback(headers.get("host", ""))
        and not any(name in headers for name in FORWARDED_HEADERS)
        and not for_another_origin(headers)
    )


def bears(headers: Mapping[str, str], token: str) -> bool:
    """Tell, in constant time, whether the request carries a bearer token."""
    scheme, _, given = headers.get("authorization", "").partition(" ")
    matches = hmac.compare_digest(given.strip().encode(), token.encode())
    return matches and scheme.lower() == "bearer"


def has_password(headers: Mapping[str, str], password: str) -> bool:
    """Tell, in constant time, whether the request has a password, whoever the user (RFC 7617)."""
    scheme, _, credentials = headers.get("authorization", "").partition(" ")
    try:
        decoded = base64.b64decode(credentials.strip().encode(), validate=True)
    except binascii.Error:
        decoded = b""
    given = decoded.partition(b":")[2]
    matches = hmac.compare_digest(given, password.encode())
    return matches and scheme.lower() == "basic"


def for_another_origin(headers: Mapping[str, str]) -> bool:
    """Tell whether a page of another origin has made a browser ask.

    A link that somebody follows is not such a page's request, though the browser says where it
    stood (Fetch Metadata: `Sec-Fetch-Site`, `Sec-Fetch-Mode`).
    """
    origin = headers.get("origin")
    if origin is not None:
        scheme, separator, host = origin.lower().partition("://")
        known = separator and scheme in ("http", "https")
        return not known or host != headers.get("host", "").lower()
    return (
        headers.get("sec-fetch-site") in ("cross-site", "same-site")
        and headers.get("sec-fetch-mode") != "navigate"
    )


def names_loopback(host: str) -> bool:
    """Whether a `Host` header, with or without a port, names this machine and no other."""
    if host.startswith("["):
        name, bracket, port = host[1:].partition("]")
        if not bracket or (port and not port.startswith(":")):
            return False
    else:
        name, _, port = host.partition(":")
    if not port.removeprefix(":").isascii() or not (port.removeprefix(":") or "0").isdigit():
        return False
    return name.lower() == "localhost" or is_loopback(name)


def is_loopback(peer: str) -> bool:
    """Whether an address is this machine's own."""
    try:
        address = ipaddress.ip_address(peer)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback
