"""Who may see what is not for everybody."""

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

    With a token set, the request must carry it (`Authorization: Bearer …`). Without one, it must
    come from this machine itself, and not through a proxy on it: a forwarding header would show
    that somebody else stands behind.

    Args:
        headers: By lower-case name.
        peer: Address of the connection's other end.
        token: The configured token; None when unset.
    """
    if token is not None:
        return bears(headers, token)
    if "origin" in headers:
        return False  # a page of some other site, in a browser on this machine
    return is_loopback(peer) and not any(name in headers for name in FORWARDED_HEADERS)


def bears(headers: Mapping[str, str], token: str) -> bool:
    """Tell, in constant time, whether the request carries a bearer token."""
    scheme, _, given = headers.get("authorization", "").partition(" ")
    matches = hmac.compare_digest(given.strip().encode(), token.encode())
    return matches and scheme.lower() == "bearer"


def is_loopback(peer: str) -> bool:
    """Whether an address is this machine's own."""
    try:
        address = ipaddress.ip_address(peer)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback
